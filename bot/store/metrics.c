/*
 * metrics.c: rows as they come: appended to the tail, gathered into chunks, taken back by a rewind.
 *
 * An append is one small row of SQLite whatever its size. When a run's tail has grown to some thousand rows, its older
 * part becomes a chunk and the newest rows stay, since progress rows come a little later than the metrics of their
 * step. A row older than the last chunk opens the chunk that it falls into and is laid over it.
 */
#include "metrics.h"
#include <stdlib.h>
#include <string.h>

#define TAIL_ROWS 4608      /* a tail of this many rows is closed … */
#define TAIL_KEEP 512       /* … but for the newest ones */
#define TAIL_SPREAD 1024    /* runs that began together are not closed together */
#define CLOSES_A_TURN 4     /* more of them wait for the next turn, unless … */
#define TAIL_ROWS_MAX 16384 /* … a tail has grown to this */
#define APPEND_ROWS_MAX 1000000
#define SCRATCH_KEPT (256 * 1024)

/* ---- the tail ---- */

static int cached_load(struct store *store, int64_t run, struct cached_run **ret_cached) {
    struct cached_run *cached;
    int r = cache_run(store, run, &cached);
    if (r < 0) return r;
    if (!cached->metrics_known) {
        int64_t exists;
        sqlite3_stmt *row;
        r = db_integer(&store->db, RUN_EXISTS, 0, &exists, "i", run);
        if (r < 0) return r;
        if (!exists) return TB_ENOTFOUND;
        r = series_list_read(&store->db, run, &cached->series);
        if (r < 0) return r;
        r = statement_take(&store->db, TAIL_STATE, &row, "ii", tail_id(run, 0), tail_id_last(run));
        if (r >= 0) {
            int rc = sqlite3_step(row);
            cached->tail_next = (int64_t)((uint64_t)sqlite3_column_int64(row, 0) & UINT32_MAX);
            cached->tail_rows = sqlite3_column_int64(row, 1);
            r = db_error(&store->db, rc);
            statement_done(&store->db, TAIL_STATE, row);
        }
        if (r < 0) {
            series_list_release(&cached->series);
            return r;
        }
        cached->metrics_known = true;
    }
    *ret_cached = cached;
    return TB_OK;
}

static int tail_insert(struct store *store, struct cached_run *cached, const void *data, size_t size, size_t rows) {
    if (cached->tail_next > UINT32_MAX) return store_fail(store, TB_ERANGE);
    int r = store_write(store, TAIL_INSERT, NULL, "iib", tail_id(cached->run, cached->tail_next), (int64_t)rows, data,
                        size);
    if (r < 0) return r;
    cached->tail_next++;
    cached->tail_rows += (int64_t)rows;
    return TB_OK;
}

/* The tail becomes exactly these rows. */
static int tail_replace(struct store *store, struct cached_run *cached, struct slice slice) {
    int r = store_write(store, TAIL_DELETE, NULL, "ii", tail_id(cached->run, 0), tail_id_last(cached->run));
    if (r < 0) return r;
    cached->tail_next = 0;
    cached->tail_rows = 0;
    bool *progress = calloc(TABLE_SLOTS, sizeof *progress);
    if (!progress) return store_fail(store, TB_ENOMEM);
    for (size_t i = 0; i < cached->series.count; i++)
        progress[i] = cached->series.at[i].progress;
    struct bytes bytes = {0};
    for (int kind = 0; r >= 0 && kind < 2; kind++) {
        size_t rows = 0;
        bytes.size = 0;
        r = segment_of_slice(slice, progress, kind == 1, kind == 0, &bytes, &rows);
        if (r < 0)
            r = store_fail(store, r);
        else if (rows)
            r = tail_insert(store, cached, bytes.at, bytes.size, rows);
    }
    bytes_release(&bytes);
    free(progress);
    return r;
}

/* ---- closing ---- */

static int chunk_lay_over(struct store *store, struct cached_run *cached, const struct chunk *chunk,
                          struct slice above) {
    struct table below, both;
    int r = chunk_read(&store->db, chunk, NULL, &below);
    if (r < 0) return store_fail(store, r);
    r = table_overlay((struct slice){&below, 0, below.rows}, above, &both);
    table_release(&below);
    if (r < 0) return store_fail(store, r);
    r = chunk_delete(store, chunk->id);
    if (r >= 0) r = chunks_write(store, cached->run, &cached->series, (struct slice){&both, 0, both.rows});
    table_release(&both);
    return r;
}

static int rows_to_chunks(struct store *store, struct cached_run *cached, struct slice rows) {
    struct chunk *chunks;
    size_t count;
    int r = chunks_list(&store->db, cached->run, rows.table->steps[rows.from], &chunks, &count);
    if (r < 0) return store_fail(store, r);
    for (size_t i = 0; r >= 0 && i < count && rows.from < rows.to; i++) {
        size_t to = table_after(rows.table, chunks[i].last_step);
        if (to > rows.to) to = rows.to;
        if (to == rows.from) continue;
        r = chunk_lay_over(store, cached, &chunks[i], (struct slice){rows.table, rows.from, to});
        rows.from = to;
    }
    free(chunks);
    if (r >= 0) r = chunks_write(store, cached->run, &cached->series, rows);
    return r;
}

static int tail_close(struct store *store, struct cached_run *cached) {
    struct table tail;
    int r = tail_read(&store->db, cached->run, NULL, &tail);
    if (r < 0) return store_fail(store, r);
    size_t keep = tail.rows / 8 < TAIL_KEEP ? tail.rows / 8 : TAIL_KEEP;
    size_t cut = tail.rows - keep;
    if (cut) r = rows_to_chunks(store, cached, (struct slice){&tail, 0, cut});
    if (r >= 0) r = tail_replace(store, cached, (struct slice){&tail, cut, tail.rows});
    table_release(&tail);
    store->closes++;
    return r;
}

static bool tail_is_due(const struct store *store, const struct cached_run *cached) {
    int64_t spread = (int64_t)(((uint64_t)cached->run * 0x9e3779b97f4a7c15u >> 32) % TAIL_SPREAD);
    if (cached->tail_rows < TAIL_ROWS + spread) return false;
    return store->closes < CLOSES_A_TURN || cached->tail_rows >= TAIL_ROWS_MAX;
}

/* ---- append ---- */

static int slots_of(struct store *store, struct cached_run *cached, bool progress, const struct wire_rows *rows,
                    slot_t *slots) {
    size_t hint = 0;
    for (size_t c = 0; c < rows->cols_count; c++) {
        int slot = series_find(&cached->series, progress, rows->cols[c], hint);
        if (slot < 0) {
            slot = (int)cached->series.count;
            int r = series_list_add(&cached->series, progress, rows->cols[c]);
            if (r < 0) return store_fail(store, r);
            r = store_write(store, SERIES_INSERT, NULL, "iiit", cached->run, (int64_t)slot, (int64_t)progress,
                            rows->cols[c]);
            if (r < 0) return r;
        }
        slots[c] = (slot_t)slot;
        hint = (size_t)slot + 1;
    }
    return TB_OK;
}

/* Nothing of a frame that has too many series is kept; the turn is not harmed by it. */
static int rows_check(const struct cached_run *cached, bool progress, const struct wire_rows *rows) {
    if (rows->cols_count > WIRE_COLS_MAX || rows->rows_count > APPEND_ROWS_MAX) return TB_ERANGE;
    size_t fresh = 0, hint = 0;
    for (size_t c = 0; c < rows->cols_count; c++) {
        size_t size = strnlen(rows->cols[c], WIRE_NAME_MAX + 1);
        if (size == 0 || size > WIRE_NAME_MAX) return TB_EINVAL;
        int slot = series_find(&cached->series, progress, rows->cols[c], hint);
        if (slot < 0)
            fresh++;
        else
            hint = (size_t)slot + 1;
    }
    return cached->series.count + fresh > TABLE_SLOTS ? TB_ERANGE : TB_OK;
}

static struct source source_of_rows(const struct wire_rows *rows, const slot_t *slots, const double **columns) {
    for (size_t c = 0; c < rows->cols_count; c++)
        columns[c] = rows->values + c;
    return (struct source){
        .rows = rows->rows_count,
        .cols_count = rows->cols_count,
        .stride = rows->cols_count,
        .steps = rows->steps,
        .t_ms = rows->t_ms,
        .epochs = rows->epochs,
        .slots = slots,
        .columns = columns,
    };
}

int store_rows_append(struct store *store, int64_t run, bool progress, const struct wire_rows *rows) {
    if (run <= 0 || run > INT32_MAX) return TB_ENOTFOUND;
    bool urgent = store->urgent || progress;
    int r = store_begin(store);
    if (r < 0) return r;
    struct cached_run *cached;
    r = cached_load(store, run, &cached);
    if (r == TB_ENOTFOUND) return r;
    if (r < 0) return store_fail(store, r);
    r = rows_check(cached, progress, rows);
    if (r < 0 || rows->rows_count == 0) return r;

    slot_t slots[WIRE_COLS_MAX];
    const double *columns[WIRE_COLS_MAX];
    r = slots_of(store, cached, progress, rows, slots);
    if (r < 0) return r;
    struct source source = source_of_rows(rows, slots, columns);
    store->scratch.size = 0;
    r = segment_encode(&source, &store->scratch);
    if (r < 0) return store_fail(store, r);
    r = tail_insert(store, cached, store->scratch.at, store->scratch.size, rows->rows_count);
    if (store->scratch.room > SCRATCH_KEPT) bytes_release(&store->scratch);
    if (r >= 0 && tail_is_due(store, cached)) r = tail_close(store, cached);
    store->waiting_rows += (int64_t)rows->rows_count;
    store->urgent = urgent;
    return r;
}

/* ---- taking back ---- */

static int chunk_cut(struct store *store, struct cached_run *cached, const struct chunk *chunk, int64_t step) {
    if (chunk->first_step > step) return chunk_delete(store, chunk->id);
    struct table table;
    int r = chunk_read(&store->db, chunk, NULL, &table);
    if (r < 0) return store_fail(store, r);
    r = chunk_delete(store, chunk->id);
    if (r >= 0)
        r = chunks_write(store, cached->run, &cached->series, (struct slice){&table, 0, table_after(&table, step)});
    table_release(&table);
    return r;
}

int store_rows_rewind(struct store *store, int64_t run, int64_t step) {
    if (run <= 0 || run > INT32_MAX) return TB_ENOTFOUND;
    int r = store_begin(store);
    if (r < 0) return r;
    struct cached_run *cached;
    r = cached_load(store, run, &cached);
    if (r == TB_ENOTFOUND) return r;
    if (r < 0) return store_fail(store, r);
    if (step == INT64_MAX) return TB_OK;

    struct chunk *chunks;
    size_t count;
    r = chunks_list(&store->db, run, step + 1, &chunks, &count);
    if (r < 0) return store_fail(store, r);
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = chunk_cut(store, cached, &chunks[i], step);
    free(chunks);
    struct table tail;
    if (r < 0) return r;
    r = tail_read(&store->db, run, NULL, &tail);
    if (r < 0) return store_fail(store, r);
    r = tail_replace(store, cached, (struct slice){&tail, 0, table_after(&tail, step)});
    table_release(&tail);
    return r;
}

int metrics_delete(struct store *store, int64_t run) {
    struct chunk *chunks;
    size_t count;
    int r = chunks_list(&store->db, run, INT64_MIN, &chunks, &count);
    if (r < 0) return store_fail(store, r);
    for (size_t i = 0; r >= 0 && i < count; i++)
        r = chunk_delete(store, chunks[i].id);
    free(chunks);
    if (run <= 0 || run > INT32_MAX || r < 0) return r;
    return store_write(store, TAIL_DELETE, NULL, "ii", tail_id(run, 0), tail_id_last(run));
}
