/*
 * launch.cuh: how kernels are launched, sizes of launches, and the sums inside a block.
 *
 * With CUDA_EMULATED the kernels are plain C++ for tests that run them on a CPU, thread by thread.
 */
#ifndef BACKENDS_CUDA_LAUNCH_CUH
#define BACKENDS_CUDA_LAUNCH_CUH

#include "elements.h"
#include "kernels.h"

#ifdef CUDA_EMULATED
#include "emulated.h"
#else
#define LAUNCH(kernel, grid, block, shared, stream, ...) kernel<<<grid, block, shared, stream>>>(__VA_ARGS__)
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#define BLOCKS_MAX 2112 /* 16 for each multiprocessor of the largest device; beyond that every thread goes round */
#endif

#define THREADS 256

static inline unsigned blocks_for(int64_t count) {
    int64_t blocks = (count + THREADS - 1) / THREADS;
    return (unsigned)(blocks < 1 ? 1 : blocks > BLOCKS_MAX ? BLOCKS_MAX : blocks);
}

/* for (each element `i` below count that is this thread's) */
#define EACH(i, count)                                                                                                 \
    for (int64_t i = (int64_t)blockIdx.x * blockDim.x + threadIdx.x; i < (count); i += (int64_t)gridDim.x * blockDim.x)

static inline bool aligned16(const void *a, const void *b, const void *c, const void *d) {
    return (((uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d) & 15) == 0;
}

/* Sum over a block of THREADS threads, always in the same order; thread 0 gets it. `room` has THREADS elements. */
template <typename T> static __device__ T block_sum(T value, T *room) {
    int t = (int)threadIdx.x;
    __syncthreads(); /* room may still be read for the sum before */
    room[t] = value;
    __syncthreads();
    for (int half = THREADS / 2; half > 0; half /= 2) {
        if (t < half) room[t] += room[t + half];
        __syncthreads();
    }
    return room[0];
}

#endif
