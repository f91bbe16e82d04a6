/*
 * models.h: the networks of each model, rows of layer descriptions.
 *
 * To add a model: its layers and its row in models.c. Nothing else knows a model by name.
 */
#ifndef TRAINER_MODELS_H
#define TRAINER_MODELS_H

#include "engine.h"

enum layer_kind {
    LAYER_CONV,
    LAYER_CONV_TRANSPOSED,
    LAYER_DENSE,
    LAYER_BATCH_NORM,
    LAYER_RELU,
    LAYER_LEAKY_RELU,
    LAYER_SIGMOID,
    LAYER_TANH,
    LAYER_POOL,
    LAYER_DROPOUT
};

struct layer_spec {
    enum layer_kind kind;
    const char *name;   /* of its parameters, "conv1"; NULL where it has none */
    const char *second; /* dense: the second half of its outputs is a layer of its own by name ("fc22"), else NULL */
    int64_t width;      /* conv: filters; dense: outputs; batch norm: features, all of a sample's (BatchNorm1d) or the
                           channels (BatchNorm2d) */
    int64_t kernel, stride, pad; /* conv, also transposed; pool: kernel, stride */
    int64_t out_h, out_w; /* dense: its outputs are read as (width / (h × w), h, w) from here on; 0: (width, 1, 1) */
    float slope;          /* leaky ReLU */
};

#define MODEL_NETWORKS_MAX 2

/* classify, reconstruct: one network. variational: encoder (2 × latent outputs), decoder. adversarial: discriminator
 * (one logit), generator. The order is that of the parameters. */
struct model_networks {
    const char *prefixes[MODEL_NETWORKS_MAX]; /* of parameter names: "", or "d." and "g." */
    const struct layer_spec *layers[MODEL_NETWORKS_MAX];
    size_t layers_count[MODEL_NETWORKS_MAX];
    int count;
    int64_t code_layer; /* reconstruct: the code is the input of this spec, which fuses with none before */
    float pixel_divisor, pixel_shift; /* input = pixel / divisor - shift */
    bool least_squares;               /* adversarial: squared instead of BCE */
    bool normal_noise;              /* default noise is normal; with hash_init uniform, as the golden curves have it */
    float noise_scale, noise_shift; /* uniform noise = (u + shift) × scale */
};

/* Static storage. NULL: not a row of the table. */
const struct model_networks *model_networks(const struct model_info *model);

#endif
