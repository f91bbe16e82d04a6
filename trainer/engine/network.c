/*
 * network.c: builds and runs a chain of layers.
 */
#include "network.h"

#include <stdlib.h>

struct shape network_in(const struct network *network) {
    return network->layers[0].in;
}

struct shape network_out(const struct network *network) {
    return network->layers[network->layers_count - 1].out;
}

static int build_layers(struct network *network, const struct layer_spec *specs, size_t count, struct shape in) {
    size_t at = 0;
    while (at < count) {
        struct layer *layer = &network->layers[network->layers_count];
        layer->place = network->layers_count;
        int used = layer_build(layer, specs + at, count - at, in, &network->params, &network->running);
        if (used < 0) return used;
        /* The first layer may not work in place: neither its input nor the gradient of it is its own. */
        if (network->layers_count == 0 && !(layer->ops->own_output && layer->ops->own_gradient)) return ENGINE_ESHAPE;
        network->layers_count++;
        in = layer->out;
        at += (size_t)used;
    }
    return network->layers_count > 0 ? ENGINE_OK : ENGINE_ESHAPE;
}

static int allocate_arenas(struct network *network, int moments) {
    struct backend *backend = network->backend;
    size_t bytes = (size_t)network->params.end * sizeof(float);
    network->weights = backend->ops->alloc(backend, bytes);
    network->gradients = backend->ops->alloc(backend, bytes);
    bool all = network->weights != NULL && network->gradients != NULL;
    for (int i = 0; i < moments && all; i++) {
        network->moments[i] = backend->ops->alloc(backend, bytes);
        all = network->moments[i] != NULL;
    }
    if (all && network->running.end > 0) {
        network->statistics = backend->ops->alloc(backend, (size_t)network->running.end * sizeof(float));
        all = network->statistics != NULL;
    }
    return all ? ENGINE_OK : ENGINE_ENOMEM;
}

int network_init(struct network *network, struct backend *backend, const struct layer_spec *specs, size_t count,
                 struct shape in, int moments) {
    *network = (struct network){.backend = backend};
    int result = ENGINE_ENOMEM;
    network->layers = calloc(count, sizeof *network->layers);
    network->params.items = calloc(4 * count, sizeof *network->params.items);
    network->running.items = calloc(2 * count, sizeof *network->running.items);
    network->inputs = calloc(count, sizeof *network->inputs);
    if (network->layers == NULL || network->params.items == NULL || network->running.items == NULL ||
        network->inputs == NULL)
        goto out;
    result = build_layers(network, specs, count, in);
    if (result < 0) goto out;
    result = allocate_arenas(network, moments);
out:
    if (result < 0) network_release(network);
    return result;
}

static void release_buffers(struct network *network) {
    struct backend *backend = network->backend;
    for (size_t i = 0; i < network->layers_count; i++) {
        struct layer *layer = &network->layers[i];
        backend->ops->free(backend, layer->y);
        backend->ops->free(backend, layer->winner);
        layer->y = NULL;
        layer->winner = NULL;
    }
    network->capacity = 0;
}

void network_release(struct network *network) {
    struct backend *backend = network->backend;
    if (backend != NULL) {
        release_buffers(network);
        backend->ops->free(backend, network->weights);
        backend->ops->free(backend, network->gradients);
        backend->ops->free(backend, network->statistics);
        for (int i = 0; i < MOMENTS_MAX; i++) {
            backend->ops->free(backend, network->moments[i]);
        }
    }
    free(network->layers);
    free(network->params.items);
    free(network->running.items);
    free(network->inputs);
    *network = (struct network){0};
}

static bool allocate_layer(struct network *network, struct layer *layer, int64_t n) {
    struct backend *backend = network->backend;
    size_t size = (size_t)(n * shape_size(layer->out));
    if (layer->ops->own_output) {
        layer->y = backend->ops->alloc(backend, size * sizeof(float));
        if (layer->y == NULL) return false;
    }
    if (layer->pool.size > 0 || layer->conv.pool > 1) {
        layer->winner = backend->ops->alloc(backend, size);
        if (layer->winner == NULL) return false;
    }
    return true;
}

int network_reserve(struct network *network, int64_t n) {
    if (n <= network->capacity) return ENGINE_OK;
    release_buffers(network);
    for (size_t i = 0; i < network->layers_count; i++) {
        if (!allocate_layer(network, &network->layers[i], n)) {
            release_buffers(network);
            return ENGINE_ENOMEM;
        }
    }
    network->capacity = n;
    return ENGINE_OK;
}

int64_t network_widest(const struct network *network) {
    int64_t widest = shape_size(network_in(network));
    for (size_t i = 0; i < network->layers_count; i++) {
        int64_t size = shape_size(network->layers[i].out);
        widest = size > widest ? size : widest;
    }
    return widest;
}

struct pass network_pass(const struct network *network, int64_t n) {
    return (struct pass){.backend = network->backend,
                         .n = n,
                         .weights = network->weights,
                         .gradients = network->gradients,
                         .running = network->statistics,
                         .moments = {network->moments[0], network->moments[1]}};
}

float *network_forward(struct network *network, const struct pass *pass, float *x) {
    for (size_t i = 0; i < network->layers_count; i++) {
        struct layer *layer = &network->layers[i];
        network->inputs[i] = x;
        x = layer->ops->forward(layer, pass, x);
    }
    return x;
}

void network_backward(struct network *network, const struct pass *pass, struct work *work, bool input) {
    for (size_t i = network->layers_count; i-- > 0;) {
        struct layer *layer = &network->layers[i];
        float *dx = i > 0 || input ? work->spare : NULL;
        layer->ops->backward(layer, pass, network->inputs[i], work->dy, dx);
        if (layer->ops->own_gradient && dx != NULL) *work = (struct work){.dy = dx, .spare = work->dy};
    }
}

/* One optimiser pass over the arena's floats from `first` up to `last`. */
static void update_range(struct network *network, const struct optimiser *optimiser, int64_t first, int64_t last) {
    struct backend *backend = network->backend;
    if (first >= last) return;
    float *w = network->weights + first, *m = network->moments[0] + first;
    const float *g = network->gradients + first;
    if (optimiser->kind == OPTIMISER_ADAM) {
        backend->ops->adam(backend, last - first, &optimiser->adam, w, g, m, network->moments[1] + first);
    } else {
        backend->ops->sgd(backend, last - first, optimiser->momentum, optimiser->weight_decay, w, g, m);
    }
}

void network_update(struct network *network, const struct pass *pass, const struct optimiser *optimiser) {
    int64_t first = 0;
    for (size_t i = 0; i < network->layers_count; i++) {
        const struct layer *layer = &network->layers[i];
        if (!layer_updates_itself(layer, pass)) continue;
        update_range(network, optimiser, first, layer->weight);
        first = layer->weight + layer_weight_count(layer);
    }
    update_range(network, optimiser, first, network->params.end);
}
