/*
 * layers.h: the layers, written once above backend.h.
 *
 * A layer knows its shapes, where its parameters stand in the network's arenas, and its own output; inputs and
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

enum param_role {
    ROLE_WEIGHT, /* starts uniform, as does a bias but for the golden start's, which is 0 */
    ROLE_BIAS,
    ROLE_SCALE,           /* batch normalisation: starts at 1 */
    ROLE_SHIFT,           /* 0 */
    ROLE_RUNNING_MEAN,    /* 0 */
    ROLE_RUNNING_VARIANCE /* 1 */
};

/* A dense or convolution's weight is outside, in the golden layout, (out_channels, out_space, channels, space) and
 * inside (out_space, out_channels, space, channels): channels come last. Most have a space of 1 somewhere. */
struct param_order {
    int64_t out_channels, out_space, channels, space;
};

/* One parameter tensor, or a running statistic. */
struct param {
    char name[32];
    enum param_role role;
    int64_t
        dims[4]; /* golden: dense (out, in), conv (out, in, kh, kw), transposed conv (in, out, kh, kw), else (out) */
    int dims_count;
    int64_t count;
    int64_t offset; /* floats, into each of the network's arenas */
    struct param_order order;
    int64_t fan_in;        /* of the layer, for the bias too, as PyTorch counts it for its own start */
    int64_t golden_fan_in; /* as the golden start counts it; differs for transposed convolutions */
};

/* Tensors of one arena, in the order of declaration, which need not be that of memory. */
struct param_list {
    struct param *items;
    size_t count;
    int64_t end; /* floats of the arena so far */
};

/* What holds for all layers of a network during one pass over a batch. */
struct pass {
    struct backend *backend;
    int64_t n;
    bool training;
    double dropout;          /* probability to drop, while training */
    double norm_momentum;    /* share of this batch in batch normalisation's running statistics, while training */
    float *weights;          /* arenas that param.offset points into */
    float *gradients;        /* NULL: backward leaves the parameters' gradients out */
    float *running;          /* batch normalisation's running statistics, and what it keeps for the way back */
    const struct adam *adam; /* not NULL: layers whose layer_updates_itself take their step in backward */
    float *moments[2];       /* Adam's m and v; arenas like the weights */
};

struct layer {
    const struct layer_ops *ops;
    const struct layer_spec *spec; /* the first of those it was built from */
    struct shape in, out;
    uint64_t place;   /* in the network, from 0 */
    struct conv conv; /* n is set by the pass; of a transposed convolution: the one that goes the other way */
    struct pool pool;
    struct activation activation; /* fused behind a dense layer or transposed convolution, or the layer itself */
    int64_t channels;             /* batch normalisation */
    int64_t weight, bias;         /* offsets; batch normalisation: scale, shift */
    int64_t running_mean, running_variance, saved; /* offsets in the arena of running statistics */
    float *y;                                      /* own output (capacity, out); NULL where it works in place */
    uint8_t *winner;                               /* max pool: as y */
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
 * `params` (room for four) and its running statistics to `running` (room for two). Returns how many specs were used, or
 * negative engine_error (no such shape). */
__attribute__((warn_unused_result)) int layer_build(struct layer *layer, const struct layer_spec *specs, size_t count,
                                                    struct shape in, struct param_list *params,
                                                    struct param_list *running);

/* Whether backward takes the weight's optimiser step at once, with a gradient that is never stored (a large dense
 * weight; the bias is left to the optimiser's own pass). */
bool layer_updates_itself(const struct layer *layer, const struct pass *pass);
/* Floats of the weight that layer_updates_itself is about. */
int64_t layer_weight_count(const struct layer *layer);

#endif
