/*
 * pace.h: how long the sender may sleep before it looks at the ring again. Pure: the clock is an argument.
 *
 * tb_log makes no system call, so nobody wakes the sender: it looks by itself. Right after a row it looks again within
 * PACE_MIN_NS, as more may follow (a progress row behind a metrics row). Where rows come regularly, as steps do, it
 * then sleeps until 85 % of the shortest recent distance has passed and looks every PACE_MIN_NS from there; a row that
 * came before it looked ends that until the distances are regular again. When nothing comes it sleeps a sixteenth of
 * the silence, at most PACE_MAX_NS. So a row is seen about 0.5 ms after tb_log, at 100 rows/s for about five short
 * wake-ups a row, and a silent training costs 20 wake-ups a second.
 */
#ifndef TRAINBOT_PACE_H
#define TRAINBOT_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_MIN_NS INT64_C(1000000)
#define PACE_MAX_NS INT64_C(50000000)
#define PACE_SEEN 8

struct pace {
    int64_t last_ns;            /* when rows were seen last; 0: never */
    int64_t gaps_ns[PACE_SEEN]; /* distances between the latest sightings */
    unsigned seen, next;
    bool predicted; /* the last sleep was a long one that counted on regularity */
};

/* Rows were (any) or were not there at now_ns. */
void pace_look(struct pace *pace, int64_t now_ns, bool any);
/* How long to sleep from now_ns. */
int64_t pace_sleep(struct pace *pace, int64_t now_ns);

#endif
