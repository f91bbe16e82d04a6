/*
 * wecom_link.h: the long connection to the gateway: connects, subscribes, keeps the heartbeat, comes back after a loss,
 * and knows when not to. Frames go out and their acknowledgements come back through it. Loop thread only.
 */
#ifndef TRAINBOT_WECOM_LINK_H
#define TRAINBOT_WECOM_LINK_H

#include "secret.h"
#include "wecom_frames.h"
#include <uv.h>

struct wecom_link;

enum wecom_link_state {
    WECOM_LINK_DOWN,    /* it tries again by itself; why: what went wrong */
    WECOM_LINK_READY,   /* subscribed */
    WECOM_LINK_REFUSED, /* bot_id or secret were refused, several times: a person must act */
    WECOM_LINK_TAKEN    /* another client subscribed; it tries again after ten minutes */
};
struct wecom_link_events {
    /* A change; why: one plain line in English, "" where there is nothing to say. */
    void (*state)(void *user, enum wecom_link_state state, const char *why);
    void (*callback)(void *user, const struct wecom_frame *frame); /* WECOM_MESSAGE, WECOM_EVENT */
    /* A frame that cannot be used; the same one is told once. */
    void (*odd)(void *user, const char *what);
    void *user;
};
struct wecom_link_options {
    uv_loop_t *loop;
    const char *url, *bot_id, *ca_file, *proxy; /* copied */
    const struct secret *secret;                /* borrowed while the link lives */
    struct wecom_link_events events;
};
/* TB_OK, TB_ENOMEM, TB_EINVAL (url or proxy). */
MUST_USE int wecom_link_create(const struct wecom_link_options *options, struct wecom_link **ret_link);
/* Begins to connect, in a later turn; from every state, with the back-off as new. */
void wecom_link_open(struct wecom_link *link);
/* Ends the connection and stays away; no state is told. What waits fails. */
void wecom_link_shut(struct wecom_link *link);
/* Frees it; closed() comes from the loop. What waits gets no done any more. */
void wecom_link_stop(struct wecom_link *link, void (*closed)(void *user), void *user);

bool wecom_link_ready(const struct wecom_link *link);
int64_t wecom_link_since_ms(const struct wecom_link *link); /* mono: when it became ready; 0 it is not */
/* "<cmd>_<unix ms>_<8 hex>", unique. */
void wecom_link_req_id(struct wecom_link *link, const char *cmd, char *req_id, size_t size);
/* As wecom_frames_add; TB_EGONE where the link is not ready (text is freed then, too). */
MUST_USE int wecom_link_send(struct wecom_link *link, const struct wecom_out *out);
bool wecom_link_idle(const struct wecom_link *link); /* nothing waits, nothing is under way */
int64_t wecom_mono_ms(void);

#endif
