/*
 * layers.c: forward and backward of each kind of layer, and how neighbours are fused.
 */
#include "layers.h"

#include <stdio.h>

#define FLOATS_ALIGN 16 /* parameters start on cache lines */

/* ---- convolution, with ReLU and max pool behind it ---- */

static float *conv_layer_forward(struct layer *layer, const struct pass *pass, float *x) {
    struct backend *backend = pass->backend;
    layer->conv.n = pass->n;
    backend->ops->conv_forward(backend, &layer->conv, x, pass->weights + layer->weight, pass->weights + layer->bias,
                               layer->y, layer->winner);
    return layer->y;
}

static void conv_layer_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    struct backend *backend = pass->backend;
    if (dx != NULL) {
        backend->ops->conv_backward_data(backend, &layer->conv, layer->y, layer->winner, dy,
                                         pass->weights + layer->weight, dx);
    }
    backend->ops->conv_backward_weights(backend, &layer->conv, x, layer->y, layer->winner, dy,
                                        pass->gradients + layer->weight, pass->gradients + layer->bias);
}

static const struct layer_ops conv_layer = {.own_output = true,
                                            .own_gradient = true,
                                            .forward = conv_layer_forward,
                                            .backward = conv_layer_backward};

/* ---- dense, with activation behind it ---- */

/* y (n, out) = activation(x (n, in) × wᵀ (in, out) + bias) */
static float *dense_forward(struct layer *layer, const struct pass *pass, float *x) {
    struct backend *backend = pass->backend;
    int64_t in = shape_size(layer->in), out = layer->out.c;
    struct gemm gemm = {.transpose_b = true, .m = pass->n, .n = out, .k = in, .lda = in, .ldb = in, .ldc = out};
    backend->ops->gemm(backend, &gemm, x, pass->weights + layer->weight, layer->y);
    backend->ops->bias_activation(backend, pass->n, out, pass->weights + layer->bias, layer->activation, layer->y);
    return layer->y;
}

/* dw (out, in) = dyᵀ × x; dx (n, in) = dy × w */
static void dense_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    struct backend *backend = pass->backend;
    int64_t in = shape_size(layer->in), out = layer->out.c;
    backend->ops->activation_backward(backend, pass->n, out, layer->activation, layer->y, dy,
                                      pass->gradients + layer->bias);
    struct gemm weights = {.transpose_a = true, .m = out, .n = in, .k = pass->n, .lda = out, .ldb = in, .ldc = in};
    backend->ops->gemm(backend, &weights, dy, x, pass->gradients + layer->weight);
    if (dx != NULL) {
        struct gemm data = {.m = pass->n, .n = in, .k = out, .lda = out, .ldb = in, .ldc = in};
        backend->ops->gemm(backend, &data, dy, pass->weights + layer->weight, dx);
    }
}

static const struct layer_ops dense_layer = {.own_output = true,
                                             .own_gradient = true,
                                             .forward = dense_forward,
                                             .backward = dense_backward};

/* ---- an activation on its own: in place, on an output that its own layer does not need to go back ---- */

static float *activation_forward(struct layer *layer, const struct pass *pass, float *x) {
    pass->backend->ops->bias_activation(pass->backend, pass->n, shape_size(layer->in), NULL, layer->activation, x);
    return x;
}

static void activation_layer_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy,
                                      float *dx) {
    (void)dx;
    pass->backend->ops->activation_backward(pass->backend, pass->n, shape_size(layer->in), layer->activation, x, dy,
                                            NULL);
}

static const struct layer_ops activation_layer = {.forward = activation_forward, .backward = activation_layer_backward};

/* ---- max pool on its own ---- */

static float *pool_layer_forward(struct layer *layer, const struct pass *pass, float *x) {
    layer->pool.n = pass->n;
    pass->backend->ops->pool_forward(pass->backend, &layer->pool, x, layer->y, layer->winner);
    return layer->y;
}

static void pool_layer_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    (void)x;
    if (dx != NULL) pass->backend->ops->pool_backward(pass->backend, &layer->pool, layer->winner, dy, dx);
}

static const struct layer_ops pool_layer = {.own_output = true,
                                            .own_gradient = true,
                                            .forward = pool_layer_forward,
                                            .backward = pool_layer_backward};

/* ---- dropout: the mask is a function of key and index, computed again on the way back ---- */

static float *dropout_forward(struct layer *layer, const struct pass *pass, float *x) {
    if (!pass->training || pass->dropout <= 0) return x;
    pass->backend->ops->dropout(pass->backend, pass->n * shape_size(layer->in), pass->dropout, layer->place, x,
                                layer->y);
    return layer->y;
}

static void dropout_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    (void)x;
    (void)dx;
    if (pass->dropout <= 0) return;
    pass->backend->ops->dropout(pass->backend, pass->n * shape_size(layer->in), pass->dropout, layer->place, dy, dy);
}

static const struct layer_ops dropout_layer = {.own_output = true,
                                               .forward = dropout_forward,
                                               .backward = dropout_backward};

/* ---- building ---- */

static int64_t params_end(const struct param *params, size_t count) {
    if (count == 0) return 0;
    int64_t end = params[count - 1].offset + params[count - 1].count;
    return (end + FLOATS_ALIGN - 1) / FLOATS_ALIGN * FLOATS_ALIGN;
}

static int64_t add_param(struct param *params, size_t *count, const char *name, struct param param) {
    param.offset = params_end(params, *count);
    snprintf(param.name, sizeof param.name, "%s.%s", name, param.is_bias ? "bias" : "weight");
    params[(*count)++] = param;
    return param.offset;
}

static int64_t add_bias(struct param *params, size_t *count, const char *name, int64_t width, int64_t fan_in) {
    struct param bias = {.dims = {width},
                         .dims_count = 1,
                         .count = width,
                         .outer = width,
                         .channels = 1,
                         .space = 1,
                         .fan_in = fan_in,
                         .is_bias = true};
    return add_param(params, count, name, bias);
}

static int build_conv(struct layer *layer, const struct layer_spec *specs, size_t count, struct param *params,
                      size_t *params_count) {
    const struct layer_spec *spec = &specs[0];
    struct shape in = layer->in;
    int used = 1;
    layer->ops = &conv_layer;
    layer->conv = (struct conv){.h = in.h,
                                .w = in.w,
                                .c = in.c,
                                .k = spec->width,
                                .kh = spec->kernel,
                                .kw = spec->kernel,
                                .stride = spec->stride,
                                .pad = spec->pad,
                                .pool = 1};
    if (in.h + 2 * spec->pad < spec->kernel || in.w + 2 * spec->pad < spec->kernel) return ENGINE_ESHAPE;
    if (count > 1 && specs[1].kind == LAYER_RELU) {
        layer->conv.activation.kind = ACTIVATION_RELU;
        used++;
        if (count > 2 && specs[2].kind == LAYER_POOL && specs[2].kernel == specs[2].stride && specs[2].kernel <= 15) {
            layer->conv.pool = specs[2].kernel;
            used++;
        }
    }
    layer->out = (struct shape){conv_out_h(&layer->conv), conv_out_w(&layer->conv), spec->width};
    int64_t space = spec->kernel * spec->kernel, fan_in = in.c * space;
    struct param weight = {.dims = {spec->width, in.c, spec->kernel, spec->kernel},
                           .dims_count = 4,
                           .count = spec->width * fan_in,
                           .outer = spec->width,
                           .channels = in.c,
                           .space = space,
                           .fan_in = fan_in};
    layer->weight = add_param(params, params_count, spec->name, weight);
    layer->bias = add_bias(params, params_count, spec->name, spec->width, fan_in);
    return used;
}

static int build_dense(struct layer *layer, const struct layer_spec *specs, size_t count, struct param *params,
                       size_t *params_count) {
    const struct layer_spec *spec = &specs[0];
    int64_t in = shape_size(layer->in), out = spec->width;
    int used = 1;
    layer->ops = &dense_layer;
    if (count > 1 && (specs[1].kind == LAYER_RELU || specs[1].kind == LAYER_SIGMOID)) {
        layer->activation.kind = specs[1].kind == LAYER_RELU ? ACTIVATION_RELU : ACTIVATION_SIGMOID;
        used++;
    }
    layer->out = (struct shape){1, 1, out};
    struct param weight = {.dims = {out, in},
                           .dims_count = 2,
                           .count = out * in,
                           .outer = out,
                           .channels = layer->in.c,
                           .space = layer->in.h * layer->in.w,
                           .fan_in = in};
    layer->weight = add_param(params, params_count, spec->name, weight);
    layer->bias = add_bias(params, params_count, spec->name, out, in);
    return used;
}

static int build_pool(struct layer *layer, const struct layer_spec *spec) {
    struct shape in = layer->in;
    if (in.h < spec->kernel || in.w < spec->kernel) return ENGINE_ESHAPE;
    layer->ops = &pool_layer;
    layer->pool = (struct pool){.h = in.h, .w = in.w, .c = in.c, .size = spec->kernel, .stride = spec->stride};
    layer->out = (struct shape){pool_out_h(&layer->pool), pool_out_w(&layer->pool), in.c};
    return 1;
}

int layer_build(struct layer *layer, const struct layer_spec *specs, size_t count, struct shape in,
                struct param *params, size_t *params_count) {
    uint64_t place = layer->place;
    *layer = (struct layer){.spec = &specs[0], .place = place, .in = in, .out = in};
    int used = 1;
    switch (specs[0].kind) {
    case LAYER_CONV:
        used = build_conv(layer, specs, count, params, params_count);
        break;
    case LAYER_DENSE:
        used = build_dense(layer, specs, count, params, params_count);
        break;
    case LAYER_POOL:
        used = build_pool(layer, &specs[0]);
        break;
    case LAYER_CONV_TRANSPOSED:
    case LAYER_BATCH_NORM:
        return ENGINE_ESHAPE;
    case LAYER_RELU:
    case LAYER_LEAKY_RELU:
    case LAYER_SIGMOID:
    case LAYER_TANH:
        layer->ops = &activation_layer;
        layer->activation.kind = specs[0].kind == LAYER_RELU ? ACTIVATION_RELU : ACTIVATION_SIGMOID;
        break;
    case LAYER_DROPOUT:
        layer->ops = &dropout_layer;
        break;
    }
    return used > 0 && shape_size(layer->out) <= 0 ? ENGINE_ESHAPE : used;
}
