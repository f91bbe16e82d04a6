/*
 * schedule.h: the learning rate of a step, a pure function of its base (the parameter lr), the step and the plan. So a
 * resumed run, a rewound one and one whose length was changed all take the rate that belongs to their step.
 */
#ifndef TRAINER_SCHEDULE_H
#define TRAINER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum schedule_kind { SCHEDULE_CONSTANT, SCHEDULE_STEP, SCHEDULE_COSINE };

struct schedule {
    enum schedule_kind kind;
    int64_t warmup; /* steps; 0: none */
    int64_t every;  /* step: steps between two cuts, >= 1 */
    double gamma;   /* step: factor of a cut */
};

/* The rate of step `step` (from 1) of `total`:
 * warm-up: base × step / warmup in the steps 1 to warmup; on the others, and times it:
 * constant: base; step: base × gamma ^ floor((step - 1) / every), counted from the run's first step as PyTorch's
 * StepLR; cosine: base × (1 + cos(π n / N)) / 2 with n of N steps after the warm-up done (Loshchilov and Hutter 2017,
 * without restarts): the base at first, never quite 0 on the last step. */
double schedule_rate(const struct schedule *schedule, double base, int64_t step, int64_t total);

/* Whether it ever differs from its base. */
bool schedule_moves(const struct schedule *schedule);

#endif
