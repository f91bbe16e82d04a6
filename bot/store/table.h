/*
 * table.h: rows of a run's metrics in memory, and the bytes they are kept as. Pure: no SQLite, no I/O.
 *
 * A table has one row a step, ascending, and a column a series; a value that was not logged is wire_absent(). What is
 * decoded here came from a file that may be damaged, so every size is checked. All numbers are kept in the byte order
 * of the machine: a state directory is not carried between architectures.
 */
#ifndef TRAINBOT_STORE_TABLE_H
#define TRAINBOT_STORE_TABLE_H

#include "error.h"
#include "wire.h"
#include <stddef.h>
#include <stdint.h>

#define TABLE_SLOTS 1024         /* series of one run, metrics and progress together */
#define TABLE_ROWS_MAX (1 << 24) /* rows that one table may have */
#define BLOCK_ROWS 32            /* rows that one pyramid block sums up */

/* A series' number within its run, 0..TABLE_SLOTS-1. */
typedef uint16_t slot_t;

struct column {
    slot_t slot;
    double *values; /* rows of the table */
};

/* Zero it to begin; table_release frees. */
struct table {
    size_t rows;
    int64_t *steps, *t_ms;
    double *epochs;
    struct column *columns;
    size_t columns_count;
};
void table_release(struct table *table);
/* Room for `rows` rows and the columns `slots`; every value absent, t_ms 0. */
MUST_USE int table_init(struct table *table, size_t rows, const slot_t *slots, size_t slots_count);
/* The values of a series, or NULL when the table has no such column. Borrowed while the table lives. */
const double *table_column(const struct table *table, slot_t slot);
/* First row whose step is above `step`. */
size_t table_after(const struct table *table, int64_t step);

/* Rows in the order they came, borrowed from elsewhere: value (r, c) is columns[c][r * stride]. */
struct source {
    size_t rows, cols_count, stride;
    const int64_t *steps, *t_ms;
    const double *epochs;
    const slot_t *slots;
    const double *const *columns;
};
/* One table out of sources that came one after the other: rows sorted by step, one a step; of the same value the last
 * that is not absent wins (t_ms: not 0). wanted: the series to keep, by slot; NULL keeps all. TB_ENOMEM, TB_ERANGE. */
MUST_USE int table_build(const struct source *sources, size_t count, const bool *wanted, struct table *ret_table);
/* Rows from..to of `table`, overlaid with rows of `above`. Either range may be empty. */
struct slice {
    const struct table *table;
    size_t from, to;
};
MUST_USE int table_overlay(struct slice below, struct slice above, struct table *ret_table);

/* ---- bytes: an append, as it lies in the tail ---- */

struct bytes {
    unsigned char *at;
    size_t size, room;
};
void bytes_release(struct bytes *bytes);
MUST_USE int bytes_reserve(struct bytes *bytes, size_t more);

/* Appends one segment to `bytes`; its size is a multiple of 8. */
MUST_USE int segment_encode(const struct source *source, struct bytes *bytes);

/* Segments read one after the other and then seen as sources. Zero it to begin. */
struct segments {
    struct bytes bytes;   /* the segments themselves, aligned */
    struct bytes offsets; /* size_t each */
    size_t count, rows;
};
void segments_release(struct segments *segments);
MUST_USE int segments_add(struct segments *segments, const void *data, size_t size); /* TB_EINVAL: damaged */
MUST_USE int segments_build(const struct segments *segments, const bool *wanted, struct table *ret_table);
/* Rows of a table as one segment of the series for which kind[slot] == want; rows without any are left out unless
 * bare_rows, which takes the rows that have no value at all. *ret_rows 0: nothing was appended. */
MUST_USE int segment_of_slice(struct slice slice, const bool *kind, bool want, bool bare_rows, struct bytes *bytes,
                              size_t *ret_rows);

/* ---- bytes: the columns of a closed chunk ---- */

MUST_USE int ints_encode(const int64_t *values, size_t count, struct bytes *bytes);
MUST_USE int ints_decode(const void *data, size_t size, int64_t *ret_values, size_t count); /* TB_EINVAL */
/* *ret_present: how many are not absent; with 0 nothing is appended. */
MUST_USE int doubles_encode(const double *values, size_t count, struct bytes *bytes, size_t *ret_present);
MUST_USE int doubles_decode(const void *data, size_t size, double *ret_values, size_t count); /* TB_EINVAL */

/* What one block of rows holds of a series. A block without any value is not kept. */
struct block {
    double min, max, mean, last; /* of the finite values; 0 when there is none */
    int64_t first_step, last_step;
    uint32_t count, not_finite;
};
/* Which values of a series that is logged as metric and as progress a pyramid sums up. `progress` may be NULL. */
enum block_of {
    BLOCK_SHOWN,    /* the metric's, else the progress value */
    BLOCK_COLLIDED, /* the progress values whose metric is there as well */
};
MUST_USE int blocks_encode(const int64_t *steps, const double *values, const double *progress, enum block_of of,
                           size_t count, struct bytes *bytes);

/* One compare where the value is a number, the call only for a NaN. */
static inline bool is_absent(double v) {
    return v != v && wire_is_absent(v);
}

#endif
