/*
 * task_classify.c: one network, softmax and cross-entropy.
 */
#include "engine_private.h"

static void train(struct engine *engine, int64_t n, double dropout) {
    struct backend *backend = engine->backend;
    struct network *network = &engine->networks[0];
    struct pass pass = engine_training_pass(engine, 0, n, dropout);
    struct work work = engine->work;
    const float *logits = network_forward(network, &pass, engine->input);
    backend->ops->softmax_cross_entropy(backend, n, engine->model->classes, logits, engine->labels, NULL, work.dy, NULL,
                                        engine->sums);
    network_backward(network, &pass, &work, false);
    engine_update(engine, 0, &pass);
}

static void evaluate(struct engine *engine, int64_t n) {
    struct backend *backend = engine->backend;
    struct pass pass = network_pass(&engine->networks[0], n);
    const float *logits = network_forward(&engine->networks[0], &pass, engine->input);
    backend->ops->softmax_cross_entropy(backend, n, engine->model->classes, logits, engine->labels,
                                        engine->probabilities, NULL, engine->losses, engine->sums);
}

static void metrics(const double *means, double *ret_metrics) {
    ret_metrics[0] = means[0];
    ret_metrics[1] = means[1];
}

const struct task_ops task_classify = {
    .images = 1, .labels = true, .sums = 2, .train = train, .evaluate = evaluate, .metrics = metrics};
