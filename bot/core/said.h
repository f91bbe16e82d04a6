/*
 * said.h: what programs say in English, said in Chinese: the system's errors, the keeper's, the trainer's and our own.
 * A person who writes Chinese reads one language in a line; what is not known here stays as it was said. Pure.
 */
#ifndef TRAINBOT_SAID_H
#define TRAINBOT_SAID_H

#include "words.h"

/* Adds `text` (foreign: cleaned, at most `max` bytes of it) in the reader's language. */
void words_add_said(struct words *words, const char *text, size_t max, enum lang lang);
/* As words_add_said into a caller's buffer; returns `out`. */
const char *said_in(const char *text, enum lang lang, char *out, size_t size);
/* The text of a TB_E… code in the reader's language. */
const char *said_error(int error, enum lang lang);

#endif
