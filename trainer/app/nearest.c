/* nearest.c: see nearest.h. Optimal string alignment distance; words longer than any name are far from all. */
#include "nearest.h"

#include <string.h>

#define LETTERS_MAX 32

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t rows, const char *b, size_t columns) {
    size_t d[LETTERS_MAX + 1][LETTERS_MAX + 1];
    for (size_t i = 0; i <= rows; i++)
        d[i][0] = i;
    for (size_t k = 0; k <= columns; k++)
        d[0][k] = k;
    for (size_t i = 1; i <= rows; i++)
        for (size_t k = 1; k <= columns; k++) {
            d[i][k] = least(least(d[i - 1][k], d[i][k - 1]) + 1, d[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
                d[i][k] = least(d[i][k], d[i - 2][k - 2] + 1);
        }
    return d[rows][columns];
}

int nearest(const char *word, const char *const *names, size_t count) {
    size_t length = strlen(word), least_far = LETTERS_MAX;
    int found = -1;
    if (length == 0 || length > LETTERS_MAX) return -1;
    for (size_t i = 0; i < count; i++) {
        size_t size = strlen(names[i]);
        if (size > LETTERS_MAX) continue;
        size_t far = distance(word, length, names[i], size);
        if (far >= least_far || far * 3 > (size > length ? size : length)) continue;
        least_far = far;
        found = (int)i;
    }
    return found;
}
