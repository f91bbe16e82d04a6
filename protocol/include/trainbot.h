/*
 * trainbot.h: report a training's progress, and let a person steer it from a chat.
 *
 * The publisher. One call opens a run, one call a step logs its numbers, one call a step takes what the person
 * asked for. Whatever happens to the bot (absent, stopped, killed, hostile), the training goes on unharmed:
 * tb_log never blocks, takes no lock, makes no system call and allocates nothing; everything else is done by one
 * sender thread with all signals blocked. Nothing here prints, exits, or raises a signal.
 *
 * Threads: every function belongs to the one thread that opened the run ("the training thread").
 * Forks: in a forked child every call is inert. Where the environment's RANK is set and not 0, likewise.
 * Environment: TRAINBOT_SOCKET (path of the bot's socket; empty: run without a bot), TRAINBOT_RUN (run number given
 * by the launcher), TRAINBOT_RUN_DIR (where the spool file goes), TRAINBOT_SPOOL_MB (spool bound, default 1024).
 * Without TRAINBOT_SOCKET the default socket of this user's bot is used: $XDG_STATE_HOME/trainbot/trainer.sock,
 * else ~/.local/state/trainbot/trainer.sock, as root /var/lib/trainbot/trainer.sock.
 *
 * Strings are UTF-8. Strings given to tb_open are copied. Names given to tb_log and tb_progress must live as long as
 * the run (string literals are meant).
 */
#ifndef TRAINBOT_H
#define TRAINBOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TB_API __attribute__((visibility("default")))

#define TB_VALUES_MAX 16 /* values in one tb_log or tb_progress; further ones are dropped and counted */
#define TB_NAME_MAX 64   /* bytes of a metric's name, and of a parameter's (there at most 32 characters) */

struct tb_run;

enum tb_type { TB_FLOAT, TB_INT, TB_BOOL, TB_STRING, TB_ENUM };

/* A hyperparameter, declared to the person: what it is now, what it may be, and whether it takes effect while training. */
struct tb_param {
    const char *name;    /* [A-Za-z_][A-Za-z0-9_]* or Chinese, at most 32 characters */
    enum tb_type type;
    double value;        /* TB_FLOAT, TB_INT, TB_BOOL (0 or 1): the value at the start */
    const char *text;    /* TB_STRING, TB_ENUM: the value at the start */
    double min, max;     /* TB_FLOAT, TB_INT: inclusive range; min == max means no bound */
    bool min_open;       /* true: min itself is excluded, as in lr in (0, 1] */
    const char *choices; /* TB_ENUM: "adam|sgd" */
    bool live;           /* false: only the next start takes a new value */
    const char *help;    /* one line */
};

struct tb_reply; /* the answer of a command; valid only during the callback */

/* A command of this training's own ("recognize 10"). Runs on the training thread, inside tb_poll or tb_wait. */
struct tb_command {
    const char *name; /* word the person writes */
    const char *args; /* how its arguments look, for help: "[N]" */
    const char *help; /* one line */
    /* args: what followed the name (borrowed until return). 0: done; negative: refused, the reply's text says why. */
    int (*call)(void *user, const char *args, struct tb_reply *reply);
    /* Optional. The word in Chinese, further words for it behind "|", the first being shown ("滤波器|滤镜"). Where args
     * ends in "[zh|en]", the language of the one who asks comes as the last word of what call gets. */
    const char *zh;
    const char *zh_help; /* one line */
    bool reads;          /* it only looks and changes nothing: who may only watch may ask it too */
};

/* One accepted or asked-for change. Numbers in `value`; strings and enums in `text` (borrowed until return). */
struct tb_change {
    const char *name;
    enum tb_type type;
    double value;
    const char *text;
};

struct tb_options {
    const char *name;             /* the run's name as the person reads it ("cnn"); default "training" */
    int64_t total_steps;          /* 0: unknown */
    int64_t batch;                /* samples a step; 0: unknown */
    const struct tb_param *params;
    size_t params_count;
    const struct tb_command *commands;
    size_t commands_count;
    /* Optional last word on a set whose types and ranges hold. All changes of one set come in one call. Return true to
     * accept all of them; false refuses all, and `why` (size bytes) is told to the person. Called inside tb_poll. */
    bool (*accept)(void *user, const struct tb_change *changes, size_t count, char *why, size_t size);
    void *user;                   /* handed to accept and to the commands */
};

struct tb_value {
    const char *name;
    double value;                 /* any, NaN and infinities included */
};

/* Opens the run and starts its sender thread. Never NULL: where nothing can be had (no memory, no thread, rank other
 * than 0) an inert run comes back on which every call is a cheap no-op and parameters keep their start values.
 * `options` is borrowed until return. Close with tb_close. */
TB_API struct tb_run *tb_open(const struct tb_options *options);

/* The run's number with the bot, once it has welcomed us; 0 before. */
TB_API int64_t tb_run_id(const struct tb_run *run);

/* Waits until the bot has welcomed us (its parameters then hold) or `timeout_ms` passed. 0 welcomed, negative not.
 * Optional: a launcher's parameters reach the program in time when this is called before the first step. */
TB_API int tb_wait_welcome(struct tb_run *run, int timeout_ms);

/* The epoch (may be fractional) that the following rows carry; NaN: none. */
TB_API void tb_epoch(struct tb_run *run, double epoch);

/* Logs one row of metrics for completed step `step` (from 1). A full ring drops the row and counts it; the person is
 * told of the gap. `values` is borrowed until return, the names in it while the run lives. */
TB_API void tb_log(struct tb_run *run, int64_t step, const struct tb_value *values, size_t count);

/* The same for a row that a person should see (a progress line). */
TB_API void tb_progress(struct tb_run *run, int64_t step, const struct tb_value *values, size_t count);

/* TB_LOG(run, step, {"loss", loss}, {"acc", acc}); */
#define TB_LOG(run, step, ...)                                                                                         \
    tb_log((run), (step), (const struct tb_value[]){__VA_ARGS__},                                                      \
           sizeof((const struct tb_value[]){__VA_ARGS__}) / sizeof(struct tb_value))
#define TB_PROGRESS(run, step, ...)                                                                                    \
    tb_progress((run), (step), (const struct tb_value[]){__VA_ARGS__},                                                 \
                sizeof((const struct tb_value[]){__VA_ARGS__}) / sizeof(struct tb_value))

/* Rows dropped so far because the ring was full. */
TB_API uint64_t tb_dropped(const struct tb_run *run);

/* Events. They may take a lock and allocate, so they belong between steps, not into the inner loop; they never wait
 * for the bot. Texts are borrowed until return. */
TB_API void tb_started(struct tb_run *run);                                       /* the first step is about to run */
TB_API void tb_plan(struct tb_run *run, int64_t step, int64_t total_steps, int64_t batch); /* the length changed */
TB_API void tb_checkpoint(struct tb_run *run, int64_t step, const char *path, int64_t bytes);
/* The checkpoint that TB_ASK_SAVE asked for could not be written: told to who asked for it. why is borrowed. */
TB_API void tb_save_failed(struct tb_run *run, int64_t step, const char *why);
TB_API void tb_paused(struct tb_run *run, int64_t step, const char *reason);       /* reason: "asked", "nan", … */
TB_API void tb_resumed(struct tb_run *run, int64_t step);
TB_API void tb_rewound(struct tb_run *run, int64_t step); /* went back to `step`; rows after it are superseded */
TB_API void tb_note(struct tb_run *run, int64_t step, const char *text);           /* said to the person once */

/* An epoch is over: `epoch` of them are complete. `text` is what the person may read of it, one line; its numbers belong
 * into tb_progress as well, where they can be plotted. */
TB_API void tb_epoch_end(struct tb_run *run, int64_t step, double epoch, const char *text);

/* Sends a picture (PNG, JPEG or SVG; at most 8 MiB). `bytes` is copied. 0, or negative when it could not be queued. */
TB_API int tb_image(struct tb_run *run, const char *title, const char *mime, const void *bytes, size_t size);

/* What the person asked for, as bits. */
enum tb_ask {
    TB_ASK_STOP = 1,  /* finish: save where TB_ASK_SAVE is set too, then tb_close(run, "stopped") */
    TB_ASK_SAVE = 2,  /* write a checkpoint and say so with tb_checkpoint */
    TB_ASK_PAUSE = 4, /* call tb_paused, then tb_wait until it returns without TB_ASK_PAUSE, then tb_resumed */
    TB_ASK_SET = 8    /* parameters changed: read them again */
};

/* A step boundary: `step` steps are complete. Applies pending sets (all or nothing, types and ranges checked), answers
 * the commands of this run, and returns what remains for the caller to do. Costs a load when nothing is pending. */
TB_API unsigned tb_poll(struct tb_run *run, int64_t step);

/* Whether tb_poll would find something now. For a program that must bring work under way to an end first. */
TB_API bool tb_asked(const struct tb_run *run);

/* While paused: waits until something was asked (a set, a command, resume, stop, save) or `timeout_ms` passed (-1: no
 * limit), handles it as tb_poll does, and returns the bits; TB_ASK_PAUSE stays set as long as the pause holds. */
TB_API unsigned tb_wait(struct tb_run *run, int64_t step, int timeout_ms);

/* The program's own pause (NaN met): as if the person had asked; tb_wait then holds until they resume. */
TB_API void tb_pause_self(struct tb_run *run);

/* Current values of declared parameters (they change only inside tb_poll, tb_wait and tb_wait_welcome). An undeclared
 * name gives 0, false or "". The text is borrowed until the next tb_poll or tb_wait. */
TB_API double tb_float(const struct tb_run *run, const char *name);
TB_API int64_t tb_int(const struct tb_run *run, const char *name);
TB_API bool tb_bool(const struct tb_run *run, const char *name);
TB_API const char *tb_text(const struct tb_run *run, const char *name);

/* The program changed a parameter by itself (a schedule, a safety): told like an applied set. 0 or negative. */
TB_API int tb_set_float(struct tb_run *run, int64_t step, const char *name, double value);

/* Within a command's callback. */
TB_API void tb_reply_text(struct tb_reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));
TB_API int tb_reply_image(struct tb_reply *reply, const char *title, const char *mime, const void *bytes, size_t size);

/* Says how it ended ("finished", "stopped", "failed"), flushes for at most 2 s (what remains goes to the spool file),
 * joins the sender thread and frees the run. NULL is fine. */
TB_API void tb_close(struct tb_run *run, const char *status);

#ifdef __cplusplus
}
#endif
#endif
