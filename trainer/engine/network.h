/*
 * network.h: a chain of layers with its parameters, activations and gradients.
 *
 * Parameters stand in one arena (weights; gradients and the optimiser's moments alike), so that an optimiser is one
 * pass over memory. Buffers grow to the largest batch seen and nothing is allocated after that. Gradients of
 * activations stand in two buffers that the caller owns: networks that are chained share them.
 */
#ifndef TRAINER_NETWORK_H
#define TRAINER_NETWORK_H

#include "layers.h"

#define MOMENTS_MAX 2

struct network {
    struct backend *backend; /* borrowed */
    struct layer *layers;
    size_t layers_count;
    struct param_list params;
    struct param_list running;   /* running statistics: state, not parameters */
    float *weights, *gradients;  /* backend memory, params.end floats */
    float *moments[MOMENTS_MAX]; /* alike: Adam's m and v, SGD's velocity */
    float *statistics;           /* backend memory, running.end floats */
    int64_t capacity;            /* samples that the buffers hold */
    float **inputs;              /* layers_count: what each layer was given by the last forward pass */
};

/* Gradients of activations on their way back; each (n, network_widest). */
struct work {
    float *dy, *spare;
};

/* What updates the weights. */
struct optimiser {
    enum optimiser_kind kind;
    struct adam adam;
    double momentum, weight_decay; /* SGD */
};

/* The network of `specs` on images of `in`, with `moments` arenas (1 or 2). Weights are zero, running statistics too.
 * 0, or negative engine_error; releases what it made then. */
__attribute__((warn_unused_result)) int network_init(struct network *network, struct backend *backend,
                                                     const struct layer_spec *specs, size_t count, struct shape in,
                                                     int moments);
void network_release(struct network *network); /* zeroed storage is fine */

__attribute__((warn_unused_result)) int network_reserve(struct network *network, int64_t n);
/* Floats of the largest activation of one sample, the input's among them. */
int64_t network_widest(const struct network *network);

/* A pass over n samples with all of the network's arenas: not training, no dropout, no fused optimiser. */
struct pass network_pass(const struct network *network, int64_t n);

/* x (n, in) must stay as it is until the way back is done. Gives the last layer's output, borrowed until the next call.
 */
float *network_forward(struct network *network, const struct pass *pass, float *x);
/* work->dy holds the gradient of the last layer's output. Afterwards, with `input`, it holds that of x; both buffers
 * are overwritten and may have changed places. */
void network_backward(struct network *network, const struct pass *pass, struct work *work, bool input);
/* Everything that has not updated itself during network_backward. */
void network_update(struct network *network, const struct pass *pass, const struct optimiser *optimiser);

struct shape network_in(const struct network *network);
struct shape network_out(const struct network *network);

#endif
