/*
 * models.h: the network of each model, a row of layer descriptions.
 *
 * To add a model: its layers and its row in models.c. Nothing else knows a model by name.
 */
#ifndef TRAINER_MODELS_H
#define TRAINER_MODELS_H

#include "engine.h"

enum layer_kind { LAYER_CONV, LAYER_DENSE, LAYER_RELU, LAYER_SIGMOID, LAYER_POOL, LAYER_DROPOUT };

struct layer_spec {
    enum layer_kind kind;
    const char *name;            /* of its parameters, "conv1"; NULL where it has none */
    int64_t width;               /* conv: filters; dense: outputs */
    int64_t kernel, stride, pad; /* conv; pool: kernel, stride */
};

/* The layers of `model`, *ret_count of them; static storage. NULL: not a row of the table. */
const struct layer_spec *model_layers(const struct model_info *model, size_t *ret_count);

#endif
