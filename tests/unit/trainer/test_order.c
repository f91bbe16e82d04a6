/* test_order.c: each epoch visits every sample once, whatever the batches; the order is a function of seed and cursor.
 */
#include "order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void take(enum order_kind kind, uint64_t seed, int64_t count, int64_t seen, int64_t n, uint32_t *indices) {
    struct order order;
    assert_int_equal(order_init(&order, kind, seed, count), 0);
    order_take(&order, seen, n, indices);
    order_release(&order);
}

static void file_order(void **state) {
    (void)state;
    uint32_t indices[25];
    take(ORDER_FILE, 1, 10, 0, 25, indices);
    for (uint32_t i = 0; i < 25; i++)
        assert_int_equal(indices[i], i % 10);
    take(ORDER_FILE, 1, 10, 7, 5, indices);
    assert_memory_equal(indices, ((uint32_t[]){7, 8, 9, 0, 1}), 5 * sizeof *indices);
}

static void each_once_an_epoch(void **state) {
    (void)state;
    enum { COUNT = 997 };
    static uint32_t indices[3 * COUNT];
    take(ORDER_SHUFFLE, 42, COUNT, 0, 3 * COUNT, indices);
    for (int epoch = 0; epoch < 3; epoch++) {
        bool seen[COUNT] = {false};
        for (int i = 0; i < COUNT; i++) {
            uint32_t index = indices[epoch * COUNT + i];
            assert_true(index < COUNT);
            assert_false(seen[index]);
            seen[index] = true;
        }
    }
    assert_memory_not_equal(indices, indices + COUNT, COUNT * sizeof *indices);
}

static void cursor_is_all(void **state) {
    (void)state;
    enum { COUNT = 100, ALL = 350 };
    static uint32_t straight[ALL], pieces[ALL];
    take(ORDER_SHUFFLE, 7, COUNT, 0, ALL, straight);
    struct order order;
    assert_int_equal(order_init(&order, ORDER_SHUFFLE, 7, COUNT), 0);
    for (int64_t seen = 0, size = 1; seen < ALL; seen += size, size = size % 37 + 5) { /* a batch size that changes */
        if (size > ALL - seen) size = ALL - seen;
        order_take(&order, seen, size, pieces + seen);
    }
    order_release(&order);
    assert_memory_equal(straight, pieces, sizeof straight);
    take(ORDER_SHUFFLE, 7, COUNT, 212, 100, pieces); /* a fresh process that resumes */
    assert_memory_equal(straight + 212, pieces, 100 * sizeof *pieces);
}

static void seeds_differ(void **state) {
    (void)state;
    uint32_t a[200], b[200];
    take(ORDER_SHUFFLE, 1, 200, 0, 200, a);
    take(ORDER_SHUFFLE, 2, 200, 0, 200, b);
    assert_memory_not_equal(a, b, sizeof a);
    take(ORDER_SHUFFLE, 2, 200, 200, 200, a); /* neighbours in seed and epoch share nothing */
    assert_memory_not_equal(a, b, sizeof a);
}

/* Each place takes each of 6 values about equally often: chi-square with 25 degrees of freedom below its 0.9999
 * quantile. */
static void no_favourites(void **state) {
    (void)state;
    enum { COUNT = 6, EPOCHS = 12000 };
    static uint32_t indices[COUNT * EPOCHS];
    int hits[COUNT][COUNT] = {{0}};
    take(ORDER_SHUFFLE, 3, COUNT, 0, COUNT * EPOCHS, indices);
    for (int i = 0; i < COUNT * EPOCHS; i++)
        hits[i % COUNT][indices[i]]++;
    double expected = EPOCHS / (double)COUNT, chi = 0;
    for (int i = 0; i < COUNT * COUNT; i++) {
        double off = hits[i / COUNT][i % COUNT] - expected;
        chi += off * off / expected;
    }
    assert_true(chi < 62.0);
}

static void bad_counts(void **state) {
    (void)state;
    struct order order;
    assert_int_equal(order_init(&order, ORDER_SHUFFLE, 1, 0), -1);
    assert_int_equal(order_init(&order, ORDER_FILE, 1, (int64_t)1 << 33), -1);
    uint32_t one[3];
    take(ORDER_SHUFFLE, 1, 1, 5, 3, one);
    assert_memory_equal(one, ((uint32_t[]){0, 0, 0}), sizeof one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_order),   cmocka_unit_test(each_once_an_epoch), cmocka_unit_test(cursor_is_all),
        cmocka_unit_test(seeds_differ), cmocka_unit_test(no_favourites),      cmocka_unit_test(bad_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
