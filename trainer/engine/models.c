/*
 * models.c: the table of models. A network is data: layers in order, fused by network.c where the backend can.
 */
#include "models.h"

#include <string.h>

#define CONV(label, filters, size, padding)                                                                            \
    { .kind = LAYER_CONV, .name = (label), .width = (filters), .kernel = (size), .stride = 1, .pad = (padding) }
#define DENSE(label, outputs)                                                                                          \
    { .kind = LAYER_DENSE, .name = (label), .width = (outputs) }
#define RELU                                                                                                           \
    { .kind = LAYER_RELU }
#define SIGMOID                                                                                                        \
    { .kind = LAYER_SIGMOID }
#define POOL(size)                                                                                                     \
    { .kind = LAYER_POOL, .kernel = (size), .stride = (size) }
#define DROPOUT                                                                                                        \
    { .kind = LAYER_DROPOUT }

static const struct layer_spec softmax[] = {DENSE("out", 10)};

static const struct layer_spec mlp[] = {DENSE("fc1", 30), SIGMOID, DENSE("out", 10)};

static const struct layer_spec cnn[] = {CONV("conv1", 32, 5, 2), RELU, POOL(2), CONV("conv2", 64, 5, 2), RELU, POOL(2),
                                        DENSE("fc1", 1024),      RELU, DROPOUT, DENSE("out", 10)};

static const struct layer_spec lenet[] = {CONV("conv1", 32, 3, 0), RELU, POOL(2),
                                          CONV("conv2", 64, 3, 0), RELU, POOL(2),
                                          DENSE("fc1", 64),        RELU, DENSE("out", 10)};

#define CLASSIFIER                                                                                                     \
    .task = TASK_CLASSIFY, .classifier = true, .height = 28, .width = 28, .classes = 10, .metrics = {"loss", "acc"},   \
    .metrics_count = 2, .optimiser = OPTIMISER_ADAM, .lr = 0.001, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8

static const struct model_info table[] = {
    {.name = "cnn",
     .help = "two 5x5 convolutions (32, 64) with 2x2 max pools, dense 1024, dropout, dense 10",
     .batch = 128,
     .samples = 200000,
     .dropout = 0.25,
     .has_dropout = true,
     CLASSIFIER},
    {.name = "lenet",
     .help = "two 3x3 convolutions (32, 64) with 2x2 max pools, dense 64, dense 10",
     .batch = 32,
     .samples = 600000,
     CLASSIFIER},
    {.name = "mlp", .help = "one hidden layer of 30 sigmoids", .batch = 128, .samples = 6400000, CLASSIFIER},
    {.name = "softmax", .help = "softmax regression on the pixels", .batch = 128, .samples = 600000, CLASSIFIER},
};

#define ONE_NETWORK(array)                                                                                             \
    {                                                                                                                  \
        .prefixes = {""}, .layers = {(array)}, .layers_count = {sizeof(array) / sizeof((array)[0])}, .count = 1,       \
        .pixel_divisor = 255                                                                                           \
    }

static const struct model_networks networks[] = {ONE_NETWORK(cnn), ONE_NETWORK(lenet), ONE_NETWORK(mlp),
                                                 ONE_NETWORK(softmax)};

#define TABLE_COUNT (sizeof table / sizeof table[0])
_Static_assert(sizeof networks / sizeof networks[0] == TABLE_COUNT, "one network for each row");

const struct model_info *models(size_t *ret_count) {
    *ret_count = TABLE_COUNT;
    return table;
}

const struct model_info *model_find(const char *name) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (strcmp(table[i].name, name) == 0) return &table[i];
    }
    return NULL;
}

const struct model_networks *model_networks(const struct model_info *model) {
    for (size_t i = 0; i < TABLE_COUNT; i++) {
        if (model == &table[i]) return &networks[i];
    }
    return NULL;
}
