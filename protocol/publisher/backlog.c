/*
 * backlog.c: see backlog.h. Invariant: every seq in the spool is below every seq in memory, and both rise by one; so a
 * frame goes into memory only when nothing in the spool is still to be sent, or the disk refuses.
 */
#include "backlog.h"

#include <stdlib.h>
#include <string.h>

void backlog_init(struct backlog *b, char *path, uint64_t spool_max) {
    *b = (struct backlog){.spool_max = spool_max};
    spool_init(&b->spool, path);
}

static struct backlog_frame *frame_at(const struct backlog *b, size_t i) {
    return &b->frames[(b->first + i) & (b->room - 1)];
}

static void pop(struct backlog *b) {
    struct backlog_frame *f = frame_at(b, 0);
    b->bytes -= f->size;
    free(f->bytes);
    b->first++;
    b->count--;
    if (b->next)
        b->next--;
    else
        b->partial = 0;
}

void backlog_release(struct backlog *b) {
    while (b->count)
        pop(b);
    free(b->frames);
    b->frames = NULL;
    spool_release(&b->spool);
}

void backlog_set_hello(struct backlog *b, const char *hello, size_t size) {
    b->hello = hello;
    b->hello_size = size;
}

static int grow(struct backlog *b) {
    size_t room = b->room ? b->room * 2 : 64;
    struct backlog_frame *frames = malloc(room * sizeof *frames);
    if (!frames) return -1;
    for (size_t i = 0; i < b->count; i++)
        frames[i] = *frame_at(b, i);
    free(b->frames);
    b->frames = frames;
    b->room = room;
    b->first = 0;
    return 0;
}

/* Memory → file, oldest first, as far as the disk takes it. */
static void spill(struct backlog *b) {
    while (b->count) {
        const struct backlog_frame *f = frame_at(b, 0);
        off_t at = b->spool.size;
        bool fresh = !spool_holds(&b->spool), to_send = b->next == 0, was_sent = spool_all_sent(&b->spool);
        size_t partial = to_send ? b->partial : 0;
        if (spool_append(&b->spool, b->hello, b->hello_size, f->bytes, f->size, f->seq) < 0) return;
        if (fresh) at = b->spool.size - (off_t)f->size;
        if (!to_send)
            b->spool.sent = b->spool.size; /* sent already, kept for a new link */
        else if (fresh || was_sent)
            b->spool.sent = at + (off_t)partial;
        pop(b);
    }
}

int backlog_add(struct backlog *b, char *bytes, size_t size, uint64_t seq) {
    if (b->count == b->room && grow(b) < 0) {
        free(bytes);
        return -1;
    }
    b->count++;
    *frame_at(b, b->count - 1) = (struct backlog_frame){seq, size, bytes};
    b->bytes += size;
    b->last_seq = seq;
    if (b->to_disk || b->bytes > BACKLOG_WINDOW || (spool_holds(&b->spool) && !spool_all_sent(&b->spool))) spill(b);
    return 0;
}

void backlog_to_disk(struct backlog *b, bool to_disk) {
    b->to_disk = to_disk;
    if (to_disk) spill(b);
}

void backlog_ack(struct backlog *b, uint64_t seq) {
    if (seq > b->last_seq || seq <= b->acked) return;
    b->acked = seq;
    if (spool_holds(&b->spool) && seq >= b->spool.last_seq) {
        bool inside = !spool_all_sent(&b->spool); /* acknowledged by an earlier link, still half sent on this one */
        if (inside && !spool_at_line(&b->spool)) return;
        spool_drop(&b->spool);
    }
    while (b->count && frame_at(b, 0)->seq <= seq && !(b->next == 0 && b->partial))
        pop(b);
}

void backlog_rewind(struct backlog *b) {
    b->next = b->partial = 0;
    uint64_t acked = b->acked;
    if (spool_holds(&b->spool) && acked >= b->spool.last_seq) spool_drop(&b->spool);
    while (b->count && frame_at(b, 0)->seq <= acked)
        pop(b);
    spool_rewind(&b->spool, acked);
}

size_t backlog_next(struct backlog *b, const char **ret_bytes) {
    if (!spool_all_sent(&b->spool)) return spool_next(&b->spool, ret_bytes);
    if (b->next == b->count) return 0;
    const struct backlog_frame *f = frame_at(b, b->next);
    *ret_bytes = f->bytes + b->partial;
    return f->size - b->partial;
}

void backlog_sent(struct backlog *b, size_t bytes) {
    if (!spool_all_sent(&b->spool)) {
        b->spool.sent += (off_t)bytes;
        return;
    }
    b->partial += bytes;
    if (b->partial < frame_at(b, b->next)->size) return;
    b->partial = 0;
    b->next++;
}

bool backlog_between_frames(struct backlog *b) {
    if (!spool_all_sent(&b->spool)) return spool_at_line(&b->spool);
    return b->partial == 0;
}

double backlog_fullness(const struct backlog *b, size_t pending) {
    if (b->spool.broken || !b->spool.path) return (double)(b->bytes + pending) / BACKLOG_WINDOW;
    if (!b->to_disk && !spool_holds(&b->spool)) return 0;
    return (double)(b->spool.size - b->spool.begin + (off_t)pending) / (double)b->spool_max;
}
