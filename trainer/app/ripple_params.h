/*
 * ripple_params.h: the parameters of the pond. They are all numbers, so the rows that are declared to the person hold
 * their values too. Pure.
 */
#ifndef TRAINER_RIPPLE_PARAMS_H
#define TRAINER_RIPPLE_PARAMS_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint.h"
#include "trainbot.h"

enum ripple_param {
    RIPPLE_EPS,
    RIPPLE_DAMPING,
    RIPPLE_STEPS,
    RIPPLE_DS,
    RIPPLE_SHOW_EVERY,
    RIPPLE_SAVE_EVERY,
    RIPPLE_SEED,
    RIPPLE_SIZE,
    RIPPLE_DROPS,
    RIPPLE_PARAMS
};

struct ripple_params {
    struct tb_param rows[RIPPLE_PARAMS];
};

struct ripple_params ripple_params_default(void);
static inline int64_t ripple_int(const struct ripple_params *params, enum ripple_param which) {
    return (int64_t)params->rows[which].value;
}
/* "eps=0.02". 0, or -1 with one line in `error` (APP_ERROR_SIZE) that says what would be right. */
__attribute__((warn_unused_result)) int ripple_params_set(struct ripple_params *params, const char *setting,
                                                          char *error);
/* Into a checkpoint, and back: 0, or -1 with `error`. */
void ripple_params_put(const struct ripple_params *params, struct checkpoint *checkpoint);
__attribute__((warn_unused_result)) int ripple_params_get(struct ripple_params *params,
                                                          const struct checkpoint *checkpoint, char *error);

#endif
