/* wecom_frames.c: see wecom_frames.h. One list in order of arrival; it is short (core has one message a chat under
 * way). */
#include "wecom_frames.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define LONG_BYTES 32768 /* an upload's piece; others need not wait behind it */

struct frame {
    char *req_id, *stream, *text;
    size_t size;
    bool under_way, wants_ack;
    int64_t due_ms;
    wecom_fate_cb *done;
    void *user;
    struct frame *next;
};

struct wecom_frames {
    struct frame *first, **last;
    size_t count, bytes;
};

struct wecom_frames *wecom_frames_create(void) {
    struct wecom_frames *frames = calloc(1, sizeof *frames);
    if (frames) frames->last = &frames->first;
    return frames;
}

void wecom_frames_free_text(char *text, size_t size) {
    if (text) OPENSSL_cleanse(text, size);
    free(text);
}

static void frame_free(struct frame *frame) {
    if (!frame) return;
    wecom_frames_free_text(frame->text, frame->size);
    free(frame->req_id);
    free(frame->stream);
    free(frame);
}

void wecom_frames_free(struct wecom_frames *frames) {
    if (!frames) return;
    for (struct frame *frame = frames->first, *next; frame; frame = next) {
        next = frame->next;
        frame_free(frame);
    }
    free(frames);
}

size_t wecom_frames_count(const struct wecom_frames *frames) {
    return frames->count;
}

static void unlink_frame(struct wecom_frames *frames, struct frame *frame) {
    struct frame **at = &frames->first;
    while (*at != frame)
        at = &(*at)->next;
    *at = frame->next;
    if (frames->last == &frame->next) frames->last = at;
    frames->count--;
    frames->bytes -= frame->size;
}

static void finish(struct wecom_frames *frames, struct frame *frame, enum wecom_fate fate,
                   const struct wecom_frame *ack) {
    unlink_frame(frames, frame);
    if (frame->wants_ack) frame->done(frame->user, fate, ack);
    frame_free(frame);
}

static struct frame *frame_from(const struct wecom_out *out) {
    struct frame *frame = calloc(1, sizeof *frame);
    if (!frame) return NULL;
    frame->req_id = strdup(out->req_id);
    frame->stream = out->stream ? strdup(out->stream) : NULL;
    if (!frame->req_id || (out->stream && !frame->stream)) {
        frame_free(frame);
        return NULL;
    }
    frame->wants_ack = out->wants_ack;
    frame->done = out->done;
    frame->user = out->user;
    return frame;
}

static struct frame *waiting_update(const struct wecom_frames *frames, const char *stream) {
    for (struct frame *frame = frames->first; stream && frame; frame = frame->next)
        if (!frame->under_way && frame->stream && strcmp(frame->stream, stream) == 0) return frame;
    return NULL;
}

int wecom_frames_add(struct wecom_frames *frames, const struct wecom_out *out) {
    size_t size = strlen(out->text);
    bool full = frames->count >= WECOM_FRAMES_MAX || size > WECOM_FRAMES_BYTES - frames->bytes;
    struct frame *frame = full ? NULL : frame_from(out);
    if (!frame) {
        wecom_frames_free_text(out->text, size);
        return full ? TB_EBUSY : TB_ENOMEM;
    }
    frame->text = out->text;
    frame->size = size;
    struct frame *stale = waiting_update(frames, out->stream);
    *frames->last = frame;
    frames->last = &frame->next;
    frames->count++;
    frames->bytes += size;
    if (stale) finish(frames, stale, WECOM_STALE, NULL);
    return TB_OK;
}

/* Whether an earlier frame of the same req_id is not done with. */
static bool is_behind(const struct wecom_frames *frames, const struct frame *frame) {
    for (const struct frame *before = frames->first; before != frame; before = before->next)
        if (strcmp(before->req_id, frame->req_id) == 0) return true;
    return false;
}

static struct frame *next_frame(const struct wecom_frames *frames) {
    struct frame *big = NULL;
    for (struct frame *frame = frames->first; frame; frame = frame->next) {
        if (frame->under_way || is_behind(frames, frame)) continue;
        if (frame->size <= LONG_BYTES) return frame;
        if (!big) big = frame;
    }
    return big;
}

bool wecom_frames_ready(const struct wecom_frames *frames) {
    return next_frame(frames) != NULL;
}

char *wecom_frames_next(struct wecom_frames *frames, int64_t now_ms, int64_t ack_ms, size_t *ret_size) {
    struct frame *frame = next_frame(frames);
    if (!frame) return NULL;
    char *text = frame->text;
    *ret_size = frame->size;
    frames->bytes -= frame->size;
    frame->text = NULL;
    frame->size = 0;
    frame->under_way = true;
    frame->due_ms = now_ms + ack_ms;
    if (!frame->wants_ack) finish(frames, frame, WECOM_ACKED, NULL);
    return text;
}

bool wecom_frames_ack(struct wecom_frames *frames, const struct wecom_frame *ack) {
    for (struct frame *frame = frames->first; frame; frame = frame->next) {
        if (!frame->under_way || strcmp(frame->req_id, ack->req_id) != 0) continue;
        finish(frames, frame, WECOM_ACKED, ack);
        return true;
    }
    return false;
}

int64_t wecom_frames_expire(struct wecom_frames *frames, int64_t now_ms) {
    for (;;) { /* from the start again: done may have changed the list */
        struct frame *late = NULL;
        int64_t next_ms = INT64_MAX;
        for (struct frame *frame = frames->first; frame && !late; frame = frame->next) {
            if (!frame->under_way) continue;
            if (frame->due_ms <= now_ms) late = frame;
            if (frame->due_ms < next_ms) next_ms = frame->due_ms;
        }
        if (!late) return next_ms;
        finish(frames, late, WECOM_UNANSWERED, NULL);
    }
}

void wecom_frames_fail(struct wecom_frames *frames) {
    size_t count = frames->count; /* what done adds meanwhile belongs to the next connection */
    for (; count > 0 && frames->first; count--)
        finish(frames, frames->first, frames->first->under_way ? WECOM_UNANSWERED : WECOM_UNSENT, NULL);
}
