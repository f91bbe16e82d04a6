/*
 * wecom_text.c: see wecom_text.h. The rules of what Markdown takes are CommonMark's (spec 0.31) with GitHub's tables
 * and strikethrough; WeCom's own pages ask for a blank between # and a heading's words, as CommonMark does.
 */
#include "wecom_text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_letter(char c) {
    return is_word(c) && !(c >= '0' && c <= '9');
}
static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}
static bool is_end(char c) {
    return c == 0 || c == '\n';
}
static bool is_punctuation(char c) {
    return c > ' ' && c < 0x7f && !is_word(c);
}

/* A line of nothing but these is a rule, the underline of a heading, or the second row of a table. */
static bool is_ruler(const char *line) {
    bool mark = false;
    for (; !is_end(*line); line++) {
        if (!strchr("-=_*:| \t", *line)) return false;
        mark = mark || (!is_blank(*line) && *line != ':' && *line != '|');
    }
    return mark;
}

/* Whether the mark at a line's first visible character makes a block of the line. *ret_skip: bytes before the character
 * to escape ("12. x": the point). */
static bool makes_block(const char *at, size_t *ret_skip) {
    size_t count = 0;
    *ret_skip = 0;
    switch (*at) {
    case '>':
        return true;
    case '#':
        while (at[count] == '#')
            count++;
        return count <= 6 && (is_blank(at[count]) || is_end(at[count]));
    case '-':
    case '+':
        return is_blank(at[1]) || is_end(at[1]) || is_ruler(at);
    case '=':
    case ':':
    case '|':
        return is_ruler(at);
    case '~':
        return at[1] == '~' && at[2] == '~';
    default:
        break;
    }
    while (at[count] >= '0' && at[count] <= '9' && count < 10)
        count++;
    *ret_skip = count;
    return count > 0 && count < 10 && (at[count] == '.' || at[count] == ')') &&
           (is_blank(at[count + 1]) || is_end(at[count + 1]));
}

/* Whether the character would mean something within a line. */
static bool means_something(const char *text, const char *at, bool first) {
    char before = at > text ? at[-1] : '\n', after = at[1];
    switch (*at) {
    case '`':
        return true;
    case '*':
        return first || !((is_blank(before) || before == '\n') && (is_blank(after) || is_end(after)));
    case '_':
        return !(is_word(before) && is_word(after)) &&
               !((is_blank(before) || before == '\n') && (is_blank(after) || is_end(after)));
    case '~':
        return before == '~' || after == '~';
    case '<':
        return is_letter(after) || after == '/' || after == '!' || after == '?';
    case '[':
    case ']':
        return *at == ']' ? after == '(' || after == '[' || after == ':' : strstr(at, "](") != NULL;
    case '&':
        return is_letter(after) || after == '#';
    case '\\':
        return is_punctuation(after) || is_end(after);
    default:
        return false;
    }
}

struct out {
    char *text;
    size_t size;
};

static void put(struct out *out, const char *bytes, size_t size) {
    memcpy(out->text + out->size, bytes, size);
    out->size += size;
}

/* Blanks at a line's beginning would be dropped, or make code of it: they become ones that do not break. */
static const char *put_indent(struct out *out, const char *at) {
    for (; is_blank(*at); at++)
        put(out, *at == '\t' ? "\u00a0\u00a0\u00a0\u00a0" : "\u00a0", *at == '\t' ? 8 : 2);
    return at;
}

static void put_line(struct out *out, const char *text, const char *line) {
    size_t skip = 0;
    const char *at = put_indent(out, line), *first = at;
    bool block = makes_block(at, &skip);
    const char *mark = block ? at + skip : NULL;
    for (; !is_end(*at); at++) {
        if (at == mark || means_something(text, at, at == first)) put(out, "\\", 1);
        put(out, at, 1);
    }
    bool more = *at == '\n' && at[1] && at[1] != '\n'; /* a line of words follows … */
    if (more && at > line) put(out, "  ", 2);          /* … one of words */
    if (*at == '\n') put(out, "\n", 1);
}

/* The service takes no control characters; they go before anything else, as neighbours decide what is escaped. */
static char *without_controls(const char *text) {
    char *copy = malloc(strlen(text) + 1);
    size_t size = 0;
    for (; copy && *text; text++)
        if ((unsigned char)*text >= 0x20 || *text == '\n' || *text == '\t') copy[size++] = *text;
    if (copy) copy[size] = 0;
    return copy;
}

char *wecom_markdown(const char *foreign, size_t max_bytes) {
    char *text = without_controls(foreign);
    struct out out = {.text = text ? malloc(strlen(text) * 8 + 1) : NULL}; /* a tab grows most */
    if (!out.text) {
        free(text);
        return NULL;
    }
    for (const char *line = text; *line;) {
        const char *end = strchr(line, '\n');
        put_line(&out, text, line);
        if (!end) break;
        line = end + 1;
    }
    if (out.size > max_bytes) {
        out.size = 0;
        put(&out, text, strlen(text));
    }
    out.text[out.size] = 0;
    free(text);
    char *fitted = realloc(out.text, out.size + 1);
    return fitted ? fitted : out.text;
}

const char *wecom_without_mention(const char *text) {
    for (;;) {
        while (*text == ' ' || *text == '\t' || *text == '\n' || strncmp(text, "\u2005", 3) == 0)
            text += *text == ' ' || *text == '\t' || *text == '\n' ? 1 : 3;
        if (*text != '@') return text;
        /* The name ends at a blank; some clients write a four-per-em space there. */
        while (*text && *text != ' ' && *text != '\t' && *text != '\n' && strncmp(text, "\u2005", 3) != 0)
            text++;
    }
}

/* Bytes of the character at text, 0 at the end or where it is broken; its UTF-16 units. */
static size_t character(const char *text, size_t *ret_units) {
    unsigned char c = (unsigned char)*text;
    size_t size = c < 0x80 ? 1 : c < 0xc0 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : 0;
    *ret_units = size == 4 ? 2 : 1;
    for (size_t i = 1; i < size; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80) return 0;
    return c ? size : 0;
}

/* A line that was cut ends where a thought ends: a number that lost digits would say something else. */
static size_t whole_thought(const char *text, size_t length) {
    static const char *const ends[] = {",", "。", ";", ":", " · ", "(", " ("};
    size_t blank = 0;
    for (size_t at = length; at > 0; at--) {
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            if (strncmp(text + at, ends[i], strlen(ends[i])) == 0) return at;
        if (text[at] == ' ' && blank == 0) blank = at;
    }
    return blank > 0 ? blank : length;
}

void wecom_title(const char *text, size_t units, char *title, size_t size) {
    size_t used = 0, length = 0, step, more;
    while (*text == '\n')
        text++;
    while (!is_end(text[length]) && (step = character(text + length, &more)) > 0) {
        if (used + more > units || length + step >= size) break;
        used += more;
        length += step;
    }
    if (!is_end(text[length])) length = whole_thought(text, length);
    memcpy(title, text, length);
    title[length] = 0;
}

void wecom_button_command(const char *word, int64_t run, char *command, size_t size) {
    static const char *const of_a_run[] = {"暂停",  "停止", "继续",   "曲线", "状态",
                                           "pause", "stop", "resume", "plot", "status"};
    bool takes = false;
    for (size_t i = 0; i < sizeof of_a_run / sizeof *of_a_run; i++)
        takes = takes || strcmp(word, of_a_run[i]) == 0;
    if (takes && run > 0)
        snprintf(command, size, "%s %lld", word, (long long)run);
    else
        snprintf(command, size, "%s", word);
}

void wecom_one_line(const char *text, char *line, size_t size) {
    size_t length = 0, units;
    while (*text) {
        size_t step = character(text, &units), taken = step ? step : 1;
        if (length + taken >= size) break;
        bool control = (unsigned char)*text < 0x20 || *text == 0x7f;
        if (step == 0 || control)
            line[length] = control ? ' ' : '?';
        else
            memcpy(line + length, text, step);
        length += taken;
        text += taken;
    }
    line[length] = 0;
}
