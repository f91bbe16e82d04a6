/*
 * text.h: owned strings without ceremony. A text field is never NULL; text_set replaces it.
 */
#ifndef TRAINBOT_TEXT_H
#define TRAINBOT_TEXT_H

#include "error.h"
#include <stddef.h>

/* Replaces *field (freed) by a copy of text (NULL counts as ""). TB_ENOMEM leaves the field as it was. */
MUST_USE int text_set(char **field, const char *text);
/* A new string from a format; NULL when out of memory. Caller frees. */
char *text_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Longest prefix of text with at most max bytes that ends at a UTF-8 boundary. */
size_t text_prefix(const char *text, size_t size, size_t max);

#endif
