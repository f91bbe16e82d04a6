/*
 * wecom_internal.h: what the files of the channel "wecom" share. wecom.c its life and state, wecom_inbound.c what
 * people say and press, wecom_send.c messages, wecom_progress.c progress as a stream or pushes, wecom_upload.c
 * pictures, wecom_cards.c buttons. Loop thread only.
 */
#ifndef TRAINBOT_WECOM_INTERNAL_H
#define TRAINBOT_WECOM_INTERNAL_H

#include "bot.h"
#include "wecom.h"
#include "wecom_chat.h"
#include "wecom_link.h"
#include "wecom_text.h"

#define WECOM_NAME "wecom"
#define WECOM_NONCE_BYTES 32

/* One message of core's on its way. */
enum wecom_job_kind { WECOM_JOB_TEXT, WECOM_JOB_PUSH, WECOM_JOB_OPEN, WECOM_JOB_UPDATE, WECOM_JOB_IMAGE };
struct wecom_upload;
struct wecom_job {
    struct wecom *wecom;
    enum wecom_job_kind kind;
    int64_t message, run;
    char *chat;
    char *text;            /* Markdown */
    char *title, *buttons; /* of the card that follows; NULL: none */
    char stream[WECOM_STREAM_ID_MAX];
    char answers[WECOM_ID_MAX + 1]; /* the callback that was answered; "": it was pushed */
    bool push;                      /* do not answer, push */
    struct wecom_upload *upload;
    char *media_id;
    bool media_image; /* else a file */
    struct wecom_job *next, **at;
};

/* The last frame of a stream: it must arrive, whatever happens in between. */
struct wecom_ending {
    struct wecom *wecom;
    char *req_id, *id, *text;
    int64_t until_ms;
    int tries;
    bool under_way;
    struct wecom_ending *next;
};

/* A message that the store did not take yet. */
struct wecom_kept {
    char *chat, *sender, *service_id, *text;
    int64_t sent_ms;
    bool group;
    struct wecom_kept *next;
};

struct wecom {
    struct channel channel;
    uv_loop_t *loop;
    char *url, *bot_id, *secret_file, *ca_file, *proxy;
    int64_t report_every_ms;
    struct secret secret;
    struct wecom_link *link; /* NULL before start */
    struct wecom_chats chats;
    struct wecom_job *jobs;
    struct wecom_ending *endings;
    struct wecom_kept *kept, **kept_last;
    size_t kept_count;
    int64_t kept_due_ms; /* INT64_MAX: nothing is kept */
    struct wecom_bucket uploads;
    unsigned char nonce[WECOM_NONCE_BYTES];
    bool nonce_known;
    uv_timer_t timer; /* the earliest of all that is due */
    bool timer_made;
    char *goodbye_chat;     /* a logout waits for the message to this chat … */
    int64_t goodbye_due_ms; /* … at most so long; INT64_MAX: no logout is under way */
    bool stopping;          /* nothing more is told to core */
    int64_t stop_due_ms;    /* INT64_MAX: not stopping, or at it */
    void (*closed)(void *user);
    void *closed_user;
};

/* wecom.c */
enum lang wecom_lang(const struct wecom *wecom);
const char *wecom_say(const struct wecom *wecom, const char *zh, const char *en);
void wecom_rearm(struct wecom *wecom); /* after anything that changes when something is due */
struct wecom_chat *wecom_chat_of_id(struct wecom *wecom, const char *id);
bool wecom_is_group_chat(struct wecom *wecom, struct wecom_chat *chat);
void wecom_log_refusal(struct wecom *wecom, const char *what, const struct wecom_frame *ack);

/* wecom_inbound.c */
void wecom_take(struct wecom *wecom, const struct wecom_frame *frame);
void wecom_retry_kept(struct wecom *wecom);
void wecom_forget_kept(struct wecom *wecom);

/* wecom_send.c */
void wecom_send(struct channel *channel, const struct outgoing *message);
struct wecom_job *wecom_job_create(struct wecom *wecom, enum wecom_job_kind kind, const struct outgoing *message);
/* The message's outcome, told to core; frees the job. */
void wecom_job_done(struct wecom_job *job, const struct sent *sent);
void wecom_job_free(struct wecom_job *job);
void wecom_job_send(struct wecom_job *job); /* markdown, image or file: as an answer, or pushed */
/* What an acknowledgement that is not WECOM_DONE means for the message; holds the chat where it must be quiet. */
struct sent wecom_failed(struct wecom *wecom, const char *chat, const struct wecom_frame *ack);
struct sent wecom_down(void);                                           /* not sent, the service is not there */
int64_t wecom_held(struct wecom *wecom, const struct wecom_chat *chat); /* ms until a new message may leave */
char *wecom_content_text(const char *text); /* Markdown with something to see; NULL: out of memory */

/* wecom_progress.c */
void wecom_send_progress(struct wecom *wecom, const struct outgoing *message);
void wecom_finish_stream(struct wecom *wecom, struct wecom_chat *chat);
void wecom_finish_due(struct wecom *wecom, int64_t now_ms);
void wecom_finish_all(struct wecom *wecom);
void wecom_try_endings(struct wecom *wecom);
void wecom_forget_endings(struct wecom *wecom);

/* wecom_upload.c: reads the job's picture, brings it up, and goes on with wecom_job_send. */
void wecom_upload_begin(struct wecom_job *job, const char *path, const char *mime);
void wecom_upload_free(struct wecom_upload *upload);
int64_t wecom_upload_due(const struct wecom_upload *upload); /* INT64_MAX: it waits for an answer */
void wecom_upload_again(struct wecom_job *job);

/* wecom_cards.c */
void wecom_offer_card(struct wecom_job *job); /* after its message; nobody waits for the outcome */
/* Whether a card of ours offered this key to this chat. */
bool wecom_card_is_ours(struct wecom *wecom, const char *chat, const char *task_id, const char *key);

#endif
