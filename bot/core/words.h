/*
 * words.h: what the files that word things share: a bounded text builder that never cuts a character, the Chinese names
 * of well-known parameters and metrics, and values as a person reads them. Pure: no clock, no globals, any thread.
 */
#ifndef TRAINBOT_WORDS_H
#define TRAINBOT_WORDS_H

#include "control.h"
#include "run.h"
#include "settings.h"

/* Caller's storage. The text is always ended by a zero; what does not fit is left out from a whole character on. */
struct words {
    char *text;
    size_t size, length;
    bool full;
};
void words_init(struct words *words, char *text, size_t size); /* size ≥ 1 */
void words_add(struct words *words, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Bytes of foreign text on one line: control characters become blanks, broken UTF-8 "?", at most `max` bytes, then "…".
 */
void words_add_foreign(struct words *words, const char *text, size_t max);
/* As words_add_foreign, but newlines stay. */
void words_add_lines(struct words *words, const char *text, size_t max);
void words_trim(struct words *words); /* newlines and blanks at the end go */

/* "bs" → "批量"; a name that is not known stays as it is (borrowed). Parameters and metrics share the table. */
const char *words_label(const char *name, enum lang lang);
/* "学习率" → "lr", "损失" → "loss"; NULL where the word is no name of ours. */
const char *words_alias(const char *word);

void words_add_number(struct words *words, double value); /* render_number */
void words_add_count(struct words *words, int64_t value); /* 200,000 */
void words_add_value(struct words *words, enum wire_type type, double number, const char *text);
void words_add_wire(struct words *words, const struct wire_value *value);
void words_add_param(struct words *words, const struct run_param *param); /* its value */
/* "(0, 1]", "1 到 60,000", "adam | sgd"; nothing where there is no bound. Returns whether something was added. */
bool words_add_range(struct words *words, const struct run_param *param, enum lang lang);
const char *words_state(enum run_state state, enum lang lang); /* "已停止" */
/* "runs/7/checkpoints/step-530" of an absolute path below the run's folder; else the path as it is (borrowed). */
const char *words_path(const struct run *run, const char *path);
/* Percent done, 0..100; -1 unknown. */
int words_percent(const struct run *run);

/* True where the whole of text[0..size) is UTF-8 (no surrogates, no overlong forms, no zero byte). */
bool text_utf8_valid(const char *text, size_t size);
/* Length 1..4 of the valid character at text, 0 where there is none. */
size_t utf8_next(const char *text, size_t size, uint32_t *ret_code);

#endif
