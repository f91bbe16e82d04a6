/*
 * channel.h: what core sees of a chat service. A channel turns service events into bot_inbound() calls and sends what
 * the outbox hands it, one message at a time per chat; retry, budgets, order, splitting, dedupe and access stand in core
 * once. Loop thread only.
 *
 * To add a channel: a codec (bytes ↔ structs), an I/O half with these operations, its configuration rows and its lines in
 * bot/app/channels.c, its tests.
 */
#ifndef TRAINBOT_CHANNEL_H
#define TRAINBOT_CHANNEL_H

#include "error.h"
#include "settings.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bot;
struct channel;

/* How fast messages may leave for one chat. */
struct channel_pace {
    int64_t burst, refill_ms;  /* token bucket: burst tokens, one more each refill_ms; burst 0: no limit. Progress leaves
                                  half of the tokens to what matters more */
    int64_t progress_every_ms; /* report_every: progress leaves at most this often; 0: as it comes */
};

struct channel_traits {
    bool edit;              /* can change a sent message in place */
    bool image, buttons;
    bool history;           /* keeps the conversation itself (web, console): a stored message counts as sent; readers
                               catch up by rev. send is then only a nudge and completes at once */
    bool idempotent;        /* a repeated send with the same key is recognised by the service */
    size_t text_max_bytes;  /* of one message, 0 no limit; longer ones are split by the outbox on line, then UTF-8
                               boundaries */
    size_t text_max_units;  /* the same in UTF-16 code units, which is what services count; 0 no limit */
    bool caption;           /* a picture may carry text; else text and picture are two messages, the text first … */
    size_t caption_max_units; /* … and text longer than this goes first as well; 0 no limit */
    int64_t min_gap_ms;     /* between two sends to one chat */
    struct channel_pace pace, group_pace; /* group_pace: chats for which ops->is_group says so */
    /* Personal WeChat: after each message from a person so many may follow within window_ms, then none until the person
     * writes again. budget 0: no such limit. Progress never touches the last `reserve`; see budget.h. */
    int64_t budget, reserve, window_ms;
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
    bool edit_only;         /* the last word on a progress message: where that cannot be changed any more, SENT_OK
                               without sending (or RETRY with edit_gone); nobody wants it as a message of its own */
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
    /* A slow answer is being made; called again every few seconds while it lasts, then once with on = false (may be
     * NULL). Costs no budget; failures are the channel's own business. */
    void (*typing)(struct channel *channel, const char *chat, bool on);
    /* 退出: forget the credentials, end the session (NULL: nothing to log out from). The goodbye to `chat` was queued
     * before: it leaves first where it can. Ends in channel_set_state(…, CHANNEL_LOGGED_OUT, …). */
    void (*logout)(struct channel *channel, const char *chat);
    /* 登录 CHANNEL: connect again after a logout, after another program took the connection over, after a refused
     * token. TB_OK: it is at it (or connected already); negative: `why` says in one line what to do instead. NULL:
     * nothing to log in to. */
    int (*login)(struct channel *channel, char *why, size_t why_size);
    /* A link that carries a pairing code to this channel ("https://t.me/NAME?start=CODE"); false: there is none (yet).
     * NULL: there are no such links. */
    bool (*invite)(const struct channel *channel, const char *code, char *text, size_t size);
    /* Whether a chat is a group; NULL: there are none. */
    bool (*is_group)(const struct channel *channel, const char *chat);
    /* What only the channel knows for 通道, in a few words ("2 pages", "bot @NAME"); "" nothing. State, queue, budget
     * and last error are core's. No secrets. */
    void (*describe)(const struct channel *channel, enum lang lang, char *text, size_t size);
    /* Ends; closed() is called from the loop when all its handles are closed. The channel is freed by then. */
    void (*stop)(struct channel *channel, void (*closed)(void *user), void *user);
};

enum channel_state {
    CHANNEL_UP,         /* what is due is handed over */
    CHANNEL_CONNECTING, /* the first answer of the service is awaited */
    CHANNEL_DOWN,       /* the service cannot be reached; the channel itself tries again, with back-off */
    CHANNEL_LOGGED_OUT  /* no credentials, a dead token, taken over by another program: a person must act */
};

/* First member of every channel's own struct; zeroed but for ops, traits and the state it begins with. */
struct channel {
    const struct channel_ops *ops;
    struct channel_traits traits;
    struct bot *bot;
    struct channel *next;
    /* Core's, see channel_set_state and outbox_done. */
    enum channel_state state;
    char why[200];           /* the last error, one line; "" none */
    int64_t state_since_ms;  /* wall */
    int64_t held_until_ms;   /* mono: no sends before, the service could not be reached */
    int64_t failures;        /* in a row, for the back-off */
    bool quitting;           /* the owner asked for the logout: nobody need be told */
};

/* Nothing is handed over unless the channel is UP; alerts then go to the person's next channel. LOGGED_OUT is told to
 * the owner on the other channels, once, with `why`; so is its end. `why`: one line, without secrets, what happened and,
 * where a person must act, what to do; NULL or "" none. */
void channel_set_state(struct channel *channel, enum channel_state state, const char *why);

enum sent_status {
    SENT_OK,        /* accepted by the service; service_id names it */
    SENT_RETRY,     /* not sent; again after retry_ms (0: the outbox's own back-off) */
    SENT_UNCERTAIN, /* may have been sent (the connection broke after the request) */
    SENT_REFUSED,   /* will never be sent; `why` is logged and shown in 通道 */
    SENT_CLOSED,    /* this chat takes nothing until the person writes again (budget used up, bot blocked, never spoken
                       to): the message waits, alerts go to the person's next channel */
    SENT_NO_IMAGE   /* the picture cannot be sent here, its text can: core sends words instead */
};
struct sent {
    enum sent_status status;
    const char *service_id; /* borrowed until return; NULL none */
    int64_t retry_ms;       /* RETRY: as the service asked; 0: the outbox's own back-off */
    bool service_down;      /* RETRY, UNCERTAIN: the service could not be reached at all: the whole channel is held for one
                               back-off step, so that a dead service costs one attempt a step whatever waits */
    bool chat_held;         /* RETRY with retry_ms: the service wants nothing at all for this chat so long */
    bool edit_gone;         /* RETRY of an edit: what should be changed is not there any more; send it anew */
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
/* What one poll brought: all messages and the mark (a named text of the store: the cursor; NULL none) are committed in
 * one transaction before the first is handled, so that a death in the middle loses none. TB_OK: stored and handled,
 * known ones left out. Negative: nothing of it is stored; keep the batch, and give it again a second later. */
MUST_USE int bot_inbound_batch(struct bot *bot, const struct inbound *items, size_t count, const char *mark_key,
                               const char *mark_value);

/* Who logged this channel in is its owner, besides [access] owner; NULL: nobody any more. Kept in the store. */
MUST_USE int channel_set_owner(struct channel *channel, const char *id);
/* The service gave a chat another id: what waits, what is known of it and who may write there goes with it. */
void channel_chat_moved(struct channel *channel, const char *from, const char *to);

#endif
