/*
 * fashion.h: Debian's Fashion-MNIST for the engine's tests and benchmarks, independent of the program's own loader.
 */
#ifndef GOLDEN_FASHION_H
#define GOLDEN_FASHION_H

#include <stddef.h>
#include <stdint.h>

struct fashion {
    size_t count;
    uint8_t *pixels; /* count × 28 × 28 */
    uint8_t *labels;
};

/* The first `most` images (0: all) of "train" or "t10k". 0, or -1: not installed or not readable. */
int fashion_load(const char *split, size_t most, struct fashion *ret_data);
void fashion_release(struct fashion *data);

#endif
