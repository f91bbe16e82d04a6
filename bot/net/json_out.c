/*
 * json_out.c: see json_out.h.
 */
#include "json_out.h"
#include "wire.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void json_out_release(struct json_out *out) {
    free(out->bytes);
    memset(out, 0, sizeof(*out));
}

char *json_out_take(struct json_out *out, size_t *ret_size) {
    if (out->failed || !out->bytes) {
        json_out_release(out);
        return NULL;
    }
    char *bytes = out->bytes;
    *ret_size = out->size;
    memset(out, 0, sizeof(*out));
    return bytes;
}

static bool json_room(struct json_out *out, size_t more) {
    if (out->failed || more > JSON_OUT_MAX - out->size) {
        out->failed = true;
        return false;
    }
    if (out->size + more <= out->room) return true;
    size_t room = out->room ? out->room : 512;
    while (room < out->size + more)
        room *= 2;
    char *bytes = realloc(out->bytes, room);
    if (!bytes) {
        out->failed = true;
        return false;
    }
    out->bytes = bytes;
    out->room = room;
    return true;
}

void json_raw(struct json_out *out, const char *bytes, size_t size) {
    if (!json_room(out, size)) return;
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
}

void json_text(struct json_out *out, const char *text) {
    json_raw(out, text, strlen(text));
}

static void json_comma(struct json_out *out) {
    if (out->comma) json_raw(out, ",", 1);
    out->comma = true;
}

void json_open(struct json_out *out, char bracket) {
    json_comma(out);
    json_raw(out, &bracket, 1);
    out->comma = false;
}

void json_close(struct json_out *out, char bracket) {
    json_raw(out, &bracket, 1);
    out->comma = true;
}

/* Length of the valid UTF-8 sequence at `text` (zero-terminated), or 0. */
static size_t utf8_length(const unsigned char *text) {
    unsigned char first = text[0];
    if (first < 0x80) return 1;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4) return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    if ((first == 0xE0 && text[1] < 0xA0) || (first == 0xED && text[1] > 0x9F) || (first == 0xF0 && text[1] < 0x90) ||
        (first == 0xF4 && text[1] > 0x8F))
        return 0;
    return length;
}

static void json_escape(struct json_out *out, unsigned char c) {
    char text[8];
    const char *names = "\"\"\\\\\nn\rr\tt\bb\ff";
    for (const char *p = names; *p; p += 2) {
        if ((unsigned char)*p == c) {
            text[0] = '\\';
            text[1] = p[1];
            json_raw(out, text, 2);
            return;
        }
    }
    int n = snprintf(text, sizeof(text), "\\u%04x", c);
    json_raw(out, text, (size_t)n);
}

static void json_quoted(struct json_out *out, const char *text) {
    const unsigned char *p = (const unsigned char *)text, *plain = p;
    json_raw(out, "\"", 1);
    while (*p) {
        size_t length = utf8_length(p);
        bool special = *p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7F;
        if (length && !special) {
            p += length;
            continue;
        }
        json_raw(out, (const char *)plain, (size_t)(p - plain));
        if (special)
            json_escape(out, *p);
        else
            json_raw(out, "\xEF\xBF\xBD", 3);
        plain = ++p;
    }
    json_raw(out, (const char *)plain, (size_t)(p - plain));
    json_raw(out, "\"", 1);
}

void json_key(struct json_out *out, const char *key) {
    json_comma(out);
    json_quoted(out, key);
    json_raw(out, ":", 1);
    out->comma = false;
}

void json_string(struct json_out *out, const char *text) {
    if (!text) {
        json_null(out);
        return;
    }
    json_comma(out);
    json_quoted(out, text);
}

void json_int(struct json_out *out, int64_t value) {
    char text[24];
    int n = snprintf(text, sizeof(text), "%" PRId64, value);
    json_comma(out);
    json_raw(out, text, (size_t)n);
}

void json_id(struct json_out *out, int64_t value) {
    char text[26];
    int n = snprintf(text, sizeof(text), "\"%" PRId64 "\"", value);
    json_comma(out);
    json_raw(out, text, (size_t)n);
}

void json_number(struct json_out *out, double value) {
    char text[40];
    size_t n = wire_format_double(value, text, sizeof(text));
    json_comma(out);
    if (!isfinite(value)) json_raw(out, "\"", 1);
    json_raw(out, text, n);
    if (!isfinite(value)) json_raw(out, "\"", 1);
}

void json_bool(struct json_out *out, bool value) {
    json_comma(out);
    json_text(out, value ? "true" : "false");
}

void json_null(struct json_out *out) {
    json_comma(out);
    json_text(out, "null");
}

void json_value(struct json_out *out, const char *json) {
    if (!json || !*json) {
        json_null(out);
        return;
    }
    json_comma(out);
    json_text(out, json);
}
