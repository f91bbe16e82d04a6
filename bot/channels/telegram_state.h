/*
 * telegram_state.h: what the parts of the channel "telegram" share; nobody else includes it. telegram.c: life and
 * operations; telegram_call.c: one request, its outcome in words; telegram_poll.c: getMe, the webhook, the menu of
 * commands, polling; telegram_send.c: messages and pictures; telegram_buttons.c: presses and the question before a
 * stop.
 *
 * Always holds: the token stands in `token` and, while a request is begun, in its URL, nowhere else; after
 * telegram_quiet nothing polls and nothing is tried again until telegram_begin. Loop thread only.
 */
#ifndef TRAINBOT_TELEGRAM_STATE_H
#define TRAINBOT_TELEGRAM_STATE_H

#include "bot.h"
#include "channel.h"
#include "http_client.h"
#include "secret.h"
#include "store.h"
#include "telegram_codec.h"
#include <uv.h>

#define TELEGRAM_HOLDS_MAX 64
#define TELEGRAM_MOVES_MAX 16
#define TELEGRAM_UPSET_MAX 8
#define TELEGRAM_SAID_MAX 48
#define TELEGRAM_SIDE_CALLS_MAX 64 /* answers to presses, typing, keyboards: so many under way at once */

enum telegram_phase {
    TELEGRAM_QUIET,   /* not begun, logged out, or ending */
    TELEGRAM_GREET,   /* getMe */
    TELEGRAM_WEBHOOK, /* deleteWebhook */
    TELEGRAM_POLL,    /* getUpdates */
    TELEGRAM_KEEP     /* a batch that the store did not take */
};

enum telegram_timer { TELEGRAM_FLOW, TELEGRAM_MENU, TELEGRAM_ASKS, TELEGRAM_LEAVE, TELEGRAM_TIMERS };

struct telegram_hold { /* 429: nothing for this chat before until_ms (mono) */
    int64_t chat, until_ms;
};

struct telegram_move { /* a group that has another id now: what core still addresses to the old one goes there */
    int64_t from, to;
};

struct telegram_call;
struct telegram_batch;
struct telegram_ask;
struct telegram_send;

struct telegram {
    struct channel channel; /* first: core hands it back */
    uv_loop_t *loop;
    char *base_url, *token_file, *ca_file, *proxy;
    struct secret token;
    struct http_client *client;
    uv_timer_t timers[TELEGRAM_TIMERS];
    bool timers_open;
    int parts_open; /* while closing */
    void (*closed)(void *user);
    void *closed_user;
    struct telegram_call *calls;      /* under way */
    char said[TELEGRAM_SAID_MAX][96]; /* malformed answers complained of */
    size_t said_count;

    enum telegram_phase phase;
    int64_t era;                /* of logins: what belongs to an earlier one says nothing about this one */
    struct telegram_call *flow; /* the call of this phase */
    int64_t failures;           /* in a row */
    struct telegram_me me;      /* id 0: getMe was not answered yet */
    int64_t offset, limit;
    int64_t updated_ms, polled_ms, marked_ms; /* wall: newest update, last answered poll, last time both were stored */
    int64_t poll_begun_ms;                    /* mono */
    int64_t rush;                             /* batches in a row that came at once */
    bool probing; /* the next poll does not wait: whether the service is there again is to be known at once */
    int64_t conflict_said_ms; /* mono; 0 never */
    struct telegram_batch *batch;
    bool store_complained;
    int menu_step;
    int64_t menu_tries;

    struct telegram_send *sends; /* under way */
    struct telegram_hold holds[TELEGRAM_HOLDS_MAX];
    size_t holds_count;
    int64_t hold_all_ms;                            /* mono */
    struct telegram_move moves[TELEGRAM_MOVES_MAX]; /* a ring */
    size_t moves_count;
    int64_t upset[TELEGRAM_UPSET_MAX]; /* a ring: messages whose picture the service answered with 5xx */
    size_t upset_count;

    unsigned char key[TELEGRAM_KEY_SIZE]; /* of the buttons' nonces */
    struct telegram_ask *asks;

    char leaving_chat[24];  /* logging out: the goodbye to this chat leaves first; "" not */
    int64_t leave_until_ms; /* mono */
};

static inline int64_t telegram_mono_ms(const struct telegram *telegram) {
    return clock_mono_ms(telegram->channel.bot->ports.clock);
}
static inline int64_t telegram_wall_ms(const struct telegram *telegram) {
    return clock_wall_ms(telegram->channel.bot->ports.clock);
}

/* ---- telegram.c ---- */

/* From getMe on, with the token that is set. */
void telegram_begin(struct telegram *telegram);
/* Polling and what it retries end; sends under way end by themselves. */
void telegram_quiet(struct telegram *telegram);
/* 401, 404: the token is no good; a person must act. */
void telegram_token_refused(struct telegram *telegram, int code);
/* A send to leaving_chat ended: the logout follows once nothing more does. */
void telegram_left(struct telegram *telegram);

/* ---- telegram_call.c ---- */

struct telegram_request {
    const char *method, *json;     /* json: the body; taken and freed; NULL: out of memory before, or parts */
    const struct http_part *parts; /* instead of json */
    size_t parts_count;
    int64_t timeout_ms; /* real, not yet through service_ms */
    bool once;          /* must not reach the service twice */
    bool side;          /* its outcome is waited for by nobody */
    int64_t chat;       /* whom it is for, so that a 429 counts for that chat; 0 nobody */
};
struct telegram_reply {
    enum http_reached reached;
    /* ANSWERED: 200 where the service said ok, else its error code. What is no answer of the Bot API counts as 502 or
     * what 5xx it came with; 413 stays. */
    int code;
    int status; /* of HTTP; 0 none */
    bool too_large;
    struct telegram_answer answer; /* cleared after the callback */
    const char *why;               /* one line without secrets; "" for 200 */
};
typedef void telegram_done(struct telegram *telegram, void *user, const struct telegram_reply *reply);
/* done (may be NULL) follows exactly once from the loop, unless the call is cancelled or the channel ends. TB_OK or
 * negative: nothing was begun. */
MUST_USE int telegram_call(struct telegram *telegram, const struct telegram_request *request, telegram_done *done,
                           void *user, struct telegram_call **ret_call);
/* A call whose outcome nobody waits for: left out when many are under way. chat 0: for no chat. Takes json. */
void telegram_side_call(struct telegram *telegram, const char *method, int64_t chat, char *json);
void telegram_call_cancel(struct telegram *telegram, struct telegram_call *call); /* NULL is fine */
void telegram_calls_free(struct telegram *telegram);                              /* after the client is closed */
/* A malformed answer: logged once for each method and reason. */
void telegram_complain(struct telegram *telegram, const char *method, const char *why);
/* 1, 2, 4 … 60 s, each half of it to one and a half. */
int64_t telegram_backoff_ms(int64_t failures);

/* ---- telegram_poll.c ---- */

void telegram_flow_timer(uv_timer_t *timer); /* does what the phase wants next */
void telegram_menu_timer(uv_timer_t *timer);
void telegram_batch_free(struct telegram_batch *batch);

/* ---- telegram_send.c ---- */

void telegram_send(struct channel *channel, const struct outgoing *message);
void telegram_typing(struct channel *channel, const char *chat, bool on);
/* The service gave a group another id: noted here, and told to core. */
void telegram_moved(struct telegram *telegram, int64_t from, int64_t to);
/* 429: nothing for this chat for so long. */
void telegram_hold(struct telegram *telegram, int64_t chat, int64_t ms);
/* Milliseconds until this chat may be sent to; 0 now. */
int64_t telegram_hold_ms(const struct telegram *telegram, int64_t chat);
bool telegram_sending_to(const struct telegram *telegram, const char *chat);
void telegram_sends_free(struct telegram *telegram);

/* ---- telegram_buttons.c ---- */

/* Reads the key of the nonces from the store, or makes one. TB_OK or negative. */
MUST_USE int telegram_buttons_load(struct telegram *telegram);
/* Answers the query. True: `text` is to be handed to core. */
bool telegram_pressed(struct telegram *telegram, const struct telegram_update *update, char *text, size_t size);
/* The keyboard for a message (0: a new one); while it asks whether to stop, the question. NULL: none, or out of memory.
 * Caller frees. ret_asks (may be NULL): whether it is the question. */
char *telegram_keyboard(struct telegram *telegram, int64_t chat, int64_t message, int64_t run, const char *lines,
                        bool *ret_asks);
/* An edit of this message was answered that did not carry the question: it is shown again if it is still open. */
void telegram_ask_again(struct telegram *telegram, int64_t chat, int64_t message);
void telegram_asks_timer(uv_timer_t *timer);
void telegram_asks_free(struct telegram *telegram);

#endif
