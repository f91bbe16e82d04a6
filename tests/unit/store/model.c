/*
 * model.c: see model.h. It knows nothing of chunks, tails and pyramids: an array by step.
 */
#include "model.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void row_clear(struct model_row *row) {
    *row = (struct model_row){.epoch = wire_absent()};
    for (int k = 0; k < 2; k++)
        for (int n = 0; n < MODEL_NAMES; n++)
            row->values[k][n] = wire_absent();
}

struct model *model_create(void) {
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    for (size_t s = 0; s < MODEL_STEPS; s++)
        row_clear(&model->rows[s]);
    return model;
}

static int name_index(const char *const *names, const char *name) {
    for (int n = 0; n < MODEL_NAMES; n++)
        if (strcmp(names[n], name) == 0) return n;
    fail_msg("no such name in the model: %s", name);
    return -1;
}

void model_append(struct model *model, const char *const *names, bool progress, const struct wire_rows *rows) {
    for (size_t c = 0; c < rows->cols_count; c++) {
        int n = name_index(names, rows->cols[c]);
        if (!model->seen[0][n] && !model->seen[1][n]) model->order[model->order_count++] = n;
        model->seen[progress][n] = true;
    }
    for (size_t r = 0; r < rows->rows_count; r++) {
        struct model_row *row = &model->rows[rows->steps[r]];
        row->there = true;
        if (rows->t_ms[r]) row->t_ms = rows->t_ms[r];
        if (!wire_is_absent(rows->epochs[r])) row->epoch = rows->epochs[r];
        for (size_t c = 0; c < rows->cols_count; c++) {
            double v = rows->values[r * rows->cols_count + c];
            if (!wire_is_absent(v)) row->values[progress][name_index(names, rows->cols[c])] = v;
        }
    }
}

void model_rewind(struct model *model, int64_t step) {
    for (int64_t s = step + 1; s < MODEL_STEPS; s++)
        row_clear(&model->rows[s < 0 ? 0 : s]);
}

/* What column (name, collided) shows in a row. */
static double shown(const struct model_row *row, int n, bool collided) {
    double metric = row->values[0][n], progress = row->values[1][n];
    if (collided) return wire_is_absent(metric) ? wire_absent() : progress;
    return wire_is_absent(metric) ? progress : metric;
}

struct shown_column {
    int name;
    bool collided;
    char text[100];
};

static size_t columns_of(const struct model *model, const char *const *names, int64_t from_step,
                         struct shown_column *columns) {
    size_t count = 0;
    for (int i = 0; i < model->order_count; i++) {
        struct shown_column *column = &columns[count++];
        *column = (struct shown_column){model->order[i], false, ""};
        snprintf(column->text, sizeof column->text, "%s", names[model->order[i]]);
    }
    for (int i = 0; i < model->order_count; i++) {
        int n = model->order[i];
        bool collides = false;
        for (int64_t s = from_step < 0 ? 0 : from_step; s < MODEL_STEPS; s++)
            collides |= model->rows[s].there && !wire_is_absent(shown(&model->rows[s], n, true));
        if (!collides) continue;
        struct shown_column *column = &columns[count++];
        *column = (struct shown_column){n, true, ""};
        snprintf(column->text, sizeof column->text, "progress_%s", names[n]);
    }
    return count;
}

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0;
}

struct comparing {
    const struct model *model;
    struct shown_column columns[2 * MODEL_NAMES];
    size_t columns_count, cols_calls;
    int column_of[2 * MODEL_NAMES]; /* given column → index in columns */
    int64_t next;
};

static bool compare_cols(void *user, const char *const *cols, size_t count) {
    struct comparing *comparing = user;
    comparing->cols_calls++;
    bool used[2 * MODEL_NAMES] = {false};
    for (size_t c = 0; c < count; c++) {
        comparing->column_of[c] = -1;
        for (size_t i = 0; i < comparing->columns_count; i++)
            if (!used[i] && strcmp(cols[c], comparing->columns[i].text) == 0) {
                comparing->column_of[c] = (int)i;
                used[i] = true;
            }
        /* A column that collides only before from_step may stand there, empty. */
        if (comparing->column_of[c] < 0 && strncmp(cols[c], "progress_", 9) != 0) fail_msg("unknown %s", cols[c]);
    }
    for (size_t i = 0; i < comparing->columns_count; i++)
        if (!used[i]) fail_msg("column %s is missing", comparing->columns[i].text);
    for (size_t i = 0; i < (size_t)comparing->model->order_count; i++)
        assert_int_equal(comparing->column_of[i], i); /* in order of first appearance */
    return true;
}

static bool compare_row(void *user, const struct store_row *row) {
    struct comparing *comparing = user;
    const struct model *model = comparing->model;
    while (comparing->next < MODEL_STEPS && !model->rows[comparing->next].there)
        comparing->next++;
    assert_int_equal(row->step, comparing->next);
    const struct model_row *want = &model->rows[comparing->next++];
    assert_int_equal(row->t_ms, want->t_ms);
    assert_true(same_bits(row->epoch, want->epoch));
    for (size_t c = 0; c < 2 * MODEL_NAMES; c++) {
        if (comparing->column_of[c] < 0) continue;
        const struct shown_column *column = &comparing->columns[comparing->column_of[c]];
        double value = shown(want, column->name, column->collided);
        if (!same_bits(row->values[c], value))
            fail_msg("step %lld %s: %g, not %g", (long long)row->step, column->text, row->values[c], value);
    }
    return true;
}

void model_compare(const struct model *model, const char *const *names, struct store *store,
                   struct store_reader *reader, int64_t run, int64_t from_step) {
    struct comparing *comparing = calloc(1, sizeof *comparing);
    assert_non_null(comparing);
    comparing->model = model;
    comparing->next = from_step < 0 ? 0 : from_step;
    comparing->columns_count = columns_of(model, names, from_step, comparing->columns);
    for (size_t c = 0; c < 2 * MODEL_NAMES; c++)
        comparing->column_of[c] = -1;
    int r = reader ? store_reader_rows(reader, run, from_step, compare_cols, compare_row, comparing)
                   : store_rows_read(store, run, from_step, compare_cols, compare_row, comparing);
    assert_int_equal(r, TB_OK);
    assert_int_equal(comparing->cols_calls, 1);
    while (comparing->next < MODEL_STEPS && !model->rows[comparing->next].there)
        comparing->next++;
    assert_int_equal(comparing->next, MODEL_STEPS); /* nothing is missing at the end */
    free(comparing);
}

/* One bucket against the values between its steps. */
static void compare_bucket(const struct model *model, const struct shown_column *column,
                           const struct store_bucket *bucket) {
    struct store_bucket want = {.min = INFINITY, .max = -INFINITY};
    double sum = 0;
    for (int64_t s = bucket->first_step; s <= bucket->last_step; s++) {
        double v = shown(&model->rows[s], column->name, column->collided);
        bool there = model->rows[s].there && !wire_is_absent(v);
        if (s == bucket->first_step || s == bucket->last_step) assert_true(there);
        if (!there) continue;
        if (!isfinite(v)) {
            want.not_finite++;
            continue;
        }
        want.count++;
        want.min = fmin(want.min, v);
        want.max = fmax(want.max, v);
        want.last = v;
        sum += v;
    }
    assert_int_equal(bucket->count, want.count);
    assert_int_equal(bucket->not_finite, want.not_finite);
    if (want.count == 0) {
        assert_true(isnan(bucket->min) && isnan(bucket->max) && isnan(bucket->mean) && isnan(bucket->last));
        return;
    }
    assert_true(same_bits(bucket->min, want.min) && same_bits(bucket->max, want.max));
    assert_true(same_bits(bucket->last, want.last));
    assert_true(fabs(bucket->mean - sum / (double)want.count) <= 1e-9);
}

void model_compare_series(const struct model *model, const char *const *names, struct store_reader *reader, int64_t run,
                          size_t buckets) {
    struct shown_column columns[2 * MODEL_NAMES];
    size_t columns_count = columns_of(model, names, 0, columns);
    struct store_bucket *got = calloc(buckets, sizeof *got);
    assert_non_null(got);
    for (size_t i = 0; i < columns_count; i++) {
        size_t count = SIZE_MAX;
        assert_int_equal(store_reader_series(reader, run, columns[i].text, buckets, got, &count), TB_OK);
        assert_true(count <= buckets);
        int64_t values = 0, given = 0;
        for (int64_t s = 0; s < MODEL_STEPS; s++)
            values +=
                model->rows[s].there && !wire_is_absent(shown(&model->rows[s], columns[i].name, columns[i].collided));
        for (size_t b = 0; b < count; b++) {
            if (b) assert_true(got[b].first_step > got[b - 1].last_step);
            compare_bucket(model, &columns[i], &got[b]);
            given += got[b].count + got[b].not_finite;
        }
        assert_int_equal(given, values); /* every value is in exactly one bucket */
    }
    free(got);
}
