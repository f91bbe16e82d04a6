/*
 * chunks.c: closed chunks in the database, the tail, and the walk over both.
 */
#include "metrics.h"
#include <stdlib.h>

#define CHUNK_ROWS 4096
#define CHUNK_ROWS_MAX 6144 /* up to this many rows stay one chunk */

struct chunk_listing {
    struct chunk *chunks;
    size_t count, room;
    bool failed;
};

static bool chunk_row(void *user, sqlite3_stmt *row) {
    struct chunk_listing *listing = user;
    if (listing->count == listing->room) {
        size_t room = listing->room ? listing->room * 2 : 64;
        struct chunk *chunks = realloc(listing->chunks, room * sizeof *chunks);
        if (!chunks) {
            listing->failed = true;
            return false;
        }
        listing->chunks = chunks;
        listing->room = room;
    }
    listing->chunks[listing->count++] = (struct chunk){
        .id = sqlite3_column_int64(row, 0),
        .first_step = sqlite3_column_int64(row, 1),
        .last_step = sqlite3_column_int64(row, 2),
        .rows = sqlite3_column_int64(row, 3),
    };
    return true;
}

int chunks_list(struct db *db, int64_t run, int64_t from_step, struct chunk **ret_chunks, size_t *ret_count) {
    struct chunk_listing listing = {0};
    int64_t n = db_query(db, CHUNK_LIST, chunk_row, &listing, "ii", run, from_step);
    if (n < 0 || listing.failed) {
        free(listing.chunks);
        return n < 0 ? (int)n : TB_ENOMEM;
    }
    *ret_chunks = listing.chunks;
    *ret_count = listing.count;
    return TB_OK;
}

/* ---- reading a chunk ---- */

struct chunk_reading {
    const struct chunk *chunk;
    const bool *wanted;
    slot_t slots[TABLE_SLOTS];
    size_t slots_count;
    struct table *table;
    size_t column;
    int error;
};

static bool axis_row(void *user, sqlite3_stmt *row) {
    struct chunk_reading *reading = user;
    struct table *table = reading->table;
    size_t rows = table->rows;
    int r = ints_decode(sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0), table->steps, rows);
    if (r >= 0 && !reading->wanted) {
        r = ints_decode(sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1), table->t_ms, rows);
        if (r >= 0 && sqlite3_column_type(row, 2) != SQLITE_NULL)
            r = doubles_decode(sqlite3_column_blob(row, 2), (size_t)sqlite3_column_bytes(row, 2), table->epochs, rows);
    }
    for (size_t i = 1; r >= 0 && i < rows; i++)
        if (table->steps[i] <= table->steps[i - 1]) r = TB_EINVAL;
    reading->error = r;
    return r >= 0;
}

static int column_add(struct table *table, slot_t slot) {
    struct column *columns = realloc(table->columns, (table->columns_count + 1) * sizeof *columns);
    if (!columns) return TB_ENOMEM;
    table->columns = columns;
    double *values = malloc((table->rows + 1) * sizeof *values);
    if (!values) return TB_ENOMEM;
    columns[table->columns_count++] = (struct column){slot, values};
    return TB_OK;
}

static bool part_row(void *user, sqlite3_stmt *row) {
    struct chunk_reading *reading = user;
    struct table *table = reading->table;
    slot_t slot = (slot_t)(sqlite3_column_int64(row, 0) - part_id(reading->chunk->id, 0));
    if (reading->wanted && !reading->wanted[slot]) return true;
    int r = column_add(table, slot);
    if (r >= 0)
        r = doubles_decode(sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1),
                           table->columns[table->columns_count - 1].values, table->rows);
    reading->error = r;
    return r >= 0;
}

static int parts_read(struct db *db, struct chunk_reading *reading) {
    int64_t chunk = reading->chunk->id;
    int64_t n = 0;
    if (!reading->wanted)
        n = db_query(db, PART_READ, part_row, reading, "ii", part_id(chunk, 0), part_id(chunk, TABLE_SLOTS - 1));
    else
        for (slot_t slot = 0; n >= 0 && reading->error >= 0 && slot < TABLE_SLOTS; slot++)
            if (reading->wanted[slot])
                n = db_query(db, PART_READ, part_row, reading, "ii", part_id(chunk, slot), part_id(chunk, slot));
    return n < 0 ? (int)n : reading->error;
}

int chunk_read(struct db *db, const struct chunk *chunk, const bool *wanted, struct table *ret_table) {
    if (chunk->rows < 1 || chunk->rows > TABLE_ROWS_MAX) return TB_EINVAL;
    struct table table;
    int r = table_init(&table, (size_t)chunk->rows, NULL, 0);
    if (r < 0) return r;
    struct chunk_reading reading = {.chunk = chunk, .wanted = wanted, .table = &table};
    int64_t n = db_query(db, wanted ? CHUNK_STEPS : CHUNK_READ, axis_row, &reading, "i", chunk->id);
    r = n < 0 ? (int)n : n == 0 ? TB_EINVAL : reading.error;
    if (r >= 0) r = parts_read(db, &reading);
    if (r < 0) {
        table_release(&table);
        return r;
    }
    *ret_table = table;
    return TB_OK;
}

/* ---- writing chunks ---- */

static int axis_write(struct store *store, int64_t run, struct slice slice) {
    const struct table *table = slice.table;
    size_t rows = slice.to - slice.from, times_at, epochs_at, present;
    struct bytes bytes = {0};
    int r = ints_encode(table->steps + slice.from, rows, &bytes);
    times_at = bytes.size;
    if (r >= 0) r = ints_encode(table->t_ms + slice.from, rows, &bytes);
    epochs_at = bytes.size;
    if (r >= 0) r = doubles_encode(table->epochs + slice.from, rows, &bytes, &present);
    if (r < 0)
        r = store_fail(store, r);
    else
        r = store_write(store, CHUNK_INSERT, NULL, "iiiibbb", run, table->steps[slice.from], table->steps[slice.to - 1],
                        (int64_t)rows, bytes.at, times_at, bytes.at + times_at, epochs_at - times_at,
                        present ? bytes.at + epochs_at : NULL, bytes.size - epochs_at);
    bytes_release(&bytes);
    return r;
}

/* The values of the same name of the other kind in these rows; NULL when there is none. */
static const double *twin_values(const struct series *series, struct slice slice) {
    const double *twin = series->twin >= 0 ? table_column(slice.table, (slot_t)series->twin) : NULL;
    for (size_t i = slice.from; twin && i < slice.to; i++)
        if (!is_absent(twin[i])) return twin + slice.from;
    return NULL;
}

/* own: what the column of that name shows; where both kinds are in the chunk it stands with the metric, and with the
 * progress series what collides. */
static int pyramid_write(struct store *store, int64_t id, const struct series *series, struct slice slice,
                         const double *values, struct bytes *bytes) {
    const int64_t *steps = slice.table->steps + slice.from;
    const double *twin = twin_values(series, slice);
    size_t rows = slice.to - slice.from, own = 0;
    bytes->size = 0;
    int r = TB_OK;
    if (!series->progress || !twin) {
        r = blocks_encode(steps, values, twin, BLOCK_SHOWN, rows, bytes);
        own = bytes->size;
    } else {
        r = blocks_encode(steps, twin, values, BLOCK_COLLIDED, rows, bytes);
    }
    if (r < 0) return store_fail(store, r);
    size_t collided = bytes->size - own;
    return store_write(store, PYRAMID_INSERT, NULL, "ibb", id, own ? bytes->at : NULL, own,
                       collided ? bytes->at + own : NULL, collided);
}

static int chunk_write(struct store *store, int64_t run, const struct series_list *series, struct slice slice) {
    int r = axis_write(store, run, slice);
    if (r < 0) return r;
    int64_t chunk = store_last_id(store);
    struct bytes bytes = {0};
    const struct table *table = slice.table;
    for (size_t c = 0; r >= 0 && c < table->columns_count; c++) {
        slot_t slot = table->columns[c].slot;
        const double *values = table->columns[c].values + slice.from;
        size_t present;
        bytes.size = 0;
        if (slot >= series->count) {
            r = store_fail(store, TB_EINVAL);
            break;
        }
        r = doubles_encode(values, slice.to - slice.from, &bytes, &present);
        if (r < 0) r = store_fail(store, r);
        if (r < 0 || present == 0) continue;
        r = store_write(store, PART_INSERT, NULL, "ib", part_id(chunk, slot), bytes.at, bytes.size);
        if (r >= 0) r = pyramid_write(store, part_id(chunk, slot), &series->at[slot], slice, values, &bytes);
    }
    bytes_release(&bytes);
    return r;
}

int chunks_write(struct store *store, int64_t run, const struct series_list *series, struct slice slice) {
    size_t rows = slice.to - slice.from;
    size_t pieces = rows <= CHUNK_ROWS_MAX ? 1 : (rows + CHUNK_ROWS - 1) / CHUNK_ROWS;
    int r = TB_OK;
    for (size_t i = 0; r >= 0 && i < pieces && rows > 0; i++) {
        struct slice piece = {slice.table, slice.from + rows * i / pieces, slice.from + rows * (i + 1) / pieces};
        r = chunk_write(store, run, series, piece);
    }
    return r;
}

int chunk_delete(struct store *store, int64_t chunk) {
    int64_t first = part_id(chunk, 0), last = part_id(chunk, TABLE_SLOTS - 1);
    int r = store_write(store, PART_DELETE, NULL, "ii", first, last);
    if (r >= 0) r = store_write(store, PYRAMID_DELETE, NULL, "ii", first, last);
    if (r >= 0) r = store_write(store, CHUNK_DELETE, NULL, "i", chunk);
    return r;
}

/* ---- tail ---- */

struct tail_reading {
    struct segments *segments;
    int error;
};

static bool tail_row(void *user, sqlite3_stmt *row) {
    struct tail_reading *reading = user;
    reading->error = segments_add(reading->segments, sqlite3_column_blob(row, 0), (size_t)sqlite3_column_bytes(row, 0));
    return reading->error >= 0;
}

int tail_read(struct db *db, int64_t run, const bool *wanted, struct table *ret_table) {
    struct segments segments = {0};
    struct tail_reading reading = {&segments, TB_OK};
    int64_t n = db_query(db, TAIL_READ, tail_row, &reading, "ii", tail_id(run, 0), tail_id_last(run));
    int r = n < 0 ? (int)n : reading.error;
    if (r >= 0) r = segments_build(&segments, wanted, ret_table);
    segments_release(&segments);
    return r;
}

/* ---- walk ---- */

static int walk_chunk(const struct walk *walk, const struct chunk *chunk, struct slice tail) {
    struct table below;
    int r = chunk_read(walk->db, chunk, walk->wanted, &below);
    if (r < 0) return r;
    struct slice all = {&below, 0, below.rows};
    if (tail.from == tail.to) {
        r = walk->table(walk->user, all);
    } else {
        struct table both;
        r = table_overlay(all, tail, &both);
        if (r >= 0) {
            r = walk->table(walk->user, (struct slice){&both, 0, both.rows});
            table_release(&both);
        }
    }
    table_release(&below);
    return r;
}

int walk_rows(const struct walk *walk) {
    size_t from = 0;
    for (size_t i = 0; i < walk->chunks_count; i++) {
        size_t to = table_after(walk->tail, walk->chunks[i].last_step);
        bool taken = false;
        int r = 1;
        if (walk->skip && from == to) r = walk->skip(walk->user, &walk->chunks[i], &taken);
        if (r > 0 && !taken) r = walk_chunk(walk, &walk->chunks[i], (struct slice){walk->tail, from, to});
        if (r <= 0) return r;
        from = to;
    }
    if (from == walk->tail->rows) return TB_OK;
    int r = walk->table(walk->user, (struct slice){walk->tail, from, walk->tail->rows});
    return r < 0 ? r : TB_OK;
}
