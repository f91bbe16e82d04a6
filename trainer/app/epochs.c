/* epochs.c: see epochs.h. */
#include "epochs.h"

#include <math.h>
#include <stdio.h>

void epochs_begin(struct epochs *epochs, int64_t done, int64_t now_ms) {
    *epochs = (struct epochs){.done = done, .best = NAN, .since_ms = now_ms};
}

void epochs_take(struct epochs *epochs, const double *metrics, int metrics_count, int64_t samples) {
    for (int i = 0; i < metrics_count; i++)
        if (!isfinite(metrics[i])) return;
    for (int i = 0; i < metrics_count; i++)
        epochs->sums[i] += metrics[i] * (double)samples;
    epochs->samples += samples;
}

double epochs_mean(const struct epochs *epochs, int metric) {
    return epochs->samples > 0 ? epochs->sums[metric] / (double)epochs->samples : NAN;
}

double epochs_seconds(const struct epochs *epochs, int64_t now_ms) {
    return epochs->seconds + (double)(now_ms - epochs->since_ms) / 1000;
}

bool epochs_judge(struct epochs *epochs, double measure, int64_t step) {
    epochs->done++;
    if (!isfinite(measure) || measure >= epochs->best) { /* false against NaN, the start */
        epochs->waited++;
        return false;
    }
    epochs->best = measure;
    epochs->best_epoch = epochs->done;
    epochs->best_step = step;
    epochs->waited = 0;
    return true;
}

void epochs_next(struct epochs *epochs, int64_t now_ms) {
    for (int i = 0; i < ENGINE_METRICS_MAX; i++)
        epochs->sums[i] = 0;
    epochs->samples = 0;
    epochs->seconds = 0;
    epochs->since_ms = now_ms;
}

bool epochs_ends(const struct epochs *epochs, int64_t samples, int64_t size, int64_t batch, bool last) {
    int64_t end = (epochs->done + 1) * size;
    return samples >= end || (last && samples + batch > end);
}

int64_t epochs_count(int64_t samples, int64_t size, int64_t batch) {
    int64_t whole = samples - (batch - 1); /* the last batch may reach over an end */
    return whole <= 0 ? 1 : (whole + size - 1) / size;
}

void epochs_put(const struct epochs *epochs, int64_t now_ms, struct checkpoint *checkpoint) {
    char name[40];
    checkpoint_number_set(checkpoint, "epochs.done", (double)epochs->done);
    checkpoint_number_set(checkpoint, "epochs.samples", (double)epochs->samples);
    checkpoint_number_set(checkpoint, "epochs.seconds", epochs_seconds(epochs, now_ms));
    checkpoint_number_set(checkpoint, "epochs.best", epochs->best);
    checkpoint_number_set(checkpoint, "epochs.best_epoch", (double)epochs->best_epoch);
    checkpoint_number_set(checkpoint, "epochs.best_step", (double)epochs->best_step);
    checkpoint_number_set(checkpoint, "epochs.waited", (double)epochs->waited);
    for (int i = 0; i < ENGINE_METRICS_MAX; i++) {
        snprintf(name, sizeof name, "epochs.sum%d", i);
        checkpoint_number_set(checkpoint, name, epochs->sums[i]);
    }
}

/* A file may claim anything: a count is a whole number that a double holds exactly. */
static int64_t count_get(const struct checkpoint *checkpoint, const char *name, int64_t otherwise) {
    double value = checkpoint_number(checkpoint, name, (double)otherwise);
    return value >= 0 && value < 9e15 ? (int64_t)value : otherwise;
}

void epochs_get(struct epochs *epochs, const struct checkpoint *checkpoint, int64_t done, int64_t now_ms) {
    char name[40];
    epochs_begin(epochs, count_get(checkpoint, "epochs.done", done), now_ms);
    epochs->samples = count_get(checkpoint, "epochs.samples", 0);
    epochs->seconds = checkpoint_number(checkpoint, "epochs.seconds", 0);
    epochs->best = checkpoint_number(checkpoint, "epochs.best", NAN);
    epochs->best_epoch = count_get(checkpoint, "epochs.best_epoch", 0);
    epochs->best_step = count_get(checkpoint, "epochs.best_step", 0);
    epochs->waited = count_get(checkpoint, "epochs.waited", 0);
    for (int i = 0; i < ENGINE_METRICS_MAX; i++) {
        snprintf(name, sizeof name, "epochs.sum%d", i);
        epochs->sums[i] = checkpoint_number(checkpoint, name, 0);
    }
}
