/*
 * clock.h: the time as core sees it. The program gives a real one, tests one they move by hand.
 */
#ifndef TRAINBOT_CLOCK_H
#define TRAINBOT_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_ms)(void *user); /* Unix time in ms */
    int64_t (*mono_ms)(void *user); /* never goes back; for durations and timers */
    void *user;
};

static inline int64_t clock_wall_ms(const struct clock *clock) {
    return clock->wall_ms(clock->user);
}
static inline int64_t clock_mono_ms(const struct clock *clock) {
    return clock->mono_ms(clock->user);
}

#endif
