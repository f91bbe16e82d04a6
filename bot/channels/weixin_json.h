/*
 * weixin_json.h: reading JSON that a service wrote, without trusting it: whole numbers that no double can hold become
 * texts of their digits (ids of messages lie above 2^53), a hidden zero byte becomes a visible control character, half
 * a surrogate pair U+FFFD, and what a body may hold is bounded. What is odd is remembered by the field's name, for the
 * log. Pure; any thread.
 */
#ifndef TRAINBOT_WEIXIN_JSON_H
#define TRAINBOT_WEIXIN_JSON_H

#include "error.h"
#include <cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIXIN_JSON_VALUES_MAX 65536 /* commas and brackets of one body */

/* The first thing that was not as it should be, with its field: "msgs[3].message_id: not a number or text"; "" none. */
struct weixin_odd {
    char text[120];
};
void weixin_odd_set(struct weixin_odd *odd, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An object, or NULL: odd says what the body is instead. cJSON_Delete it. */
cJSON *weixin_json_parse(const char *body, size_t size, struct weixin_odd *odd);

/* What a text must be. */
enum weixin_kind {
    WEIXIN_ANY,    /* any bytes */
    WEIXIN_UTF8,   /* UTF-8 without control characters */
    WEIXIN_PRINTS, /* printable ASCII without blanks: what may stand in a header or a URL */
};
/* NULL: absent, null, "" or not as it must be (then odd says so). Borrowed from object. `where` is put before the name.
 */
const char *weixin_json_text(const cJSON *object, const char *where, const char *name, enum weixin_kind kind,
                             size_t max, struct weixin_odd *odd);
/* 0 where it is absent or null; false where it is no whole number within ±2^53 (odd says so, *ret_value is 0). */
bool weixin_json_integer(const cJSON *object, const char *where, const char *name, int64_t *ret_value,
                         struct weixin_odd *odd);
/* An id that comes as a number or as text: its digits or text, 1..max bytes, "0" counts as absent; else "". */
void weixin_json_id(const cJSON *object, const char *where, const char *name, char *id, size_t size,
                    struct weixin_odd *odd);

#endif
