/* parse.c: see parse.h. Each character is looked at once; what a person cannot see (zero-width, direction marks) is
 * left out, what they cannot have meant (control characters, broken UTF-8) refuses the whole text. */
#include "parse.h"
#include "words.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLANK ' '
#define IGNORED 0

/* Chinese punctuation and its relatives → ASCII; sentence ends and pauses become blanks. */
static uint32_t fold(uint32_t code) {
    if (code >= 0xff01 && code <= 0xff5e) code -= 0xfee0; /* full-width forms */
    switch (code) {
    case '\t':
    case '\n':
    case '\r':
    case 0xa0:
    case 0x3000:
    case 0x202f:
    case 0x205f:
        return BLANK;
    case 0x3001: /* 、 */
    case 0x3002: /* 。 */
    case 0xff61:
        return BLANK;
    case 0x200b:
    case 0x200c:
    case 0x200d:
    case 0x200e:
    case 0x200f:
    case 0x2060:
    case 0xfeff:
    case 0xfe0f:
        return IGNORED;
    case 0x202a:
    case 0x202b:
    case 0x202c:
    case 0x202d:
    case 0x202e:
        return IGNORED;
    case 0xd7: /* × */
    case 0x2715:
    case 0x2716:
        return 'x';
    case 0x2212: /* − */
    case 0x2013:
    case 0x2014:
        return '-';
    case 0x201c:
    case 0x201d:
    case 0x300c:
    case 0x300d:
        return '"';
    case 0x2018:
    case 0x2019:
        return '\'';
    case 0x301c:
    case 0xff5e:
        return '~';
    default:
        return code >= 0x2000 && code <= 0x200a ? BLANK : code;
    }
}

static bool is_han(uint32_t code) {
    return (code >= 0x4e00 && code <= 0x9fff) || (code >= 0x3400 && code <= 0x4dbf) ||
           (code >= 0x20000 && code <= 0x3ffff);
}

/* Length of the text written; the result never grows beyond `size`, as every fold is at most as long as its source. */
static enum parse_status normalise(const char *text, size_t size, char *out, bool *ret_han) {
    size_t length = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t n = utf8_next(text + i, size - i, &code);
        if (n == 0) return PARSE_NOT_UTF8;
        uint32_t folded = fold(code);
        bool wide_comma = code == 0xff0c || code == 0xff1b; /* ,; between values */
        if (wide_comma || (code == 0xff01 || code == 0xff1f)) folded = BLANK;
        if (folded != IGNORED && (folded < 0x20 || (folded >= 0x7f && folded < 0xa0))) return PARSE_CONTROL;
        if (code == 0) return PARSE_CONTROL;
        if (is_han(code)) *ret_han = true;
        if (folded == BLANK) {
            if (length > 0 && out[length - 1] != ' ') out[length++] = ' ';
        } else if (folded != IGNORED && folded != code) {
            out[length++] = (char)folded;
        } else if (folded != IGNORED) {
            memcpy(out + length, text + i, n);
            length += n;
        }
        i += n;
    }
    while (length > 0 && strchr(" !", out[length - 1]))
        length--;
    out[length] = '\0';
    return length > 0 ? PARSE_OK : PARSE_EMPTY;
}

/* "lr = 0.5" is "lr=0.5"; "/start@bot" is "start"; a pair of quotes around everything goes. */
static void tidy(char *text) {
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"' && memchr(text + 1, '"', length - 2) == NULL) {
        memmove(text, text + 1, length - 2);
        text[length - 2] = '\0';
    }
    if (text[0] == '/' && text[1] != '\0' && text[1] != '/') {
        memmove(text, text + 1, strlen(text));
        char *end = text + strcspn(text, " "), *at = memchr(text, '@', (size_t)(end - text));
        if (at) memmove(at, end, strlen(end) + 1);
    }
    char *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == ' ' && (from[1] == '=' || (to > text && to[-1] == '='))) continue;
        if (*from == ' ' && to == text) continue;
        *to++ = *from;
    }
    while (to > text && to[-1] == ' ')
        to--;
    *to = '\0';
}

enum parse_status parse_text(const char *text, size_t size, struct parsed *ret_parsed) {
    struct parsed *parsed = ret_parsed;
    parsed->count = 0;
    parsed->han = false;
    parsed->text[0] = '\0';
    if (size > PARSE_TEXT_MAX) return PARSE_TOO_LONG;
    enum parse_status status = normalise(text, size, parsed->text, &parsed->han);
    if (status != PARSE_OK) {
        parsed->text[0] = '\0';
        return status;
    }
    tidy(parsed->text);
    memcpy(parsed->bytes, parsed->text, strlen(parsed->text) + 1);
    char *save = NULL;
    for (char *token = strtok_r(parsed->bytes, " ", &save); token; token = strtok_r(NULL, " ", &save)) {
        size_t length = strlen(token);
        while (length > 1 && (token[length - 1] == ',' || token[length - 1] == ';'))
            token[--length] = '\0';
        if (parsed->count == PARSE_TOKENS_MAX) return PARSE_TOO_MANY;
        parsed->tokens[parsed->count++] = token;
    }
    parsed->tokens[parsed->count] = NULL;
    return parsed->count > 0 ? PARSE_OK : PARSE_EMPTY;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool parse_same(const char *a, const char *b) {
    while (*a && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

void parse_rest(const struct parsed *parsed, size_t first, char *text, size_t size) {
    struct words words;
    words_init(&words, text, size);
    for (size_t i = first; i < parsed->count; i++)
        words_add(&words, "%s%s", i > first ? " " : "", parsed->tokens[i]);
}

enum number_status parse_number(const char *text, double *ret_value) {
    size_t length = strlen(text);
    if (length == 0 || length > 64 || strspn(text, "0123456789+-.eE") != length) return NUMBER_NOT;
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end != '\0' || end == text) return NUMBER_NOT;
    *ret_value = value;
    return isfinite(value) ? NUMBER_OK : NUMBER_HUGE;
}

bool parse_count(const char *text, int64_t *ret_count) {
    size_t length = strlen(text);
    if (length == 0 || length > 18 || strspn(text, "0123456789") != length) return false;
    *ret_count = strtoll(text, NULL, 10);
    return true;
}

bool parse_run(const char *text, int64_t *ret_run) {
    int64_t run;
    if (*text == '#') text++;
    if (!parse_count(text, &run) || run == 0) return false;
    *ret_run = run;
    return true;
}

/* "23:05" or "23"; returns what follows, NULL where this is no time. */
static const char *read_time(const char *text, int *ret_minute) {
    int hour = 0, minute = 0, digits = 0;
    while (*text >= '0' && *text <= '9' && digits < 2) {
        hour = hour * 10 + *text++ - '0';
        digits++;
    }
    if (digits == 0) return NULL;
    if (*text == ':') {
        if (text[1] < '0' || text[1] > '5' || text[2] < '0' || text[2] > '9') return NULL;
        minute = (text[1] - '0') * 10 + text[2] - '0';
        text += 3;
    }
    if (hour > 23) return NULL;
    *ret_minute = hour * 60 + minute;
    return text;
}

bool parse_window(const char *text, int *ret_from, int *ret_until) {
    int from, until;
    text = read_time(text, &from);
    if (!text) return false;
    if (*text == '-' || *text == '~')
        text++;
    else if (strncmp(text, "到", strlen("到")) == 0)
        text += strlen("到");
    else
        return false;
    text = read_time(text, &until);
    if (!text || *text) return false;
    *ret_from = from;
    *ret_until = until;
    return true;
}

bool parse_is_name(const char *text) {
    size_t size = strlen(text), characters = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t n = utf8_next(text + i, size - i, &code);
        if (n == 0) return false;
        bool letter = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || code == '_' || is_han(code);
        bool later = (code >= '0' && code <= '9') || code == '-' || code == '.';
        if (!letter && !(later && i > 0)) return false;
        characters++;
        i += n;
    }
    return characters > 0 && characters <= 32;
}

/* "x0.5", "*0.5": the sign goes and the value is a factor. */
static void read_factor(struct assignment *assignment) {
    const char *value = assignment->value;
    bool sign = value[0] == 'x' || value[0] == 'X' || value[0] == '*';
    if (sign && value[1] && strspn(value + 1, "0123456789.eE+-") == strlen(value + 1)) {
        assignment->value = value + 1;
        assignment->factor = true;
    }
}

int parse_assignments(struct parsed *parsed, size_t first, struct assignment *assignments, size_t max,
                      const char **ret_bad) {
    size_t count = 0;
    for (size_t i = first; i < parsed->count; i++) {
        char *token = parsed->tokens[i], *equals = strchr(token, '=');
        if (equals == token || count == max) {
            *ret_bad = token;
            return -1;
        }
        struct assignment *assignment = &assignments[count];
        if (equals) {
            *equals = '\0';
            *assignment = (struct assignment){.name = token, .value = equals + 1};
        } else {
            *assignment = (struct assignment){.name = token, .value = i + 1 < parsed->count ? parsed->tokens[++i] : ""};
            bool lone = parse_same(assignment->value, "x") || strcmp(assignment->value, "*") == 0;
            if (lone && i + 1 < parsed->count) {
                *assignment = (struct assignment){.name = token, .value = parsed->tokens[++i], .factor = true};
            }
        }
        if (!parse_is_name(assignment->name)) {
            *ret_bad = assignment->name;
            return -1;
        }
        if (!assignment->factor) read_factor(assignment);
        count++;
    }
    return (int)count;
}
