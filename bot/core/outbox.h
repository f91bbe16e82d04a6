/*
 * outbox.h: everything that leaves is a row before it is tried. Classes: reply, alert, image, progress. Progress
 * coalesces (the newest wins) while a channel is down, slow or over budget; replies and alerts are never dropped. One
 * message at a time per chat, in order; back-off with jitter; the same key after a restart. Where a service counts
 * sends (budget.h) what waits together leaves together, and progress becomes digests (digest.h). Alerts that cannot
 * leave go to the same person's next conversation (person.h). When the store fails, replies and alerts leave from
 * memory, once.
 */
#ifndef TRAINBOT_OUTBOX_H
#define TRAINBOT_OUTBOX_H

#include "bot.h"

/* News that nobody asked for: where sends are counted they leave the reserve alone, and others pass them. */
#define OUTBOX_SPARE_KEY "spare"

struct outbox_message {
    const char *channel, *chat;
    enum message_class class;
    const char *text;
    int64_t image, run;
    const char *key;     /* progress: "progress:7" coalesces and edits; OUTBOX_SPARE_KEY; "" else */
    const char *buttons; /* quick replies, one per line; NULL none */
};
/* Queues a message; it leaves after this turn's commit. ret_id may be NULL. */
MUST_USE int outbox_add(struct bot *bot, const struct outbox_message *message, int64_t *ret_id);

/* The run is over: its progress message (run, key) is changed to this text where it stands and can be changed; one that
 * has not left yet is withdrawn. Never a new message. History channels keep theirs. */
void outbox_settle(struct bot *bot, const struct outbox_message *message);

MUST_USE int outbox_create(struct bot *bot);   /* fills bot->outbox */
MUST_USE int outbox_load(struct bot *bot);     /* open rows of an earlier life */
void outbox_pump(struct bot *bot);             /* after the commit: hands what is due to the channels */
void outbox_committed(struct bot *bot);        /* all rows written so far are durable */
void outbox_store_failed(struct bot *bot);     /* the turn was rolled back: its replies and alerts go from memory */
void outbox_store_works(struct bot *bot);      /* notes what left meanwhile */
int64_t outbox_next_ms(const struct bot *bot); /* mono; INT64_MAX none */
void outbox_free(struct bot *bot);
/* A message of a person was stored (not a duplicate): the conversation takes messages again, its budget is set anew,
 * and what waits leaves. sent_ms: wall, when the service says it was written; 0: now. A message that is older than the
 * newest known one changes nothing. Part of this turn's transaction. */
void outbox_heard(struct bot *bot, const char *channel, const char *chat, int64_t sent_ms);

/* Numbers for 通道 and /metrics. sent, failed, retried: in this bot's life. */
struct outbox_count {
    int64_t queued, sending, sent, failed, retried;
};
/* channel NULL: all. queued: of each conversation at most the 256 oldest, which are those in memory. */
struct outbox_count outbox_count(const struct bot *bot, const char *channel);
/* One conversation, for 通道. */
struct outbox_line_view {
    const char *chat;             /* borrowed until the callback returns */
    int64_t queued, sent, failed; /* queued: with what is under way; else as above */
    int64_t left;                 /* sends that may still follow before the person writes; -1: no such limit */
    int64_t until_ms;             /* wall: when that ends; 0: no limit, or it has ended */
    bool closed;                  /* takes nothing until the person writes */
};
typedef bool outbox_line_cb(void *user, const struct outbox_line_view *view); /* false ends it */
/* All conversations of a channel that something was sent to, or heard of, and that are remembered. */
void outbox_lines(const struct bot *bot, const char *channel, outbox_line_cb *cb, void *user);

/* report.c: words a fact for every chat it concerns and queues it. */
void report_fact(struct bot *bot, const struct fact *fact);

/* Splits text into pieces of at most max_bytes and max_units UTF-16 code units (0: no limit), on line, then on UTF-8
 * boundaries. Returns the length of the first piece, at least one character; the next begins there (a newline between
 * them belongs to neither). */
size_t text_split(const char *text, size_t size, size_t max_bytes, size_t max_units);

#endif
