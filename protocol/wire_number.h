/*
 * wire_number.h: decimal text ↔ numbers, whatever the process's locale says.
 *
 * Reading is correctly rounded; integers are exact. Both directions have a quick path in 80-bit arithmetic, used only
 * where it provably gives the correctly rounded result, and libc behind it.
 */
#ifndef TRAINBOT_WIRE_NUMBER_H
#define TRAINBOT_WIRE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_number {
    double value;
    int64_t integer; /* exact where is_integer */
    bool is_integer; /* a whole number that int64_t holds; when written with point or exponent: at most 2^53 */
    bool plain;      /* written without point and exponent */
};

/* Reads a JSON number at *at (end is past the text). true and *at moved behind it; false: no JSON number, longer than
 * 400 characters, or out of a double's range. */
bool wire_number_scan(const char **at, const char *end, struct wire_number *ret_number);

/* Decimal digits of v; text has room for 20 characters. Returns their count. */
size_t wire_format_u64(uint64_t v, char *text);
size_t wire_format_i64(int64_t v, char *text); /* room for 21 */

#endif
