/*
 * wire_number.c: see wire_number.h. The quick path multiplies or divides two numbers that a 64-bit significand holds
 * exactly (D. W. Clinger, "How to read floating point numbers accurately", 1990): the result is off by at most half a
 * unit in its last place, so rounding it on to 53 bits is right unless the cut-off bits are next to one half.
 */
#include "wire_number.h"
#include "wire.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT_MAX 400
#define TEN_MAX 27 /* 5^27 < 2^64: the largest power of ten that an 80-bit float holds exactly */

#if LDBL_MANT_DIG >= 64
static const long double tens[TEN_MAX + 1] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                              1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                              1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};
#endif

static const double short_tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* digits × 10^exponent as the nearest double, where the quick path is sure of it. */
static bool quick_double(uint64_t digits, int exponent, double *ret) {
    if (digits == 0) {
        *ret = 0;
        return true;
    }
    if (digits <= (UINT64_C(1) << 53) && exponent >= -22 && exponent <= 22) {
        double v = (double)digits;
        *ret = exponent < 0 ? v / short_tens[-exponent] : v * short_tens[exponent];
        return true;
    }
#if LDBL_MANT_DIG == 64
    if (exponent < -TEN_MAX || exponent > TEN_MAX) return false;
    long double v = (long double)digits;
    v = exponent < 0 ? v / tens[-exponent] : v * tens[exponent];
    uint64_t significand;
    memcpy(&significand, &v, sizeof significand);
    unsigned cut = significand & 0x7ff;
    if (cut >= 0x3ff && cut <= 0x401) return false;
    *ret = (double)v;
    return true;
#else
    return false;
#endif
}

/* strtod as in the "C" locale; text ends with a NUL. */
static double slow_double(const char *text) {
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc hands out a static object: nothing allocated */
    if (c == (locale_t)0) return NAN;
    double v = strtod_l(text, NULL, c);
    freelocale(c);
    return v;
}

struct decimal {
    uint64_t digits; /* the first 19 significant ones */
    int exponent;    /* value = digits × 10^exponent, unless cut */
    bool cut;        /* more digits were there */
    bool plain;
};

static const char *scan_digits(const char *p, const char *end, struct decimal *d, bool fraction) {
    for (; p < end && (unsigned)(*p - '0') < 10; p++) {
        if (d->digits >= UINT64_C(1000000000000000000)) {
            d->cut = true;
            d->exponent += !fraction;
        } else {
            d->digits = d->digits * 10 + (unsigned)(*p - '0');
            d->exponent -= fraction;
        }
    }
    return p;
}

/* The grammar of RFC 8259, section 6, after the sign. NULL: none. */
static const char *scan_decimal(const char *p, const char *end, struct decimal *d) {
    const char *start = p;
    p = scan_digits(p, end, d, false);
    if (p == start || (*start == '0' && p - start > 1)) return NULL;
    d->plain = true;
    if (p < end && *p == '.') {
        d->plain = false;
        start = ++p;
        p = scan_digits(p, end, d, true);
        if (p == start) return NULL;
    }
    if (p < end && (*p | 0x20) == 'e') {
        d->plain = false;
        p++;
        bool negative = p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        start = p;
        int e = 0;
        for (; p < end && (unsigned)(*p - '0') < 10; p++)
            if (e < 100000) e = e * 10 + (*p - '0');
        if (p == start) return NULL;
        d->exponent += negative ? -e : e;
    }
    return p;
}

bool wire_number_scan(const char **at, const char *end, struct wire_number *ret_number) {
    const char *start = *at, *p = start;
    bool negative = p < end && *p == '-';
    p += negative;
    struct decimal d = {0};
    p = scan_decimal(p, end, &d);
    if (!p || p - start > NUMBER_TEXT_MAX) return false;
    double v;
    if (d.cut || !quick_double(d.digits, d.exponent, &v)) {
        char text[NUMBER_TEXT_MAX + 1];
        size_t size = (size_t)(p - start);
        memcpy(text, start, size);
        text[size] = 0;
        v = fabs(slow_double(text));
        if (!isfinite(v)) return false;
    }
    struct wire_number n = {.value = negative ? -v : v, .plain = d.plain};
    if (d.plain && !d.cut && d.digits <= INT64_MAX) {
        n.is_integer = true;
        n.integer = negative ? -(int64_t)d.digits : (int64_t)d.digits;
    } else if (!d.plain && v <= 9007199254740992.0 && v == floor(v)) {
        n.is_integer = true;
        n.integer = (int64_t)n.value;
    }
    *ret_number = n;
    *at = p;
    return true;
}

size_t wire_format_u64(uint64_t v, char *text) {
    char back[20];
    size_t n = 0;
    do {
        back[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    for (size_t i = 0; i < n; i++)
        text[i] = back[n - 1 - i];
    return n;
}

size_t wire_format_i64(int64_t v, char *text) {
    if (v >= 0) return wire_format_u64((uint64_t)v, text);
    *text = '-';
    return 1 + wire_format_u64(-(uint64_t)v, text + 1);
}

/* Lays out digits × 10^exponent: plain where that is readable, else with an exponent. */
static size_t lay_out(uint64_t digits, int exponent, char *text) {
    while (digits % 10 == 0) {
        digits /= 10;
        exponent++;
    }
    char d[20];
    int n = (int)wire_format_u64(digits, d), point = n + exponent; /* the point stands after `point` digits */
    char *p = text;
    if ((point > 15 && n <= point) || point < -4) { /* whole from 2^53 on: not to be taken for an exact integer */
        *p++ = d[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, d + 1, (size_t)n - 1);
            p += n - 1;
        }
        *p++ = 'e';
        p += wire_format_i64(point - 1, p);
    } else if (point <= 0) {
        *p++ = '0';
        *p++ = '.';
        for (int i = point; i < 0; i++)
            *p++ = '0';
        memcpy(p, d, (size_t)n);
        p += n;
    } else {
        for (int i = 0; i < (n > point ? n : point); i++) {
            if (i == point) *p++ = '.';
            *p++ = i < n ? d[i] : '0';
        }
    }
    return (size_t)(p - text);
}

/* 15, 16, then 17 digits of a > 0, the first that reads back the same. 0: not sure, take the slow way. */
static size_t quick_format(double a, char *text) {
#if LDBL_MANT_DIG == 64
    if (!(a > 1e-10 && a < 1e40)) return 0;
    int two;
    frexp(a, &two);
    int e = (int)floor((two - 1) * 0.30102999566398120); /* a is in [10^e, 10^(e+2)) */
    for (int wanted = 15; wanted <= 17; wanted++) {
        int scale = wanted - 1 - e;
        long double v = scale < 0 ? a / tens[-scale] : a * tens[scale];
        if (v >= tens[wanted] - 0.5L) {
            e++;
            scale--;
            v = scale < 0 ? a / tens[-scale] : a * tens[scale];
        }
        uint64_t digits = (uint64_t)(v + 0.5L);
        for (int near = 0; near < 3; near++) { /* the neighbours matter where the spacing of doubles changes */
            uint64_t candidate = digits + (near == 1) - (near == 2);
            double back;
            if (!quick_double(candidate, -scale, &back)) return 0;
            if (back == a) return lay_out(candidate, -scale, text);
            if (wanted == 15) break;
        }
    }
#else
    (void)a, (void)text;
#endif
    return 0;
}

static size_t slow_format(double a, char *text) {
    for (int precision = 0; precision <= 16; precision++) {
        char libc[64], plain[64];
        snprintf(libc, sizeof libc, "%.*e", precision, a);
        uint64_t digits = 0;
        char *p = libc;
        for (; *p && *p != 'e'; p++) /* the locale's point, whatever its bytes, is skipped */
            if (*p >= '0' && *p <= '9') digits = digits * 10 + (unsigned)(*p - '0');
        int exponent = (int)strtol(*p ? p + 1 : p, NULL, 10) - precision;
        snprintf(plain, sizeof plain, "%llue%d", (unsigned long long)digits, exponent);
        if (precision == 16 || slow_double(plain) == a) return lay_out(digits, exponent, text);
    }
    return 0;
}

size_t wire_format_double(double v, char *text, size_t size) {
    char own[48];
    size_t n = 0;
    if (isnan(v)) {
        memcpy(own, "nan", n = 3);
    } else {
        if (signbit(v)) own[n++] = '-';
        double a = fabs(v);
        if (isinf(a)) {
            memcpy(own + n, "inf", 3);
            n += 3;
        } else if (a < 9007199254740992.0 && a == (double)(int64_t)a) {
            n += wire_format_u64((uint64_t)a, own + n);
        } else {
            size_t quick = quick_format(a, own + n);
            n += quick ? quick : slow_format(a, own + n);
        }
    }
    if (size == 0) return 0;
    if (n >= size) n = size - 1;
    memcpy(text, own, n);
    text[n] = 0;
    return n;
}

#define ABSENT_BITS UINT64_C(0x7ff8000061627374) /* a quiet NaN whose payload spells "abst" */

double wire_absent(void) {
    uint64_t bits = ABSENT_BITS;
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

bool wire_is_absent(double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits == ABSENT_BITS;
}
