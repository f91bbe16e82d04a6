/*
 * wire_json.h: JSON text → a tree in an arena, for the decoder only.
 *
 * Strict RFC 8259, at most WIRE_DEPTH_MAX deep; strings come out as UTF-8 with a NUL behind them (and hold none).
 * Numbers keep their exact integer beside the double. One span may stay unread (`deferred`): the rows of a metrics
 * frame go straight into arrays of doubles.
 */
#ifndef TRAINBOT_WIRE_JSON_H
#define TRAINBOT_WIRE_JSON_H

#include "wire_number.h"

#define WIRE_DEPTH_MAX 16

/* Memory that is freed as a whole. */
struct wire_arena;
struct wire_arena *wire_arena_create(size_t first_bytes);      /* NULL: no memory */
void *wire_arena_take(struct wire_arena *arena, size_t bytes); /* aligned for any type, not zeroed; NULL: no memory */
void wire_arena_free(struct wire_arena *arena);                /* NULL is fine */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT, JSON_DEFERRED };

struct json {
    enum json_type type;
    const char *key;    /* in an object */
    struct json *next;  /* sibling */
    struct json *first; /* child */
    size_t count;       /* children */
    bool truth;
    struct wire_number number;
    const char *text; /* string; of a deferred value the raw bytes, without a NUL */
    size_t size;
};

/* Where reading stands; zero but for the named members. */
struct json_reader {
    const char *at, *end;
    struct wire_arena *arena;
    const char *defer; /* key of the outermost object whose array is left unread; may be NULL */
    const char *error; /* what is wrong; static */
    bool no_memory;
};

/* The whole text as one value; NULL with reader->error or reader->no_memory set. */
struct json *json_read(struct json_reader *reader);
/* One value at reader->at, deferring nothing. */
struct json *json_read_value(struct json_reader *reader);
/* Skips blanks, then reads one string or number at reader->at. For the readers of deferred values. */
void json_skip_blanks(struct json_reader *reader);
bool json_read_string(struct json_reader *reader, const char **ret_text, size_t *ret_size);

/* The member, or NULL; *ret_twice set when there is a second one. */
const struct json *json_member(const struct json *object, const char *key, bool *ret_twice);

/* true: valid UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF). */
bool utf8_valid(const char *bytes, size_t size);
/* Length of the valid sequence at bytes, 1 to 4; 0: invalid. size ≥ 1. */
size_t utf8_sequence(const unsigned char *bytes, size_t size);

#endif
