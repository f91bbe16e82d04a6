/*
 * kernels_vector.h: the vector type of the instruction set that a kernel file is being compiled for.
 *
 * GCC's vector extension: element-wise operators, contracted to fused multiply-add where the CPU has it.
 * KERNELS_WIDTH is floats per vector, KERNELS_REGISTERS how many vectors a kernel may keep as sums.
 */
#ifndef BACKENDS_KERNELS_VECTOR_H
#define BACKENDS_KERNELS_VECTOR_H

#include "kernels.h"

#define VECTOR_BYTES (KERNELS_WIDTH * 4)
typedef float vector __attribute__((vector_size(VECTOR_BYTES)));
typedef float vector_loose __attribute__((vector_size(VECTOR_BYTES), aligned(4), may_alias));
typedef uint8_t bytes __attribute__((vector_size(KERNELS_WIDTH)));
typedef int32_t mask __attribute__((vector_size(VECTOR_BYTES)));

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 32")

ALWAYS_INLINE vector load(const float *from) {
    return *(const vector_loose *)from;
}

ALWAYS_INLINE void store(float *to, vector value) {
    *(vector_loose *)to = value;
}

ALWAYS_INLINE vector splat(float value) {
    return value - (vector){0};
}

/* yes where the mask is set (all bits), else no */
ALWAYS_INLINE vector choose(mask which, vector yes, vector no) {
    return (vector)(((mask)yes & which) | ((mask)no & ~which));
}

/* slope × value; 0 where slope is 0, were value infinite. */
ALWAYS_INLINE vector damped(vector value, float slope) {
    return slope > 0 ? value * slope : (vector){0};
}

/* ReLU (slope 0) or leaky ReLU; keeps NaN. */
ALWAYS_INLINE vector rectified(vector value, float slope) {
    return choose(value < (vector){0}, damped(value, slope), value);
}

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
/* A function's name in this set: SET(conv_row) is conv_row_avx2. */
#define SET(name) JOIN(name, KERNELS_SET)

void SET(conv_row)(const struct row_job *job);
void SET(conv_finish)(const struct finish_job *job);
void SET(gather)(const struct gather_job *job);
void SET(bias_activation)(int64_t n, int64_t width, const float *bias, struct activation activation, float *y);
void SET(activation_backward)(int64_t n, int64_t width, struct activation activation, const float *y, float *dy,
                              float *sums);
void SET(dropout)(int64_t first, int64_t last, uint32_t below, float factor, uint64_t key, const float *from,
                  float *to);
void SET(noise_uniform)(int64_t first, int64_t last, uint64_t key, float scale, float shift, float *to);
void SET(noise_normal)(int64_t first, int64_t last, uint64_t key, float *to);
void SET(exp)(int64_t count, float *x);
double SET(squared_error)(int64_t count, float factor, const float *y, const float *target, float *dy);
bool SET(is_finite)(int64_t count, const float *x);
void SET(norm_moments)(int64_t rows, int64_t channels, const float *x, const float *pivot, double *sum, double *square);
void SET(norm_slopes)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                      const float *dy, double *sum, double *product);
void SET(norm_apply)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                     const float *scale, const float *shift, float *y);
void SET(norm_backward)(int64_t rows, int64_t channels, const float *x, const float *mean, const float *factor,
                        const float *scale, const float *slope, const float *product, const float *dy, float *dx);
extern const struct dense_kernels SET(dense_kernels);
extern const struct winograd_kernels SET(winograd_kernels);
extern const struct kernels SET(kernels);

#endif
