/*
 * plot_samples.h: made-up runs for the plot's tests, benchmarks and gallery. The same name gives the same data
 * everywhere and every time (own generator, fixed seeds).
 */
#ifndef TRAINBOT_PLOT_SAMPLES_H
#define TRAINBOT_PLOT_SAMPLES_H

#include "plot_format.h"

/* Value of a metric at a step, maybe NaN or infinite. */
typedef double plot_sample_value(int64_t step, int64_t steps);

double plot_sample_loss(int64_t step, int64_t steps);       /* falls from 2.3, noisy */
double plot_sample_loss_nan(int64_t step, int64_t steps);   /* as before with NaN for some steps near 60 % */
double plot_sample_accuracy(int64_t step, int64_t steps);   /* rises to 0.9 */
double plot_sample_constant(int64_t step, int64_t steps);   /* 0.5 */
double plot_sample_huge(int64_t step, int64_t steps);       /* -1e300 … 1e300 */
double plot_sample_decades(int64_t step, int64_t steps);    /* 1e12 … 1e-9 */
double plot_sample_not_finite(int64_t step, int64_t steps); /* never finite */

/* Buckets of value(every step of 1..steps that is a multiple of `every`); caller frees *ret_buckets. */
size_t plot_sample_buckets(plot_sample_value *value, int64_t steps, int64_t every, size_t buckets,
                           struct store_bucket **ret_buckets);
/* Adds a series to the job. */
void plot_sample_add(struct plot_job *job, const char *name, plot_sample_value *value, int64_t steps, int64_t every);
void plot_sample_mark(struct plot_job *job, int64_t step, const char *text);
/* A job of 780 pixels without series. */
void plot_sample_job(struct plot_job *job, const char *title, bool dark, enum lang lang);

#endif
