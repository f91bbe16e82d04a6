/*
 * models.c: the table of models. A network is data: layers in order, fused by network.c where the backend can.
 */
#include "models.h"

#include <string.h>

#define CONV_BY(label, filters, size, step, padding)                                                                   \
    { .kind = LAYER_CONV, .name = (label), .width = (filters), .kernel = (size), .stride = (step), .pad = (padding) }
#define CONV(label, filters, size, padding) CONV_BY(label, filters, size, 1, padding)
#define TRANSPOSED(label, filters, size, step, padding)                                                                \
    {                                                                                                                  \
        .kind = LAYER_CONV_TRANSPOSED, .name = (label), .width = (filters), .kernel = (size), .stride = (step),        \
        .pad = (padding)                                                                                               \
    }
#define DENSE(label, outputs)                                                                                          \
    { .kind = LAYER_DENSE, .name = (label), .width = (outputs) }
#define TWO_DENSE(label, label2, outputs)                                                                              \
    { .kind = LAYER_DENSE, .name = (label), .second = (label2), .width = 2 * (outputs) }
#define DENSE_TO_IMAGE(label, channels, side)                                                                          \
    { .kind = LAYER_DENSE, .name = (label), .width = (channels) * (side) * (side), .out_h = (side), .out_w = (side) }
#define NORM(label, features)                                                                                          \
    { .kind = LAYER_BATCH_NORM, .name = (label), .width = (features) }
#define RELU                                                                                                           \
    { .kind = LAYER_RELU }
#define LEAKY(factor)                                                                                                  \
    { .kind = LAYER_LEAKY_RELU, .slope = (factor) }
#define SIGMOID                                                                                                        \
    { .kind = LAYER_SIGMOID }
#define TANH                                                                                                           \
    { .kind = LAYER_TANH }
#define POOL_BY(size, step)                                                                                            \
    { .kind = LAYER_POOL, .kernel = (size), .stride = (step) }
#define POOL(size) POOL_BY(size, size)
#define DROPOUT                                                                                                        \
    { .kind = LAYER_DROPOUT }

/* ---- classifiers ---- */

static const struct layer_spec softmax[] = {DENSE("out", 10)};

static const struct layer_spec mlp[] = {DENSE("fc1", 30), SIGMOID, DENSE("out", 10)};

static const struct layer_spec cnn[] = {CONV("conv1", 32, 5, 2), RELU, POOL(2), CONV("conv2", 64, 5, 2), RELU, POOL(2),
                                        DENSE("fc1", 1024),      RELU, DROPOUT, DENSE("out", 10)};

static const struct layer_spec lenet[] = {CONV("conv1", 32, 3, 0), RELU, POOL(2),
                                          CONV("conv2", 64, 3, 0), RELU, POOL(2),
                                          DENSE("fc1", 64),        RELU, DENSE("out", 10)};

static const struct layer_spec cnn3[] = {CONV("conv1", 32, 3, 0),
                                         RELU,
                                         POOL(2),
                                         CONV("conv2", 64, 3, 0),
                                         RELU,
                                         POOL(2),
                                         CONV("conv3", 64, 3, 0),
                                         RELU,
                                         DENSE("fc1", 64),
                                         RELU,
                                         DENSE("out", 10)};

/* ---- autoencoders ---- */

static const struct layer_spec autoencoder[] = {
    DENSE("fc1", 128), RELU, DENSE("fc2", 64),  RELU, DENSE("fc3", 12),  RELU, DENSE("fc4", 3), DENSE("fc5", 12), RELU,
    DENSE("fc6", 64),  RELU, DENSE("fc7", 128), RELU, DENSE("fc8", 784), TANH};
#define AUTOENCODER_CODE 7 /* fc5 reads it */

static const struct layer_spec conv_autoencoder[] = {CONV_BY("conv1", 16, 3, 3, 1),
                                                     RELU,
                                                     POOL(2),
                                                     CONV_BY("conv2", 8, 3, 2, 1),
                                                     RELU,
                                                     POOL_BY(2, 1),
                                                     TRANSPOSED("deconv1", 16, 3, 2, 0),
                                                     RELU,
                                                     TRANSPOSED("deconv2", 8, 5, 3, 1),
                                                     RELU,
                                                     TRANSPOSED("deconv3", 1, 2, 2, 1),
                                                     TANH};
#define CONV_AUTOENCODER_CODE 6 /* deconv1 reads it */

#define VAE_CODE 20
static const struct layer_spec vae_encoder[] = {DENSE("fc1", 400), RELU, TWO_DENSE("fc21", "fc22", VAE_CODE)};
static const struct layer_spec vae_decoder[] = {DENSE("fc3", 400), RELU, DENSE("fc4", 784), TANH};

/* ---- adversaries ---- */

#define GAN_NOISE 96
static const struct layer_spec gan_discriminator[] = {DENSE("fc1", 256), LEAKY(0.2f), DENSE("fc2", 256), LEAKY(0.2f),
                                                      DENSE("out", 1)};
static const struct layer_spec gan_generator[] = {DENSE("fc1", 1024), RELU, DENSE("fc2", 1024), RELU,
                                                  DENSE("out", 784),  TANH};

static const struct layer_spec dcgan_discriminator[] = {CONV("conv1", 32, 5, 0), LEAKY(0.01f), POOL(2),
                                                        CONV("conv2", 64, 5, 0), LEAKY(0.01f), POOL(2),
                                                        DENSE("fc1", 1024),      LEAKY(0.01f), DENSE("out", 1)};
static const struct layer_spec dcgan_generator[] = {DENSE("fc1", 1024),
                                                    RELU,
                                                    NORM("bn1", 1024),
                                                    DENSE_TO_IMAGE("fc2", 128, 7),
                                                    RELU,
                                                    NORM("bn2", 128 * 7 * 7),
                                                    TRANSPOSED("deconv1", 64, 4, 2, 1),
                                                    RELU,
                                                    NORM("bn3", 64),
                                                    TRANSPOSED("deconv2", 1, 4, 2, 1),
                                                    TANH};

/* ---- the table ---- */

#define IMAGES .height = 28, .width = 28, .optimiser = OPTIMISER_ADAM, .epsilon = 1e-8
#define CLASSIFIER                                                                                                     \
    IMAGES, .task = TASK_CLASSIFY, .classifier = true, .classes = 10, .metrics = {"loss", "acc"}, .metrics_count = 2,  \
            .lr = 0.001, .beta1 = 0.9, .beta2 = 0.999
#define AUTOENCODER(task_kind)                                                                                         \
    IMAGES, .task = (task_kind), .reconstructs = true, .lr = 0.001, .beta1 = 0.9, .beta2 = 0.999, .batch = 128,        \
            .samples = 1200000
#define ADVERSARIES                                                                                                    \
    IMAGES, .task = TASK_ADVERSARIAL, .samples_images = true, .latent = GAN_NOISE, .metrics = {"d_loss", "g_loss"},    \
            .metrics_count = 2, .lr = 3e-4, .beta1 = 0.5, .beta2 = 0.999, .batch = 128, .samples = 600000

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
    {.name = "cnn3",
     .help = "three 3x3 convolutions (32, 64, 64), two 2x2 max pools, dense 64, dense 10; augmented images",
     .batch = 128,
     .samples = 600000,
     .augment = true,
     .validation = 0.1,
     CLASSIFIER},
    {.name = "mlp", .help = "one hidden layer of 30 sigmoids", .batch = 128, .samples = 6400000, CLASSIFIER},
    {.name = "softmax", .help = "softmax regression on the pixels", .batch = 128, .samples = 600000, CLASSIFIER},
    {.name = "autoencoder",
     .help = "dense autoencoder: 784, 128, 64, 12, 3 numbers and back",
     .latent = 3,
     .metrics = {"loss"},
     .metrics_count = 1,
     AUTOENCODER(TASK_RECONSTRUCT)},
    {.name = "conv-autoencoder",
     .help = "convolutional autoencoder: 8 pictures of 2x2 and back by transposed convolutions",
     .latent = 8 * 2 * 2,
     .weight_decay = 1e-5,
     .metrics = {"loss"},
     .metrics_count = 1,
     AUTOENCODER(TASK_RECONSTRUCT)},
    {.name = "vae",
     .help = "variational autoencoder: dense 400, 20 means and variances, dense 400",
     .latent = VAE_CODE,
     .samples_images = true,
     .metrics = {"loss", "kld"},
     .metrics_count = 2,
     AUTOENCODER(TASK_VARIATIONAL)},
    {.name = "gan", .help = "generative adversarial network of dense layers", ADVERSARIES},
    {.name = "lsgan", .help = "the same with least squares for its loss", ADVERSARIES},
    {.name = "dcgan",
     .help = "adversaries of convolutions: a generator with batch normalisation and transposed convolutions",
     ADVERSARIES},
};

#define LAYERS(array) sizeof(array) / sizeof((array)[0])
#define ONE_NETWORK(array) .prefixes = {""}, .layers = {(array)}, .layers_count = {LAYERS(array)}, .count = 1
#define TWO_NETWORKS(one, two) .layers = {(one), (two)}, .layers_count = {LAYERS(one), LAYERS(two)}, .count = 2
#define ZERO_TO_ONE .pixel_divisor = 255
#define AROUND_ZERO .pixel_divisor = 127.5f, .pixel_shift = 1 /* (p / 255 - 0.5) / 0.5 */
#define ADVERSARIAL(d, g)                                                                                              \
    TWO_NETWORKS(d, g), .prefixes = {"d.", "g."}, .noise_scale = 2, .noise_shift = -0.5f, AROUND_ZERO

static const struct model_networks networks[] = {
    {ONE_NETWORK(cnn), ZERO_TO_ONE},
    {ONE_NETWORK(lenet), ZERO_TO_ONE},
    {ONE_NETWORK(cnn3), ZERO_TO_ONE},
    {ONE_NETWORK(mlp), ZERO_TO_ONE},
    {ONE_NETWORK(softmax), ZERO_TO_ONE},
    {ONE_NETWORK(autoencoder), AROUND_ZERO, .code_layer = AUTOENCODER_CODE},
    {ONE_NETWORK(conv_autoencoder), AROUND_ZERO, .code_layer = CONV_AUTOENCODER_CODE},
    {TWO_NETWORKS(vae_encoder, vae_decoder), .prefixes = {"", ""}, AROUND_ZERO,
     .normal_noise = true, /* the golden curves' noise has the same variance, 1 */
     .noise_scale = 3.46410162f, .noise_shift = -0.5f},
    {ADVERSARIAL(gan_discriminator, gan_generator)},
    {ADVERSARIAL(gan_discriminator, gan_generator), .least_squares = true},
    {ADVERSARIAL(dcgan_discriminator, dcgan_generator)},
};

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
