/*
 * plot_samples.c: values come from a hash of the step, so any step can be computed alone and buckets of any width
 * agree.
 */
#include "plot_samples.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* About normal, mean 0, deviation 1. */
static double noise(int64_t step, uint64_t salt) {
    double sum = 0;
    uint64_t x = (uint64_t)step * 0x9e3779b97f4a7c15u + salt * 0xd1342543de82ef95u;
    for (int i = 0; i < 4; i++) {
        x ^= x >> 31;
        x *= 0xbf58476d1ce4e5b9u;
        x ^= x >> 27;
        sum += (double)(x >> 11) / 9007199254740992.0 - 0.5;
    }
    return sum * 1.7;
}

double plot_sample_loss(int64_t step, int64_t steps) {
    double t = (double)step / (double)steps;
    double drop = t > 0.55 ? 0.75 : 1;
    return (0.28 * drop + 2.0 * exp(-t * 60) + 0.35 * exp(-t * 6)) * exp(0.22 * noise(step, 1));
}

double plot_sample_loss_nan(int64_t step, int64_t steps) {
    double t = (double)step / (double)steps;
    if (t > 0.60 && t < 0.606) return step % 3 ? NAN : INFINITY;
    if (step == steps * 3 / 10) return NAN;
    return plot_sample_loss(step, steps);
}

double plot_sample_accuracy(int64_t step, int64_t steps) {
    double t = (double)step / (double)steps;
    double value = 0.90 + (t > 0.55 ? 0.012 : 0) - 0.75 * exp(-t * 45) - 0.1 * exp(-t * 5) + 0.03 * noise(step, 2);
    return round(fmin(fmax(value, 0), 1) * 128) / 128;
}

double plot_sample_constant(int64_t step, int64_t steps) {
    (void)step;
    (void)steps;
    return 0.5;
}

double plot_sample_huge(int64_t step, int64_t steps) {
    return 1e300 * sin((double)step / (double)steps * 12);
}

double plot_sample_decades(int64_t step, int64_t steps) {
    return pow(10, 12 - 21 * (double)step / (double)steps + 0.3 * noise(step, 3));
}

double plot_sample_not_finite(int64_t step, int64_t steps) {
    (void)steps;
    return step % 2 ? NAN : -INFINITY;
}

static void add_value(struct store_bucket *bucket, double value) {
    if (!isfinite(value)) {
        bucket->not_finite++;
        return;
    }
    bucket->min = bucket->count ? fmin(bucket->min, value) : value;
    bucket->max = bucket->count ? fmax(bucket->max, value) : value;
    bucket->mean = bucket->count ? bucket->mean + (value - bucket->mean) / (double)(bucket->count + 1) : value;
    bucket->last = value;
    bucket->count++;
}

size_t plot_sample_buckets(plot_sample_value *value, int64_t steps, int64_t every, size_t buckets,
                           struct store_bucket **ret_buckets) {
    struct store_bucket *all = calloc(buckets ? buckets : 1, sizeof *all);
    assert(all);
    int64_t points = steps / every, share = (points + (int64_t)buckets - 1) / (int64_t)buckets;
    size_t count = 0;
    for (int64_t point = 1; point <= points; point++) {
        int64_t step = point * every;
        struct store_bucket *bucket = &all[(point - 1) / share];
        if ((point - 1) % share == 0) {
            *bucket = (struct store_bucket){.first_step = step, .min = NAN, .max = NAN, .mean = NAN, .last = NAN};
            count++;
        }
        bucket->last_step = step;
        add_value(bucket, value(step, steps));
    }
    *ret_buckets = all;
    return count;
}

void plot_sample_add(struct plot_job *job, const char *name, plot_sample_value *value, int64_t steps, int64_t every) {
    assert(job->series_count < PLOT_METRICS_MAX);
    struct plot_series *series = &job->series[job->series_count++];
    series->name = strdup(name);
    series->count = plot_sample_buckets(value, steps, every, (size_t)job->width * 7 / 8, &series->buckets);
}

void plot_sample_mark(struct plot_job *job, int64_t step, const char *text) {
    struct plot_job_mark *marks = realloc(job->marks, (job->marks_count + 1) * sizeof *marks);
    assert(marks);
    job->marks = marks;
    job->marks[job->marks_count++] = (struct plot_job_mark){step, strdup(text)};
}

void plot_sample_job(struct plot_job *job, const char *title, bool dark, enum lang lang) {
    *job = (struct plot_job){.id = 1, .width = 780, .dark = dark, .lang = lang, .title = strdup(title)};
}
