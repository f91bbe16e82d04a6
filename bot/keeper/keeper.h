/*
 * keeper.h: the keeper's one state and what its files share. One keeper keeps one trainer: it is its parent, reads its
 * output, passes signals on, and tells how it ended. It waits in one poll without a timer, allocates nothing once it
 * runs, and never waits for the bot or for a disk.
 *
 * Control (runs/N/keeper.sock, and descriptor 3 at the start), version 1, lines:
 *   keeper → bot   hello 1 pid PID start TICKS      the trainer was executed; TICKS: its starttime in /proc/PID/stat
 *                  the lines of record.h            it ended (without a hello before: it was never executed)
 *                  signalled N ERRNO | unknown      the answer to a request
 *   bot → keeper   signal N
 *
 * runs/N/keeper is made once with O_EXCL, so a run is never started twice, and is locked (flock) while the keeper
 * lives.
 */
#ifndef TRAINBOT_KEEPER_H
#define TRAINBOT_KEEPER_H

#include "lines.h"
#include "oom.h"
#include "output_log.h"
#include "record.h"
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/types.h>

#define KEEPER_CONTROL_FD 3
#define KEEPER_CLIENTS_MAX 8
#define KEEPER_GUARD_FD 200 /* in the trainer: the read end of its own output pipe, see keeper_child.c */
#define KEEPER_READ_BYTES (64 * 1024)

struct keeper_options {
    const char *run_dir, *directory;
    bool control; /* descriptor 3 is the bot */
    bool has_nofile;
    struct rlimit nofile;
    char **argv;
};

struct client {
    int fd; /* -1: free */
    size_t used;
    char line[128];
};

struct keeper {
    int dir_fd, lock_fd, listen_fd, signal_fd;
    int pipe_read, pipe_write; /* the trainer's output; write end only until it is started */
    mode_t umask_before;
    pid_t pid; /* trainer and process group; 0: never executed */
    int64_t start_ticks;
    bool ended, asked_to_end; /* asked: a signal that ends was passed on */
    int asked_signal;
    int64_t leftovers_kill_ms; /* monotonic; -1: nothing to kill */
    struct record record;
    size_t record_size;
    char record_text[RECORD_BYTES_MAX];
    struct lines lines;
    struct oom oom;
    struct client clients[KEEPER_CLIENTS_MAX];
    /* output that the log had no room for: reading stops for a moment, then it is dropped */
    size_t held, held_size;
    int64_t held_since_ms, patience_ms, patience_at_ms;
    bool dropping;
    size_t to_drop;
    char output[KEEPER_READ_BYTES];
    struct output_log log;
};

int64_t keeper_mono_ms(void);

/* keeper_child.c: 0, or -1 with the reason as the last line of k->lines and nothing started. */
int child_start(struct keeper *k, const struct keeper_options *options);
/* Limits, signals and mask as a fresh program expects them; for a child about to exec. */
void child_reset(const struct keeper_options *options);
/* One line into k->lines, in printf's manner. */
__attribute__((format(printf, 2, 3))) void keeper_say(struct keeper *k, const char *format, ...);

/* keeper_control.c */
int control_listen(struct keeper *k); /* keeper.sock in the current directory; 0 or -1 (errno) */
void control_accept(struct keeper *k);
void control_add(struct keeper *k, int fd); /* takes fd; greets it */
void control_read(struct keeper *k, struct client *client);
void control_tell_end(struct keeper *k);
void control_close(struct keeper *k);

/* keeper_group.c: signals that cannot hit a stranger: the group while its leader is unreaped, else our own children. */
int group_signal(struct keeper *k, int signal); /* 0 or errno */
void group_end_leftovers(struct keeper *k, int signal);

/* keeper_output.c */
void output_read(struct keeper *k);            /* once */
void output_drain(struct keeper *k);           /* what is in the pipe now, bounded */
void output_room(struct keeper *k);            /* the log has room again */
int output_timeout_ms(const struct keeper *k); /* how long the held output may still wait; -1: none is held */
void output_give_up(struct keeper *k);         /* if that time is over */
void output_settle(struct keeper *k);          /* before the record: held and dropped bytes are accounted for */

/* keeper_loop.c: until no descendant is left. */
void keeper_loop(struct keeper *k);
/* For a trainer that was never executed: tells it and leaves the exit file. */
void keeper_not_started(struct keeper *k);

#endif
