/* pace.c: see pace.h. */
#include "pace.h"

void pace_look(struct pace *p, int64_t now_ns, bool any) {
    bool early = p->predicted && any;
    p->predicted = false;
    if (!any) return;
    int64_t gap = now_ns - p->last_ns;
    if (p->last_ns && gap > 2 * PACE_MIN_NS) { /* nearer ones belong to the same step */
        p->gaps_ns[p->next] = gap;
        p->next = (p->next + 1) % PACE_SEEN;
        if (p->seen < PACE_SEEN) p->seen++;
    } else if (p->last_ns && gap > PACE_MIN_NS / 4 && p->seen) {
        p->seen = p->seen > 2 ? p->seen - 2 : 0; /* rows flow faster than is worth predicting */
    }
    if (early) p->seen = 0;
    p->last_ns = now_ns;
}

/* The shortest recent distance, when the recent ones are alike; 0: they are not. */
static int64_t regular(const struct pace *p) {
    if (p->seen < PACE_SEEN) return 0;
    int64_t low = INT64_MAX, high = 0;
    for (unsigned i = 0; i < PACE_SEEN; i++) {
        if (p->gaps_ns[i] < low) low = p->gaps_ns[i];
        if (p->gaps_ns[i] > high) high = p->gaps_ns[i];
    }
    return low >= 4 * PACE_MIN_NS && high - low <= low / 2 + 2 * PACE_MIN_NS ? low : 0;
}

int64_t pace_sleep(struct pace *p, int64_t now_ns) {
    int64_t silence = now_ns - p->last_ns, distance = regular(p);
    if (!p->last_ns) return PACE_MAX_NS / 4;
    if (silence < PACE_MIN_NS) return PACE_MIN_NS;
    if (distance) {
        int64_t until = distance - distance * 15 / 100 - PACE_MIN_NS;
        int64_t fine = distance / 200 > PACE_MIN_NS ? distance / 200 : PACE_MIN_NS;
        if (fine > PACE_MAX_NS) fine = PACE_MAX_NS;
        if (until - silence > fine) {
            p->predicted = true;
            return until - silence;
        }
        if (silence < distance + distance / 2) return fine;
    }
    int64_t sleep = silence / 16;
    return sleep < PACE_MIN_NS ? PACE_MIN_NS : sleep > PACE_MAX_NS ? PACE_MAX_NS : sleep;
}
