/*
 * metrics.h: a run's rows in the database, for the files that write and read them.
 *
 * A run's rows are its chunks, which never overlap and ascend by step, overlaid with its tail, whose appends came later
 * than everything in the chunks.
 */
#ifndef TRAINBOT_STORE_METRICS_H
#define TRAINBOT_STORE_METRICS_H

#include "cache.h"

struct chunk {
    int64_t id, first_step, last_step, rows;
};

/* Ids under which a run's tail and a chunk's columns lie. */
static inline int64_t tail_id(int64_t run, int64_t count) {
    return (int64_t)((uint64_t)run << 32 | (uint64_t)count);
}
static inline int64_t tail_id_last(int64_t run) {
    return tail_id(run, UINT32_MAX);
}
static inline int64_t part_id(int64_t chunk, slot_t slot) {
    return chunk * TABLE_SLOTS + slot;
}

/* The run's chunks whose last step is at least from_step, ascending. Caller frees *ret_chunks with free(). */
MUST_USE int chunks_list(struct db *db, int64_t run, int64_t from_step, struct chunk **ret_chunks, size_t *ret_count);
/* wanted: by slot, then without times and epochs; NULL for all columns. */
MUST_USE int chunk_read(struct db *db, const struct chunk *chunk, const bool *wanted, struct table *ret_table);
/* Writes the slice as chunks of about CHUNK_ROWS rows, with their pyramids. */
MUST_USE int chunks_write(struct store *store, int64_t run, const struct series_list *series, struct slice slice);
MUST_USE int chunk_delete(struct store *store, int64_t chunk);

MUST_USE int tail_read(struct db *db, int64_t run, const bool *wanted, struct table *ret_table);

/* All rows of a run, ascending, table by table: each chunk overlaid with the tail's rows up to its end, then the rest
 * of the tail. `skip` may be NULL; when it takes a chunk (that no tail row touches), it has dealt with it itself.
 * The callbacks return negative to fail, 0 to stop, 1 to go on. */
struct walk {
    struct db *db;
    int64_t run;
    const bool *wanted;
    const struct chunk *chunks;
    size_t chunks_count;
    const struct table *tail;
    int (*table)(void *user, struct slice slice);
    int (*skip)(void *user, const struct chunk *chunk, bool *ret_taken);
    void *user;
};
MUST_USE int walk_rows(const struct walk *walk);

MUST_USE int metrics_delete(struct store *store, int64_t run);

/* ---- columns as a person sees them ---- */

/* One column: the metric, else the progress value of that name; or, collided, the progress value where both are. */
struct shown {
    char *name;           /* owned */
    int metric, progress; /* slots; -1 none */
    bool collided;
};
struct shown_list {
    struct shown *at;
    size_t count;
};
void shown_release(struct shown_list *list);
/* Columns in order of first appearance, then those that collide as "progress_NAME": `collides[slot of progress]`. */
MUST_USE int shown_make(const struct series_list *series, const bool *collides, struct shown_list *ret_list);

#endif
