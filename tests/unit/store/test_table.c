/*
 * test_table.c: the bytes that rows are kept as, there and back, and what damaged bytes are answered with.
 */
#include "fixture.h"
#include "table.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT 300

static void ints_there_and_back(const int64_t *values, size_t count) {
    struct bytes bytes = {0};
    int64_t back[COUNT];
    assert_ok(ints_encode(values, count, &bytes));
    assert_ok(ints_decode(bytes.at, bytes.size, back, count));
    assert_memory_equal(back, values, count * 8);
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(ints_decode(bytes.at, size, back, count), TB_EINVAL);
    assert_ok(bytes_reserve(&bytes, 1));
    bytes.at[bytes.size] = 0;
    assert_int_equal(ints_decode(bytes.at, bytes.size + 1, back, count), TB_EINVAL);
    bytes_release(&bytes);
}

static void test_ints(void **state) {
    (void)state;
    static const int64_t extreme[] = {INT64_MAX, INT64_MIN, 0, INT64_MIN, -1, 1, INT64_MAX, INT64_MAX};
    ints_there_and_back(extreme, 8);
    int64_t values[COUNT];
    struct random random = {1};
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (int64_t)(random_next(&random) >> random_below(&random, 64));
    ints_there_and_back(values, COUNT);
    struct bytes bytes = {0};
    for (size_t i = 0; i < COUNT; i++)
        values[i] = (int64_t)i + 1;
    assert_ok(ints_encode(values, COUNT, &bytes));
    assert_int_equal(bytes.size, COUNT); /* a step costs one byte */
    bytes_release(&bytes);
    static const unsigned char endless[11] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    assert_int_equal(ints_decode(endless, sizeof endless, values, 1), TB_EINVAL);
}

static void test_doubles(void **state) {
    (void)state;
    struct random random = {2};
    for (uint64_t absent_of = 0; absent_of < 4; absent_of++) {
        double values[COUNT], back[COUNT];
        size_t present = 0, want = 0;
        struct bytes bytes = {0};
        for (size_t i = 0; i < COUNT; i++) {
            bool absent = random_below(&random, 3) < absent_of;
            uint64_t bits = random_next(&random);
            memcpy(&values[i], &bits, 8);
            if (i % 50 == 0) values[i] = NAN;
            if (absent || wire_is_absent(values[i])) values[i] = wire_absent();
            want += !wire_is_absent(values[i]);
        }
        assert_ok(doubles_encode(values, COUNT, &bytes, &present));
        assert_int_equal(present, want);
        if (present == 0) {
            assert_int_equal(bytes.size, 0);
        } else {
            assert_ok(doubles_decode(bytes.at, bytes.size, back, COUNT));
            assert_memory_equal(back, values, sizeof back);
            for (size_t size = 0; size < bytes.size; size++)
                assert_int_equal(doubles_decode(bytes.at, size, back, COUNT), TB_EINVAL);
            bytes.at[0] = 2;
            assert_int_equal(doubles_decode(bytes.at, bytes.size, back, COUNT), TB_EINVAL);
        }
        bytes_release(&bytes);
    }
}

static struct bytes segment(void) {
    static const int64_t steps[3] = {5, 3, 5}, t_ms[3] = {50, 30, 0};
    static const slot_t slots[3] = {7, 1023, 0};
    static double epochs[3], values[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    static const double *columns[3] = {values, values + 1, values + 2};
    epochs[0] = 0.5;
    epochs[1] = epochs[2] = wire_absent();
    values[6] = wire_absent();
    struct source source = {3, 3, 3, steps, t_ms, epochs, slots, columns};
    struct bytes bytes = {0};
    assert_ok(segment_encode(&source, &bytes));
    assert_int_equal(bytes.size % 8, 0);
    return bytes;
}

/* Two logs at step 5: the later value wins, but for the one that is absent. */
static void test_segments(void **state) {
    (void)state;
    struct bytes bytes = segment();
    struct segments segments = {0};
    assert_ok(segments_add(&segments, bytes.at, bytes.size));
    assert_int_equal(segments.rows, 3);
    struct table table;
    assert_ok(segments_build(&segments, NULL, &table));
    assert_int_equal(table.rows, 2);
    assert_true(table.steps[0] == 3 && table.steps[1] == 5);
    assert_true(table.t_ms[0] == 30 && table.t_ms[1] == 50 && table.epochs[1] == 0.5);
    assert_true(wire_is_absent(table.epochs[0]));
    const double *a = table_column(&table, 7), *b = table_column(&table, 1023), *c = table_column(&table, 0);
    assert_true(a[0] == 4 && a[1] == 1 && b[0] == 5 && b[1] == 8 && c[0] == 6 && c[1] == 9);
    assert_null(table_column(&table, 1));
    assert_int_equal(table_after(&table, 2), 0);
    assert_int_equal(table_after(&table, 3), 1);
    assert_int_equal(table_after(&table, 99), 2);
    table_release(&table);
    bool wanted[TABLE_SLOTS] = {false};
    wanted[7] = true;
    assert_ok(segments_build(&segments, wanted, &table));
    assert_int_equal(table.columns_count, 1);
    table_release(&table);
    segments_release(&segments);
    bytes_release(&bytes);
}

/* Any bytes are either refused or give a table; the sanitizers watch. */
static void test_segments_damaged(void **state) {
    (void)state;
    struct bytes good = segment();
    struct random random = {3};
    unsigned char *copy = malloc(good.size);
    assert_non_null(copy);
    for (size_t size = 0; size < good.size; size++) {
        struct segments segments = {0};
        assert_int_equal(segments_add(&segments, good.at, size), TB_EINVAL);
        segments_release(&segments);
    }
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, good.at, good.size);
        for (uint64_t k = random_below(&random, 6) + 1; k > 0; k--)
            copy[random_below(&random, good.size)] = (unsigned char)random_next(&random);
        struct segments segments = {0};
        int r = segments_add(&segments, copy, good.size);
        assert_true(r == TB_OK || r == TB_EINVAL);
        struct table table;
        if (r == TB_OK) {
            assert_ok(segments_build(&segments, NULL, &table));
            assert_true(table.rows <= 3);
            table_release(&table);
        }
        segments_release(&segments);
    }
    free(copy);
    bytes_release(&good);
}

static void test_blocks(void **state) {
    (void)state;
    int64_t steps[130];
    double values[130], progress[130];
    for (int i = 0; i < 130; i++) {
        steps[i] = i * 10;
        values[i] = i == 5 ? NAN : (double)i;
        progress[i] = i == 64 ? -7 : wire_absent();
    }
    values[64] = wire_absent();
    values[129] = INFINITY;
    struct bytes bytes = {0};
    assert_ok(blocks_encode(steps, values, progress, BLOCK_SHOWN, 130, &bytes));
    assert_int_equal(BLOCK_ROWS, 32);
    assert_int_equal(bytes.size, 5 * sizeof(struct block));
    struct block blocks[5];
    memcpy(blocks, bytes.at, sizeof blocks);
    assert_true(blocks[0].count == 31 && blocks[0].not_finite == 1 && blocks[0].last == 31);
    assert_true(blocks[2].min == -7 && blocks[2].max == 95 && blocks[2].first_step == 640);
    assert_true(blocks[4].count == 1 && blocks[4].not_finite == 1 && blocks[4].last_step == 1290);
    assert_true(blocks[4].last == 128 && blocks[4].mean == 128);
    bytes.size = 0;
    assert_ok(blocks_encode(steps, values, progress, BLOCK_COLLIDED, 130, &bytes));
    assert_int_equal(bytes.size, 0); /* the one progress value has no metric beside it */
    progress[70] = 3;
    assert_ok(blocks_encode(steps, values, progress, BLOCK_COLLIDED, 130, &bytes));
    assert_int_equal(bytes.size, sizeof(struct block));
    memcpy(blocks, bytes.at, sizeof *blocks);
    assert_true(blocks[0].count == 1 && blocks[0].first_step == 700 && blocks[0].max == 3);
    bytes_release(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ints),     cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_segments), cmocka_unit_test(test_segments_damaged),
        cmocka_unit_test(test_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
