/*
 * test_network.c: gradients of whole networks against central differences of a float64 network of the same layers.
 *
 * The reference runs the layer descriptions one by one, so fusing is tested with it. Every kind of layer stands in one
 * of the networks, fused and unfused.
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
#include "network.h"
#include "random.h"
#include "reference.h"

#define N 3
#define CLASSES 4
#define DROPOUT 0.3
#define KEY 99

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
    {.kind = LAYER_DENSE, .name = "out", .width = CLASSES},
};

struct run {
    const struct layer_spec *specs;
    size_t count;
    const struct network *network; /* for places of parameters and dropout layers */
    double *weights;               /* the arena */
    double *x;
    uint8_t labels[N];
};

static double *forward_spec(const struct run *run, const struct layer_spec *spec, const struct layer *layer,
                            struct shape in, const double *x, struct shape *ret_out) {
    struct conv conv = {
        N, in.h, in.w, in.c, spec->width, spec->kernel, spec->kernel, spec->stride, spec->pad, {ACTIVATION_NONE, 0}, 1};
    struct pool pool = {N, in.h, in.w, in.c, spec->kernel, spec->stride};
    struct shape out = in;
    if (spec->kind == LAYER_CONV) out = (struct shape){conv_rows(&conv), conv_columns(&conv), spec->width};
    if (spec->kind == LAYER_DENSE) out = (struct shape){1, 1, spec->width};
    if (spec->kind == LAYER_POOL) out = (struct shape){pool_out_h(&pool), pool_out_w(&pool), in.c};
    double *y = malloc((size_t)(N * shape_size(out)) * sizeof *y);
    const double *w = run->weights + layer->weight, *bias = run->weights + layer->bias;
    uint64_t key = random_mix(KEY ^ random_mix(layer->place));
    switch (spec->kind) {
    case LAYER_CONV:
        reference_conv(&conv, x, w, bias, y);
        break;
    case LAYER_DENSE:
        reference_dense(N, shape_size(in), spec->width, x, w, bias, y);
        break;
    case LAYER_POOL:
        reference_pool(&pool, x, y);
        break;
    default:
        for (int64_t i = 0; i < N * shape_size(in); i++) {
            y[i] = spec->kind == LAYER_DROPOUT
                       ? x[i] * reference_dropout(DROPOUT, key, (uint64_t)i)
                       : reference_activation(spec->kind == LAYER_RELU ? ACTIVATION_RELU : ACTIVATION_SIGMOID, x[i]);
        }
    }
    *ret_out = out;
    return y;
}

/* The layer that was built from this description; what was fused into another one needs none. */
static const struct layer *layer_of(const struct run *run, const struct layer_spec *spec) {
    for (size_t i = 0; i < run->network->layers_count; i++) {
        if (run->network->layers[i].spec == spec) return &run->network->layers[i];
    }
    assert_null(spec->name);
    return &run->network->layers[0];
}

static double loss_of(const struct run *run) {
    struct shape shape = network_in(run->network);
    size_t size = (size_t)(N * shape_size(shape));
    double *x = malloc(size * sizeof *x);
    memcpy(x, run->x, size * sizeof *x);
    for (size_t i = 0; i < run->count; i++) {
        const struct layer_spec *spec = &run->specs[i];
        double *y = forward_spec(run, spec, layer_of(run, spec), shape, x, &shape);
        free(x);
        x = y;
    }
    assert_int_equal(shape_size(shape), CLASSES);
    double loss = reference_loss(N, CLASSES, x, run->labels, NULL);
    free(x);
    return loss;
}

static void check_gradient(const struct run *run, const float *gradient) {
    for (size_t p = 0; p < run->network->params_count; p++) {
        const struct param *param = &run->network->params[p];
        for (int64_t i = 0; i < param->count; i++) {
            double *weight = &run->weights[param->offset + i], kept = *weight, step = 1e-6;
            *weight = kept + step;
            double above = loss_of(run);
            *weight = kept - step;
            double below = loss_of(run);
            *weight = kept;
            double want = (above - below) / (2 * step), got = (double)gradient[param->offset + i];
            if (!(fabs(got - want) <= 2e-6))
                fail_msg("%s[%ld]: %.8g, by differences %.8g", param->name, (long)i, got, want);
        }
    }
}

static void fill(struct backend *backend, int64_t count, uint64_t key, float *to, double *copy) {
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++) {
        values[i] = random_uniform(key, (uint64_t)i) - 0.5f;
        copy[i] = (double)values[i];
    }
    backend->ops->upload(backend, to, values, (size_t)count * sizeof *values);
    free(values);
}

static void check_network(struct backend *backend, const struct layer_spec *specs, size_t count) {
    struct network network;
    struct shape in = {7, 6, 2};
    assert_int_equal(network_init(&network, backend, specs, count, in), 0);
    assert_int_equal(network_reserve(&network, N), 0);
    struct run run = {.specs = specs, .count = count, .network = &network, .labels = {1, 3, 0}};
    run.weights = malloc((size_t)network.weights_count * sizeof *run.weights);
    run.x = malloc((size_t)(N * shape_size(in)) * sizeof *run.x);
    fill(backend, network.weights_count, random_mix(5), network.weights, run.weights);
    fill(backend, N * shape_size(in), random_mix(6), network.input, run.x);
    struct pass pass = {.backend = backend,
                        .n = N,
                        .training = true,
                        .dropout = DROPOUT,
                        .weights = network.weights,
                        .gradients = network.gradients};
    const struct step_values values = {.step = 1, .dropout_key = KEY};
    backend->ops->step_begin(backend, 1, &values);
    uint8_t *labels = backend->ops->alloc(backend, N);
    float *sums = backend->ops->alloc(backend, 2 * sizeof(float)), got[2];
    backend->ops->upload(backend, labels, run.labels, N);
    const float *logits = network_forward(&network, &pass);
    backend->ops->softmax_cross_entropy(backend, N, CLASSES, logits, labels, NULL, network.gradient[0], NULL, sums);
    network_backward(&network, &pass);
    backend->ops->download(backend, got, sums, sizeof got);
    assert_true(fabs((double)got[0] / N - loss_of(&run)) < 1e-6);
    float *gradient = malloc((size_t)network.weights_count * sizeof *gradient);
    backend->ops->download(backend, gradient, network.gradients, (size_t)network.weights_count * sizeof *gradient);
    check_gradient(&run, gradient);
    free(gradient);
    free(run.weights);
    free(run.x);
    backend->ops->free(backend, labels);
    backend->ops->free(backend, sums);
    network_release(&network);
}

static void networks(struct backend *backend) {
    check_network(backend, fused, sizeof fused / sizeof fused[0]);
    check_network(backend, apart, sizeof apart / sizeof apart[0]);
}

static void test_gradients(void **state) {
    (void)state;
    every_backend(networks);
}

static void shapes_that_do_not_fit(struct backend *backend) {
    static const struct layer_spec bad[][2] = {
        {{.kind = LAYER_CONV, .name = "a", .width = 2, .kernel = 9, .stride = 1}, {.kind = LAYER_RELU}},
        {{.kind = LAYER_DENSE, .name = "a", .width = 5}, {.kind = LAYER_POOL, .kernel = 2, .stride = 2}},
        {{.kind = LAYER_RELU}, {.kind = LAYER_DENSE, .name = "a", .width = 5}},
        {{.kind = LAYER_DENSE, .name = "a", .width = 0}, {.kind = LAYER_RELU}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct network network;
        assert_int_equal(network_init(&network, backend, bad[i], 2, (struct shape){7, 6, 2}), ENGINE_ESHAPE);
        network_release(&network); /* zeroed by the failure: harmless */
    }
}

static void test_shapes(void **state) {
    (void)state;
    every_backend(shapes_that_do_not_fit);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gradients), cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
