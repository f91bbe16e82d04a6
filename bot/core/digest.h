/*
 * digest.h: what one conversation is told of one run where sends are counted: few messages that each say most.
 * Milestones are 10, 25, 50 and 75 %; without a known end gaps that double from ten minutes; or a fixed interval. Pure
 * state: the wall clock is an argument. Always holds: the figures a digest counts from are those of the last one that
 * really left.
 */
#ifndef TRAINBOT_DIGEST_H
#define TRAINBOT_DIGEST_H

#include "run.h"
#include "words.h"

#define DIGEST_FIRST_GAP_MS 600000

/* A run at one moment. NaN: there is no such value. */
struct digest_figures {
    int64_t t_ms, step; /* wall */
    double percent;     /* -1 unknown */
    double accuracy, loss, lr;
};

struct digest {
    char *channel, *chat;
    int64_t run;
    struct digest_figures from, written; /* as last sent (or at the start); in the text that waits */
    double best;                         /* of the first metric since `from`; NaN none */
    int64_t alerts, alerts_written;      /* since `from`; as the waiting text says */
    int64_t reached;                     /* milestones that are behind */
    int64_t since_ms, gap_ms;            /* wall: the last one by time was due then; the next so much later */
    bool waits;                          /* a text is queued, and renewed until it leaves */
    bool again;                          /* the next one became due while this one was under way */
    bool window;                         /* it says that an answer keeps the reports coming */
    struct digest *next;
};

struct digest_figures digest_figures(const struct run *run, int64_t now_ms);
/* At the first row that is seen of a run. */
void digest_begin(struct digest *digest, const struct digest_figures *figures, bool goes_on);
/* The best value so far; true: it is a new one. */
bool digest_best(struct digest *digest, const struct run *run);
/* Whether one is due now; if so the next one is counted from here. every_ms: a fixed interval; 0: milestones. */
bool digest_due(struct digest *digest, const struct digest_figures *now, int64_t every_ms);
/* When one may be due by time alone (wall); INT64_MAX never. */
int64_t digest_next_ms(const struct digest *digest, const struct digest_figures *now, int64_t every_ms);
void digest_wrote(struct digest *digest, const struct digest_figures *figures);
void digest_sent(struct digest *digest);
/* As a text for the store, and back; false: it is none. */
#define DIGEST_TEXT 600
void digest_print(const struct digest *digest, char *text, size_t size);
bool digest_parse(struct digest *digest, const char *text);

/* "cnn #7 · 41 % → 62 % · 准确率 0.8906(过去 20 分钟最好 0.8944)" and a second line. until_ms: when the service takes
 * no more, where the digest says so; channel: its name. */
void render_digest(struct words *words, const struct digest *digest, const struct run *run,
                   const struct digest_figures *now, int64_t until_ms, enum lang lang);

#endif
