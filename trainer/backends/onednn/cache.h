/*
 * cache.h: the operations made so far, by shape, so that a step after the first makes none.
 *
 * A table of fixed size; when it is full the oldest goes. What oneDNN cannot do is remembered too.
 */
#ifndef BACKENDS_ONEDNN_CACHE_H
#define BACKENDS_ONEDNN_CACHE_H

#include "operation.h"

#define CACHE_SIZE 96
#define CACHE_KEY 12

struct cache_entry {
    int64_t key[CACHE_KEY];
    struct onednn_op *op; /* NULL: oneDNN has none */
};

struct cache {
    struct cache_entry entries[CACHE_SIZE];
    int count, oldest;
};

/* The operation (see operation.h), borrowed until a later one takes its place; NULL: oneDNN has none, the caller does
 * it otherwise. *ret_status: ENGINE_ENOMEM where there was no memory for it, else untouched. `conv` counts without its
 * pool. */
struct onednn_op *cache_conv(struct cache *cache, struct onednn_library *library, enum onednn_kind kind,
                             const struct conv *conv, bool with_bias, int *ret_status);
struct onednn_op *cache_matmul(struct cache *cache, struct onednn_library *library, const struct gemm *gemm,
                               int *ret_status);
void cache_clear(struct cache *cache);

#endif
