/*
 * bench.h: how fast this model trains here, without bot, files or progress rows: samples a second of whole steps
 * (gathering the batch included), the median of five rounds; the highest resident set of the process, and the page
 * faults and allocations in the measured rounds.
 */
#ifndef TRAINER_BENCH_H
#define TRAINER_BENCH_H

#include "trainer.h"

/* On a prepared trainer; prints one JSON line. Exit status, with `error` (APP_ERROR_SIZE) where it is not EXIT_GOOD. */
int bench(struct trainer *trainer, char *error);

#endif
