/*
 * test_network_reference.h: a network once more in float64, layer description by layer description, and gradients by
 * central differences of any loss that is made of such networks.
 *
 * The descriptions run one by one, so fusing is tested with it.
 */
#ifndef TESTS_NETWORK_REFERENCE_H
#define TESTS_NETWORK_REFERENCE_H

#include "network.h"

#define N 5
#define DROPOUT 0.3
#define KEY 99

struct part {
    const struct layer_spec *specs;
    size_t count;
    struct network network;
    double *weights; /* as network.weights */
};

/* Builds the network and gives it small random weights from `key`, the same in both. */
void part_init(struct part *part, struct backend *backend, const struct layer_spec *specs, size_t count,
               struct shape in, uint64_t key);
void part_release(struct part *part);

/* x (N, in) to a new array (N, out); the caller frees it. */
double *part_forward(const struct part *part, const double *x);

/* A training pass of N samples with dropout. */
struct pass part_pass(const struct part *part);
/* Begins a step whose dropout has the key that part_forward uses. */
void begin_step(struct backend *backend);

/* Uniform in ±0.5 into backend memory and its copy. */
void fill(struct backend *backend, int64_t count, uint64_t key, float *to, double *copy);

typedef double (*loss_function)(const void *context);

/* Fails where network.gradients is not the slope of the loss, which runs part_forward on this part. */
void check_gradients(struct part *part, loss_function loss, const void *context);
/* Fails where `gradient` (backend memory) is not the slope of the loss by `values`. */
void check_slopes(struct backend *backend, const char *name, int64_t count, double *values, const float *gradient,
                  loss_function loss, const void *context);

#endif
