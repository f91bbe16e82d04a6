/*
 * channel.h: what core sees of a chat service. A channel turns service events into bot_inbound() calls and sends what
 * the outbox hands it, one message at a time per chat; retry, budgets, order, splitting, dedupe and access stand in core
 * once. Loop thread only.
 *
 * To add a channel: a codec (bytes ↔ structs), an I/O half with these operations, a row in channels/registry.c, its
 * configuration rows, its tests.
 */
#ifndef TRAINBOT_CHANNEL_H
#define TRAINBOT_CHANNEL_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bot;
struct channel;

struct channel_traits {
    bool edit;              /* can change a sent message in place */
    bool image, buttons;
    bool history;           /* keeps the conversation itself (web, console): a stored message counts as sent; readers
                               catch up by rev. send is then only a nudge and completes at once */
    bool idempotent;        /* a repeated send with the same key is recognised by the service */
    size_t text_max_bytes;  /* of one message; longer ones are split by the outbox on line, then UTF-8 boundaries */
    int64_t min_gap_ms;     /* between two sends to one chat */
    int64_t burst, refill_ms; /* token bucket per chat: burst tokens, one more each refill_ms; 0: no limit */
    int64_t progress_every_ms; /* report_every: progress leaves at most this often */
};

/* All texts are borrowed until outbox_done for this message; the struct itself until send returns. */
struct outgoing {
    int64_t message;        /* id of the message row: give it back to outbox_done */
    const char *chat;
    const char *text;
    const char *image_path; /* absolute; NULL none */
    const char *image_mime;
    const char *buttons;    /* quick replies, one per line; NULL none */
    const char *key;        /* idempotency key, stable over retries and restarts */
    const char *edit_of;    /* service id of the message to change; NULL: a new one */
    int message_class;      /* enum message_class */
    int64_t run, rev, created_ms;
};

struct channel_ops {
    const char *name; /* "web" */
    /* Begins to listen or to poll. Negative: `why` holds one line; the bot goes on without this channel. */
    int (*start)(struct channel *channel, char *why, size_t why_size);
    /* Sends or edits one message; outbox_done(bot, message, …) must follow exactly once, from here or later. */
    void (*send)(struct channel *channel, const struct outgoing *message);
    /* All that is due in this turn was handed over (may be NULL): for channels that gather. */
    void (*flush)(struct channel *channel);
    /* A slow answer is being made (may be NULL). */
    void (*typing)(struct channel *channel, const char *chat);
    /* 退出: forget the credentials, end the session (NULL: nothing to log out from). */
    void (*logout)(struct channel *channel, const char *chat);
    /* One line for 通道: state, queue, last error; no secrets. */
    void (*describe)(const struct channel *channel, char *text, size_t size);
    /* Ends; closed() is called from the loop when all its handles are closed. The channel is freed by then. */
    void (*stop)(struct channel *channel, void (*closed)(void *user), void *user);
};

/* First member of every channel's own struct. */
struct channel {
    const struct channel_ops *ops;
    struct channel_traits traits;
    struct bot *bot;
    struct channel *next;
};

enum sent_status {
    SENT_OK,        /* accepted by the service; service_id names it */
    SENT_RETRY,     /* not sent; again after retry_ms (0: the outbox's own back-off) */
    SENT_UNCERTAIN, /* may have been sent (the connection broke after the request) */
    SENT_REFUSED    /* will never be sent; `why` is logged and shown in 通道 */
};
struct sent {
    enum sent_status status;
    const char *service_id; /* borrowed until return; NULL none */
    int64_t retry_ms;
    const char *why;
};
void outbox_done(struct bot *bot, int64_t message, const struct sent *sent);

/* A message from a person. Strings are borrowed until return. */
struct inbound {
    const char *channel, *chat, *sender; /* sender: the person's id at the service */
    const char *service_id;              /* for dedupe; unique per channel */
    const char *text;                    /* any bytes; core checks UTF-8 and length */
    size_t size;
    int64_t sent_ms;                     /* when the service says it was written; 0: now */
    bool group;
};
/* TB_OK: stored (a duplicate is fine too) and, after this turn's commit, answered. Negative: not stored; the channel
 * must not confirm it to the service. */
MUST_USE int bot_inbound(struct bot *bot, const struct inbound *inbound);

#endif
