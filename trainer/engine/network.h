/*
 * network.h: a chain of layers with its parameters, activations and gradients.
 *
 * Parameters stand in one arena (weights; gradients alike), so that an optimiser is one pass over memory. Buffers grow
 * to the largest batch seen and nothing is allocated after that.
 */
#ifndef TRAINER_NETWORK_H
#define TRAINER_NETWORK_H

#include "layers.h"

struct network {
    struct backend *backend; /* borrowed */
    struct layer *layers;
    size_t layers_count;
    struct param *params;
    size_t params_count;
    int64_t weights_count;      /* floats of an arena, with the gaps between parameters */
    float *weights, *gradients; /* backend memory */
    int64_t capacity;           /* samples that the buffers hold */
    float *input;               /* (capacity, in) */
    float *gradient[2];         /* (capacity, the widest activation): dy and dx in turn */
    const float **inputs;       /* layers_count: what each layer was given by the last forward pass */
};

/* The network of `specs` on images of `in`. 0, or negative engine_error; releases what it made then. */
__attribute__((warn_unused_result)) int network_init(struct network *network, struct backend *backend,
                                                     const struct layer_spec *specs, size_t count, struct shape in);
void network_release(struct network *network); /* zeroed storage is fine */

__attribute__((warn_unused_result)) int network_reserve(struct network *network, int64_t n);

/* From network->input (pass->n samples, at most capacity). Gives the last layer's output, borrowed until the next. */
float *network_forward(struct network *network, struct pass *pass);
/* The gradient of the last layer's output stands in network->gradient[0] and may be overwritten. */
void network_backward(struct network *network, struct pass *pass);

struct shape network_in(const struct network *network);
struct shape network_out(const struct network *network);

#endif
