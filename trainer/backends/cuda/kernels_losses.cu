/*
 * kernels_losses.cu: losses, their slopes and their sums. Sums are kept in double and made in a fixed order.
 */
#include "launch.cuh"

/* One block: a batch has few rows, and so it needs no second launch for the sums. */
static __global__ void softmax_cross_entropy(int64_t n, int64_t classes, const float *logits, const uint8_t *labels,
                                             float *probabilities, float *dlogits, float *losses, float *sums) {
    __shared__ double room[THREADS];
    double loss = 0, right = 0;
    for (int64_t i = threadIdx.x; i < n; i += THREADS) {
        const float *from = logits + i * classes;
        int64_t label = labels[i];
        struct element_row row = element_softmax_row(classes, from);
        double one = element_cross_entropy(row, classes, from, label);
        loss += one;
        right += row.best == label;
        if (losses != NULL) losses[i] = (float)one;
        for (int64_t c = 0; c < classes && (probabilities != NULL || dlogits != NULL); c++) {
            double p = element_probability(row, from[c]);
            if (probabilities != NULL) probabilities[i * classes + c] = (float)p;
            if (dlogits != NULL) dlogits[i * classes + c] = (float)((p - (c == label)) / (double)n);
        }
    }
    loss = block_sum(loss, room);
    right = block_sum(right, room);
    if (threadIdx.x == 0) {
        sums[0] = (float)loss;
        sums[1] = (float)right;
    }
}

extern "C" void kernels_softmax_cross_entropy(cudaStream_t stream, int64_t n, int64_t classes, const float *logits,
                                              const uint8_t *labels, float *probabilities, float *dlogits,
                                              float *losses, float *sums) {
    LAUNCH(softmax_cross_entropy, 1, THREADS, 0, stream, n, classes, logits, labels, probabilities, dlogits, losses,
           sums);
}

/* One block: sums[0] = Σ each */
static __global__ void total(int64_t n, const double *each, float *sums) {
    __shared__ double room[THREADS];
    double sum = 0;
    for (int64_t i = threadIdx.x; i < n; i += THREADS) {
        sum += each[i];
    }
    sum = block_sum(sum, room);
    if (threadIdx.x == 0) sums[0] = (float)sum;
}

/* A block for each sample. */
static __global__ void squared_error(int64_t n, int64_t width, const float *y, const float *target, float *dy,
                                     float *losses, double *each) {
    __shared__ double room[THREADS];
    for (int64_t sample = blockIdx.x; sample < n; sample += gridDim.x) {
        double loss = 0;
        for (int64_t i = sample * width + threadIdx.x; i < (sample + 1) * width; i += THREADS) {
            float difference = y[i] - target[i];
            loss += (double)difference * (double)difference;
            if (dy != NULL) dy[i] = 2.0f * difference / (float)n;
        }
        loss = block_sum(loss, room);
        if (threadIdx.x == 0) {
            each[sample] = loss;
            if (losses != NULL) losses[sample] = (float)loss;
        }
    }
}

static unsigned blocks_of(int64_t n) {
    return (unsigned)(n < 1 ? 1 : n > 65535 ? 65535 : n);
}

extern "C" void kernels_squared_error(cudaStream_t stream, int64_t n, int64_t width, const float *y,
                                      const float *target, float *dy, float *losses, float *sums, double *each) {
    LAUNCH(squared_error, blocks_of(n), THREADS, 0, stream, n, width, y, target, dy, losses, each);
    LAUNCH(total, 1, THREADS, 0, stream, n, each, sums);
}

static __global__ void logit_loss(enum logit_loss kind, int64_t n, float target, float weight, const float *logits,
                                  float *dlogits, float *sums) {
    __shared__ double room[THREADS];
    double loss = 0;
    for (int64_t i = threadIdx.x; i < n; i += THREADS) {
        double slope;
        loss += element_logit_loss(kind, (double)logits[i], (double)target, &slope);
        if (dlogits != NULL) dlogits[i] = (float)((double)weight * slope);
    }
    loss = block_sum(loss, room);
    if (threadIdx.x == 0) sums[0] += (float)((double)weight * loss);
}

extern "C" void kernels_logit_loss(cudaStream_t stream, enum logit_loss kind, int64_t n, float target, float weight,
                                   const float *logits, float *dlogits, float *sums) {
    LAUNCH(logit_loss, 1, THREADS, 0, stream, kind, n, target, weight, logits, dlogits, sums);
}

/* ---- the code of a variational autoencoder ---- */

static __global__ void sample_latent(int64_t n, int64_t width, const float *code, const float *noise, float *z,
                                     float *kl, double *each) {
    __shared__ double room[THREADS];
    for (int64_t sample = blockIdx.x; sample < n; sample += gridDim.x) {
        const float *mu = code + sample * 2 * width, *log_variance = mu + width;
        double loss = 0;
        for (int64_t i = threadIdx.x; i < width; i += THREADS) {
            loss += element_kl((double)mu[i], (double)log_variance[i]);
            z[sample * width + i] = element_latent(mu[i], log_variance[i], noise[sample * width + i]);
        }
        loss = block_sum(loss, room);
        if (threadIdx.x == 0) {
            each[sample] = loss;
            if (kl != NULL) kl[sample] = (float)loss;
        }
    }
}

extern "C" void kernels_sample_latent(cudaStream_t stream, int64_t n, int64_t width, const float *code,
                                      const float *noise, float *z, float *kl, float *sums, double *each) {
    LAUNCH(sample_latent, blocks_of(n), THREADS, 0, stream, n, width, code, noise, z, kl, each);
    LAUNCH(total, 1, THREADS, 0, stream, n, each, sums);
}

static __global__ void sample_latent_backward(int64_t n, int64_t width, const float *code, const float *noise,
                                              const float *dz, float kl_weight, float *dcode) {
    EACH(i, n * width) {
        int64_t sample = i / width, mu = sample * 2 * width + i % width, log_variance = mu + width;
        float slope = dz[i];
        dcode[mu] = element_latent_mu_back(code[mu], slope, kl_weight);
        dcode[log_variance] = element_latent_variance_back(code[log_variance], noise[i], slope, kl_weight);
    }
}

extern "C" void kernels_sample_latent_backward(cudaStream_t stream, int64_t n, int64_t width, const float *code,
                                               const float *noise, const float *dz, float kl_weight, float *dcode) {
    LAUNCH(sample_latent_backward, blocks_for(n * width), THREADS, 0, stream, n, width, code, noise, dz, kl_weight,
           dcode);
}
