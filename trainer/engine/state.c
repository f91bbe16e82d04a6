/*
 * state.c: the first weights, and everything that a checkpoint holds, in the golden layouts.
 *
 * Inside, a parameter is (outer, space, channels); outside (outer, channels, space), as PyTorch has it. Tensors stand
 * in a fixed order: each parameter in declaration order, behind it the optimiser's moments of it.
 */
#include "engine_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

enum word { WORD_STEP, WORD_DROPOUT_SEED };

static int tensors_per_param(const struct engine *engine) {
    return 1 + engine->moments_count;
}

static const char *suffix(const struct engine *engine, int moment) {
    if (moment < 0) return "";
    if (engine->optimiser == OPTIMISER_SGD) return ".velocity";
    return moment == 0 ? ".adam_m" : ".adam_v";
}

int state_init(struct engine *engine) {
    const struct network *network = &engine->network;
    size_t each = (size_t)tensors_per_param(engine);
    int64_t largest = 1;
    engine->tensors = calloc(network->params_count * each, sizeof *engine->tensors);
    if (engine->tensors == NULL) return ENGINE_ENOMEM;
    engine->tensors_count = network->params_count * each;
    for (size_t i = 0; i < engine->tensors_count; i++) {
        const struct param *param = &network->params[i / each];
        struct engine_tensor *tensor = &engine->tensors[i];
        snprintf(tensor->name, sizeof tensor->name, "%s%s", param->name, suffix(engine, (int)(i % each) - 1));
        for (int d = 0; d < 4; d++) {
            tensor->dims[d] = param->dims[d];
        }
        tensor->dims_count = param->dims_count;
        tensor->count = (size_t)param->count;
        largest = param->count > largest ? param->count : largest;
    }
    engine->staging = calloc((size_t)largest, sizeof *engine->staging);
    return engine->staging != NULL ? ENGINE_OK : ENGINE_ENOMEM;
}

/* to (outer, b, a) = from (outer, a, b) */
static void transpose(int64_t outer, int64_t a, int64_t b, const float *from, float *to) {
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < a; i++) {
            for (int64_t j = 0; j < b; j++) {
                to[(o * b + j) * a + i] = from[(o * a + i) * b + j];
            }
        }
    }
}

static float *tensor_memory(const struct engine *engine, size_t index, const struct param **ret_param) {
    size_t each = (size_t)tensors_per_param(engine), which = index % each;
    const struct param *param = &engine->network.params[index / each];
    *ret_param = param;
    return (which == 0 ? engine->network.weights : engine->moments[which - 1]) + param->offset;
}

size_t engine_tensors_count(const struct engine *engine) {
    return engine->tensors_count;
}

const struct engine_tensor *engine_tensor(const struct engine *engine, size_t index) {
    return index < engine->tensors_count ? &engine->tensors[index] : NULL;
}

int engine_tensor_read(struct engine *engine, size_t index, float *ret_values) {
    if (index >= engine->tensors_count) return ENGINE_ESTATE;
    const struct param *param;
    const float *memory = tensor_memory(engine, index, &param);
    struct backend *backend = engine->backend;
    backend->ops->download(backend, engine->staging, memory, (size_t)param->count * sizeof(float));
    int result = backend->ops->status(backend);
    if (result < 0) return result;
    transpose(param->outer, param->space, param->channels, engine->staging, ret_values);
    return ENGINE_OK;
}

int engine_tensor_write(struct engine *engine, size_t index, const float *values) {
    if (index >= engine->tensors_count) return ENGINE_ESTATE;
    const struct param *param;
    float *memory = tensor_memory(engine, index, &param);
    struct backend *backend = engine->backend;
    transpose(param->outer, param->channels, param->space, values, engine->staging);
    backend->ops->upload(backend, memory, engine->staging, (size_t)param->count * sizeof(float));
    return backend->ops->status(backend);
}

void engine_words_read(const struct engine *engine, uint64_t ret_words[ENGINE_WORDS]) {
    for (int i = 0; i < ENGINE_WORDS; i++) {
        ret_words[i] = 0;
    }
    ret_words[WORD_STEP] = engine->step;
    ret_words[WORD_DROPOUT_SEED] = engine->dropout_seed;
}

void engine_words_write(struct engine *engine, const uint64_t words[ENGINE_WORDS]) {
    engine->step = words[WORD_STEP];
    engine->dropout_seed = words[WORD_DROPOUT_SEED];
}

bool engine_is_finite(struct engine *engine) {
    struct backend *backend = engine->backend;
    return backend->ops->is_finite(backend, engine->network.weights_count, engine->network.weights);
}

/* Uniform ±1/sqrt(fan_in). PyTorch's default scheme does so for weights and biases (its kaiming_uniform_ with a = √5
 * comes to the same bound); the golden start has zero biases. Parameter k draws from stream k either way. */
static void draw(const struct param *param, uint64_t seed, uint64_t stream, bool hash, float *values) {
    float root = (float)sqrt((double)param->fan_in);
    /* The golden key keeps only 16 bits of the seed; the default one mixes them all. */
    uint64_t key = hash ? (seed << 48) + (stream << 32) : random_mix(random_mix(seed) + stream);
    for (int64_t i = 0; i < param->count; i++) {
        float u = random_uniform(key, (uint64_t)i);
        values[i] = hash && param->is_bias ? 0.0f : (2.0f * u - 1.0f) / root;
    }
}

int state_start(struct engine *engine, uint64_t seed, bool hash) {
    const struct network *network = &engine->network;
    size_t each = (size_t)tensors_per_param(engine);
    int result = ENGINE_OK;
    float *values = NULL;
    for (size_t i = 0; i < network->params_count && result == ENGINE_OK; i++) {
        float *grown = realloc(values, (size_t)network->params[i].count * sizeof *values);
        if (grown == NULL) {
            result = ENGINE_ENOMEM;
            break;
        }
        values = grown;
        draw(&network->params[i], seed, i, hash, values);
        result = engine_tensor_write(engine, i * each, values);
    }
    free(values);
    return result;
}
