/*
 * ring.c: see ring.h. head and tail count lines since the beginning and never wrap in practice; their difference is
 * what is taken. The producer looks at tail, the consumer's line, only when its remembered copy says "full".
 */
#include "ring.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(sizeof(struct ring_row) == 32, "a row's head is half a line");
static_assert(sizeof(struct tb_value) == 16, "a line holds four values");

int ring_init(struct ring *ring) {
    ring->bytes = aligned_alloc(RING_LINE, (size_t)RING_LINES * RING_LINE);
    if (!ring->bytes) return -1;
    memset(ring->bytes, 0, (size_t)RING_LINES * RING_LINE); /* a page fault now is none in tb_log */
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->tail_seen = 0;
    return 0;
}

void ring_release(struct ring *ring) {
    free(ring->bytes);
    ring->bytes = NULL;
}

static struct ring_row *row_at(struct ring *ring, uint64_t line) {
    return (struct ring_row *)(void *)(ring->bytes + (line % RING_LINES) * RING_LINE);
}

static bool room_for(struct ring *ring, uint64_t head, uint64_t lines) {
    if (head + lines - ring->tail_seen <= RING_LINES) return true;
    ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return head + lines - ring->tail_seen <= RING_LINES;
}

struct ring_row *ring_reserve(struct ring *ring, size_t count) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t lines = (sizeof(struct ring_row) + count * sizeof(struct tb_value) + RING_LINE - 1) / RING_LINE;
    uint64_t left = RING_LINES - head % RING_LINES;
    if (left < lines) {
        if (!room_for(ring, head, left + lines)) return NULL;
        struct ring_row *pad = row_at(ring, head);
        pad->kind = RING_PAD;
        pad->lines = (uint16_t)left;
        head += left;
        atomic_store_explicit(&ring->head, head, memory_order_release);
    } else if (!room_for(ring, head, lines)) {
        return NULL;
    }
    struct ring_row *row = row_at(ring, head);
    row->lines = (uint16_t)lines;
    return row;
}

void ring_publish(struct ring *ring, const struct ring_row *row) {
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + row->lines, memory_order_release);
}

const struct ring_row *ring_peek(struct ring *ring, uint64_t until) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    while (tail < until) {
        const struct ring_row *row = row_at(ring, tail);
        if (row->kind != RING_PAD) return row;
        tail += row->lines; /* before the producer may write over it */
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return NULL;
}

void ring_pop(struct ring *ring, const struct ring_row *row) {
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    atomic_store_explicit(&ring->tail, tail + row->lines, memory_order_release);
}
