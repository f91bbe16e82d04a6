/* test_epochs.c: when an epoch is over, its means, the best one, and that a checkpoint brings all of it back. */
#include "epochs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void ends(void **state) {
    (void)state;
    struct epochs e;
    epochs_begin(&e, 0, 0);
    assert_false(epochs_ends(&e, 90, 100, 30, false));
    assert_true(epochs_ends(&e, 120, 100, 30, false)); /* a batch may reach over the end */
    assert_true(epochs_ends(&e, 90, 100, 30, true));   /* no batch comes that would reach it */
    assert_false(epochs_ends(&e, 60, 100, 30, true));  /* stopped in the middle */
    epochs_begin(&e, 2, 0);
    assert_false(epochs_ends(&e, 299, 100, 30, false));
    assert_true(epochs_ends(&e, 300, 100, 30, false));
    assert_int_equal(epochs_count(300, 100, 30), 3);
    assert_int_equal(epochs_count(320, 100, 30), 3); /* 11 batches of 30 for 3 epochs */
    assert_int_equal(epochs_count(330, 100, 30), 4);
    assert_int_equal(epochs_count(30, 100, 30), 1);
    assert_int_equal(epochs_count(0, 100, 30), 1);
}

static void means(void **state) {
    (void)state;
    struct epochs e;
    epochs_begin(&e, 0, 1000);
    assert_true(isnan(epochs_mean(&e, 0)));
    epochs_take(&e, (const double[]){1, 0.5}, 2, 30);
    epochs_take(&e, (const double[]){4, 1}, 2, 10);
    epochs_take(&e, (const double[]){NAN, 1}, 2, 30); /* counts for neither */
    assert_true(epochs_mean(&e, 0) == 1.75 && epochs_mean(&e, 1) == 0.625);
    assert_true(epochs_seconds(&e, 3500) == 2.5);
    epochs_next(&e, 4000);
    assert_true(isnan(epochs_mean(&e, 1)) && epochs_seconds(&e, 4000) == 0);
}

static void judges(void **state) {
    (void)state;
    struct epochs e;
    epochs_begin(&e, 0, 0);
    assert_false(epochs_judge(&e, NAN, 10));
    assert_true(epochs_judge(&e, 2, 20));
    assert_false(epochs_judge(&e, 2, 30)); /* as good is not better */
    assert_false(epochs_judge(&e, INFINITY, 40));
    assert_int_equal(e.waited, 2);
    assert_true(epochs_judge(&e, 1, 50));
    assert_true(e.best == 1 && e.best_epoch == 5 && e.best_step == 50 && e.waited == 0 && e.done == 5);
}

static void comes_back(void **state) {
    (void)state;
    struct checkpoint c = {0};
    struct epochs e, back;
    epochs_begin(&e, 0, 1000);
    epochs_judge(&e, 0.25, 70);
    epochs_judge(&e, 0.5, 140);
    epochs_next(&e, 2000);
    epochs_take(&e, (const double[]){3, 0.75}, 2, 7);
    epochs_put(&e, 2500, &c);
    epochs_put(&e, 2500, &c); /* again: in the same places */
    epochs_get(&back, &c, 9, 100000);
    assert_true(back.done == 2 && back.best == 0.25 && back.best_epoch == 1 && back.best_step == 70 &&
                back.waited == 1);
    assert_true(epochs_mean(&back, 0) == 3 && epochs_mean(&back, 1) == 0.75);
    assert_true(epochs_seconds(&back, 100500) == 1);

    c = (struct checkpoint){0}; /* of an older program */
    epochs_get(&back, &c, 9, 0);
    assert_true(back.done == 9 && isnan(back.best) && back.samples == 0);
    checkpoint_number_set(&c, "epochs.done", -1e300); /* a file may claim anything */
    checkpoint_number_set(&c, "epochs.waited", NAN);
    epochs_get(&back, &c, 9, 0);
    assert_true(back.done == 9 && back.waited == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ends), cmocka_unit_test(means), cmocka_unit_test(judges),
                                       cmocka_unit_test(comes_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
