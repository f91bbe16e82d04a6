/*
 * layers_build.c: a layer from its description and those behind it that fuse with it; where its parameters stand.
 */
#include "layers_private.h"

#include <stdio.h>

#define FLOATS_ALIGN 16 /* arrays of parameters start on cache lines */
#define WINDOW_MAX 15   /* of a pool that may be fused */

/* ---- parameters ---- */

static int64_t reserve(struct param_list *list, int64_t floats) {
    int64_t offset = (list->end + FLOATS_ALIGN - 1) / FLOATS_ALIGN * FLOATS_ALIGN;
    list->end = offset + floats;
    return offset;
}

static const char *role_name(enum param_role role) {
    switch (role) {
    case ROLE_WEIGHT:
    case ROLE_SCALE:
        return "weight";
    case ROLE_BIAS:
    case ROLE_SHIFT:
        return "bias";
    case ROLE_RUNNING_MEAN:
        return "running_mean";
    case ROLE_RUNNING_VARIANCE:
        return "running_var";
    }
    return "";
}

/* At an offset that was reserved for it. */
static void declare(struct param_list *list, const char *name, struct param param) {
    snprintf(param.name, sizeof param.name, "%s.%s", name, role_name(param.role));
    list->items[list->count++] = param;
}

/* One number for each of `channels` × `space` outputs, outside in that order. */
static struct param vector(enum param_role role, int64_t offset, int64_t channels, int64_t space) {
    return (struct param){.role = role,
                          .dims = {channels * space},
                          .dims_count = 1,
                          .count = channels * space,
                          .offset = offset,
                          .order = {channels, space, 1, 1},
                          .fan_in = 1,
                          .golden_fan_in = 1};
}

static void declare_bias(struct param_list *params, const char *name, int64_t offset, struct shape out,
                         const struct param *weight) {
    struct param bias = vector(ROLE_BIAS, offset, out.c, out.h * out.w);
    bias.fan_in = weight->fan_in;
    bias.golden_fan_in = weight->golden_fan_in;
    declare(params, name, bias);
}

/* ---- what fuses behind a layer ---- */

static bool activation_of(const struct layer_spec *spec, struct activation *ret_activation) {
    static const struct {
        enum layer_kind layer;
        enum activation_kind activation;
    } kinds[] = {{LAYER_RELU, ACTIVATION_RELU},
                 {LAYER_LEAKY_RELU, ACTIVATION_LEAKY_RELU},
                 {LAYER_SIGMOID, ACTIVATION_SIGMOID},
                 {LAYER_TANH, ACTIVATION_TANH}};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (spec->kind != kinds[i].layer) continue;
        *ret_activation = (struct activation){kinds[i].activation, spec->slope};
        return true;
    }
    return false;
}

/* Gives the number of specs used, the layer's own counted. */
static int fuse_activation(struct layer *layer, const struct layer_spec *specs, size_t count) {
    return count > 1 && activation_of(&specs[1], &layer->activation) ? 2 : 1;
}

static int fuse_conv(struct conv *conv, const struct layer_spec *specs, size_t count) {
    bool rectifier = count > 1 && (specs[1].kind == LAYER_RELU || specs[1].kind == LAYER_LEAKY_RELU);
    if (!rectifier || !activation_of(&specs[1], &conv->activation)) return 1;
    if (count < 3 || specs[2].kind != LAYER_POOL || specs[2].kernel != specs[2].stride || specs[2].kernel > WINDOW_MAX)
        return 2;
    conv->pool = specs[2].kernel;
    return 3;
}

/* ---- layers ---- */

static struct conv conv_of(const struct layer_spec *spec, struct shape in, int64_t filters) {
    return (struct conv){.h = in.h,
                         .w = in.w,
                         .c = in.c,
                         .k = filters,
                         .kh = spec->kernel,
                         .kw = spec->kernel,
                         .stride = spec->stride,
                         .pad = spec->pad,
                         .pool = 1};
}

/* (filters, channels, kernel, kernel) outside; what convolution and transposed convolution have in common. */
static void declare_filters(struct layer *layer, struct param_list *params, int64_t fan_in, int64_t golden_fan_in) {
    const struct conv *conv = &layer->conv;
    int64_t space = conv->kh * conv->kw, count = conv->k * conv->c * space;
    layer->weight = reserve(params, count);
    layer->bias = reserve(params, layer->out.c);
    struct param weight = {.role = ROLE_WEIGHT,
                           .dims = {conv->k, conv->c, conv->kh, conv->kw},
                           .dims_count = 4,
                           .count = count,
                           .offset = layer->weight,
                           .order = {conv->k, 1, conv->c, space},
                           .fan_in = fan_in,
                           .golden_fan_in = golden_fan_in};
    declare(params, layer->spec->name, weight);
    declare_bias(params, layer->spec->name, layer->bias, (struct shape){1, 1, layer->out.c}, &weight);
}

static int build_conv(struct layer *layer, const struct layer_spec *specs, size_t count, struct param_list *params) {
    const struct layer_spec *spec = &specs[0];
    struct shape in = layer->in;
    if (in.h + 2 * spec->pad < spec->kernel || in.w + 2 * spec->pad < spec->kernel) return ENGINE_ESHAPE;
    layer->ops = &conv_layer;
    layer->conv = conv_of(spec, in, spec->width);
    int used = fuse_conv(&layer->conv, specs, count);
    layer->out = (struct shape){conv_out_h(&layer->conv), conv_out_w(&layer->conv), spec->width};
    int64_t fan_in = in.c * spec->kernel * spec->kernel;
    declare_filters(layer, params, fan_in, fan_in);
    return used;
}

static int build_transposed(struct layer *layer, const struct layer_spec *specs, size_t count,
                            struct param_list *params) {
    const struct layer_spec *spec = &specs[0];
    struct shape in = layer->in;
    layer->out = (struct shape){(in.h - 1) * spec->stride - 2 * spec->pad + spec->kernel,
                                (in.w - 1) * spec->stride - 2 * spec->pad + spec->kernel, spec->width};
    if (layer->out.h <= 0 || layer->out.w <= 0) return ENGINE_ESHAPE;
    layer->ops = &transposed_layer;
    layer->conv = conv_of(spec, layer->out, in.c);
    int used = fuse_activation(layer, specs, count);
    int64_t space = spec->kernel * spec->kernel;
    declare_filters(layer, params, spec->width * space, in.c * space);
    return used;
}

/* Rows of the weight matrix and numbers of the bias: `first` on, `rows` of them, a layer by name. */
static void declare_dense(const struct layer *layer, struct param_list *params, const char *name, int64_t first,
                          struct shape out) {
    int64_t in = shape_size(layer->in), rows = shape_size(out);
    struct param weight = {.role = ROLE_WEIGHT,
                           .dims = {rows, in},
                           .dims_count = 2,
                           .count = rows * in,
                           .offset = layer->weight + first * in,
                           .order = {out.c, out.h * out.w, layer->in.c, layer->in.h * layer->in.w},
                           .fan_in = in,
                           .golden_fan_in = in};
    declare(params, name, weight);
    declare_bias(params, name, layer->bias + first, out, &weight);
}

static int build_dense(struct layer *layer, const struct layer_spec *specs, size_t count, struct param_list *params) {
    const struct layer_spec *spec = &specs[0];
    int64_t space = spec->out_h > 0 ? spec->out_h * spec->out_w : 1;
    if (space < 1 || spec->width % space != 0) return ENGINE_ESHAPE;
    if (spec->second != NULL && (space != 1 || spec->width % 2 != 0)) return ENGINE_ESHAPE;
    layer->ops = &dense_layer;
    int used = fuse_activation(layer, specs, count);
    layer->out = (struct shape){1, 1, spec->width};
    if (spec->out_h > 0) layer->out = (struct shape){spec->out_h, spec->out_w, spec->width / space};
    layer->weight = reserve(params, layer_weight_count(layer));
    layer->bias = reserve(params, spec->width);
    if (spec->second == NULL) {
        declare_dense(layer, params, spec->name, 0, layer->out);
    } else {
        struct shape half = {1, 1, spec->width / 2};
        declare_dense(layer, params, spec->name, 0, half);
        declare_dense(layer, params, spec->second, half.c, half);
    }
    return used;
}

static int build_norm(struct layer *layer, const struct layer_spec *spec, struct param_list *params,
                      struct param_list *running) {
    struct shape in = layer->in;
    int64_t space = spec->width == in.c ? 1 : in.h * in.w;
    if (spec->width != in.c * space) return ENGINE_ESHAPE;
    layer->ops = &norm_layer;
    layer->channels = spec->width;
    layer->weight = reserve(params, spec->width);
    layer->bias = reserve(params, spec->width);
    layer->running_mean = reserve(running, spec->width);
    layer->running_variance = reserve(running, spec->width);
    layer->saved = reserve(running, 2 * spec->width);
    declare(params, spec->name, vector(ROLE_SCALE, layer->weight, in.c, space));
    declare(params, spec->name, vector(ROLE_SHIFT, layer->bias, in.c, space));
    declare(running, spec->name, vector(ROLE_RUNNING_MEAN, layer->running_mean, in.c, space));
    declare(running, spec->name, vector(ROLE_RUNNING_VARIANCE, layer->running_variance, in.c, space));
    return 1;
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
                struct param_list *params, struct param_list *running) {
    uint64_t place = layer->place;
    *layer = (struct layer){.spec = &specs[0], .place = place, .in = in, .out = in};
    int used = 1;
    switch (specs[0].kind) {
    case LAYER_CONV:
        used = build_conv(layer, specs, count, params);
        break;
    case LAYER_CONV_TRANSPOSED:
        used = build_transposed(layer, specs, count, params);
        break;
    case LAYER_DENSE:
        used = build_dense(layer, specs, count, params);
        break;
    case LAYER_BATCH_NORM:
        used = build_norm(layer, &specs[0], params, running);
        break;
    case LAYER_POOL:
        used = build_pool(layer, &specs[0]);
        break;
    case LAYER_RELU:
    case LAYER_LEAKY_RELU:
    case LAYER_SIGMOID:
    case LAYER_TANH:
        layer->ops = &activation_layer;
        (void)activation_of(&specs[0], &layer->activation);
        break;
    case LAYER_DROPOUT:
        layer->ops = &dropout_layer;
        break;
    }
    return used > 0 && shape_size(layer->out) <= 0 ? ENGINE_ESHAPE : used;
}
