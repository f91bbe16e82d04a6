/*
 * test_network.c: gradients of networks and losses against central differences in float64.
 *
 * Every kind of layer stands in one of the networks, fused and unfused; chains are those of the tasks: an encoder, a
 * sampled code and a decoder; a generator judged by a discriminator.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "every_backend.h"
#include "random.h"
#include "reference.h"
#include "test_network_reference.h"

#define CLASSES 4
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct layer_spec fused[] = {
    {.kind = LAYER_CONV, .name = "conv1", .width = 5, .kernel = 3, .stride = 1, .pad = 1},
    {.kind = LAYER_RELU},
    {.kind = LAYER_POOL, .kernel = 2, .stride = 2},
    {.kind = LAYER_CONV, .name = "conv2", .width = 7, .kernel = 3, .stride = 2, .pad = 1},
    {.kind = LAYER_RELU},
    {.kind = LAYER_DENSE, .name = "fc1", .width = 9},
    {.kind = LAYER_SIGMOID},
    {.kind = LAYER_DROPOUT},
    {.kind = LAYER_DENSE, .name = "fc2", .width = 6},
    {.kind = LAYER_RELU},
    {.kind = LAYER_DENSE, .name = "out", .width = CLASSES},
};

static const struct layer_spec apart[] = {
    {.kind = LAYER_CONV, .name = "conv1", .width = 4, .kernel = 2, .stride = 1, .pad = 0},
    {.kind = LAYER_POOL, .kernel = 3, .stride = 2}, /* overlapping: not fused */
    {.kind = LAYER_SIGMOID},
    {.kind = LAYER_DROPOUT},
    {.kind = LAYER_RELU},
    {.kind = LAYER_CONV, .name = "conv2", .width = 3, .kernel = 2, .stride = 1, .pad = 1},
    {.kind = LAYER_TANH}, /* behind a convolution: not fused */
    {.kind = LAYER_DENSE, .name = "out", .width = CLASSES},
};

static const struct layer_spec leaky[] = {
    {.kind = LAYER_CONV, .name = "conv1", .width = 3, .kernel = 2, .stride = 1, .pad = 0},
    {.kind = LAYER_LEAKY_RELU, .slope = 0.1f},
    {.kind = LAYER_POOL, .kernel = 2, .stride = 2},
    {.kind = LAYER_BATCH_NORM, .name = "bn1", .width = 3}, /* of a channel */
    {.kind = LAYER_LEAKY_RELU, .slope = 0.3f},             /* on its own */
    {.kind = LAYER_CONV, .name = "conv2", .width = 5, .kernel = 2, .stride = 1, .pad = 1},
    {.kind = LAYER_LEAKY_RELU, .slope = 0.2f},
    {.kind = LAYER_DENSE, .name = "fc1", .width = 6},
    {.kind = LAYER_LEAKY_RELU, .slope = 0.2f},
    {.kind = LAYER_DENSE, .name = "one", .second = "two", .width = CLASSES}, /* two layers in one matrix */
    {.kind = LAYER_TANH},
};

static const struct layer_spec generator[] = {
    {.kind = LAYER_DENSE, .name = "fc1", .width = 7},
    {.kind = LAYER_TANH},
    {.kind = LAYER_BATCH_NORM, .name = "bn1", .width = 7},
    {.kind = LAYER_DENSE, .name = "fc2", .width = 3 * 3 * 2, .out_h = 3, .out_w = 2},
    {.kind = LAYER_LEAKY_RELU, .slope = 0.5f},
    {.kind = LAYER_BATCH_NORM, .name = "bn2", .width = 3 * 3 * 2}, /* of a number of each sample */
    {.kind = LAYER_CONV_TRANSPOSED, .name = "deconv1", .width = 5, .kernel = 4, .stride = 2, .pad = 1},
    {.kind = LAYER_RELU},
    {.kind = LAYER_BATCH_NORM, .name = "bn3", .width = 5},
    {.kind = LAYER_CONV_TRANSPOSED, .name = "deconv2", .width = 2, .kernel = 3, .stride = 1, .pad = 1},
    {.kind = LAYER_TANH},
};

static const struct layer_spec decoder[] = {
    {.kind = LAYER_CONV_TRANSPOSED, .name = "deconv1", .width = 3, .kernel = 3, .stride = 2, .pad = 0},
    {.kind = LAYER_LEAKY_RELU, .slope = 0.2f},
    {.kind = LAYER_CONV_TRANSPOSED, .name = "deconv2", .width = 2, .kernel = 5, .stride = 3, .pad = 1},
    {.kind = LAYER_SIGMOID},
    {.kind = LAYER_CONV_TRANSPOSED, .name = "deconv3", .width = 1, .kernel = 2, .stride = 2, .pad = 1},
};

/* ---- one network, behind it a loss ---- */

struct single {
    struct part part;
    double *x, *target;
    uint8_t labels[N];
    bool classes; /* else squared error against the target */
};

static double single_loss(const void *context) {
    const struct single *single = context;
    int64_t count = N * shape_size(network_out(&single->part.network));
    double loss = 0, *y = part_forward(&single->part, single->x);
    if (single->classes) loss = reference_loss(N, CLASSES, y, single->labels, NULL);
    for (int64_t i = 0; i < count && !single->classes; i++) {
        loss += pow(y[i] - single->target[i], 2) / N;
    }
    free(y);
    return loss;
}

/* Memory of the backend for one check. */
struct device {
    struct backend *backend;
    float *x, *target, *sums;
    uint8_t *labels;
    struct work work;
};

static float *floats(struct backend *backend, int64_t count) {
    float *memory = backend->ops->alloc(backend, (size_t)count * sizeof(float));
    assert_non_null(memory);
    return memory;
}

static struct device device_init(struct backend *backend, int64_t widest) {
    struct device device = {.backend = backend,
                            .x = floats(backend, N * widest),
                            .target = floats(backend, N * widest),
                            .sums = floats(backend, 4),
                            .labels = backend->ops->alloc(backend, N)};
    device.work = (struct work){floats(backend, 2 * N * widest), floats(backend, 2 * N * widest)};
    return device;
}

static void device_release(struct device *device) {
    struct backend *backend = device->backend;
    void *const all[] = {device->x, device->target, device->sums, device->labels, device->work.dy, device->work.spare};
    for (size_t i = 0; i < COUNT(all); i++) {
        backend->ops->free(backend, all[i]);
    }
}

static void assert_near(double got, double want) {
    if (!(fabs(got - want) <= 3e-6 * fmax(1, fabs(want)))) fail_msg("%.8g, in float64 %.8g", got, want);
}

static void check_single(struct backend *backend, const struct layer_spec *specs, size_t count, struct shape in,
                         bool classes) {
    struct single single = {.labels = {1, 3, 0, 0, 2}, .classes = classes};
    part_init(&single.part, backend, specs, count, in, 5);
    struct network *network = &single.part.network;
    int64_t widest = network_widest(network), out = shape_size(network_out(network));
    struct device device = device_init(backend, widest);
    single.x = malloc((size_t)(N * widest) * sizeof *single.x);
    single.target = malloc((size_t)(N * widest) * sizeof *single.target);
    fill(backend, N * shape_size(in), random_mix(6), device.x, single.x);
    fill(backend, N * out, random_mix(7), device.target, single.target);
    backend->ops->upload(backend, device.labels, single.labels, N);

    begin_step(backend);
    struct pass pass = part_pass(&single.part);
    const float *y = network_forward(network, &pass, device.x);
    struct work work = device.work;
    if (classes) {
        backend->ops->softmax_cross_entropy(backend, N, CLASSES, y, device.labels, NULL, work.dy, NULL, device.sums);
    } else {
        backend->ops->squared_error(backend, N, out, y, device.target, work.dy, NULL, device.sums);
    }
    network_backward(network, &pass, &work, true);
    backend->ops->step_end(backend);
    float sum;
    backend->ops->download(backend, &sum, device.sums, sizeof sum);
    assert_near((double)sum / N, single_loss(&single));
    check_gradients(&single.part, single_loss, &single);
    check_slopes(backend, "input", N * shape_size(in), single.x, work.dy, single_loss, &single);
    device_release(&device);
    free(single.x);
    free(single.target);
    part_release(&single.part);
}

static void singles(struct backend *backend) {
    static const struct shape image = {7, 6, 2}, code = {1, 1, 4}, small = {2, 3, 3};
    check_single(backend, fused, COUNT(fused), image, true);
    check_single(backend, apart, COUNT(apart), image, true);
    check_single(backend, leaky, COUNT(leaky), image, true);
    check_single(backend, generator, COUNT(generator), code, false);
    check_single(backend, decoder, COUNT(decoder), small, false);
}

static void test_single(void **state) {
    (void)state;
    every_backend(singles);
}

/* ---- encoder, sampled code, decoder ---- */

#define LATENT 3

static const struct layer_spec encode[] = {
    {.kind = LAYER_DENSE, .name = "fc1", .width = 5},
    {.kind = LAYER_RELU},
    {.kind = LAYER_DENSE, .name = "fc21", .second = "fc22", .width = 2 * LATENT},
};
static const struct layer_spec decode[] = {
    {.kind = LAYER_DENSE, .name = "fc3", .width = 5},
    {.kind = LAYER_RELU},
    {.kind = LAYER_DENSE, .name = "fc4", .width = 7},
    {.kind = LAYER_TANH},
};

struct variational {
    struct part encoder, decoder;
    double x[N * 7], noise[N * LATENT];
};

static double variational_loss(const void *context) {
    const struct variational *v = context;
    double *code = part_forward(&v->encoder, v->x), z[N * LATENT], loss = 0;
    for (int i = 0; i < N * LATENT; i++) {
        const double *of = code + i / LATENT * 2 * LATENT + i % LATENT;
        double mu = of[0], log_variance = of[LATENT];
        z[i] = mu + exp(log_variance / 2) * v->noise[i];
        loss -= 0.5 * (1 + log_variance - mu * mu - exp(log_variance)) / N;
    }
    double *y = part_forward(&v->decoder, z);
    for (int i = 0; i < N * 7; i++) {
        loss += pow(y[i] - v->x[i], 2) / N;
    }
    free(code);
    free(y);
    return loss;
}

static void variational_gradients(struct backend *backend) {
    struct variational v;
    part_init(&v.encoder, backend, encode, COUNT(encode), (struct shape){1, 1, 7}, 8);
    part_init(&v.decoder, backend, decode, COUNT(decode), (struct shape){1, 1, LATENT}, 9);
    struct device device = device_init(backend, 7);
    float *noise = floats(backend, N * LATENT), *z = floats(backend, N * LATENT), sums[2];
    fill(backend, N * 7, random_mix(6), device.x, v.x);
    fill(backend, N * LATENT, random_mix(7), noise, v.noise);

    begin_step(backend);
    struct pass encoding = part_pass(&v.encoder), decoding = part_pass(&v.decoder);
    const float *code = network_forward(&v.encoder.network, &encoding, device.x);
    backend->ops->sample_latent(backend, N, LATENT, code, noise, z, NULL, device.sums + 1);
    const float *y = network_forward(&v.decoder.network, &decoding, z);
    struct work work = device.work;
    backend->ops->squared_error(backend, N, 7, y, device.x, work.dy, NULL, device.sums);
    network_backward(&v.decoder.network, &decoding, &work, true);
    backend->ops->sample_latent_backward(backend, N, LATENT, code, noise, work.dy, 1.0f / N, work.spare);
    work = (struct work){work.spare, work.dy};
    network_backward(&v.encoder.network, &encoding, &work, false);
    backend->ops->step_end(backend);

    backend->ops->download(backend, sums, device.sums, sizeof sums);
    assert_near((double)(sums[0] + sums[1]) / N, variational_loss(&v));
    check_gradients(&v.encoder, variational_loss, &v);
    check_gradients(&v.decoder, variational_loss, &v);
    backend->ops->free(backend, noise);
    backend->ops->free(backend, z);
    device_release(&device);
    part_release(&v.encoder);
    part_release(&v.decoder);
}

static void test_variational(void **state) {
    (void)state;
    every_backend(variational_gradients);
}

/* ---- a generator judged by a discriminator ---- */

static const struct layer_spec discriminator[] = {
    {.kind = LAYER_CONV, .name = "conv1", .width = 3, .kernel = 3, .stride = 1, .pad = 0},
    {.kind = LAYER_LEAKY_RELU, .slope = 0.01f},
    {.kind = LAYER_POOL, .kernel = 2, .stride = 2},
    {.kind = LAYER_DENSE, .name = "out", .width = 1},
};

struct adversaries {
    struct part d, g;
    double noise[N * 4];
    float target;
    bool squared;
};

static double adversaries_loss(const void *context) {
    const struct adversaries *a = context;
    double *made = part_forward(&a->g, a->noise), *logits = part_forward(&a->d, made), loss = 0;
    double target = (double)a->target;
    for (int i = 0; i < N; i++) {
        double x = logits[i];
        loss += a->squared ? pow(x - target, 2) : log(1 + exp(x)) - target * x;
    }
    free(made);
    free(logits);
    return 0.25 * loss;
}

/* Both networks' gradients; then the generator's again with the discriminator's left out, which must change nothing. */
static void check_adversaries(struct backend *backend, struct adversaries *a, struct device *device) {
    struct network *d = &a->d.network, *g = &a->g.network;
    size_t bytes = (size_t)g->params.end * sizeof(float);
    float *first = malloc(bytes), *second = malloc(bytes), sum, mark = 42, kept;
    for (int round = 0; round < 2; round++) {
        begin_step(backend);
        struct pass generating = part_pass(&a->g), judging = part_pass(&a->d);
        if (round == 1) judging.gradients = NULL;
        float *made = network_forward(g, &generating, device->x);
        const float *logits = network_forward(d, &judging, made);
        struct work work = device->work;
        backend->ops->zero(backend, device->sums, sizeof(float));
        backend->ops->logit_loss(backend, a->squared ? LOGIT_SQUARED : LOGIT_BCE, N, a->target, 0.25f, logits, work.dy,
                                 device->sums);
        network_backward(d, &judging, &work, true);
        network_backward(g, &generating, &work, false);
        backend->ops->step_end(backend);
        backend->ops->download(backend, round == 0 ? first : second, g->gradients, bytes);
        if (round == 1) break;
        backend->ops->download(backend, &sum, device->sums, sizeof sum);
        assert_near((double)sum, adversaries_loss(a));
        check_gradients(&a->d, adversaries_loss, a);
        check_gradients(&a->g, adversaries_loss, a);
        backend->ops->upload(backend, d->gradients, &mark, sizeof mark);
    }
    assert_memory_equal(first, second, bytes);
    backend->ops->download(backend, &kept, d->gradients, sizeof kept);
    assert_true(kept == mark);
    free(first);
    free(second);
}

static void adversarial_gradients(struct backend *backend) {
    struct adversaries a;
    part_init(&a.g, backend, generator, COUNT(generator), (struct shape){1, 1, 4}, 8);
    part_init(&a.d, backend, discriminator, COUNT(discriminator), network_out(&a.g.network), 9);
    struct device device = device_init(backend, network_widest(&a.g.network) + network_widest(&a.d.network));
    fill(backend, N * 4, random_mix(6), device.x, a.noise);
    for (int i = 0; i < 4; i++) {
        a.target = (float)(i % 2);
        a.squared = i >= 2;
        check_adversaries(backend, &a, &device);
    }
    device_release(&device);
    part_release(&a.g);
    part_release(&a.d);
}

static void test_adversarial(void **state) {
    (void)state;
    every_backend(adversarial_gradients);
}

/* ---- a large dense layer takes its step at once: as with the gradient and Adam apart ---- */

static void updates(struct backend *backend) {
    static const struct layer_spec large[] = {{.kind = LAYER_DENSE, .name = "fc1", .width = 271},
                                              {.kind = LAYER_RELU},
                                              {.kind = LAYER_DENSE, .name = "fc2", .width = 259},
                                              {.kind = LAYER_DENSE, .name = "out", .width = CLASSES}};
    if (backend->ops->gemm_adam == NULL) return;
    const struct optimiser optimiser = {.adam = {0.9, 0.999, 1e-8, 1e-3}};
    struct part parts[2];
    struct device device = device_init(backend, 271);
    float *weights[2];
    double x[N * 31];
    for (int i = 0; i < 2; i++) {
        part_init(&parts[i], backend, large, COUNT(large), (struct shape){1, 1, 31}, 4);
        struct network *network = &parts[i].network;
        fill(backend, N * 31, random_mix(3), device.x, x);
        begin_step(backend);
        struct pass pass = part_pass(&parts[i]);
        pass.adam = i == 1 ? &optimiser.adam : NULL;
        assert_int_equal(layer_updates_itself(&network->layers[1], &pass), i == 1);
        assert_false(layer_updates_itself(&network->layers[0], &pass));
        const float *y = network_forward(network, &pass, device.x);
        struct work work = device.work;
        backend->ops->softmax_cross_entropy(backend, N, CLASSES, y, device.labels, NULL, work.dy, NULL, device.sums);
        network_backward(network, &pass, &work, false);
        network_update(network, &pass, &optimiser);
        backend->ops->step_end(backend);
        weights[i] = malloc((size_t)network->params.end * sizeof(float));
        backend->ops->download(backend, weights[i], network->weights, (size_t)network->params.end * sizeof(float));
    }
    for (int64_t i = 0; i < parts[0].network.params.end; i++) {
        assert_near((double)weights[0][i], (double)weights[1][i]);
    }
    for (int i = 0; i < 2; i++) {
        part_release(&parts[i]);
        free(weights[i]);
    }
    device_release(&device);
}

static void test_updates(void **state) {
    (void)state;
    every_backend(updates);
}

static void shapes_that_do_not_fit(struct backend *backend) {
    static const struct layer_spec bad[][2] = {
        {{.kind = LAYER_CONV, .name = "a", .width = 2, .kernel = 9, .stride = 1}, {.kind = LAYER_RELU}},
        {{.kind = LAYER_DENSE, .name = "a", .width = 5}, {.kind = LAYER_POOL, .kernel = 2, .stride = 2}},
        {{.kind = LAYER_RELU}, {.kind = LAYER_DENSE, .name = "a", .width = 5}},
        {{.kind = LAYER_BATCH_NORM, .name = "a", .width = 2}, {.kind = LAYER_DENSE, .name = "b", .width = 5}},
        {{.kind = LAYER_DENSE, .name = "a", .width = 0}, {.kind = LAYER_RELU}},
        {{.kind = LAYER_DENSE, .name = "a", .width = 5, .out_h = 2, .out_w = 2}, {.kind = LAYER_RELU}},
        {{.kind = LAYER_DENSE, .name = "a", .second = "b", .width = 5}, {.kind = LAYER_RELU}},
        {{.kind = LAYER_DENSE, .name = "a", .width = 5}, {.kind = LAYER_BATCH_NORM, .name = "b", .width = 4}},
        {{.kind = LAYER_CONV_TRANSPOSED, .name = "a", .width = 2, .kernel = 1, .stride = 1, .pad = 4},
         {.kind = LAYER_RELU}},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct network network;
        assert_int_equal(network_init(&network, backend, bad[i], 2, (struct shape){7, 6, 2}, 2), ENGINE_ESHAPE);
        network_release(&network); /* zeroed by the failure: harmless */
    }
}

static void test_shapes(void **state) {
    (void)state;
    every_backend(shapes_that_do_not_fit);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_single), cmocka_unit_test(test_variational),
                                       cmocka_unit_test(test_adversarial), cmocka_unit_test(test_updates),
                                       cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
