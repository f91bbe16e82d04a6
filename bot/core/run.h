/*
 * run.h: one run as the bot knows it. Pure state: what a frame, an exit or a passing second makes of a run stands in
 * run.c and rules.c, without I/O; runs.h holds the collection and talks to store, link and launcher.
 *
 * queued → starting → running ⇄ paused → stopping → finished | stopped | failed | lost
 */
#ifndef TRAINBOT_RUN_H
#define TRAINBOT_RUN_H

#include "launcher.h"
#include "settings.h"
#include "wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum run_state {
    RUN_QUEUED, RUN_STARTING, RUN_RUNNING, RUN_PAUSED, RUN_STOPPING, /* live */
    RUN_FINISHED, RUN_STOPPED, RUN_FAILED, RUN_LOST,                 /* ended */
    RUN_STATES
};
const char *run_state_name(enum run_state state); /* "running": as the API and the store say it */
int run_state_parse(const char *name);            /* enum run_state, or negative */
bool run_state_live(enum run_state state);

struct run_param {
    char *name;
    enum wire_type type;
    double number;         /* float, int, bool */
    char *text;            /* string, enum; else NULL */
    bool has_min, has_max, min_open;
    double min, max;
    char **choices;        /* NULL-terminated, enum only */
    bool live;
    char *help;
    double asked;          /* the last number asked for ("x0.5" counts from it); = number when nothing is pending */
};

struct run_command {
    char *name, *args, *help;
    char **zh;     /* NULL, or its words in Chinese, NULL-terminated; the first is the one shown */
    char *zh_help; /* may be NULL, as args and help */
    bool reads;    /* changes nothing: viewers may ask it */
};

struct run_metric {
    char *name;
    double value, best, worst; /* best is the smallest for names with "loss", the largest else; finite values only */
    double shown;              /* value in the newest progress row; NaN none */
    double before;             /* value in the progress row before that one; NaN none */
    int64_t step;
    bool in_progress;          /* stands in progress rows */
};

#define RUN_INTERVALS 64
#define RUN_METRICS_MAX 256 /* those shown; the store keeps more */

struct trainer_conn; /* net/link.c's: a trainer's connection */
struct control;

struct run {
    int64_t id;
    char instance[40];
    char *name, *trainer, *host, *started_by; /* never NULL */
    enum run_state state;
    int64_t step, total_steps, batch, from_run;
    double epoch;
    uint64_t ack;              /* highest seq taken */
    uint64_t durable_ack;      /* highest seq whose effect is committed: what an ack may say */
    uint64_t heard;            /* highest seq ever taken by this bot, though its turn may have been rolled back since */
    int64_t created_ms, started_ms, ended_ms;
    int64_t exit_code, exit_signal; /* -1, 0 */
    int64_t pid;
    char *checkpoint;          /* newest, never NULL, "" none */
    int64_t checkpoint_step, checkpoint_bytes;
    struct named_text *start_params; /* values asked for at the start: travel in the welcome before step 1 */
    size_t start_params_count;
    struct run_param *params;
    size_t params_count;
    struct run_command *commands;
    size_t commands_count;
    struct run_metric *metrics;
    size_t metrics_count;
    char *hello;               /* JSON, for the store */
    char *bye;                 /* status said at the end; "" none */

    uint64_t start_request;    /* request that waits for the start's outcome; 0 none */
    bool launched;             /* has (or had) a keeper of ours */
    bool process_known;        /* the keeper is watched, or its end is known */
    struct trainer_conn *conn; /* NULL: no link */
    enum { GREET_DONE, GREET_NEW, GREET_KNOWN } greet; /* a hello whose welcome waits for the spool */
    struct spool_import *import; /* NULL: none under way (spool.c) */
    bool import_due;           /* its spool is read when the bot has begun */
    bool gone;                 /* its process is no more: what the spool says last is its end */
    bool adopt_failed;         /* its keeper could not be watched */
    struct control *controls;  /* open ones, oldest first (runs.c) */

    /* rules.c's memory */
    int64_t last_step_ms;      /* mono: when the newest step was seen; 0 never in this bot's life */
    int64_t link_lost_ms;      /* mono; 0 linked */
    int64_t longest_gap_ms;
    int32_t intervals_ms[RUN_INTERVALS]; /* per step, the newest, for the median */
    unsigned intervals_count;
    int64_t last_frame_ms;     /* mono: newest frame other than a heartbeat */
    int64_t last_row_ms;       /* t_ms of the newest step's row; 0 none */
    bool stalled, nan_told;
    bool nan_waits;            /* as kept: seen by an earlier bot, and not told yet */
    int64_t stall_check_ms;    /* mono: not before this is a stall looked for again */
    int64_t nan_step;
    int64_t nan_seen_ms;       /* mono: a NaN waits to be told together with the pause that may follow; 0 none */
    char *nan_metric;          /* its name, never NULL */
    double last_finite_loss;
    int64_t stop_asked_ms, term_sent_ms, kill_sent_ms; /* mono; 0 not */
    char *stop_by;             /* who asked for the stop ("web:token"), never NULL */
    enum run_state before_stop; /* where a refused stop leads back to */
    bool paused_by_nan;
    struct process_end *end;   /* the process has ended; waits for the link's last bytes */
    int64_t end_due_ms;        /* mono: latest time to settle that end */

    /* speed, from the newest metrics rows */
    int64_t speed_step, speed_ms; /* where the window begins */
    double steps_per_s;        /* 0 unknown */

    bool dirty;                /* the row in the store is older than this: ack and step at least */
    bool dirty_all;            /* … and more than those */
    bool may_wait;             /* … which can wait a moment: newest values, which rows bring back after a restart */
    bool stored;               /* its row is durable */
    int64_t written_ms;        /* mono: when all of the row was written last */
    bool ack_due;              /* an ack leaves after a commit */
    bool ack_now;              /* … at once: for rows alone it may wait RUNS_ACK_MS, so that fast trainers share one */
    int64_t acked_ms;          /* mono: when the last one left */
    int64_t gap_from, gap_to, gap_dropped; /* rows missing that this turn has yet to tell; 0 dropped: none */
    bool progress_due;         /* a progress row came in this turn */
    bool touched;              /* stands in the list of the runs that this turn is about */
    struct run *next, *next_touched;
};

/* Heap; every text "". free takes NULL. */
struct run *run_create(void);
void run_free(struct run *run);
struct run_param *run_param(const struct run *run, const char *name);     /* NULL: none */
struct run_metric *run_metric(const struct run *run, const char *name);   /* NULL: none */
struct run_command *run_command(const struct run *run, const char *name); /* NULL: none */
/* The metric a person asks for first: "acc", else one with acc in its name; and "loss". NULL: none. */
struct run_metric *run_accuracy(const struct run *run);
struct run_metric *run_loss(const struct run *run);
/* Seconds left at the present speed; negative: unknown. */
double run_eta_s(const struct run *run);
double run_samples_per_s(const struct run *run); /* 0 unknown */

/* Takes name, params, commands, lengths from a hello. TB_ENOMEM. */
MUST_USE int run_take_hello(struct run *run, const struct wire_hello *hello);
/* One value into its metric (made when new). NULL: out of memory, or there are RUN_METRICS_MAX others. */
struct run_metric *run_metric_take(struct run *run, const char *name, double value, int64_t step);
/* Median time of a step over the newest RUN_INTERVALS rows, by the trainer's clock; 0 unknown. */
int64_t run_median_step_ms(const struct run *run);
/* Newest values from rows; returns true when a step advanced. */
bool run_take_rows(struct run *run, const struct wire_rows *rows, bool progress, int64_t mono_ms);

#endif
