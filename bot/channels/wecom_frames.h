/*
 * wecom_frames.h: the life of outgoing frames, as pure bookkeeping with the clock as argument: what waits, what was
 * written and waits for its acknowledgement, what became of it. Always holds: of the frames of one req_id one is under
 * way at a time, in order; different ones overlap; a stream's update that still waits gives way to a newer one, its
 * finish never does; done is called exactly once for each frame. Loop thread only.
 */
#ifndef TRAINBOT_WECOM_FRAMES_H
#define TRAINBOT_WECOM_FRAMES_H

#include "wecom_codec.h"

#define WECOM_FRAMES_MAX 1024 /* that wait or are under way */
#define WECOM_FRAMES_BYTES (16u << 20)
#define WECOM_REQ_ID_MAX 96 /* of those that this side makes */

enum wecom_fate {
    WECOM_ACKED,      /* ack is the answer, whatever its errcode */
    WECOM_UNSENT,     /* never written */
    WECOM_UNANSWERED, /* written; no acknowledgement in time, or the connection ended before it */
    WECOM_STALE       /* a newer update of the same stream took its place before it was written */
};
typedef void wecom_fate_cb(void *user, enum wecom_fate fate, const struct wecom_frame *ack);

struct wecom_out {
    const char *req_id;  /* copied */
    char *text;          /* taken, also on failure */
    const char *stream;  /* the stream whose update this is; NULL: none (also for its finish). Copied */
    bool wants_ack;      /* false: done is not called (and may be NULL) */
    wecom_fate_cb *done; /* may add frames */
    void *user;
};

struct wecom_frames;
struct wecom_frames *wecom_frames_create(void);      /* NULL: out of memory */
void wecom_frames_free(struct wecom_frames *frames); /* calls no done; NULL is fine */
/* TB_OK; TB_EBUSY: too much waits already; TB_ENOMEM. On failure done is not called. */
MUST_USE int wecom_frames_add(struct wecom_frames *frames, const struct wecom_out *out);
/* The next text to write, and its size; it is the caller's (free with wecom_frames_free_text), and is under way until
 * now + ack_ms. NULL: nothing may be written now. Short frames go before long ones. */
char *wecom_frames_next(struct wecom_frames *frames, int64_t now_ms, int64_t ack_ms, size_t *ret_size);
bool wecom_frames_ready(const struct wecom_frames *frames); /* whether wecom_frames_next would give one */
/* False: nothing under way has this req_id (it came too late, or was never asked for). */
bool wecom_frames_ack(struct wecom_frames *frames, const struct wecom_frame *ack);
/* Calls done for what was not acknowledged in time. Returns when the next is due, INT64_MAX: nothing is under way. */
int64_t wecom_frames_expire(struct wecom_frames *frames, int64_t now_ms);
/* The connection ended: done for all of them, oldest first. */
void wecom_frames_fail(struct wecom_frames *frames);
size_t wecom_frames_count(const struct wecom_frames *frames);
void wecom_frames_free_text(char *text, size_t size); /* wiped first: one of them holds the secret */

#endif
