/*
 * number.h: numbers as people write them on a command line or in a file, read strictly. The whole text must be one
 * decimal number; what strtod also knows (hex, nan, inf, blanks, a locale's comma) is refused. Pure, any thread.
 */
#ifndef TRAINER_NUMBER_H
#define TRAINER_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define APP_ERROR_SIZE 512 /* every `char *error` of this folder: one line, no newline */

/* "0.001", "1e-3", "+5". False (*ret_value untouched) for anything else, also where it overflows a double. */
bool number_parse(const char *text, double *ret_value);
/* A whole number in [min, max], written in digits ("200000") or with an exponent ("2e5"). */
bool number_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value);
/* The fewest digits that read back the same; of a finite number. Returned for printf's sake. */
const char *number_shortest(double value, char *text, size_t size);
/* 200000 → "200,000". `text` holds at least 32 bytes; returned for printf's sake. */
const char *number_grouped(int64_t value, char *text, size_t size);

#endif
