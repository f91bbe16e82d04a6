/*
 * render_number.c: numbers, durations and sizes as a person reads them. Metrics get three to four significant digits,
 * parameters all that are needed to read back the same value.
 */
#include "render.h"
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t render_number(double value, char *text, size_t size) {
    struct words words;
    words_init(&words, text, size);
    if (isnan(value))
        words_add(&words, "NaN");
    else if (isinf(value))
        words_add(&words, value > 0 ? "Inf" : "-Inf");
    else if (fabs(value) >= 1000 && fabs(value) < 1e15)
        words_add_count(&words, llround(value));
    else
        words_add(&words, "%.4g", value);
    return words.length;
}

size_t render_exact(double value, char *text, size_t size) {
    char digits[40] = "nan";
    for (int precision = 1; isfinite(value) && precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    if (isinf(value))
        snprintf(digits, sizeof digits, value > 0 ? "inf" : "-inf");
    else if (value == floor(value) && fabs(value) < 1e15)
        snprintf(digits, sizeof digits, "%.0f", value);
    struct words words;
    words_init(&words, text, size);
    words_add(&words, "%s", digits);
    return words.length;
}

size_t render_duration(double seconds, enum lang lang, char *text, size_t size) {
    struct words words;
    words_init(&words, text, size);
    bool zh = lang == LANG_ZH;
    if (!isfinite(seconds) || seconds < 0) {
        words_add(&words, "?");
        return words.length;
    }
    if (seconds < 9.95) {
        words_add(&words, zh ? "%.*g 秒" : "%.*g s", seconds < 1 ? 1 : 2, seconds);
        return words.length;
    }
    long long s = llround(fmin(seconds, 1e15));
    if (s < 60)
        words_add(&words, zh ? "%lld 秒" : "%lld s", s);
    else if (s < 3600)
        words_add(&words, zh ? "%lld 分 %lld 秒" : "%lld min %lld s", s / 60, s % 60);
    else if (s < 86400)
        words_add(&words, zh ? "%lld 小时 %lld 分" : "%lld h %lld min", s / 3600, s % 3600 / 60);
    else
        words_add(&words, zh ? "%lld 天 %lld 小时" : "%lld d %lld h", s / 86400, s % 86400 / 3600);
    return words.length;
}

size_t render_bytes(int64_t bytes, char *text, size_t size) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    struct words words;
    words_init(&words, text, size);
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.95 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    words_add(&words, unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return words.length;
}
