/*
 * layers.h: the layers, written once above backend.h.
 *
 * A layer knows its shapes, where its parameters stand in the network's arena, and its own output; inputs and
 * gradients are handed to it. Shapes are (n, h, w, c) inside; a dense layer reads the same memory as (n, h × w × c).
 */
#ifndef TRAINER_LAYERS_H
#define TRAINER_LAYERS_H

#include "backend.h"
#include "models.h"

struct shape {
    int64_t h, w, c;
};

static inline int64_t shape_size(struct shape shape) {
    return shape.h * shape.w * shape.c;
}

/* One parameter tensor. Outside it is (outer, channels, space) in the golden layout, inside (outer, space, channels).
 */
struct param {
    char name[32];
    int64_t dims[4]; /* golden: dense (out, in), conv (out, in, kh, kw), bias (out) */
    int dims_count;
    int64_t count;
    int64_t offset; /* floats, into each of the network's arenas */
    int64_t outer, channels, space;
    int64_t fan_in; /* of the layer, for the bias too */
    bool is_bias;
};

/* What holds for all layers during one pass over a batch. */
struct pass {
    struct backend *backend;
    int64_t n;
    bool training;
    double dropout; /* probability to drop, while training */
    float *weights; /* arenas that param.offset points into */
    float *gradients;
};

struct layer {
    const struct layer_ops *ops;
    const struct layer_spec *spec; /* the first of those it was built from */
    struct shape in, out;
    uint64_t place;   /* in the network, from 0 */
    struct conv conv; /* n is set by the pass */
    struct pool pool;
    struct activation activation; /* fused behind a dense layer, or the layer itself */
    int64_t weight, bias;         /* offsets */
    float *y;                     /* own output (capacity, out); NULL where it works in place */
    uint8_t *winner;              /* max pool: as y */
};

struct layer_ops {
    bool own_output;   /* has a buffer y */
    bool own_gradient; /* backward writes dx; else it turns dy into dx in place */
    /* Gives y, which may be x. */
    float *(*forward)(struct layer *layer, const struct pass *pass, float *x);
    /* Parameter gradients = ; dx = where own_gradient and dx is not NULL. dy may be overwritten. */
    void (*backward)(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx);
};

/* Builds the layer from specs[0] and those that follow it and fuse with it, on input `in`; appends its parameters to
 * params[*params_count] (room for two). Returns how many specs were used, or negative engine_error (no such shape). */
__attribute__((warn_unused_result)) int layer_build(struct layer *layer, const struct layer_spec *specs, size_t count,
                                                    struct shape in, struct param *params, size_t *params_count);

#endif
