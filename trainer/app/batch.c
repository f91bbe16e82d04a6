/* batch.c: gathers the samples that the order names into one piece of memory. Buffers grow to the largest batch seen.
 */
#include "trainer.h"

#include <stdlib.h>
#include <string.h>

static int room_make(struct trainer *t, int64_t count) {
    if (count <= t->batch_room) return 0;
    size_t image = (size_t)(t->data.train.height * t->data.train.width);
    uint8_t *pixels = reallocarray(t->pixels, (size_t)count, image);
    if (pixels != NULL) t->pixels = pixels;
    uint8_t *labels = realloc(t->labels, (size_t)count);
    if (labels != NULL) t->labels = labels;
    uint32_t *indices = reallocarray(t->indices, (size_t)count, sizeof *indices);
    if (indices != NULL) t->indices = indices;
    if (pixels == NULL || labels == NULL || indices == NULL) return -1;
    t->batch_room = count;
    return 0;
}

int batch_next(struct trainer *t, struct batch *ret_batch) {
    const struct data_set *set = &t->data.train;
    int64_t count = t->settings.bs;
    if (room_make(t, count) != 0) return -1;
    order_take(&t->order, t->samples, count, t->indices);
    size_t image = (size_t)(set->height * set->width);
    for (int64_t i = 0; i < count; i++) {
        memcpy(t->pixels + (size_t)i * image, set->pixels + t->indices[i] * image, image);
        t->labels[i] = set->labels[t->indices[i]];
    }
    *ret_batch = (struct batch){.pixels = t->pixels, .labels = t->labels, .count = count};
    return 0;
}
