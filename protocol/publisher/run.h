/*
 * run.h: the publisher's inside: what the training thread and the sender thread own, and what they share.
 *
 * Training thread: everything under "training thread". Sender thread: struct sender, which only sender.c knows. Between
 * them: the ring (rows), atomics (step, counters, flags), and `lock`, which guards the lists below it and is never held
 * across a system call that can wait, nor taken by tb_log.
 */
#ifndef TRAINBOT_RUN_H
#define TRAINBOT_RUN_H

#include "ring.h"
#include "wire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define RUN_ANSWERS 256             /* controls whose answers are remembered */
#define RUN_QUEUE_BYTES (64u << 20) /* events and pictures that wait for the sender */

/* A frame of the training thread's on its way to the sender: rows put before it leave before it. */
struct message {
    struct message *next;
    uint64_t after;          /* ring position */
    enum wire_kind kind;     /* WIRE_IMAGE: the picture's bytes follow in `bytes`, the sender makes the chunks */
    char *id, *title, *mime; /* picture only */
    size_t size;
    char bytes[]; /* a line without `seq`, or the picture */
};

/* A control that came, from its arrival to its answer. */
struct control {
    struct control *next;
    struct wire_frame frame;
};

/* An id is in the table from its arrival; line == NULL: not answered yet. */
struct answer {
    char *id;
    char *line; /* without `seq` */
    size_t size;
    enum wire_kind kind;
};

struct param {
    char *name, *help;
    enum tb_type type;
    double value, min, max;
    char *text;
    bool has_min, has_max, min_open, live;
    char **choices;
    size_t choices_count;
};

struct sender;

struct tb_run {
    bool inert;          /* nothing is sent; parameters keep their values */
    unsigned generation; /* of forks: differs in a child */

    /* training thread */
    struct param *params;
    size_t params_count;
    struct tb_command *commands;
    size_t commands_count;
    bool (*accept)(void *, const struct tb_change *, size_t, char *, size_t);
    void *user;
    char *name;
    int64_t total_steps, batch;
    double epoch;
    int64_t last_ms;
    clockid_t clock;
    bool begun; /* a row, tb_started or a step boundary was there: too late for "before step 1" */
    bool paused, stop, stop_save, save, set;
    char *pause_id, *resume_id, *save_id; /* the controls that their events answer; NULL: none */
    uint64_t images;
    int64_t gap_from, gap_to, gap_rows;

    /* both */
    struct ring ring;
    _Atomic int64_t step;    /* last one the training thread named */
    _Atomic int64_t time_ms; /* t_ms of the last event */
    _Atomic uint64_t dropped;
    _Atomic int64_t number; /* the run's, from welcome */
    _Atomic bool closing, pending, has_messages;
    int wake_fd; /* eventfd: the training thread has something urgent */
    char instance[33];

    pthread_mutex_t lock;
    pthread_cond_t changed; /* something came from the bot */
    struct message *messages, **messages_tail;
    size_t messages_bytes;
    struct control *controls, **controls_tail;
    struct wire_frame *welcome; /* the first one, until its parameters are taken */
    bool welcomed, ended;       /* ended: the sender has nothing more to do */
    struct answer answers[RUN_ANSWERS];
    size_t answers_next;
    char *hello; /* the line without its closing brace; next_seq follows */
    size_t hello_size;

    struct sender *sender;
    pthread_t thread;
    bool has_thread;
    struct tb_run *next_open; /* registry */
};

/* registry.c: open runs, for fork and exit. */
void registry_add(struct tb_run *run);
void registry_remove(struct tb_run *run);
extern _Atomic unsigned registry_forks;

/* true: calls on it do nothing. */
static inline bool run_dead(const struct tb_run *run) {
    return run->inert || run->generation != atomic_load_explicit(&registry_forks, memory_order_relaxed);
}

/* run.c */
void run_end(struct tb_run *run); /* flushes and joins the sender; the run is inert then */
int64_t run_now_ms(struct tb_run *run);
char *text_copy(const char *text); /* NULL stays NULL */

/* report.c */
void report_frame(struct tb_run *run, struct wire_frame *frame);
/* The frame as a line without seq, its texts shortened until it fits. Caller frees; NULL: no memory. */
char *report_line(struct wire_frame *frame, size_t *ret_size);
void report_event(struct tb_run *run, struct wire_event *event, int64_t step);
void report_note(struct tb_run *run, int64_t step, const char *format, ...) __attribute__((format(printf, 3, 4)));
void report_gap(struct tb_run *run);                            /* rows that the full ring refused, if any */
void message_push(struct tb_run *run, struct message *message); /* takes */
void message_free(struct message *message);
void run_wake(struct tb_run *run);
/* Queues a picture; its id (caller frees), or NULL. */
char *report_image(struct tb_run *run, const char *title, const char *mime, const void *bytes, size_t size);

/* params.c */
int params_init(struct tb_run *run, const struct tb_param *params, size_t count);
void params_release(struct tb_run *run);
struct param *param_find(const struct tb_run *run, const char *name);
void param_show(const struct param *param, struct wire_value *ret);
/* Checks and applies all or nothing. 0: `old_values` and `new_values` (count each) hold what was and is, borrowed until
 * the next change; negative: `why` says why. before_start: those that are not live may change too. */
int params_set(struct tb_run *run, const struct wire_named *named, size_t count, bool before_start,
               struct wire_named *old_values, struct wire_named *new_values, char *why, size_t why_size);
void params_forget(struct tb_run *run, const struct wire_named *old_values, size_t count);

/* hello.c */
int hello_build(struct tb_run *run); /* under lock when the sender runs; 0 or negative */

/* control.c */
void control_welcome(struct tb_run *run, bool before_start);
void control_refuse_all(struct tb_run *run, const char *why);

/* sender.c */
struct sender *sender_create(struct tb_run *run, const char *socket_path, char *spool_path, uint64_t spool_max);
void sender_free(struct sender *sender);
void *sender_main(void *sender); /* the thread */
void sender_close_in_child(struct sender *sender);

#endif
