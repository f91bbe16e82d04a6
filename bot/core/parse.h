/*
 * parse.h: from the bytes somebody sent to words that can be compared: UTF-8 checked, full-width forms and Chinese
 * punctuation brought to ASCII, blanks collapsed, cut into tokens; and the strict readers of numbers, run numbers,
 * spans of the day and values to set. Pure: no I/O, no clock, no globals; any thread; any bytes are harmless.
 */
#ifndef TRAINBOT_PARSE_H
#define TRAINBOT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARSE_TEXT_MAX 4000 /* bytes of one command */
#define PARSE_TOKENS_MAX 64

enum parse_status { PARSE_OK, PARSE_EMPTY, PARSE_TOO_LONG, PARSE_NOT_UTF8, PARSE_CONTROL, PARSE_TOO_MANY };

struct parsed {
    char text[PARSE_TEXT_MAX + 1];  /* normalised, the writer's case kept: for the audit */
    char bytes[PARSE_TEXT_MAX + 1]; /* where the tokens lie */
    char *tokens[PARSE_TOKENS_MAX + 1];
    size_t count;
    bool han; /* a Chinese character stands in it */
};
enum parse_status parse_text(const char *text, size_t size, struct parsed *ret_parsed);

/* Case-folded comparison (ASCII letters). */
bool parse_same(const char *a, const char *b);
/* The tokens from `first` on, one blank between them. */
void parse_rest(const struct parsed *parsed, size_t first, char *text, size_t size);

enum number_status { NUMBER_OK, NUMBER_NOT, NUMBER_HUGE }; /* huge: a number, but no double holds it; value ±inf */
/* Decimal notation only: no hex, no nan, no inf, nothing behind it. */
enum number_status parse_number(const char *text, double *ret_value);
/* "7" or "#7", 1 to 18 digits, not 0. */
bool parse_run(const char *text, int64_t *ret_run);
/* Digits only, 1 to 18 of them. */
bool parse_count(const char *text, int64_t *ret_count);
/* "23:00-08:00", "23-8", also with ~ or 到: minutes of the day, 0..1439 each. */
bool parse_window(const char *text, int *ret_from, int *ret_until);

/* One value asked for: `lr 0.001`, `lr=0.001`, `lr x0.5`, `lr *0.5`. */
struct assignment {
    const char *name, *value; /* lie in the parsed text; value "" where there was none */
    bool factor;              /* the value multiplies */
};
/* Reads tokens from `first` on as assignments. Returns their count, or negative where a token is none (*ret_bad is it).
 */
int parse_assignments(struct parsed *parsed, size_t first, struct assignment *assignments, size_t max,
                      const char **ret_bad);

/* What a declared name may look like: letters, digits, _ and -, or Chinese; at most 32 characters, no digit first. */
bool parse_is_name(const char *text);

#endif
