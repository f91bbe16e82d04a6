/*
 * plot_read.h: from a run in the store to the series of a job. Blocking; for libuv's pool: it touches nothing but its
 * arguments and a store reader of its own.
 */
#ifndef TRAINBOT_PLOT_READ_H
#define TRAINBOT_PLOT_READ_H

#include "plot_format.h"

#define PLOT_WHY_MAX 320

struct plot_asked {
    const char *state_dir;
    int64_t run;
    char *metrics[PLOT_METRICS_MAX];
    size_t metrics_count;
};

/* Fills job->series (names and buckets, about one bucket a pixel; loss first, accuracy below when nothing was asked
 * for). TB_OK also for a run without metrics; TB_ENOTFOUND, TB_ESTORE, TB_ENOMEM with one line in `why`, in the job's
 * language. */
MUST_USE int plot_read(const struct plot_asked *asked, struct plot_job *job, char why[PLOT_WHY_MAX]);

#endif
