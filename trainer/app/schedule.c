/* schedule.c: see schedule.h. */
#include "schedule.h"

#include <math.h>

bool schedule_moves(const struct schedule *schedule) {
    return schedule->kind != SCHEDULE_CONSTANT || schedule->warmup > 0;
}

static double cosine(int64_t done, int64_t steps) {
    if (steps < 1) return 1;
    if (done >= steps) done = steps - 1; /* a run made longer by hand: the last rate goes on */
    return 0.5 * (1 + cos(M_PI * (double)done / (double)steps));
}

double schedule_rate(const struct schedule *schedule, double base, int64_t step, int64_t total) {
    double rate = base;
    if (step < schedule->warmup) rate *= (double)step / (double)schedule->warmup;
    if (schedule->kind == SCHEDULE_STEP) {
        rate *= pow(schedule->gamma, (double)((step - 1) / schedule->every));
    } else if (schedule->kind == SCHEDULE_COSINE && step > schedule->warmup) {
        rate *= cosine(step - 1 - schedule->warmup, total - schedule->warmup);
    }
    return rate;
}
