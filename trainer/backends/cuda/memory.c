/*
 * memory.c: device memory, and the ways to it and back.
 *
 * An upload is copied into a pinned piece at once, so the caller's memory is free again, and travels in the order of
 * the stream; a piece is used again once the event behind its copy has passed. A fetch is the same the other way.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "kernels.h"

static bool make_events(cudaEvent_t *events, int count) {
    for (int i = 0; i < count; i++) {
        if (cudaEventCreateWithFlags(&events[i], cudaEventDisableTiming) != cudaSuccess) return false;
    }
    return true;
}

int memory_init(struct cuda *cuda, char *error) {
    bool good = cudaMallocHost((void **)&cuda->stages, (size_t)STAGES * STAGE_BYTES) == cudaSuccess &&
                cudaMallocHost((void **)&cuda->fetched, BACKEND_FETCH_SLOTS * sizeof *cuda->fetched) == cudaSuccess &&
                cudaMalloc((void **)&cuda->values, sizeof *cuda->values) == cudaSuccess &&
                cudaMalloc((void **)&cuda->flag, sizeof *cuda->flag) == cudaSuccess &&
                make_events(cuda->staged, STAGES) && make_events(cuda->fetch_done, BACKEND_FETCH_SLOTS);
    if (good) return ENGINE_OK;
    snprintf(error, ENGINE_ERROR_SIZE, "cuda: no memory to begin with: %s: use --backend openblas",
             cudaGetErrorString(cudaGetLastError()));
    return ENGINE_ENOMEM;
}

static void destroy_events(cudaEvent_t *events, int count) {
    for (int i = 0; i < count; i++) {
        if (events[i] != NULL) cudaEventDestroy(events[i]);
    }
}

void memory_release(struct cuda *cuda) {
    for (int i = 0; i < SCRATCH_COUNT; i++) {
        cudaFree(cuda->scratch[i]);
    }
    cudaFree(cuda->workspace);
    cudaFree(cuda->values);
    cudaFree(cuda->flag);
    cudaFreeHost(cuda->stages);
    cudaFreeHost(cuda->fetched);
    destroy_events(cuda->staged, STAGES);
    destroy_events(cuda->fetch_done, BACKEND_FETCH_SLOTS);
}

void *memory_scratch(struct cuda *cuda, enum scratch which, size_t bytes) {
    if (bytes <= cuda->scratch_bytes[which]) return cuda->scratch[which];
    cuda_release(&cuda->backend, cuda->scratch[which]);
    cuda->scratch[which] = NULL;
    cuda->scratch_bytes[which] = 0;
    if (!cuda_check(cuda, cudaMalloc(&cuda->scratch[which], bytes), "memory for intermediate results")) {
        cuda->scratch[which] = NULL;
        return NULL;
    }
    cuda->scratch_bytes[which] = bytes;
    return cuda->scratch[which];
}

void *cuda_alloc(struct backend *backend, size_t bytes) {
    struct cuda *cuda = cuda_of(backend);
    void *memory = NULL;
    size_t size = bytes > 0 ? bytes : 1;
    if (cudaMalloc(&memory, size) != cudaSuccess) {
        (void)cudaGetLastError(); /* no memory is an answer, not a failure of the device */
        return NULL;
    }
    if (!cuda_check(cuda, cudaMemsetAsync(memory, 0, size, cuda->lanes[0].stream), "zeroing new memory")) {
        cudaFree(memory);
        return NULL;
    }
    return memory;
}

void cuda_release(struct backend *backend, void *memory) {
    if (memory == NULL) return;
    struct cuda *cuda = cuda_of(backend);
    cudaStreamSynchronize(cuda->lanes[0].stream); /* what failed there is status's to tell */
    steps_forget(cuda);
    cudaFree(memory);
}

/* One piece on its way. */
static bool upload_piece(struct cuda *cuda, char *target, const char *host, size_t bytes) {
    int stage = cuda->stage;
    char *piece = cuda->stages + (size_t)stage * STAGE_BYTES;
    cudaStream_t stream = cuda->lanes[0].stream;
    cuda->stage = (stage + 1) % STAGES;
    if (!cuda_check(cuda, cudaEventSynchronize(cuda->staged[stage]), "waiting for an upload")) return false;
    memcpy(piece, host, bytes);
    return cuda_check(cuda, cudaMemcpyAsync(target, piece, bytes, cudaMemcpyHostToDevice, stream), "upload") &&
           cuda_check(cuda, cudaEventRecord(cuda->staged[stage], stream), "upload");
}

void cuda_upload(struct backend *backend, void *target, const void *host, size_t bytes) {
    struct cuda *cuda = cuda_of(backend);
    cuda->operation++;
    steps_spoil(cuda, "an upload inside a step cannot be replayed");
    for (size_t at = 0; at < bytes && cuda->status >= 0; at += STAGE_BYTES) {
        size_t size = bytes - at < STAGE_BYTES ? bytes - at : STAGE_BYTES;
        if (!upload_piece(cuda, (char *)target + at, (const char *)host + at, size)) return;
    }
}

void cuda_download(struct backend *backend, void *host, const void *source, size_t bytes) {
    struct cuda *cuda = cuda_of(backend);
    cudaStream_t stream = cuda->lanes[0].stream;
    bool good = cuda->status >= 0 &&
                cuda_check(cuda, cudaMemcpyAsync(host, source, bytes, cudaMemcpyDeviceToHost, stream), "download") &&
                cuda_check(cuda, cudaStreamSynchronize(stream), "download");
    if (!good) memset(host, 0xff, bytes); /* NaN, if it was floats: never what happened to be there */
}

void cuda_zero(struct backend *backend, void *target, size_t bytes) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        cuda_check(cuda, cudaMemsetAsync(target, 0, bytes, cuda->lane->stream), "zero");
    }
}

void cuda_copy(struct backend *backend, void *target, const void *source, size_t bytes) {
    struct cuda *cuda = cuda_of(backend);
    EACH_LANE(cuda) {
        cuda_check(cuda, cudaMemcpyAsync(target, source, bytes, cudaMemcpyDeviceToDevice, cuda->lane->stream), "copy");
    }
}

void cuda_fetch(struct backend *backend, int slot, const float *source, int count) {
    struct cuda *cuda = cuda_of(backend);
    cudaStream_t stream = cuda->lanes[0].stream;
    size_t bytes = (size_t)count * sizeof *source;
    if (cuda->status < 0) return;
    cuda_check(cuda, cudaMemcpyAsync(cuda->fetched[slot], source, bytes, cudaMemcpyDeviceToHost, stream), "fetch");
    cuda_check(cuda, cudaEventRecord(cuda->fetch_done[slot], stream), "fetch");
}

bool cuda_fetched(struct backend *backend, int slot, bool wait, float *host, int count) {
    struct cuda *cuda = cuda_of(backend);
    if (cuda->status >= 0) {
        cudaEvent_t event = cuda->fetch_done[slot];
        cudaError_t code = wait ? cudaEventSynchronize(event) : cudaEventQuery(event);
        if (code == cudaErrorNotReady) {
            (void)cudaGetLastError();
            return false;
        }
        cuda_check(cuda, code, "the work before a fetch");
    }
    for (int i = 0; i < count; i++) {
        host[i] = cuda->status < 0 ? NAN : cuda->fetched[slot][i];
    }
    return true;
}

bool cuda_is_finite(struct backend *backend, int64_t count, const float *x) {
    struct cuda *cuda = cuda_of(backend);
    cudaStream_t stream = cuda->lanes[0].stream;
    int flag = 0;
    if (cuda->status < 0) return false;
    cuda_check(cuda, cudaMemsetAsync(cuda->flag, 0, sizeof flag, stream), "is_finite");
    kernels_find_infinite(stream, count, x, cuda->flag);
    cuda_launched(cuda, "is_finite");
    cuda_download(backend, &flag, cuda->flag, sizeof flag);
    return flag == 0;
}
