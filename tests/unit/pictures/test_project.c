/* test_project.c: principal components: known directions and shares, points on a line, points that are all the same. */
#include "picture_project.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define POINTS 4000

static double uniform(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 9007199254740992.0 - 0.5;
}

/* Widths 6 : 3 : 1 along three orthogonal directions of five dimensions, about a mean far from 0. */
static void directions_are_found(void **state) {
    (void)state;
    static const double directions[3][5] = {{0.6, 0, 0.8, 0, 0}, {0, 1, 0, 0, 0}, {0, 0, 0, -0.8, 0.6}};
    static const double widths[3] = {6, 3, 1};
    static float points[POINTS][5];
    static double true_parts[POINTS][3], found[POINTS][3];
    double shares[3];
    uint64_t random = 7;
    for (int i = 0; i < POINTS; i++) {
        for (int d = 0; d < 5; d++)
            points[i][d] = 10.0f * (float)d - 20.0f;
        for (int c = 0; c < 3; c++) {
            true_parts[i][c] = widths[c] * uniform(&random);
            for (int d = 0; d < 5; d++)
                points[i][d] += (float)(true_parts[i][c] * directions[c][d]);
        }
    }
    assert_int_equal(project(&points[0][0], POINTS, 5, 3, &found[0][0], shares), 0);
    for (int c = 0; c < 3; c++) { /* 36 : 9 : 1 */
        double expected = widths[c] * widths[c] / 46.0, sign = c == 2 ? -1 : 1, worst = 0, mean = 0;
        assert_true(fabs(shares[c] - expected) < 0.03);
        for (int i = 0; i < POINTS; i++)
            mean += true_parts[i][c] / POINTS;
        for (int i = 0; i < POINTS; i++)
            worst = fmax(worst, fabs(found[i][c] - sign * (true_parts[i][c] - mean)));
        assert_true(worst < 0.35); /* the sample's own directions are a little off */
    }
    double whole = shares[0] + shares[1] + shares[2];
    assert_true(fabs(whole - 1) < 1e-5);
}

static void distances_are_kept(void **state) {
    (void)state;
    float points[50][4];
    double placed[50][4], shares[4];
    uint64_t random = 3;
    for (int i = 0; i < 50; i++)
        for (int d = 0; d < 4; d++)
            points[i][d] = (float)uniform(&random);
    assert_int_equal(project(&points[0][0], 50, 4, 4, &placed[0][0], shares), 0);
    for (int i = 1; i < 50; i++) {
        double before = 0, after = 0;
        for (int d = 0; d < 4; d++) {
            before += pow((double)points[i][d] - (double)points[i - 1][d], 2);
            after += pow(placed[i][d] - placed[i - 1][d], 2);
        }
        assert_true(fabs(before - after) < 1e-6);
        assert_true(shares[0] >= shares[1] && shares[1] >= shares[2] && shares[2] >= shares[3]);
    }
}

static void nothing_to_tell_apart(void **state) {
    (void)state;
    float same[6][3], one[3] = {1, 2, 3};
    double placed[6][2], shares[2];
    for (int i = 0; i < 6; i++)
        for (int d = 0; d < 3; d++)
            same[i][d] = 5;
    assert_int_equal(project(&same[0][0], 6, 3, 2, &placed[0][0], shares), 0);
    assert_true(shares[0] == 0 && shares[1] == 0);
    for (int i = 0; i < 6; i++)
        assert_true(placed[i][0] == 0 && placed[i][1] == 0);
    assert_int_equal(project(one, 1, 3, 2, &placed[0][0], shares), 0);
    assert_int_equal(project(one, 1, 3, 4, &placed[0][0], shares), -1);
    assert_int_equal(project(one, 0, 3, 2, &placed[0][0], shares), -1);
    assert_int_equal(project(one, 1, PROJECT_DIMS_MAX + 1, 2, &placed[0][0], shares), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directions_are_found),
        cmocka_unit_test(distances_are_kept),
        cmocka_unit_test(nothing_to_tell_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
