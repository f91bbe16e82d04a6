/*
 * weixin_codec.h: the messages of WeChat's bot interface (iLink): JSON ↔ structs. Pure: no I/O, no clock, no globals;
 * any thread; any bytes are harmless. What is asked and answered: bot/channels/weixin*.c name the paths.
 *
 * Source: the published client @tencent-weixin/openclaw-weixin 2.4.9 and its docs/protocol.md.
 *
 * Encoders return a body that the caller frees (it may hold a token: weixin_body_free wipes it); NULL: out of memory.
 * Decoders return TB_OK, TB_EINVAL (odd names the field) or TB_ENOMEM; what is returned needs its _clear only after
 * TB_OK. Fields that a message can do without are taken as absent where they are malformed, and odd names the first.
 */
#ifndef TRAINBOT_WEIXIN_CODEC_H
#define TRAINBOT_WEIXIN_CODEC_H

#include "weixin_json.h"

#define WEIXIN_ID_MAX 128     /* bytes of a person's, bot's or message's id, with the zero */
#define WEIXIN_TOKEN_MAX 8000 /* bot_token, context_token, typing_ticket */
#define WEIXIN_CURSOR_MAX 262144
#define WEIXIN_IDENTITY_MAX 160

enum { WEIXIN_CODE_DEAD = -14, WEIXIN_CODE_CLOSED = -2 };

/* ---- headers ---- */

/* "2.4.9" → 132105: major << 16 | minor << 8 | patch. False: not three numbers that fit. */
bool weixin_version(const char *version, uint32_t *ret_number);
/* X-WECHAT-UIN: 2718281828 → "MjcxODI4MTgyOA==". */
void weixin_uin(uint32_t number, char text[24]);

/* ---- what is sent; `version` is channel_version, "2.4.9" ---- */

char *weixin_encode_code_request(const char *const *tokens, size_t count); /* get_bot_qrcode */
char *weixin_encode_notify(const char *version);                           /* msg/notifystart, msg/notifystop */
char *weixin_encode_poll(const char *version, const char *cursor);         /* getupdates; cursor "": from now */

/* sendmessage: one item, text or picture. */
struct weixin_send_body {
    const char *to, *client_id, *context_token;
    const char *text;                             /* NULL: the picture */
    const char *encrypt_query_param, *aeskey_hex; /* 32 hex digits */
    int64_t cipher_bytes;
};
char *weixin_encode_send(const char *version, const struct weixin_send_body *send);

char *weixin_encode_config(const char *version, const char *person, const char *context_token);   /* getconfig */
char *weixin_encode_typing(const char *version, const char *person, const char *ticket, bool on); /* sendtyping */

struct weixin_upload_body {
    const char *to, *filekey, *aeskey_hex, *md5_hex;
    int64_t plain_bytes, cipher_bytes;
};
char *weixin_encode_upload(const char *version, const struct weixin_upload_body *upload); /* getuploadurl */
void weixin_body_free(char *body);                                                        /* wiped; NULL is fine */

/* A text as it may be sent: UTF-8 (broken bytes become "?"), control characters but newline and tab left out. Caller
 * frees; NULL: out of memory. "" where nothing is left. */
char *weixin_clean_text(const char *text);
/* "trainbot:1790000000000-9f3c21aa", the same for the same key: a repeated send is the same message. */
void weixin_client_id(int64_t created_ms, const char *key, char *id, size_t size);

/* ---- what is answered ---- */

/* What every answer may carry. code: 0 good; else errcode or ret, -14 before any other. */
struct weixin_verdict {
    int64_t code;
    char errmsg[80]; /* one line, long runs of letters and digits left out: they may be tokens; "" none */
};
MUST_USE int weixin_decode_verdict(const char *body, size_t size, struct weixin_verdict *ret, struct weixin_odd *odd);

struct weixin_code { /* get_bot_qrcode */
    char *id;        /* a secret */
    char *address;   /* to be drawn */
};
MUST_USE int weixin_decode_code(const char *body, size_t size, struct weixin_code *ret, struct weixin_odd *odd);
void weixin_code_clear(struct weixin_code *code);

enum weixin_code_state {
    WEIXIN_CODE_WAIT,
    WEIXIN_CODE_SCANNED,
    WEIXIN_CODE_NUMBER,
    WEIXIN_CODE_BLOCKED,
    WEIXIN_CODE_EXPIRED,
    WEIXIN_CODE_REDIRECT,
    WEIXIN_CODE_BOUND,
    WEIXIN_CODE_CONFIRMED
};
struct weixin_code_status { /* get_qrcode_status; texts NULL where absent */
    enum weixin_code_state state;
    char *bot_token, *bot_id, *base_url, *user_id, *redirect_host;
};
MUST_USE int weixin_decode_code_status(const char *body, size_t size, struct weixin_code_status *ret,
                                       struct weixin_odd *odd);
void weixin_code_status_clear(struct weixin_code_status *status); /* wipes the token */

struct weixin_message {                               /* one of a person, one to one */
    char id[WEIXIN_ID_MAX], client_id[WEIXIN_ID_MAX]; /* "" absent */
    char from[WEIXIN_ID_MAX];
    char *context_token; /* NULL absent */
    char *text;          /* never NULL: text, a voice's transcript, else a label: "[图片]" */
    size_t size;
    int64_t create_time_ms; /* as it came; 0 absent */
};
struct weixin_updates { /* getupdates */
    struct weixin_verdict verdict;
    struct weixin_message *messages;
    size_t count;
    char *cursor;       /* NULL: the old one stays in force */
    int64_t timeout_ms; /* of later polls; 0: not said */
};
MUST_USE int weixin_decode_updates(const char *body, size_t size, struct weixin_updates *ret, struct weixin_odd *odd);
void weixin_updates_clear(struct weixin_updates *updates);

struct weixin_sent { /* sendmessage */
    struct weixin_verdict verdict;
    char id[WEIXIN_ID_MAX]; /* "" absent */
};
MUST_USE int weixin_decode_sent(const char *body, size_t size, struct weixin_sent *ret, struct weixin_odd *odd);

struct weixin_ticket { /* getconfig */
    struct weixin_verdict verdict;
    bool exact;   /* ret was there and 0, as the ticket wants it */
    char *ticket; /* NULL absent */
};
MUST_USE int weixin_decode_ticket(const char *body, size_t size, struct weixin_ticket *ret, struct weixin_odd *odd);
void weixin_ticket_clear(struct weixin_ticket *ticket);

struct weixin_place { /* getuploadurl; texts NULL where absent or blank */
    struct weixin_verdict verdict;
    char *param, *full_url;
};
MUST_USE int weixin_decode_place(const char *body, size_t size, struct weixin_place *ret, struct weixin_odd *odd);
void weixin_place_clear(struct weixin_place *place);

/* ---- messages ---- */

/* What names a message for good: its id, else its client's id, else a hash of sender, time and text; never "". */
void weixin_message_identity(const struct weixin_message *message, char identity[WEIXIN_IDENTITY_MAX]);
/* Sender, time and text in one number: the same message under another id has the same. 0: it says no time. */
uint64_t weixin_message_print(const struct weixin_message *message);
/* create_time_ms as a time in ms that can be true: seconds are taken as such; 0 where it is absent, before 2015 or
 * later than 5 minutes from now. */
int64_t weixin_time_ms(int64_t create_time_ms, int64_t now_ms);

#endif
