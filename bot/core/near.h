/*
 * near.h: the nearest of a set of words to what somebody wrote, for "did you mean": a slip of the finger (edit distance
 * with swapped neighbours), a Chinese word typed as pinyin, or one with its number stuck to it. Pure; any thread.
 */
#ifndef TRAINBOT_NEAR_H
#define TRAINBOT_NEAR_H

#include <stddef.h>

struct near {
    const char *asked;
    const char *best; /* NULL: nothing is near */
    size_t distance;
};
void near_begin(struct near *near, const char *asked);
void near_try(struct near *near, const char *word); /* borrowed while near lives */

/* "tingzhi" → "停止"; NULL: no such pinyin. Some are words that only some trainers have. Static. */
const char *near_pinyin(const char *word);
/* Characters to change, drop, add or swap, case-folded; at most 64 characters are looked at. */
size_t near_distance(const char *a, const char *b);

#endif
