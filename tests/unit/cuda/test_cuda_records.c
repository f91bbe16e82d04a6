/*
 * test_cuda_records.c: which step is run, recorded, replayed; that every recording is released once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "records.h"

static int released;

static void release(void *recording) {
    released += *(int *)recording;
}

static struct records fresh(void) {
    struct records records;
    released = 0;
    records_init(&records, release);
    return records;
}

static void test_run_record_replay(void **state) {
    (void)state;
    struct records records = fresh();
    int one = 1;
    void *got = NULL;
    assert_int_equal(records_begin(&records, 7, &got), RECORD_RUN);
    assert_int_equal(records_begin(&records, 7, &got), RECORD_RUN_AND_RECORD);
    records_keep(&records, 7, &one);
    assert_null(got);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(records_begin(&records, 7, &got), RECORD_REPLAY);
        assert_ptr_equal(got, &one);
    }
    records_drop(&records);
    assert_int_equal(released, 1);
    assert_int_equal(records_begin(&records, 7, &got), RECORD_RUN); /* from the beginning */
}

static void test_refused_stays_refused(void **state) {
    (void)state;
    struct records records = fresh();
    int one = 1;
    void *got = NULL;
    assert_int_equal(records_begin(&records, 0, &got), RECORD_RUN);
    assert_int_equal(records_begin(&records, 0, &got), RECORD_RUN_AND_RECORD);
    records_refuse(&records, 0);
    assert_int_equal(records_begin(&records, 0, &got), RECORD_RUN);
    assert_int_equal(records_begin(&records, 0, &got), RECORD_RUN);
    records_begin(&records, 1, &got);
    records_keep(&records, 1, &one);
    records_refuse(&records, 1); /* a replay that failed */
    assert_int_equal(released, 1);
    assert_int_equal(records_begin(&records, 1, &got), RECORD_RUN);
    assert_null(got);
}

/* A recording that was kept after everything was dropped is not lost. */
static void test_kept_after_a_drop(void **state) {
    (void)state;
    struct records records = fresh();
    int one = 1, ten = 10;
    void *got = NULL;
    records_begin(&records, 3, &got);
    records_drop(&records);
    records_keep(&records, 3, &one);
    assert_int_equal(records_begin(&records, 3, &got), RECORD_REPLAY);
    records_keep(&records, 3, &ten);
    assert_int_equal(released, 1);
    records_drop(&records);
    assert_int_equal(released, 11);
    records_drop(&records);
    assert_int_equal(released, 11);
}

static void test_the_oldest_makes_room(void **state) {
    (void)state;
    struct records records = fresh();
    int recordings[RECORDS_MAX + 1];
    void *got = NULL;
    for (int i = 0; i < RECORDS_MAX; i++) {
        recordings[i] = 1 << i;
        records_begin(&records, (uint64_t)i, &got);
        records_keep(&records, (uint64_t)i, &recordings[i]);
    }
    assert_int_equal(records_begin(&records, 0, &got), RECORD_REPLAY); /* so 1 is the oldest */
    assert_int_equal(records_begin(&records, 1000, &got), RECORD_RUN);
    assert_int_equal(released, 2);
    assert_int_equal(records_begin(&records, 0, &got), RECORD_REPLAY);
    assert_int_equal(records_begin(&records, 1, &got), RECORD_RUN);
    assert_int_equal(released, 2 + 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_record_replay),
        cmocka_unit_test(test_refused_stays_refused),
        cmocka_unit_test(test_kept_after_a_drop),
        cmocka_unit_test(test_the_oldest_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
