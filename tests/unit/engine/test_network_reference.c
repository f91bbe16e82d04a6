/*
 * test_network_reference.c: see its header.
 */
#include "test_network_reference.h"

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

static double activate(const struct layer_spec *spec, double x) {
    switch (spec->kind) {
    case LAYER_RELU:
        return x < 0 ? 0 : x;
    case LAYER_LEAKY_RELU:
        return x < 0 ? x * (double)spec->slope : x;
    case LAYER_SIGMOID:
        return 1 / (1 + exp(-x));
    default:
        assert_int_equal(spec->kind, LAYER_TANH);
        return tanh(x);
    }
}

/* y (rows, channels): each channel with mean 0 and variance 1, then scaled and shifted. */
static void normalise(int64_t rows, int64_t channels, const double *x, const double *scale, const double *shift,
                      double *y) {
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;
        for (int64_t r = 0; r < rows; r++) {
            mean += x[r * channels + c] / (double)rows;
        }
        for (int64_t r = 0; r < rows; r++) {
            variance += pow(x[r * channels + c] - mean, 2) / (double)rows;
        }
        for (int64_t r = 0; r < rows; r++) {
            y[r * channels + c] = (x[r * channels + c] - mean) / sqrt(variance + 1e-5) * scale[c] + shift[c];
        }
    }
}

static struct conv conv_of(const struct layer_spec *spec, struct shape in, int64_t filters) {
    struct activation none = {ACTIVATION_NONE, 0};
    return (struct conv){N, in.h, in.w, in.c, filters, spec->kernel, spec->kernel, spec->stride, spec->pad, none, 1};
}

static struct shape out_of(const struct layer_spec *spec, struct shape in) {
    struct conv conv = conv_of(spec, in, spec->width);
    struct pool pool = {N, in.h, in.w, in.c, spec->kernel, spec->stride};
    switch (spec->kind) {
    case LAYER_CONV:
        return (struct shape){conv_rows(&conv), conv_columns(&conv), spec->width};
    case LAYER_CONV_TRANSPOSED:
        return (struct shape){(in.h - 1) * spec->stride - 2 * spec->pad + spec->kernel,
                              (in.w - 1) * spec->stride - 2 * spec->pad + spec->kernel, spec->width};
    case LAYER_DENSE:
        if (spec->out_h > 0) return (struct shape){spec->out_h, spec->out_w, spec->width / spec->out_h / spec->out_w};
        return (struct shape){1, 1, spec->width};
    case LAYER_POOL:
        return (struct shape){pool_out_h(&pool), pool_out_w(&pool), in.c};
    default:
        return in;
    }
}

/* Each input pixel adds its number times the filter to the output: the gradient of the convolution that shrinks. */
static void transposed(const struct layer_spec *spec, struct shape in, struct shape out, const double *x,
                       const double *w, const double *bias, double *y) {
    struct conv conv = conv_of(spec, out, in.c);
    for (int64_t i = 0; i < N * shape_size(out); i++) {
        y[i] = bias[i % out.c];
    }
    reference_conv_backward(&conv, NULL, w, x, y, NULL);
}

static double *forward_spec(const struct part *part, const struct layer_spec *spec, const struct layer *layer,
                            struct shape in, const double *x) {
    struct shape out = out_of(spec, in);
    struct conv conv = conv_of(spec, in, spec->width);
    struct pool pool = {N, in.h, in.w, in.c, spec->kernel, spec->stride};
    double *y = malloc((size_t)(N * shape_size(out)) * sizeof *y);
    const double *w = part->weights + layer->weight, *bias = part->weights + layer->bias;
    uint64_t key = random_mix(KEY ^ random_mix(layer->place));
    switch (spec->kind) {
    case LAYER_CONV:
        reference_conv(&conv, x, w, bias, y);
        break;
    case LAYER_CONV_TRANSPOSED:
        transposed(spec, in, out, x, w, bias, y);
        break;
    case LAYER_DENSE:
        reference_dense(N, shape_size(in), spec->width, x, w, bias, y);
        break;
    case LAYER_BATCH_NORM:
        normalise(N * shape_size(in) / spec->width, spec->width, x, w, bias, y);
        break;
    case LAYER_POOL:
        reference_pool(&pool, x, y);
        break;
    default:
        for (int64_t i = 0; i < N * shape_size(in); i++) {
            y[i] = spec->kind == LAYER_DROPOUT ? x[i] * reference_dropout(DROPOUT, key, (uint64_t)i)
                                               : activate(spec, x[i]);
        }
    }
    return y;
}

/* The layer that was built from this description; what was fused into another one needs none. */
static const struct layer *layer_of(const struct part *part, const struct layer_spec *spec) {
    for (size_t i = 0; i < part->network.layers_count; i++) {
        if (part->network.layers[i].spec == spec) return &part->network.layers[i];
    }
    assert_null(spec->name);
    return &part->network.layers[0];
}

double *part_forward(const struct part *part, const double *x) {
    struct shape shape = network_in(&part->network);
    size_t size = (size_t)(N * shape_size(shape));
    double *now = malloc(size * sizeof *now);
    memcpy(now, x, size * sizeof *now);
    for (size_t i = 0; i < part->count; i++) {
        const struct layer_spec *spec = &part->specs[i];
        double *y = forward_spec(part, spec, layer_of(part, spec), shape, now);
        shape = out_of(spec, shape);
        free(now);
        now = y;
    }
    assert_int_equal(shape_size(shape), shape_size(network_out(&part->network)));
    return now;
}

void fill(struct backend *backend, int64_t count, uint64_t key, float *to, double *copy) {
    float *values = malloc((size_t)count * sizeof *values);
    for (int64_t i = 0; i < count; i++) {
        values[i] = random_uniform(key, (uint64_t)i) - 0.5f;
        copy[i] = (double)values[i];
    }
    backend->ops->upload(backend, to, values, (size_t)count * sizeof *values);
    free(values);
}

void part_init(struct part *part, struct backend *backend, const struct layer_spec *specs, size_t count,
               struct shape in, uint64_t key) {
    *part = (struct part){.specs = specs, .count = count};
    assert_int_equal(network_init(&part->network, backend, specs, count, in, 2), 0);
    assert_int_equal(network_reserve(&part->network, N), 0);
    part->weights = malloc((size_t)part->network.params.end * sizeof *part->weights);
    fill(backend, part->network.params.end, random_mix(key), part->network.weights, part->weights);
}

void part_release(struct part *part) {
    network_release(&part->network);
    free(part->weights);
}

struct pass part_pass(const struct part *part) {
    struct pass pass = network_pass(&part->network, N);
    pass.training = true;
    pass.dropout = DROPOUT;
    pass.norm_momentum = 0.1;
    return pass;
}

void begin_step(struct backend *backend) {
    const struct step_values values = {.lr = 0.01, .step = 1, .dropout_key = KEY};
    begin_fresh_step(backend, &values);
}

static void check_slope(const char *name, int64_t i, double *value, double got, loss_function loss,
                        const void *context) {
    double kept = *value, step = 1e-6;
    *value = kept + step;
    double above = loss(context);
    *value = kept - step;
    double below = loss(context);
    *value = kept;
    double want = (above - below) / (2 * step);
    if (!(fabs(got - want) <= 2e-6 + 3e-5 * fabs(want)))
        fail_msg("%s[%ld]: %.8g, by differences %.8g", name, (long)i, got, want);
}

void check_slopes(struct backend *backend, const char *name, int64_t count, double *values, const float *gradient,
                  loss_function loss, const void *context) {
    float *host = malloc((size_t)count * sizeof *host);
    backend->ops->download(backend, host, gradient, (size_t)count * sizeof *host);
    for (int64_t i = 0; i < count; i++) {
        check_slope(name, i, &values[i], (double)host[i], loss, context);
    }
    free(host);
}

void check_gradients(struct part *part, loss_function loss, const void *context) {
    for (size_t p = 0; p < part->network.params.count; p++) {
        const struct param *param = &part->network.params.items[p];
        check_slopes(part->network.backend, param->name, param->count, part->weights + param->offset,
                     part->network.gradients + param->offset, loss, context);
    }
}
