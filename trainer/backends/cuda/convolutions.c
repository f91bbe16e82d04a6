/*
 * convolutions.c: the three directions of a convolution, and what is fused around each.
 *
 * Our images are (n, h, w, c). Where the library wants them otherwise (channels first, bfloat16) they are rearranged
 * on the way in and out; the forward pass's finish and the backward pass's spread write or read that arrangement
 * directly. The first layer of an image network has kernels of its own (kernels_first.cu).
 */
#include "plans.h"

struct job {
    struct cuda *cuda;
    const struct conv *conv;
    struct plan *plan;
    const float *x, *w, *bias, *y, *dy;
    const uint8_t *winner;
    float *out; /* y, dx or dw */
    uint8_t *ret_winner;
    bool spread_is_there; /* from the operation before */
};

static struct arrangement arrangement_of(const struct job *job) {
    const struct candidate *candidate = plan_candidate(job->plan);
    if (candidate->direct) return (struct arrangement){0};
    return (struct arrangement){.channels_first = candidate->channels_first,
                                .bfloat16 = job->cuda->precision == PRECISION_BF16};
}

/* Whether our own memory is already as the arrangement has it. */
static bool is_ours(struct arrangement arrangement, int64_t space, int64_t c) {
    return !arrangement.bfloat16 && (!arrangement.channels_first || space == 1 || c == 1);
}

static size_t bytes_of(struct arrangement arrangement, int64_t count) {
    return (size_t)count * (arrangement.bfloat16 ? 2 : sizeof(float));
}

static const void *arrange(const struct job *job, enum scratch which, int64_t n, int64_t space, int64_t c,
                           const float *from) {
    struct arrangement arrangement = arrangement_of(job);
    if (is_ours(arrangement, space, c)) return from;
    void *to = memory_scratch(job->cuda, which, bytes_of(arrangement, n * space * c));
    if (to == NULL) return NULL;
    kernels_arrange(job->cuda->lane->stream, arrangement, n, space, c, from, to);
    return cuda_launched(job->cuda, "rearranging a convolution's input") ? to : NULL;
}

/* Where the library writes (n, space, c): straight to `target` where that is as it has it. */
static void *output(const struct job *job, enum scratch which, int64_t n, int64_t space, int64_t c, float *target) {
    struct arrangement arrangement = arrangement_of(job);
    if (is_ours(arrangement, space, c)) return target;
    return memory_scratch(job->cuda, which, bytes_of(arrangement, n * space * c));
}

static void restore(const struct job *job, int64_t n, int64_t space, int64_t c, const void *from) {
    if (from == job->out) return;
    kernels_restore(job->cuda->lane->stream, arrangement_of(job), n, space, c, from, job->out);
    cuda_launched(job->cuda, "rearranging a convolution's output");
}

static int64_t outputs(const struct conv *conv) {
    return conv_rows(conv) * conv_columns(conv);
}

/* The gradient of the output before activation and pool, arranged. */
static const void *gradient(struct job *job) {
    const struct conv *conv = job->conv;
    struct cuda *cuda = job->cuda;
    struct arrangement arrangement = arrangement_of(job);
    if (conv->pool == 1 && conv->activation.kind == ACTIVATION_NONE && is_ours(arrangement, outputs(conv), conv->k)) {
        return job->dy;
    }
    const struct arrangement *made = &cuda->spread.arrangement;
    if (job->spread_is_there && made->bfloat16 == arrangement.bfloat16 &&
        made->channels_first == arrangement.channels_first) {
        return cuda->scratch[SCRATCH_RAW];
    }
    job->spread_is_there = false;
    void *full = memory_scratch(cuda, SCRATCH_RAW, bytes_of(arrangement, conv->n * outputs(conv) * conv->k));
    if (full == NULL) return NULL;
    kernels_conv_spread(cuda->lane->stream, conv, arrangement, job->y, job->winner, job->dy, full);
    return cuda_launched(cuda, "spreading a convolution's gradient") ? full : NULL;
}

/* ---- each direction by the candidate in use; CUDNN_STATUS_SUCCESS also where something else failed (status says so)
 * ---- */

static const float one = 1, zero = 0;

static void finish(const struct job *job, const void *raw) {
    const struct conv *conv = job->conv;
    cudaStream_t stream = job->cuda->lane->stream;
    if (raw == job->out) {
        kernels_bias_activation(stream, conv->n * outputs(conv), conv->k, job->bias, conv->activation, job->out);
    } else {
        kernels_conv_finish(stream, conv, arrangement_of(job), raw, job->bias, job->out, job->ret_winner);
    }
    cuda_launched(job->cuda, "bias, activation and pool of a convolution");
}

static cudnnStatus_t forward(struct job *job) {
    const struct conv *conv = job->conv;
    struct cuda *cuda = job->cuda;
    const struct plan *plan = job->plan;
    const struct candidate *way = plan_candidate(plan);
    const void *x = arrange(job, SCRATCH_FIRST, conv->n, conv->h * conv->w, conv->c, job->x);
    const void *w = arrange(job, SCRATCH_SECOND, conv->k, conv->kh * conv->kw, conv->c, job->w);
    void *raw = conv->pool == 1 ? output(job, SCRATCH_RAW, conv->n, outputs(conv), conv->k, job->out)
                                : memory_scratch(cuda, SCRATCH_RAW,
                                                 bytes_of(arrangement_of(job), conv->n * outputs(conv) * conv->k));
    if (x == NULL || w == NULL || raw == NULL) return CUDNN_STATUS_SUCCESS;
    if (way->direct) {
        kernels_direct_forward(cuda->lane->stream, conv, x, w, raw);
    } else {
        cudnnStatus_t code =
            cuda->libraries.cudnnConvolutionForward(cuda->lane->convolutions, &one, plan->images, x, plan->filters, w,
                                                    plan->convolution, (cudnnConvolutionFwdAlgo_t)way->algorithm,
                                                    cuda->workspace, way->workspace, &zero, plan->output, raw);
        if (code != CUDNN_STATUS_SUCCESS) return code;
    }
    finish(job, raw);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t backward_data(struct job *job) {
    const struct conv *conv = job->conv;
    struct cuda *cuda = job->cuda;
    const struct plan *plan = job->plan;
    const struct candidate *way = plan_candidate(plan);
    const void *full = gradient(job);
    const void *w = arrange(job, SCRATCH_SECOND, conv->k, conv->kh * conv->kw, conv->c, job->w);
    void *dx = output(job, SCRATCH_FIRST, conv->n, conv->h * conv->w, conv->c, job->out);
    if (full == NULL || w == NULL || dx == NULL) return CUDNN_STATUS_SUCCESS;
    if (way->direct) {
        kernels_direct_data(cuda->lane->stream, conv, full, w, dx);
        cuda_launched(cuda, "a convolution's backward pass");
    } else {
        cudnnStatus_t code =
            cuda->libraries.cudnnConvolutionBackwardData(cuda->lane->convolutions, &one, plan->filters, w, plan->output,
                                                         full, plan->convolution,
                                                         (cudnnConvolutionBwdDataAlgo_t)way->algorithm, cuda->workspace,
                                                         way->workspace, &zero, plan->images, dx);
        if (code != CUDNN_STATUS_SUCCESS) return code;
    }
    restore(job, conv->n, conv->h * conv->w, conv->c, dx);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t backward_weights(struct job *job) {
    const struct conv *conv = job->conv;
    struct cuda *cuda = job->cuda;
    const struct plan *plan = job->plan;
    const struct candidate *way = plan_candidate(plan);
    const void *full = gradient(job);
    const void *x = arrange(job, SCRATCH_FIRST, conv->n, conv->h * conv->w, conv->c, job->x);
    void *dw = output(job, SCRATCH_SECOND, conv->k, conv->kh * conv->kw, conv->c, job->out);
    if (full == NULL || x == NULL || dw == NULL) return CUDNN_STATUS_SUCCESS;
    if (way->direct) {
        kernels_direct_weights(cuda->lane->stream, conv, x, full, dw);
        cuda_launched(cuda, "a convolution's gradient");
    } else {
        cudnnStatus_t code =
            cuda->libraries.cudnnConvolutionBackwardFilter(cuda->lane->convolutions, &one, plan->images, x,
                                                           plan->output, full, plan->convolution,
                                                           (cudnnConvolutionBwdFilterAlgo_t)way->algorithm,
                                                           cuda->workspace, way->workspace, &zero, plan->filters, dw);
        if (code != CUDNN_STATUS_SUCCESS) return code;
    }
    restore(job, conv->k, conv->kh * conv->kw, conv->c, dw);
    return CUDNN_STATUS_SUCCESS;
}

/* A candidate that is refused when it is run gives way to the next, where the work is done; where it is only recorded
 * the one that worked a moment ago must do. */
static void run(struct job *job, cudnnStatus_t (*way)(struct job *job), const char *what) {
    struct cuda *cuda = job->cuda;
    cudnnStatus_t code = way(job);
    while (code != CUDNN_STATUS_SUCCESS && cuda->lane == &cuda->lanes[0] && plan_advance(cuda, job->plan)) {
        (void)cudaGetLastError();
        code = way(job);
    }
    cuda_check_convolutions(cuda, code, what);
}

/* ---- the table's entries ---- */

void cuda_conv_forward(struct backend *backend, const struct conv *conv, const float *x, const float *w,
                       const float *bias, float *y, uint8_t *winner) {
    struct cuda *cuda = cuda_of(backend);
    struct job job = {.cuda = cuda, .conv = conv, .x = x, .w = w, .bias = bias, .out = y, .ret_winner = winner};
    bool first = kernels_first_fits(conv);
    EACH_LANE(cuda) {
        if (first) {
            kernels_first_forward(cuda->lane->stream, conv, x, w, bias, y, winner);
            cuda_launched(cuda, "the first convolution");
        } else if ((job.plan = plans_find(cuda, conv, DIRECTION_FORWARD)) != NULL) {
            run(&job, forward, "a convolution");
        }
    }
}

void cuda_conv_backward_data(struct backend *backend, const struct conv *conv, const float *y, const uint8_t *winner,
                             const float *dy, const float *w, float *dx) {
    struct cuda *cuda = cuda_of(backend);
    struct job job = {.cuda = cuda, .conv = conv, .w = w, .y = y, .dy = dy, .winner = winner, .out = dx};
    struct spread spread = {.conv = *conv, .y = y, .dy = dy, .winner = winner};
    EACH_LANE(cuda) {
        job.plan = plans_find(cuda, conv, DIRECTION_DATA);
        if (job.plan == NULL) continue;
        run(&job, backward_data, "a convolution's backward pass");
        spread.arrangement = arrangement_of(&job);
        spread.operation = cuda->operation;
    }
    cuda->spread = spread;
}

/* Whether the operation before this one left what gradient() would make. */
static bool spread_stands(const struct cuda *cuda, const struct conv *conv, const float *y, const uint8_t *winner,
                          const float *dy) {
    const struct spread *spread = &cuda->spread;
    bool same = plans_same(&spread->conv, conv) && spread->conv.pool == conv->pool &&
                spread->conv.activation.kind == conv->activation.kind &&
                spread->conv.activation.slope == conv->activation.slope;
    return spread->operation > 0 && spread->operation == cuda->operation && same && spread->y == y &&
           spread->winner == winner && spread->dy == dy;
}

static void bias_gradient(struct cuda *cuda, const struct conv *conv, const float *y, const float *dy, float *dbias) {
    int64_t rows = conv->n * conv_out_h(conv) * conv_out_w(conv);
    void *sums = memory_scratch(cuda, SCRATCH_SUMS, kernels_columns_scratch(rows, conv->k));
    if (sums == NULL) return;
    /* dy is only read: nothing is written where `write` is false */
    kernels_activation_backward(cuda->lane->stream, rows, conv->k, conv->activation, y, (float *)dy, false, dbias,
                                sums);
    cuda_launched(cuda, "a convolution's bias gradient");
}

static void first_weights(struct cuda *cuda, const struct job *job, float *dbias) {
    void *scratch = memory_scratch(cuda, SCRATCH_SUMS, kernels_first_scratch(job->conv));
    if (scratch == NULL) return;
    kernels_first_weights(cuda->lane->stream, job->conv, job->x, job->y, job->winner, job->dy, job->out, dbias,
                          scratch);
    cuda_launched(cuda, "the first convolution's gradient");
}

void cuda_conv_backward_weights(struct backend *backend, const struct conv *conv, const float *x, const float *y,
                                const uint8_t *winner, const float *dy, float *dw, float *dbias) {
    struct cuda *cuda = cuda_of(backend);
    struct job job = {.cuda = cuda, .conv = conv, .x = x, .y = y, .dy = dy, .winner = winner, .out = dw};
    bool first = kernels_first_fits(conv);
    job.spread_is_there = spread_stands(cuda, conv, y, winner, dy);
    EACH_LANE(cuda) {
        if (first) {
            first_weights(cuda, &job, dbias);
            continue;
        }
        if ((job.plan = plans_find(cuda, conv, DIRECTION_WEIGHTS)) == NULL) continue;
        run(&job, backward_weights, "a convolution's gradient");
        if (dbias != NULL) bias_gradient(cuda, conv, y, dy, dbias);
    }
}
