/*
 * runs.h: all runs that matter now (live ones, and ended ones still linked), what trainers say about them, and what is
 * asked of them. In: frames from the link, ends from the launcher, time. Out: facts to report.h, rows to the store,
 * outcomes to commands.h.
 */
#ifndef TRAINBOT_RUNS_H
#define TRAINBOT_RUNS_H

#include "bot.h"
#include "control.h"
#include "fact.h"

/* ---- the link's side (net/link.c) ---- */

struct trainer_conn_ops {
    /* Queues one frame. Negative: the connection is beyond saving; disconnect follows from the loop. */
    int (*send)(struct trainer_conn *conn, const struct wire_frame *frame);
    void (*close)(struct trainer_conn *conn); /* disconnect follows from the loop */
};
/* First member of the link's connection. */
struct trainer_conn {
    const struct trainer_conn_ops *ops;
    struct run *run; /* NULL before a valid hello */
    bool remote;     /* over /trainer: pid and paths are of another machine */
};
/* One decoded frame. Negative: answered with an error frame; the connection stays unless it was the hello. */
MUST_USE int runs_frame(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame);
void runs_disconnected(struct bot *bot, struct trainer_conn *conn);

/* ---- the launcher's side: fill struct launcher_events with these, user = bot ---- */

void runs_process_started(void *bot, int64_t run, int64_t pid);
void runs_process_ended(void *bot, int64_t run, const struct process_end *end);
void runs_process_lost(void *bot, int64_t run);

/* ---- the commands' side ---- */

struct run *runs_find(struct bot *bot, int64_t id);  /* live, or loaded from the store and kept; NULL: no such run */
struct run *runs_first(struct bot *bot);             /* list of those in memory, newest first; ->next */
size_t runs_live(struct bot *bot, struct run **ret_only); /* count; the only one where the count is 1 */
int64_t runs_newest(struct bot *bot);                /* id; 0 none */

struct start {
    const struct trainer_settings *trainer;
    const struct run *from;             /* go on from its last checkpoint; NULL */
    const struct named_text *params;    /* asked values, checked by the caller */
    size_t params_count;
    uint64_t request;                   /* told through commands_started() or an outcome */
    const char *by;                     /* "web:token" */
};
/* Commits the run's row in state starting, then launches. Negative: `why` says it; nothing has started. */
MUST_USE int runs_start(struct bot *bot, const struct start *start, struct run **ret_run, char *why, size_t why_size);

/* Asks something of a live run. The control takes the changes (set). by and request as above. */
MUST_USE int runs_ask(struct bot *bot, struct run *run, struct control *control);
/* Removes an ended run with rows and files. TB_EBUSY while live. */
MUST_USE int runs_delete(struct bot *bot, int64_t id);

/* ---- the bot's side ---- */

MUST_USE int runs_load(struct bot *bot);      /* at start: live ones from the store, keepers adopted, spools imported */
void runs_before_commit(struct bot *bot);     /* writes dirty rows, reports progress that is due */
void runs_write_dirty(struct bot *bot);       /* so that a commit within a turn holds acks beside their effects */
void runs_stored(struct bot *bot);            /* a commit has succeeded, within a turn or at its end */
/* The turn's end: sends acks and controls; on failure closes links so that trainers send again. */
void runs_committed(struct bot *bot, int status);
void runs_tick(struct bot *bot);              /* rules by time, spools; call when runs_next_ms() has come */
int64_t runs_next_ms(const struct bot *bot);  /* mono time of the next due rule; INT64_MAX none */
void runs_store_failed(struct bot *bot);      /* when it is tried again */
bool runs_probe_due(struct bot *bot);   /* the failing store is to be tried now; writes something of size */

#endif
