/*
 * ripple_field.h: rain on a pond, the wave equation on a square grid (the example of TensorFlow's guide to partial
 * differential equations): u the height, ut its velocity, and each step
 *     u'  = u + eps × ut
 *     ut' = ut + eps × (L u - damping × ut)
 * with L the 3 × 3 kernel 0.5 1 0.5 / 1 -6 1 / 0.5 1 0.5, beyond the border zero, as a convolution with SAME padding.
 * Both sides of a step see the old values (explicit Euler), so waves that are short against the grid grow slowly
 * unless damping is at least 8 × eps. Values below 1e-18 count as zero.
 *
 * A field is a function of its start and its steps alone, to the bit: not of threads, not of the processor (products
 * are not fused into sums). Sums are made row by row, in the order of the rows. One thread calls; several compute.
 */
#ifndef TRAINER_RIPPLE_FIELD_H
#define TRAINER_RIPPLE_FIELD_H

#include <stddef.h>
#include <stdint.h>

#define RIPPLE_SIZE_MAX 4096

struct ripple_field {
    int64_t size, stride; /* of a row with its border */
    float *u, *next, *ut; /* owned: (size + 2) rows of stride floats, the border zero */
    double *row_energy;   /* owned, size */
    float *row_max;       /* owned, size */
};

/* What a field holds; taken along with a step, so of the field that the step begins with. */
struct ripple_sums {
    double energy; /* sum of ut²/2 - u × (L u)/2; NaN or infinite once a value is */
    double max;    /* of |u| */
};

/* A flat field. 0, or -1: no memory, size outside 1..RIPPLE_SIZE_MAX. ripple_field_release frees. */
__attribute__((warn_unused_result)) int ripple_field_init(struct ripple_field *field, int64_t size);
void ripple_field_release(struct ripple_field *field);
/* Flat, but for `count` drops at places drawn from `seed`: heights uniform in [0, 1); a later one counts where two
 * meet. */
void ripple_field_rain(struct ripple_field *field, uint64_t seed, int64_t count);
void ripple_field_step(struct ripple_field *field, double eps, double damping, struct ripple_sums *ret_sums);

/* u and ut, size × size each. */
void ripple_field_read(const struct ripple_field *field, float *ret_u, float *ret_ut);
void ripple_field_write(struct ripple_field *field, const float *u, const float *ut);
/* Threads that compute; 0: as many as there are processors. */
void ripple_field_threads(int64_t threads);

#endif
