/*
 * runs_state.h: what the files of runs.h share among themselves (runs.c, runs_frames.c, runs_controls.c, runs_ends.c,
 * runs_kept.c, images.c). Not for others.
 */
#ifndef TRAINBOT_RUNS_STATE_H
#define TRAINBOT_RUNS_STATE_H

#include "rules.h"
#include "runs.h"

#define RUNS_KEPT_ENDED 32        /* ended runs kept in memory */
#define RUNS_END_WAIT_MS 1000     /* after a process ended, its link's last bytes are awaited this long */
#define RUNS_STORE_PROBE_MS 5000  /* while the store fails, it is tried again this often */

struct runs_state {
    struct run *first;     /* newest first */
    int64_t newest;        /* highest run id ever seen */
    uint64_t next_control;
    int64_t probe_ms;      /* mono: next try of a failing store; 0 none */
    uint64_t rows, frames; /* taken in this bot's life, for /metrics */
};

MUST_USE int runs_create(struct bot *bot);
void runs_free(struct bot *bot);

int64_t runs_now(const struct bot *bot); /* mono ms */
void runs_insert(struct bot *bot, struct run *run);
int64_t runs_stop_timeout_ms(const struct bot *bot, const struct run *run);
void runs_changed(struct bot *bot, struct run *run); /* row is dirty, pages are told at the turn's end */
void runs_event(struct bot *bot, const struct run *run, int64_t step, const char *kind, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void runs_set_state(struct bot *bot, struct run *run, enum run_state state);
void runs_tell(struct bot *bot, const struct run *run, enum fact_kind kind, int64_t step, const char *text);
void runs_rules_cb(void *bot, struct run *run, const struct rules_act *act); /* carries out what a rule wants */
/* STATE_DIR/runs/N, made when missing. */
MUST_USE int runs_dir(const struct bot *bot, int64_t id, char *path, size_t size);

/* runs_frames.c: one frame of the link or of a spool: its seq, then its effect */
MUST_USE int runs_take(struct bot *bot, struct run *run, const struct wire_frame *frame);

/* runs_controls.c */
void controls_send(struct bot *bot, struct run *run, struct control *control);
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

/* runs_kept.c */
MUST_USE int runs_write(struct bot *bot, struct run *run);
struct run *runs_read(struct bot *bot, int64_t id);      /* into memory; NULL */
struct run *runs_read_instance(struct bot *bot, const char *instance);
struct run *run_from_record(const struct run_record *record);

/* images.c */
MUST_USE int images_begin(struct bot *bot, struct run *run, const struct wire_frame *frame);
MUST_USE int images_chunk(struct bot *bot, struct run *run, const struct wire_frame *frame);
int64_t images_find(struct bot *bot, const struct run *run, const char *wire_id); /* image id; 0 none */

#endif
