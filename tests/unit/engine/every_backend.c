/*
 * every_backend.c: the list of what is tested; a backend or kernel set that this machine lacks is left out.
 */
#include "every_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "registry.h"

#define TESTED_MAX 64

/* What a backend says of its numerics is different for each that computes differently: a device that has no kernel sets
 * answers the same to all and is tested once. */
struct tested {
    char numerics[TESTED_MAX][BACKEND_TEXT_SIZE];
    int count;
};

static bool is_new(struct tested *tested, const char *numerics) {
    for (int i = 0; i < tested->count; i++) {
        if (strcmp(tested->numerics[i], numerics) == 0) return false;
    }
    assert_true(tested->count < TESTED_MAX);
    snprintf(tested->numerics[tested->count++], BACKEND_TEXT_SIZE, "%s", numerics);
    return true;
}

static void test_one(const char *name, const struct backend_options *options, struct tested *tested,
                     void (*test)(struct backend *backend)) {
    struct backend *backend = NULL;
    char why[BACKEND_TEXT_SIZE], error[ENGINE_ERROR_SIZE];
    if (registry_open(name, options, &backend, why, error) < 0) return;
    if (is_new(tested, backend->ops->numerics(backend))) {
        test(backend);
        assert_int_equal(backend->ops->status(backend), 0);
    }
    backend->ops->close(backend);
}

void every_backend(void (*test)(struct backend *backend)) {
    static const char *const cpus[] = {"avx512", "avx2", "baseline"};
    static const int threads[] = {1, 3};
    static struct tested tested;
    const char *only = getenv("TESTS_CPU");
    char names[256], *rest = NULL;
    tested.count = 0;
    snprintf(names, sizeof names, "%s", engine_backends());
    for (char *name = strtok_r(names, ", ", &rest); name != NULL; name = strtok_r(NULL, ", ", &rest)) {
        if (strcmp(name, "auto") == 0) continue;
        for (size_t i = 0; i < 6; i++) {
            struct backend_options options = {.threads = threads[i % 2], .cpu = cpus[i / 2]};
            if (only == NULL || strcmp(only, options.cpu) == 0) test_one(name, &options, &tested, test);
        }
    }
    assert_true(tested.count > 0);
}

void begin_fresh_step(struct backend *backend, const struct step_values *values) {
    static uint64_t shape;
    assert_false(backend->ops->step_begin(backend, ++shape, values));
}
