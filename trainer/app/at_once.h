/* at_once.h: engine_submit and engine_collect where the engine knows only engine_train: each step is done when it is
 * begun, its metrics wait to be asked for. */
#ifndef TRAINER_AT_ONCE_H
#define TRAINER_AT_ONCE_H

#include "engine.h"

static double at_once_metrics[ENGINE_METRICS_MAX];
static bool at_once_waits;

static inline int at_once_submit(struct engine *engine, const struct batch *batch, const struct step_options *options) {
    int rc = engine_train(engine, batch, options, at_once_metrics);
    at_once_waits = rc == 0;
    return rc;
}

static inline int at_once_collect(struct engine *engine, bool wait, double *ret_metrics) {
    (void)engine;
    (void)wait;
    if (!at_once_waits) return 0;
    for (int i = 0; i < ENGINE_METRICS_MAX; i++)
        ret_metrics[i] = at_once_metrics[i];
    at_once_waits = false;
    return 1;
}

#endif
