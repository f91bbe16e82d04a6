/*
 * layers.c: forward and backward of each kind of layer. How they are built from descriptions stands in layers_build.c.
 */
#include "layers_private.h"

#define FUSED_UPDATE_MIN 65536 /* weights; a smaller gradient stays in the cache anyway */

/* Where pass->gradients has the parameter at `offset`; NULL where gradients are left out. */
static float *gradient_at(const struct pass *pass, int64_t offset) {
    return pass->gradients != NULL ? pass->gradients + offset : NULL;
}

/* ---- convolution, with (leaky) ReLU and max pool behind it ---- */

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
    if (pass->gradients == NULL) return;
    backend->ops->conv_backward_weights(backend, &layer->conv, x, layer->y, layer->winner, dy,
                                        gradient_at(pass, layer->weight), gradient_at(pass, layer->bias));
}

const struct layer_ops conv_layer = {.own_output = true,
                                     .own_gradient = true,
                                     .forward = conv_layer_forward,
                                     .backward = conv_layer_backward};

/* ---- transposed convolution, with activation behind it: the way back through the convolution from y to x ---- */

static float *transposed_forward(struct layer *layer, const struct pass *pass, float *x) {
    struct backend *backend = pass->backend;
    layer->conv.n = pass->n;
    backend->ops->conv_backward_data(backend, &layer->conv, NULL, NULL, x, pass->weights + layer->weight, layer->y);
    backend->ops->bias_activation(backend, pass->n * layer->out.h * layer->out.w, layer->out.c,
                                  pass->weights + layer->bias, layer->activation, layer->y);
    return layer->y;
}

static void transposed_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    struct backend *backend = pass->backend;
    backend->ops->activation_backward(backend, pass->n * layer->out.h * layer->out.w, layer->out.c, layer->activation,
                                      layer->y, dy, gradient_at(pass, layer->bias));
    if (dx != NULL) {
        backend->ops->conv_forward(backend, &layer->conv, dy, pass->weights + layer->weight, NULL, dx, NULL);
    }
    if (pass->gradients == NULL) return;
    backend->ops->conv_backward_weights(backend, &layer->conv, dy, NULL, NULL, x, gradient_at(pass, layer->weight),
                                        NULL);
}

const struct layer_ops transposed_layer = {.own_output = true,
                                           .own_gradient = true,
                                           .forward = transposed_forward,
                                           .backward = transposed_backward};

/* ---- dense, with activation behind it ---- */

int64_t layer_weight_count(const struct layer *layer) {
    return shape_size(layer->in) * shape_size(layer->out);
}

bool layer_updates_itself(const struct layer *layer, const struct pass *pass) {
    return layer->ops == &dense_layer && pass->adam != NULL && pass->backend->ops->gemm_adam != NULL &&
           layer_weight_count(layer) >= FUSED_UPDATE_MIN;
}

/* y (n, out) = activation(x (n, in) × wᵀ (in, out) + bias) */
static float *dense_forward(struct layer *layer, const struct pass *pass, float *x) {
    struct backend *backend = pass->backend;
    int64_t in = shape_size(layer->in), out = shape_size(layer->out);
    struct gemm gemm = {.transpose_b = true, .m = pass->n, .n = out, .k = in, .lda = in, .ldb = in, .ldc = out};
    backend->ops->gemm(backend, &gemm, x, pass->weights + layer->weight, layer->y);
    backend->ops->bias_activation(backend, pass->n, out, pass->weights + layer->bias, layer->activation, layer->y);
    return layer->y;
}

/* dx (n, in) = dy × w; then dw (out, in) = dyᵀ × x, or the weights' step by it */
static void dense_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    struct backend *backend = pass->backend;
    int64_t in = shape_size(layer->in), out = shape_size(layer->out);
    backend->ops->activation_backward(backend, pass->n, out, layer->activation, layer->y, dy,
                                      gradient_at(pass, layer->bias));
    if (dx != NULL) {
        struct gemm data = {.m = pass->n, .n = in, .k = out, .lda = out, .ldb = in, .ldc = in};
        backend->ops->gemm(backend, &data, dy, pass->weights + layer->weight, dx);
    }
    if (pass->gradients == NULL) return;
    struct gemm weights = {.transpose_a = true, .m = out, .n = in, .k = pass->n, .lda = out, .ldb = in, .ldc = in};
    if (layer_updates_itself(layer, pass)) {
        backend->ops->gemm_adam(backend, &weights, dy, x, pass->adam, pass->weights + layer->weight,
                                pass->moments[0] + layer->weight, pass->moments[1] + layer->weight);
    } else {
        backend->ops->gemm(backend, &weights, dy, x, gradient_at(pass, layer->weight));
    }
}

const struct layer_ops dense_layer = {.own_output = true,
                                      .own_gradient = true,
                                      .forward = dense_forward,
                                      .backward = dense_backward};

/* ---- batch normalisation over the rows that share a channel ---- */

static struct batch_norm norm_of(const struct layer *layer, const struct pass *pass) {
    return (struct batch_norm){.rows = pass->n * shape_size(layer->in) / layer->channels,
                               .channels = layer->channels,
                               .momentum = pass->norm_momentum,
                               .epsilon = 1e-5};
}

static float *norm_forward(struct layer *layer, const struct pass *pass, float *x) {
    struct backend *backend = pass->backend;
    struct batch_norm norm = norm_of(layer, pass);
    const float *scale = pass->weights + layer->weight, *shift = pass->weights + layer->bias;
    float *mean = pass->running + layer->running_mean, *variance = pass->running + layer->running_variance;
    if (pass->training) {
        backend->ops->batch_norm_forward(backend, &norm, x, scale, shift, mean, variance, pass->running + layer->saved,
                                         layer->y);
    } else {
        backend->ops->batch_norm_evaluate(backend, &norm, x, scale, shift, mean, variance, layer->y);
    }
    return layer->y;
}

static void norm_backward(struct layer *layer, const struct pass *pass, const float *x, float *dy, float *dx) {
    (void)dx;
    struct batch_norm norm = norm_of(layer, pass);
    pass->backend->ops->batch_norm_backward(pass->backend, &norm, x, pass->weights + layer->weight,
                                            pass->running + layer->saved, dy, dy, gradient_at(pass, layer->weight),
                                            gradient_at(pass, layer->bias));
}

const struct layer_ops norm_layer = {.own_output = true, .forward = norm_forward, .backward = norm_backward};

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

const struct layer_ops activation_layer = {.forward = activation_forward, .backward = activation_layer_backward};

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

const struct layer_ops pool_layer = {.own_output = true,
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

const struct layer_ops dropout_layer = {.own_output = true, .forward = dropout_forward, .backward = dropout_backward};
