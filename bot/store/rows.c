/*
 * rows.c: all rows of a run in order, for the CSV, and the names of its metrics.
 *
 * Chunk by chunk, so that a run of any length needs the memory of one chunk and of the tail.
 */
#include "metrics.h"
#include <stdlib.h>

struct rows_reading {
    struct db *db;
    int64_t run, from_step;
    struct series_list series;
    struct shown_list shown;
    struct chunk *chunks;
    size_t chunks_count;
    struct table tail;
    double *values;                    /* of one row */
    const double **metric, **progress; /* columns of the table at hand, by shown */
    store_row_cb *row;
    void *user;
};

static bool rows_collide(const double *a, const double *b, size_t count) {
    for (size_t i = 0; a && b && i < count; i++)
        if (!is_absent(a[i]) && !is_absent(b[i])) return true;
    return false;
}

static int chunk_collides(struct db *db, const struct chunk *chunk, int progress, bool *ret_collides) {
    int64_t size;
    int r = db_integer(db, PYRAMID_HAS_COLLIDED, 0, &size, "i", part_id(chunk->id, (slot_t)progress));
    if (r >= 0) *ret_collides = size > 0;
    return r;
}

/* Whether the tail puts a progress value beside a metric of a chunk, or the other way round. */
static int overlay_collides(struct slice slice, slot_t metric, slot_t progress, bool *collides) {
    const double *m = table_column(slice.table, metric), *p = table_column(slice.table, progress);
    if (m && p && rows_collide(m + slice.from, p + slice.from, slice.to - slice.from)) *collides = true;
    return *collides ? 0 : 1;
}

struct collide_check {
    struct db *db;
    slot_t metric, progress;
    bool collides;
};

static int collide_table(void *user, struct slice slice) {
    struct collide_check *check = user;
    return overlay_collides(slice, check->metric, check->progress, &check->collides);
}

static int collide_skip(void *user, const struct chunk *chunk, bool *ret_taken) {
    struct collide_check *check = user;
    *ret_taken = true;
    int r = chunk_collides(check->db, chunk, check->progress, &check->collides);
    return r < 0 ? r : check->collides ? 0 : 1;
}

/* Does any step have both? The pyramid of a chunk knows it without its rows. */
static int series_collide(const struct rows_reading *reading, size_t progress, bool *ret_collides) {
    struct collide_check check = {reading->db, (slot_t)reading->series.at[progress].twin, (slot_t)progress, false};
    bool *wanted = calloc(TABLE_SLOTS, sizeof *wanted);
    if (!wanted) return TB_ENOMEM;
    wanted[check.metric] = wanted[check.progress] = true;
    struct walk walk = {
        .db = reading->db,
        .run = reading->run,
        .wanted = wanted,
        .chunks = reading->chunks,
        .chunks_count = reading->chunks_count,
        .tail = &reading->tail,
        .table = collide_table,
        .skip = collide_skip,
        .user = &check,
    };
    int r = walk_rows(&walk);
    free(wanted);
    if (r >= 0) *ret_collides = check.collides;
    return r;
}

static int columns_find(struct rows_reading *reading) {
    bool *collides = calloc(TABLE_SLOTS, sizeof *collides);
    if (!collides) return TB_ENOMEM;
    int r = TB_OK;
    for (size_t i = 0; r >= 0 && i < reading->series.count; i++)
        if (reading->series.at[i].progress && reading->series.at[i].twin >= 0)
            r = series_collide(reading, i, &collides[i]);
    if (r >= 0) r = shown_make(&reading->series, collides, &reading->shown);
    free(collides);
    if (r < 0) return r;
    size_t count = reading->shown.count + 1;
    reading->values = malloc(count * sizeof *reading->values);
    reading->metric = malloc(count * sizeof *reading->metric);
    reading->progress = malloc(count * sizeof *reading->progress);
    return reading->values && reading->metric && reading->progress ? TB_OK : TB_ENOMEM;
}

static double shown_value(const struct rows_reading *reading, size_t column, size_t row, double absent) {
    const double *metric = reading->metric[column], *progress = reading->progress[column];
    bool has_metric = metric && !is_absent(metric[row]);
    if (reading->shown.at[column].collided) return has_metric && progress ? progress[row] : absent;
    if (has_metric) return metric[row];
    return progress ? progress[row] : absent;
}

static int table_emit(void *user, struct slice slice) {
    struct rows_reading *reading = user;
    const struct table *table = slice.table;
    size_t count = reading->shown.count;
    double absent = wire_absent();
    for (size_t c = 0; c < count; c++) {
        const struct shown *shown = &reading->shown.at[c];
        reading->metric[c] = shown->metric >= 0 ? table_column(table, (slot_t)shown->metric) : NULL;
        reading->progress[c] = shown->progress >= 0 ? table_column(table, (slot_t)shown->progress) : NULL;
    }
    for (size_t i = slice.from; i < slice.to; i++) {
        if (table->steps[i] < reading->from_step) continue;
        for (size_t c = 0; c < count; c++)
            reading->values[c] = shown_value(reading, c, i, absent);
        struct store_row row = {table->steps[i], table->t_ms[i], table->epochs[i], reading->values};
        if (!reading->row(reading->user, &row)) return 0;
    }
    return 1;
}

static int reading_open(struct rows_reading *reading) {
    int r = series_list_read(reading->db, reading->run, &reading->series);
    if (r >= 0)
        r = chunks_list(reading->db, reading->run, reading->from_step, &reading->chunks, &reading->chunks_count);
    if (r >= 0) r = tail_read(reading->db, reading->run, NULL, &reading->tail);
    if (r >= 0) r = columns_find(reading);
    return r;
}

static void reading_release(struct rows_reading *reading) {
    free(reading->values);
    free(reading->metric);
    free(reading->progress);
    table_release(&reading->tail);
    free(reading->chunks);
    shown_release(&reading->shown);
    series_list_release(&reading->series);
}

static bool cols_give(const struct shown_list *shown, store_cols_cb *cols, void *user, int *ret_error) {
    const char **names = malloc((shown->count + 1) * sizeof *names);
    *ret_error = names ? TB_OK : TB_ENOMEM;
    if (!names) return false;
    for (size_t i = 0; i < shown->count; i++)
        names[i] = shown->at[i].name;
    bool go_on = cols(user, names, shown->count);
    free(names);
    return go_on;
}

static int rows_read(struct db *db, int64_t run, int64_t from_step, store_cols_cb *cols, store_row_cb *row,
                     void *user) {
    struct rows_reading reading = {.db = db, .run = run, .from_step = from_step, .row = row, .user = user};
    if (run <= 0 || run > INT32_MAX) return TB_ENOTFOUND;
    int r = reading_open(&reading);
    if (r >= 0 && cols_give(&reading.shown, cols, user, &r)) {
        struct walk walk = {
            .db = db,
            .run = run,
            .chunks = reading.chunks,
            .chunks_count = reading.chunks_count,
            .tail = &reading.tail,
            .table = table_emit,
            .user = &reading,
        };
        r = walk_rows(&walk);
    }
    reading_release(&reading);
    return r;
}

int store_rows_read(struct store *store, int64_t run, int64_t from_step, store_cols_cb *cols, store_row_cb *row,
                    void *user) {
    return rows_read(&store->db, run, from_step, cols, row, user);
}

/* One transaction, so that what is read in several statements is of one moment. */
int store_reader_rows(struct store_reader *reader, int64_t run, int64_t from_step, store_cols_cb *cols,
                      store_row_cb *row, void *user) {
    int r = db_exec(&reader->db, "BEGIN");
    if (r < 0) return r;
    r = rows_read(&reader->db, run, from_step, cols, row, user);
    int end = db_exec(&reader->db, "COMMIT");
    return r < 0 ? r : end;
}

static int names_give(struct db *db, int64_t run, store_name_cb *cb, void *user) {
    struct series_list series;
    struct shown_list shown;
    int r = series_list_read(db, run, &series);
    if (r < 0) return r;
    bool *collides = calloc(TABLE_SLOTS, sizeof *collides);
    r = collides ? shown_make(&series, collides, &shown) : TB_ENOMEM;
    if (r >= 0) {
        for (size_t i = 0; i < shown.count && cb(user, shown.at[i].name); i++)
            ;
        shown_release(&shown);
    }
    free(collides);
    series_list_release(&series);
    return r;
}

int store_metric_names(struct store *store, int64_t run, store_name_cb *cb, void *user) {
    return names_give(&store->db, run, cb, user);
}

int store_reader_metric_names(struct store_reader *reader, int64_t run, store_name_cb *cb, void *user) {
    return names_give(&reader->db, run, cb, user);
}
