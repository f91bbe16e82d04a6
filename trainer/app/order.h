/*
 * order.h: which training samples come next. The order is a pure function of (seed, samples in the set, samples seen),
 * so the count of samples seen is the whole cursor: a resumed run and a run with a changed batch size go on exactly
 * where they were. Each epoch visits every sample once; a batch may reach over an epoch's end. Samples may be held back
 * to validate on: they never come, and which ones they are is a function of seed and share alone.
 */
#ifndef TRAINER_ORDER_H
#define TRAINER_ORDER_H

#include <stdint.h>

enum order_kind { ORDER_SHUFFLE, ORDER_FILE };

struct order {
    enum order_kind kind;
    uint64_t seed;
    int64_t samples;       /* in the set */
    int64_t count;         /* in an epoch: those not held back */
    uint64_t hold_below;   /* held back: hashed below this; 0: none */
    uint32_t *kept;        /* ascending, count indices; NULL: none are held back */
    int64_t epoch;         /* the one `permutation` holds; -1: none yet */
    uint32_t *permutation; /* shuffled: count indices */
};

/* 0, or -1: out of memory, count outside 1..2^32-1. order_release frees. */
__attribute__((warn_unused_result)) int order_init(struct order *order, enum order_kind kind, uint64_t seed,
                                                   int64_t count);
void order_release(struct order *order);
/* Holds back round(share × samples) of them, at least one and never all. Before the first order_take; share in [0, 1),
 * 0 holds back none. A single sample is never held back. 0, or -1: no memory, and the order is as it was. */
__attribute__((warn_unused_result)) int order_hold(struct order *order, double share);
/* Indices of those held back, ascending, into ret_indices (samples - count of them; NULL to ask for the number alone).
 * Returns how many. */
int64_t order_validation(const struct order *order, uint32_t *ret_indices);
/* Indices of the `count` samples that follow after `seen` samples. */
void order_take(struct order *order, int64_t seen, int64_t count, uint32_t *ret_indices);

#endif
