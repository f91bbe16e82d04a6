/*
 * feeder.h: the batches of a run, one after the other. A batch is a function of (order, samples seen before it, its
 * size, augmentation), so a batch asked for with other numbers than were expected is simply made anew: nothing is lost
 * and nothing comes twice.
 *
 * Where images are augmented a thread makes the next batch while the caller uses this one; without, gathering is
 * cheaper than waking a thread, and there is none. The feeder is used by one thread; its own is never seen.
 */
#ifndef TRAINER_FEEDER_H
#define TRAINER_FEEDER_H

#include <stdbool.h>
#include <stdint.h>

#include "data.h"
#include "engine.h" /* struct batch */
#include "order.h"

struct feeder;

/* `set` and `order` are borrowed while the feeder lives, and nobody else touches `order` meanwhile. `seed` is
 * augmentation's. 0, or -1: no memory. feeder_free stops the thread; NULL is fine. */
__attribute__((warn_unused_result)) int feeder_create(const struct data_set *set, struct order *order, uint64_t seed,
                                                      struct feeder **ret_feeder);
void feeder_free(struct feeder *feeder);

/* The `count` samples that follow after `seen`. The batch is borrowed until the next call. Memory grows to the largest
 * batch seen. 0, or -1: no memory. */
__attribute__((warn_unused_result)) int feeder_next(struct feeder *feeder, int64_t seen, int64_t count, bool augment,
                                                    struct batch *ret_batch);

#endif
