/*
 * loss.c: losses: few numbers, in double, in the order of the samples.
 */
#include <math.h>

#include "cpu.h"

/* One double a sample, in shared scratch; NULL: no memory. */
static double *each_sample(struct cpu *cpu, int64_t n) {
    if (!cpu_scratch(cpu, (size_t)n * sizeof(double), 0)) return NULL;
    return (double *)(void *)cpu->shared;
}

static double sum_samples(int64_t n, const double *each, float *losses) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += each[i];
        if (losses != NULL) losses[i] = (float)each[i];
    }
    return sum;
}

struct softmax {
    int64_t n, classes;
    const float *logits;
    const uint8_t *labels;
    float *probabilities, *dlogits;
};

/* Index of the first of the largest. */
static int64_t best_of(int64_t classes, const float *logits) {
    int64_t best = 0;
    float largest = logits[0];
    for (int64_t c = 1; c < classes; c++) { /* no branch: nobody can guess which is taken */
        bool more = logits[c] > largest;
        best = more ? c : best;
        largest = more ? logits[c] : largest;
    }
    return best;
}

/* Gives the sample's loss; powers (classes) = exp(logit - largest). dlogits may be logits: read before written. */
static double softmax_row(const struct softmax *job, int64_t i, double distance, const float *powers) {
    double sum = 0;
    for (int64_t c = 0; c < job->classes; c++) {
        sum += (double)powers[c];
    }
    double factor = 1 / sum, divisor = 1 / (double)job->n;
    for (int64_t c = 0, at = i * job->classes; c < job->classes; c++, at++) {
        double p = (double)powers[c] * factor;
        if (job->probabilities != NULL) job->probabilities[at] = (float)p;
        if (job->dlogits != NULL) job->dlogits[at] = (float)((p - (c == job->labels[i])) * divisor);
    }
    return log(sum) + distance;
}

/* Samples of a range, `powers` (their number, classes); each their losses. Gives the number of right answers. */
static int64_t softmax_rows(const struct cpu *cpu, const struct softmax *job, struct range range, float *powers,
                            double *each) {
    int64_t right = 0, classes = job->classes;
    for (int64_t i = range.first; i < range.last; i++) {
        const float *logits = job->logits + i * classes;
        int64_t best = best_of(classes, logits), label = job->labels[i];
        for (int64_t c = 0; c < classes; c++) {
            powers[i * classes + c] = logits[c] - logits[best];
        }
        right += best == label;
        each[i] = label < classes ? (double)logits[best] - (double)logits[label] : (double)NAN;
    }
    cpu->kernels->exp((range.last - range.first) * classes, powers + range.first * classes);
    for (int64_t i = range.first; i < range.last; i++) {
        each[i] = softmax_row(job, i, each[i], powers + i * classes);
    }
    return right;
}

void cpu_softmax_cross_entropy(struct backend *backend, int64_t n, int64_t classes, const float *logits,
                               const uint8_t *labels, float *probabilities, float *dlogits, float *losses,
                               float *sums) {
    struct cpu *cpu = cpu_of(backend);
    if (!cpu_scratch(cpu, (size_t)n * (sizeof(double) + (size_t)classes * sizeof(float)), 0)) return;
    double *each = (double *)(void *)cpu->shared;
    float *powers = (float *)(void *)(each + n);
    const struct softmax job = {n, classes, logits, labels, probabilities, dlogits};
    int64_t right = 0;
    int threads = cpu_threads_for(cpu, 8 * n * classes);
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : right)
    for (int i = 0; i < threads; i++) {
        right += softmax_rows(cpu, &job, (struct range){n * i / threads, n * (i + 1) / threads}, powers, each);
    }
    sums[0] = (float)sum_samples(n, each, losses);
    sums[1] = (float)right;
}

void cpu_squared_error(struct backend *backend, int64_t n, int64_t width, const float *y, const float *target,
                       float *dy, float *losses, float *sums) {
    struct cpu *cpu = cpu_of(backend);
    double *each = each_sample(cpu, n);
    if (each == NULL) return;
    float factor = (float)(2.0 / (double)n);
    int threads = cpu_threads_for(cpu, n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        each[i] = cpu->kernels->squared_error(width, factor, y + i * width, target + i * width,
                                              dy != NULL ? dy + i * width : NULL);
    }
    sums[0] = (float)sum_samples(n, each, losses);
}

/* log(1 + exp(x)), which neither overflows nor loses small ones. */
static double softplus(double x) {
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double sigmoid(double x) {
    double small = exp(-fabs(x)); /* at most 1 */
    return (x < 0 ? small : 1) / (1 + small);
}

void cpu_logit_loss(struct backend *backend, enum logit_loss kind, int64_t n, float target, float weight,
                    const float *logits, float *dlogits, float *sums) {
    (void)backend;
    double loss = 0, wanted = (double)target, factor = (double)weight;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)logits[i], slope;
        if (kind == LOGIT_SQUARED) {
            loss += (x - wanted) * (x - wanted);
            slope = 2 * (x - wanted);
        } else {
            loss += softplus(wanted > 0.5 ? -x : x);
            slope = wanted > 0.5 ? -sigmoid(-x) : sigmoid(x);
        }
        if (dlogits != NULL) dlogits[i] = (float)(factor * slope);
    }
    sums[0] += (float)(factor * loss);
}

void cpu_sample_latent(struct backend *backend, int64_t n, int64_t width, const float *code, const float *noise,
                       float *z, float *kl, float *sums) {
    struct cpu *cpu = cpu_of(backend);
    double *each = each_sample(cpu, n);
    if (each == NULL) return;
    int threads = cpu_threads_for(cpu, 16 * n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        const float *mean = code + i * 2 * width, *log_variance = mean + width;
        double sum = 0;
        for (int64_t j = 0; j < width; j++) {
            double mu = (double)mean[j], deviation = exp(0.5 * (double)log_variance[j]);
            z[i * width + j] = (float)(mu + deviation * (double)noise[i * width + j]);
            sum += 1 + (double)log_variance[j] - mu * mu - deviation * deviation;
        }
        each[i] = -0.5 * sum;
    }
    sums[0] = (float)sum_samples(n, each, kl);
}

void cpu_sample_latent_backward(struct backend *backend, int64_t n, int64_t width, const float *code,
                                const float *noise, const float *dz, float kl_weight, float *dcode) {
    struct cpu *cpu = cpu_of(backend);
    double weight = (double)kl_weight;
    int threads = cpu_threads_for(cpu, 16 * n * width);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < width; j++) {
            int64_t mean = i * 2 * width + j, log_variance = mean + width, at = i * width + j;
            double deviation = exp(0.5 * (double)code[log_variance]), slope = (double)dz[at];
            dcode[mean] = (float)(slope + weight * (double)code[mean]);
            dcode[log_variance] =
                (float)(0.5 * (slope * (double)noise[at] * deviation + weight * (deviation * deviation - 1)));
        }
    }
}
