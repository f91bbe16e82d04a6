/*
 * engine.c: creates an engine and runs its steps.
 */
#include "engine_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "random.h"
#include "registry.h"

#define EVALUATE_AT_ONCE 256
#define BATCH_MAX (1 << 20)

static int fail(char *error, int code, const char *why) {
    snprintf(error, ENGINE_ERROR_SIZE, "%s", why);
    return code;
}

static int check_options(const struct engine_options *options, char *error) {
    if (options->model == NULL || model_networks(options->model) == NULL) {
        return fail(error, ENGINE_EMODEL, "no such model");
    }
    if (options->backend == NULL) return fail(error, ENGINE_EBACKEND, "no backend is named");
    if (options->threads < 0 || options->threads > 1024) {
        snprintf(error, ENGINE_ERROR_SIZE, "threads must be 0 to 1024, not %d", options->threads);
        return ENGINE_EBACKEND;
    }
    if (options->optimiser != OPTIMISER_ADAM && options->optimiser != OPTIMISER_SGD) {
        return fail(error, ENGINE_EMODEL, "no such optimiser");
    }
    if (!(options->momentum >= 0 && options->momentum < 1)) {
        snprintf(error, ENGINE_ERROR_SIZE, "momentum must be at least 0 and below 1, not %g", options->momentum);
        return ENGINE_EMODEL;
    }
    return ENGINE_OK;
}

static int build(struct engine *engine, const struct engine_options *options, char *error) {
    char why[BACKEND_TEXT_SIZE];
    struct backend_options backend = {.threads = options->threads, .cpu = options->cpu};
    int result = registry_open(options->backend, &backend, &engine->backend, why, error);
    if (result < 0) return result;
    struct backend *opened = engine->backend;
    snprintf(engine->text, sizeof engine->text, "%s%s%s%s", opened->ops->text(opened), why[0] != '\0' ? " (" : "", why,
             why[0] != '\0' ? ")" : "");
    const struct model_networks *networks = model_networks(options->model);
    struct shape in = {options->model->height, options->model->width, 1};
    result = network_init(&engine->network, opened, networks->layers[0], networks->layers_count[0], in);
    if (result < 0)
        return fail(error, result, result == ENGINE_ENOMEM ? "out of memory" : "the network's shapes do not fit");
    engine->moments_count = options->optimiser == OPTIMISER_ADAM ? 2 : 1;
    for (int i = 0; i < engine->moments_count; i++) {
        engine->moments[i] = opened->ops->alloc(opened, (size_t)engine->network.weights_count * sizeof(float));
        if (engine->moments[i] == NULL) return fail(error, ENGINE_ENOMEM, "out of memory");
    }
    engine->sums = opened->ops->alloc(opened, 2 * sizeof(float));
    if (engine->sums == NULL || state_init(engine) < 0 || state_start(engine, options->seed, options->hash_init) < 0) {
        return fail(error, ENGINE_ENOMEM, "out of memory");
    }
    return ENGINE_OK;
}

int engine_create(const struct engine_options *options, struct engine **ret_engine, char *error) {
    int result = check_options(options, error);
    if (result < 0) return result;
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) return fail(error, ENGINE_ENOMEM, "out of memory");
    engine->model = options->model;
    engine->optimiser = options->optimiser;
    engine->momentum = options->momentum;
    engine->dropout_seed = random_mix(options->seed);
    result = build(engine, options, error);
    if (result < 0) {
        engine_free(engine);
        return result;
    }
    *ret_engine = engine;
    return ENGINE_OK;
}

static void release_batch(struct engine *engine) {
    struct backend *backend = engine->backend;
    backend->ops->free(backend, engine->pixels);
    backend->ops->free(backend, engine->labels);
    backend->ops->free(backend, engine->probabilities);
    engine->pixels = NULL;
    engine->labels = NULL;
    engine->probabilities = NULL;
}

void engine_free(struct engine *engine) {
    if (engine == NULL) return;
    struct backend *backend = engine->backend;
    if (backend != NULL) {
        release_batch(engine);
        for (int i = 0; i < ENGINE_MOMENTS_MAX; i++) {
            backend->ops->free(backend, engine->moments[i]);
        }
        backend->ops->free(backend, engine->sums);
        network_release(&engine->network);
        backend->ops->close(backend);
    }
    free(engine->tensors);
    free(engine->staging);
    free(engine);
}

const char *engine_backend_text(const struct engine *engine) {
    return engine->text;
}

const char *engine_numerics(const struct engine *engine) {
    return engine->backend->ops->numerics(engine->backend);
}

static int reserve(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    if (n < 1 || n > BATCH_MAX) return ENGINE_ESHAPE;
    if (n <= engine->network.capacity && engine->probabilities != NULL) return ENGINE_OK;
    release_batch(engine);
    int result = network_reserve(&engine->network, n);
    if (result < 0) return result;
    size_t count = (size_t)engine->network.capacity;
    engine->pixels = backend->ops->alloc(backend, count * (size_t)shape_size(network_in(&engine->network)));
    engine->labels = backend->ops->alloc(backend, count);
    engine->probabilities = backend->ops->alloc(backend, count * (size_t)engine->model->classes * sizeof(float));
    bool all = engine->pixels != NULL && engine->labels != NULL && engine->probabilities != NULL;
    if (!all) release_batch(engine);
    return all ? ENGINE_OK : ENGINE_ENOMEM;
}

static void load(struct engine *engine, const uint8_t *pixels, const uint8_t *labels, int64_t n) {
    struct backend *backend = engine->backend;
    int64_t count = n * shape_size(network_in(&engine->network));
    backend->ops->upload(backend, engine->pixels, pixels, (size_t)count);
    backend->ops->upload(backend, engine->labels, labels, (size_t)n);
    backend->ops->scale(backend, count, engine->pixels, 255.0f, 0.0f, engine->network.input);
}

static void update(struct engine *engine) {
    struct backend *backend = engine->backend;
    struct network *network = &engine->network;
    if (engine->optimiser == OPTIMISER_ADAM) {
        const struct model_info *model = engine->model;
        struct adam adam = {.beta1 = model->beta1,
                            .beta2 = model->beta2,
                            .epsilon = model->epsilon,
                            .weight_decay = model->weight_decay};
        backend->ops->adam(backend, network->weights_count, &adam, network->weights, network->gradients,
                           engine->moments[0], engine->moments[1]);
    } else {
        backend->ops->sgd(backend, network->weights_count, engine->momentum, engine->model->weight_decay,
                          network->weights, network->gradients, engine->moments[0]);
    }
}

int engine_train(struct engine *engine, const struct batch *batch, const struct step_options *options,
                 double *ret_metrics) {
    struct backend *backend = engine->backend;
    struct network *network = &engine->network;
    if (!(options->dropout >= 0 && options->dropout < 1) || isnan(options->lr)) return ENGINE_ESTATE;
    int result = reserve(engine, batch->count);
    if (result < 0) return result;
    struct pass pass = {.backend = backend,
                        .n = batch->count,
                        .training = true,
                        .dropout = engine->model->has_dropout ? options->dropout : 0,
                        .weights = network->weights,
                        .gradients = network->gradients};
    struct step_values values = {.lr = options->lr,
                                 .dropout_key = random_mix(engine->dropout_seed + engine->step),
                                 .step = engine->step + 1};
    load(engine, batch->pixels, batch->labels, batch->count);
    (void)backend->ops->step_begin(backend, 0, &values);
    engine->step++;
    const float *logits = network_forward(network, &pass);
    backend->ops->softmax_cross_entropy(backend, batch->count, engine->model->classes, logits, engine->labels, NULL,
                                        network->gradient[0], NULL, engine->sums);
    network_backward(network, &pass);
    update(engine);
    backend->ops->step_end(backend);
    float sums[2];
    backend->ops->download(backend, sums, engine->sums, sizeof sums);
    result = backend->ops->status(backend);
    if (result < 0) return result;
    ret_metrics[0] = (double)sums[0] / (double)batch->count;
    ret_metrics[1] = (double)sums[1] / (double)batch->count;
    return ENGINE_OK;
}

static int evaluate_part(struct engine *engine, const uint8_t *pixels, const uint8_t *labels, int64_t n, double *sums,
                         float *ret_probabilities) {
    struct backend *backend = engine->backend;
    struct pass pass = {.backend = backend, .n = n, .weights = engine->network.weights};
    load(engine, pixels, labels, n);
    const float *logits = network_forward(&engine->network, &pass);
    backend->ops->softmax_cross_entropy(backend, n, engine->model->classes, logits, engine->labels,
                                        ret_probabilities != NULL ? engine->probabilities : NULL, NULL, NULL,
                                        engine->sums);
    float part[2];
    backend->ops->download(backend, part, engine->sums, sizeof part);
    if (ret_probabilities != NULL) {
        backend->ops->download(backend, ret_probabilities, engine->probabilities,
                               (size_t)(n * engine->model->classes) * sizeof(float));
    }
    sums[0] += (double)part[0];
    sums[1] += (double)part[1];
    return backend->ops->status(backend);
}

int engine_evaluate(struct engine *engine, const struct batch *batch, double *ret_metrics, float *ret_probabilities) {
    if (batch->count < 1) return ENGINE_ESHAPE;
    int64_t at_once = batch->count < EVALUATE_AT_ONCE ? batch->count : EVALUATE_AT_ONCE;
    int result = reserve(engine, at_once);
    if (result < 0) return result;
    double sums[2] = {0, 0};
    int64_t image = shape_size(network_in(&engine->network));
    for (int64_t at = 0; at < batch->count; at += at_once) {
        int64_t n = batch->count - at < at_once ? batch->count - at : at_once;
        float *probabilities = ret_probabilities != NULL ? ret_probabilities + at * engine->model->classes : NULL;
        result = evaluate_part(engine, batch->pixels + at * image, batch->labels + at, n, sums, probabilities);
        if (result < 0) return result;
    }
    ret_metrics[0] = sums[0] / (double)batch->count;
    ret_metrics[1] = sums[1] / (double)batch->count;
    return ENGINE_OK;
}
