/* test_ripple_field.c: the pond against the method done naively in float64, and against what must hold of it: its
 * eigenmodes, symmetry, how far a drop can have come, and the same bits whatever the threads. */
#include "ripple_field.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE_MAX = 131 };

struct naive {
    int n;
    double u[SIDE_MAX][SIDE_MAX], ut[SIDE_MAX][SIDE_MAX];
};

static double height(const struct naive *f, int y, int x) {
    return y < 0 || x < 0 || y >= f->n || x >= f->n ? 0 : f->u[y][x];
}

static void naive_step(struct naive *f, double eps, double damping, double *energy) {
    static const double kernel[3][3] = {{0.5, 1, 0.5}, {1, -6, 1}, {0.5, 1, 0.5}};
    static struct naive next;
    next = *f;
    *energy = 0;
    for (int y = 0; y < f->n; y++)
        for (int x = 0; x < f->n; x++) {
            double bend = 0;
            for (int i = 0; i < 3; i++)
                for (int j = 0; j < 3; j++)
                    bend += kernel[i][j] * height(f, y + i - 1, x + j - 1);
            next.u[y][x] = f->u[y][x] + eps * f->ut[y][x];
            next.ut[y][x] = f->ut[y][x] + eps * (bend - damping * f->ut[y][x]);
            *energy += f->ut[y][x] * f->ut[y][x] / 2 - f->u[y][x] * bend / 2;
        }
    *f = next;
}

static float got_u[SIDE_MAX * SIDE_MAX], got_ut[SIDE_MAX * SIDE_MAX];

static void like_naive(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 3, 15, 16, 17, 50, SIDE_MAX};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        static struct naive naive;
        struct ripple_field field;
        int n = sizes[s];
        assert_int_equal(ripple_field_init(&field, n), 0);
        ripple_field_rain(&field, 5, 9);
        ripple_field_read(&field, got_u, got_ut);
        naive.n = n;
        memset(naive.ut, 0, sizeof naive.ut);
        for (int i = 0; i < n * n; i++)
            naive.u[i / n][i % n] = got_u[i];
        for (int step = 0; step < 200; step++) {
            struct ripple_sums sums;
            double energy, eps = step < 100 ? 0.03 : 0.05; /* changed on the way */
            ripple_field_step(&field, eps, 0.04, &sums);
            naive_step(&naive, eps, 0.04, &energy);
            assert_true(fabs(sums.energy - energy) <= 1e-4 * fabs(energy) + 1e-9);
        }
        ripple_field_read(&field, got_u, got_ut);
        for (int i = 0; i < n * n; i++) {
            assert_true(fabs(got_u[i] - naive.u[i / n][i % n]) < 2e-5);
            assert_true(fabs(got_ut[i] - naive.ut[i / n][i % n]) < 2e-5);
        }
        ripple_field_release(&field);
    }
}

/* sin × sin is an eigenvector of the kernel with a zero border, so its amplitude follows a recurrence of two numbers.
 * Without damping the method multiplies the energy of a mode by 1 + eps² × lambda each step: nothing else may be lost
 * or won. */
static void eigenmode(void **state) {
    (void)state;
    enum { N = 60, STEPS = 500 };
    struct ripple_field field;
    struct ripple_sums sums = {0}, first = {0};
    const double eps = 0.03, kx = 3 * M_PI / (N + 1), ky = 5 * M_PI / (N + 1);
    const double lambda = 6 - 2 * cos(kx) - 2 * cos(ky) - 2 * cos(kx) * cos(ky);
    assert_int_equal(ripple_field_init(&field, N), 0);
    for (int i = 0; i < N * N; i++) {
        got_u[i] = (float)(sin(ky * (i / N + 1)) * sin(kx * (i % N + 1)));
        got_ut[i] = 0;
    }
    ripple_field_write(&field, got_u, got_ut);
    double a = 1, v = 0;
    for (int step = 0; step < STEPS; step++) {
        ripple_field_step(&field, eps, 0, step == 0 ? &first : &sums);
        double a_next = a + eps * v;
        v -= eps * lambda * a;
        a = a_next;
    }
    double grown = pow(1 + eps * eps * lambda, STEPS - 1);
    assert_true(fabs(sums.energy / first.energy / grown - 1) < 1e-3);
    ripple_field_read(&field, got_u, got_ut);
    for (int i = 0; i < N * N; i++)
        assert_true(fabs(got_u[i] - a * sin(ky * (i / N + 1)) * sin(kx * (i % N + 1))) < 1e-4);
    ripple_field_release(&field);
}

/* Damping alone takes a long wave's energy away; so much of it that no short one can grow takes everyone's. */
static void damping_decays(void **state) {
    (void)state;
    struct ripple_field field;
    struct ripple_sums sums, before;
    assert_int_equal(ripple_field_init(&field, 40), 0);
    ripple_field_rain(&field, 2, 12);
    ripple_field_step(&field, 0.03, 0.5, &before);
    double start = before.energy;
    for (int step = 0; step < 600; step++)
        ripple_field_step(&field, 0.03, 0.5, &sums);
    assert_true(sums.energy > 0 && sums.energy < 0.01 * start);
    ripple_field_release(&field);
}

/* A drop in the middle stays symmetric to the bit, and after 2k steps has come k cells far: height moves in one step,
 * velocity in the next. */
static void symmetry_and_reach(void **state) {
    (void)state;
    enum { N = 41, K = 4, MIDDLE = N / 2 };
    struct ripple_field field;
    struct ripple_sums sums;
    assert_int_equal(ripple_field_init(&field, N), 0);
    memset(got_u, 0, sizeof got_u);
    memset(got_ut, 0, sizeof got_ut);
    got_u[MIDDLE * N + MIDDLE] = 1;
    ripple_field_write(&field, got_u, got_ut);
    for (int step = 0; step < 2 * K; step++)
        ripple_field_step(&field, 0.03, 0.04, &sums);
    ripple_field_read(&field, got_u, got_ut);
    for (int y = 0; y < N; y++)
        for (int x = 0; x < N; x++) {
            bool reached = abs(y - MIDDLE) <= K && abs(x - MIDDLE) <= K;
            assert_int_equal(got_u[y * N + x] != 0, reached);
            assert_true(got_u[y * N + x] == got_u[(N - 1 - y) * N + x]);
            assert_true(got_u[y * N + x] == got_u[y * N + N - 1 - x]);
        }
    ripple_field_release(&field);
}

static void threads_and_copies(void **state) {
    (void)state;
    enum { N = 100 };
    static float kept_u[N * N], kept_ut[N * N];
    struct ripple_sums sums[4];
    for (int run = 0; run < 4; run++) {
        struct ripple_field field, other;
        ripple_field_threads(run == 3 ? 0 : run + 1);
        assert_int_equal(ripple_field_init(&field, N), 0);
        assert_int_equal(ripple_field_init(&other, N), 0);
        ripple_field_rain(&field, 77, 40);
        for (int step = 0; step < 100; step++)
            ripple_field_step(&field, 0.03, 0.04, &sums[run]);
        ripple_field_read(&field, got_u, got_ut); /* on in another field, as a resumed run */
        ripple_field_write(&other, got_u, got_ut);
        for (int step = 0; step < 50; step++)
            ripple_field_step(run % 2 ? &other : &field, 0.03, 0.04, &sums[run]);
        ripple_field_read(run % 2 ? &other : &field, got_u, got_ut);
        if (run == 0) {
            memcpy(kept_u, got_u, sizeof kept_u);
            memcpy(kept_ut, got_ut, sizeof kept_ut);
        }
        assert_memory_equal(got_u, kept_u, sizeof kept_u);
        assert_memory_equal(got_ut, kept_ut, sizeof kept_ut);
        assert_memory_equal(&sums[run], &sums[0], sizeof sums[0]);
        ripple_field_release(&field);
        ripple_field_release(&other);
    }
}

static void rain_and_limits(void **state) {
    (void)state;
    struct ripple_field field;
    assert_int_equal(ripple_field_init(&field, 0), -1);
    assert_int_equal(ripple_field_init(&field, RIPPLE_SIZE_MAX + 1), -1);
    assert_int_equal(ripple_field_init(&field, 100), 0);
    ripple_field_rain(&field, 1, 40);
    ripple_field_read(&field, got_u, got_ut);
    int wet = 0, half[2] = {0};
    for (int i = 0; i < 100 * 100; i++) {
        assert_true(got_u[i] >= 0 && got_u[i] < 1 && got_ut[i] == 0);
        wet += got_u[i] > 0;
        half[i / 5000] += got_u[i] > 0;
    }
    assert_true(wet > 35 && wet <= 40 && half[0] > 5 && half[1] > 5);
    struct ripple_sums sums; /* a field that has burst is seen in its energy */
    for (int step = 0; step < 400; step++)
        ripple_field_step(&field, 1e3, 0, &sums);
    assert_true(!isfinite(sums.energy));
    ripple_field_release(&field);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_naive),         cmocka_unit_test(eigenmode),          cmocka_unit_test(damping_decays),
        cmocka_unit_test(symmetry_and_reach), cmocka_unit_test(threads_and_copies), cmocka_unit_test(rain_and_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
