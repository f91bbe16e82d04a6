/*
 * series.c: one metric of a run cut into buckets, for plots.
 *
 * Where a bucket spans many rows the chunks' pyramids give its extremes and mean without their rows; buckets then begin
 * and end at the edges of pyramid blocks. Where it spans few, and where the tail lies over a chunk, the rows are read.
 */
#include "metrics.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MAX 65536

struct series_reading {
    struct db *db;
    struct shown shown; /* the column asked for */
    int64_t first_step, last_step;
    size_t buckets;
    bool use_blocks;
    struct store_bucket *at; /* mean is filled at the end */
    long double *sums;
    int64_t *last_steps; /* step of `last` */
    size_t now;          /* bucket that the rows at hand fall into: offsets now_from..now_to from first_step */
    uint64_t now_from, now_to;
    int error;
};

/* Rows come in order, so that the division is made once a bucket. */
static size_t bucket_of(struct series_reading *reading, int64_t step) {
    uint64_t offset = (uint64_t)step - (uint64_t)reading->first_step;
    if (offset >= reading->now_from && offset <= reading->now_to) return reading->now;
    __extension__ typedef unsigned __int128 wide;
    wide steps = (wide)((uint64_t)reading->last_step - (uint64_t)reading->first_step) + 1;
    wide buckets = reading->buckets;
    wide now = offset * buckets / steps;
    reading->now = (size_t)now;
    reading->now_from = (uint64_t)((now * steps + buckets - 1) / buckets);
    reading->now_to = (uint64_t)(((now + 1) * steps - 1) / buckets);
    return reading->now;
}

static void block_add(struct series_reading *reading, const struct block *block) {
    size_t index = bucket_of(reading, block->first_step);
    struct store_bucket *bucket = &reading->at[index];
    bool fresh = bucket->count + bucket->not_finite == 0;
    if (fresh || block->first_step < bucket->first_step) bucket->first_step = block->first_step;
    if (fresh || block->last_step > bucket->last_step) bucket->last_step = block->last_step;
    bucket->not_finite += block->not_finite;
    if (block->count == 0) return;
    bool first = bucket->count == 0;
    if (first || block->min < bucket->min) bucket->min = block->min;
    if (first || block->max > bucket->max) bucket->max = block->max;
    if (first || block->last_step >= reading->last_steps[index]) {
        bucket->last = block->last;
        reading->last_steps[index] = block->last_step;
    }
    bucket->count += block->count;
    reading->sums[index] += (long double)block->mean * block->count;
}

static void value_add(struct series_reading *reading, int64_t step, double v) {
    size_t index = bucket_of(reading, step);
    struct store_bucket *bucket = &reading->at[index];
    if (bucket->count + bucket->not_finite == 0) bucket->first_step = step;
    bucket->last_step = step;
    if (!isfinite(v)) {
        bucket->not_finite++;
        return;
    }
    if (bucket->count == 0 || v < bucket->min) bucket->min = v;
    if (bucket->count == 0 || v > bucket->max) bucket->max = v;
    bucket->count++;
    bucket->last = v;
    reading->last_steps[index] = step;
    reading->sums[index] += v;
}

static int table_add(void *user, struct slice slice) {
    struct series_reading *reading = user;
    const struct shown *shown = &reading->shown;
    const double *metric = shown->metric >= 0 ? table_column(slice.table, (slot_t)shown->metric) : NULL;
    const double *progress = shown->progress >= 0 ? table_column(slice.table, (slot_t)shown->progress) : NULL;
    if (shown->collided && !(metric && progress)) return 1;
    for (size_t i = slice.from; i < slice.to; i++) {
        bool has_metric = metric && !is_absent(metric[i]);
        bool has_progress = progress && !is_absent(progress[i]);
        if (shown->collided && has_metric && has_progress)
            value_add(reading, slice.table->steps[i], progress[i]);
        else if (!shown->collided && (has_metric || has_progress))
            value_add(reading, slice.table->steps[i], has_metric ? metric[i] : progress[i]);
    }
    return 1;
}

static bool pyramid_row(void *user, sqlite3_stmt *row) {
    struct series_reading *reading = user;
    const unsigned char *data = sqlite3_column_blob(row, 0);
    size_t size = (size_t)sqlite3_column_bytes(row, 0);
    if (size % sizeof(struct block) != 0) reading->error = TB_EINVAL;
    for (size_t i = 0; reading->error >= 0 && i < size / sizeof(struct block); i++) {
        struct block block;
        memcpy(&block, data + i * sizeof block, sizeof block);
        if (block.first_step < reading->first_step || block.last_step > reading->last_step)
            reading->error = TB_EINVAL;
        else
            block_add(reading, &block);
    }
    return false;
}

static int blocks_add(void *user, const struct chunk *chunk, bool *ret_taken) {
    struct series_reading *reading = user;
    const struct shown *shown = &reading->shown;
    if (!reading->use_blocks) return 1;
    *ret_taken = true;
    int64_t n = 0;
    if (shown->metric >= 0 && !shown->collided)
        n = db_query(reading->db, PYRAMID_OWN, pyramid_row, reading, "i", part_id(chunk->id, (slot_t)shown->metric));
    if (n >= 0 && reading->error >= 0 && shown->progress >= 0)
        n = db_query(reading->db, shown->collided ? PYRAMID_COLLIDED : PYRAMID_OWN, pyramid_row, reading, "i",
                     part_id(chunk->id, (slot_t)shown->progress));
    if (n < 0) return (int)n;
    return reading->error < 0 ? reading->error : 1;
}

/* Means, and the empty buckets left out. */
static size_t buckets_finish(struct series_reading *reading) {
    size_t count = 0;
    for (size_t i = 0; i < reading->buckets; i++) {
        struct store_bucket bucket = reading->at[i];
        if (bucket.count + bucket.not_finite == 0) continue;
        if (bucket.count)
            bucket.mean = (double)(reading->sums[i] / (long double)bucket.count);
        else
            bucket.min = bucket.max = bucket.mean = bucket.last = NAN;
        reading->at[count++] = bucket;
    }
    return count;
}

/* Finds the column of that name, "progress_NAME" among them. */
static int shown_find(struct db *db, int64_t run, const char *metric, struct shown *ret_shown) {
    struct series_list series;
    struct shown_list list;
    int r = series_list_read(db, run, &series);
    if (r < 0) return r;
    bool *collides = malloc(TABLE_SLOTS * sizeof *collides);
    if (collides) memset(collides, true, TABLE_SLOTS * sizeof *collides);
    r = collides ? shown_make(&series, collides, &list) : TB_ENOMEM;
    if (r >= 0) {
        r = TB_ENOTFOUND;
        for (size_t i = 0; r < 0 && i < list.count; i++)
            if (strcmp(list.at[i].name, metric) == 0) {
                *ret_shown = list.at[i];
                ret_shown->name = NULL;
                r = TB_OK;
            }
        shown_release(&list);
    }
    free(collides);
    series_list_release(&series);
    return r;
}

static int series_walk(struct series_reading *reading, struct walk *walk) {
    int64_t rows = (int64_t)walk->tail->rows;
    for (size_t i = 0; i < walk->chunks_count; i++)
        rows += walk->chunks[i].rows;
    if (rows == 0) return TB_OK;
    reading->first_step = INT64_MAX;
    reading->last_step = INT64_MIN;
    reading->now_from = 1; /* no bucket yet */
    reading->now_to = 0;
    if (walk->tail->rows) {
        reading->first_step = walk->tail->steps[0];
        reading->last_step = walk->tail->steps[walk->tail->rows - 1];
    }
    if (walk->chunks_count) {
        const struct chunk *first = walk->chunks, *last = walk->chunks + walk->chunks_count - 1;
        if (first->first_step < reading->first_step) reading->first_step = first->first_step;
        if (last->last_step > reading->last_step) reading->last_step = last->last_step;
    }
    reading->use_blocks = rows / (int64_t)reading->buckets >= BLOCK_ROWS;
    return walk_rows(walk);
}

static int series_read(struct series_reading *reading, int64_t run) {
    bool *wanted = calloc(TABLE_SLOTS, sizeof *wanted);
    if (!wanted) return TB_ENOMEM;
    if (reading->shown.metric >= 0) wanted[reading->shown.metric] = true;
    if (reading->shown.progress >= 0) wanted[reading->shown.progress] = true;
    struct chunk *chunks = NULL;
    struct table tail = {0};
    struct walk walk = {
        .db = reading->db,
        .run = run,
        .wanted = wanted,
        .tail = &tail,
        .table = table_add,
        .skip = blocks_add,
        .user = reading,
    };
    int r = chunks_list(reading->db, run, INT64_MIN, &chunks, &walk.chunks_count);
    walk.chunks = chunks;
    if (r >= 0) r = tail_read(reading->db, run, wanted, &tail);
    if (r >= 0) r = series_walk(reading, &walk);
    table_release(&tail);
    free(chunks);
    free(wanted);
    return r;
}

static int series_buckets(struct db *db, int64_t run, const char *metric, struct series_reading *reading) {
    int r = shown_find(db, run, metric, &reading->shown);
    if (r < 0) return r;
    reading->db = db;
    reading->at = calloc(reading->buckets, sizeof *reading->at);
    reading->sums = calloc(reading->buckets, sizeof *reading->sums);
    reading->last_steps = calloc(reading->buckets, sizeof *reading->last_steps);
    if (!reading->at || !reading->sums || !reading->last_steps) return TB_ENOMEM;
    return series_read(reading, run);
}

int store_reader_series(struct store_reader *reader, int64_t run, const char *metric, size_t buckets,
                        struct store_bucket *ret_buckets, size_t *ret_count) {
    if (run <= 0 || run > INT32_MAX) return TB_ENOTFOUND;
    if (buckets == 0 || buckets > BUCKETS_MAX) return TB_ERANGE;
    int r = db_exec(&reader->db, "BEGIN");
    if (r < 0) return r;
    struct series_reading reading = {.buckets = buckets};
    r = series_buckets(&reader->db, run, metric, &reading);
    int end = db_exec(&reader->db, "COMMIT");
    if (r >= 0) r = end;
    if (r >= 0) {
        *ret_count = buckets_finish(&reading);
        memcpy(ret_buckets, reading.at, *ret_count * sizeof *ret_buckets);
    }
    free(reading.at);
    free(reading.sums);
    free(reading.last_steps);
    return r;
}
