/*
 * launcher.h: what core needs to start a trainer, end it, and learn how it ended. bot/keeper implements it: each trainer
 * has a small process of ours as its parent (the keeper) in a session of its own, which outlives the bot.
 * Loop thread only.
 */
#ifndef TRAINBOT_LAUNCHER_H
#define TRAINBOT_LAUNCHER_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct launcher;

struct launch {
    int64_t run;
    char *const *argv;      /* complete, NULL-terminated; no shell */
    char *const *env;       /* "NAME=value" to add or replace, NULL-terminated; TRAINBOT_* among them */
    const char *directory;  /* working directory */
    const char *run_dir;    /* STATE_DIR/runs/N, exists: output.log, exit, keeper.sock go there */
};

#define PROCESS_LINES_MAX 20

struct process_end {
    int exit_code;          /* -1 when ended by a signal or unknown */
    int signal;             /* 0 none */
    bool oom;               /* the cgroup's or the kernel's oom counter rose while it died */
    bool not_started;       /* exec failed; `lines` says why */
    const char *lines[PROCESS_LINES_MAX]; /* last output lines, oldest first, UTF-8 repaired, at most 400 bytes each */
    size_t lines_count;
    int64_t ended_ms;       /* Unix ms */
};

/* What core hears. Called from the loop, never from inside a launcher_ function. Borrowed until return. */
struct launcher_events {
    void (*started)(void *user, int64_t run, int64_t pid);
    void (*ended)(void *user, int64_t run, const struct process_end *end);
    /* The keeper is gone and left no exit file: how it ended is, or will be, unknown. The trainer itself may still live;
     * then launcher_signal and launcher_usage go on working until it ends, which is not told. */
    void (*lost)(void *user, int64_t run);
    void *user;
};

/* TB_OK: the keeper runs; started or ended follows. Negative: `why` says it in one line. */
MUST_USE int launcher_start(struct launcher *launcher, const struct launch *launch, char *why, size_t why_size);
/* After a restart of the bot: watches the run's keeper again. started follows (again) where the trainer
 * lives, ended or lost where it is over. */
MUST_USE int launcher_adopt(struct launcher *launcher, int64_t run, const char *run_dir);
/* Signal to the trainer's process group, through the keeper. */
MUST_USE int launcher_signal(struct launcher *launcher, int64_t run, int signal);
/* CPU share since the last call in percent of one core (-1 unknown) and resident bytes of the group's leader. */
MUST_USE int launcher_usage(struct launcher *launcher, int64_t run, double *ret_cpu_percent, int64_t *ret_rss_bytes);

/* Runs a short command (describe, --call) with a time limit, output captured (1 MiB cap). done is called from the loop,
 * output borrowed until return, NUL-terminated; what went to stderr only where it failed without other output.
 * exit_code: from 0 the command's; TB_ETIMEDOUT, TB_EGONE (ended by a signal), TB_ERANGE (too much output: killed). */
typedef void launcher_output_cb(void *user, int exit_code, const char *output, size_t size);
MUST_USE int launcher_capture(struct launcher *launcher, char *const *argv, char *const *env, const char *directory,
                              int64_t timeout_ms, launcher_output_cb *done, void *user);

#endif
