/*
 * wecom_codec.h: the frames of WeCom's AI bot gateway (long connection) ↔ structs. Pure: no I/O, no clock, no globals,
 * any thread. What a peer sends is checked and capped here; nothing beyond this file sees JSON.
 *
 * The source of the format is WeCom's page "智能机器人长连接" and the SDK @wecom/aibot-node-sdk 1.0.7; where the two
 * disagree (nesting of card events, first chunk index) both are accepted, and sent is what the page says.
 */
#ifndef TRAINBOT_WECOM_CODEC_H
#define TRAINBOT_WECOM_CODEC_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WECOM_FRAME_MAX (1u << 20) /* bytes of one incoming frame */
#define WECOM_ID_MAX 256           /* bytes of a person's, a chat's, a message's, a request's id */
#define WECOM_KEY_MAX 1024         /* bytes of a button's key */
#define WECOM_TASK_MAX 128         /* bytes of a card's task_id */
#define WECOM_CONTENT_MAX 20480    /* bytes of a markdown or stream text */
#define WECOM_BUTTONS_MAX 6
#define WECOM_CHUNK_MAX (512u << 10) /* raw bytes of one piece of an upload */
#define WECOM_IMAGE_MAX (2u << 20)   /* a larger picture goes as a file … */
#define WECOM_FILE_MAX (20u << 20)   /* … up to this */
#define WECOM_UPLOAD_MIN 5

/* ---- what comes ---- */

enum wecom_kind {
    WECOM_UNKNOWN, /* a command of a newer gateway: to be ignored */
    WECOM_ACK,
    WECOM_MESSAGE,
    WECOM_EVENT
};
enum wecom_event {
    WECOM_EVENT_OTHER, /* feedback_event and what comes later */
    WECOM_EVENT_ENTER, /* somebody opened the chat */
    WECOM_EVENT_BUTTON,
    WECOM_EVENT_DISCONNECTED, /* another client subscribed */
};
/* Texts that are not there are "" (never NULL), but for `text`. All live in `owner`. */
struct wecom_frame {
    enum wecom_kind kind;
    const char *req_id;
    /* WECOM_ACK */
    int64_t errcode;
    const char *errmsg; /* for the log only: it holds this host's address */
    const char *upload_id, *media_id;
    /* WECOM_MESSAGE, WECOM_EVENT */
    const char *msgid, *userid, *chatid; /* chatid: groups only */
    bool group;
    int64_t sent_ms; /* 0: not said */
    char *text;      /* a message's words; NULL: a kind of message that has none */
    enum wecom_event event;
    const char *event_key, *task_id; /* WECOM_EVENT_BUTTON */
    void *owner;
};
/* Deletes the control characters that the gateway may send raw within strings (0x00-0x08, 0x0B-0x1F). Returns the new
 * size. */
size_t wecom_strip_controls(char *bytes, size_t size);
/* One frame. TB_OK: caller clears it. TB_EINVAL: `why` gets one line with the field; TB_ERANGE: too long; TB_ENOMEM.
 * *ret_frame is untouched on failure. */
MUST_USE int wecom_decode(const char *bytes, size_t size, struct wecom_frame *ret_frame, char *why, size_t why_size);
void wecom_frame_clear(struct wecom_frame *frame);
/* The chat a callback belongs to: the group's id, else the person's. */
const char *wecom_chat_of(const struct wecom_frame *frame);

/* What an acknowledgement means to a sender. */
enum wecom_verdict {
    WECOM_DONE,
    WECOM_BAD_SECRET,  /* 853000 */
    WECOM_BAD_REQUEST, /* 846605: the req_id is unknown, too old, of the wrong kind: push instead */
    WECOM_STREAM_GONE, /* 846608: expired or finished */
    WECOM_CHAT_CLOSED, /* 93006: nobody has spoken to the bot there */
    WECOM_LIMIT,       /* 45009: too many messages */
    WECOM_BUSY,        /* -1, "system error": later */
    WECOM_REFUSED
};
enum wecom_verdict wecom_verdict(int64_t errcode, const char *errmsg);

/* ---- what goes; all texts borrowed until return, results are the caller's to free, NULL: out of memory ---- */

enum wecom_content_kind { WECOM_STREAM, WECOM_MARKDOWN, WECOM_IMAGE, WECOM_FILE, WECOM_CARD };
struct wecom_button {
    const char *text, *key;
    int style; /* 1..4 */
};
struct wecom_content {
    enum wecom_content_kind kind;
    const char *text;                   /* STREAM, MARKDOWN: Markdown, at most WECOM_CONTENT_MAX bytes; CARD: title */
    const char *id;                     /* STREAM: its id; CARD: task_id; IMAGE, FILE: media_id */
    bool finish;                        /* STREAM */
    const struct wecom_button *buttons; /* CARD: 1 to 6, keys distinct */
    size_t buttons_count;
};
/* A request without a body: "ping". */
char *wecom_encode_ping(const char *req_id);
/* Into the caller's storage, so that the secret leaves no copies behind: TB_ERANGE where it does not fit, TB_ENOMEM. */
MUST_USE int wecom_encode_subscribe(const char *req_id, const char *bot_id, const char *secret, char *text,
                                    size_t size);
/* Answers the message callback of this req_id. */
char *wecom_encode_respond(const char *req_id, const struct wecom_content *content);
/* To a chat without being asked; no STREAM, and no CARD in groups. */
char *wecom_encode_send(const char *req_id, const char *chat, bool group, const struct wecom_content *content);
/* Answers enter_chat. */
char *wecom_encode_welcome(const char *req_id, const char *text);
/* Answers a pressed button: the card becomes a notice. */
char *wecom_encode_card_taken(const char *req_id, const char *task_id, const char *title);
struct wecom_upload_head {
    bool image;           /* else file */
    const char *filename; /* at most 256 bytes */
    const char *md5;      /* 32 lower case hex digits */
    int64_t size, chunks;
};
char *wecom_encode_upload_init(const char *req_id, const struct wecom_upload_head *head);
/* index from 0; 1 to WECOM_CHUNK_MAX bytes. */
char *wecom_encode_upload_chunk(const char *req_id, const char *upload_id, int64_t index, const uint8_t *bytes,
                                size_t size);
char *wecom_encode_upload_finish(const char *req_id, const char *upload_id);

#endif
