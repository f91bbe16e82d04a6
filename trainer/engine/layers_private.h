/*
 * layers_private.h: the kinds of layers that layers.c computes and layers_build.c builds.
 */
#ifndef TRAINER_LAYERS_PRIVATE_H
#define TRAINER_LAYERS_PRIVATE_H

#include "layers.h"

extern const struct layer_ops conv_layer, transposed_layer, dense_layer, norm_layer, activation_layer, pool_layer,
    dropout_layer;

#endif
