/*
 * sparkline.h: a curve as one line of text (▁▂▃▄▅▆▇█) for channels that cannot send pictures. Pure.
 */
#ifndef TRAINBOT_SPARKLINE_H
#define TRAINBOT_SPARKLINE_H

#include <stddef.h>

#define SPARKLINE_WIDTH_MAX 64
#define SPARKLINE_SIZE (SPARKLINE_WIDTH_MAX * 3 + 1) /* bytes that always suffice */

/* Writes at most `width` characters (1..SPARKLINE_WIDTH_MAX) for `count` values in order, and a 0. More values than
 * characters: each character is the mean of its share; fewer: one character each. Lowest is ▁, highest █, a constant
 * series is ▄; a share with a value that is not finite is × . Nothing is written beyond size: a text that does not fit
 * ends earlier, at a character. Returns the number of characters. */
size_t sparkline(const double *values, size_t count, size_t width, char *text, size_t size);

#endif
