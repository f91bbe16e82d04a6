/*
 * report.c: what the training thread says: rows into the ring, everything else as messages under the lock.
 * tb_log and tb_progress are the only calls made inside the inner loop: no lock, no system call, no allocation there.
 */
#include "run.h"
#include "sha256.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Unix time in ms, never going back. The clock was chosen at tb_open to be one that the vDSO answers. */
int64_t run_now_ms(struct tb_run *run) {
    struct timespec now;
    clock_gettime(run->clock, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (ms > run->last_ms) run->last_ms = ms;
    return run->last_ms;
}

static void note_drop(struct tb_run *run, int64_t step) {
    uint64_t dropped = atomic_load_explicit(&run->dropped, memory_order_relaxed);
    atomic_store_explicit(&run->dropped, dropped + 1, memory_order_relaxed);
    if (run->gap_rows++ == 0) run->gap_from = step;
    run->gap_to = step;
}

/* Says in the stream, where they are missing, that rows are. */
static bool put_gap(struct tb_run *run) {
    struct ring_row *row =
        ring_reserve(&run->ring, TB_VALUES_MAX); /* the size of the largest: leaves room for what comes */
    if (!row) return false;
    row->kind = RING_GAP;
    row->count = row->cut = 0;
    row->step = run->gap_from;
    row->t_ms = run->gap_to;
    row->epoch = (double)run->gap_rows;
    ring_publish(&run->ring, row);
    run->gap_rows = 0;
    return true;
}

static void put_row(struct tb_run *run, enum ring_kind kind, int64_t step, const struct tb_value *values,
                    size_t count) {
    if (run_dead(run)) return;
    uint16_t cut = 0;
    if (count > TB_VALUES_MAX) {
        cut = count - TB_VALUES_MAX > UINT16_MAX ? UINT16_MAX : (uint16_t)(count - TB_VALUES_MAX);
        count = TB_VALUES_MAX;
    }
    run->begun = true;
    atomic_store_explicit(&run->step, step, memory_order_relaxed);
    if (run->gap_rows && !put_gap(run)) {
        note_drop(run, step);
        return;
    }
    struct ring_row *row = ring_reserve(&run->ring, count);
    if (!row) {
        note_drop(run, step);
        return;
    }
    row->kind = (uint16_t)kind;
    row->count = (uint16_t)count;
    row->cut = cut;
    row->step = step;
    row->t_ms = run_now_ms(run);
    row->epoch = run->epoch;
    for (size_t i = 0; i < count; i++)
        row->values[i] = values[i];
    ring_publish(&run->ring, row);
}

void tb_log(struct tb_run *run, int64_t step, const struct tb_value *values, size_t count) {
    put_row(run, RING_METRICS, step, values, count);
}

void tb_progress(struct tb_run *run, int64_t step, const struct tb_value *values, size_t count) {
    put_row(run, RING_PROGRESS, step, values, count);
}

void tb_epoch(struct tb_run *run, double epoch) {
    if (!run_dead(run)) run->epoch = epoch;
}

uint64_t tb_dropped(const struct tb_run *run) {
    return atomic_load_explicit(&run->dropped, memory_order_relaxed);
}

/* ---- messages ---- */

void message_free(struct message *message) {
    if (!message) return;
    free(message->id);
    free(message->title);
    free(message->mime);
    free(message);
}

void run_wake(struct tb_run *run) {
    uint64_t one = 1;
    ssize_t n = write(run->wake_fd, &one, sizeof one); /* full means that it wakes already */
    (void)n;
}

void message_push(struct tb_run *run, struct message *message) {
    message->next = NULL;
    message->after = ring_position(&run->ring);
    pthread_mutex_lock(&run->lock);
    bool room = run->messages_bytes + message->size <= RUN_QUEUE_BYTES;
    if (room) {
        run->messages_bytes += message->size;
        *run->messages_tail = message;
        run->messages_tail = &message->next;
        atomic_store_explicit(&run->has_messages, true, memory_order_release);
    }
    pthread_mutex_unlock(&run->lock);
    if (!room) message_free(message);
    run_wake(run);
}

/* The longest free text of a frame, for shortening. */
static const char **frame_text(struct wire_frame *frame) {
    switch (frame->kind) {
    case WIRE_EVENT:
        return &frame->u.event.text;
    case WIRE_RESULT:
        return &frame->u.result.text;
    case WIRE_REJECTED:
        return &frame->u.rejected.why;
    default:
        return NULL;
    }
}

char *report_line(struct wire_frame *frame, size_t *ret_size) {
    struct wire_buf buf = {0};
    const char **text = frame_text(frame);
    size_t keep = text && *text ? strlen(*text) : 0;
    char *shorter = NULL;
    if (keep > 48000) keep = 48000; /* the decoder's bound, with room for what escapes make of it */
    while (text && *text && keep > 0 && strlen(*text) > keep) {
        while (keep > 0 && ((*text)[keep] & 0xc0) == 0x80)
            keep--; /* not inside a character */
        shorter = strndup(*text, keep);
        if (!shorter) return NULL;
        *text = shorter;
    }
    while (wire_encode(frame, &buf) < 0 || buf.size > WIRE_FRAME_MAX - 32) { /* 32: the seq comes in */
        buf.size = 0;
        if (keep == 0) break;
        char *half = strndup(*text, keep /= 2);
        if (!half) break;
        free(shorter);
        *text = shorter = half;
    }
    free(shorter);
    if (buf.size == 0) wire_buf_release(&buf);
    *ret_size = buf.size;
    return buf.bytes;
}

void report_frame(struct tb_run *run, struct wire_frame *frame) {
    size_t size;
    char *line = report_line(frame, &size);
    struct message *message = line ? malloc(sizeof *message + size) : NULL;
    if (message) {
        *message = (struct message){.kind = frame->kind, .size = size};
        memcpy(message->bytes, line, size);
        message_push(run, message);
    }
    free(line);
}

void report_event(struct tb_run *run, struct wire_event *event, int64_t step) {
    struct wire_frame frame = {.kind = WIRE_EVENT, .u.event = *event};
    report_gap(run);
    frame.u.event.step = step;
    frame.u.event.t_ms = run_now_ms(run);
    report_frame(run, &frame);
}

void report_gap(struct tb_run *run) {
    if (!run->gap_rows) return;
    struct wire_event gap = {.kind = WIRE_EV_GAP,
                             .from_step = run->gap_from,
                             .to_step = run->gap_to,
                             .dropped = run->gap_rows};
    run->gap_rows = 0;
    report_event(run, &gap, gap.to_step);
}

void report_note(struct tb_run *run, int64_t step, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    struct wire_event note = {.kind = WIRE_EV_NOTE, .text = text};
    report_event(run, &note, step);
}

void tb_started(struct tb_run *run) {
    if (run_dead(run)) return;
    run->begun = true;
    struct wire_event event = {.kind = WIRE_EV_STARTED};
    report_event(run, &event, 0);
}

void tb_plan(struct tb_run *run, int64_t step, int64_t total_steps, int64_t batch) {
    run->total_steps = total_steps;
    run->batch = batch;
    if (run_dead(run)) return;
    struct wire_event event = {.kind = WIRE_EV_PLAN, .total_steps = total_steps, .batch = batch};
    report_event(run, &event, step);
    pthread_mutex_lock(&run->lock);
    hello_build(run);
    pthread_mutex_unlock(&run->lock);
}

/* The control that an event answers is named once. */
static void report_answering(struct tb_run *run, struct wire_event *event, int64_t step, char **id) {
    event->id = *id;
    report_event(run, event, step);
    free(*id);
    *id = NULL;
}

void tb_checkpoint(struct tb_run *run, int64_t step, const char *path, int64_t bytes) {
    if (run_dead(run) || !path || !*path) return;
    struct wire_event event = {.kind = WIRE_EV_CHECKPOINT, .path = path, .bytes = bytes};
    report_answering(run, &event, step, &run->save_id);
}

void tb_paused(struct tb_run *run, int64_t step, const char *reason) {
    if (run_dead(run)) return;
    struct wire_event event = {.kind = WIRE_EV_PAUSED, .text = reason};
    report_answering(run, &event, step, &run->pause_id);
}

void tb_resumed(struct tb_run *run, int64_t step) {
    if (run_dead(run)) return;
    struct wire_event event = {.kind = WIRE_EV_RESUMED};
    report_answering(run, &event, step, &run->resume_id);
}

void tb_rewound(struct tb_run *run, int64_t step) {
    if (run_dead(run)) return;
    struct wire_event event = {.kind = WIRE_EV_RESUMED, .has_rewind = true, .rewind = step};
    atomic_store_explicit(&run->step, step, memory_order_relaxed);
    report_answering(run, &event, step, &run->resume_id);
}

void tb_note(struct tb_run *run, int64_t step, const char *text) {
    if (run_dead(run) || !text) return;
    struct wire_event event = {.kind = WIRE_EV_NOTE, .text = text};
    report_event(run, &event, step);
}

void tb_epoch_end(struct tb_run *run, int64_t step, double epoch, const char *text) {
    if (run_dead(run) || !text) return;
    struct wire_event event = {.kind = WIRE_EV_EPOCH, .epoch = epoch, .text = text};
    report_event(run, &event, step);
}

/* ---- pictures ---- */

char *report_image(struct tb_run *run, const char *title, const char *mime, const void *bytes, size_t size) {
    char id[64];
    if (size == 0 || size > WIRE_IMAGE_MAX || !mime || !*mime || strlen(mime) > 100) return NULL;
    snprintf(id, sizeof id, "image-%llu", (unsigned long long)++run->images);
    struct message *m = malloc(sizeof *m + size);
    char *copy = strdup(id);
    if (!m || !copy) goto fail;
    *m = (struct message){.kind = WIRE_IMAGE,
                          .id = strdup(id),
                          .title = strndup(title ? title : "", 1000),
                          .mime = strdup(mime),
                          .size = size};
    memcpy(m->bytes, bytes, size);
    pthread_mutex_lock(&run->lock);
    bool room = run->messages_bytes + size <= RUN_QUEUE_BYTES;
    pthread_mutex_unlock(&run->lock);
    if (!m->id || !m->title || !m->mime || !room) {
        message_free(m);
        m = NULL;
        goto fail;
    }
    message_push(run, m);
    return copy;
fail:
    free(m);
    free(copy);
    return NULL;
}

int tb_image(struct tb_run *run, const char *title, const char *mime, const void *bytes, size_t size) {
    if (run_dead(run)) return -1;
    char *id = report_image(run, title, mime, bytes, size);
    free(id);
    return id ? 0 : -1;
}
