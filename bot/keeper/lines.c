/*
 * A small terminal that only remembers: bytes go through an escape-sequence state machine, then through a UTF-8
 * decoder, then into the current line. A line enters the ring when it ends and is not blank.
 */
#include "lines.h"
#include <string.h>

enum escape { PLAIN, ESCAPE, INTERMEDIATE, CSI, STRING, STRING_ESCAPE };

static const char replacement[] = "\xef\xbf\xbd", ellipsis[] = "\xe2\x80\xa6";

void lines_init(struct lines *lines) {
    memset(lines, 0, sizeof *lines);
}

/* Where the last character of the first `size` bytes begins. */
static size_t last_character(const char *text, size_t size) {
    if (size) size--;
    while (size && ((unsigned char)text[size] & 0xc0) == 0x80)
        size--;
    return size;
}

static void put_character(struct lines *lines, const char *bytes, size_t size) {
    char *text = lines->text[lines->current];
    if (lines->returned) {
        lines->returned = lines->cut = false;
        lines->size = 0;
    }
    if (lines->cut) return;
    if (lines->size + size > LINES_BYTES) {
        while (lines->size > LINES_BYTES - (sizeof ellipsis - 1))
            lines->size = last_character(text, lines->size);
        bytes = ellipsis;
        size = sizeof ellipsis - 1;
        lines->cut = true;
    }
    memcpy(text + lines->size, bytes, size);
    lines->size += size;
}

static void put_broken(struct lines *lines) {
    const char *text = lines->text[lines->current];
    size_t size = sizeof replacement - 1;
    bool again = !lines->returned && lines->size >= size && !memcmp(text + lines->size - size, replacement, size);
    if (!again) put_character(lines, replacement, size); /* a run of garbage is one mark */
}

static bool line_blank(const struct lines *lines) {
    const char *text = lines->text[lines->current];
    for (size_t i = 0; i < lines->size; i++)
        if (text[i] != ' ') return false;
    return true;
}

static void end_line(struct lines *lines) {
    bool blank = line_blank(lines);
    lines->text[lines->current][lines->size] = '\0';
    lines->size = 0;
    lines->cut = lines->returned = false;
    if (blank) return;
    lines->current = (lines->current + 1) % (LINES_MAX + 1);
    if (lines->count < LINES_MAX) lines->count++;
}

static void put_control(struct lines *lines, unsigned char byte) {
    if (byte == '\n') {
        end_line(lines);
    } else if (byte == '\r') {
        lines->returned = true;
    } else if (byte == '\t') {
        put_character(lines, " ", 1);
    } else if (byte == '\b' && !lines->cut && !lines->returned) {
        lines->size = last_character(lines->text[lines->current], lines->size);
    } else if (byte == 0x1b) {
        lines->escape = ESCAPE;
    }
}

static void begin_character(struct lines *lines, unsigned char byte) {
    lines->partial[0] = (char)byte;
    lines->have = 1;
    lines->low = 0x80;
    lines->high = 0xbf;
    if (byte >= 0xc2 && byte <= 0xdf) {
        lines->need = 1;
    } else if (byte >= 0xe0 && byte <= 0xef) {
        lines->need = 2;
        if (byte == 0xe0) lines->low = 0xa0;  /* no overlong forms */
        if (byte == 0xed) lines->high = 0x9f; /* no surrogates */
    } else if (byte >= 0xf0 && byte <= 0xf4) {
        lines->need = 3;
        if (byte == 0xf0) lines->low = 0x90;
        if (byte == 0xf4) lines->high = 0x8f; /* nothing above U+10FFFF */
    } else {
        put_broken(lines);
    }
}

static void put_byte(struct lines *lines, unsigned char byte) {
    if (lines->need && byte >= lines->low && byte <= lines->high) {
        lines->partial[lines->have++] = (char)byte;
        lines->low = 0x80;
        lines->high = 0xbf;
        if (--lines->need) return;
        bool c1 = lines->have == 2 && lines->partial[0] == '\xc2' && (unsigned char)lines->partial[1] < 0xa0;
        if (!c1) put_character(lines, lines->partial, lines->have);
        return;
    }
    if (lines->need) {
        lines->need = 0;
        put_broken(lines);
    }
    if (byte < 0x20 || byte == 0x7f) {
        put_control(lines, byte);
    } else if (byte < 0x80) {
        char c = (char)byte;
        put_character(lines, &c, 1);
    } else {
        begin_character(lines, byte);
    }
}

/* ECMA-48: ESC [ parameters final; ESC ] (and P X ^ _) text, ended by BEL or ESC \; ESC intermediates final. A line end
 * inside ends the sequence, so that a cut-off one cannot swallow what follows. */
static void put_escape(struct lines *lines, unsigned char byte) {
    if (byte == '\n' || byte == '\r') {
        lines->escape = PLAIN;
        put_control(lines, byte);
        return;
    }
    switch ((enum escape)lines->escape) {
    case ESCAPE:
        if (byte == '[') {
            lines->escape = CSI;
        } else if (byte && strchr("]PX^_", byte)) {
            lines->escape = STRING;
        } else {
            lines->escape = byte >= 0x20 && byte <= 0x2f ? INTERMEDIATE : PLAIN;
        }
        break;
    case INTERMEDIATE:
        if (byte < 0x20 || byte > 0x2f) lines->escape = PLAIN;
        break;
    case CSI:
        if (byte < 0x20 || byte > 0x3f) lines->escape = PLAIN;
        break;
    case STRING:
        if (byte == 0x07) lines->escape = PLAIN;
        if (byte == 0x1b) lines->escape = STRING_ESCAPE;
        break;
    case STRING_ESCAPE:
        lines->escape = byte == '\\' ? PLAIN : STRING;
        break;
    case PLAIN:
        break;
    }
}

void lines_add(struct lines *lines, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        if (lines->escape != PLAIN) {
            put_escape(lines, bytes[i]);
        } else if (lines->cut && !lines->returned && bytes[i] >= 0x20) {
            lines->need = 0; /* the rest of a line that is too long: quick, whatever it is */
        } else {
            put_byte(lines, bytes[i]);
        }
    }
}

size_t lines_get(struct lines *lines, const char *ret_lines[LINES_MAX]) {
    size_t count = 0;
    unsigned held = lines->count;
    bool unfinished = !line_blank(lines);
    if (unfinished && held == LINES_MAX) held--;
    for (unsigned back = held; back > 0; back--)
        ret_lines[count++] = lines->text[(lines->current + (LINES_MAX + 1) - back) % (LINES_MAX + 1)];
    if (unfinished) {
        lines->text[lines->current][lines->size] = '\0';
        ret_lines[count++] = lines->text[lines->current];
    }
    return count;
}
