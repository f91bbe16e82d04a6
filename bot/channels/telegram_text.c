/* What of a message is meant for the bot, and text as the service takes it: see telegram_codec.h. */
#include "telegram_codec.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t\r\n"
#define CODE_MIN 20 /* characters of a deep link's code; a trainer with so long a name is started without the slash */
#define CODE_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"

/* ---- UTF-8 and UTF-16 ---- */

/* Length of the valid sequence at `at`, 1 to 4; 0: invalid. RFC 3629: nothing overlong, no surrogates, at most
 * U+10FFFF. Reads no further than the zero byte behind the text, which is no continuation. */
static size_t sequence(const unsigned char *at) {
    if (at[0] < 0x80) return 1;
    size_t size = at[0] >= 0xF0 ? 4 : at[0] >= 0xE0 ? 3 : 2;
    if (at[0] < 0xC2 || at[0] > 0xF4) return 0;
    unsigned char low = 0x80, high = 0xBF;
    if (at[0] == 0xE0) low = 0xA0;
    if (at[0] == 0xED) high = 0x9F;
    if (at[0] == 0xF0) low = 0x90;
    if (at[0] == 0xF4) high = 0x8F;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xC0) != 0x80) return 0;
    return size;
}

size_t telegram_utf16_offset(const char *text, int64_t units) {
    const unsigned char *at = (const unsigned char *)text;
    while (units > 0 && *at) {
        size_t size = sequence(at);
        units -= size == 4 ? 2 : 1;
        at += size ? size : 1;
    }
    return units == 0 ? (size_t)(at - (const unsigned char *)text) : SIZE_MAX;
}

char *telegram_clean(const char *text) {
    char *clean = malloc(strlen(text) * 3 + 1), *out = clean;
    if (!clean) return NULL;
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        size_t size = sequence(at);
        if (size == 0) {
            memcpy(out, "\xEF\xBF\xBD", 3);
            out += 3;
            at++;
        } else if (size > 1 ? at[0] == 0xC2 && at[1] < 0xA0
                            : (*at < ' ' && *at != '\n' && *at != '\t') || *at == 0x7F) {
            at += size;
        } else {
            memcpy(out, at, size);
            out += size;
            at += size;
        }
    }
    *out = 0;
    return clean;
}

/* ---- for whom it is ---- */

/* Whether the piece of text that an entity names is "@" and our name. */
static bool names_us(const struct telegram_update *update, const struct telegram_entity *entity,
                     const struct telegram_me *me, size_t *ret_from, size_t *ret_until) {
    size_t from = telegram_utf16_offset(update->text, entity->offset);
    size_t until = from == SIZE_MAX ? SIZE_MAX : telegram_utf16_offset(update->text + from, entity->length);
    if (until == SIZE_MAX) return false;
    *ret_from = from;
    *ret_until = from + until;
    if (entity->kind == TELEGRAM_TEXT_MENTION) return entity->user == me->id;
    return until == strlen(me->username) + 1 && update->text[from] == '@' &&
           strncasecmp(update->text + from + 1, me->username, until - 1) == 0;
}

/* The text without blanks around it; caller frees. */
static char *trimmed(const char *text, size_t size) {
    while (size > 0 && strchr(BLANKS, *text))
        text++, size--;
    while (size > 0 && strchr(BLANKS, text[size - 1]))
        size--;
    return strndup(text, size);
}

/* Talk without a slash. In a group only what is said to us; the mention itself is no part of it. */
static int heard_talk(const struct telegram_update *update, const struct telegram_me *me, char **ret_text) {
    bool for_us = !update->group || update->reply_to == me->id;
    for (size_t i = 0; update->group && i < update->entities_count; i++) {
        size_t from, until;
        if (!names_us(update, &update->entities[i], me, &from, &until)) continue;
        char *whole = NULL;
        if (asprintf(&whole, "%.*s %s", (int)from, update->text, update->text + until) < 0) return TB_ENOMEM;
        *ret_text = trimmed(whole, strlen(whole));
        free(whole);
        return *ret_text ? TB_OK : TB_ENOMEM;
    }
    if (!for_us) return TB_OK;
    *ret_text = strdup(update->text);
    return *ret_text ? TB_OK : TB_ENOMEM;
}

static int heard_command(const char *text, const struct telegram_me *me, const char *greeting, char **ret_text) {
    size_t word = strcspn(text, BLANKS), name = strcspn(text, "@" BLANKS);
    if (name < word &&
        (word - name - 1 != strlen(me->username) || strncasecmp(text + name + 1, me->username, word - name - 1) != 0))
        return TB_OK; /* another bot's */
    char *args = trimmed(text + word, strlen(text + word));
    if (!args) return TB_ENOMEM;
    bool start = name == 6 && strncasecmp(text, "/start", 6) == 0;
    int printed = 0;
    if (start && !args[0])
        printed = asprintf(ret_text, "%s", greeting);
    else if (start && strlen(args) >= CODE_MIN && !args[strspn(args, CODE_CHARACTERS)])
        printed = asprintf(ret_text, "%s", args);
    else
        printed = asprintf(ret_text, "%.*s%s%s", (int)(name - 1), text + 1, args[0] ? " " : "", args);
    free(args);
    if (printed >= 0) return TB_OK;
    *ret_text = NULL;
    return TB_ENOMEM;
}

int telegram_heard(const struct telegram_update *update, const struct telegram_me *me, const char *greeting,
                   char **ret_text) {
    const char *text = update->text + strspn(update->text, BLANKS);
    *ret_text = NULL;
    if (text[0] == '/' && text[1] && !strchr("@/" BLANKS, text[1])) return heard_command(text, me, greeting, ret_text);
    return heard_talk(update, me, ret_text);
}
