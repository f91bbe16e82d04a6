/*
 * state.c: the first weights, and everything that a checkpoint holds, in the golden layouts (param_order of layers.h).
 *
 * Tensors stand in a fixed order: of each network each parameter in declaration order, behind it the optimiser's
 * moments of it; then the network's running statistics.
 */
#include "engine_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"

enum word { WORD_STEP, WORD_DROPOUT_SEED, WORD_NOISE_SEED, WORD_GOLDEN_NOISE };

static int moments_count(const struct engine *engine) {
    return engine->optimiser.kind == OPTIMISER_ADAM ? 2 : 1;
}

static const char *suffix(const struct engine *engine, int moment) {
    if (moment < 0) return "";
    if (engine->optimiser.kind == OPTIMISER_SGD) return ".velocity";
    return moment == 0 ? ".adam_m" : ".adam_v";
}

static void add_tensor(struct engine *engine, int which, const struct param *param, const char *behind, float *arena) {
    struct engine_tensor *tensor = &engine->tensors[engine->tensors_count];
    snprintf(tensor->name, sizeof tensor->name, "%s%s%s", engine->plan->prefixes[which], param->name, behind);
    for (int d = 0; d < 4; d++) {
        tensor->dims[d] = param->dims[d];
    }
    tensor->dims_count = param->dims_count;
    tensor->count = (size_t)param->count;
    engine->places[engine->tensors_count++] = (struct place){param, arena + param->offset};
}

static void list_network(struct engine *engine, int which) {
    const struct network *network = &engine->networks[which];
    for (size_t i = 0; i < network->params.count; i++) {
        const struct param *param = &network->params.items[i];
        add_tensor(engine, which, param, "", network->weights);
        for (int m = 0; m < moments_count(engine); m++) {
            add_tensor(engine, which, param, suffix(engine, m), network->moments[m]);
        }
    }
    for (size_t i = 0; i < network->running.count; i++) {
        add_tensor(engine, which, &network->running.items[i], "", network->statistics);
    }
}

int state_init(struct engine *engine) {
    size_t count = 0, largest = 1;
    for (int i = 0; i < engine->plan->count; i++) {
        const struct network *network = &engine->networks[i];
        count += network->params.count * (size_t)(1 + moments_count(engine)) + network->running.count;
    }
    engine->tensors = calloc(count, sizeof *engine->tensors);
    engine->places = calloc(count, sizeof *engine->places);
    if (engine->tensors == NULL || engine->places == NULL) return ENGINE_ENOMEM;
    for (int i = 0; i < engine->plan->count; i++) {
        list_network(engine, i);
    }
    for (size_t i = 0; i < count; i++) {
        largest = engine->tensors[i].count > largest ? engine->tensors[i].count : largest;
    }
    engine->staging = calloc(largest, sizeof *engine->staging);
    return engine->staging != NULL ? ENGINE_OK : ENGINE_ENOMEM;
}

/* to (b, a, d, c) = from (a, b, c, d): from outside to inside, and with the pairs exchanged also back. */
static void permute(struct param_order from_order, const float *from, float *to) {
    int64_t a = from_order.out_channels, b = from_order.out_space, c = from_order.channels, d = from_order.space;
    for (int64_t i = 0; i < a; i++) {
        for (int64_t j = 0; j < b; j++) {
            const float *block = from + (i * b + j) * c * d;
            float *target = to + (j * a + i) * c * d;
            for (int64_t k = 0; k < c * d; k++) {
                target[k % d * c + k / d] = block[k];
            }
        }
    }
}

static struct param_order reversed(struct param_order order) {
    return (struct param_order){order.out_space, order.out_channels, order.space, order.channels};
}

size_t engine_tensors_count(const struct engine *engine) {
    return engine->tensors_count;
}

const struct engine_tensor *engine_tensor(const struct engine *engine, size_t index) {
    return index < engine->tensors_count ? &engine->tensors[index] : NULL;
}

int engine_tensor_read(struct engine *engine, size_t index, float *ret_values) {
    if (index >= engine->tensors_count) return ENGINE_ESTATE;
    const struct param *param = engine->places[index].param;
    struct backend *backend = engine->backend;
    backend->ops->download(backend, engine->staging, engine->places[index].memory,
                           (size_t)param->count * sizeof(float));
    int result = backend->ops->status(backend);
    if (result < 0) return result;
    permute(reversed(param->order), engine->staging, ret_values);
    return ENGINE_OK;
}

int engine_tensor_write(struct engine *engine, size_t index, const float *values) {
    if (index >= engine->tensors_count) return ENGINE_ESTATE;
    const struct param *param = engine->places[index].param;
    struct backend *backend = engine->backend;
    permute(param->order, values, engine->staging);
    backend->ops->upload(backend, engine->places[index].memory, engine->staging, (size_t)param->count * sizeof(float));
    return backend->ops->status(backend);
}

void engine_words_read(const struct engine *engine, uint64_t ret_words[ENGINE_WORDS]) {
    for (int i = 0; i < ENGINE_WORDS; i++) {
        ret_words[i] = 0;
    }
    ret_words[WORD_STEP] = engine->step;
    ret_words[WORD_DROPOUT_SEED] = engine->dropout_seed;
    ret_words[WORD_NOISE_SEED] = engine->noise_seed;
    ret_words[WORD_GOLDEN_NOISE] = engine->golden_noise ? 1 : 0;
}

void engine_words_write(struct engine *engine, const uint64_t words[ENGINE_WORDS]) {
    engine->step = words[WORD_STEP];
    engine->dropout_seed = words[WORD_DROPOUT_SEED];
    engine->noise_seed = words[WORD_NOISE_SEED];
    engine->golden_noise = words[WORD_GOLDEN_NOISE] != 0;
}

bool engine_is_finite(struct engine *engine) {
    struct backend *backend = engine->backend;
    bool finite = true;
    for (int i = 0; i < engine->plan->count; i++) {
        const struct network *network = &engine->networks[i];
        finite = finite && backend->ops->is_finite(backend, network->params.end, network->weights);
        for (size_t k = 0; k < network->running.count && finite; k++) {
            const struct param *running = &network->running.items[k];
            finite = backend->ops->is_finite(backend, running->count, network->statistics + running->offset);
        }
    }
    return finite;
}

/* ---- the start ---- */

/* Uniform ±1/sqrt(fan_in). PyTorch's default scheme does so for weights and biases (its kaiming_uniform_ with a = √5
 * comes to the same bound); the golden start has zero biases. Parameter k of all networks draws from stream k. */
static void draw(const struct param *param, uint64_t seed, uint64_t stream, bool hash, float *values) {
    float root = (float)sqrt((double)(hash ? param->golden_fan_in : param->fan_in));
    /* The golden key keeps only 16 bits of the seed; the default one mixes them all. */
    uint64_t key = hash ? (seed << 48) + (stream << 32) : random_mix(random_mix(seed) + stream);
    for (int64_t i = 0; i < param->count; i++) {
        float u = random_uniform(key, (uint64_t)i);
        values[i] = hash && param->role == ROLE_BIAS ? 0.0f : (2.0f * u - 1.0f) / root;
    }
}

static void start(const struct param *param, uint64_t seed, uint64_t stream, bool hash, float *values) {
    bool one = param->role == ROLE_SCALE || param->role == ROLE_RUNNING_VARIANCE;
    if (param->role == ROLE_WEIGHT || param->role == ROLE_BIAS) {
        draw(param, seed, stream, hash, values);
        return;
    }
    for (int64_t i = 0; i < param->count; i++) {
        values[i] = one ? 1.0f : 0.0f;
    }
}

/* Whether the tensor is a weight, bias or statistic itself, not a moment of one; parameters are counted by *stream. */
static bool is_original(const struct engine *engine, size_t index, uint64_t *stream) {
    const struct param *param = engine->places[index].param;
    bool first = index == 0 || engine->places[index - 1].param != param;
    bool counted = param->role != ROLE_RUNNING_MEAN && param->role != ROLE_RUNNING_VARIANCE;
    if (first && counted) (*stream)++;
    return first;
}

int state_start(struct engine *engine, uint64_t seed, bool hash) {
    size_t largest = 1;
    for (size_t i = 0; i < engine->tensors_count; i++) {
        largest = engine->tensors[i].count > largest ? engine->tensors[i].count : largest;
    }
    float *values = malloc(largest * sizeof *values);
    if (values == NULL) return ENGINE_ENOMEM;
    int result = ENGINE_OK;
    uint64_t streams = 0; /* parameters so far */
    for (size_t i = 0; i < engine->tensors_count && result == ENGINE_OK; i++) {
        if (!is_original(engine, i, &streams)) continue;
        start(engine->places[i].param, seed, streams - 1, hash, values);
        result = engine_tensor_write(engine, i, values);
    }
    free(values);
    return result;
}
