/*
 * emulated.h: CUDA's kernels as plain C++, so that they run on a CPU, under the sanitizers, where there is no device.
 *
 * The threads of a block are contexts of one thread of ours that give way at a barrier; blocks run one after another.
 * Every other phase runs them in reverse, so that what depends on their order gives different results in one and the
 * same run. A barrier that some threads reach and others do not ends the program. Shared memory is static.
 *
 * A launch keeps its arguments and is done at once, or, on a stream that is being captured, when the graph is launched.
 */
#ifndef TESTS_CUDA_EMULATED_H
#define TESTS_CUDA_EMULATED_H

#include <cuda_runtime_api.h>
#include <functional>
#include <vector_functions.h>

struct emulated_index {
    unsigned x, y, z;
};
extern emulated_index threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
extern char *emulated_shared;

void emulated_barrier();
/* `work` now, or when the graph that is being recorded from `stream` is launched. */
void emulated_submit(cudaStream_t stream, std::function<void()> work);
void emulated_run(dim3 grid, dim3 block, size_t shared, const std::function<void()> &kernel);

#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __forceinline__
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __forceinline__ inline
#define __syncthreads emulated_barrier

#define LAUNCH(kernel, grid, block, shared, stream, ...)                                                               \
    emulated_submit(                                                                                                   \
        stream, [](auto... arguments) { return [=]() { kernel(arguments...); }; }(__VA_ARGS__), grid, block, shared)
#define BLOCKS_MAX 3 /* so that every thread goes round */
#define DYNAMIC_SHARED(type, name) type *name = reinterpret_cast<type *>(emulated_shared)

template <typename KERNEL>
static void emulated_submit(cudaStream_t stream, KERNEL kernel, dim3 grid, dim3 block, size_t shared) {
    emulated_submit(stream, std::function<void()>([=]() { emulated_run(grid, block, shared, kernel); }));
}

#endif
