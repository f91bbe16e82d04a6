/*
 * test_rows.c: a run's rows against a naive model: random appends, collisions, rewinds, NaN, Inf, absent values.
 */
#include "fixture.h"
#include "model.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *const names[MODEL_NAMES] = {"loss", "acc", "val_loss", "lr", "gnorm", "损失", "t", "x"};

static double random_value(struct random *random) {
    switch (random_below(random, 24)) {
    case 0:
        return NAN;
    case 1:
        return INFINITY;
    case 2:
        return -INFINITY;
    case 3:
    case 4:
    case 5:
        return wire_absent();
    default:
        return (double)random_below(random, 2000001) / 1000 - 1000;
    }
}

#define ROWS_MAX 700
struct append {
    const char *cols[MODEL_NAMES];
    int64_t steps[ROWS_MAX], t_ms[ROWS_MAX];
    double epochs[ROWS_MAX], values[ROWS_MAX * MODEL_NAMES];
    struct wire_rows rows;
};

/* Mostly ascending from *step; now and then a repeated or an older step. */
static void append_random(struct append *append, struct random *random, int64_t *step, bool wild) {
    size_t rows = random_below(random, 4) ? random_below(random, 8) + 1 : random_below(random, ROWS_MAX) + 1;
    size_t cols = 0;
    for (int n = 0; n < MODEL_NAMES; n++)
        if (random_below(random, 2)) append->cols[cols++] = names[n];
    for (size_t r = 0; r < rows; r++) {
        uint64_t kind = random_below(random, wild ? 10 : 1000);
        if (kind == 0)
            append->steps[r] = (int64_t)random_below(random, (uint64_t)*step + 1);
        else if (kind == 1)
            append->steps[r] = *step;
        else
            append->steps[r] = *step = *step < MODEL_STEPS - 1 ? *step + 1 : *step;
        append->t_ms[r] = random_below(random, 5) ? 1700000000000 + append->steps[r] * 7 : 0;
        append->epochs[r] = random_below(random, 3) ? (double)append->steps[r] / 100 : wire_absent();
        for (size_t c = 0; c < cols; c++)
            append->values[r * cols + c] = random_value(random);
    }
    append->rows =
        (struct wire_rows){append->cols, cols, rows, append->steps, append->t_ms, append->epochs, append->values};
}

static void compare_all(struct fixture *fixture, const struct model *model, int64_t run, struct random *random) {
    model_compare(model, names, fixture->store, NULL, run, 0);
    model_compare(model, names, fixture->store, NULL, run, (int64_t)random_below(random, MODEL_STEPS));
    assert_ok(store_commit(fixture->store));
    struct store_reader *reader;
    assert_ok(store_reader_open(fixture->dir, &reader));
    model_compare(model, names, NULL, reader, run, 0);
    static const size_t buckets[] = {1, 3, 17, 100, 390, 4096};
    for (size_t i = 0; i < sizeof buckets / sizeof *buckets; i++)
        model_compare_series(model, names, reader, run, buckets[i]);
    store_reader_close(reader);
}

static void play(struct fixture *fixture, uint64_t seed, bool wild, int turns) {
    struct random random = {seed};
    struct model *model = model_create();
    struct append *append = calloc(1, sizeof *append);
    assert_non_null(append);
    int64_t run = fixture_run(fixture->store), step = 0;
    for (int turn = 0; turn < turns; turn++) {
        append_random(append, &random, &step, wild);
        bool progress = random_below(&random, 3) == 0;
        model_append(model, names, progress, &append->rows);
        assert_ok(store_rows_append(fixture->store, run, progress, &append->rows));
        if (random_below(&random, 60) == 0) {
            int64_t back = (int64_t)random_below(&random, random_below(&random, 4) ? 300 : (uint64_t)step + 2);
            step = step > back ? step - back : 0;
            int64_t to = step - (random_below(&random, 20) == 0);
            model_rewind(model, to);
            assert_ok(store_rows_rewind(fixture->store, run, to));
        }
        if (random_below(&random, 7) == 0) assert_ok(store_commit(fixture->store));
        if (random_below(&random, 100) == 0) fixture_reopen(fixture);
        if (random_below(&random, 150) == 0) compare_all(fixture, model, run, &random);
    }
    compare_all(fixture, model, run, &random);
    free(append);
    free(model);
}

static void test_ascending(void **state) {
    for (uint64_t seed = 1; seed <= 3; seed++)
        play(*state, seed, false, 400);
}

static void test_wild(void **state) {
    for (uint64_t seed = 11; seed <= 13; seed++)
        play(*state, seed, true, 400);
}

/* A turn that is rolled back leaves nothing, also not when it closed a chunk. */
static void test_rollback(void **state) {
    struct fixture *fixture = *state;
    struct random random = {5};
    struct model *model = model_create();
    struct append *append = calloc(1, sizeof *append);
    assert_non_null(append);
    int64_t run = fixture_run(fixture->store), step = 0;
    for (int turn = 0; turn < 120; turn++) {
        bool keep = random_below(&random, 2);
        int64_t before = step;
        for (int i = 0; i < 6; i++) {
            append_random(append, &random, &step, false);
            bool progress = random_below(&random, 3) == 0;
            if (keep) model_append(model, names, progress, &append->rows);
            assert_ok(store_rows_append(fixture->store, run, progress, &append->rows));
        }
        assert_true(store_is_dirty(fixture->store));
        if (keep) {
            assert_ok(store_commit(fixture->store));
        } else if (turn == 0) {
            run = 0;
        } else {
            store_rollback(fixture->store);
            step = before;
        }
        if (run == 0) { /* the run itself was of the turn */
            store_rollback(fixture->store);
            run = fixture_run(fixture->store);
            step = before;
        }
        assert_ok(store_commit(fixture->store));
        assert_false(store_is_dirty(fixture->store));
    }
    compare_all(fixture, model, run, &random);
    free(append);
    free(model);
}

struct last {
    char cols[200];
    int64_t rows, step, stop_after;
    double value[8];
    size_t count;
};

static bool last_cols(void *user, const char *const *cols, size_t count) {
    struct last *last = user;
    last->count = count;
    for (size_t i = 0; i < count; i++) {
        strcat(last->cols, cols[i]);
        strcat(last->cols, " ");
    }
    return true;
}

static bool last_row(void *user, const struct store_row *row) {
    struct last *last = user;
    last->rows++;
    last->step = row->step;
    memcpy(last->value, row->values, last->count * sizeof(double));
    return last->rows != last->stop_after;
}

static void test_two_logs_at_one_step(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    assert_ok(fixture_log(fixture->store, run, false, "loss", 1, 0.5));
    assert_ok(fixture_log(fixture->store, run, false, "acc", 1, 0.75));
    assert_ok(fixture_log(fixture->store, run, true, "acc", 1, 0.25));
    assert_ok(fixture_log(fixture->store, run, true, "mood", 1, 3));
    struct last last = {0};
    assert_ok(store_rows_read(fixture->store, run, 0, last_cols, last_row, &last));
    assert_string_equal(last.cols, "loss acc mood progress_acc ");
    assert_int_equal(last.rows, 1);
    assert_true(last.value[0] == 0.5 && last.value[1] == 0.75 && last.value[2] == 3 && last.value[3] == 0.25);
}

static void test_progress_name_is_taken(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    assert_ok(fixture_log(fixture->store, run, false, "loss", 1, 1));
    assert_ok(fixture_log(fixture->store, run, false, "progress_loss", 1, 2));
    assert_ok(fixture_log(fixture->store, run, true, "loss", 1, 3));
    struct last last = {0};
    assert_ok(store_rows_read(fixture->store, run, 0, last_cols, last_row, &last));
    assert_string_equal(last.cols, "loss progress_loss progress_progress_loss ");
    assert_true(last.value[0] == 1 && last.value[1] == 2 && last.value[2] == 3);
}

static void test_read_stops(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    for (int64_t step = 1; step <= 10000; step++)
        assert_ok(fixture_log(fixture->store, run, false, "loss", step, (double)step));
    struct last last = {.stop_after = 10};
    assert_ok(store_rows_read(fixture->store, run, 3000, last_cols, last_row, &last));
    assert_int_equal(last.rows, 10);
    assert_int_equal(last.step, 3009);
}

/* Steps of the whole range of int64. */
static void test_extreme_steps(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    static const int64_t steps[] = {INT64_MAX, INT64_MIN, 0, -1, INT64_MAX - 1, 1};
    for (int repeat = 0; repeat < 2000; repeat++)
        for (size_t i = 0; i < 6; i++) {
            double value = (double)i, epoch = 0;
            int64_t t_ms = INT64_MIN + (int64_t)i;
            const char *name = "v";
            struct wire_rows rows = {&name, 1, 1, &steps[i], &t_ms, &epoch, &value};
            assert_ok(store_rows_append(fixture->store, run, false, &rows));
        }
    struct last last = {0};
    assert_ok(store_rows_read(fixture->store, run, INT64_MIN, last_cols, last_row, &last));
    assert_int_equal(last.rows, 6);
    assert_true(last.step == INT64_MAX);
    assert_ok(store_commit(fixture->store));
    struct store_reader *reader;
    struct store_bucket buckets[4];
    size_t count = 0;
    assert_ok(store_reader_open(fixture->dir, &reader));
    assert_ok(store_reader_series(reader, run, "v", 4, buckets, &count));
    assert_int_equal(count, 4);
    assert_true(buckets[0].first_step == INT64_MIN && buckets[3].last_step == INT64_MAX);
    store_reader_close(reader);
    assert_ok(store_rows_rewind(fixture->store, run, INT64_MAX));
    assert_ok(store_rows_rewind(fixture->store, run, 0));
    last = (struct last){0};
    assert_ok(store_rows_read(fixture->store, run, INT64_MIN, last_cols, last_row, &last));
    assert_int_equal(last.rows, 3);
}

/* The mean of huge values does not overflow on its way. */
static void test_huge_values(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    for (int64_t step = 1; step <= 9000; step++)
        assert_ok(fixture_log(fixture->store, run, false, "v", step, 1.5e308));
    assert_ok(store_commit(fixture->store));
    struct store_reader *reader;
    struct store_bucket bucket;
    size_t count = 0;
    assert_ok(store_reader_open(fixture->dir, &reader));
    assert_ok(store_reader_series(reader, run, "v", 1, &bucket, &count));
    assert_int_equal(count, 1);
    assert_true(bucket.count == 9000 && bucket.mean == 1.5e308);
    store_reader_close(reader);
}

static void test_refused(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    assert_int_equal(fixture_log(fixture->store, run + 1, false, "a", 1, 1), TB_ENOTFOUND);
    assert_int_equal(fixture_log(fixture->store, 0, false, "a", 1, 1), TB_ENOTFOUND);
    assert_int_equal(fixture_log(fixture->store, run, false, "", 1, 1), TB_EINVAL);
    assert_int_equal(store_rows_rewind(fixture->store, run + 1, 1), TB_ENOTFOUND);
    char name[WIRE_NAME_MAX + 2];
    memset(name, 'x', sizeof name);
    name[WIRE_NAME_MAX + 1] = 0;
    assert_int_equal(fixture_log(fixture->store, run, false, name, 1, 1), TB_EINVAL);
    name[WIRE_NAME_MAX] = 0;
    assert_ok(fixture_log(fixture->store, run, false, name, 1, 1));
    struct store_bucket bucket;
    size_t count = 7;
    struct store_reader *reader;
    assert_ok(store_commit(fixture->store));
    assert_ok(store_reader_open(fixture->dir, &reader));
    assert_int_equal(store_reader_series(reader, run, "nosuch", 1, &bucket, &count), TB_ENOTFOUND);
    assert_int_equal(store_reader_series(reader, run, name, 0, &bucket, &count), TB_ERANGE);
    assert_int_equal(count, 7);
    assert_ok(store_reader_series(reader, run, name, 1, &bucket, &count));
    assert_int_equal(count, 1);
    store_reader_close(reader);
}

/* A run may have 1024 series; what is over it is refused and harms nothing. */
static void test_too_many_series(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    char name[32];
    for (int i = 0; i < 1024; i++) {
        snprintf(name, sizeof name, "m%d", i);
        assert_ok(fixture_log(fixture->store, run, i % 2, name, i, i));
    }
    assert_int_equal(fixture_log(fixture->store, run, false, "one more", 1, 1), TB_ERANGE);
    assert_ok(fixture_log(fixture->store, run, false, "m2", 2000, 5));
    assert_ok(store_commit(fixture->store));
    for (int64_t step = 3000; step < 9000; step++)
        assert_ok(fixture_log(fixture->store, run, false, "m4", step, 1));
    assert_ok(store_commit(fixture->store));
    struct last last = {0};
    struct store_reader *reader;
    struct store_bucket bucket[2];
    size_t count;
    assert_ok(store_reader_open(fixture->dir, &reader));
    assert_ok(store_reader_series(reader, run, "m2", 2, bucket, &count));
    assert_int_equal(count, 1);
    assert_true(bucket[0].first_step == 2 && bucket[0].last_step == 2000 && bucket[0].max == 5);
    assert_ok(store_reader_series(reader, run, "m1023", 2, bucket, &count));
    assert_true(bucket[0].max == 1023);
    store_reader_close(reader);
    (void)last;
}

struct names_given {
    char text[200];
};

static bool name_given(void *user, const char *name) {
    struct names_given *given = user;
    strcat(strcat(given->text, name), " ");
    return strcmp(name, "stop") != 0;
}

static void test_names(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store), other = fixture_run(fixture->store);
    assert_ok(fixture_log(fixture->store, other, false, "other", 1, 1));
    assert_ok(fixture_log(fixture->store, run, true, "zeta", 1, 1));
    assert_ok(fixture_log(fixture->store, run, false, "alpha", 1, 1));
    assert_ok(fixture_log(fixture->store, run, false, "zeta", 1, 1));
    assert_ok(fixture_log(fixture->store, run, false, "stop", 1, 1));
    assert_ok(fixture_log(fixture->store, run, false, "after", 1, 1));
    assert_ok(store_commit(fixture->store));
    struct names_given given = {""};
    assert_ok(store_metric_names(fixture->store, run, name_given, &given));
    assert_string_equal(given.text, "zeta alpha stop ");
    struct store_reader *reader;
    assert_ok(store_reader_open(fixture->dir, &reader));
    given.text[0] = 0;
    assert_ok(store_reader_metric_names(reader, run, name_given, &given));
    assert_string_equal(given.text, "zeta alpha stop ");
    store_reader_close(reader);
}

/* Many runs that reach the tail's limit in the same turn, each row in a frame of its own. */
static void test_many_runs(void **state) {
    struct fixture *fixture = *state;
    enum { RUNS = 30, STEPS = 5800 };
    int64_t runs[RUNS];
    for (int i = 0; i < RUNS; i++)
        runs[i] = fixture_run(fixture->store);
    for (int64_t step = 1; step <= STEPS; step++) {
        for (int i = 0; i < RUNS; i++)
            assert_ok(fixture_log(fixture->store, runs[i], false, "loss", step, (double)(step * i)));
        if (step % 10 == 0) assert_ok(store_commit(fixture->store));
    }
    assert_ok(store_commit(fixture->store));
    struct store_reader *reader;
    assert_ok(store_reader_open(fixture->dir, &reader));
    for (int i = 0; i < RUNS; i++) {
        struct store_bucket bucket;
        size_t count;
        assert_ok(store_reader_series(reader, runs[i], "loss", 1, &bucket, &count));
        assert_true(bucket.count == STEPS && bucket.min == i && bucket.max == (double)(STEPS * i));
    }
    store_reader_close(reader);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_ascending),  T(test_wild),          T(test_rollback),    T(test_two_logs_at_one_step),
        T(test_read_stops), T(test_extreme_steps), T(test_huge_values), T(test_progress_name_is_taken),
        T(test_refused),    T(test_names),         T(test_many_runs),   T(test_too_many_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
