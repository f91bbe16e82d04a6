/*
 * device.h: the CUDA backend's own struct, and what its files share.
 *
 * All work goes to one stream, in order. A lane is a stream with the libraries' handles for it: the first is where the
 * work is done; while a step is recorded every operation is issued a second time, on the second lane, whose stream is
 * being captured and computes nothing. So a recording that fails costs nothing but itself: the step was done.
 *
 * Errors: the first failure is kept, with words, and said on stderr; from then on operations do nothing. A failure on
 * the second lane ends the recording instead.
 */
#ifndef BACKENDS_CUDA_DEVICE_H
#define BACKENDS_CUDA_DEVICE_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stddef.h>

#include "backend.h"
#include "kernels.h"
#include "libraries.h"
#include "records.h"

#define LANES 2
#define TROUBLE_SIZE 256
#define STAGES 32               /* pinned pieces for uploads */
#define STAGE_BYTES (256 << 10) /* each; a batch of images fits */

struct lane {
    cudaStream_t stream;
    cublasHandle_t products;
    cudnnHandle_t convolutions;
};

/* Scratch memory by use: what one operation needs at the same time stands in different ones. */
enum scratch { SCRATCH_RAW, SCRATCH_FIRST, SCRATCH_SECOND, SCRATCH_SUMS, SCRATCH_COUNT };

struct plan;
#define PLANS_MAX 64

/* The gradient behind activation and pool that a convolution's backward pass left in SCRATCH_RAW: the same layer's next
 * operation needs it again. Good for that very next operation only. */
struct spread {
    uint64_t operation; /* that made it; 0: none */
    struct conv conv;
    struct arrangement arrangement;
    const float *y, *dy;
    const uint8_t *winner;
};

struct cuda {
    struct backend backend;
    struct libraries libraries;
    enum precision precision;
    int status;
    char trouble[TROUBLE_SIZE]; /* what failed first */
    struct lane lanes[LANES];
    struct lane *lane;          /* of the operation under way; NULL between operations */
    uint64_t operation;         /* counts them */
    struct step_values *values; /* device memory: kernels read what changes from step to step here */

    struct records records;
    uint64_t shape; /* of the step under way */
    bool in_step, recording;
    char spoiled[TROUBLE_SIZE]; /* why this recording is of no use; "" while it is */
    bool said_eager;

    void *scratch[SCRATCH_COUNT];
    size_t scratch_bytes[SCRATCH_COUNT];
    void *product_workspace;
    void *workspace; /* of convolutions; made once, since recordings hold its address */
    size_t workspace_bytes;
    struct plan *plans[PLANS_MAX];
    int plans_count;
    struct spread spread;

    char *stages; /* pinned */
    cudaEvent_t staged[STAGES];
    int stage;
    float (*fetched)[BACKEND_FETCH_FLOATS]; /* pinned, BACKEND_FETCH_SLOTS */
    cudaEvent_t fetch_done[BACKEND_FETCH_SLOTS];
    int *flag; /* device memory; is_finite */

    char text[BACKEND_TEXT_SIZE];
    char numerics[BACKEND_TEXT_SIZE];
};

static inline struct cuda *cuda_of(struct backend *backend) {
    return (struct cuda *)backend;
}

/* ---- errors.c ---- */

/* True when code is good. Else the failure is kept (or ends the recording, on the second lane). */
bool cuda_check(struct cuda *cuda, cudaError_t code, const char *what);
bool cuda_check_products(struct cuda *cuda, cublasStatus_t code, const char *what);
bool cuda_check_convolutions(struct cuda *cuda, cudnnStatus_t code, const char *what);
/* The same for a failure of ours. */
void cuda_fail(struct cuda *cuda, int status, const char *what);
/* After launches of kernels: whether they were taken. */
bool cuda_launched(struct cuda *cuda, const char *what);

/* for each lane that an operation is to be issued on: none once something has failed. */
#define EACH_LANE(cuda) for (cuda_first_lane(cuda); (cuda)->lane != NULL; cuda_next_lane(cuda))
void cuda_first_lane(struct cuda *cuda);
void cuda_next_lane(struct cuda *cuda);

/* ---- memory.c ---- */

/* Pinned pieces, events. 0 or negative engine_error, with a line in `error`; memory_release frees what there is. */
__attribute__((warn_unused_result)) int memory_init(struct cuda *cuda, char *error);
void memory_release(struct cuda *cuda);
/* At least `bytes` of the backend's scratch memory, its contents anybody's. NULL: failed, and status says so. It only
 * moves when it grows, and then no recording is left. */
void *memory_scratch(struct cuda *cuda, enum scratch which, size_t bytes);

void *cuda_alloc(struct backend *backend, size_t bytes);
void cuda_release(struct backend *backend, void *memory); /* the table's free */
void cuda_upload(struct backend *backend, void *target, const void *host, size_t bytes);
void cuda_download(struct backend *backend, void *host, const void *source, size_t bytes);
void cuda_zero(struct backend *backend, void *target, size_t bytes);
void cuda_copy(struct backend *backend, void *target, const void *source, size_t bytes);
void cuda_fetch(struct backend *backend, int slot, const float *source, int count);
bool cuda_fetched(struct backend *backend, int slot, bool wait, float *host, int count);
bool cuda_is_finite(struct backend *backend, int64_t count, const float *x);

/* ---- steps.c ---- */

void steps_init(struct cuda *cuda);
/* This recording is not to be kept, because `why`. */
void steps_spoil(struct cuda *cuda, const char *why);
/* Memory that recordings may know is gone. */
void steps_forget(struct cuda *cuda);
bool cuda_step_begin(struct backend *backend, uint64_t shape, const struct step_values *values);
void cuda_step_end(struct backend *backend);

/* ---- products.c ---- */

void cuda_gemm(struct backend *backend, const struct gemm *gemm, const float *a, const float *b, float *c);

/* ---- convolutions.c ---- */

void cuda_conv_forward(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                       const float *bias, float *y, uint8_t *winner);
void cuda_conv_backward_data(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                             const float *dy, const float *w, float *dx);
void cuda_conv_backward_weights(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                                const uint8_t *winner, const float *dy, float *dw, float *dbias);

#endif
