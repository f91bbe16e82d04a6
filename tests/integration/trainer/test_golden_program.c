/* test_golden_program.c: the whole program, flags and all, against the golden curves of tests/golden, within the
 * tolerances that its README gives. */
#include "program.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

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
        int index, golden_index, length = 0;
        double loss, accuracy, golden_loss, golden_accuracy;
        assert_non_null(fgets(row, sizeof row, golden));
        assert_int_equal(sscanf(row, "%d loss=%lf acc=%lf", &golden_index, &golden_loss, &golden_accuracy), 3);
        assert_int_equal(sscanf(at, "%d loss=%lf acc=%lf\n%n", &index, &loss, &accuracy, &length), 3);
        at += length;
        assert_int_equal(index, i);
        assert_int_equal(golden_index, i);
        double off = fabs(loss - golden_loss) / golden_loss, most = i < 10 ? early : late;
        if (!(off <= most))
            fail_msg("%s step %d: loss %.7g, golden %.7g: off by %.2g", model, i, loss, golden_loss, off);
    }
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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(softmax), cmocka_unit_test(mlp), cmocka_unit_test(cnn),
                                       cmocka_unit_test(lenet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
