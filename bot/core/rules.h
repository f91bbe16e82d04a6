/*
 * rules.h: what is told without any user code: NaN and infinity, a stall, a stop that nobody answers, a lost link. Pure:
 * a run and the time go in, facts and asked-for signals come out.
 */
#ifndef TRAINBOT_RULES_H
#define TRAINBOT_RULES_H

#include "fact.h"

#define RULES_STALL_MIN_MS 30000 /* no step for less than this is never a stall */
#define RULES_KILL_AFTER_MS 10000 /* SIGKILL follows SIGTERM after this */
#define RULES_LOST_AFTER_MS 60000 /* a link without a known process is given up after this */
#define RULES_NAN_WAIT_MS 1000    /* a NaN waits this long for the trainer's own pause, so that one alert says both */

/* What a rule wants: a fact told, a signal sent, a run given up. */
struct rules_act {
    enum { RULES_TELL, RULES_SIGNAL, RULES_LOST } kind;
    struct fact fact; /* tell, signal */
    int signal;
};
typedef void rules_cb(void *user, struct run *run, const struct rules_act *act);

/* Looks at rows that the run has just taken: notes the first value that is not finite, and forgets it when the same
 * metric is finite again. */
void rules_rows(struct run *run, const struct wire_rows *rows, int64_t mono_ms);
/* Tells a noted NaN now (the trainer paused by itself). */
void rules_nan(struct run *run, bool paused, rules_cb *cb, void *user);
/* What time alone makes due. stop_timeout_ms: of the run's trainer. */
void rules_tick(struct run *run, int64_t mono_ms, int64_t stop_timeout_ms, rules_cb *cb, void *user);
/* When rules_tick has something to do next; INT64_MAX never. */
int64_t rules_next_ms(const struct run *run, int64_t stop_timeout_ms);
/* No step for longer than this is a stall: max(3 × median step, 1.5 × longest gap seen, 30 s). */
int64_t rules_stall_ms(const struct run *run);

#endif
