/*
 * plot_axis.h: which numbers stand on an axis. Pure: from the extremes of the data to a range, linear or logarithmic,
 * and to ticks a person reads at a glance (1, 2, 5 times a power of ten). Any finite input gives a usable axis: low is
 * below high, their difference is finite, and the number of ticks is bounded by the caller's array.
 */
#ifndef TRAINBOT_PLOT_AXIS_H
#define TRAINBOT_PLOT_AXIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLOT_LABEL_MAX 24
#define PLOT_TICKS_MAX 64

enum plot_axis_kind {
    PLOT_AXIS_GENERAL,
    PLOT_AXIS_UNIT /* shares of one, as accuracies: linear, never beyond 0..1 when the data is not */
};

struct plot_axis {
    bool log;
    double low, high; /* low < high; both positive when log */
};

struct plot_tick {
    double value;
    bool major; /* has a label; minor ones (log only) are faint lines */
    char label[PLOT_LABEL_MAX];
};

/* Positive data over more than this many decades gets a logarithmic axis. */
#define PLOT_LOG_DECADES 1.5

/* min..max of the data, finite, min <= max. The range is a little wider than the data. */
void plot_axis_choose(struct plot_axis *ret_axis, double min, double max, enum plot_axis_kind kind);
/* 0 at low, 1 at high; not clamped for values outside, 0 for what a log axis cannot hold. */
double plot_axis_place(const struct plot_axis *axis, double value);
/* About `want` labelled ticks, ascending; returns how many were written, at most PLOT_TICKS_MAX. */
size_t plot_axis_ticks(const struct plot_axis *axis, size_t want, struct plot_tick ticks[PLOT_TICKS_MAX]);
/* Whole steps only, written 500, 1k, 2.5k, 10k, 1M. first <= last, both 0..2^53. */
size_t plot_step_ticks(int64_t first, int64_t last, size_t want, struct plot_tick ticks[PLOT_TICKS_MAX]);

/* A value on its own, four significant digits: 0.3021, 12.35, 1542, 15.42k, 3.1e-05 as 3.1e-5. */
void plot_value_text(double value, char text[PLOT_LABEL_MAX]);
/* A step on its own: 970, 15,620; from a million on 1.562M. */
void plot_step_text(int64_t step, char text[PLOT_LABEL_MAX]);

#endif
