/*
 * engine.h: what the training program sees of the engine: a model that takes batches and gives metrics.
 *
 * Above it (trainer/app): data files, order of samples, checkpoints, the chat's parameters, the publisher.
 * Below it: layers written once over backend.h's kernel-level operations; registry.c alone names the backends.
 * Row-major float32; images (N, C, H, W); labels 0..classes-1. Not thread-safe: one engine, one thread; the compute
 * library's own threads are its business.
 */
#ifndef TRAINER_ENGINE_H
#define TRAINER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum engine_error {
    ENGINE_OK = 0,
    ENGINE_ENOMEM = -1,
    ENGINE_EMODEL = -2,
    ENGINE_EBACKEND = -3,
    ENGINE_ESHAPE = -4,
    ENGINE_ESTATE = -5
};

#define ENGINE_METRICS_MAX 4
#define ENGINE_ERROR_SIZE 256

enum optimiser_kind { OPTIMISER_ADAM, OPTIMISER_SGD };

/* What a step does, and so what its metrics are:
 * classify: "loss", "acc" (softmax cross-entropy); reconstruct: "loss" (squared error summed over the pixels, mean over
 * the batch); variational: "loss" (the same plus KL), "kld"; adversarial: "d_loss", "g_loss". */
enum model_task { TASK_CLASSIFY, TASK_RECONSTRUCT, TASK_VARIATIONAL, TASK_ADVERSARIAL };

/* What matrix products and convolutions round their inputs to; sums stay float32. */
enum precision { PRECISION_FLOAT32, PRECISION_TF32, PRECISION_BF16 };

/* One row of the model table (models.c). Everything a front end needs to offer the model. */
struct model_info {
    const char *name; /* golden name: "softmax", "mlp", "cnn", … */
    const char *help; /* one line: the network */
    enum model_task task;
    bool classifier;     /* task is classify: has labels, accuracy, predictions */
    bool reconstructs;   /* engine_reconstruct and engine_encode: reconstruct and variational */
    bool samples_images; /* engine_sample: variational and adversarial */
    int64_t latent; /* numbers of a code: autoencoder 3, conv-autoencoder 32 (8 × 2 × 2), vae 20; noise of the GANs 96;
                       else 0 */
    bool augment;   /* default of a normal run (cnn3) */
    double validation; /* default share of the training images held back (cnn3: 0.1) */
    int64_t height, width, classes;
    const char
        *metrics[ENGINE_METRICS_MAX]; /* what a step gives, in order: "loss", "acc"; NULL-terminated unless full */
    int metrics_count;
    enum optimiser_kind optimiser; /* the golden one (Adam) */
    double lr;                     /* default learning rate */
    double beta1, beta2, epsilon, weight_decay;
    int64_t batch;   /* default batch of a normal run (cnn: 128) */
    int64_t samples; /* default `ti` of a normal run (cnn: 200,000) */
    double dropout;  /* default probability to drop (cnn: 0.25), 0 where the model has no dropout */
    bool has_dropout;
};

/* The table; *ret_count rows, static storage. */
const struct model_info *models(size_t *ret_count);
const struct model_info *model_find(const char *name); /* NULL: no such model */

struct engine;

struct engine_options {
    const struct model_info *model;
    const char *backend; /* "auto", "openblas", … */
    uint64_t seed;       /* of the weights (init default: PyTorch's own scheme, uniform ±1/sqrt(fan_in) for weights and
                            biases) and of dropout */
    bool hash_init;      /* weights as tests/golden describes; biases 0 */
    enum optimiser_kind optimiser;
    double momentum;          /* SGD */
    double weight_decay;      /* L2, added to the gradient; negative: the model's own */
    enum precision precision; /* a backend that lacks it is refused; float32 everywhere */
    int threads;              /* 0: as many as the process may use */
    const char *cpu; /* NULL: the best of this CPU; else a CPU backend's kernel set: "avx512", "avx2", "baseline" */
};

/* Builds model and backend. Negative engine_error on failure, `error` (ENGINE_ERROR_SIZE) then holds one clear line. */
__attribute__((warn_unused_result)) int engine_create(const struct engine_options *options, struct engine **ret_engine,
                                                      char *error);
void engine_free(struct engine *engine); /* NULL is fine */

/* "openblas (SkylakeX, avx512 kernels, 2 threads) (auto: the fastest of this build)": said once at start; borrowed
 * while the engine lives. */
const char *engine_backend_text(const struct engine *engine);
/* What a resumed run must share to continue bit for bit: "openblas/SkylakeX/avx512/2". Borrowed while the engine lives.
 */
const char *engine_numerics(const struct engine *engine);

struct batch {
    const uint8_t *pixels; /* count × height × width, borrowed until return; the engine divides by 255 */
    const uint8_t *labels; /* count; NULL is fine where the model has no classes */
    int64_t count;         /* any size ≥ 1; buffers grow to the largest seen */
};

struct step_options {
    double lr;
    double dropout; /* probability to drop, [0, 1) */
};

/* One optimiser step on the batch: forward, loss, backward, update. `ret_metrics[model->metrics_count]` are of this
 * batch before the update (the training forward pass, dropout on). Returns 0 or negative. NaN is a value, not an error.
 */
__attribute__((warn_unused_result)) int engine_train(struct engine *engine, const struct batch *batch,
                                                     const struct step_options *options, double *ret_metrics);

/* engine_train in two halves, so that a device need not wait for its metrics: submit begins a step, collect gives the
 * metrics of steps in their order. At most ENGINE_IN_FLIGHT steps may be submitted and not collected (ENGINE_ESTATE
 * beyond). batch's memory may be reused once submit returns. Mixing with engine_train: only when all are collected. */
#define ENGINE_IN_FLIGHT 8
__attribute__((warn_unused_result)) int engine_submit(struct engine *engine, const struct batch *batch,
                                                      const struct step_options *options);
/* 1: the oldest step's metrics; 0: none yet (never with `wait` while one is in flight); negative engine_error: that
 * step failed. */
__attribute__((warn_unused_result)) int engine_collect(struct engine *engine, bool wait, double *ret_metrics);

/* Forward only, dropout off, batch normalisation by its running statistics: the same metrics, and where not NULL the
 * softmax probabilities (count × classes; classifiers only). Noise, where the task has some, is the same for every call
 * and independent of the training's. The batch may be larger than what is computed at once; it is cut inside. */
__attribute__((warn_unused_result)) int engine_evaluate(struct engine *engine, const struct batch *batch,
                                                        double *ret_metrics, float *ret_probabilities);

/* ---- what a person may look at; none of it changes the training. ENGINE_EMODEL: not for this model's task ---- */

/* Each sample's own loss (count): cross-entropy (from log-softmax, so never infinite where logits are finite), squared
 * error, or squared error plus KL; and for classifiers, unless NULL, the predicted class (count). */
__attribute__((warn_unused_result)) int engine_losses(struct engine *engine, const struct batch *batch,
                                                      float *ret_losses, uint8_t *ret_predictions);
/* Images (count × height × width, 0..1) as the network gives them back; a VAE decodes the mean of each code. */
__attribute__((warn_unused_result)) int engine_reconstruct(struct engine *engine, const struct batch *batch,
                                                           float *ret_images);
/* Codes (count × latent): an autoencoder's numbers, a VAE's means. */
__attribute__((warn_unused_result)) int engine_encode(struct engine *engine, const struct batch *batch,
                                                      float *ret_codes);
/* `count` new images (count × height × width, 0..1), a function of the weights and `seed` alone. */
__attribute__((warn_unused_result)) int engine_sample(struct engine *engine, uint64_t seed, int64_t count,
                                                      float *ret_images);
/* The first layer's filters, in the golden layout: *ret_count of ret_height × ret_width (a convolution's kernels; a
 * dense layer's weights as images). ret_filters: NULL to ask for sizes alone. Not for the variational and adversarial
 * tasks' second network. */
__attribute__((warn_unused_result)) int engine_filters(struct engine *engine, int64_t *ret_count, int64_t *ret_height,
                                                       int64_t *ret_width, float *ret_filters);

/* ---- state: everything that a checkpoint must hold to go on bit for bit ---- */

/* One named array of floats: "conv1.weight", "conv1.weight.adam_m", "bn1.running_mean", … in a fixed order; those of
 * an adversarial model's networks begin with "d." and "g.". */
struct engine_tensor {
    char name[64];
    int64_t dims[4];
    int dims_count;
    size_t count; /* product of dims */
};
size_t engine_tensors_count(const struct engine *engine);
const struct engine_tensor *engine_tensor(const struct engine *engine, size_t index);
__attribute__((warn_unused_result)) int engine_tensor_read(struct engine *engine, size_t index, float *ret_values);
__attribute__((warn_unused_result)) int engine_tensor_write(struct engine *engine, size_t index, const float *values);
/* The rest of the state, a few words: optimiser step count, dropout's RNG. */
#define ENGINE_WORDS 8
void engine_words_read(const struct engine *engine, uint64_t ret_words[ENGINE_WORDS]);
void engine_words_write(struct engine *engine, const uint64_t words[ENGINE_WORDS]);
/* True when every weight and every running statistic is finite: checked before a checkpoint may count as "finite". */
bool engine_is_finite(struct engine *engine);

/* Backends that this build knows, for --help and errors: "auto, openblas, …". */
const char *engine_backends(void);

#endif
