/*
 * every_backend.c: the list of what is tested; a kernel set that this CPU lacks is left out.
 */
#include "every_backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine.h"
#include "registry.h"

void every_backend(void (*test)(struct backend *backend)) {
    static const char *const cpus[] = {"avx512", "avx2", "baseline"};
    static const int threads[] = {1, 3};
    int tested = 0;
    for (size_t c = 0; c < sizeof cpus / sizeof cpus[0]; c++) {
        for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
            struct backend_options options = {.threads = threads[t], .cpu = cpus[c]};
            struct backend *backend = NULL;
            char why[BACKEND_TEXT_SIZE], error[ENGINE_ERROR_SIZE];
            if (registry_open("openblas", &options, &backend, why, error) < 0) continue;
            test(backend);
            assert_int_equal(backend->ops->status(backend), 0);
            backend->ops->close(backend);
            tested++;
        }
    }
    assert_true(tested > 0);
}
