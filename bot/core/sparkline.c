/*
 * sparkline.c: two passes over the shares, one for the extremes and one to write. Values are halved before they are
 * subtracted, so that no range overflows.
 */
#include "sparkline.h"

#include <math.h>
#include <string.h>

/* Mean of the share number i of `width`; NaN when it holds a value that is not finite. */
static double share_mean(const double *values, size_t count, size_t width, size_t i) {
    size_t from = i * count / width, to = (i + 1) * count / width;
    double mean = 0;
    for (size_t at = from; at < to; at++) {
        if (!isfinite(values[at])) return NAN;
        mean += values[at] / (double)(to - from);
    }
    return mean;
}

size_t sparkline(const double *values, size_t count, size_t width, char *text, size_t size) {
    static const char *const levels[8] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    if (size == 0) return 0;
    if (width > SPARKLINE_WIDTH_MAX) width = SPARKLINE_WIDTH_MAX;
    if (width > count) width = count;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < width; i++) {
        double mean = share_mean(values, count, width, i);
        if (mean < low) low = mean;
        if (mean > high) high = mean;
    }
    size_t used = 0, written = 0;
    for (; written < width; written++) {
        double mean = share_mean(values, count, width, written), range = high / 2 - low / 2;
        const char *character = "×";
        if (isfinite(mean)) {
            double place = range > 0 ? (mean / 2 - low / 2) / range * 8 : 3;
            character = levels[place >= 8 ? 7 : place > 0 ? (int)place : 0];
        }
        size_t length = strlen(character);
        if (used + length + 1 > size) break;
        memcpy(text + used, character, length);
        used += length;
    }
    text[used] = 0;
    return written;
}
