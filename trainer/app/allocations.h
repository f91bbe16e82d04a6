/*
 * allocations.h: how many pieces of memory this process has asked for, all its libraries included: what --bench shows
 * of its rounds. glibc lets a program bring its own malloc; this one counts and hands on to glibc's.
 */
#ifndef TRAINER_ALLOCATIONS_H
#define TRAINER_ALLOCATIONS_H

#include <stdint.h>

/* So far; any thread. -1: this build does not count (a sanitizer has its own malloc, or another C library). */
int64_t allocations(void);

#endif
