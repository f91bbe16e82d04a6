/*
 * launcher_impl.h: what the launcher's files share. A watch is one run: it lives from start or adopt until its end was
 * told. Handles are counted; the launcher is freed when it is closing and the last one is closed.
 */
#ifndef TRAINBOT_LAUNCHER_IMPL_H
#define TRAINBOT_LAUNCHER_IMPL_H

#include "launcher_uv.h"
#include "record.h"
#include <sys/types.h>

struct capture;
struct watch;

struct launcher {
    uv_loop_t *loop;
    char *keeper_path;
    struct launcher_events events;
    char nofile[48]; /* "SOFT:HARD" */
    struct watch *watches;
    struct capture *captures;
    size_t handles;
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
};

/* A descriptor on the loop. Freed by link_close, which closes the descriptor. */
struct link {
    uv_poll_t poll;
    int fd;
    struct watch *watch;
    void (*ready)(struct watch *watch);
};

struct watch {
    struct launcher *launcher;
    struct watch *next;
    int64_t run;
    char *run_dir;
    bool listed, closing;
    bool started_here; /* by launcher_start of this process, no hello as yet */
    bool told_started, told_lost;
    uv_timer_t timer;
    uint64_t retry_ms;
    struct link *control, *process, *drain; /* the keeper; an orphan's pidfd and its output pipe */
    char *text;                             /* what came on control, not yet read */
    size_t size, room;
    pid_t pid; /* 0 unknown */
    int64_t start_ticks;
    int64_t cpu_ticks; /* for usage: as of cpu_ns */
    uint64_t cpu_ns;
    double cpu_percent;
};

/* The file runs/N/keeper. */
struct kept {
    int64_t pid, start_ticks, guard_fd, pipe_inode;
    char boot[64];
};

/* launcher.c */
void handle_opened(struct launcher *launcher);
void handle_closed(struct launcher *launcher);
/* "cannot run PATH: reason" into why; the TB_E… code for libuv's. */
int spawn_refused(const struct launcher *launcher, int uv_error, char *why, size_t why_size);
/* environ with `env` added or replacing; the array is the caller's (free), the strings are borrowed. */
char **environment_make(char *const *env);

/* launcher_watch.c */
struct watch *watch_create(struct launcher *launcher, int64_t run, const char *run_dir);
struct watch *watch_find(const struct launcher *launcher, int64_t run);
void watch_destroy(struct watch *watch);                /* takes; nothing is told */
int watch_control(struct watch *watch, int fd);         /* takes fd in either case */
void watch_look_soon(struct watch *watch, uint64_t ms); /* where does this run stand? asked from the loop */
struct link *link_open(struct watch *watch, int fd, void (*ready)(struct watch *watch)); /* takes fd; NULL: no memory */
void link_close(struct link **link);

/* launcher_find.c: what a run's directory says. */
enum found { FOUND_NOTHING, FOUND_KEEPER, FOUND_DEAD };
int find_exit(const char *run_dir, char text[RECORD_BYTES_MAX], struct record *ret); /* 1 there; 0 not; -1 malformed */
int find_connect(const char *run_dir);                                               /* a socket or -1 */
enum found find_keeper(const char *run_dir, struct kept *ret); /* FOUND_KEEPER: one lives, maybe not listening yet */
bool find_claim(const char *run_dir); /* makes runs/N/keeper, so that no late keeper starts this run any more */

/* launcher_orphan.c: a trainer whose keeper is gone. false: that trainer is gone too. */
bool orphan_watch(struct watch *watch, const struct kept *kept);

/* launcher_usage.c: false: there is no such process. */
bool process_stat(pid_t pid, int64_t *ret_start_ticks, int64_t *ret_cpu_ticks, int64_t *ret_rss_bytes);

/* launcher_capture.c */
void capture_cancel_all(struct launcher *launcher);

#endif
