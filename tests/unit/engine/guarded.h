/*
 * guarded.h: arrays in a backend's memory with NaN rows on both sides, so that what is read beyond the ends spoils
 * results and what is written there is found.
 */
#ifndef TESTS_GUARDED_H
#define TESTS_GUARDED_H

#include "backend.h"

struct guarded {
    struct backend *backend;
    char *memory;
    size_t bytes;
    void *values; /* backend memory; aligned to 4 bytes, not more, as a slice of an array may be */
};

/* `count` floats with values from `seed` in [-1, 1), or with seed 0 NaN. */
struct guarded guarded_floats(struct backend *backend, int64_t count, uint64_t seed);
struct guarded guarded_bytes(struct backend *backend, int64_t count);
void guarded_write(struct guarded *guarded, const void *values);
/* Host copy, as double; caller frees. Fails the test where a guard was touched. */
double *guarded_read(const struct guarded *guarded);
uint8_t *guarded_read_bytes(const struct guarded *guarded);
void guarded_release(struct guarded *guarded);

#endif
