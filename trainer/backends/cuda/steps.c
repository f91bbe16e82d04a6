/*
 * steps.c: training steps as CUDA graphs. records.c says which step is recorded or replayed.
 *
 * The stream that is captured is not the one that works, and the mode is "relaxed": memory may be asked for and waited
 * for while a step is recorded. What changes from step to step is written to device memory in front of the replay, by
 * a kernel whose launch carries the values.
 */
#include <stdio.h>
#include <string.h>

#include "device.h"
#include "kernels.h"

static void release_graph(void *recording) {
    cudaGraphExecDestroy((cudaGraphExec_t)recording);
}

void steps_init(struct cuda *cuda) {
    records_init(&cuda->records, release_graph);
}

void steps_spoil(struct cuda *cuda, const char *why) {
    if (!cuda->recording || cuda->spoiled[0] != '\0') return;
    snprintf(cuda->spoiled, sizeof cuda->spoiled, "%s", why);
}

void steps_forget(struct cuda *cuda) {
    steps_spoil(cuda, "memory was given back inside a step");
    records_drop(&cuda->records);
    /* Scratch memory that grows in a shape's first step: its second is recorded all the same. */
    void *none = NULL;
    if (cuda->in_step && !cuda->recording) (void)records_begin(&cuda->records, cuda->shape, &none);
}

/* Said once: every later step would say the same. */
static void stay_eager(struct cuda *cuda, const char *why) {
    records_refuse(&cuda->records, cuda->shape);
    if (cuda->said_eager) return;
    cuda->said_eager = true;
    fprintf(stderr, "cuda: steps run one kernel at a time, since they cannot be recorded as a graph: %s\n", why);
}

static bool replay(struct cuda *cuda, void *recording) {
    cudaError_t code = cudaGraphLaunch((cudaGraphExec_t)recording, cuda->lanes[0].stream);
    if (code == cudaSuccess) return true;
    (void)cudaGetLastError();
    stay_eager(cuda, cudaGetErrorString(code));
    return false;
}

static void begin_recording(struct cuda *cuda) {
    cuda->spoiled[0] = '\0';
    cudaError_t code = cudaStreamBeginCapture(cuda->lanes[1].stream, cudaStreamCaptureModeRelaxed);
    if (code != cudaSuccess) {
        (void)cudaGetLastError();
        stay_eager(cuda, cudaGetErrorString(code));
        return;
    }
    cuda->recording = true;
}

static void end_recording(struct cuda *cuda) {
    cudaGraph_t graph = NULL;
    cudaGraphExec_t recording = NULL;
    cuda->recording = false;
    cudaError_t code = cudaStreamEndCapture(cuda->lanes[1].stream, &graph);
    if (code == cudaSuccess && cuda->spoiled[0] == '\0' && cuda->status >= 0) {
        code = cudaGraphInstantiate(&recording, graph, 0);
    }
    if (graph != NULL) cudaGraphDestroy(graph);
    if (recording != NULL && code == cudaSuccess) {
        cudaGraphUpload(recording, cuda->lanes[0].stream); /* only spares the first replay some time */
        records_keep(&cuda->records, cuda->shape, recording);
    } else if (cuda->status >= 0) {
        stay_eager(cuda, cuda->spoiled[0] != '\0' ? cuda->spoiled : cudaGetErrorString(code));
    }
    (void)cudaGetLastError(); /* a capture that failed leaves one behind */
}

bool cuda_step_begin(struct backend *backend, uint64_t shape, const struct step_values *values) {
    struct cuda *cuda = cuda_of(backend);
    void *recording = NULL;
    if (cuda->in_step) cuda_step_end(backend);
    if (cuda->status < 0) return false;
    cuda->operation++;
    cuda->shape = shape;
    cuda->in_step = true;
    kernels_set_values(cuda->lanes[0].stream, *values, cuda->values);
    if (!cuda_launched(cuda, "the step's values")) return false;
    switch (records_begin(&cuda->records, shape, &recording)) {
    case RECORD_REPLAY:
        cuda->in_step = !replay(cuda, recording);
        break;
    case RECORD_RUN_AND_RECORD:
        begin_recording(cuda);
        break;
    case RECORD_RUN:
        break;
    }
    return !cuda->in_step;
}

void cuda_step_end(struct backend *backend) {
    struct cuda *cuda = cuda_of(backend);
    cuda->in_step = false;
    if (cuda->recording) end_recording(cuda);
}
