/*
 * wecom_chat.h: what is known of a conversation while the bot runs, as pure bookkeeping with the clock as argument: the
 * callback that may be answered, the one live stream, when progress may be pushed, how many messages may still leave.
 * Times are monotonic milliseconds; waits are scaled by service_ms(). Loop thread only.
 */
#ifndef TRAINBOT_WECOM_CHAT_H
#define TRAINBOT_WECOM_CHAT_H

#include "wecom_codec.h"

#define WECOM_CHATS_MAX 512 /* remembered; the one longest unused goes first */
#define WECOM_STREAM_ID_MAX 48
#define WECOM_PUSHED_MAX 8 /* runs whose last push is remembered */

/* A bucket of `burst`, one more each refill_ms, kept as the time at which it is full again. */
struct wecom_bucket {
    int64_t full_ms;
};
/* Milliseconds until one may be taken; 0: now. */
int64_t wecom_bucket_wait(const struct wecom_bucket *bucket, int64_t burst, int64_t refill_ms, int64_t now_ms);
void wecom_bucket_take(struct wecom_bucket *bucket, int64_t refill_ms, int64_t now_ms);

struct wecom_stream {
    char id[WECOM_STREAM_ID_MAX];
    char req_id[WECOM_ID_MAX + 1]; /* of the callback it answers */
    char *text;                    /* what stands there, as Markdown; what it is finished with */
    int64_t run, opened_ms, updated_ms;
    bool live, unsure; /* unsure: whether this text stands there is not known */
};

struct wecom_chat {
    char *id;
    bool group, group_known, group_noted; /* noted: the store knows it */
    char req_id[WECOM_ID_MAX + 1];        /* the newest message's; "" none */
    int64_t heard_ms;                     /* when it came */
    bool unsure;              /* a frame on it was not acknowledged: a late one could be taken for another's */
    bool streams;             /* a stream may be opened: somebody wrote since … */
    int64_t streams_until_ms; /* … and this, once the first was opened, has not passed; 0: none was opened */
    struct wecom_stream stream;
    struct {
        int64_t run, at_ms;
    } pushed[WECOM_PUSHED_MAX]; /* when a run's progress was last seen here otherwise than by a live stream */
    struct wecom_bucket minute, hour;
    int64_t held_until_ms; /* the service asked for quiet */
    struct wecom_chat *next;
};

struct wecom_chats {
    struct wecom_chat *first; /* most recently used first */
    size_t count;
};
/* Found or made; NULL: out of memory. Borrowed until the next call. */
struct wecom_chat *wecom_chat_get(struct wecom_chats *chats, const char *id);
struct wecom_chat *wecom_chat_find(const struct wecom_chats *chats, const char *id); /* NULL: not remembered */
void wecom_chats_clear(struct wecom_chats *chats);

/* Somebody wrote: their message may be answered, and a new stream opened. */
void wecom_chat_heard(struct wecom_chat *chat, const char *req_id, int64_t now_ms);
/* Something else said that the person is there (a pressed button). */
void wecom_chat_touched(struct wecom_chat *chat);
/* The req_id that a one-shot answer may use; NULL: push. */
const char *wecom_chat_answers(const struct wecom_chat *chat, int64_t now_ms);

/* New messages: at most 28 a minute and 985 an hour, below the service's 30 and 1,000. */
int64_t wecom_chat_wait(const struct wecom_chat *chat, int64_t now_ms); /* ms until the next; 0: now */
void wecom_chat_hold(struct wecom_chat *chat, int64_t now_ms);          /* after 45009 */
int64_t wecom_chat_hold_ms(void);
bool wecom_chat_may_offer(const struct wecom_chat *chat, int64_t now_ms); /* there is room for a card as well */
void wecom_chat_count(struct wecom_chat *chat, int64_t now_ms);

enum wecom_step {
    WECOM_STEP_OPEN,   /* a stream; wecom_stream_opened */
    WECOM_STEP_UPDATE, /* the live stream; wecom_stream_updated */
    WECOM_STEP_PUSH,   /* a message of its own; wecom_progress_seen */
    WECOM_STEP_WAIT,   /* *ret_wait_ms */
    WECOM_STEP_GONE    /* what should be edited cannot be any more */
};
/* What to do with a run's progress. edit_of: NULL, or the id of the stream that core has in mind. */
enum wecom_step wecom_progress_step(const struct wecom_chat *chat, int64_t run, const char *edit_of,
                                    int64_t report_every_ms, int64_t now_ms, int64_t *ret_wait_ms);
/* Takes text. */
void wecom_stream_opened(struct wecom_chat *chat, const char *id, int64_t run, char *text, int64_t now_ms);
void wecom_stream_updated(struct wecom_chat *chat, char *text, int64_t now_ms);
void wecom_progress_seen(struct wecom_chat *chat, int64_t run, int64_t now_ms);
/* When the channel has to finish the live stream; INT64_MAX: there is none. */
int64_t wecom_stream_due(const struct wecom_chat *chat);
/* Whether the service would still take its finish. */
bool wecom_stream_can_finish(const struct wecom_chat *chat, int64_t now_ms);
/* It is over (finished, or gone); its text is dropped. */
void wecom_stream_over(struct wecom_chat *chat, int64_t now_ms);

#endif
