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
        int used = layer_build(layer, specs + at, count - at, in, network->params, &network->params_count);
        if (used < 0) return used;
        if (network->layers_count == 0 && !layer->ops->own_output)
            return ENGINE_ESHAPE; /* would work in place on input */
        network->layers_count++;
        in = layer->out;
        at += (size_t)used;
    }
    return network->layers_count > 0 ? ENGINE_OK : ENGINE_ESHAPE;
}

static int allocate_weights(struct network *network) {
    struct backend *backend = network->backend;
    int64_t count = 0;
    for (size_t i = 0; i < network->params_count; i++) {
        count = network->params[i].offset + network->params[i].count;
    }
    network->weights_count = count;
    size_t bytes = (size_t)count * sizeof(float);
    network->weights = backend->ops->alloc(backend, bytes);
    network->gradients = backend->ops->alloc(backend, bytes);
    return network->weights != NULL && network->gradients != NULL ? ENGINE_OK : ENGINE_ENOMEM;
}

int network_init(struct network *network, struct backend *backend, const struct layer_spec *specs, size_t count,
                 struct shape in) {
    *network = (struct network){.backend = backend};
    int result = ENGINE_ENOMEM;
    network->layers = calloc(count, sizeof *network->layers);
    network->params = calloc(2 * count, sizeof *network->params);
    network->inputs = calloc(count, sizeof *network->inputs);
    if (network->layers == NULL || network->params == NULL || network->inputs == NULL) goto out;
    result = build_layers(network, specs, count, in);
    if (result < 0) goto out;
    result = allocate_weights(network);
out:
    if (result < 0) network_release(network);
    return result;
}

static void release_buffers(struct network *network) {
    struct backend *backend = network->backend;
    void **const buffers[] = {(void **)&network->input, (void **)&network->gradient[0], (void **)&network->gradient[1]};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        backend->ops->free(backend, *buffers[i]);
        *buffers[i] = NULL;
    }
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
    if (network->backend != NULL) {
        release_buffers(network);
        network->backend->ops->free(network->backend, network->weights);
        network->backend->ops->free(network->backend, network->gradients);
    }
    free(network->layers);
    free(network->params);
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
    struct backend *backend = network->backend;
    if (n <= network->capacity) return ENGINE_OK;
    release_buffers(network);
    int64_t widest = 0;
    for (size_t i = 0; i < network->layers_count; i++) {
        int64_t size = shape_size(network->layers[i].out);
        widest = size > widest ? size : widest;
        if (!allocate_layer(network, &network->layers[i], n)) goto fail;
    }
    size_t bytes = (size_t)(n * widest) * sizeof(float);
    network->gradient[0] = backend->ops->alloc(backend, bytes);
    network->gradient[1] = backend->ops->alloc(backend, bytes);
    network->input = backend->ops->alloc(backend, (size_t)(n * shape_size(network_in(network))) * sizeof(float));
    if (network->gradient[0] == NULL || network->gradient[1] == NULL || network->input == NULL) goto fail;
    network->capacity = n;
    return ENGINE_OK;
fail:
    release_buffers(network);
    return ENGINE_ENOMEM;
}

float *network_forward(struct network *network, struct pass *pass) {
    float *x = network->input;
    for (size_t i = 0; i < network->layers_count; i++) {
        struct layer *layer = &network->layers[i];
        network->inputs[i] = x;
        x = layer->ops->forward(layer, pass, x);
    }
    return x;
}

void network_backward(struct network *network, struct pass *pass) {
    float *dy = network->gradient[0], *spare = network->gradient[1];
    for (size_t i = network->layers_count; i-- > 0;) {
        struct layer *layer = &network->layers[i];
        float *dx = i > 0 ? spare : NULL; /* nobody asks for the gradient of the images */
        layer->ops->backward(layer, pass, network->inputs[i], dy, dx);
        if (layer->ops->own_gradient) {
            spare = dy;
            dy = dx;
        }
    }
}
