/*
 * task_reconstruct.c: an autoencoder gives its input back; the loss is the squared error, summed over the pixels.
 */
#include "engine_private.h"

#include <string.h>

static int64_t width(const struct engine *engine) {
    return shape_size(network_out(&engine->networks[0]));
}

static void train(struct engine *engine, int64_t n, double dropout) {
    struct backend *backend = engine->backend;
    struct network *network = &engine->networks[0];
    struct pass pass = engine_training_pass(engine, 0, n, dropout);
    struct work work = engine->work;
    const float *y = network_forward(network, &pass, engine->input);
    backend->ops->squared_error(backend, n, width(engine), y, engine->input, work.dy, NULL, engine->sums);
    network_backward(network, &pass, &work, false);
    engine_update(engine, 0, &pass);
}

static const float *reconstruct(struct engine *engine, int64_t n) {
    struct pass pass = network_pass(&engine->networks[0], n);
    return network_forward(&engine->networks[0], &pass, engine->input);
}

static void evaluate(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    const float *y = reconstruct(engine, n);
    backend->ops->squared_error(backend, n, width(engine), y, engine->input, NULL, engine->losses, engine->sums);
}

static void metrics(const double *means, double *ret_metrics) {
    ret_metrics[0] = means[0];
}

/* The layer that reads the code. */
static size_t code_layer(const struct engine *engine) {
    const struct network *network = &engine->networks[0];
    size_t i = 0;
    while (i + 1 < network->layers_count &&
           network->layers[i].spec != &engine->plan->layers[0][engine->plan->code_layer])
        i++;
    return i;
}

/* The code as PyTorch orders it, channels first. */
static int encode(struct engine *engine, int64_t n, float *ret_codes) {
    struct backend *backend = engine->backend;
    struct network *network = &engine->networks[0];
    size_t at = code_layer(engine);
    struct shape shape = network->layers[at].in;
    int64_t size = shape_size(shape), space = shape.h * shape.w;
    (void)reconstruct(engine, n);
    backend->ops->download(backend, engine->rows, network->inputs[at], (size_t)(n * size) * sizeof(float));
    for (int64_t i = 0; i < n * size; i++) {
        int64_t c = i % size / space, s = i % space;
        ret_codes[i] = engine->rows[i / size * size + s * shape.c + c];
    }
    return backend->ops->status(backend);
}

const struct task_ops task_reconstruct = {.images = 1,
                                          .sums = 1,
                                          .train = train,
                                          .evaluate = evaluate,
                                          .metrics = metrics,
                                          .encode = encode,
                                          .reconstruct = reconstruct};
