/* Argument vectors: one growing vector, filled either from quoted text or from another vector's words. */
#include "argv.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 128

struct words {
    char **list;
    size_t count, room;
};

struct word {
    char *text; /* NULL: no word has begun */
    size_t size, room;
};

__attribute__((format(printf, 4, 5))) static int refuse(int error, char *why, size_t why_size, const char *format,
                                                        ...) {
    va_list args;
    va_start(args, format);
    if (why_size) vsnprintf(why, why_size, format, args);
    va_end(args);
    return error;
}

static int word_add(struct word *word, const char *bytes, size_t size) {
    if (size > ARGV_BYTES_MAX - word->size) return TB_ERANGE;
    if (!word->text || word->size + size >= word->room) {
        size_t room = (word->size + size + 32) * 2;
        char *text = realloc(word->text, room);
        if (!text) return TB_ENOMEM;
        word->text = text;
        word->room = room;
    }
    memcpy(word->text + word->size, bytes, size);
    word->size += size;
    word->text[word->size] = '\0';
    return TB_OK;
}

/* Takes the word where it succeeds. */
static int words_add(struct words *words, struct word *word) {
    if (words->count >= ARGV_WORDS_MAX) return TB_ERANGE;
    if (words->count + 1 >= words->room) {
        size_t room = words->room ? words->room * 2 : 16;
        char **list = realloc(words->list, room * sizeof *list);
        if (!list) return TB_ENOMEM;
        words->list = list;
        words->room = room;
    }
    words->list[words->count++] = word->text;
    words->list[words->count] = NULL;
    *word = (struct word){0};
    return TB_OK;
}

static int finish(struct words *words, struct word *word, int status, char ***ret, char *why, size_t why_size) {
    free(word->text);
    if (status == TB_OK && !words->list) {
        words->list = calloc(1, sizeof *words->list);
        if (!words->list) status = TB_ENOMEM;
    }
    if (status == TB_OK) {
        *ret = words->list;
        return TB_OK;
    }
    argv_free(words->list);
    if (status == TB_ENOMEM) return refuse(status, why, why_size, "%s", "out of memory");
    if (status == TB_ERANGE) return refuse(status, why, why_size, "%s", "too many or too long words");
    return status;
}

/* RFC 3629. */
static bool text_utf8_valid(const char *text) {
    const unsigned char *at = (const unsigned char *)text;
    while (*at) {
        unsigned char lead = *at++;
        if (lead < 0x80) continue;
        int more = lead >= 0xc2 && lead <= 0xdf   ? 1
                   : lead >= 0xe0 && lead <= 0xef ? 2
                   : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                  : 0;
        if (!more) return false;
        if ((lead == 0xe0 && *at < 0xa0) || (lead == 0xed && *at > 0x9f) || (lead == 0xf0 && *at < 0x90) ||
            (lead == 0xf4 && *at > 0x8f))
            return false;
        for (; more; more--, at++)
            if (*at < 0x80 || *at > 0xbf) return false;
    }
    return true;
}

/* Behind the opening quote; *at is moved behind the closing one. */
static int parse_quoted(const char **at, char quote, struct word *word, char *why, size_t why_size) {
    int status = word_add(word, "", 0); /* '' is a word too */
    for (; **at && **at != quote && status == TB_OK; ++*at) {
        if (quote == '"' && **at == '\\' && (*at)[1] && strchr("\\\"$`\n", (*at)[1])) {
            ++*at;
            if (**at == '\n') continue; /* a joined line */
        }
        status = word_add(word, *at, 1);
    }
    if (status != TB_OK) return status;
    if (!**at) return refuse(TB_EINVAL, why, why_size, "the quote %s is not closed", quote == '"' ? "\"" : "'");
    ++*at;
    return TB_OK;
}

static int parse_word(const char **at, struct word *word, char *why, size_t why_size) {
    int status = TB_OK;
    while (status == TB_OK && **at && !strchr(" \t\r\n", **at)) {
        if (**at == '\'' || **at == '"') {
            char quote = *(*at)++;
            status = parse_quoted(at, quote, word, why, why_size);
            continue;
        }
        if (**at == '\\') {
            ++*at;
            if (!**at) return refuse(TB_EINVAL, why, why_size, "%s", "a backslash at the end");
        }
        status = word_add(word, *at, 1);
        ++*at;
    }
    return status;
}

int argv_parse(const char *text, char ***ret_argv, char *why, size_t why_size) {
    struct words words = {0};
    struct word word = {0};
    int status = TB_OK;
    if (!text_utf8_valid(text)) return refuse(TB_EINVAL, why, why_size, "%s", "not valid UTF-8");
    for (const char *at = text; status == TB_OK;) {
        at += strspn(at, " \t\r\n");
        if (!*at) break;
        status = parse_word(&at, &word, why, why_size);
        if (status == TB_OK) status = words_add(&words, &word);
    }
    if (status == TB_OK && !words.count) status = refuse(TB_EINVAL, why, why_size, "%s", "no command");
    return finish(&words, &word, status, ret_argv, why, why_size);
}

/* At the name behind '{'; *at is moved behind '}'. */
static int fill_name(const char **at, argv_lookup_cb *lookup, void *user, struct word *word, char *why,
                     size_t why_size) {
    char name[NAME_BYTES_MAX + 1];
    size_t size = strcspn(*at, "{}");
    if (!size || size > NAME_BYTES_MAX || (*at)[size] != '}')
        return refuse(TB_EINVAL, why, why_size, "%s", "a single { (a placeholder is {name}, a brace itself {{)");
    memcpy(name, *at, size);
    name[size] = '\0';
    *at += size + 1;
    const char *value = lookup(user, name);
    if (!value) return refuse(TB_EINVAL, why, why_size, "unknown placeholder {%s}", name);
    return word_add(word, value, strlen(value));
}

static int fill_word(const char *at, argv_lookup_cb *lookup, void *user, struct word *word, char *why,
                     size_t why_size) {
    int status = word_add(word, "", 0);
    while (*at && status == TB_OK) {
        if (*at != '{' && *at != '}') {
            size_t size = strcspn(at, "{}");
            status = word_add(word, at, size);
            at += size;
        } else if (at[1] == *at) {
            status = word_add(word, at, 1);
            at += 2;
        } else if (*at == '{') {
            at++;
            status = fill_name(&at, lookup, user, word, why, why_size);
        } else {
            status = refuse(TB_EINVAL, why, why_size, "%s", "a single } (write }})");
        }
    }
    return status;
}

int argv_fill(char *const *argv, argv_lookup_cb *lookup, void *user, char ***ret_argv, char *why, size_t why_size) {
    struct words words = {0};
    struct word word = {0};
    int status = TB_OK;
    for (; argv && *argv && status == TB_OK; argv++) {
        status = fill_word(*argv, lookup, user, &word, why, why_size);
        if (status == TB_OK) status = words_add(&words, &word);
    }
    return finish(&words, &word, status, ret_argv, why, why_size);
}

int argv_join(char *const *first, char *const *second, char ***ret_argv) {
    struct words words = {0};
    struct word word = {0};
    int status = TB_OK;
    for (int part = 0; part < 2; part++) {
        for (char *const *at = part ? second : first; at && *at && status == TB_OK; at++) {
            status = word_add(&word, *at, strlen(*at));
            if (status == TB_OK) status = words_add(&words, &word);
        }
    }
    return finish(&words, &word, status, ret_argv, NULL, 0);
}

size_t argv_count(char *const *argv) {
    size_t count = 0;
    while (argv && argv[count])
        count++;
    return count;
}

void argv_free(char **argv) {
    for (char **at = argv; at && *at; at++)
        free(*at);
    free(argv);
}
