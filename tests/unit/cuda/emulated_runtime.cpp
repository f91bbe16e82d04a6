/*
 * emulated_runtime.cpp: what the backend uses of the CUDA runtime, on a CPU: one device, memory of the host, streams
 * that do their work at once, graphs that keep it for later.
 */
#include "emulated.h"
#include "emulated_control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <vector>

struct CUstream_st {
    bool capturing;
    std::vector<std::function<void()>> work;
};
struct CUgraph_st {
    std::vector<std::function<void()>> work;
};
struct CUgraphExec_st {
    std::vector<std::function<void()>> work;
};
struct CUevent_st {
    int recorded;
};

struct emulated_control emulated = {1, -1, 0, 0, 0, 0, 0, 0};
static cudaError_t last_error = cudaSuccess;

static cudaError_t answer(cudaError_t code) {
    if (code != cudaSuccess) last_error = code;
    return code;
}

/* ---- blocks of threads ---- */

emulated_index threadIdx, blockIdx;
dim3 blockDim, gridDim;
char *emulated_shared;

#define STACK_BYTES (64 << 10)
#define THREADS_MAX 1024

struct fiber {
    ucontext_t context;
    char *stack;
    emulated_index index;
    bool done;
};
static fiber fibers[THREADS_MAX];
static ucontext_t scheduler;
static fiber *current;
static const std::function<void()> *current_kernel;
static unsigned phases;

static void fiber_main() {
    (*current_kernel)();
    current->done = true;
    swapcontext(&current->context, &scheduler);
}

void emulated_barrier() {
    fiber *me = current;
    swapcontext(&me->context, &scheduler);
}

static void start_fiber(fiber *f, unsigned i) {
    if (f->stack == NULL) f->stack = static_cast<char *>(malloc(STACK_BYTES));
    f->index = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    f->done = false;
    getcontext(&f->context);
    f->context.uc_stack.ss_sp = f->stack;
    f->context.uc_stack.ss_size = STACK_BYTES;
    f->context.uc_link = NULL;
    makecontext(&f->context, fiber_main, 0);
}

/* Each thread to its next barrier or its end; how many have ended. */
static unsigned run_phase(unsigned threads) {
    unsigned done = 0;
    bool reverse = phases++ % 2 == 1;
    for (unsigned n = 0; n < threads; n++) {
        fiber *f = &fibers[reverse ? threads - 1 - n : n];
        if (!f->done) {
            current = f;
            threadIdx = f->index;
            swapcontext(&scheduler, &f->context);
        }
        done += f->done;
    }
    return done;
}

static void run_block(size_t shared) {
    unsigned threads = blockDim.x * blockDim.y * blockDim.z, done = 0;
    memset(emulated_shared, 0xff, shared); /* NaN: what another block left is not to be relied on */
    for (unsigned i = 0; i < threads; i++) {
        start_fiber(&fibers[i], i);
    }
    while (done < threads) {
        done = run_phase(threads);
        if (done > 0 && done < threads) {
            fprintf(stderr, "emulated: %u of %u threads ended before a barrier of the others\n", done, threads);
            abort();
        }
    }
}

void emulated_run(dim3 grid, dim3 block, size_t shared, const std::function<void()> &kernel) {
    if (block.x * block.y * block.z > THREADS_MAX || shared > 48 << 10 || grid.y > 65535 || grid.z > 65535 ||
        grid.x * grid.y * grid.z == 0) {
        answer(cudaErrorInvalidConfiguration);
        return;
    }
    emulated_shared = static_cast<char *>(malloc(shared + 1));
    current_kernel = &kernel;
    gridDim = grid;
    blockDim = block;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                run_block(shared);
            }
        }
    }
    free(emulated_shared);
}

void emulated_submit(cudaStream_t stream, std::function<void()> work) {
    if (stream->capturing) {
        stream->work.push_back(work);
        if (emulated.capture_fails > 0) answer(cudaErrorStreamCaptureUnsupported);
    } else if (emulated.launches_fail > 0) {
        answer(cudaErrorLaunchFailure);
    } else {
        emulated.launches++;
        work();
    }
}

/* ---- the device, streams, events ---- */

cudaError_t cudaGetLastError() {
    cudaError_t code = last_error;
    last_error = cudaSuccess;
    return code;
}

const char *cudaGetErrorString(cudaError_t code) {
    return code == cudaErrorMemoryAllocation ? "out of memory" : code == cudaSuccess ? "no error" : "emulated failure";
}

cudaError_t cudaDriverGetVersion(int *version) {
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count) {
    *count = emulated.devices;
    return answer(emulated.devices > 0 ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int) {
    memset(properties, 0, sizeof *properties);
    snprintf(properties->name, sizeof properties->name, "emulated");
    properties->major = 9;
    return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) {
    *stream = new CUstream_st();
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    return answer(stream->capturing ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) {
    *event = new CUevent_st();
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
    event->recorded++;
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t) {
    if (emulated.not_ready == 0) return cudaSuccess;
    emulated.not_ready--;
    return answer(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t) {
    return cudaSuccess;
}

/* ---- memory ---- */

static cudaError_t allocate(void **memory, size_t bytes) {
    if (emulated.allocations_left == 0) return answer(cudaErrorMemoryAllocation);
    if (emulated.allocations_left > 0) emulated.allocations_left--;
    *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
    memset(*memory, 0xff, bytes); /* nobody may take it for zeros */
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes) {
    return allocate(memory, bytes);
}

cudaError_t cudaMallocHost(void **memory, size_t bytes) {
    return allocate(memory, bytes);
}

cudaError_t cudaFree(void *memory) {
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaFreeHost(void *memory) {
    free(memory);
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *memory, int value, size_t bytes, cudaStream_t stream) {
    emulated_submit(stream, std::function<void()>([=]() { memset(memory, value, bytes); }));
    return last_error;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
    emulated_submit(stream, std::function<void()>([=]() { memcpy(to, from, bytes); }));
    return last_error;
}

/* ---- graphs ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
    stream->capturing = true;
    stream->work.clear();
    return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
    stream->capturing = false;
    *graph = NULL;
    if (emulated.capture_fails > 0) return answer(cudaErrorStreamCaptureInvalidated);
    *graph = new CUgraph_st{stream->work};
    return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *recording, cudaGraph_t graph, unsigned long long) {
    *recording = new CUgraphExec_st{graph->work};
    emulated.recordings++;
    return cudaSuccess;
}

cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) {
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t recording, cudaStream_t) {
    emulated.replays++;
    for (const std::function<void()> &work : recording->work) {
        work();
    }
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t recording) {
    delete recording;
    emulated.recordings--;
    return cudaSuccess;
}
