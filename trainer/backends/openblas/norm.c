/*
 * norm.c: batch normalisation over rows, channels last (Ioffe and Szegedy 2015).
 *
 * Both directions read their arrays twice: for the sums of each channel, in double, part by part of the rows and the
 * parts in their order; then for the result.
 */
#include <math.h>
#include <string.h>

#include "cpu.h"

/* Two sums for each channel and part: (parts, 2, channels). Laid out in shared scratch; NULL: no memory. */
static double *sums_of(struct cpu *cpu, const struct batch_norm *norm, int parts) {
    size_t bytes = (size_t)parts * 2 * (size_t)norm->channels * sizeof(double);
    if (!cpu_scratch(cpu, bytes, 0)) return NULL;
    memset(cpu->shared, 0, bytes);
    return (double *)(void *)cpu->shared;
}

static void add_parts(const struct batch_norm *norm, int parts, double *sums) {
    int64_t count = 2 * norm->channels;
    for (int part = 1; part < parts; part++) {
        for (int64_t i = 0; i < count; i++) {
            sums[i] += sums[part * count + i];
        }
    }
}

static struct range rows_of(const struct batch_norm *norm, int part, int parts) {
    return (struct range){norm->rows * part / parts, norm->rows * (part + 1) / parts};
}

/* y = (x - mean) × factor × scale + shift */
static void normalise(struct cpu *cpu, const struct batch_norm *norm, const float *x, const float *mean,
                      const float *factor, const float *scale, const float *shift, float *y) {
    int parts = cpu_threads_for(cpu, norm->rows * norm->channels);
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int part = 0; part < parts; part++) {
        struct range rows = rows_of(norm, part, parts);
        int64_t at = rows.first * norm->channels;
        cpu->kernels->norm_apply(rows.last - rows.first, norm->channels, x + at, mean, factor, scale, shift, y + at);
    }
}

void cpu_batch_norm_forward(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                            const float *shift, float *running_mean, float *running_variance, float *saved, float *y) {
    struct cpu *cpu = cpu_of(backend);
    int64_t channels = norm->channels;
    int parts = cpu_threads_for(cpu, norm->rows * channels);
    double *sums = sums_of(cpu, norm, parts), rows = (double)norm->rows;
    if (sums == NULL) return;
        /* Of x - pivot and its square, the pivot being the channel's first value. So nothing is lost to a mean that is
         * large beside the deviation: the pivot is one of the values, which bounds the cancellation by the number of
         * rows. */
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int part = 0; part < parts; part++) {
        struct range rows_here = rows_of(norm, part, parts);
        double *own = sums + part * 2 * channels;
        cpu->kernels->norm_moments(rows_here.last - rows_here.first, channels, x + rows_here.first * channels, x, own,
                                   own + channels);
    }
    add_parts(norm, parts, sums);
    for (int64_t c = 0; c < channels; c++) {
        double offset = sums[c] / rows, mean = (double)x[c] + offset;
        double squares = sums[channels + c] - sums[c] * offset;
        if (squares < 0) squares = 0; /* by rounding, where all values are nearly equal; NaN stays */
        saved[c] = (float)mean;
        saved[channels + c] = (float)(1 / sqrt(squares / rows + norm->epsilon));
        double unbiased = squares / (rows > 1 ? rows - 1 : 1);
        running_mean[c] = (float)((1 - norm->momentum) * (double)running_mean[c] + norm->momentum * mean);
        running_variance[c] = (float)((1 - norm->momentum) * (double)running_variance[c] + norm->momentum * unbiased);
    }
    normalise(cpu, norm, x, saved, saved + channels, scale, shift, y);
}

void cpu_batch_norm_evaluate(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                             const float *shift, const float *running_mean, const float *running_variance, float *y) {
    struct cpu *cpu = cpu_of(backend);
    if (!cpu_scratch(cpu, (size_t)norm->channels * sizeof(float), 0)) return;
    float *factor = (float *)(void *)cpu->shared;
    for (int64_t c = 0; c < norm->channels; c++) {
        factor[c] = (float)(1 / sqrt((double)running_variance[c] + norm->epsilon));
    }
    normalise(cpu, norm, x, running_mean, factor, scale, shift, y);
}

void cpu_batch_norm_backward(struct backend *backend, const struct batch_norm *norm, const float *x, const float *scale,
                             const float *saved, const float *dy, float *dx, float *dscale, float *dshift) {
    struct cpu *cpu = cpu_of(backend);
    int64_t channels = norm->channels;
    int parts = cpu_threads_for(cpu, norm->rows * channels);
    double *sums = sums_of(cpu, norm, parts + 1);
    if (sums == NULL) return;
    float *means = (float *)(void *)(sums + (int64_t)parts * 2 * channels);
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int part = 0; part < parts; part++) {
        struct range rows = rows_of(norm, part, parts);
        int64_t at = rows.first * channels;
        double *own = sums + part * 2 * channels;
        cpu->kernels->norm_slopes(rows.last - rows.first, channels, x + at, saved, saved + channels, dy + at, own,
                                  own + channels);
    }
    add_parts(norm, parts, sums);
    for (int64_t c = 0; c < channels; c++) {
        if (dshift != NULL) dshift[c] = (float)sums[c];
        if (dscale != NULL) dscale[c] = (float)sums[channels + c];
        means[c] = (float)(sums[c] / (double)norm->rows);
        means[channels + c] = (float)(sums[channels + c] / (double)norm->rows);
    }
#pragma omp parallel for schedule(static) num_threads(parts)
    for (int part = 0; part < parts; part++) {
        struct range rows = rows_of(norm, part, parts);
        int64_t at = rows.first * channels;
        cpu->kernels->norm_backward(rows.last - rows.first, channels, x + at, saved, saved + channels, scale, means,
                                    means + channels, dy + at, dx + at);
    }
}
