/*
 * look.c: what a person may look at: evaluation, losses of samples, reconstructions, codes, samples, filters. None of
 * it changes the training. Batches are cut into parts of EVALUATE_AT_ONCE.
 */
#include "engine_private.h"

#include <math.h>
#include <string.h>

#include "random.h"

#define EVALUATION_KEY UINT64_C(0x6576616c75617465) /* noise of evaluation: the same for every call */
#define SAMPLE_KEY UINT64_C(0x73616d706c65)

/* One part of a batch: samples `at` to `at` + n of it stand in engine->input. */
typedef int (*part_visitor)(struct engine *engine, int64_t at, int64_t n, void *context);

static int each_part(struct engine *engine, const struct batch *batch, part_visitor visit, void *context) {
    if (batch->count < 1 || (engine->task->labels && batch->labels == NULL)) return ENGINE_ESHAPE;
    int64_t at_once = batch->count < EVALUATE_AT_ONCE ? batch->count : EVALUATE_AT_ONCE;
    int64_t image = engine->model->height * engine->model->width;
    int result = engine_reserve(engine, at_once);
    for (int64_t at = 0; at < batch->count && result == ENGINE_OK; at += at_once) {
        int64_t n = batch->count - at < at_once ? batch->count - at : at_once;
        engine_upload(engine, batch->pixels + at * image, batch->labels != NULL ? batch->labels + at : NULL, n);
        engine_scale(engine, n);
        result = visit(engine, at, n, context);
    }
    return result;
}

/* Number `index` under `key`, as backend.h's noise. */
static float normal(uint64_t key, uint64_t index) {
    float first = 1.0f - random_uniform(key, index & ~UINT64_C(1)), second = random_uniform(key, index | 1);
    float radius = sqrtf(-2.0f * logf(first)), angle = 6.28318531f * second;
    return radius * (index % 2 == 0 ? cosf(angle) : sinf(angle));
}

/* engine->noise (n) = that of samples `at` on, made here: a backend's own noise belongs to the training's steps. */
static void upload_noise(struct engine *engine, uint64_t key, bool is_normal, int64_t at, int64_t n) {
    int64_t latent = engine->model->latent;
    for (int64_t i = 0; i < n * latent; i++) {
        uint64_t index = (uint64_t)(at * latent + i);
        engine->rows[i] = is_normal
                              ? normal(key, index)
                              : (random_uniform(key, index) + engine->plan->noise_shift) * engine->plan->noise_scale;
    }
    engine->backend->ops->upload(engine->backend, engine->noise, engine->rows, (size_t)(n * latent) * sizeof(float));
}

static void evaluate_part(struct engine *engine, int64_t at, int64_t n) {
    if (engine->task->noise) {
        upload_noise(engine, EVALUATION_KEY, engine->plan->normal_noise && !engine->golden_noise, at, n);
    }
    engine->task->evaluate(engine, n);
}

/* ---- evaluation ---- */

struct evaluation {
    double sums[BACKEND_FETCH_FLOATS];
    float *probabilities;
};

static int add_part(struct engine *engine, int64_t at, int64_t n, void *context) {
    struct backend *backend = engine->backend;
    struct evaluation *evaluation = context;
    int64_t classes = engine->model->classes;
    float sums[BACKEND_FETCH_FLOATS];
    evaluate_part(engine, at, n);
    backend->ops->download(backend, sums, engine->sums, sizeof sums);
    for (int i = 0; i < engine->task->sums; i++) {
        evaluation->sums[i] += engine->task->means ? (double)sums[i] * (double)n : (double)sums[i];
    }
    if (evaluation->probabilities != NULL) {
        backend->ops->download(backend, evaluation->probabilities + at * classes, engine->probabilities,
                               (size_t)(n * classes) * sizeof(float));
    }
    return backend->ops->status(backend);
}

int engine_evaluate(struct engine *engine, const struct batch *batch, double *ret_metrics, float *ret_probabilities) {
    if (ret_probabilities != NULL && !engine->model->classifier) return ENGINE_EMODEL;
    struct evaluation evaluation = {.probabilities = ret_probabilities};
    int result = each_part(engine, batch, add_part, &evaluation);
    if (result < 0) return result;
    for (int i = 0; i < engine->task->sums; i++) {
        evaluation.sums[i] /= (double)batch->count;
    }
    engine->task->metrics(evaluation.sums, ret_metrics);
    return ENGINE_OK;
}

/* ---- each sample ---- */

struct judgements {
    float *losses;
    uint8_t *predictions;
};

static uint8_t largest(const float *row, int64_t count) {
    int64_t best = 0;
    for (int64_t i = 1; i < count; i++) {
        if (row[i] > row[best]) best = i;
    }
    return (uint8_t)best;
}

static int judge_part(struct engine *engine, int64_t at, int64_t n, void *context) {
    struct backend *backend = engine->backend;
    struct judgements *judgements = context;
    int64_t classes = engine->model->classes;
    evaluate_part(engine, at, n);
    backend->ops->download(backend, judgements->losses + at, engine->losses, (size_t)n * sizeof(float));
    if (engine->divergences != NULL) {
        backend->ops->download(backend, engine->rows, engine->divergences, (size_t)n * sizeof(float));
        for (int64_t i = 0; i < n; i++) {
            judgements->losses[at + i] += engine->rows[i];
        }
    }
    if (judgements->predictions != NULL) {
        backend->ops->download(backend, engine->rows, engine->probabilities, (size_t)(n * classes) * sizeof(float));
        for (int64_t i = 0; i < n; i++) {
            judgements->predictions[at + i] = largest(engine->rows + i * classes, classes);
        }
    }
    return backend->ops->status(backend);
}

int engine_losses(struct engine *engine, const struct batch *batch, float *ret_losses, uint8_t *ret_predictions) {
    if (engine->model->task == TASK_ADVERSARIAL) return ENGINE_EMODEL;
    if (ret_predictions != NULL && !engine->model->classifier) return ENGINE_EMODEL;
    struct judgements judgements = {ret_losses, ret_predictions};
    return each_part(engine, batch, judge_part, &judgements);
}

/* ---- pictures and codes ---- */

/* `from` (n images, backend memory) as shares of white. */
static int download_images(struct engine *engine, const float *from, int64_t n, float *ret_images) {
    struct backend *backend = engine->backend;
    int64_t count = n * engine->model->height * engine->model->width;
    float scale = engine->plan->pixel_divisor / 255.0f;
    backend->ops->download(backend, ret_images, from, (size_t)count * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        ret_images[i] = fminf(fmaxf((ret_images[i] + engine->plan->pixel_shift) * scale, 0.0f), 1.0f);
    }
    return backend->ops->status(backend);
}

static int reconstruct_part(struct engine *engine, int64_t at, int64_t n, void *context) {
    float *images = context;
    return download_images(engine, engine->task->reconstruct(engine, n), n,
                           images + at * engine->model->height * engine->model->width);
}

int engine_reconstruct(struct engine *engine, const struct batch *batch, float *ret_images) {
    if (engine->task->reconstruct == NULL) return ENGINE_EMODEL;
    return each_part(engine, batch, reconstruct_part, ret_images);
}

static int encode_part(struct engine *engine, int64_t at, int64_t n, void *context) {
    float *codes = context;
    return engine->task->encode(engine, n, codes + at * engine->model->latent);
}

int engine_encode(struct engine *engine, const struct batch *batch, float *ret_codes) {
    if (engine->task->encode == NULL) return ENGINE_EMODEL;
    return each_part(engine, batch, encode_part, ret_codes);
}

int engine_sample(struct engine *engine, uint64_t seed, int64_t count, float *ret_images) {
    if (!engine->model->samples_images) return ENGINE_EMODEL;
    if (count < 1) return ENGINE_ESHAPE;
    int64_t at_once = count < EVALUATE_AT_ONCE ? count : EVALUATE_AT_ONCE;
    int result = engine_reserve(engine, at_once);
    struct network *generator = &engine->networks[1]; /* or decoder */
    for (int64_t at = 0; at < count && result == ENGINE_OK; at += at_once) {
        int64_t n = count - at < at_once ? count - at : at_once;
        struct pass pass = network_pass(generator, n);
        upload_noise(engine, random_mix(random_mix(seed) ^ SAMPLE_KEY), engine->plan->normal_noise, at, n);
        result = download_images(engine, network_forward(generator, &pass, engine->noise), n,
                                 ret_images + at * engine->model->height * engine->model->width);
    }
    return result;
}

int engine_filters(struct engine *engine, int64_t *ret_count, int64_t *ret_height, int64_t *ret_width,
                   float *ret_filters) {
    const struct param *weight = &engine->networks[0].params.items[0]; /* also the first tensor */
    bool convolution = weight->dims_count == 4;
    if (ret_filters != NULL) {
        int result = engine_tensor_read(engine, 0, ret_filters);
        if (result < 0) return result;
    }
    *ret_count = convolution ? weight->dims[0] * weight->dims[1] : weight->dims[0];
    *ret_height = convolution ? weight->dims[2] : engine->model->height;
    *ret_width = convolution ? weight->dims[3] : engine->model->width;
    return ENGINE_OK;
}
