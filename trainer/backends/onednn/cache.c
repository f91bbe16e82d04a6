/*
 * cache.c: looks an operation up in the table, or makes it.
 */
#include "cache.h"

#include <string.h>

#include "engine.h"

static struct cache_entry *find(struct cache *cache, const int64_t *key) {
    for (int i = 0; i < cache->count; i++) {
        if (memcmp(cache->entries[i].key, key, sizeof cache->entries[i].key) == 0) return &cache->entries[i];
    }
    return NULL;
}

static struct onednn_op *add(struct cache *cache, const int64_t *key, struct onednn_op *op) {
    struct cache_entry *entry;
    if (cache->count < CACHE_SIZE) {
        entry = &cache->entries[cache->count++];
    } else {
        entry = &cache->entries[cache->oldest];
        cache->oldest = (cache->oldest + 1) % CACHE_SIZE;
        onednn_op_free(entry->op);
    }
    memcpy(entry->key, key, sizeof entry->key);
    entry->op = op;
    return op;
}

/* What was made, or NULL where the shape is the reason why not. */
static struct onednn_op *made(struct cache *cache, const int64_t *key, int code, struct onednn_op *op,
                              int *ret_status) {
    if (code == ENGINE_ENOMEM) {
        *ret_status = ENGINE_ENOMEM; /* not remembered: there may be memory later */
        return NULL;
    }
    return add(cache, key, code == 0 ? op : NULL);
}

struct onednn_op *cache_conv(struct cache *cache, struct onednn_library *library, enum onednn_kind kind,
                             const struct conv *conv, bool with_bias, int *ret_status) {
    int32_t slope;
    memcpy(&slope, &conv->activation.slope, sizeof slope);
    bool leaky = conv->activation.kind == ACTIVATION_LEAKY_RELU;
    const int64_t key[CACHE_KEY] = {
        kind * 2 + with_bias, conv->n,   conv->h, conv->w,          conv->c, conv->k, conv->kh, conv->kw,
        conv->stride,         conv->pad, leaky,   leaky ? slope : 0};
    const struct cache_entry *entry = find(cache, key);
    if (entry != NULL) return entry->op;
    struct onednn_op *op = NULL;
    int code = onednn_conv_create(library, kind, conv, with_bias, &op);
    return made(cache, key, code, op, ret_status);
}

struct onednn_op *cache_matmul(struct cache *cache, struct onednn_library *library, const struct gemm *gemm,
                               int *ret_status) {
    const int64_t key[CACHE_KEY] = {ONEDNN_MATMUL * 2, gemm->transpose_a, gemm->transpose_b, gemm->m,  gemm->n,
                                    gemm->k,           gemm->lda,         gemm->ldb,         gemm->ldc};
    const struct cache_entry *entry = find(cache, key);
    if (entry != NULL) return entry->op;
    struct onednn_op *op = NULL;
    int code = onednn_matmul_create(library, gemm, &op);
    return made(cache, key, code, op, ret_status);
}

void cache_clear(struct cache *cache) {
    for (int i = 0; i < cache->count; i++) {
        onednn_op_free(cache->entries[i].op);
    }
    *cache = (struct cache){0};
}
