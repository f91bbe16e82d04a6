/*
 * engine.c: creates an engine and runs its steps.
 */
#include "engine_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "registry.h"

#define BATCH_MAX (1 << 20)
#define NORM_MOMENTUM 0.1  /* PyTorch's */
#define STATUS_EVERY 64    /* steps: asking waits for what is under way, so seldom while steps overlap */
#define GOLDEN_STREAM 1000 /* of the noise of step 0, as tests/golden has it */

static int fail(char *error, int code, const char *why) {
    snprintf(error, ENGINE_ERROR_SIZE, "%s", why);
    return code;
}

/* ---- life ---- */

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
    if (!isfinite(options->weight_decay)) {
        snprintf(error, ENGINE_ERROR_SIZE, "weight decay must be a number, not %g", options->weight_decay);
        return ENGINE_EMODEL;
    }
    return ENGINE_OK;
}

static int build_networks(struct engine *engine, char *error) {
    const struct model_info *model = engine->model;
    struct shape image = {model->height, model->width, 1}, code = {1, 1, model->latent};
    for (int i = 0; i < engine->plan->count; i++) {
        int result =
            network_init(&engine->networks[i], engine->backend, engine->plan->layers[i], engine->plan->layers_count[i],
                         i == 0 ? image : code, engine->optimiser.kind == OPTIMISER_ADAM ? 2 : 1);
        if (result == ENGINE_ENOMEM) return fail(error, result, "out of memory");
        if (result < 0) return fail(error, result, "the network's shapes do not fit");
    }
    return ENGINE_OK;
}

static int build(struct engine *engine, const struct engine_options *options, char *error) {
    char why[BACKEND_TEXT_SIZE];
    struct backend_options backend = {.threads = options->threads,
                                      .cpu = options->cpu,
                                      .precision = options->precision};
    int result = registry_open(options->backend, &backend, &engine->backend, why, error);
    if (result < 0) return result;
    struct backend *opened = engine->backend;
    snprintf(engine->text, sizeof engine->text, "%s%s%s%s", opened->ops->text(opened), why[0] != '\0' ? " (" : "", why,
             why[0] != '\0' ? ")" : "");
    result = build_networks(engine, error);
    if (result < 0) return result;
    const struct model_info *model = engine->model;
    int64_t widths[] = {model->height * model->width, model->classes, 2 * model->latent};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        if (widths[i] > engine->rows_width) engine->rows_width = widths[i];
    }
    engine->rows = calloc((size_t)(EVALUATE_AT_ONCE * engine->rows_width), sizeof *engine->rows);
    engine->sums = opened->ops->alloc(opened, BACKEND_FETCH_FLOATS * sizeof(float));
    if (engine->rows == NULL || engine->sums == NULL || state_init(engine) < 0) {
        return fail(error, ENGINE_ENOMEM, "out of memory");
    }
    if (state_start(engine, options->seed, options->hash_init) < 0) return fail(error, ENGINE_ENOMEM, "out of memory");
    return ENGINE_OK;
}

static const struct task_ops *task_of(enum model_task task) {
    switch (task) {
    case TASK_CLASSIFY:
        return &task_classify;
    case TASK_RECONSTRUCT:
        return &task_reconstruct;
    case TASK_VARIATIONAL:
        return &task_variational;
    case TASK_ADVERSARIAL:
        return &task_adversarial;
    }
    return NULL;
}

static struct optimiser optimiser_of(const struct engine_options *options) {
    const struct model_info *model = options->model;
    double decay = options->weight_decay < 0 ? model->weight_decay : options->weight_decay;
    return (struct optimiser){
        .kind = options->optimiser,
        .adam = {.beta1 = model->beta1, .beta2 = model->beta2, .epsilon = model->epsilon, .weight_decay = decay},
        .momentum = options->momentum,
        .weight_decay = decay};
}

int engine_create(const struct engine_options *options, struct engine **ret_engine, char *error) {
    int result = check_options(options, error);
    if (result < 0) return result;
    struct engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL) return fail(error, ENGINE_ENOMEM, "out of memory");
    engine->model = options->model;
    engine->plan = model_networks(options->model);
    engine->task = task_of(options->model->task);
    engine->optimiser = optimiser_of(options);
    engine->dropout_seed = random_mix(options->seed);
    engine->noise_seed = options->seed;
    engine->golden_noise = options->hash_init;
    result = build(engine, options, error);
    if (result < 0) {
        engine_free(engine);
        return result;
    }
    *ret_engine = engine;
    return ENGINE_OK;
}

/* ---- buffers that grow with the batch ---- */

struct buffer {
    void **memory;
    int64_t bytes; /* a sample; 0: none */
};

#define BUFFERS 10

static void list_buffers(struct engine *engine, struct buffer list[BUFFERS]) {
    const struct model_info *model = engine->model;
    const struct task_ops *task = engine->task;
    int64_t image = model->height * model->width, number = (int64_t)sizeof(float), widest = 0;
    for (int i = 0; i < engine->plan->count; i++) {
        int64_t size = network_widest(&engine->networks[i]) * (i == 0 ? task->images : 1);
        widest = size > widest ? size : widest;
    }
    bool variational = model->task == TASK_VARIATIONAL;
    const struct buffer buffers[BUFFERS] = {
        {(void **)&engine->pixels, image},
        {(void **)&engine->labels, task->labels ? 1 : 0},
        {(void **)&engine->input, task->images * image * number},
        {(void **)&engine->probabilities, model->classes * number},
        {(void **)&engine->losses, number},
        {(void **)&engine->divergences, variational ? number : 0},
        {(void **)&engine->noise, task->noise ? model->latent * number : 0},
        {(void **)&engine->z, variational ? model->latent * number : 0},
        {(void **)&engine->work.dy, widest * number},
        {(void **)&engine->work.spare, widest * number},
    };
    memcpy(list, buffers, sizeof buffers);
}

static void release_buffers(struct engine *engine) {
    struct buffer list[BUFFERS];
    list_buffers(engine, list);
    for (int i = 0; i < BUFFERS; i++) {
        engine->backend->ops->free(engine->backend, *list[i].memory);
        *list[i].memory = NULL;
    }
    engine->capacity = 0;
}

int engine_reserve(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    if (n < 1 || n > BATCH_MAX) return ENGINE_ESHAPE;
    if (n <= engine->capacity) return ENGINE_OK;
    int result = backend->ops->status(backend); /* waits: a step under way may use what is freed now */
    if (result < 0) return result;
    release_buffers(engine);
    engine->generation++;
    for (int i = 0; i < engine->plan->count; i++) {
        result = network_reserve(&engine->networks[i], i == 0 ? n * engine->task->images : n);
        if (result < 0) return result;
    }
    struct buffer list[BUFFERS];
    list_buffers(engine, list);
    for (int i = 0; i < BUFFERS; i++) {
        if (list[i].bytes == 0) continue;
        *list[i].memory = backend->ops->alloc(backend, (size_t)(n * list[i].bytes));
        if (*list[i].memory == NULL) {
            release_buffers(engine);
            return ENGINE_ENOMEM;
        }
    }
    engine->capacity = n;
    return ENGINE_OK;
}

void engine_free(struct engine *engine) {
    if (engine == NULL) return;
    struct backend *backend = engine->backend;
    if (backend != NULL) {
        (void)backend->ops->status(backend); /* waits for what is under way */
        if (engine->capacity > 0) release_buffers(engine);
        backend->ops->free(backend, engine->sums);
        for (int i = 0; i < MODEL_NETWORKS_MAX; i++) {
            network_release(&engine->networks[i]);
        }
        backend->ops->close(backend);
    }
    free(engine->tensors);
    free(engine->places);
    free(engine->staging);
    free(engine->rows);
    free(engine);
}

const char *engine_backend_text(const struct engine *engine) {
    return engine->text;
}

const char *engine_numerics(const struct engine *engine) {
    return engine->backend->ops->numerics(engine->backend);
}

/* ---- what the tasks need ---- */

void engine_upload(struct engine *engine, const uint8_t *pixels, const uint8_t *labels, int64_t n) {
    struct backend *backend = engine->backend;
    backend->ops->upload(backend, engine->pixels, pixels, (size_t)(n * engine->model->height * engine->model->width));
    if (engine->task->labels) backend->ops->upload(backend, engine->labels, labels, (size_t)n);
}

void engine_scale(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    backend->ops->scale(backend, n * engine->model->height * engine->model->width, engine->pixels,
                        engine->plan->pixel_divisor, engine->plan->pixel_shift, engine->input);
}

struct pass engine_training_pass(const struct engine *engine, int which, int64_t n, double dropout) {
    struct pass pass = network_pass(&engine->networks[which], n);
    pass.training = true;
    pass.dropout = dropout;
    pass.norm_momentum = NORM_MOMENTUM;
    pass.adam = engine->optimiser.kind == OPTIMISER_ADAM ? &engine->optimiser.adam : NULL;
    return pass;
}

void engine_update(struct engine *engine, int which, const struct pass *pass) {
    network_update(&engine->networks[which], pass, &engine->optimiser);
}

void engine_noise(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    bool normal = engine->plan->normal_noise && !engine->golden_noise;
    backend->ops->noise(backend, normal ? NOISE_NORMAL : NOISE_UNIFORM, n * engine->model->latent,
                        engine->plan->noise_scale, engine->plan->noise_shift, engine->noise);
}

/* ---- steps ---- */

/* Seeds and the count of steps give all that is random, so that a resumed run goes on with the same. */
static struct step_values step_values(const struct engine *engine, double lr) {
    uint64_t golden = (engine->noise_seed << 48) + ((GOLDEN_STREAM + engine->step) << 32);
    uint64_t mixed = random_mix(random_mix(engine->noise_seed ^ UINT64_C(0x6e6f697365)) + engine->step);
    return (struct step_values){.lr = lr,
                                .step = engine->step + 1,
                                .dropout_key = random_mix(engine->dropout_seed + engine->step),
                                .noise_key = engine->golden_noise ? golden : mixed};
}

/* All that the arguments of a step's operations depend on: sizes, dropout, and where the buffers are. */
static uint64_t step_shape(const struct engine *engine, int64_t n, double dropout) {
    uint64_t bits;
    memcpy(&bits, &dropout, sizeof bits);
    return random_mix(random_mix(random_mix(engine->generation) ^ (uint64_t)n) ^ bits);
}

int engine_submit(struct engine *engine, const struct batch *batch, const struct step_options *options) {
    struct backend *backend = engine->backend;
    if (!(options->dropout >= 0 && options->dropout < 1) || isnan(options->lr)) return ENGINE_ESTATE;
    if (engine->in_flight == ENGINE_IN_FLIGHT) return ENGINE_ESTATE;
    if (engine->task->labels && batch->labels == NULL) return ENGINE_ESHAPE;
    int result = engine_reserve(engine, batch->count);
    if (result < 0) return result;
    double dropout = engine->model->has_dropout ? options->dropout : 0;
    struct step_values values = step_values(engine, options->lr);
    engine_upload(engine, batch->pixels, batch->labels, batch->count);
    if (!backend->ops->step_begin(backend, step_shape(engine, batch->count, dropout), &values)) {
        engine_scale(engine, batch->count);
        engine->task->train(engine, batch->count, dropout);
        backend->ops->step_end(backend);
    }
    engine->step++;
    int slot = (engine->first_flight + engine->in_flight) % ENGINE_IN_FLIGHT;
    backend->ops->fetch(backend, slot, engine->sums, engine->task->sums);
    engine->flights[slot] = batch->count;
    engine->in_flight++;
    return ENGINE_OK;
}

int engine_collect(struct engine *engine, bool wait, double *ret_metrics) {
    struct backend *backend = engine->backend;
    if (engine->in_flight == 0) return 0;
    float sums[BACKEND_FETCH_FLOATS] = {0};
    double means[BACKEND_FETCH_FLOATS];
    int slot = engine->first_flight;
    if (!backend->ops->fetched(backend, slot, wait, sums, engine->task->sums)) return 0;
    bool finite = true;
    for (int i = 0; i < engine->task->sums; i++) {
        means[i] = engine->task->means ? (double)sums[i] : (double)sums[i] / (double)engine->flights[slot];
        finite &= isfinite(means[i]) != 0;
    }
    engine->first_flight = (slot + 1) % ENGINE_IN_FLIGHT;
    engine->in_flight--;
    if (engine->in_flight == 0 || !finite || engine->step % STATUS_EVERY == 0) {
        int result = backend->ops->status(backend);
        if (result < 0) return result;
    }
    engine->task->metrics(means, ret_metrics);
    return 1;
}

int engine_train(struct engine *engine, const struct batch *batch, const struct step_options *options,
                 double *ret_metrics) {
    if (engine->in_flight > 0) return ENGINE_ESTATE;
    int result = engine_submit(engine, batch, options);
    if (result < 0) return result;
    result = engine_collect(engine, true, ret_metrics);
    return result < 0 ? result : ENGINE_OK;
}
