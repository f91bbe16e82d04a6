/* batch.c: the training's cursor and settings, told to its feeder. */
#include "feeder.h"
#include "trainer.h"

int batch_next(struct trainer *t, struct batch *ret_batch) {
    if (t->feeder == NULL && feeder_create(&t->data.train, &t->order, (uint64_t)t->settings.seed, &t->feeder) != 0)
        return -1;
    return feeder_next(t->feeder, t->samples, t->settings.bs, t->settings.augment != 0, ret_batch);
}
