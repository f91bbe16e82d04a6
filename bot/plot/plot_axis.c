/*
 * plot_axis.c: ranges and ticks. Values are clamped to ±1e300 so that no difference overflows, and a range narrower
 * than a millionth of its values counts as constant so that no tick step drowns in rounding.
 */
#include "plot_axis.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HUGE_VALUE 1e300
#define TINY_VALUE 1e-300 /* least value of a log axis */

static double clamp(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

static void choose_log(struct plot_axis *axis, double min, double max) {
    double low = log10(clamp(min, TINY_VALUE, HUGE_VALUE)), high = log10(clamp(max, TINY_VALUE, HUGE_VALUE));
    double pad = (high - low) * 0.05;
    axis->log = true;
    axis->low = pow(10, fmax(low - pad, -305));
    axis->high = pow(10, fmin(high + pad, 305));
}

static void choose_linear(struct plot_axis *axis, double min, double max) {
    min = clamp(min, -HUGE_VALUE, HUGE_VALUE);
    max = clamp(max, -HUGE_VALUE, HUGE_VALUE);
    double size = fmax(fabs(min), fabs(max)), pad = (max - min) * 0.06;
    if (size < TINY_VALUE) {
        min = max = 0;
        pad = 1;
    } else if (max - min <= size * 1e-6) {
        pad = size * 0.1;
    }
    axis->log = false;
    axis->low = min - pad;
    axis->high = max + pad;
    if (min >= 0 && axis->low < 0) axis->low = 0; /* no losses below zero where there are none */
    if (max < 0 && axis->high > 0) axis->high = 0;
}

void plot_axis_choose(struct plot_axis *ret_axis, double min, double max, enum plot_axis_kind kind) {
    bool shares = kind == PLOT_AXIS_UNIT && min >= 0 && max <= 1;
    double decades = log10(clamp(max, TINY_VALUE, HUGE_VALUE)) - log10(clamp(min, TINY_VALUE, HUGE_VALUE));
    if (!shares && min > 0 && decades > PLOT_LOG_DECADES) {
        choose_log(ret_axis, min, max);
        return;
    }
    if (shares && max - min < 0.02) { /* one value or nearly: keep it away from the edges */
        min = fmax(0, min - 0.02);
        max = fmin(1, max + 0.02);
    }
    choose_linear(ret_axis, min, max);
    if (shares) {
        ret_axis->low = fmax(0, ret_axis->low);
        ret_axis->high = fmin(max > 0.995 ? 1.005 : 1, ret_axis->high);
    }
}

double plot_axis_place(const struct plot_axis *axis, double value) {
    if (!axis->log) return (clamp(value, -HUGE_VALUE, HUGE_VALUE) - axis->low) / (axis->high - axis->low);
    if (!(value > 0)) return 0;
    value = clamp(value, TINY_VALUE, HUGE_VALUE);
    return (log10(value) - log10(axis->low)) / (log10(axis->high) - log10(axis->low));
}

/* "2.50e-05" to "2.5e-5", in place. */
static void shorten_exponent(char *text) {
    char *e = strchr(text, 'e');
    if (!e) return;
    char *end = e;
    if (memchr(text, '.', (size_t)(e - text))) {
        while (end[-1] == '0')
            end--;
        if (end[-1] == '.') end--;
    }
    char sign = e[1];
    const char *digits = e + 2;
    while (*digits == '0' && digits[1])
        digits++;
    char tail[PLOT_LABEL_MAX];
    snprintf(tail, sizeof tail, "e%s%s", sign == '-' ? "-" : "", digits);
    memcpy(end, tail, strlen(tail) + 1);
}

/* The suffix for values of this size; its unit in *ret_unit. */
static const char *suffix_for(double size, double least, double *ret_unit) {
    static const struct {
        double unit;
        const char *suffix;
    } suffixes[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (size < suffixes[i].unit || size < least) continue;
        *ret_unit = suffixes[i].unit;
        return suffixes[i].suffix;
    }
    *ret_unit = 1;
    return "";
}

/* One tick of a linear axis: as many digits as its neighbours at distance `step` need, never more. */
static void linear_label(double value, double step, double size, char *label) {
    if (fabs(value) < step * 1e-6) {
        snprintf(label, PLOT_LABEL_MAX, "0");
        return;
    }
    if (size >= 1e15 || size < 1e-3) {
        int digits = (int)(floor(log10(fabs(value)) + 1e-9) - floor(log10(step) + 1e-9));
        snprintf(label, PLOT_LABEL_MAX, "%.*e", digits < 0 ? 0 : digits, value);
        shorten_exponent(label);
        return;
    }
    double unit;
    const char *suffix = suffix_for(size, 1e4, &unit);
    int decimals = (int)-floor(log10(step / unit) + 1e-9);
    snprintf(label, PLOT_LABEL_MAX, "%.*f%s", decimals < 0 ? 0 : decimals, value / unit, suffix);
}

static double nice_step(double range, size_t want) {
    double rough = range / (double)(want < 1 ? 1 : want), unit = pow(10, floor(log10(rough)));
    double share = rough / unit;
    return unit * (share < 1.4 ? 1 : share < 3 ? 2 : share < 7 ? 5 : 10);
}

static size_t linear_ticks(const struct plot_axis *axis, size_t want, struct plot_tick ticks[PLOT_TICKS_MAX]) {
    double step = nice_step(axis->high - axis->low, want), size = fmax(fabs(axis->low), fabs(axis->high));
    double first = ceil(axis->low / step - 1e-6);
    size_t count = 0;
    for (; count < PLOT_TICKS_MAX; count++) {
        double value = (first + (double)count) * step;
        if (value > axis->high + step * 1e-6) break;
        ticks[count] = (struct plot_tick){.value = value, .major = true};
        linear_label(value, step, size, ticks[count].label);
    }
    return count;
}

static void log_label(double value, char *label) {
    if (value >= 1e-3 && value < 1e15) {
        double unit;
        const char *suffix = suffix_for(value, 1e4, &unit);
        snprintf(label, PLOT_LABEL_MAX, "%.4g%s", value / unit, suffix);
        return;
    }
    snprintf(label, PLOT_LABEL_MAX, "%.0e", value);
    shorten_exponent(label);
}

/* Decades; with few of them 2 and 5 get labels too and the other digits faint lines, with many every n-th decade. */
static size_t log_ticks(const struct plot_axis *axis, size_t want, struct plot_tick ticks[PLOT_TICKS_MAX]) {
    int low = (int)floor(log10(axis->low)), high = (int)ceil(log10(axis->high));
    double decades = log10(axis->high) - log10(axis->low);
    int stride = (int)ceil(decades / (double)(want < 1 ? 1 : want));
    if (stride < 1) stride = 1;
    size_t count = 0;
    for (int exponent = low; exponent <= high; exponent++) {
        for (int digit = 1; digit <= 9 && count < PLOT_TICKS_MAX; digit++) {
            double value = digit * pow(10, exponent);
            if (value < axis->low || value > axis->high) continue;
            bool two_five = (digit == 2 || digit == 5) && decades * 3 <= (double)want + 2.5;
            bool major = digit == 1 ? exponent % stride == 0 : two_five;
            if (!major && (decades > 4 || (digit == 1 && stride > 1))) continue;
            ticks[count] = (struct plot_tick){.value = value, .major = major};
            if (major) log_label(value, ticks[count].label);
            count++;
        }
    }
    return count;
}

size_t plot_axis_ticks(const struct plot_axis *axis, size_t want, struct plot_tick ticks[PLOT_TICKS_MAX]) {
    return axis->log ? log_ticks(axis, want, ticks) : linear_ticks(axis, want, ticks);
}

size_t plot_step_ticks(int64_t first, int64_t last, size_t want, struct plot_tick ticks[PLOT_TICKS_MAX]) {
    double step = fmax(1, nice_step(fmax(1, (double)(last - first)), want));
    double number = ceil((double)first / step - 1e-9);
    size_t count = 0;
    for (; count < PLOT_TICKS_MAX; count++) {
        double value = (number + (double)count) * step;
        if (value > (double)last) break;
        struct plot_tick *tick = &ticks[count];
        *tick = (struct plot_tick){.value = value, .major = true};
        double unit;
        const char *suffix = suffix_for(fmax(value, step), 1000, &unit);
        if (value < 1)
            snprintf(tick->label, sizeof tick->label, "0");
        else
            snprintf(tick->label, sizeof tick->label, "%.10g%s", value / unit, suffix);
    }
    return count;
}

void plot_value_text(double value, char text[PLOT_LABEL_MAX]) {
    double size = fabs(value);
    if (!isfinite(value)) {
        snprintf(text, PLOT_LABEL_MAX, "%s", isnan(value) ? "NaN" : value > 0 ? "Inf" : "-Inf");
    } else if (value == 0) {
        snprintf(text, PLOT_LABEL_MAX, "0");
    } else if (size >= 1e15 || size < 1e-3) {
        snprintf(text, PLOT_LABEL_MAX, "%.2e", value);
        shorten_exponent(text);
    } else {
        double unit;
        const char *suffix = suffix_for(size, 1e4, &unit);
        int whole = (int)floor(log10(size / unit)) + 1; /* digits before the point; 0 and less below one */
        int decimals = whole >= 4 ? 0 : whole > 0 ? 4 - whole : 4;
        if (whole < 0) decimals = whole < -1 ? 6 : 5;
        snprintf(text, PLOT_LABEL_MAX, "%.*f%s", decimals, value / unit, suffix);
    }
}

void plot_step_text(int64_t step, char text[PLOT_LABEL_MAX]) {
    if (step >= 1000000) {
        double unit;
        const char *suffix = suffix_for((double)step, 1000, &unit);
        snprintf(text, PLOT_LABEL_MAX, "%.4g%s", (double)step / unit, suffix);
    } else if (step >= 1000) {
        snprintf(text, PLOT_LABEL_MAX, "%d,%03d", (int)(step / 1000), (int)(step % 1000));
    } else {
        snprintf(text, PLOT_LABEL_MAX, "%d", (int)step);
    }
}
