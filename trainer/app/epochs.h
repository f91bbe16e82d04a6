/*
 * epochs.h: what is known of the epoch under way and of the best one so far. Everything in it goes into a checkpoint
 * and comes back out of it, so a resumed or rewound run counts on. Pure; the clock is the caller's.
 */
#ifndef TRAINER_EPOCHS_H
#define TRAINER_EPOCHS_H

#include <stdbool.h>
#include <stdint.h>

#include "checkpoint.h"
#include "engine.h"

struct epochs {
    int64_t done;                    /* epochs that have ended */
    double sums[ENGINE_METRICS_MAX]; /* of each training metric × samples, in the epoch under way */
    int64_t samples;                 /* in these sums */
    double seconds;                  /* trained in it before `since_ms` */
    int64_t since_ms;                /* the caller's clock */
    double best;                     /* lowest measure of an epoch; NaN: none yet */
    int64_t best_epoch, best_step;   /* from 1; 0: none */
    int64_t waited;                  /* epochs since */
};

void epochs_begin(struct epochs *epochs, int64_t done, int64_t now_ms);

/* A batch's metrics (metrics_count) count into the epoch under way. Those that are not finite do not. */
void epochs_take(struct epochs *epochs, const double *metrics, int metrics_count, int64_t samples);
/* Mean of a metric over the epoch under way; NaN: nothing was taken. */
double epochs_mean(const struct epochs *epochs, int metric);
double epochs_seconds(const struct epochs *epochs, int64_t now_ms);

/* The epoch under way has ended with this measure (lower is better; NaN: none): true where it is the best so far. */
bool epochs_judge(struct epochs *epochs, double measure, int64_t step);
/* The next one begins; best and waited stay. */
void epochs_next(struct epochs *epochs, int64_t now_ms);

/* Whether step `samples` (seen in all, of `size` an epoch) ends the epoch under way. `last`: no batch of `batch`
 * samples comes after it, so an epoch that lacks less than one is over too. */
bool epochs_ends(const struct epochs *epochs, int64_t samples, int64_t size, int64_t batch, bool last);
/* How many epochs a run of `samples` comes to. */
int64_t epochs_count(int64_t samples, int64_t size, int64_t batch);

void epochs_put(const struct epochs *epochs, int64_t now_ms, struct checkpoint *checkpoint);
/* A checkpoint without them (of an older program): `done` epochs, nothing known of them. */
void epochs_get(struct epochs *epochs, const struct checkpoint *checkpoint, int64_t done, int64_t now_ms);

#endif
