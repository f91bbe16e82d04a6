/*
 * test_golden.c: every curve in curves/ is reproduced within its model's tolerance, on every backend that
 * opens and every kernel set of this CPU.
 *
 * usage: test_golden [FOLDER]; without it TRAINBOT_SOURCE/tests/golden/curves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "fashion.h"

#define STEPS 30

struct curve {
    char file[256];
    const struct model_info *model;
    unsigned long seed;
    int64_t batch;
    int steps;
    int compared; /* steps, from 0, that are compared; behind them a metric need only be finite */
    double metrics[STEPS][ENGINE_METRICS_MAX];
};

/* Steps 0-9, 10-29. NAN: adversaries have diverged by then, in float32 as against float64; only finite is asked. */
static const struct {
    const char *model;
    double early, late;
} tolerances[] = {
    {"softmax", 1e-4, 1e-4}, {"mlp", 1e-4, 1e-4},  {"lenet", 1e-4, 1e-2},
    {"cnn", 1e-3, 2e-2},     {"cnn3", 1e-4, 1e-2}, {"autoencoder", 1e-4, 1e-4},
    {"gan", 1e-4, 1e-4},     {"vae", 1e-4, 1e-4},  {"conv-autoencoder", 1e-4, 1e-4},
    {"lsgan", 1e-3, NAN},    {"dcgan", 1e-2, NAN},
};

/* Sanitizers make convolutions some ten times slower: the first steps say what there is to say about memory. */
#if defined(__SANITIZE_ADDRESS__)
static const int steps_most = 6;
#else
static const int steps_most = STEPS;
#endif

static struct fashion data;

static double tolerance(const char *model, int step) {
    for (size_t i = 0; i < sizeof tolerances / sizeof tolerances[0]; i++) {
        if (strcmp(tolerances[i].model, model) == 0) return step < 10 ? tolerances[i].early : tolerances[i].late;
    }
    fail_msg("no tolerance for %s", model);
    return 0;
}

/* "7 loss=1.5 acc=0.25" with the names of the model's metrics. */
static void read_line(const struct model_info *model, char *line, int step, double *ret_metrics) {
    char *at = line;
    assert_int_equal(strtol(at, &at, 10), step);
    for (int i = 0; i < model->metrics_count; i++) {
        size_t length = strlen(model->metrics[i]);
        assert_int_equal(*at++, ' ');
        assert_memory_equal(at, model->metrics[i], length);
        assert_int_equal(at[length], '=');
        ret_metrics[i] = strtod(at + length + 1, &at);
    }
    assert_int_equal(*at, '\n');
}

static void read_curve(const char *folder, const char *name, struct curve *ret_curve) {
    char path[1024], line[256], model[32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct curve curve = {0};
    snprintf(curve.file, sizeof curve.file, "%s", name);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(sscanf(line, "# model=%31s seed=%lu batch=%ld", model, &curve.seed, &curve.batch), 3);
    curve.model = model_find(model);
    assert_non_null(curve.model);
    const char *compared = strstr(line, " compare=");
    curve.compared = compared != NULL ? atoi(compared + strlen(" compare=")) : STEPS;
    assert_true(curve.compared >= 10);
    for (; curve.steps < STEPS && fgets(line, sizeof line, file) != NULL; curve.steps++) {
        read_line(curve.model, line, curve.steps, curve.metrics[curve.steps]);
    }
    fclose(file);
    assert_int_equal(curve.steps, STEPS);
    *ret_curve = curve;
}

/* Gives the error as a share of what is allowed. */
static double compare_metric(const struct curve *curve, int step, int metric, double got) {
    const char *name = curve->model->metrics[metric];
    double want = curve->metrics[step][metric], allowed = tolerance(curve->model->name, step);
    if (strcmp(name, "acc") == 0) { /* a sample between two classes may fall either way */
        if (!(fabs(got - want) * (double)curve->batch <= (step < 10 ? 1.01 : 3.01)))
            fail_msg("%s step %d: accuracy %.7g, PyTorch %.7g", curve->file, step, got, want);
        return 0;
    }
    if (isnan(allowed) || step >= curve->compared) {
        assert_true(isfinite(got));
        return 0;
    }
    double relative = fabs(got / want - 1);
    if (!(relative <= allowed))
        fail_msg("%s step %d: %s %.7g, PyTorch %.7g: relative error %.2g, allowed %.2g", curve->file, step, name, got,
                 want, relative, allowed);
    return relative / allowed;
}

static struct engine *create(const struct model_info *model, const char *backend, const char *cpu, uint64_t seed) {
    char error[ENGINE_ERROR_SIZE];
    struct engine_options options = {.model = model,
                                     .backend = backend,
                                     .seed = seed,
                                     .hash_init = true,
                                     .optimiser = model->optimiser,
                                     .weight_decay = -1,
                                     .cpu = cpu};
    struct engine *engine = NULL;
    return engine_create(&options, &engine, error) == 0 ? engine : NULL;
}

static void compare(const struct curve *curve, const char *backend, const char *cpu) {
    struct engine *engine = create(curve->model, backend, cpu, curve->seed);
    assert_non_null(engine);
    double worst = 0;
    for (int step = 0; step < curve->steps && step < steps_most; step++) {
        int64_t at = step * curve->batch;
        struct batch batch = {data.pixels + at * 784, data.labels + at, curve->batch};
        struct step_options now = {.lr = curve->model->lr};
        double metrics[ENGINE_METRICS_MAX];
        assert_int_equal(engine_train(engine, &batch, &now, metrics), 0);
        for (int i = 0; i < curve->model->metrics_count; i++) {
            worst = fmax(worst, compare_metric(curve, step, i, metrics[i]));
        }
    }
    print_message("%-28s %-32s worst error %5.1f %% of what is allowed\n", curve->file, engine_numerics(engine),
                  100 * worst);
    engine_free(engine);
}

static int compare_all(const char *folder, const char *backend, const char *cpu) {
    int compared = 0;
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    const struct dirent *entry;
    while ((entry = readdir(listing)) != NULL) {
        if (strstr(entry->d_name, ".txt") == NULL) continue;
        struct curve curve;
        read_curve(folder, entry->d_name, &curve);
        compare(&curve, backend, cpu);
        compared++;
    }
    closedir(listing);
    return compared;
}

/* Backend `name` with each kernel set that this CPU has, and as it is where it knows no sets; equal ones once. */
static int compare_backend(const char *folder, const char *name) {
    static const char *const cpus[] = {"avx512", "avx2", "baseline", NULL};
    enum { SETS = sizeof cpus / sizeof cpus[0] };
    char seen[SETS][128] = {0};
    int compared = 0;
    for (int c = 0; c < SETS; c++) {
        struct engine *engine = create(model_find("softmax"), name, cpus[c], 1);
        if (engine == NULL) continue;
        snprintf(seen[c], sizeof seen[c], "%s", engine_numerics(engine));
        engine_free(engine);
        bool fresh = true;
        for (int i = 0; i < c; i++) {
            fresh &= strcmp(seen[i], seen[c]) != 0;
        }
        if (fresh) compared += compare_all(folder, name, cpus[c]);
    }
    return compared;
}

static void curves_are_reproduced(void **state) {
    char names[256], *rest = NULL;
    snprintf(names, sizeof names, "%s", engine_backends());
    int compared = 0;
    for (char *name = strtok_r(names, ", ", &rest); name != NULL; name = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(name, "auto") != 0) compared += compare_backend(*state, name);
    }
    assert_true(compared >= 33);
}

int main(int argc, char **argv) {
    char folder[1024];
    const char *source = getenv("TRAINBOT_SOURCE");
    snprintf(folder, sizeof folder, "%s/tests/golden/curves", source != NULL ? source : ".");
    if (fashion_load("train", 60000, &data) < 0) {
        fprintf(stderr, "Fashion-MNIST cannot be read (Debian: dataset-fashion-mnist)\n");
        return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(curves_are_reproduced, argc > 1 ? argv[1] : folder),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fashion_release(&data);
    return failed;
}
