/*
 * order.h: which training samples come next. The order is a pure function of (seed, samples in the set, samples seen),
 * so the count of samples seen is the whole cursor: a resumed run and a run with a changed batch size go on exactly
 * where they were. Each epoch visits every sample once; a batch may reach over an epoch's end.
 */
#ifndef TRAINER_ORDER_H
#define TRAINER_ORDER_H

#include <stdint.h>

enum order_kind { ORDER_SHUFFLE, ORDER_FILE };

struct order {
    enum order_kind kind;
    uint64_t seed;
    int64_t count;         /* samples in the set */
    int64_t epoch;         /* the one `permutation` holds; -1: none yet */
    uint32_t *permutation; /* shuffled: count indices */
};

/* 0, or -1: out of memory, count outside 1..2^32-1. order_release frees. */
__attribute__((warn_unused_result)) int order_init(struct order *order, enum order_kind kind, uint64_t seed,
                                                   int64_t count);
void order_release(struct order *order);
/* Indices of the `count` samples that follow after `seen` samples. */
void order_take(struct order *order, int64_t seen, int64_t count, uint32_t *ret_indices);

#endif
