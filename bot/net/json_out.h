/*
 * json_out.h: JSON written straight into a growing buffer. cJSON prints NaN as null and rounds ids; here numbers keep
 * every digit, a number that is not finite is written as "nan", "inf", "-inf" (as on the wire), and text that is not
 * UTF-8 comes out as valid JSON all the same (bad bytes become U+FFFD).
 *
 * Zero it to begin. When memory or the cap runs out, `failed` is set and nothing more is written.
 */
#ifndef TRAINBOT_JSON_OUT_H
#define TRAINBOT_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_OUT_MAX (64u << 20)

struct json_out {
    char *bytes; /* not zero-terminated */
    size_t size, room;
    bool failed;
    bool comma; /* the next value or key needs one before it */
};

void json_out_release(struct json_out *out);
/* Hands the bytes over (caller frees); NULL when something failed. */
char *json_out_take(struct json_out *out, size_t *ret_size);

void json_raw(struct json_out *out, const char *bytes, size_t size); /* as it is, no comma */
void json_text(struct json_out *out, const char *text);              /* likewise, a C string */
void json_open(struct json_out *out, char bracket);                  /* '{' or '[' */
void json_close(struct json_out *out, char bracket);
void json_key(struct json_out *out, const char *key);
void json_string(struct json_out *out, const char *text); /* NULL: null */
void json_int(struct json_out *out, int64_t value);
void json_id(struct json_out *out, int64_t value); /* as a string: ids do not fit a double */
void json_number(struct json_out *out, double value);
void json_bool(struct json_out *out, bool value);
void json_null(struct json_out *out);
void json_value(struct json_out *out, const char *json); /* text that is JSON already; "" or NULL: null */

#endif
