/*
 * task_variational.c: a variational autoencoder (Kingma and Welling 2014): the encoder gives mean and log variance of a
 * code, the decoder makes an image of a sample of it; the loss is the squared error plus the divergence from N(0, 1).
 */
#include "engine_private.h"

enum { ENCODER, DECODER };
enum { SQUARED_ERROR, DIVERGENCE }; /* engine->sums */

static int64_t width(const struct engine *engine) {
    return shape_size(network_out(&engine->networks[DECODER]));
}

static void train(struct engine *engine, int64_t n, double dropout) {
    struct backend *backend = engine->backend;
    struct network *encoder = &engine->networks[ENCODER], *decoder = &engine->networks[DECODER];
    struct pass encoding = engine_training_pass(engine, ENCODER, n, dropout);
    struct pass decoding = engine_training_pass(engine, DECODER, n, dropout);
    int64_t latent = engine->model->latent;

    engine_noise(engine, n);
    const float *code = network_forward(encoder, &encoding, engine->input);
    backend->ops->sample_latent(backend, n, latent, code, engine->noise, engine->z, NULL, engine->sums + DIVERGENCE);
    const float *y = network_forward(decoder, &decoding, engine->z);

    struct work work = engine->work;
    backend->ops->squared_error(backend, n, width(engine), y, engine->input, work.dy, NULL,
                                engine->sums + SQUARED_ERROR);
    network_backward(decoder, &decoding, &work, true);
    backend->ops->sample_latent_backward(backend, n, latent, code, engine->noise, work.dy, 1.0f / (float)n, work.spare);
    work = (struct work){.dy = work.spare, .spare = work.dy};
    network_backward(encoder, &encoding, &work, false);

    engine_update(engine, ENCODER, &encoding);
    engine_update(engine, DECODER, &decoding);
}

static void evaluate(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    struct pass encoding = network_pass(&engine->networks[ENCODER], n);
    struct pass decoding = network_pass(&engine->networks[DECODER], n);
    const float *code = network_forward(&engine->networks[ENCODER], &encoding, engine->input);
    backend->ops->sample_latent(backend, n, engine->model->latent, code, engine->noise, engine->z, engine->divergences,
                                engine->sums + DIVERGENCE);
    const float *y = network_forward(&engine->networks[DECODER], &decoding, engine->z);
    backend->ops->squared_error(backend, n, width(engine), y, engine->input, NULL, engine->losses,
                                engine->sums + SQUARED_ERROR);
}

static void metrics(const double *means, double *ret_metrics) {
    ret_metrics[0] = means[SQUARED_ERROR] + means[DIVERGENCE];
    ret_metrics[1] = means[DIVERGENCE];
}

/* The means of the codes. */
static int encode(struct engine *engine, int64_t n, float *ret_codes) {
    struct backend *backend = engine->backend;
    int64_t latent = engine->model->latent;
    struct pass pass = network_pass(&engine->networks[ENCODER], n);
    const float *code = network_forward(&engine->networks[ENCODER], &pass, engine->input);
    backend->ops->download(backend, engine->rows, code, (size_t)(n * 2 * latent) * sizeof(float));
    for (int64_t i = 0; i < n * latent; i++) {
        ret_codes[i] = engine->rows[i / latent * 2 * latent + i % latent];
    }
    return backend->ops->status(backend);
}

/* Decodes the means: a sample without noise. */
static const float *reconstruct(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    int64_t latent = engine->model->latent;
    struct pass encoding = network_pass(&engine->networks[ENCODER], n);
    struct pass decoding = network_pass(&engine->networks[DECODER], n);
    const float *code = network_forward(&engine->networks[ENCODER], &encoding, engine->input);
    backend->ops->zero(backend, engine->noise, (size_t)(n * latent) * sizeof(float));
    backend->ops->sample_latent(backend, n, latent, code, engine->noise, engine->z, engine->divergences, engine->sums);
    return network_forward(&engine->networks[DECODER], &decoding, engine->z);
}

const struct task_ops task_variational = {.images = 1,
                                          .noise = true,
                                          .sums = 2,
                                          .train = train,
                                          .evaluate = evaluate,
                                          .metrics = metrics,
                                          .encode = encode,
                                          .reconstruct = reconstruct};
