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

/* ReLU (slope 0) or leaky ReLU; keeps NaN. */
ALWAYS_INLINE vector rectified(vector value, float slope) {
    return choose(value < (vector){0}, value * slope, value);
}

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
/* A function's name in this set: SET(conv_row) is conv_row_avx2. */
#define SET(name) JOIN(name, KERNELS_SET)

void SET(conv_row)(const struct row_job *job);
void SET(conv_finish)(const struct finish_job *job);
void SET(gather)(const struct gather_job *job);
extern const struct kernels SET(kernels);

#endif
