/*
 * test_engine.c: the engine as the training program sees it: errors, exact continuation, evaluation, memory.
 *
 * Calls of the allocator are counted through the linker (--wrap), OpenBLAS's own excepted: its buffers are its
 * business.
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

#define IMAGE (28 * 28)

static int allocations;
static int refused = -1; /* this one, counted from 0, gets no memory */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static bool granted(void) {
    return allocations++ != refused;
}

void *__wrap_malloc(size_t size) {
    return granted() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size) {
    return granted() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size) {
    return granted() ? __real_realloc(memory, size) : NULL;
}

void *__wrap_aligned_alloc(size_t align, size_t size) {
    return granted() ? __real_aligned_alloc(align, size) : NULL;
}

static struct engine *create(const char *model, uint64_t seed, enum optimiser_kind optimiser) {
    char error[ENGINE_ERROR_SIZE] = "";
    struct engine_options options = {.model = model_find(model),
                                     .backend = "openblas",
                                     .seed = seed,
                                     .optimiser = optimiser,
                                     .momentum = 0.5,
                                     .weight_decay = -1,
                                     .threads = 2};
    struct engine *engine = NULL;
    if (engine_create(&options, &engine, error) < 0) fail_msg("%s", error);
    return engine;
}

struct images {
    uint8_t *pixels, *labels;
};

/* Blurred stripes whose place is the label: learnable, unlike noise. */
static struct images make_images(int64_t count, uint32_t seed) {
    struct images images = {malloc((size_t)(count * IMAGE)), malloc((size_t)count)};
    assert_non_null(images.pixels);
    assert_non_null(images.labels);
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint8_t label = (uint8_t)((seed >> 24) % 10);
        images.labels[i] = label;
        for (int p = 0; p < IMAGE; p++) {
            seed = seed * 1664525u + 1013904223u;
            int near = p / 28 / 2 - 2 - label;
            images.pixels[i * IMAGE + p] = (uint8_t)((seed >> 25) + (near * near < 2 ? 120 : 0));
        }
    }
    return images;
}

static void free_images(struct images *images) {
    free(images->pixels);
    free(images->labels);
}

static double train(struct engine *engine, const struct images *images, int64_t at, int64_t count, double dropout) {
    struct batch batch = {images->pixels + at * IMAGE, images->labels + at, count};
    struct step_options options = {.lr = 0.002, .dropout = dropout};
    double metrics[ENGINE_METRICS_MAX];
    assert_int_equal(engine_train(engine, &batch, &options, metrics), 0);
    assert_true(isfinite(metrics[0]));
    return metrics[0];
}

static void test_bad_options(void **state) {
    (void)state;
    const struct model_info copy = *model_find("cnn"); /* not a row of the table */
    const struct engine_options good = {.model = model_find("softmax"), .backend = "auto"};
    struct engine_options bad[8];
    int want[8];
    for (int i = 0; i < 8; i++) {
        bad[i] = good;
    }
    bad[0].model = NULL, want[0] = ENGINE_EMODEL;
    bad[1].model = &copy, want[1] = ENGINE_EMODEL;
    bad[2].backend = "abacus", want[2] = ENGINE_EBACKEND;
    bad[3].backend = NULL, want[3] = ENGINE_EBACKEND;
    bad[4].threads = -1, want[4] = ENGINE_EBACKEND;
    bad[5].cpu = "pentium", want[5] = ENGINE_EBACKEND;
    bad[6].momentum = NAN, want[6] = ENGINE_EMODEL;
    bad[7].optimiser = (enum optimiser_kind)7, want[7] = ENGINE_EMODEL;
    for (int i = 0; i < 8; i++) {
        struct engine *engine = (struct engine *)&copy; /* must stay untouched */
        char error[ENGINE_ERROR_SIZE] = "";
        assert_int_equal(engine_create(&bad[i], &engine, error), want[i]);
        assert_ptr_equal(engine, &copy);
        assert_true(strlen(error) > 5 && strchr(error, '\n') == NULL);
    }
    engine_free(NULL);
}

static void test_models_table(void **state) {
    (void)state;
    size_t count;
    const struct model_info *table = models(&count);
    assert_true(count >= 11);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(model_find(table[i].name), &table[i]);
        assert_true(table[i].metrics_count >= 1 && table[i].metrics_count <= ENGINE_METRICS_MAX);
        for (int m = 0; m < table[i].metrics_count; m++) {
            assert_non_null(table[i].metrics[m]);
        }
        assert_true(table[i].lr > 0 && table[i].batch > 0 && table[i].samples > 0 && strlen(table[i].help) > 0);
    }
    assert_null(model_find("nosuch"));
    assert_non_null(strstr(engine_backends(), "openblas"));
}

/* ---- a copy made through tensors and words goes on exactly ---- */

static void copy_state(struct engine *from, struct engine *to) {
    assert_int_equal(engine_tensors_count(from), engine_tensors_count(to));
    for (size_t i = 0; i < engine_tensors_count(from); i++) {
        const struct engine_tensor *tensor = engine_tensor(from, i);
        assert_string_equal(tensor->name, engine_tensor(to, i)->name);
        float *values = malloc(tensor->count * sizeof *values);
        assert_int_equal(engine_tensor_read(from, i, values), 0);
        assert_int_equal(engine_tensor_write(to, i, values), 0);
        free(values);
    }
    uint64_t words[ENGINE_WORDS];
    engine_words_read(from, words);
    engine_words_write(to, words);
}

static void assert_same_state(struct engine *a, struct engine *b) {
    for (size_t i = 0; i < engine_tensors_count(a); i++) {
        size_t bytes = engine_tensor(a, i)->count * sizeof(float);
        float *x = malloc(bytes), *y = malloc(bytes);
        assert_int_equal(engine_tensor_read(a, i, x), 0);
        assert_int_equal(engine_tensor_read(b, i, y), 0);
        assert_memory_equal(x, y, bytes);
        free(x);
        free(y);
    }
    uint64_t words[2][ENGINE_WORDS];
    engine_words_read(a, words[0]);
    engine_words_read(b, words[1]);
    assert_memory_equal(words[0], words[1], sizeof words[0]);
}

static void check_continuation(const char *model, enum optimiser_kind optimiser) {
    struct images images = make_images(256, 3);
    struct engine *first = create(model, 11, optimiser);
    for (int i = 0; i < 5; i++) {
        train(first, &images, i * 13, 13, 0.25);
    }
    struct engine *second = create(model, 77, optimiser); /* another start altogether */
    copy_state(first, second);
    for (int i = 0; i < 5; i++) {
        double a = train(first, &images, i * 17, 11 + 8 * i, 0.25),
               b = train(second, &images, i * 17, 11 + 8 * i, 0.25);
        assert_memory_equal(&a, &b, sizeof a);
    }
    assert_same_state(first, second);
    assert_string_equal(engine_numerics(first), engine_numerics(second));
    engine_free(first);
    engine_free(second);
    free_images(&images);
}

static void test_continuation(void **state) {
    (void)state;
    size_t count;
    const struct model_info *table = models(&count);
    for (size_t i = 0; i < count; i++) {
        check_continuation(table[i].name, OPTIMISER_ADAM);
    }
    check_continuation("mlp", OPTIMISER_SGD);
    check_continuation("lenet", OPTIMISER_SGD);
}

static void test_tensors(void **state) {
    (void)state;
    struct engine *engine = create("cnn", 1, OPTIMISER_ADAM);
    static const char *const names[] = {"conv1.weight", "conv1.weight.adam_m", "conv1.weight.adam_v", "conv1.bias"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(engine_tensor(engine, i)->name, names[i]);
    }
    assert_int_equal(engine_tensors_count(engine), 8 * 3);
    const struct engine_tensor *conv2 = engine_tensor(engine, 6);
    assert_string_equal(conv2->name, "conv2.weight");
    assert_int_equal(conv2->dims_count, 4);
    assert_int_equal(conv2->dims[0], 64);
    assert_int_equal(conv2->dims[1], 32);
    assert_int_equal(conv2->dims[2] * conv2->dims[3], 25);
    assert_null(engine_tensor(engine, 24));
    float value = 0;
    assert_int_equal(engine_tensor_read(engine, 24, &value), ENGINE_ESTATE);
    assert_int_equal(engine_tensor_write(engine, 24, &value), ENGINE_ESTATE);
    engine_free(engine);
}

/* What is written must come back through the layouts, and the layouts must be the golden ones: a filter that only sees
 * the pixel above-left moves the picture. That the golden curves agree says the rest. */
static void test_write_read(void **state) {
    (void)state;
    struct engine *engine = create("lenet", 1, OPTIMISER_SGD);
    for (size_t i = 0; i < engine_tensors_count(engine); i++) {
        size_t count = engine_tensor(engine, i)->count;
        float *values = malloc(count * sizeof *values), *back = malloc(count * sizeof *back);
        for (size_t j = 0; j < count; j++) {
            values[j] = (float)j;
        }
        assert_int_equal(engine_tensor_write(engine, i, values), 0);
        assert_int_equal(engine_tensor_read(engine, i, back), 0);
        assert_memory_equal(values, back, count * sizeof *values);
        free(values);
        free(back);
    }
    engine_free(engine);
}

static void test_finite(void **state) {
    (void)state;
    struct engine *engine = create("softmax", 1, OPTIMISER_ADAM);
    assert_true(engine_is_finite(engine));
    float bias[10] = {0};
    for (size_t i = 0; i < engine_tensors_count(engine); i++) {
        if (strcmp(engine_tensor(engine, i)->name, "out.bias") != 0) continue;
        bias[9] = INFINITY;
        assert_int_equal(engine_tensor_write(engine, i, bias), 0);
        assert_false(engine_is_finite(engine));
        bias[9] = 0;
        assert_int_equal(engine_tensor_write(engine, i, bias), 0);
    }
    assert_true(engine_is_finite(engine));
    /* An absurd rate ends in NaN, as a value and not as an error. */
    struct images images = make_images(64, 5);
    struct batch batch = {images.pixels, images.labels, 64};
    struct step_options options = {.lr = 1e38};
    double metrics[ENGINE_METRICS_MAX];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(engine_train(engine, &batch, &options, metrics), 0);
    }
    assert_true(isnan(metrics[0]));
    assert_false(engine_is_finite(engine));
    engine_free(engine);
    free_images(&images);
}

static void test_bad_steps(void **state) {
    (void)state;
    struct engine *engine = create("mlp", 1, OPTIMISER_ADAM);
    struct images images = make_images(4, 5);
    double metrics[ENGINE_METRICS_MAX] = {42, 42, 42, 42};
    const struct step_options good = {.lr = 0.1}, rates[] = {{NAN, 0}, {0.1, 1}, {0.1, -0.1}, {0.1, NAN}};
    struct batch batch = {images.pixels, images.labels, 4}, empty = {images.pixels, images.labels, 0};
    struct batch huge = {images.pixels, images.labels, INT64_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        assert_int_equal(engine_train(engine, &batch, &rates[i], metrics), ENGINE_ESTATE);
    }
    assert_int_equal(engine_train(engine, &empty, &good, metrics), ENGINE_ESHAPE);
    assert_int_equal(engine_train(engine, &huge, &good, metrics), ENGINE_ESHAPE);
    assert_int_equal(engine_evaluate(engine, &empty, metrics, NULL), ENGINE_ESHAPE);
    assert_true(metrics[0] == 42);
    uint64_t words[ENGINE_WORDS];
    engine_words_read(engine, words);
    assert_int_equal(words[0], 0); /* none of them counted as a step */
    engine_free(engine);
    free_images(&images);
}

/* ---- evaluation ---- */

static void test_evaluation(void **state) {
    (void)state;
    const int64_t count = 601; /* cut into three parts */
    struct images images = make_images(count, 9);
    struct engine *engine = create("cnn", 4, OPTIMISER_ADAM);
    train(engine, &images, 0, 20, 0.5);
    float *all = malloc((size_t)count * 10 * sizeof *all), one[10];
    double metrics[ENGINE_METRICS_MAX], again[ENGINE_METRICS_MAX], loss = 0, right = 0;
    struct batch batch = {images.pixels, images.labels, count};
    assert_int_equal(engine_evaluate(engine, &batch, metrics, all), 0);
    assert_int_equal(engine_evaluate(engine, &batch, again, NULL), 0);
    assert_memory_equal(metrics, again, 2 * sizeof metrics[0]); /* dropout is off, nothing has changed */
    for (int64_t i = 0; i < count; i++) {
        double sum = 0;
        int best = 0;
        for (int c = 0; c < 10; c++) {
            sum += (double)all[i * 10 + c];
            if (all[i * 10 + c] > all[i * 10 + best]) best = c;
        }
        assert_true(fabs(sum - 1) < 1e-5);
        loss -= log((double)all[i * 10 + images.labels[i]]);
        right += best == images.labels[i];
    }
    assert_true(fabs(metrics[0] - loss / (double)count) < 1e-4);
    assert_true(fabs(metrics[1] - right / (double)count) < 1e-9);
    struct batch last = {images.pixels + (count - 1) * IMAGE, images.labels + count - 1, 1};
    assert_int_equal(engine_evaluate(engine, &last, again, one), 0);
    for (int c = 0; c < 10; c++) {
        assert_true(fabsf(one[c] - all[(count - 1) * 10 + c]) < 1e-5f);
    }
    free(all);
    engine_free(engine);
    free_images(&images);
}

static void test_learns(void **state) {
    (void)state;
    struct images images = make_images(640, 21);
    struct engine *engine = create("lenet", 4, OPTIMISER_ADAM);
    double first = train(engine, &images, 0, 64, 0), last = first;
    for (int i = 0; i < 60; i++) {
        last = train(engine, &images, i % 10 * 64, 64, 0);
    }
    if (!(last < 0.5 * first)) fail_msg("the loss fell from %g to %g only", first, last);
    engine_free(engine);
    free_images(&images);
}

/* Seeds make starts; dropout changes the loss; the same seed gives the same run. */
static void test_seeds(void **state) {
    (void)state;
    struct images images = make_images(64, 2);
    struct engine *a = create("cnn", 1, OPTIMISER_ADAM), *b = create("cnn", 1, OPTIMISER_ADAM);
    struct engine *c = create("cnn", (uint64_t)1 << 40 | 1, OPTIMISER_ADAM), *d = create("cnn", 1, OPTIMISER_ADAM);
    double of_a = train(a, &images, 0, 64, 0.5), of_b = train(b, &images, 0, 64, 0.5);
    double of_c = train(c, &images, 0, 64, 0.5), of_d = train(d, &images, 0, 64, 0);
    assert_true(of_a == of_b);
    assert_true(of_a != of_c);
    assert_true(of_a != of_d);
    assert_same_state(a, b);
    engine_free(a);
    engine_free(b);
    engine_free(c);
    engine_free(d);
    free_images(&images);
}

static void check_allocations(const char *model) {
    struct images images = make_images(40, 2);
    struct engine *engine = create(model, 1, OPTIMISER_ADAM);
    struct batch batch = {images.pixels, images.labels, 40};
    double metrics[ENGINE_METRICS_MAX];
    train(engine, &images, 0, 24, 0.25);
    assert_int_equal(engine_evaluate(engine, &batch, metrics, NULL), 0);
    train(engine, &images, 0, 24, 0.25);
    allocations = 0;
    for (int i = 0; i < 3; i++) {
        train(engine, &images, 0, 24 - i, 0.25);
        assert_int_equal(engine_evaluate(engine, &batch, metrics, NULL), 0);
    }
    if (allocations != 0) fail_msg("%s: %d allocations in a step", model, allocations);
    engine_free(engine);
    free_images(&images);
}

static void test_no_allocation(void **state) {
    (void)state;
    size_t count;
    const struct model_info *table = models(&count);
    for (size_t i = 0; i < count; i++) {
        check_allocations(table[i].name);
    }
}

/* ---- each allocation refused in turn ---- */

static int create_refusing(const struct engine_options *options, int which, struct engine **ret_engine) {
    char error[ENGINE_ERROR_SIZE] = "";
    allocations = 0;
    refused = which;
    int result = engine_create(options, ret_engine, error);
    refused = -1;
    assert_true(result == 0 || (strlen(error) > 5 && strchr(error, '\n') == NULL));
    return result;
}

/* No engine, told so; none of the memory that was had is lost (the address sanitizer sees). */
static void check_create_refused(const struct engine_options *options) {
    int result = ENGINE_ENOMEM;
    for (int which = 0; result < 0; which++) {
        struct engine *engine = NULL;
        result = create_refusing(options, which, &engine);
        if (result == 0 && allocations > which) fail_msg("allocation %d of an engine is not missed", which);
        if (result < 0) assert_int_equal(result, ENGINE_ENOMEM);
        assert_true((result == 0) == (engine != NULL));
        engine_free(engine);
    }
}

/* The step says so; a later one either says so too, or is the very step that a fresh engine takes. */
static void check_step_refused(const struct engine_options *options, const struct batch *batch) {
    const struct step_options step = {.lr = 0.001, .dropout = 0.25};
    double want[ENGINE_METRICS_MAX], got[ENGINE_METRICS_MAX];
    bool missed = true;
    for (int which = -1; missed; which++) {
        struct engine *engine = NULL;
        assert_int_equal(create_refusing(options, -1, &engine), 0);
        got[0] = 42;
        allocations = 0;
        refused = which;
        int result = engine_train(engine, batch, &step, which < 0 ? want : got);
        missed = which < 0 || allocations > which;
        refused = -1;
        if (which >= 0 && missed) {
            if (result != ENGINE_ENOMEM) fail_msg("%s: allocation %d: %d", options->model->name, which, result);
            assert_true(got[0] == 42);
            result = engine_train(engine, batch, &step, got);
            assert_true(result == ENGINE_ENOMEM || (result == 0 && got[0] == want[0]));
        }
        engine_free(engine);
    }
}

static void test_no_memory(void **state) {
    (void)state;
    static const char *const names[] = {"lenet", "vae", "conv-autoencoder"}, *const backends[] = {"openblas", "onednn"};
    struct images images = make_images(3, 2);
    const struct batch batch = {images.pixels, images.labels, 3};
    for (size_t i = 0; i < 6; i++) {
        const struct engine_options options = {
            .model = model_find(names[i % 3]), .backend = backends[i / 3], .seed = 1, .weight_decay = -1, .threads = 2};
        struct engine *engine = NULL;
        char error[ENGINE_ERROR_SIZE];
        if (engine_create(&options, &engine, error) < 0) continue; /* not in this build, or its library is not here */
        engine_free(engine);
        check_create_refused(&options);
        check_step_refused(&options, &batch);
    }
    free_images(&images);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_options), cmocka_unit_test(test_models_table),  cmocka_unit_test(test_continuation),
        cmocka_unit_test(test_tensors),     cmocka_unit_test(test_write_read),    cmocka_unit_test(test_finite),
        cmocka_unit_test(test_bad_steps),   cmocka_unit_test(test_evaluation),    cmocka_unit_test(test_learns),
        cmocka_unit_test(test_seeds),       cmocka_unit_test(test_no_allocation), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
