/*
 * engine_private.h: the engine's own struct, shared by engine.c (running) and state.c (what a checkpoint holds).
 */
#ifndef TRAINER_ENGINE_PRIVATE_H
#define TRAINER_ENGINE_PRIVATE_H

#include "engine.h"
#include "network.h"

#define ENGINE_MOMENTS_MAX 2

struct engine {
    const struct model_info *model;
    struct backend *backend;
    struct network network;
    enum optimiser_kind optimiser;
    double momentum;
    float *moments[ENGINE_MOMENTS_MAX]; /* arenas like the weights: Adam's m and v, SGD's velocity; backend memory */
    int moments_count;
    uint8_t *pixels, *labels; /* backend memory, network.capacity samples */
    float *sums;              /* backend memory, 2 */
    float *probabilities;     /* backend memory, (network.capacity, classes) */
    uint64_t step;            /* optimiser steps done */
    uint64_t dropout_seed;
    struct engine_tensor *tensors;
    size_t tensors_count;
    float *staging; /* host; the largest parameter, for reading and writing tensors */
    char text[2 * BACKEND_TEXT_SIZE];
};

/* Names and shapes of all tensors, and the staging buffer. 0 or ENGINE_ENOMEM; engine_free releases. */
__attribute__((warn_unused_result)) int state_init(struct engine *engine);
/* First weights, "hash" or PyTorch's default scheme, and zeroed moments. */
__attribute__((warn_unused_result)) int state_start(struct engine *engine, uint64_t seed, bool hash);

#endif
