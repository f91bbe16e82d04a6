/*
 * test_golden.c: every curve in curves/ is reproduced within its model's tolerance, on every kernel set of this CPU.
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
    char file[256], model[32];
    unsigned long seed;
    int64_t batch;
    int steps;
    double loss[STEPS], acc[STEPS];
};

static const struct {
    const char *model;
    double early, late; /* steps 0-9, 10-29 */
} tolerances[] = {{"softmax", 1e-4, 1e-4}, {"mlp", 1e-4, 1e-4}, {"lenet", 1e-4, 1e-2}, {"cnn", 1e-3, 2e-2}};

static struct fashion data;

static double tolerance(const char *model, int step) {
    for (size_t i = 0; i < sizeof tolerances / sizeof tolerances[0]; i++) {
        if (strcmp(tolerances[i].model, model) == 0) return step < 10 ? tolerances[i].early : tolerances[i].late;
    }
    fail_msg("no tolerance for %s", model);
    return 0;
}

static void read_curve(const char *folder, const char *name, struct curve *ret_curve) {
    char path[1024], line[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    struct curve curve = {0};
    snprintf(curve.file, sizeof curve.file, "%s", name);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(sscanf(line, "# model=%31s seed=%lu batch=%ld", curve.model, &curve.seed, &curve.batch), 3);
    while (fgets(line, sizeof line, file) != NULL && curve.steps < STEPS) {
        int step;
        int found = sscanf(line, "%d loss=%lf acc=%lf", &step, &curve.loss[curve.steps], &curve.acc[curve.steps]);
        assert_int_equal(found, 3);
        assert_int_equal(step, curve.steps);
        curve.steps++;
    }
    fclose(file);
    assert_int_equal(curve.steps, STEPS);
    *ret_curve = curve;
}

static void compare(const struct curve *curve, const char *cpu) {
    char error[ENGINE_ERROR_SIZE];
    struct engine_options options = {.model = model_find(curve->model),
                                     .backend = "auto",
                                     .seed = curve->seed,
                                     .hash_init = true,
                                     .optimiser = OPTIMISER_ADAM,
                                     .cpu = cpu};
    struct engine *engine = NULL;
    assert_int_equal(engine_create(&options, &engine, error), 0);
    double worst = 0;
    for (int step = 0; step < curve->steps; step++) {
        int64_t at = step * curve->batch;
        struct batch batch = {data.pixels + at * 784, data.labels + at, curve->batch};
        struct step_options now = {.lr = 0.001};
        double metrics[ENGINE_METRICS_MAX];
        assert_int_equal(engine_train(engine, &batch, &now, metrics), 0);
        double allowed = tolerance(curve->model, step), relative = fabs(metrics[0] / curve->loss[step] - 1);
        if (!(relative <= allowed)) {
            fail_msg("%s step %d: loss %.7g, PyTorch %.7g: relative error %.2g, allowed %.2g", curve->file, step,
                     metrics[0], curve->loss[step], relative, allowed);
        }
        /* a sample between two classes may fall either way */
        double samples = fabs(metrics[1] - curve->acc[step]) * (double)curve->batch;
        if (!(samples <= (step < 10 ? 1.01 : 3.01))) {
            fail_msg("%s step %d: accuracy %.7g, PyTorch %.7g", curve->file, step, metrics[1], curve->acc[step]);
        }
        worst = fmax(worst, relative / allowed);
    }
    print_message("%-18s %-40s worst error %5.1f %% of what is allowed\n", curve->file, engine_numerics(engine),
                  100 * worst);
    engine_free(engine);
}

static bool cpu_runs(const char *cpu) {
    char error[ENGINE_ERROR_SIZE];
    struct engine_options options = {.model = model_find("softmax"), .backend = "auto", .cpu = cpu};
    struct engine *engine = NULL;
    int result = engine_create(&options, &engine, error);
    engine_free(engine);
    return result == 0;
}

static void curves_are_reproduced(void **state) {
    const char *folder = *state;
    static const char *const cpus[] = {"avx512", "avx2", "baseline"};
    int compared = 0;
    for (size_t c = 0; c < sizeof cpus / sizeof cpus[0]; c++) {
        if (!cpu_runs(cpus[c])) continue;
        DIR *listing = opendir(folder);
        assert_non_null(listing);
        const struct dirent *entry;
        while ((entry = readdir(listing)) != NULL) {
            if (strstr(entry->d_name, ".txt") == NULL) continue;
            struct curve curve;
            read_curve(folder, entry->d_name, &curve);
            compare(&curve, cpus[c]);
            compared++;
        }
        closedir(listing);
    }
    assert_true(compared >= 12);
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
