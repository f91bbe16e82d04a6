/*
 * plot_smooth.h: the bold curve. Pure.
 *
 * A two-sided exponential average over the buckets' means: the value at bucket i is
 *     sum_j w_j x_j / sum_j w_j,   w_j = count_j * exp(-|u_j - u_i|)
 * where u is the step in units of tau; near the start of the run tau is shorter, an eighth of the steps so far, because
 * curves fall fast there and a longer average would hide it. So it does not lag behind the data as a one-sided average
 * does, a bucket counts by the values it stands for, uneven steps keep their distance, and dividing by the weights
 * themselves is the bias correction at both ends. Two passes, O(n). On a logarithmic axis the means are averaged as
 * logarithms, which is what the eye does there.
 */
#ifndef TRAINBOT_PLOT_SMOOTH_H
#define TRAINBOT_PLOT_SMOOTH_H

#include "store.h"

/* tau of a run that spans these steps: a hundredth, so about a fiftieth of the width is averaged; at least 1. */
double plot_smooth_tau(int64_t first_step, int64_t last_step);
/* Writes count values to ret; NaN where the bucket has no finite value (the curve is broken there). tau in steps, > 0.
 * geometric: only for positive means. */
void plot_smooth(const struct store_bucket *buckets, size_t count, double tau, bool geometric, double *ret);

#endif
