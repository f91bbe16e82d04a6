/*
 * wire_json.c: see wire_json.h. A recursive descent over bytes that were checked to be UTF-8 before; every read is
 * bounded by reader->end, every recursion by WIRE_DEPTH_MAX, and every node comes from the arena.
 */
#include "wire_json.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, room;
    alignas(max_align_t) char bytes[];
};

struct wire_arena {
    struct arena_block *block;
};

static struct arena_block *block_create(size_t room) {
    struct arena_block *block = malloc(sizeof *block + room);
    if (block) *block = (struct arena_block){.room = room};
    return block;
}

struct wire_arena *wire_arena_create(size_t first_bytes) {
    struct arena_block *block = block_create(first_bytes + sizeof(struct wire_arena) + alignof(max_align_t));
    if (!block) return NULL;
    struct wire_arena *arena = (struct wire_arena *)(void *)block->bytes;
    block->used = (sizeof *arena + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    arena->block = block;
    return arena;
}

void *wire_arena_take(struct wire_arena *arena, size_t bytes) {
    bytes = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *block = arena->block;
    if (block->room - block->used < bytes) {
        block = block_create(bytes > 16384 ? bytes : 16384);
        if (!block) return NULL;
        block->next = arena->block;
        arena->block = block;
    }
    void *p = block->bytes + block->used;
    block->used += bytes;
    return p;
}

void wire_arena_free(struct wire_arena *arena) {
    struct arena_block *block = arena ? arena->block : NULL; /* the arena itself lies in the oldest block, the last */
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
}

size_t utf8_sequence(const unsigned char *p, size_t size) {
    if (p[0] < 0x80) return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || size < n) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0; /* overlong */
    if (p[0] == 0xed && p[1] > 0x9f) return 0; /* surrogate */
    if (p[0] == 0xf0 && p[1] < 0x90) return 0; /* overlong */
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0; /* above U+10FFFF */
    return n;
}

bool utf8_valid(const char *bytes, size_t size) {
    const unsigned char *p = (const unsigned char *)bytes, *end = p + size;
    while (p < end) {
        uint64_t eight;
        while (end - p >= 8 && (memcpy(&eight, p, 8), (eight & UINT64_C(0x8080808080808080)) == 0))
            p += 8;
        if (p == end) break;
        size_t n = utf8_sequence(p, (size_t)(end - p));
        if (!n) return false;
        p += n;
    }
    return true;
}

static bool fail(struct json_reader *r, const char *error) {
    if (!r->error) r->error = error;
    return false;
}

void json_skip_blanks(struct json_reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n'))
        r->at++;
}

static struct json *node(struct json_reader *r, enum json_type type) {
    struct json *n = wire_arena_take(r->arena, sizeof *n);
    if (!n) {
        r->no_memory = true;
        return NULL;
    }
    *n = (struct json){.type = type};
    return n;
}

static bool read_hex4(struct json_reader *r, unsigned *ret) {
    if (r->end - r->at < 4) return fail(r, "a string does not end");
    unsigned v = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)*r->at++;
        unsigned decimal = c - (unsigned)'0', letter = (c | 0x20u) - (unsigned)'a';
        unsigned digit = decimal < 10 ? decimal : letter < 6 ? letter + 10 : 16;
        if (digit == 16) return fail(r, "\\u needs four hex digits");
        v = v << 4 | digit;
    }
    *ret = v;
    return true;
}

static char *put_utf8(char *out, unsigned c) {
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* Behind a backslash. */
static bool read_escape(struct json_reader *r, char **out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at == r->end) return fail(r, "a string does not end");
    char c = *r->at++;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        *(*out)++ = to[known - from];
        return true;
    }
    unsigned v, low;
    if (c != 'u') return fail(r, "unknown escape in a string");
    if (!read_hex4(r, &v)) return false;
    if (v >= 0xd800 && v < 0xdc00) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') return fail(r, "half a surrogate pair");
        r->at += 2;
        if (!read_hex4(r, &low)) return false;
        if (low < 0xdc00 || low > 0xdfff) return fail(r, "half a surrogate pair");
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    } else if (v >= 0xdc00 && v < 0xe000) {
        return fail(r, "half a surrogate pair");
    }
    if (v == 0) return fail(r, "NUL in a string");
    *out = put_utf8(*out, v);
    return true;
}

bool json_read_string(struct json_reader *r, const char **ret_text, size_t *ret_size) {
    if (r->at == r->end || *r->at != '"') return fail(r, "a string is missing");
    const char *close = ++r->at;
    while (close < r->end && *close != '"')
        close += *close == '\\' && close + 1 < r->end ? 2 : 1;
    if (close >= r->end) return fail(r, "a string does not end");
    char *text = wire_arena_take(r->arena, (size_t)(close - r->at) + 1), *out = text; /* escapes only shrink */
    if (!text) {
        r->no_memory = true;
        return false;
    }
    while (r->at < close) {
        const char *run = r->at;
        while (run < close && *run != '\\' && (unsigned char)*run >= 0x20)
            run++;
        memcpy(out, r->at, (size_t)(run - r->at));
        out += run - r->at;
        r->at = run;
        if (run == close) break;
        if (*run != '\\') return fail(r, "a control character in a string");
        r->at++;
        if (!read_escape(r, &out)) return false;
    }
    r->at = close + 1;
    *out = 0;
    *ret_text = text;
    *ret_size = (size_t)(out - text);
    return true;
}

/* Steps over an array by its brackets alone; who reads it later checks it. */
static struct json *defer_array(struct json_reader *r) {
    const char *start = r->at;
    int depth = 0;
    size_t arrays = 0;
    for (const char *p = start; p < r->end; p++) {
        if (*p == '"') {
            for (p++; p < r->end && *p != '"'; p++)
                p += *p == '\\';
        } else if (*p == '[') {
            depth++;
            arrays++;
        } else if (*p == ']' && --depth == 0) {
            struct json *n = node(r, JSON_DEFERRED);
            if (!n) return NULL;
            n->text = start;
            n->size = (size_t)(p + 1 - start);
            n->count = arrays - 1;
            r->at = p + 1;
            return n;
        }
    }
    fail(r, "an array does not end");
    return NULL;
}

static struct json *read_value(struct json_reader *r, int depth);

static bool read_child(struct json_reader *r, struct json *parent, struct json ***tail, int depth) {
    const char *key = NULL;
    size_t size;
    json_skip_blanks(r);
    if (parent->type == JSON_OBJECT) {
        if (!json_read_string(r, &key, &size)) return false;
        json_skip_blanks(r);
        if (r->at == r->end || *r->at != ':') return fail(r, "':' is missing");
        r->at++;
        json_skip_blanks(r);
    }
    bool defer = depth == 1 && r->defer && key && r->at < r->end && *r->at == '[' && strcmp(key, r->defer) == 0;
    struct json *child = defer ? defer_array(r) : read_value(r, depth);
    if (!child) return false;
    child->key = key;
    **tail = child;
    *tail = &child->next;
    parent->count++;
    return true;
}

static struct json *read_container(struct json_reader *r, int depth) {
    bool object = *r->at++ == '{';
    char close = object ? '}' : ']';
    if (depth >= WIRE_DEPTH_MAX) {
        fail(r, "nested too deep");
        return NULL;
    }
    struct json *n = node(r, object ? JSON_OBJECT : JSON_ARRAY);
    if (!n) return NULL;
    struct json **tail = &n->first;
    json_skip_blanks(r);
    if (r->at < r->end && *r->at == close) {
        r->at++;
        return n;
    }
    for (;;) {
        if (!read_child(r, n, &tail, depth + 1)) return NULL;
        json_skip_blanks(r);
        char c = r->at < r->end ? *r->at++ : 0;
        if (c == close) return n;
        if (c != ',') {
            fail(r, object ? "an object does not end" : "an array does not end");
            return NULL;
        }
    }
}

static struct json *read_word(struct json_reader *r, const char *word, enum json_type type, bool truth) {
    size_t size = strlen(word);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0) {
        fail(r, "no JSON value");
        return NULL;
    }
    r->at += size;
    struct json *n = node(r, type);
    if (n) n->truth = truth;
    return n;
}

static struct json *read_value(struct json_reader *r, int depth) {
    json_skip_blanks(r);
    struct json *n = NULL;
    switch (r->at < r->end ? *r->at : 0) {
    case '{':
    case '[':
        return read_container(r, depth);
    case '"':
        n = node(r, JSON_STRING);
        return n && json_read_string(r, &n->text, &n->size) ? n : NULL;
    case 't':
        return read_word(r, "true", JSON_BOOL, true);
    case 'f':
        return read_word(r, "false", JSON_BOOL, false);
    case 'n':
        return read_word(r, "null", JSON_NULL, false);
    default:
        n = node(r, JSON_NUMBER);
        if (n && !wire_number_scan(&r->at, r->end, &n->number)) {
            fail(r, "no JSON value, or a number out of range");
            return NULL;
        }
        return n;
    }
}

struct json *json_read_value(struct json_reader *r) {
    r->defer = NULL;
    return read_value(r, 1);
}

struct json *json_read(struct json_reader *r) {
    struct json *n = read_value(r, 0);
    json_skip_blanks(r);
    if (n && r->at < r->end) {
        fail(r, "something stands behind the value");
        return NULL;
    }
    return n;
}

const struct json *json_member(const struct json *object, const char *key, bool *ret_twice) {
    const struct json *found = NULL;
    for (const struct json *n = object->first; n; n = n->next) {
        if (strcmp(n->key, key) != 0) continue;
        if (found) {
            *ret_twice = true;
            break;
        }
        found = n;
    }
    return found;
}
