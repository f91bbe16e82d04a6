/*
 * task_adversarial.c: a discriminator learns to tell real images from made ones, a generator to make images that it
 * takes for real (Goodfellow et al. 2014; with least squares Mao et al. 2017).
 *
 * A step is the discriminator's turn, then the generator's against the discriminator as it is by then, on the same
 * noise. The made images are the same in both turns, so the generator runs forward once, and the discriminator sees
 * real and made images in one pass: neither has batch normalisation that would mix them.
 */
#include "engine_private.h"

enum { DISCRIMINATOR, GENERATOR };
enum { D_LOSS, G_LOSS }; /* engine->sums */

/* The mean loss of logits (n) against what they should have said, added to `sum`. */
static void judge(struct engine *engine, int64_t n, const float *logits, float target, float *dlogits, float *sum) {
    struct backend *backend = engine->backend;
    bool squared = engine->plan->least_squares;
    backend->ops->logit_loss(backend, squared ? LOGIT_SQUARED : LOGIT_BCE, n, target,
                             (squared ? 0.5f : 1.0f) / (float)n, logits, dlogits, sum);
}

/* engine->input = n real images, which stand there, and n made ones; the discriminator's logits of all of them, with
 * the slopes of its loss in dlogits unless NULL. */
static const float *compare(struct engine *engine, int64_t n, struct pass *generating, struct pass *telling,
                            float *dlogits) {
    struct backend *backend = engine->backend;
    int64_t image = shape_size(network_in(&engine->networks[DISCRIMINATOR]));
    const float *made = network_forward(&engine->networks[GENERATOR], generating, engine->noise);
    backend->ops->copy(backend, engine->input + n * image, made, (size_t)(n * image) * sizeof(float));
    const float *logits = network_forward(&engine->networks[DISCRIMINATOR], telling, engine->input);
    backend->ops->zero(backend, engine->sums, 2 * sizeof(float));
    judge(engine, n, logits, 1, dlogits, engine->sums + D_LOSS);
    judge(engine, n, logits + n, 0, dlogits != NULL ? dlogits + n : NULL, engine->sums + D_LOSS);
    return logits;
}

static void train(struct engine *engine, int64_t n, double dropout) {
    struct network *discriminator = &engine->networks[DISCRIMINATOR], *generator = &engine->networks[GENERATOR];
    struct pass generating = engine_training_pass(engine, GENERATOR, n, dropout);
    struct pass telling = engine_training_pass(engine, DISCRIMINATOR, 2 * n, dropout);
    /* PyTorch's generator runs twice on this batch, and each time a tenth of it goes into the running statistics. */
    generating.norm_momentum = 1 - (1 - generating.norm_momentum) * (1 - generating.norm_momentum);

    engine_noise(engine, n);
    struct work work = engine->work;
    (void)compare(engine, n, &generating, &telling, work.dy);
    network_backward(discriminator, &telling, &work, false);
    engine_update(engine, DISCRIMINATOR, &telling);

    struct pass judging = engine_training_pass(engine, DISCRIMINATOR, n, dropout);
    judging.gradients = NULL;
    judging.adam = NULL;
    work = engine->work;
    float *made = engine->input + n * shape_size(network_in(discriminator));
    const float *logits = network_forward(discriminator, &judging, made);
    judge(engine, n, logits, 1, work.dy, engine->sums + G_LOSS);
    network_backward(discriminator, &judging, &work, true);
    network_backward(generator, &generating, &work, false);
    engine_update(engine, GENERATOR, &generating);
}

static void evaluate(struct engine *engine, int64_t n) {
    struct pass generating = network_pass(&engine->networks[GENERATOR], n);
    struct pass telling = network_pass(&engine->networks[DISCRIMINATOR], 2 * n);
    const float *logits = compare(engine, n, &generating, &telling, NULL);
    judge(engine, n, logits + n, 1, NULL, engine->sums + G_LOSS);
}

static void metrics(const double *means, double *ret_metrics) {
    ret_metrics[0] = means[D_LOSS];
    ret_metrics[1] = means[G_LOSS];
}

const struct task_ops task_adversarial = {
    .images = 2, .noise = true, .sums = 2, .means = true, .train = train, .evaluate = evaluate, .metrics = metrics};
