/*
 * batch.h: rows as the program logged them → frames: consecutive rows with the same names become one metrics frame, a
 * progress row a frame of its own. Names that the wire does not take are left out. Sender thread only.
 */
#ifndef TRAINBOT_BATCH_H
#define TRAINBOT_BATCH_H

#include "ring.h"
#include "wire.h"

#define BATCH_ROWS 512

struct batch {
    const char *given[TB_VALUES_MAX]; /* the pointers of the first row, as logged */
    size_t given_count;
    const char *cols[TB_VALUES_MAX]; /* those of them that the wire takes */
    uint8_t from[TB_VALUES_MAX];     /* their place in the row */
    size_t cols_count, rows_count;
    int64_t steps[BATCH_ROWS], t_ms[BATCH_ROWS];
    double epochs[BATCH_ROWS], values[BATCH_ROWS * TB_VALUES_MAX];
};

/* true: the row is in; false: flush first (other names, or full). */
bool batch_add(struct batch *batch, const struct ring_row *row);
/* The rows as the wire takes them; borrowed until the next batch_add. */
struct wire_rows batch_rows(const struct batch *batch);
static inline void batch_clear(struct batch *batch) {
    batch->rows_count = 0;
}

#endif
