/*
 * kernels_elements.cu: work on elements that know nothing of their neighbours. Four at a time where memory is aligned.
 */
#include "launch.cuh"

static __global__ void set_values(struct step_values values, struct step_values *target) {
    *target = values;
}

extern "C" void kernels_set_values(cudaStream_t stream, struct step_values values, struct step_values *target) {
    LAUNCH(set_values, 1, 1, 0, stream, values, target);
}

static __global__ void scale_bytes(int64_t count, const uint8_t *from, float divisor, float shift, float *to) {
    EACH(i, count) {
        to[i] = (float)from[i] / divisor - shift;
    }
}

extern "C" void kernels_scale(cudaStream_t stream, int64_t count, const uint8_t *from, float divisor, float shift,
                              float *to) {
    LAUNCH(scale_bytes, blocks_for(count), THREADS, 0, stream, count, from, divisor, shift, to);
}

/* ---- bias and activation ---- */

static __global__ void bias_activation(int64_t count, int64_t width, const float *bias, struct activation activation,
                                       float *y) {
    EACH(i, count) {
        float x = y[i];
        if (bias != NULL) x += bias[i % width];
        y[i] = element_activate(activation, x);
    }
}

/* 32-bit indices: a division of 64 bits costs more than the rest. */
static __global__ void bias_activation4(uint32_t fours, uint32_t width4, const float4 *bias,
                                        struct activation activation, float4 *y) {
    for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; i < fours; i += gridDim.x * blockDim.x) {
        float4 x = y[i];
        if (bias != NULL) {
            float4 b = bias[i % width4];
            x = make_float4(x.x + b.x, x.y + b.y, x.z + b.z, x.w + b.w);
        }
        y[i] = make_float4(element_activate(activation, x.x), element_activate(activation, x.y),
                           element_activate(activation, x.z), element_activate(activation, x.w));
    }
}

extern "C" void kernels_bias_activation(cudaStream_t stream, int64_t n, int64_t width, const float *bias,
                                        struct activation activation, float *y) {
    int64_t count = n * width;
    if (bias == NULL && activation.kind == ACTIVATION_NONE) return;
    if (width % 4 == 0 && count < INT32_MAX && aligned16(y, bias, NULL, NULL)) {
        LAUNCH(bias_activation4, blocks_for(count / 4), THREADS, 0, stream, (uint32_t)(count / 4),
               (uint32_t)(width / 4), (const float4 *)bias, activation, (float4 *)y);
    } else {
        LAUNCH(bias_activation, blocks_for(count), THREADS, 0, stream, count, width, bias, activation, y);
    }
}

/* ---- random numbers: a thread makes the two that share their bits ---- */

static __global__ void dropout(const struct step_values *values, int64_t count, uint32_t limit, float factor,
                               uint64_t place, const float *from, float *to) {
    uint64_t key = element_dropout_key(values->dropout_key, place);
    EACH(pair, (count + 1) / 2) {
        uint64_t bits = element_dropout_bits(key, (uint64_t)pair);
        int64_t i = 2 * pair;
        to[i] = (uint32_t)bits < limit ? 0.0f : from[i] * factor;
        if (i + 1 < count) to[i + 1] = (uint32_t)(bits >> 32) < limit ? 0.0f : from[i + 1] * factor;
    }
}

extern "C" void kernels_dropout(cudaStream_t stream, const struct step_values *values, int64_t count, double p,
                                uint64_t place, const float *from, float *to) {
    LAUNCH(dropout, blocks_for((count + 1) / 2), THREADS, 0, stream, values, count, element_dropout_limit(p),
           (float)(1.0 / (1.0 - p)), place, from, to);
}

static __global__ void uniform_noise(const struct step_values *values, int64_t count, float scale, float shift,
                                     float *to) {
    EACH(i, count) {
        to[i] = (element_uniform(values->noise_key, (uint64_t)i) + shift) * scale;
    }
}

static __global__ void normal_noise(const struct step_values *values, int64_t count, float *to) {
    EACH(pair, (count + 1) / 2) {
        float first, second;
        element_normals(values->noise_key, (uint64_t)pair, &first, &second);
        to[2 * pair] = first;
        if (2 * pair + 1 < count) to[2 * pair + 1] = second;
    }
}

extern "C" void kernels_noise(cudaStream_t stream, const struct step_values *values, enum noise_kind kind,
                              int64_t count, float scale, float shift, float *to) {
    if (kind == NOISE_UNIFORM) {
        LAUNCH(uniform_noise, blocks_for(count), THREADS, 0, stream, values, count, scale, shift, to);
    } else {
        LAUNCH(normal_noise, blocks_for((count + 1) / 2), THREADS, 0, stream, values, count, to);
    }
}

/* ---- optimisers ---- */

/* The constants are made once a block, by its first thread: they need powers in double. */
static __device__ void share_adam(const struct step_values *values, const struct adam *adam,
                                  struct element_adam *shared) {
    if (threadIdx.x == 0) *shared = element_adam_of(adam, values->lr, values->step);
    __syncthreads();
}

static __global__ void adam_ones(const struct step_values *values, int64_t count, struct adam adam, float *w,
                                 const float *g, float *m, float *v) {
    __shared__ struct element_adam made;
    share_adam(values, &adam, &made);
    EACH(i, count) {
        w[i] = element_adam_step(&made, w[i], g[i], &m[i], &v[i]);
    }
}

static __global__ void adam_fours(const struct step_values *values, int64_t fours, struct adam adam, float4 *w,
                                  const float4 *g, float4 *m, float4 *v) {
    __shared__ struct element_adam made;
    share_adam(values, &adam, &made);
    const struct element_adam constants = made;
    EACH(i, fours) {
        float4 weight = w[i], slope = g[i], first = m[i], second = v[i];
        weight.x = element_adam_step(&constants, weight.x, slope.x, &first.x, &second.x);
        weight.y = element_adam_step(&constants, weight.y, slope.y, &first.y, &second.y);
        weight.z = element_adam_step(&constants, weight.z, slope.z, &first.z, &second.z);
        weight.w = element_adam_step(&constants, weight.w, slope.w, &first.w, &second.w);
        w[i] = weight;
        m[i] = first;
        v[i] = second;
    }
}

extern "C" void kernels_adam(cudaStream_t stream, const struct step_values *values, int64_t count,
                             const struct adam *adam, float *w, const float *g, float *m, float *v) {
    int64_t fours = aligned16(w, g, m, v) ? count / 4 : 0, rest = count - 4 * fours;
    if (fours > 0) {
        LAUNCH(adam_fours, blocks_for(fours), THREADS, 0, stream, values, fours, *adam, (float4 *)w, (const float4 *)g,
               (float4 *)m, (float4 *)v);
    }
    if (rest > 0) {
        int64_t at = 4 * fours;
        LAUNCH(adam_ones, blocks_for(rest), THREADS, 0, stream, values, rest, *adam, w + at, g + at, m + at, v + at);
    }
}

static __global__ void sgd(const struct step_values *values, int64_t count, float momentum, float weight_decay,
                           float *w, const float *g, float *velocity) {
    float lr = (float)values->lr;
    EACH(i, count) {
        w[i] = element_sgd_step(lr, momentum, weight_decay, w[i], g[i], &velocity[i]);
    }
}

extern "C" void kernels_sgd(cudaStream_t stream, const struct step_values *values, int64_t count, float momentum,
                            float weight_decay, float *w, const float *g, float *velocity) {
    LAUNCH(sgd, blocks_for(count), THREADS, 0, stream, values, count, momentum, weight_decay, w, g, velocity);
}

/* Threads that find one write the same word: it does not matter who comes last. */
static __global__ void find_infinite(int64_t count, const float *x, int *flag) {
    EACH(i, count) {
        if (!(fabsf(x[i]) <= 3.402823466e38f)) *flag = 1;
    }
}

extern "C" void kernels_find_infinite(cudaStream_t stream, int64_t count, const float *x, int *flag) {
    LAUNCH(find_infinite, blocks_for(count), THREADS, 0, stream, count, x, flag);
}
