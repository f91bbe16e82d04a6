/*
 * runs_state.h: what the files of runs.h share among themselves (runs.c, runs_start.c, runs_hello.c, runs_frames.c,
 * runs_controls.c, runs_ends.c, runs_kept.c, spool.c, images.c). Not for others.
 */
#ifndef TRAINBOT_RUNS_STATE_H
#define TRAINBOT_RUNS_STATE_H

#include "rules.h"
#include "runs.h"

#define RUNS_KEPT_ENDED 32        /* ended runs kept in memory */
#define RUNS_END_WAIT_MS 1000     /* after a process ended, its link's last bytes are awaited this long */
#define RUNS_STORE_PROBE_MS 5000  /* while the store fails, it is tried again this often */
#define RUNS_ACK_MS 20 /* rows of one run are acknowledged at most this often */
#define RUNS_WRITE_MS 1000        /* newest values are written this often; ack and step with every turn */
#define RUNS_LATE_MS 3000         /* a tick later than this was held up itself … */
#define RUNS_LATE_GRACE_MS 1000   /* … and judges nobody for this long */
#define RUNS_IMPORT_MS 20         /* a turn's share of a spool … */
#define RUNS_IMPORT_BYTES (4u << 20)

struct runs_state {
    struct run *first;     /* newest first */
    struct run *touched;   /* those that this turn is about */
    int64_t newest;        /* highest run id ever seen */
    size_t ended;          /* ended ones in memory, counted when there are many */
    size_t imports;        /* runs whose spool is being read */
    int64_t due_ms;        /* mono: no rule is due before */
    bool begun;            /* the first tick has looked at what an earlier bot left */
    bool retaken;          /* the frame at hand was taken before, in a turn that was rolled back */
    uint64_t next_control;
    int64_t probe_ms;      /* mono: next try of a failing store; 0 none */
    uint64_t rows, frames; /* taken in this bot's life, for /metrics */
};

MUST_USE int runs_create(struct bot *bot);
void runs_free(struct bot *bot);

int64_t runs_now(const struct bot *bot); /* mono ms */
void runs_insert(struct bot *bot, struct run *run);
int64_t runs_stop_timeout_ms(const struct bot *bot, const struct run *run);
void runs_drop(struct bot *bot, struct run *run);     /* out of memory; its connection was let go before */
void runs_touch(struct bot *bot, struct run *run);    /* its rules may be due earlier, or an ack */
void runs_advanced(struct bot *bot, struct run *run); /* ack, step and newest values changed; pages are told */
void runs_changed(struct bot *bot, struct run *run);  /* anything may have changed; pages are told */
void runs_event(struct bot *bot, const struct run *run, int64_t step, const char *kind, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void runs_set_state(struct bot *bot, struct run *run, enum run_state state);
void runs_fact(struct bot *bot, const struct fact *fact);
void runs_tell_due(struct bot *bot, struct run *run); /* missing rows and a progress row that are not told yet */
void runs_tell(struct bot *bot, const struct run *run, enum fact_kind kind, int64_t step, const char *text);
void runs_rules_cb(void *bot, struct run *run, const struct rules_act *act); /* carries out what a rule wants */
/* STATE_DIR/runs/N, made when missing. */
MUST_USE int runs_dir(const struct bot *bot, int64_t id, char *path, size_t size);

/* runs_hello.c */
void runs_revive(struct bot *bot, struct run *run);      /* it had ended, as far as we knew, and is there */
MUST_USE int runs_hello(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame);
void runs_welcome(struct bot *bot, struct run *run);     /* its spool is in: welcome, and what waited for it */
/* The run of a hello that no row knows yet; NULL: out of memory or the store fails. */
struct run *runs_by_hand(struct bot *bot, const struct wire_frame *frame);

/* Sends an error frame; negative always. */
int runs_answer_error(struct trainer_conn *conn, const char *code, const char *why);
/* runs_frames.c: one frame of the link or of a spool: its seq, then its effect */
MUST_USE int runs_take(struct bot *bot, struct run *run, const struct wire_frame *frame);

/* runs_controls.c */
void controls_send(struct bot *bot, struct run *run, struct control *control);
void controls_send_due(struct bot *bot, struct run *run); /* those asked for in the turn that is over */
void controls_resend(struct bot *bot, struct run *run);
void controls_answer(struct bot *bot, struct run *run, const struct wire_frame *frame);     /* applied, rejected, result */
void controls_event(struct bot *bot, struct run *run, const struct wire_event *event);      /* checkpoint, paused, resumed */
void controls_ended(struct bot *bot, struct run *run);                                      /* the run is over */
bool controls_has(const struct run *run, enum control_kind kind);
void controls_free(struct run *run);
MUST_USE int controls_load(struct bot *bot, struct run *run);

/* runs_ends.c */
void runs_settle(struct bot *bot, struct run *run);      /* the awaited end becomes the run's state */
void runs_bye(struct bot *bot, struct run *run);         /* a run without a keeper said bye */
void runs_give_up(struct bot *bot, struct run *run);     /* lost */

/* spool.c */
/* Begins to read the run's spool and reads a first share. 1: more is to come, and spools_step will go on with what waits
 * for it (welcome, end); 0: all is read, or there is none. */
int spool_read(struct bot *bot, struct run *run);
void spool_want(struct bot *bot, struct run *run);   /* from its beginning, soon */
bool spool_is_read(const struct run *run);           /* nothing of it is under way or wanted */
void spool_close(struct bot *bot, struct run *run);  /* lets go of it, read or not; what is not read stays */
void spool_remove(struct bot *bot, struct run *run); /* the file, where it was wholly read and its writer is gone */
bool spool_writer_gone(struct bot *bot, const struct run *run); /* there is a spool, and nobody holds it */
void spools_step(struct bot *bot);                   /* a share of the next spool */
void spools_find(struct bot *bot); /* spools of runs started by hand that ended while no bot was there */

/* runs_kept.c */
MUST_USE int runs_write(struct bot *bot, struct run *run);
MUST_USE int runs_write_advance(struct bot *bot, struct run *run); /* ack and step only */
void runs_begin(struct bot *bot);                        /* the first tick */
struct run *runs_read(struct bot *bot, int64_t id);      /* into memory; NULL */
struct run *runs_read_instance(struct bot *bot, const char *instance);
struct run *run_from_record(const struct run_record *record);

/* images.c */
MUST_USE int images_begin(struct bot *bot, struct run *run, const struct wire_frame *frame);
MUST_USE int images_chunk(struct bot *bot, struct run *run, const struct wire_frame *frame);
int64_t images_find(struct bot *bot, const struct run *run, const char *wire_id); /* image id; 0 none */

#endif
