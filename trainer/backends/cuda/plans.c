/*
 * plans.c: see plans.h.
 */
#include "plans.h"

#include <limits.h>
#include <stdlib.h>

#define ANSWERS_MAX 10
#define PER_LAYOUT 4
#define WORKSPACE_MOST ((size_t)256 << 20)
#define WORKSPACE_LEAST ((size_t)4 << 20)

bool plans_same(const struct conv *a, const struct conv *b) {
    return a->n == b->n && a->h == b->h && a->w == b->w && a->c == b->c && a->k == b->k && a->kh == b->kh &&
           a->kw == b->kw && a->stride == b->stride && a->pad == b->pad;
}

/* Once, as large as the device gives: recordings hold its address. */
static void make_workspace(struct cuda *cuda) {
    for (size_t bytes = WORKSPACE_MOST; bytes >= WORKSPACE_LEAST && cuda->workspace == NULL; bytes /= 2) {
        if (cudaMalloc(&cuda->workspace, bytes) == cudaSuccess) {
            cuda->workspace_bytes = bytes;
        } else {
            (void)cudaGetLastError(); /* less will do */
            cuda->workspace = NULL;
        }
    }
}

static cudnnStatus_t describe(const struct cuda *cuda, struct plan *plan, bool channels_first, cudnnMathType_t math) {
    const struct libraries *l = &cuda->libraries;
    const struct conv *c = &plan->conv;
    cudnnTensorFormat_t format = channels_first ? CUDNN_TENSOR_NCHW : CUDNN_TENSOR_NHWC;
    cudnnDataType_t type = cuda->precision == PRECISION_BF16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    cudnnStatus_t code =
        l->cudnnSetTensor4dDescriptor(plan->images, format, type, (int)c->n, (int)c->c, (int)c->h, (int)c->w);
    if (code == CUDNN_STATUS_SUCCESS) {
        code = l->cudnnSetTensor4dDescriptor(plan->output, format, type, (int)c->n, (int)c->k, (int)conv_rows(c),
                                             (int)conv_columns(c));
    }
    if (code == CUDNN_STATUS_SUCCESS) {
        code = l->cudnnSetFilter4dDescriptor(plan->filters, type, format, (int)c->k, (int)c->c, (int)c->kh, (int)c->kw);
    }
    if (code == CUDNN_STATUS_SUCCESS) {
        code = l->cudnnSetConvolution2dDescriptor(plan->convolution, (int)c->pad, (int)c->pad, (int)c->stride,
                                                  (int)c->stride, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT);
    }
    if (code == CUDNN_STATUS_SUCCESS) code = l->cudnnSetConvolutionMathType(plan->convolution, math);
    return code;
}

/* What cuDNN may use: without the first it takes TF32 for float32. */
static cudnnMathType_t math_of(enum precision precision) {
    switch (precision) {
    case PRECISION_FLOAT32:
        return CUDNN_FMA_MATH;
    case PRECISION_BF16:
        return CUDNN_TENSOR_OP_MATH;
    case PRECISION_TF32:
        break;
    }
    return CUDNN_DEFAULT_MATH;
}

/* What the three directions' answers have in common. */
struct answer {
    int algorithm;
    cudnnStatus_t status;
    size_t memory;
    cudnnDeterminism_t determinism;
    cudnnMathType_t math;
};

#define ASK(type, call)                                                                                                \
    do {                                                                                                               \
        type found[ANSWERS_MAX];                                                                                       \
        if ((call) != CUDNN_STATUS_SUCCESS) return 0;                                                                  \
        for (int i = 0; i < count; i++) {                                                                              \
            answers[i] = (struct answer){(int)found[i].algo, found[i].status, found[i].memory, found[i].determinism,   \
                                         found[i].mathType};                                                           \
        }                                                                                                              \
    } while (0)

/* How many answers; 0 where cuDNN has no such convolution. */
static int ask(const struct cuda *cuda, const struct plan *p, struct answer *answers) {
    const struct libraries *l = &cuda->libraries;
    cudnnHandle_t handle = cuda->lanes[0].convolutions;
    int count = 0;
    switch (p->direction) {
    case DIRECTION_FORWARD:
        ASK(cudnnConvolutionFwdAlgoPerf_t,
            l->cudnnGetConvolutionForwardAlgorithm_v7(handle, p->images, p->filters, p->convolution, p->output,
                                                      ANSWERS_MAX, &count, found));
        break;
    case DIRECTION_DATA:
        ASK(cudnnConvolutionBwdDataAlgoPerf_t,
            l->cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, p->filters, p->output, p->convolution, p->images,
                                                           ANSWERS_MAX, &count, found));
        break;
    case DIRECTION_WEIGHTS:
        ASK(cudnnConvolutionBwdFilterAlgoPerf_t,
            l->cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, p->images, p->output, p->convolution, p->filters,
                                                             ANSWERS_MAX, &count, found));
        break;
    }
    return count;
}

/* Algorithms that add with atomics, by cuDNN's own list, whatever the answer says. */
static bool adds_in_any_order(enum direction direction, int algorithm) {
    if (direction == DIRECTION_DATA) return algorithm == CUDNN_CONVOLUTION_BWD_DATA_ALGO_0;
    if (direction == DIRECTION_WEIGHTS) {
        return algorithm == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0 || algorithm == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_3;
    }
    return false;
}

static void add_candidates(const struct cuda *cuda, struct plan *plan, bool channels_first) {
    struct answer answers[ANSWERS_MAX];
    cudnnMathType_t math = math_of(cuda->precision);
    if (describe(cuda, plan, channels_first, math) != CUDNN_STATUS_SUCCESS) return;
    int count = ask(cuda, plan, answers), taken = 0;
    for (int i = 0; i < count && taken < PER_LAYOUT; i++) {
        const struct answer *answer = &answers[i];
        bool good = answer->status == CUDNN_STATUS_SUCCESS && answer->memory <= cuda->workspace_bytes &&
                    answer->determinism != CUDNN_NON_DETERMINISTIC &&
                    !adds_in_any_order(plan->direction, answer->algorithm);
        if (!good) continue;
        plan->candidates[plan->count++] =
            (struct candidate){.channels_first = channels_first,
                               .algorithm = answer->algorithm,
                               .math = cuda->precision == PRECISION_FLOAT32 ? math : answer->math,
                               .workspace = answer->memory};
        taken++;
    }
}

/* The descriptors as the candidate in use has them; candidates that cannot be described are passed over. */
static void settle(const struct cuda *cuda, struct plan *plan) {
    for (; !plan_candidate(plan)->direct; plan->at++) {
        const struct candidate *candidate = plan_candidate(plan);
        if (describe(cuda, plan, candidate->channels_first, candidate->math) == CUDNN_STATUS_SUCCESS) return;
    }
}

static void release_plan(const struct cuda *cuda, struct plan *plan) {
    const struct libraries *l = &cuda->libraries;
    if (plan->images != NULL) l->cudnnDestroyTensorDescriptor(plan->images);
    if (plan->output != NULL) l->cudnnDestroyTensorDescriptor(plan->output);
    if (plan->filters != NULL) l->cudnnDestroyFilterDescriptor(plan->filters);
    if (plan->convolution != NULL) l->cudnnDestroyConvolutionDescriptor(plan->convolution);
    free(plan);
}

static struct plan *make_plan(struct cuda *cuda, const struct conv *conv, enum direction direction) {
    const struct libraries *l = &cuda->libraries;
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL) {
        cuda_fail(cuda, ENGINE_ENOMEM, "out of memory for the plan of a convolution");
        return NULL;
    }
    plan->conv = *conv;
    plan->direction = direction;
    bool made = l->cudnnCreateTensorDescriptor(&plan->images) == CUDNN_STATUS_SUCCESS &&
                l->cudnnCreateTensorDescriptor(&plan->output) == CUDNN_STATUS_SUCCESS &&
                l->cudnnCreateFilterDescriptor(&plan->filters) == CUDNN_STATUS_SUCCESS &&
                l->cudnnCreateConvolutionDescriptor(&plan->convolution) == CUDNN_STATUS_SUCCESS;
    bool fits = conv->n <= INT_MAX && conv->h * conv->w * conv->c <= INT_MAX;
    if (made && fits) {
        /* Tensor cores want the channels last; cuDNN's kernels for plain float32 are those for channels first. */
        bool first = cuda->precision == PRECISION_FLOAT32;
        add_candidates(cuda, plan, first);
        add_candidates(cuda, plan, !first);
    }
    plan->candidates[plan->count++] = (struct candidate){.direct = true};
    settle(cuda, plan);
    return plan;
}

struct plan *plans_find(struct cuda *cuda, const struct conv *conv, enum direction direction) {
    for (int i = 0; i < cuda->plans_count; i++) {
        struct plan *plan = cuda->plans[i];
        if (plan->direction == direction && plans_same(&plan->conv, conv)) return plan;
    }
    if (cuda->workspace == NULL) make_workspace(cuda);
    struct plan *plan = make_plan(cuda, conv, direction);
    if (plan == NULL) return NULL;
    if (cuda->plans_count == PLANS_MAX) plans_release(cuda); /* they can be made again */
    cuda->plans[cuda->plans_count++] = plan;
    return plan;
}

bool plan_advance(struct cuda *cuda, struct plan *plan) {
    if (plan_candidate(plan)->direct) return false;
    plan->at++;
    settle(cuda, plan);
    return true;
}

void plans_release(struct cuda *cuda) {
    for (int i = 0; i < cuda->plans_count; i++) {
        release_plan(cuda, cuda->plans[i]);
    }
    cuda->plans_count = 0;
}
