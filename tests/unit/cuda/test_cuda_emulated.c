/*
 * test_cuda_emulated.c: the backend's own ways, on an emulated device: steps that are recorded and replayed, failures,
 * precisions, the first layer's kernels against the library's way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_backend.h"
#include "emulated_control.h"
#include "engine.h"

static struct backend *open_as(enum precision precision) {
    struct backend_options options = {.precision = precision};
    struct backend *backend = NULL;
    char error[ENGINE_ERROR_SIZE] = "";
    emulated = (struct emulated_control){.devices = 1, .allocations_left = -1};
    if (backend_cuda.open(&options, &backend, error) < 0) fail_msg("%s", error);
    return backend;
}

static float *floats(struct backend *backend, int64_t count, float (*value)(int64_t i)) {
    float *host = malloc((size_t)count * sizeof *host);
    for (int64_t i = 0; i < count; i++) {
        host[i] = value(i);
    }
    float *memory = backend->ops->alloc(backend, (size_t)count * sizeof *memory);
    assert_non_null(memory);
    backend->ops->upload(backend, memory, host, (size_t)count * sizeof *host);
    free(host);
    return memory;
}

static float waves(int64_t i) {
    return sinf((float)i * 1.7f + 0.3f);
}

static float zeros(int64_t i) {
    (void)i;
    return 0;
}

/* A step with everything that changes from one to the next: dropout's mask, noise, Adam's corrections. */
#define COUNT 1001
struct scene {
    struct backend *backend;
    float *w, *g, *m, *v, *x;
};

static struct scene make_scene(void) {
    struct backend *backend = open_as(PRECISION_FLOAT32);
    return (struct scene){backend,
                          floats(backend, COUNT, waves),
                          floats(backend, COUNT, zeros),
                          floats(backend, COUNT, zeros),
                          floats(backend, COUNT, zeros),
                          floats(backend, COUNT, waves)};
}

static void free_scene(struct scene *scene) {
    float *const all[] = {scene->w, scene->g, scene->m, scene->v, scene->x};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        scene->backend->ops->free(scene->backend, all[i]);
    }
    scene->backend->ops->close(scene->backend);
    assert_int_equal(emulated.recordings, 0);
}

static void one_step(struct scene *scene, uint64_t shape, uint64_t step) {
    const struct backend_ops *ops = scene->backend->ops;
    const struct adam adam = {.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    const struct step_values values = {.lr = 0.01 * (double)step,
                                       .step = step,
                                       .dropout_key = 5 * step,
                                       .noise_key = 7 * step};
    if (ops->step_begin(scene->backend, shape, &values)) return;
    ops->noise(scene->backend, NOISE_UNIFORM, COUNT, 2, -0.5f, scene->x);
    ops->dropout(scene->backend, COUNT, 0.25, 3, scene->x, scene->g);
    ops->copy(scene->backend, scene->x, scene->g, COUNT * sizeof(float));
    ops->adam(scene->backend, COUNT, &adam, scene->w, scene->g, scene->m, scene->v);
    ops->step_end(scene->backend);
}

static void weights(struct scene *scene, float *host) {
    scene->backend->ops->download(scene->backend, host, scene->w, COUNT * sizeof(float));
    assert_int_equal(scene->backend->ops->status(scene->backend), 0);
}

static void test_replayed_steps_are_the_same(void **state) {
    (void)state;
    static float recorded[COUNT], eager[COUNT];
    struct scene scene = make_scene();
    for (uint64_t step = 1; step <= 6; step++) {
        one_step(&scene, 1, step);
    }
    assert_int_equal(emulated.replays, 4); /* steps 3 to 6 */
    assert_int_equal(emulated.recordings, 1);
    weights(&scene, recorded);
    free_scene(&scene);
    scene = make_scene();
    for (uint64_t step = 1; step <= 6; step++) {
        one_step(&scene, step, step); /* each of another shape: none is ever recorded */
    }
    assert_int_equal(emulated.replays, 0);
    weights(&scene, eager);
    free_scene(&scene);
    assert_memory_equal(recorded, eager, sizeof eager);
}

static void test_a_capture_that_fails_costs_nothing(void **state) {
    (void)state;
    static float got[COUNT], want[COUNT];
    struct scene scene = make_scene();
    for (uint64_t step = 1; step <= 4; step++) {
        one_step(&scene, step, step);
    }
    weights(&scene, want);
    free_scene(&scene);
    scene = make_scene();
    emulated.capture_fails = 1;
    for (uint64_t step = 1; step <= 4; step++) {
        one_step(&scene, 1, step);
    }
    assert_int_equal(emulated.replays, 0);
    weights(&scene, got); /* and status is good */
    free_scene(&scene);
    assert_memory_equal(got, want, sizeof got);
}

static void test_freed_memory_is_never_replayed(void **state) {
    (void)state;
    struct scene scene = make_scene();
    for (uint64_t step = 1; step <= 3; step++) {
        one_step(&scene, 1, step);
    }
    assert_int_equal(emulated.replays, 1);
    scene.backend->ops->free(scene.backend, scene.x);
    assert_int_equal(emulated.recordings, 0);
    scene.x = floats(scene.backend, COUNT, waves);
    for (uint64_t step = 4; step <= 5; step++) {
        one_step(&scene, 1, step);
    }
    assert_int_equal(emulated.replays, 1); /* run, then recorded again */
    one_step(&scene, 1, 6);
    assert_int_equal(emulated.replays, 2);
    assert_int_equal(scene.backend->ops->status(scene.backend), 0);
    free_scene(&scene);
}

/* What cannot be replayed keeps the step from being recorded, and is done. */
static void test_an_upload_inside_a_step(void **state) {
    (void)state;
    struct scene scene = make_scene();
    const struct step_values values = {.lr = 1, .step = 1};
    const struct backend_ops *ops = scene.backend->ops;
    for (int i = 0; i < 4; i++) {
        float value = (float)i, got = -1;
        assert_false(ops->step_begin(scene.backend, 9, &values));
        ops->upload(scene.backend, scene.w, &value, sizeof value);
        ops->step_end(scene.backend);
        ops->download(scene.backend, &got, scene.w, sizeof got);
        assert_true(got == value);
    }
    assert_int_equal(emulated.recordings, 0);
    free_scene(&scene);
}

static void test_no_device(void **state) {
    (void)state;
    struct backend_options options = {0};
    struct backend *backend = NULL;
    char error[ENGINE_ERROR_SIZE] = "";
    emulated = (struct emulated_control){.devices = 0, .allocations_left = -1};
    assert_int_equal(backend_cuda.open(&options, &backend, error), ENGINE_EBACKEND);
    assert_string_equal(error, "cuda: no CUDA device (driver 13.0): use --backend openblas");
    assert_null(backend);
}

/* Memory that ends anywhere on the way in: a line, nothing left behind (the address sanitizer counts). */
static void test_no_memory_to_open(void **state) {
    (void)state;
    struct backend_options options = {0};
    int opened = 0;
    for (int left = 0; left < 10 && opened == 0; left++) {
        struct backend *backend = NULL;
        char error[ENGINE_ERROR_SIZE] = "";
        emulated = (struct emulated_control){.devices = 1, .allocations_left = left};
        if (backend_cuda.open(&options, &backend, error) == 0) {
            backend->ops->close(backend);
            opened = left;
        } else {
            assert_non_null(strstr(error, "use --backend openblas"));
            assert_null(strchr(error, '\n'));
        }
    }
    assert_true(opened > 0);
}

static void test_out_of_memory_is_an_answer(void **state) {
    (void)state;
    struct scene scene = make_scene();
    emulated.allocations_left = 0;
    assert_null(scene.backend->ops->alloc(scene.backend, 100));
    emulated.allocations_left = -1;
    one_step(&scene, 1, 1);
    assert_int_equal(scene.backend->ops->status(scene.backend), 0);
    free_scene(&scene);
}

static void test_the_first_failure_stays(void **state) {
    (void)state;
    struct scene scene = make_scene();
    const struct backend_ops *ops = scene.backend->ops;
    float got[4] = {0, 0, 0, 0};
    emulated.launches_fail = 1;
    one_step(&scene, 1, 1);
    emulated.launches_fail = 0;
    int before = emulated.launches;
    one_step(&scene, 1, 2); /* does nothing */
    assert_int_equal(emulated.launches, before);
    assert_int_equal(ops->status(scene.backend), ENGINE_EBACKEND);
    ops->download(scene.backend, got, scene.w, sizeof got);
    assert_true(isnan(got[0]) && isnan(got[3]));
    ops->fetch(scene.backend, 0, scene.w, 2);
    assert_true(ops->fetched(scene.backend, 0, false, got, 2) && isnan(got[0]));
    assert_false(ops->is_finite(scene.backend, 1, scene.w));
    free_scene(&scene);
}

static void test_fetches_arrive_when_they_have(void **state) {
    (void)state;
    struct scene scene = make_scene();
    const struct backend_ops *ops = scene.backend->ops;
    float got[2];
    for (int slot = 0; slot < BACKEND_FETCH_SLOTS; slot++) {
        ops->fetch(scene.backend, slot, scene.w + slot, 2);
    }
    emulated.not_ready = 2;
    assert_false(ops->fetched(scene.backend, 3, false, got, 2));
    assert_false(ops->fetched(scene.backend, 3, false, got, 2));
    assert_true(ops->fetched(scene.backend, 3, false, got, 2));
    assert_true(got[0] == waves(3) && got[1] == waves(4));
    assert_true(ops->fetched(scene.backend, 15, true, got, 2));
    assert_true(got[0] == waves(15) && got[1] == waves(16));
    assert_int_equal(ops->status(scene.backend), 0);
    free_scene(&scene);
}

/* More than all pinned pieces together, at once. */
static void test_large_uploads(void **state) {
    (void)state;
    struct backend *backend = open_as(PRECISION_FLOAT32);
    size_t bytes = (33u << 18) + 13;
    unsigned char *host = malloc(bytes), *back = malloc(bytes);
    for (size_t i = 0; i < bytes; i++) {
        host[i] = (unsigned char)(i * 31 + i / 256);
    }
    void *memory = backend->ops->alloc(backend, bytes);
    backend->ops->upload(backend, memory, host, bytes);
    backend->ops->download(backend, back, memory, bytes);
    assert_memory_equal(host, back, bytes);
    free(host);
    free(back);
    backend->ops->free(backend, memory);
    backend->ops->close(backend);
}

/* ---- convolutions in each precision ---- */

struct shapes {
    struct conv conv;
    int64_t x, w, y;
};

static struct shapes shapes_of(struct conv conv) {
    return (struct shapes){conv, conv.n * conv.h * conv.w * conv.c, conv.k * conv.kh * conv.kw * conv.c,
                           conv.n * conv_out_h(&conv) * conv_out_w(&conv) * conv.k};
}

struct results {
    float *y, *dx, *dw, *dbias;
};

static float *take(struct backend *backend, float *memory, int64_t count) {
    float *host = malloc((size_t)count * sizeof *host);
    backend->ops->download(backend, host, memory, (size_t)count * sizeof *host);
    backend->ops->free(backend, memory);
    return host;
}

static struct results convolve(enum precision precision, const struct shapes *s) {
    struct backend *backend = open_as(precision);
    const struct backend_ops *ops = backend->ops;
    float *x = floats(backend, s->x, waves), *w = floats(backend, s->w, waves);
    float *bias = floats(backend, s->conv.k, waves), *dy = floats(backend, s->y, waves);
    float *y = floats(backend, s->y, zeros), *dx = floats(backend, s->x, zeros), *dw = floats(backend, s->w, zeros);
    float *dbias = floats(backend, s->conv.k, zeros);
    uint8_t *winner = ops->alloc(backend, (size_t)s->y);
    ops->conv_forward(backend, &s->conv, x, w, bias, y, winner);
    ops->conv_backward_data(backend, &s->conv, y, winner, dy, w, dx);
    ops->conv_backward_weights(backend, &s->conv, x, y, winner, dy, dw, dbias);
    assert_int_equal(ops->status(backend), 0);
    struct results results = {take(backend, y, s->y), take(backend, dx, s->x), take(backend, dw, s->w),
                              take(backend, dbias, s->conv.k)};
    ops->free(backend, winner);
    float *const rest[] = {x, w, bias, dy};
    for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++) {
        ops->free(backend, rest[i]);
    }
    ops->close(backend);
    return results;
}

static double distance(const float *a, const float *b, int64_t count) {
    double difference = 0, size = 0;
    for (int64_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / (size > 0 ? size : 1));
}

static void free_results(struct results *results) {
    free(results->y);
    free(results->dx);
    free(results->dw);
    free(results->dbias);
}

/* No pool: bfloat16's rounding then chooses no other winners, and what differs is rounding alone. */
static void test_bfloat16_is_near_and_rounded(void **state) {
    (void)state;
    struct shapes s = shapes_of(
        (struct conv){.n = 3, .h = 9, .w = 7, .c = 5, .k = 6, .kh = 3, .kw = 3, .stride = 1, .pad = 1, .pool = 1});
    struct results exact = convolve(PRECISION_FLOAT32, &s), half = convolve(PRECISION_BF16, &s);
    const double distances[] = {distance(half.y, exact.y, s.y), distance(half.dx, exact.dx, s.x),
                                distance(half.dw, exact.dw, s.w)};
    for (size_t i = 0; i < sizeof distances / sizeof distances[0]; i++) {
        assert_true(distances[i] > 1e-4 && distances[i] < 0.02);
    }
    assert_true(distance(half.dbias, exact.dbias, s.conv.k) < 1e-6); /* sums are float32 */
    free_results(&exact);
    free_results(&half);
}

static void test_bfloat16_products(void **state) {
    (void)state;
    struct backend *backend = open_as(PRECISION_BF16);
    const struct gemm gemm = {
        .transpose_b = true, .m = 5, .n = 7, .k = 11, .lda = 13, .ldb = 12, .ldc = 9, .beta = 0.5f};
    float *a = floats(backend, 4 * 13 + 11, waves), *b = floats(backend, 6 * 12 + 11, waves); /* to the last element */
    float *c = floats(backend, 5 * 9, waves);
    backend->ops->gemm(backend, &gemm, a, b, c);
    float *got = take(backend, c, 5 * 9);
    double largest = 0;
    for (int64_t i = 0; i < 5 * 9; i++) {
        double want = (double)waves(i);
        if (i % 9 < 7) {
            want *= 0.5;
            for (int64_t k = 0; k < 11; k++) {
                want += (double)waves(i / 9 * 13 + k) * (double)waves(i % 9 * 12 + k);
            }
        }
        double off = fabs((double)got[i] - want);
        assert_true(i % 9 < 7 ? off < 0.05 : off == 0);
        largest = off > largest ? off : largest;
    }
    assert_true(largest > 1e-5); /* it was rounded */
    free(got);
    backend->ops->free(backend, a);
    backend->ops->free(backend, b);
    backend->ops->close(backend);
}

/* The first layer's own kernels and the library's way are the same function: one more channel, all zero, takes the
 * second. */
static void compare_first_layers(int64_t size, int64_t pad, int64_t k, enum activation_kind kind) {
    struct conv conv = {.n = 3,
                        .h = 11,
                        .w = 15,
                        .c = 1,
                        .k = k,
                        .kh = size,
                        .kw = size,
                        .stride = 1,
                        .pad = pad,
                        .activation = {kind, kind == ACTIVATION_LEAKY_RELU ? 0.1f : 0},
                        .pool = 2};
    struct shapes s = shapes_of(conv);
    struct results own = convolve(PRECISION_FLOAT32, &s);
    conv.pool = 1; /* by hand: the library, then the pool */
    struct shapes whole = shapes_of(conv);
    conv.activation.kind = ACTIVATION_NONE;
    whole.conv = conv;
    struct results raw = convolve(PRECISION_FLOAT32, &whole);
    int64_t rows = conv_rows(&conv), columns = conv_columns(&conv), out_h = rows / 2, out_w = columns / 2;
    for (int64_t i = 0; i < s.y; i++) {
        int64_t f = i % k, cell = i / k % (out_h * out_w), image = i / k / (out_h * out_w);
        float best = -INFINITY;
        for (int64_t place = 0; place < 4; place++) {
            int64_t row = cell / out_w * 2 + place / 2, column = cell % out_w * 2 + place % 2;
            best = fmaxf(best, raw.y[((image * rows + row) * columns + column) * k + f]);
        }
        if (best < 0 && kind != ACTIVATION_NONE) best *= kind == ACTIVATION_LEAKY_RELU ? 0.1f : 0.0f;
        assert_true(fabsf(own.y[i] - best) < 1e-5f);
    }
    free_results(&own);
    free_results(&raw);
}

static void test_first_layers(void **state) {
    (void)state;
    compare_first_layers(3, 0, 5, ACTIVATION_RELU);
    compare_first_layers(5, 2, 37, ACTIVATION_LEAKY_RELU);
    compare_first_layers(5, 0, 32, ACTIVATION_NONE);
}

/* ---- whole models: run, recorded, replayed, against openblas ---- */

#define TRAINED 4
#define STEPS 5

static void train(const char *model, const char *backend, double metrics[STEPS][ENGINE_METRICS_MAX]) {
    static uint8_t pixels[TRAINED * 28 * 28], labels[TRAINED] = {3, 1, 4, 1};
    char error[ENGINE_ERROR_SIZE] = "";
    struct engine_options options = {.model = model_find(model), .backend = backend, .seed = 3, .weight_decay = -1};
    struct engine *engine = NULL;
    emulated = (struct emulated_control){.devices = 1, .allocations_left = -1};
    if (engine_create(&options, &engine, error) < 0) fail_msg("%s on %s: %s", model, backend, error);
    for (int step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < sizeof pixels; i++) {
            pixels[i] = (uint8_t)(128 + 127 * waves((int64_t)i / 3 + 1000 * step));
        }
        struct batch batch = {.pixels = pixels, .labels = labels, .count = TRAINED};
        const struct step_options step_options = {.lr = 0.001 * (1 + step), .dropout = 0.25};
        assert_int_equal(engine_train(engine, &batch, &step_options, metrics[step]), ENGINE_OK);
    }
    if (strcmp(backend, "cuda") == 0) assert_int_equal(emulated.replays, STEPS - 2);
    engine_free(engine);
}

static void test_whole_models(void **state) {
    (void)state;
    static const char *const names[] = {"softmax", "mlp", "lenet", "cnn3", "autoencoder", "conv-autoencoder", "vae"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        double ours[STEPS][ENGINE_METRICS_MAX], theirs[STEPS][ENGINE_METRICS_MAX];
        train(names[i], "cuda", ours);
        train(names[i], "openblas", theirs);
        for (int step = 0; step < STEPS; step++) {
            double off = fabs(ours[step][0] - theirs[step][0]);
            if (!(off <= 1e-3 * fabs(theirs[step][0])))
                fail_msg("%s, step %d: %.9g, openblas %.9g", names[i], step, ours[step][0], theirs[step][0]);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replayed_steps_are_the_same),
        cmocka_unit_test(test_a_capture_that_fails_costs_nothing),
        cmocka_unit_test(test_freed_memory_is_never_replayed),
        cmocka_unit_test(test_an_upload_inside_a_step),
        cmocka_unit_test(test_no_device),
        cmocka_unit_test(test_no_memory_to_open),
        cmocka_unit_test(test_out_of_memory_is_an_answer),
        cmocka_unit_test(test_the_first_failure_stays),
        cmocka_unit_test(test_fetches_arrive_when_they_have),
        cmocka_unit_test(test_large_uploads),
        cmocka_unit_test(test_bfloat16_is_near_and_rounded),
        cmocka_unit_test(test_bfloat16_products),
        cmocka_unit_test(test_first_layers),
        cmocka_unit_test(test_whole_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
