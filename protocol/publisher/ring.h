/*
 * ring.h: rows from the training thread to the sender thread: bounded, one producer, one consumer, no lock, no waiting.
 *
 * Records of one to five cache lines in a power-of-two buffer that is touched once when made, so that putting a row is
 * a handful of stores. A record never wraps: what is left at the end is filled with one that says nothing.
 */
#ifndef TRAINBOT_RING_H
#define TRAINBOT_RING_H

#include "trainbot.h"

#include <stdatomic.h>

#define RING_LINE 64
#define RING_LINES (1u << 15) /* 2 MiB: 32,768 rows of one or two values */

enum ring_kind { RING_PAD, RING_METRICS, RING_PROGRESS, RING_GAP };

struct ring_row {
    uint16_t kind, lines, count;
    uint16_t cut; /* values left out because a row has TB_VALUES_MAX */
    int64_t step; /* of a gap: its first step */
    int64_t t_ms; /* of a gap: its last step */
    double epoch; /* NaN: none; of a gap: how many rows */
    struct tb_value values[];
};

struct ring {
    unsigned char *bytes;
    /* producer's */
    _Alignas(RING_LINE) _Atomic uint64_t head;
    uint64_t tail_seen;
    /* consumer's */
    _Alignas(RING_LINE) _Atomic uint64_t tail;
};

int ring_init(struct ring *ring); /* 0, or negative: no memory */
void ring_release(struct ring *ring);

/* Producer. Room for a row of `count` values, or NULL: full. Fill it, then ring_publish it. */
struct ring_row *ring_reserve(struct ring *ring, size_t count);
void ring_publish(struct ring *ring, const struct ring_row *row);
/* Where the next row will stand; rows before it are those put so far. */
static inline uint64_t ring_position(const struct ring *ring) {
    return atomic_load_explicit(&ring->head, memory_order_relaxed);
}

/* Consumer. The oldest row that stands before `until`, or NULL; ring_pop lets it go. */
const struct ring_row *ring_peek(struct ring *ring, uint64_t until);
void ring_pop(struct ring *ring, const struct ring_row *row);
/* Everything published so far stands before this. */
static inline uint64_t ring_published(const struct ring *ring) {
    return atomic_load_explicit(&ring->head, memory_order_acquire);
}

#endif
