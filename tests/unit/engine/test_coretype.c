/*
 * test_coretype.c: OpenBLAS gets kernels that fit the CPU, a user's own choice wins, the environment stays as it was.
 *
 * The library is opened once per process, so each case runs in a child.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"

enum { NOT_THIS_CPU = 2 };

/* 0: as wanted; 1: not; NOT_THIS_CPU: the kernel set cannot run here. */
static int in_child(const char *user, const char *cpu, const char *wanted) {
    if (user != NULL) {
        setenv("OPENBLAS_CORETYPE", user, 1);
    } else {
        unsetenv("OPENBLAS_CORETYPE");
    }
    char error[ENGINE_ERROR_SIZE];
    struct engine_options options = {.model = model_find("softmax"), .backend = "openblas", .cpu = cpu, .threads = 1};
    struct engine *engine = NULL;
    if (engine_create(&options, &engine, error) < 0) return NOT_THIS_CPU;
    int right = strstr(engine_numerics(engine), wanted) != NULL && strstr(engine_backend_text(engine), wanted) != NULL;
    const char *after = getenv("OPENBLAS_CORETYPE");
    right = right && (user != NULL ? after != NULL && strcmp(after, user) == 0 : after == NULL);
    engine_free(engine);
    return !right;
}

static void check(const char *user, const char *cpu, const char *wanted) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) _exit(in_child(user, cpu, wanted));
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_THIS_CPU) {
        print_message("left out: this CPU has no %s\n", cpu);
    } else {
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void test_chosen_for_cpu(void **state) {
    (void)state;
    check(NULL, "avx512", "SkylakeX");
    check(NULL, "avx2", "Haswell");
    check(NULL, "baseline", "baseline");
}

static void test_user_wins(void **state) {
    (void)state;
    check("HASWELL", "avx512", "Haswell");
    check("NEHALEM", "avx2", "Nehalem");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_chosen_for_cpu), cmocka_unit_test(test_user_wins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
