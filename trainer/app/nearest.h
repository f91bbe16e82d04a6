/*
 * nearest.h: what somebody meant who mistyped a name. Pure.
 */
#ifndef TRAINER_NEAREST_H
#define TRAINER_NEAREST_H

#include <stddef.h>

/* Index of the one of `names` that `word` comes nearest to, by the fewest letters to insert, delete, replace or swap
 * with their neighbour; -1 where more than a third of the letters would have to change. The first of equals. */
int nearest(const char *word, const char *const *names, size_t count);

#endif
