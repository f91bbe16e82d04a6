/* Careful reading of foreign JSON: see weixin_json.h. */
#include "weixin_json.h"
#include "words.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_DIGITS 15 /* so many decimal digits survive a double */

void weixin_odd_set(struct weixin_odd *odd, const char *format, ...) {
    if (!odd || odd->text[0]) return; /* the first counts */
    va_list args;
    va_start(args, format);
    (void)vsnprintf(odd->text, sizeof odd->text, format, args);
    va_end(args);
}

/* ---- before cJSON sees it ---- */

struct taming {
    const char *in, *end;
    char *out;
    size_t values;
};

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The code of "\uXXXX" at `at`; -1: there is none. */
static int escape_at(const char *at, const char *end) {
    int code = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u') return -1;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0) return -1;
        code = code << 4 | digit;
    }
    return code;
}

static void put(struct taming *taming, const char *bytes, size_t size) {
    memcpy(taming->out, bytes, size);
    taming->out += size;
}

/* One escape of a string, two or six bytes, twelve for a pair. */
static void tame_escape(struct taming *taming) {
    int code = escape_at(taming->in, taming->end);
    if (code < 0) { /* two bytes; cJSON judges them */
        size_t size = taming->end - taming->in > 1 ? 2 : 1;
        put(taming, taming->in, size);
        taming->in += size;
        return;
    }
    int next = escape_at(taming->in + 6, taming->end);
    if (code >= 0xd800 && code <= 0xdbff && next >= 0xdc00 && next <= 0xdfff) {
        put(taming, taming->in, 12);
        taming->in += 12;
        return;
    }
    bool half = code >= 0xd800 && code <= 0xdfff;
    put(taming, half ? "\\ufffd" : code == 0 ? "\\u0001" : taming->in, 6);
    taming->in += 6;
}

static void tame_string(struct taming *taming) {
    *taming->out++ = *taming->in++;
    while (taming->in < taming->end && *taming->in != '"') {
        if (*taming->in == '\\')
            tame_escape(taming);
        else
            *taming->out++ = *taming->in++;
    }
    if (taming->in < taming->end) *taming->out++ = *taming->in++;
}

static void tame_number(struct taming *taming) {
    const char *from = taming->in, *at = from;
    bool whole = true;
    size_t digits = 0;
    if (*at == '-') at++;
    for (; at < taming->end && strchr("0123456789+-.eE", *at); at++) {
        if (*at >= '0' && *at <= '9')
            digits++;
        else
            whole = false;
    }
    bool quote = whole && digits > SAFE_DIGITS;
    if (quote) *taming->out++ = '"';
    put(taming, from, (size_t)(at - from));
    if (quote) *taming->out++ = '"';
    taming->in = at;
}

/* A copy with a zero behind. NULL: out of memory, or odd says what is wrong. */
static char *tame(const char *body, size_t size, struct weixin_odd *odd) {
    if (memchr(body, 0, size)) {
        weixin_odd_set(odd, "body: a zero byte in it");
        return NULL;
    }
    char *copy = malloc(size + size / 8 + 8);
    if (!copy) return NULL;
    struct taming taming = {.in = body, .end = body + size, .out = copy};
    while (taming.in < taming.end) {
        char c = *taming.in;
        if (c == '"')
            tame_string(&taming);
        else if (c == '-' || (c >= '0' && c <= '9'))
            tame_number(&taming);
        else {
            taming.values += c == ',' || c == '[' || c == '{';
            *taming.out++ = c;
            taming.in++;
        }
    }
    *taming.out = 0;
    if (taming.values <= WEIXIN_JSON_VALUES_MAX) return copy;
    weixin_odd_set(odd, "body: more than %d values", WEIXIN_JSON_VALUES_MAX);
    free(copy);
    return NULL;
}

cJSON *weixin_json_parse(const char *body, size_t size, struct weixin_odd *odd) {
    size_t blank = 0;
    while (blank < size && strchr(" \t\r\n", body[blank]) && body[blank])
        blank++;
    if (blank == size) {
        weixin_odd_set(odd, "body: empty");
        return NULL;
    }
    char *copy = tame(body, size, odd);
    cJSON *object = copy ? cJSON_ParseWithOpts(copy, NULL, 1) : NULL;
    free(copy);
    if (!object) {
        weixin_odd_set(odd, body[blank] == '<' ? "body: HTML, not JSON" : "body: not JSON");
        return NULL;
    }
    if (cJSON_IsObject(object)) return object;
    weixin_odd_set(odd, "body: not a JSON object");
    cJSON_Delete(object);
    return NULL;
}

/* ---- fields ---- */

static bool is_kind(const char *text, size_t size, enum weixin_kind kind) {
    for (size_t i = 0; i < size && kind == WEIXIN_PRINTS; i++)
        if (text[i] <= ' ' || text[i] > '~') return false;
    for (size_t i = 0; i < size && kind == WEIXIN_UTF8;) {
        uint32_t code = 0;
        size_t n = utf8_next(text + i, size - i, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
        i += n;
    }
    return true;
}

const char *weixin_json_text(const cJSON *object, const char *where, const char *name, enum weixin_kind kind,
                             size_t max, struct weixin_odd *odd) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    if (!item || cJSON_IsNull(item)) return NULL;
    if (!cJSON_IsString(item)) {
        weixin_odd_set(odd, "%s%s: not text", where, name);
        return NULL;
    }
    size_t size = strlen(item->valuestring);
    if (size > max)
        weixin_odd_set(odd, "%s%s: more than %zu bytes", where, name, max);
    else if (!is_kind(item->valuestring, size, kind))
        weixin_odd_set(odd, "%s%s: bytes that must not be in it", where, name);
    else
        return size > 0 ? item->valuestring : NULL;
    return NULL;
}

bool weixin_json_integer(const cJSON *object, const char *where, const char *name, int64_t *ret_value,
                         struct weixin_odd *odd) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    *ret_value = 0;
    if (!item || cJSON_IsNull(item)) return true;
    double value = cJSON_IsNumber(item) ? item->valuedouble : 0.5;
    if (value >= -9007199254740992.0 && value <= 9007199254740992.0 && (double)(int64_t)value == value) {
        *ret_value = (int64_t)value;
        return true;
    }
    weixin_odd_set(odd, "%s%s: not a whole number", where, name);
    return false;
}

void weixin_json_id(const cJSON *object, const char *where, const char *name, char *id, size_t size,
                    struct weixin_odd *odd) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    id[0] = 0;
    if (!item || cJSON_IsNull(item)) return;
    int64_t value = 0;
    if (cJSON_IsNumber(item)) {
        if (weixin_json_integer(object, where, name, &value, odd) && value != 0)
            snprintf(id, size, "%lld", (long long)value);
        return;
    }
    if (!cJSON_IsString(item)) {
        weixin_odd_set(odd, "%s%s: not a number or text", where, name);
        return;
    }
    const char *text = weixin_json_text(object, where, name, WEIXIN_PRINTS, size - 1, odd);
    if (text && strcmp(text, "0") != 0) snprintf(id, size, "%s", text);
}
