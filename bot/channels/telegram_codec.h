/*
 * telegram_codec.h: the Bot API's JSON ↔ structs. Pure: no I/O, no clock, no globals; any bytes are harmless. Answers
 * are limited in depth and in the number of their values before they are read, ids are taken only as whole numbers that
 * a double holds exactly (the service promises 52 bits), and one bad update spoils none of the others. Any thread.
 *
 * Files: telegram_codec (answers), telegram_encode (requests), telegram_text (what of a message is meant for the bot),
 * telegram_press (buttons and the data that they carry).
 *
 * Source: core.telegram.org/bots/api.
 */
#ifndef TRAINBOT_TELEGRAM_CODEC_H
#define TRAINBOT_TELEGRAM_CODEC_H

#include "error.h"
#include "settings.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cJSON;

#define TELEGRAM_ANONYMOUS_ADMIN 1087968824 /* GroupAnonymousBot: who it is cannot be known */
#define TELEGRAM_ENTITIES_MAX 16
#define TELEGRAM_DATA_MAX 64 /* bytes of callback_data */
#define TELEGRAM_BUTTONS_MAX 12
#define TELEGRAM_KEY_SIZE 32
#define TELEGRAM_WHY_MAX 200

/* ---- answers ---- */

struct telegram_answer {
    bool ok;
    int64_t error_code;                 /* 0: none was given */
    char description[TELEGRAM_WHY_MAX]; /* one line, clean; "" none */
    int64_t retry_after_s;              /* 0 none; at most a day */
    int64_t migrate_to;                 /* 0 none: the group has this id now */
    struct cJSON *json;                 /* owned: telegram_answer_clear */
    const struct cJSON *result;         /* NULL: there is none */
};
/* TB_OK; TB_EINVAL: not what the Bot API answers; *ret_why says in a static text what is wrong. *ret is untouched then.
 */
MUST_USE int telegram_answer_decode(const char *body, size_t size, struct telegram_answer *ret, const char **ret_why);
void telegram_answer_clear(struct telegram_answer *answer); /* twice is fine */

struct telegram_me {
    int64_t id;
    char username[40];
};
/* Of getMe's answer. TB_EINVAL with *ret_why: a static text that names the field. */
MUST_USE int telegram_me_decode(const struct telegram_answer *answer, struct telegram_me *ret_me, const char **ret_why);
/* The id of the message that sendMessage and the like made. TB_EINVAL as above. */
MUST_USE int telegram_sent_decode(const struct telegram_answer *answer, int64_t *ret_message, const char **ret_why);

enum telegram_entity_kind { TELEGRAM_MENTION, TELEGRAM_TEXT_MENTION };
struct telegram_entity { /* a piece of a text; offset and length count UTF-16 code units */
    enum telegram_entity_kind kind;
    int64_t offset, length;
    int64_t user; /* TEXT_MENTION: whom it names */
};

enum telegram_update_kind {
    TELEGRAM_IGNORED, /* a kind that is not wanted, or a message without text, without a sender, of a channel … */
    TELEGRAM_BAD,     /* malformed: see why */
    TELEGRAM_MESSAGE,
    TELEGRAM_PRESS, /* a button */
    TELEGRAM_MOVED  /* a group has another id now: chat → moved_to */
};
/* Texts are borrowed from the answer. */
struct telegram_update {
    enum telegram_update_kind kind;
    int64_t id;      /* 0: unreadable */
    const char *why; /* BAD: static, names the field */
    int64_t chat, from, message;
    bool group;
    int64_t sent_ms; /* MESSAGE */
    const char *text;
    int64_t reply_to; /* author of the message that this one answers; 0 none */
    struct telegram_entity entities[TELEGRAM_ENTITIES_MAX];
    size_t entities_count;
    const char *query, *data;     /* PRESS; data "" where there is none; message 0: it is not there any more */
    const struct cJSON *keyboard; /* PRESS: the message's buttons as they are now; NULL none */
    int64_t moved_to;
};
/* Of getUpdates' answer. TB_OK: caller frees *ret_updates with free(); *ret_next is one more than the highest id (0: no
 * update had a readable one). TB_EINVAL: result is no array; TB_ENOMEM. */
MUST_USE int telegram_updates_decode(const struct telegram_answer *answer, struct telegram_update **ret_updates,
                                     size_t *ret_count, int64_t *ret_next, const char **ret_why);

/* A chat's id as core keeps it. False: not the decimal form of an id. */
bool telegram_id_parse(const char *text, int64_t *ret_id);
/* "123456:ABC…": digits, a colon, base64url characters: what may stand in a URL as it is. */
bool telegram_token_valid(const char *token);

/* ---- what of a message is meant for the bot (telegram_text.c) ---- */

/* The text core should see, owned, or *ret_text NULL where the message is not for us: a command to another bot, a
 * group's own talk. "/cmd@Us args" → "cmd args"; a bare "/start" → greeting; "/start CODE" (20 or more base64url
 * characters, a deep link's) → CODE; in a group also answers to us and texts that mention us, without the mention.
 * TB_OK, TB_ENOMEM. */
MUST_USE int telegram_heard(const struct telegram_update *update, const struct telegram_me *me, const char *greeting,
                            char **ret_text);
/* Byte offset of a UTF-16 offset in valid UTF-8; beyond the end, or inside a pair: SIZE_MAX. */
size_t telegram_utf16_offset(const char *text, int64_t units);
/* Without control characters (but newline and tab), what is not UTF-8 replaced by U+FFFD. Caller frees; NULL: no
 * memory. */
char *telegram_clean(const char *text);

/* ---- buttons (telegram_press.c) ---- */

struct telegram_button {
    char label[64], data[TELEGRAM_DATA_MAX + 1];
};
enum telegram_press {
    TELEGRAM_PRESS_SAY,     /* hand the text to core */
    TELEGRAM_PRESS_CONFIRM, /* "yes, stop": hand the text to core */
    TELEGRAM_PRESS_DECLINE  /* "no": nothing is to happen */
};
/* data = text + "|" + 8 hex digits of HMAC-SHA256 (key) over chat and text, so that a client cannot make up what no
 * button of ours carries. False: it does not fit into 64 bytes, or cannot be carried. */
bool telegram_data_make(const unsigned char *key, int64_t chat, enum telegram_press press, const char *text, char *data,
                        size_t size);
/* False: not of our making, or of another chat. */
bool telegram_data_read(const unsigned char *key, int64_t chat, const char *data, enum telegram_press *ret_press,
                        char *text, size_t size);
/* Quick replies, one a line, as buttons; commands about a run carry its number (run 0: none). Those that do not fit are
 * left out. Returns how many. */
size_t telegram_buttons_make(const unsigned char *key, int64_t chat, int64_t run, const char *lines,
                             struct telegram_button *ret_buttons, size_t max);
/* The question "really stop?" for the text of a stop button; two buttons. False: cannot be carried. */
bool telegram_buttons_confirm(const unsigned char *key, int64_t chat, const char *text,
                              struct telegram_button ret_buttons[2]);
/* Whether a button's text stops a run, which is asked about first. */
bool telegram_text_stops(const char *text);

/* ---- requests (telegram_encode.c): JSON; caller frees; NULL: out of memory ---- */

/* An inline keyboard, three buttons a row; count 0: one that takes the buttons away. */
char *telegram_encode_keyboard(const struct telegram_button *buttons, size_t count);
/* The keyboard of a press again, as it came; NULL also where it is larger than any of ours. */
char *telegram_encode_kept_keyboard(const struct cJSON *keyboard);

struct telegram_out {
    int64_t chat;
    int64_t message;  /* the one to edit; 0: a new one */
    const char *text; /* clean */
    bool silent;
    const char *keyboard; /* JSON; NULL none */
};
/* sendMessage, editMessageText. Plain text without parse_mode: there is nothing to escape, so no name of a run or line
 * of output can break a message or change how it looks. */
char *telegram_encode_message(const struct telegram_out *out);
char *telegram_encode_markup(int64_t chat, int64_t message, const char *keyboard); /* editMessageReplyMarkup */
char *telegram_encode_poll(int64_t offset, int64_t limit, int64_t timeout_s);      /* offset 0: none */
char *telegram_encode_query_answer(const char *query, const char *text);
char *telegram_encode_action(int64_t chat, const char *action);

struct telegram_command {
    char name[33], help[257];
};
/* False: the name is none that a menu takes ([a-z0-9_]{1,32}). help is cut at 256 bytes. */
bool telegram_command_make(const char *name, const char *help, struct telegram_command *ret_command);
char *telegram_encode_commands(const struct telegram_command *commands, size_t count,
                               const char *language); /* NULL: default */

#endif
