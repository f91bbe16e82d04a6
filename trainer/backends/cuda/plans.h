/*
 * plans.h: how a convolution of one shape is computed, in one of its three directions.
 *
 * The candidates come from cuDNN's own ranking (cudnnGet…Algorithm_v7), which is a function of shape, device and
 * version: unlike a measurement it gives the same answer in every run, so that a resumed run goes on bit for bit.
 * Algorithms that are not deterministic are left out. The last candidate is a kernel of our own that is never refused.
 */
#ifndef BACKENDS_CUDA_PLANS_H
#define BACKENDS_CUDA_PLANS_H

#include "device.h"

enum direction { DIRECTION_FORWARD, DIRECTION_DATA, DIRECTION_WEIGHTS };

struct candidate {
    bool direct; /* our own; the rest then says nothing */
    bool channels_first;
    int algorithm; /* of the direction's enum */
    cudnnMathType_t math;
    size_t workspace;
};

#define CANDIDATES_MAX 9

struct plan {
    struct conv conv;
    enum direction direction;
    struct candidate candidates[CANDIDATES_MAX];
    int count, at;                          /* at: the one in use; those before it were refused when they were run */
    cudnnTensorDescriptor_t images, output; /* as the candidate in use has them */
    cudnnFilterDescriptor_t filters;
    cudnnConvolutionDescriptor_t convolution;
};

/* Whether one plan serves both: all but activation and pool agree. */
bool plans_same(const struct conv *a, const struct conv *b);
/* Borrowed until the next call. NULL: failed, and status says so. */
struct plan *plans_find(struct cuda *cuda, const struct conv *conv, enum direction direction);
static inline const struct candidate *plan_candidate(const struct plan *plan) {
    return &plan->candidates[plan->at];
}
/* On to the next candidate. False: that was the last. */
bool plan_advance(struct cuda *cuda, struct plan *plan);
void plans_release(struct cuda *cuda);

#endif
