/* feeder.c: see feeder.h. Two slots: the caller holds one while the thread fills the other. Between worker_wait and
 * worker_ask the thread is idle, and then alone everything here may be touched. */
#include "feeder.h"
#include "augment.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct want {
    int64_t seen, count;
    bool augment;
};

struct slot {
    struct want holds; /* count 0: nothing */
    int64_t room;      /* samples */
    uint8_t *pixels, *labels;
    uint32_t *indices;
};

struct feeder {
    const struct data_set *set;
    struct order *order;
    uint64_t seed;
    struct slot slots[2];
    int next; /* the slot that the next batch is in, or goes into */

    bool started; /* the thread */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool busy, ending; /* under `lock` */
    struct want asked; /* for slots[next]; set while not busy */
};

static int room_make(struct slot *slot, int64_t count, size_t image) {
    if (count <= slot->room) return 0;
    uint8_t *pixels = reallocarray(slot->pixels, (size_t)count, image);
    if (pixels != NULL) slot->pixels = pixels;
    uint8_t *labels = realloc(slot->labels, (size_t)count);
    if (labels != NULL) slot->labels = labels;
    uint32_t *indices = reallocarray(slot->indices, (size_t)count, sizeof *indices);
    if (indices != NULL) slot->indices = indices;
    if (pixels == NULL || labels == NULL || indices == NULL) return -1;
    slot->room = count;
    return 0;
}

static int slot_fill(struct feeder *f, struct slot *slot, const struct want *want) {
    const struct data_set *set = f->set;
    size_t image = (size_t)(set->height * set->width);
    slot->holds.count = 0;
    if (room_make(slot, want->count, image) != 0) return -1;
    order_take(f->order, want->seen, want->count, slot->indices);
    for (int64_t i = 0; i < want->count; i++) {
        const uint8_t *from = set->pixels + slot->indices[i] * image;
        uint8_t *to = slot->pixels + (size_t)i * image;
        slot->labels[i] = set->labels[slot->indices[i]];
        if (want->augment) {
            const struct augment_map map = augment_draw(f->seed, want->seen + i, set->height, set->width);
            augment_apply(&map, from, set->height, set->width, to);
        } else {
            memcpy(to, from, image);
        }
    }
    slot->holds = *want;
    return 0;
}

static void *worker_main(void *argument) {
    struct feeder *f = argument;
    pthread_mutex_lock(&f->lock);
    while (!f->ending) {
        if (!f->busy) {
            pthread_cond_wait(&f->changed, &f->lock);
            continue;
        }
        pthread_mutex_unlock(&f->lock);
        if (slot_fill(f, &f->slots[f->next], &f->asked) != 0) f->slots[f->next].holds.count = 0; /* said by who asks */
        pthread_mutex_lock(&f->lock);
        f->busy = false;
        pthread_cond_broadcast(&f->changed);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void worker_start(struct feeder *f) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    f->started = pthread_create(&f->thread, NULL, worker_main, f) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void worker_wait(struct feeder *f) {
    if (!f->started) return;
    pthread_mutex_lock(&f->lock);
    while (f->busy)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
}

/* Without a thread the batch is made when it is needed. */
static void worker_ask(struct feeder *f, const struct want *want) {
    if (!f->started) worker_start(f);
    if (!f->started) return;
    pthread_mutex_lock(&f->lock);
    f->asked = *want;
    f->busy = true;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

int feeder_create(const struct data_set *set, struct order *order, uint64_t seed, struct feeder **ret_feeder) {
    struct feeder *f = calloc(1, sizeof *f);
    if (f == NULL) return -1;
    f->set = set;
    f->order = order;
    f->seed = seed;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    *ret_feeder = f;
    return 0;
}

void feeder_free(struct feeder *f) {
    if (f == NULL) return;
    if (f->started) {
        pthread_mutex_lock(&f->lock);
        f->ending = true;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
    }
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    for (int i = 0; i < 2; i++) {
        free(f->slots[i].pixels);
        free(f->slots[i].labels);
        free(f->slots[i].indices);
    }
    free(f);
}

int feeder_next(struct feeder *f, int64_t seen, int64_t count, bool augment, struct batch *ret_batch) {
    const struct want want = {.seen = seen, .count = count, .augment = augment};
    worker_wait(f);
    struct slot *slot = &f->slots[f->next];
    bool ready = slot->holds.seen == seen && slot->holds.count == count && slot->holds.augment == augment;
    if (!ready && slot_fill(f, slot, &want) != 0) return -1;
    if (augment) {
        const struct want after = {.seen = seen + count, .count = count, .augment = true};
        f->next = !f->next;
        worker_ask(f, &after);
    }
    *ret_batch = (struct batch){.pixels = slot->pixels, .labels = slot->labels, .count = count};
    return 0;
}
