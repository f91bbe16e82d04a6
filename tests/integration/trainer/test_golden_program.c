/* test_golden_program.c: the whole program, flags and all, against the golden curves of tests/golden, within the
 * tolerances that its README gives. */
#include "program.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* "3 loss=0.5 acc=0.25": two values, or one and then the other is the same again. */
static void row_read(const char *row, int index, double *ret_values, char (*ret_names)[16], int *ret_length) {
    int is = -1, more = 0;
    *ret_length = 0;
    assert_int_equal(sscanf(row, "%d %15[^=]=%lf%n", &is, ret_names[0], &ret_values[0], ret_length), 3);
    assert_int_equal(is, index);
    ret_values[1] = ret_values[0];
    strcpy(ret_names[1], ret_names[0]);
    if (row[*ret_length] == ' ') {
        assert_int_equal(sscanf(row + *ret_length, " %15[^=]=%lf%n", ret_names[1], &ret_values[1], &more), 2);
        *ret_length += more;
    }
    assert_int_equal(row[*ret_length], '\n');
    ++*ret_length;
}

static void compare(const char *model, int steps, double early, double late) {
    char line[256], path[1024], row[256];
    const char *source = getenv("TRAINBOT_SOURCE");
    struct program program;
    if (access("/usr/share/datasets/fashion-mnist", R_OK) != 0) {
        print_message("SKIP: no Fashion-MNIST (package dataset-fashion-mnist)\n");
        skip();
    }
    program_enter();
    snprintf(line, sizeof line, "--model %s --init hash --print-metrics --steps %d --seed 1", model, steps);
    int status = program_run(&program, line);
    if (status != 0) fail_msg("exit %d: %s", status, program.err_text);
    snprintf(path, sizeof path, "%s/tests/golden/curves/%s.txt", source != NULL ? source : ".", model);
    FILE *golden = fopen(path, "r");
    assert_non_null(golden);
    assert_non_null(fgets(row, sizeof row, golden)); /* the head */
    const char *at = program.out_text;
    for (int i = 0; i < steps; i++) {
        int length = 0;
        double got[2], expected[2];
        char names[2][16], golden_names[2][16];
        assert_non_null(fgets(row, sizeof row, golden));
        row_read(row, i, expected, golden_names, &length);
        row_read(at, i, got, names, &length);
        at += length;
        for (int k = 0; k < 2; k++) {
            assert_string_equal(names[k], golden_names[k]);
            if (strcmp(names[k], "acc") == 0) continue; /* a count: one sample more is 1.6 % */
            double off = fabs(got[k] - expected[k]) / fabs(expected[k]), most = i < 10 ? early : late;
            if (!(off <= most))
                fail_msg("%s step %d: %s %.7g, golden %.7g: off by %.2g", model, i, names[k], got[k], expected[k], off);
        }
    }
    assert_int_equal(*at, '\0');
    fclose(golden);
    program_free(&program);
    program_leave();
}

static void softmax(void **state) {
    (void)state;
    compare("softmax", 30, 1e-4, 1e-4);
}

static void mlp(void **state) {
    (void)state;
    compare("mlp", 30, 1e-4, 1e-4);
}

static void cnn(void **state) {
    (void)state;
    compare("cnn", 10, 1e-3, 2e-2);
}

static void lenet(void **state) {
    (void)state;
    compare("lenet", 10, 1e-4, 1e-2);
}

/* The others' early steps: what flags and data make of them. Their whole curves are the engine's test. */
static void others(void **state) {
    (void)state;
    compare("cnn3", 5, 1e-4, 1e-2);
    compare("autoencoder", 10, 1e-4, 1e-4);
    compare("conv-autoencoder", 10, 1e-4, 1e-4);
    compare("vae", 10, 1e-4, 1e-4);
    compare("gan", 10, 1e-4, 1e-4);
    compare("lsgan", 5, 1e-3, 1e-3);
    compare("dcgan", 3, 1e-2, 1e-2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(softmax), cmocka_unit_test(mlp), cmocka_unit_test(cnn),
                                       cmocka_unit_test(lenet), cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
