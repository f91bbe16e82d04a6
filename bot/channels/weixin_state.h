/*
 * weixin_state.h: the channel "weixin" inside: what its files share. weixin.c is core's side and the account's life,
 * weixin_poll.c receives, weixin_send.c sends, weixin_typing.c says that an answer is being made, weixin_context.c
 * keeps what a person's last message allows us to send. Loop thread only.
 */
#ifndef TRAINBOT_WEIXIN_STATE_H
#define TRAINBOT_WEIXIN_STATE_H

#include "bot.h"
#include "weixin.h"
#include "weixin_account.h"
#include "weixin_codec.h"
#include "weixin_media.h"
#include "weixin_request.h"

#define WEIXIN_STRANGERS 32 /* persons without a role whose context is remembered, in memory only */
#define WEIXIN_PRINTS_MAX 64
#define WEIXIN_TYPING_MAX 16
#define WEIXIN_TROUBLES 64
#define WEIXIN_MEDIA_KEPT 4
#define WEIXIN_ODDS 64

enum weixin_phase {
    WEIXIN_IDLE,   /* no account, or leaving */
    WEIXIN_NOTIFY, /* msg/notifystart is under way */
    WEIXIN_ASK,    /* getupdates is under way */
    WEIXIN_PAUSE,  /* the timer runs */
    WEIXIN_KEEP    /* a batch could not be stored: the timer runs, nothing is asked meanwhile */
};

struct weixin_polling {
    enum weixin_phase phase;
    struct http_call *call;
    uv_timer_t timer;
    char *cursor;                       /* the newest that is stored; "" at first; NULL while idle */
    struct weixin_updates batch;        /* KEEP */
    int64_t hint_ms;                    /* longpolling_timeout_ms; 0: not said */
    int64_t edge_ms;                    /* an edge ends held requests earlier: no poll is longer; 0: none does */
    int64_t begun_ms;                   /* mono: of the call */
    int failures, in_a_row;             /* failures: 0..2, for the pause; in_a_row: since the last success */
    int dead;                           /* -14 so many times in a row */
    int quick;                          /* empty answers in a row that came at once */
    int rush;                           /* answers with messages in a row that came at once */
    uint64_t prints[WEIXIN_PRINTS_MAX]; /* of the newest messages; a ring */
    size_t prints_at;
};

struct weixin_stranger {
    char person[WEIXIN_ID_MAX];
    char *token;
    int64_t at_ms;
};

struct weixin_trouble { /* a message that the service refused without saying for good */
    int64_t message, first_ms;
    int count;
};

struct weixin_kept { /* a picture that was uploaded and not yet accepted as a message */
    int64_t message, at_ms;
    struct weixin_media media;
};

struct weixin_send;
struct weixin;
struct weixin_typing {
    struct weixin *weixin;
    char person[WEIXIN_ID_MAX]; /* "": free */
    char *ticket;
    int64_t until_ms, next_try_ms, backoff_ms, used_ms; /* mono */
    struct http_call *call;
    bool wanted, shown, showing; /* showing: what the call under way says */
};

struct weixin {
    struct channel channel;
    uv_loop_t *loop;
    char *state_dir, *base_url, *cdn_base_url, *client_version, *ca_file, *proxy;
    bool loopback; /* the configured base */
    struct weixin_api api;
    struct weixin_account account;
    bool bound;          /* somebody is logged in */
    int64_t logins;      /* what belongs to an earlier one says nothing about this one */
    char start_why[300]; /* why nobody is, where it is not just that */
    struct weixin_polling poll;
    struct weixin_stranger strangers[WEIXIN_STRANGERS];
    size_t strangers_at;
    struct weixin_send *sends;
    struct weixin_trouble troubles[WEIXIN_TROUBLES];
    struct weixin_kept kept[WEIXIN_MEDIA_KEPT];
    size_t kept_at;
    struct weixin_typing typing[WEIXIN_TYPING_MAX];
    uint64_t odds[WEIXIN_ODDS]; /* what was logged once */
    size_t odds_count;
    uv_fs_event_t watch;
    uv_timer_t look, goodbye; /* the account file changed; a logout waits for its last message */
    int handles;              /* ours that are open, with those of uploads */
    bool leaving, stopping, closing;
    void (*closed)(void *user);
    void *closed_user;
};

/* weixin.c */
bool weixin_zh(const struct weixin *weixin);
/* What a service does against the rules, once per kind. */
void weixin_note_odd(struct weixin *weixin, const char *where, const char *odd);
void weixin_released(void *weixin); /* a handle is closed */

/* weixin_poll.c */
void weixin_poll_begin(struct weixin *weixin); /* msg/notifystart, then polls; the account is there */
void weixin_poll_end(struct weixin *weixin);
/* The token is not taken any more: nothing is sent; one look after a minute, then hourly. */
void weixin_poll_dead(struct weixin *weixin);
void weixin_poll_now(struct weixin *weixin); /* a pause ends early */

/* weixin_send.c */
void weixin_send(struct channel *channel, const struct outgoing *message);
void weixin_media_forget(struct weixin *weixin);
void weixin_send_end(struct weixin *weixin); /* what is under way is dropped without its outcome */

/* weixin_typing.c */
void weixin_type(struct channel *channel, const char *chat, bool on);
void weixin_typing_end(struct weixin *weixin); /* tickets are forgotten */

/* weixin_context.c: all keys stand below "weixin/". */
/* A message of this person came with this token: kept where it is not older than the kept one. TB_OK or the store's. */
MUST_USE int weixin_context_put(struct weixin *weixin, const char *person, const char *token, int64_t at_ms);
/* The newest; caller wipes (weixin_context_free). NULL: none. */
char *weixin_context_get(struct weixin *weixin, const char *person);
void weixin_context_free(char *token);
void weixin_context_clear(struct weixin *weixin); /* strangers' */
/* Forgets what is kept of other bots, and of this one when it was logged in anew. all: of every bot. */
void weixin_store_sweep(struct weixin *weixin, bool all);
/* "weixin/KIND/BOT"; NULL: out of memory. Caller frees. */
char *weixin_key(const struct weixin *weixin, const char *kind);

#endif
