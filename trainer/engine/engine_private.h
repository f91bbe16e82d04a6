/*
 * engine_private.h: the engine's own struct, shared by engine.c (life and steps), look.c (what changes nothing),
 * state.c (what a checkpoint holds) and the tasks.
 */
#ifndef TRAINER_ENGINE_PRIVATE_H
#define TRAINER_ENGINE_PRIVATE_H

#include "engine.h"
#include "network.h"

#define EVALUATE_AT_ONCE 256 /* samples */

struct task_ops;

/* A tensor of the checkpoint: which it is and where it lies. */
struct place {
    const struct param *param;
    float *memory;
};

struct engine {
    const struct model_info *model;
    const struct model_networks *plan;
    const struct task_ops *task;
    struct backend *backend;
    struct network networks[MODEL_NETWORKS_MAX];
    struct optimiser optimiser;

    /* Backend memory of `capacity` samples; NULL where the task has no use for it. */
    int64_t capacity;
    uint8_t *pixels, *labels;
    float *input;         /* (images × capacity, image): task_ops.images for each sample */
    float *probabilities; /* (capacity, classes) */
    float *losses;        /* (capacity) */
    float *divergences;   /* (capacity): the VAE's KL */
    float *noise;         /* (capacity, latent) */
    float *z;             /* (capacity, latent): the VAE's sampled codes */
    struct work work;
    float *sums;         /* BACKEND_FETCH_FLOATS */
    uint64_t generation; /* of these buffers: a recorded step holds their addresses */

    uint64_t step; /* optimiser steps begun */
    uint64_t dropout_seed;
    uint64_t noise_seed;
    bool golden_noise;
    int64_t
        flights[ENGINE_IN_FLIGHT]; /* batch sizes of steps begun and not collected, oldest first from `first_flight` */
    int first_flight, in_flight;

    struct engine_tensor *tensors;
    struct place *places;
    size_t tensors_count;
    float *staging; /* host; the largest tensor, for reading and writing */
    float *rows;    /* host; EVALUATE_AT_ONCE × the widest of noise, code, image, classes */
    int64_t rows_width;
    char text[2 * BACKEND_TEXT_SIZE];
};

/* What the four tasks do differently. Operations go to engine->backend; the images stand in engine->input. */
struct task_ops {
    int64_t images; /* images that engine->input holds a sample: 2 where a network sees real and made ones together */
    bool labels, noise;
    int sums;   /* numbers that a step or evaluation leaves in engine->sums */
    bool means; /* these are means over the samples already, not sums */
    /* One step: forward, loss, backward, update. Only what step_begin gets may differ between steps of equal n and
     * dropout. */
    void (*train)(struct engine *engine, int64_t n, double dropout);
    /* The loss of n samples without changing anything; samples' own in engine->losses and divergences but for
     * adversaries; noise stands in engine->noise. */
    void (*evaluate)(struct engine *engine, int64_t n);
    /* Means over the samples of `sums` to the model's metrics. */
    void (*metrics)(const double *means, double *ret_metrics);
    /* NULL where the task has none. Codes to the host (n, latent); pictures in backend memory, borrowed. */
    int (*encode)(struct engine *engine, int64_t n, float *ret_codes);
    const float *(*reconstruct)(struct engine *engine, int64_t n);
};

extern const struct task_ops task_classify, task_reconstruct, task_variational, task_adversarial;

/* Room for n samples. */
__attribute__((warn_unused_result)) int engine_reserve(struct engine *engine, int64_t n);
/* pixels to engine->pixels, labels to engine->labels where the task has some. */
void engine_upload(struct engine *engine, const uint8_t *pixels, const uint8_t *labels, int64_t n);
/* engine->input = the first n of engine->pixels */
void engine_scale(struct engine *engine, int64_t n);
/* A training pass of network `which`: dropout, statistics and, where the optimiser is Adam, fused updates. */
struct pass engine_training_pass(const struct engine *engine, int which, int64_t n, double dropout);
void engine_update(struct engine *engine, int which, const struct pass *pass);
/* engine->noise for a step's n samples */
void engine_noise(struct engine *engine, int64_t n);

/* Names, shapes and places of all tensors, and the staging buffer. 0 or ENGINE_ENOMEM; engine_free releases. */
__attribute__((warn_unused_result)) int state_init(struct engine *engine);
/* First weights, "hash" or PyTorch's default scheme, and zeroed moments. */
__attribute__((warn_unused_result)) int state_start(struct engine *engine, uint64_t seed, bool hash);

#endif
