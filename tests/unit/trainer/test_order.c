/* test_order.c: each epoch visits every sample once, whatever the batches; the order is a function of seed and cursor.
 */
#include "order.h"

#include <math.h>
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

/* Held back: exactly the share, the same ones for the same seed, others for another; none of them ever comes, and all
 * others come once an epoch. */
static void held_back(void **state) {
    (void)state;
    enum { COUNT = 997 };
    for (int kind = 0; kind < 2; kind++) {
        struct order order, other;
        uint32_t held[COUNT], held_other[COUNT], taken[2 * COUNT];
        assert_int_equal(order_init(&order, kind ? ORDER_FILE : ORDER_SHUFFLE, 7, COUNT), 0);
        assert_int_equal(order_hold(&order, 0.1), 0);
        int64_t count = order_validation(&order, held);
        assert_int_equal(count, (COUNT + 5) / 10);
        assert_int_equal(order.count, COUNT - count);
        order_take(&order, 0, 2 * order.count, taken);
        int seen[COUNT] = {0};
        for (int64_t i = 0; i < 2 * order.count; i++)
            seen[taken[i]]++;
        for (int64_t i = 0; i < count; i++) {
            assert_int_equal(seen[held[i]], 0);
            seen[held[i]] = 2;
            if (i > 0) assert_true(held[i] > held[i - 1]);
        }
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(seen[i], 2);
        assert_int_equal(order_init(&other, ORDER_FILE, 8, COUNT), 0);
        assert_int_equal(order_hold(&other, 0.1), 0);
        assert_int_equal(order_validation(&other, held_other), count);
        assert_memory_not_equal(held, held_other, (size_t)count * sizeof *held);
        order_release(&other);
        order_release(&order);
    }
}

/* A larger share holds back the same ones and more; the ends of the range. */
static void held_shares(void **state) {
    (void)state;
    enum { COUNT = 997 };
    static const double shares[] = {0, 1e-9, 0.05, 0.5, 0.9999};
    bool before[COUNT] = {false};
    for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
        struct order order;
        uint32_t held[COUNT];
        bool now[COUNT] = {false};
        assert_int_equal(order_init(&order, ORDER_FILE, 3, COUNT), 0);
        assert_int_equal(order_hold(&order, shares[s]), 0);
        int64_t count = order_validation(&order, held);
        int64_t wanted = llround(shares[s] * COUNT);
        if (shares[s] > 0 && wanted == 0) wanted = 1;
        if (wanted == COUNT) wanted = COUNT - 1;
        assert_int_equal(count, wanted);
        for (int64_t i = 0; i < count; i++)
            now[held[i]] = true;
        for (int i = 0; i < COUNT; i++)
            if (before[i]) assert_true(now[i]);
        memcpy(before, now, sizeof before);
        order_release(&order);
    }
    struct order one;
    uint32_t index;
    assert_int_equal(order_init(&one, ORDER_FILE, 3, 1), 0);
    assert_int_equal(order_hold(&one, 0.5), 0);
    assert_int_equal(order_validation(&one, NULL), 0);
    order_take(&one, 5, 1, &index);
    assert_int_equal(index, 0);
    order_release(&one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_order),   cmocka_unit_test(each_once_an_epoch), cmocka_unit_test(cursor_is_all),
        cmocka_unit_test(seeds_differ), cmocka_unit_test(no_favourites),      cmocka_unit_test(bad_counts),
        cmocka_unit_test(held_back),    cmocka_unit_test(held_shares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
