/*
 * test_engine_look.c: what a person may look at (losses of samples, reconstructions, codes, new images, filters), and
 * steps in two halves: equal to whole steps, and never changed by a look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "random.h"

#define IMAGE (28 * 28)
#define MANY 259 /* more than is computed at once */

static uint8_t pixels[MANY * IMAGE], labels[MANY];

static int make_images(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++) {
        uint64_t bits = random_mix(i);
        pixels[i] = bits % 3 == 0 ? (uint8_t)(bits >> 32) : 0;
    }
    for (size_t i = 0; i < sizeof labels; i++) {
        labels[i] = (uint8_t)(random_mix(i) % 10);
    }
    return 0;
}

static struct engine *create(const char *model, bool hash, double weight_decay) {
    char error[ENGINE_ERROR_SIZE] = "";
    struct engine_options options = {.model = model_find(model),
                                     .backend = "openblas",
                                     .seed = 7,
                                     .hash_init = hash,
                                     .weight_decay = weight_decay,
                                     .threads = 2};
    struct engine *engine = NULL;
    if (engine_create(&options, &engine, error) < 0) fail_msg("%s", error);
    return engine;
}

static void step(struct engine *engine, int64_t at, int64_t count, double *ret_metrics) {
    struct batch batch = {pixels + at * IMAGE, labels + at, count};
    struct step_options options = {.lr = 0.001, .dropout = 0.25};
    assert_int_equal(engine_train(engine, &batch, &options, ret_metrics), 0);
}

/* Everything that a look might change. */
static void assert_same(struct engine *a, struct engine *b) {
    uint64_t words[2][ENGINE_WORDS];
    engine_words_read(a, words[0]);
    engine_words_read(b, words[1]);
    assert_memory_equal(words[0], words[1], sizeof words[0]);
    assert_int_equal(engine_tensors_count(a), engine_tensors_count(b));
    for (size_t i = 0; i < engine_tensors_count(a); i++) {
        size_t bytes = engine_tensor(a, i)->count * sizeof(float);
        float *x = malloc(bytes), *y = malloc(bytes);
        assert_int_equal(engine_tensor_read(a, i, x), 0);
        assert_int_equal(engine_tensor_read(b, i, y), 0);
        assert_memory_equal(x, y, bytes);
        free(x);
        free(y);
    }
}

static void check_losses(struct engine *engine, const struct model_info *model, const struct batch *batch) {
    static float losses[MANY], probabilities[MANY * 10];
    static uint8_t predictions[MANY];
    double metrics[ENGINE_METRICS_MAX], sum = 0, right = 0;
    if (model->task == TASK_ADVERSARIAL) {
        assert_int_equal(engine_losses(engine, batch, losses, NULL), ENGINE_EMODEL);
        return;
    }
    assert_int_equal(engine_evaluate(engine, batch, metrics, model->classifier ? probabilities : NULL), 0);
    assert_int_equal(engine_losses(engine, batch, losses, model->classifier ? predictions : NULL), 0);
    for (int i = 0; i < MANY; i++) {
        sum += (double)losses[i];
        right += predictions[i] == labels[i];
    }
    assert_true(fabs(sum / MANY / metrics[0] - 1) < 1e-5);
    if (model->classifier) {
        assert_true(fabs(right / MANY - metrics[1]) < 1e-9);
    } else {
        assert_int_equal(engine_losses(engine, batch, losses, predictions), ENGINE_EMODEL);
        assert_int_equal(engine_evaluate(engine, batch, metrics, probabilities), ENGINE_EMODEL);
    }
}

static void check_reconstructions(struct engine *engine, const struct model_info *model, const struct batch *batch) {
    float *images = malloc(MANY * IMAGE * sizeof *images), *codes = malloc(MANY * 32 * sizeof *codes);
    if (!model->reconstructs) {
        assert_int_equal(engine_reconstruct(engine, batch, images), ENGINE_EMODEL);
        assert_int_equal(engine_encode(engine, batch, codes), ENGINE_EMODEL);
    } else {
        assert_int_equal(engine_reconstruct(engine, batch, images), 0);
        assert_int_equal(engine_encode(engine, batch, codes), 0);
        double metrics[ENGINE_METRICS_MAX], error = 0, spread = 0;
        for (int i = 0; i < MANY * IMAGE; i++) {
            assert_true(images[i] >= 0 && images[i] <= 1);
            error += 4 * pow((double)images[i] - pixels[i] / 255.0, 2); /* the network's pixels reach from -1 to 1 */
        }
        for (int64_t i = 0; i < MANY * model->latent; i++) {
            assert_true(isfinite(codes[i]));
            spread += fabs((double)(codes[i] - codes[i % model->latent]));
        }
        assert_true(spread > 0);
        assert_int_equal(engine_evaluate(engine, batch, metrics, NULL), 0);
        if (model->task == TASK_RECONSTRUCT) assert_true(fabs(error / MANY / metrics[0] - 1) < 1e-4);
    }
    free(images);
    free(codes);
}

static void check_samples(struct engine *engine, const struct model_info *model) {
    float *all = malloc(MANY * IMAGE * sizeof *all), few[2 * IMAGE], other[2 * IMAGE];
    if (!model->samples_images) {
        assert_int_equal(engine_sample(engine, 1, 2, few), ENGINE_EMODEL);
    } else {
        assert_int_equal(engine_sample(engine, 1, 0, all), ENGINE_ESHAPE);
        assert_int_equal(engine_sample(engine, 1, MANY, all), 0);
        assert_int_equal(engine_sample(engine, 1, 2, few), 0);
        assert_int_equal(engine_sample(engine, 2, 2, other), 0);
        double same = 0, apart = 0, neighbours = 0;
        for (int i = 0; i < IMAGE; i++) {
            assert_true(all[i] >= 0 && all[i] <= 1);
            same += fabs((double)(all[i] - few[i]));
            apart += fabs((double)(few[i] - other[i]));
            neighbours += fabs((double)(all[i] - all[(MANY - 1) * IMAGE + i]));
        }
        assert_true(same < 1e-3 && apart > 0.1 && neighbours > 0.1);
    }
    free(all);
}

static void check_filters(struct engine *engine) {
    int64_t count, height, width;
    assert_int_equal(engine_filters(engine, &count, &height, &width, NULL), 0);
    const struct engine_tensor *first = engine_tensor(engine, 0);
    assert_int_equal((size_t)(count * height * width), first->count);
    assert_true(height == width && (height == 28 || height == 3 || height == 5));
    float *filters = malloc(first->count * sizeof *filters), *weights = malloc(first->count * sizeof *weights);
    assert_int_equal(engine_filters(engine, &count, &height, &width, filters), 0);
    assert_int_equal(engine_tensor_read(engine, 0, weights), 0);
    assert_memory_equal(filters, weights, first->count * sizeof *weights);
    free(filters);
    free(weights);
}

static void test_looks(void **state) {
    (void)state;
    size_t count;
    const struct model_info *table = models(&count);
    const struct batch batch = {pixels, labels, MANY};
    for (size_t i = 0; i < count; i++) {
        struct engine *looked = create(table[i].name, false, -1), *plain = create(table[i].name, false, -1);
        double a[ENGINE_METRICS_MAX], b[ENGINE_METRICS_MAX];
        step(looked, 0, 9, a);
        step(plain, 0, 9, b);
        check_losses(looked, &table[i], &batch);
        check_reconstructions(looked, &table[i], &batch);
        check_samples(looked, &table[i]);
        check_filters(looked);
        step(looked, 9, 9, a);
        step(plain, 9, 9, b);
        assert_memory_equal(a, b, (size_t)table[i].metrics_count * sizeof a[0]);
        assert_same(looked, plain);
        engine_free(looked);
        engine_free(plain);
    }
}

/* ---- steps in two halves ---- */

static void test_submit(void **state) {
    (void)state;
    static const char *const names[] = {"mlp", "vae", "gan"};
    for (size_t m = 0; m < 3; m++) {
        struct engine *whole = create(names[m], false, -1), *halves = create(names[m], false, -1);
        double want[ENGINE_IN_FLIGHT][ENGINE_METRICS_MAX], got[ENGINE_METRICS_MAX];
        const struct step_options options = {.lr = 0.001, .dropout = 0.25};
        size_t bytes = (size_t)model_find(names[m])->metrics_count * sizeof got[0];
        assert_int_equal(engine_collect(halves, true, got), 0);
        for (int i = 0; i < ENGINE_IN_FLIGHT; i++) {
            struct batch batch = {pixels, labels, 5 + i}; /* buffers grow while steps are under way */
            step(whole, 0, 5 + i, want[i]);
            assert_int_equal(engine_submit(halves, &batch, &options), 0);
        }
        struct batch batch = {pixels, labels, 5};
        assert_int_equal(engine_submit(halves, &batch, &options), ENGINE_ESTATE);
        assert_int_equal(engine_train(halves, &batch, &options, got), ENGINE_ESTATE);
        for (int i = 0; i < ENGINE_IN_FLIGHT; i++) {
            assert_int_equal(engine_collect(halves, true, got), 1);
            assert_memory_equal(got, want[i], bytes);
        }
        assert_int_equal(engine_collect(halves, false, got), 0);
        assert_same(whole, halves);
        engine_free(whole);
        engine_free(halves);
    }
}

/* ---- state of the models with more than one network ---- */

static size_t index_of(struct engine *engine, const char *name) {
    for (size_t i = 0; i < engine_tensors_count(engine); i++) {
        if (strcmp(engine_tensor(engine, i)->name, name) == 0) return i;
    }
    fail_msg("no tensor %s", name);
    return 0;
}

static void test_names(void **state) {
    (void)state;
    struct engine *vae = create("vae", true, -1), *dcgan = create("dcgan", true, -1);
    assert_string_equal(engine_tensor(vae, 6)->name, "fc21.weight");
    assert_string_equal(engine_tensor(vae, 9)->name, "fc21.bias");
    assert_string_equal(engine_tensor(vae, 12)->name, "fc22.weight");
    assert_string_equal(engine_tensor(vae, 15)->name, "fc22.bias");
    assert_string_equal(engine_tensor(vae, 18)->name, "fc3.weight");
    assert_string_equal(engine_tensor(dcgan, 0)->name, "d.conv1.weight");
    const struct engine_tensor *transposed = engine_tensor(dcgan, index_of(dcgan, "g.deconv1.weight"));
    assert_true(transposed->dims[0] == 128 && transposed->dims[1] == 64 && transposed->dims[2] == 4);
    static float values[128 * 64 * 4 * 4], back[128 * 64 * 4 * 4];
    static const char *const names[] = {"g.deconv1.weight", "g.bn2.running_mean", "g.fc2.bias", "g.bn3.weight.adam_v"};
    for (size_t n = 0; n < 4; n++) {
        size_t at = index_of(dcgan, names[n]), count = engine_tensor(dcgan, at)->count;
        assert_true(count <= 128 * 64 * 4 * 4);
        for (size_t i = 0; i < count; i++) {
            values[i] = (float)i;
        }
        assert_int_equal(engine_tensor_write(dcgan, at, values), 0);
        assert_int_equal(engine_tensor_read(dcgan, at, back), 0);
        assert_memory_equal(values, back, count * sizeof values[0]);
    }
    engine_free(vae);
    engine_free(dcgan);
}

/* A new engine: scales and running variances 1, shifts and means 0; one step moves the statistics by 0.19 of the batch,
 * as PyTorch's two forward passes of a step do: 1 - 0.9². */
static void test_statistics(void **state) {
    (void)state;
    struct engine *engine = create("dcgan", true, -1);
    static float mean[1024], variance[1024];
    double metrics[ENGINE_METRICS_MAX];
    size_t at = index_of(engine, "g.bn1.running_mean"), beside = index_of(engine, "g.bn1.running_var");
    assert_int_equal(engine_tensor_read(engine, at, mean), 0);
    assert_int_equal(engine_tensor_read(engine, beside, variance), 0);
    for (int i = 0; i < 1024; i++) {
        assert_true(mean[i] == 0 && variance[i] == 1);
    }
    step(engine, 0, 16, metrics);
    assert_int_equal(engine_tensor_read(engine, at, mean), 0);
    assert_int_equal(engine_tensor_read(engine, beside, variance), 0);
    double largest = 0;
    for (int i = 0; i < 1024; i++) {
        assert_true(mean[i] >= 0); /* behind ReLU */
        assert_true(variance[i] >= 0.81f && variance[i] < 1.2f);
        largest = fmax(largest, (double)mean[i]);
    }
    assert_true(largest > 0.01);
    assert_true(engine_is_finite(engine));
    variance[3] = INFINITY;
    assert_int_equal(engine_tensor_write(engine, beside, variance), 0);
    assert_false(engine_is_finite(engine)); /* such a state is nothing to go back to */
    engine_free(engine);
}

static void test_labels_missing(void **state) {
    (void)state;
    struct engine *engine = create("softmax", true, -1);
    const struct batch batch = {pixels, NULL, 2}; /* its images are those of the other tests */
    const struct step_options options = {.lr = 0.1};
    double metrics[ENGINE_METRICS_MAX];
    assert_int_equal(engine_train(engine, &batch, &options, metrics), ENGINE_ESHAPE);
    assert_int_equal(engine_evaluate(engine, &batch, metrics, NULL), ENGINE_ESHAPE);
    engine_free(engine);
}

/* Negative: the model's own, which conv-autoencoder has. */
static void test_weight_decay(void **state) {
    (void)state;
    const double decays[] = {-1, 1e-5, 0, 0.1};
    static float weights[4][16 * 9];
    for (int i = 0; i < 4; i++) {
        struct engine *engine = create("conv-autoencoder", true, decays[i]);
        double metrics[ENGINE_METRICS_MAX];
        for (int s = 0; s < 3; s++) {
            step(engine, 0, 9, metrics);
        }
        assert_int_equal(engine_tensor_read(engine, 0, weights[i]), 0);
        engine_free(engine);
    }
    assert_memory_equal(weights[0], weights[1], sizeof weights[0]);
    assert_memory_not_equal(weights[0], weights[2], sizeof weights[0]);
    assert_memory_not_equal(weights[0], weights[3], sizeof weights[0]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_looks),        cmocka_unit_test(test_submit),
                                       cmocka_unit_test(test_names),        cmocka_unit_test(test_statistics),
                                       cmocka_unit_test(test_weight_decay), cmocka_unit_test(test_labels_missing)};
    return cmocka_run_group_tests(tests, make_images, NULL);
}
