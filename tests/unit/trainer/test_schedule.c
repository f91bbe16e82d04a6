/* test_schedule.c: learning rates to exact values, worked out by hand, and at the plan's edges. */
#include "schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void is(const struct schedule *schedule, int64_t step, int64_t total, double expected) {
    double rate = schedule_rate(schedule, 0.5, step, total);
    if (!(fabs(rate - expected) <= 1e-15))
        fail_msg("step %d of %d: %.17g, not %.17g", (int)step, (int)total, rate, expected);
}

static void constant(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_CONSTANT, .every = 1, .gamma = 0.1};
    assert_false(schedule_moves(&schedule));
    is(&schedule, 1, 10, 0.5);
    is(&schedule, 10, 10, 0.5);
    is(&schedule, 1000000, 10, 0.5);
}

static void warm_up(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_CONSTANT, .warmup = 4, .every = 1, .gamma = 1};
    assert_true(schedule_moves(&schedule));
    is(&schedule, 1, 10, 0.125);
    is(&schedule, 2, 10, 0.25);
    is(&schedule, 3, 10, 0.375);
    is(&schedule, 4, 10, 0.5);
    is(&schedule, 5, 10, 0.5);
    is(&schedule, 2, 2, 0.25); /* longer than the run */
}

static void steps(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_STEP, .every = 3, .gamma = 0.5};
    is(&schedule, 1, 10, 0.5);
    is(&schedule, 3, 10, 0.5);
    is(&schedule, 4, 10, 0.25);
    is(&schedule, 6, 10, 0.25);
    is(&schedule, 7, 10, 0.125);
    const struct schedule warm = {.kind = SCHEDULE_STEP, .warmup = 5, .every = 3, .gamma = 0.5};
    is(&warm, 4, 10, 0.5 * 4 / 5 * 0.5); /* the cuts count from the first step, warm-up or not */
    is(&warm, 7, 10, 0.125);
}

static void cosines(void **state) {
    (void)state;
    const struct schedule schedule = {.kind = SCHEDULE_COSINE, .every = 1, .gamma = 1};
    is(&schedule, 1, 4, 0.5);
    is(&schedule, 2, 4, 0.25 * (1 + sqrt(0.5)));
    is(&schedule, 3, 4, 0.25);
    is(&schedule, 4, 4, 0.25 * (1 - sqrt(0.5)));
    is(&schedule, 9, 4, 0.25 * (1 - sqrt(0.5))); /* beyond the plan: the last rate */
    is(&schedule, 1, 0, 0.5);                    /* no plan */
    const struct schedule warm = {.kind = SCHEDULE_COSINE, .warmup = 2, .every = 1, .gamma = 1};
    is(&warm, 1, 6, 0.25);
    is(&warm, 2, 6, 0.5);
    is(&warm, 3, 6, 0.5);
    is(&warm, 5, 6, 0.25);
    for (int64_t total = 3; total < 200; total++)
        assert_true(schedule_rate(&warm, 0.5, total, total) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(constant), cmocka_unit_test(warm_up), cmocka_unit_test(steps),
                                       cmocka_unit_test(cosines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
