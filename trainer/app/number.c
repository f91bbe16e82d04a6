/* number.c: see number.h. Characters are checked before strtod sees them, so that only decimal notation passes. */
#include "number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool number_parse(const char *text, double *ret_value) {
    size_t length = strlen(text);
    if (length == 0 || length > 64 || strspn(text, "0123456789+-.eE") != length) return false;
    errno = 0;
    char *end = NULL;
    double value = strtod(text, &end);
    if (*end != '\0' || !isfinite(value)) return false;
    *ret_value = value;
    return true;
}

bool number_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret_value) {
    double value;
    if (!number_parse(text, &value)) return false;
    if (strspn(text, "0123456789+-") == strlen(text)) { /* digits only: exact beyond 2^53 */
        errno = 0;
        long long whole = strtoll(text, NULL, 10);
        if (errno != 0 || whole < min || whole > max) return false;
        *ret_value = whole;
        return true;
    }
    if (value != floor(value) || fabs(value) > 9007199254740992.0) return false;
    if (value < (double)min || value > (double)max) return false;
    *ret_value = (int64_t)value;
    return true;
}

const char *number_shortest(double value, char *text, size_t size) {
    int digits = 1;
    do
        snprintf(text, size, "%.*g", digits, value);
    while (digits++ < 17 && strtod(text, NULL) != value);
    if (fabs(value) < 9007199254740993.0 && value == floor(value))
        snprintf(text, size, "%.0f", value); /* 200000, not 2e+05 */
    return text;
}

const char *number_grouped(int64_t value, char *text, size_t size) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
    size_t out = 0;
    for (int i = 0; i < length && out + 2 < size; i++) {
        int left = length - i;
        if (i > 0 && left % 3 == 0 && digits[i - 1] != '-') text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}
