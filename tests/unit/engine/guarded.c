/*
 * guarded.c: arrays between guards.
 */
#include "guarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"

#define GUARD 1028 /* bytes: a few rows; 4 more than a multiple of 64 */
#define MARK 0xff  /* four of them are a NaN */

static struct guarded make(struct backend *backend, size_t bytes) {
    struct guarded guarded = {.backend = backend, .bytes = bytes};
    size_t all = bytes + 2 * GUARD;
    guarded.memory = backend->ops->alloc(backend, all);
    assert_non_null(guarded.memory);
    char *marks = malloc(all);
    assert_non_null(marks);
    memset(marks, MARK, all);
    backend->ops->upload(backend, guarded.memory, marks, all);
    free(marks);
    guarded.values = guarded.memory + GUARD;
    return guarded;
}

struct guarded guarded_floats(struct backend *backend, int64_t count, uint64_t seed) {
    struct guarded guarded = make(backend, (size_t)count * sizeof(float));
    float *values = malloc(guarded.bytes + 1);
    assert_non_null(values);
    for (int64_t i = 0; i < count; i++) {
        values[i] = seed == 0 ? NAN : 2 * random_uniform(random_mix(seed), (uint64_t)i) - 1;
    }
    guarded_write(&guarded, values);
    free(values);
    return guarded;
}

struct guarded guarded_bytes(struct backend *backend, int64_t count) {
    return make(backend, (size_t)count);
}

void guarded_write(struct guarded *guarded, const void *values) {
    guarded->backend->ops->upload(guarded->backend, guarded->values, values, guarded->bytes);
}

static char *read_checked(const struct guarded *guarded) {
    size_t all = guarded->bytes + 2 * GUARD;
    char *copy = malloc(all);
    assert_non_null(copy);
    guarded->backend->ops->download(guarded->backend, copy, guarded->memory, all);
    for (size_t i = 0; i < GUARD; i++) {
        if ((uint8_t)copy[i] != MARK) fail_msg("written %zu bytes before the array", GUARD - i);
        if ((uint8_t)copy[GUARD + guarded->bytes + i] != MARK) fail_msg("written %zu bytes behind the array", i + 1);
    }
    return copy;
}

double *guarded_read(const struct guarded *guarded) {
    size_t count = guarded->bytes / sizeof(float);
    char *copy = read_checked(guarded);
    double *values = malloc((count + 1) * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        float value;
        memcpy(&value, copy + GUARD + i * sizeof value, sizeof value);
        values[i] = (double)value;
    }
    free(copy);
    return values;
}

uint8_t *guarded_read_bytes(const struct guarded *guarded) {
    char *copy = read_checked(guarded);
    memmove(copy, copy + GUARD, guarded->bytes);
    return (uint8_t *)copy;
}

void guarded_release(struct guarded *guarded) {
    guarded->backend->ops->free(guarded->backend, guarded->memory);
    guarded->memory = NULL;
}
