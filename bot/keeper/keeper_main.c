/*
 * trainbot-keeper: its command line, its first acts (close what was inherited, leave the session) and the way into the
 * loop. With --exec it only cleans up and becomes the command: the bot runs short commands through it.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char usage[] =
    "usage: trainbot-keeper --run-dir DIR [--directory DIR] [--nofile SOFT:HARD] [--control] -- COMMAND [ARG…]\n"
    "       trainbot-keeper --exec [--directory DIR] [--nofile SOFT:HARD] -- COMMAND [ARG…]\n"
    "Starts COMMAND in a session of its own and stays as its parent: keeps its output in DIR/output.log, writes how "
    "it\n"
    "ended to DIR/exit, listens on DIR/keeper.sock. --control: descriptor 3 is a first connection.\n";

int64_t keeper_mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void close_from(unsigned first) {
    if (close_range(first, ~0U, 0) == 0) return;
    struct rlimit limit;
    unsigned end =
        getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < (1 << 20) ? (unsigned)limit.rlim_max : 1 << 20;
    for (unsigned fd = first; fd < end; fd++)
        close((int)fd);
}

static bool parse_nofile(const char *text, struct rlimit *ret) {
    char *end;
    errno = 0;
    ret->rlim_cur = strtoull(text, &end, 10);
    if (errno || end == text || *end != ':') return false;
    text = end + 1;
    ret->rlim_max = strtoull(text, &end, 10);
    return !errno && end != text && !*end && ret->rlim_cur <= ret->rlim_max;
}

/* false: the command line makes no sense. */
static bool parse_options(char **argv, struct keeper_options *options, bool *exec_only) {
    char **at = argv[0] ? argv + 1 : argv;
    for (; *at && strcmp(*at, "--"); at++) {
        if (!strcmp(*at, "--control")) {
            options->control = true;
        } else if (!strcmp(*at, "--exec")) {
            *exec_only = true;
        } else if (!strcmp(*at, "--run-dir") && at[1]) {
            options->run_dir = *++at;
        } else if (!strcmp(*at, "--directory") && at[1]) {
            options->directory = *++at;
        } else if (!strcmp(*at, "--nofile") && at[1]) {
            options->has_nofile = true;
            if (!parse_nofile(*++at, &options->nofile)) return false;
        } else {
            return false;
        }
    }
    if (!*at || !at[1]) return false;
    options->argv = at + 1;
    return *exec_only ? !options->run_dir && !options->control : options->run_dir != NULL;
}

static int exec_command(const struct keeper_options *options) {
    close_from(3);
    child_reset(options);
    if (options->directory && chdir(options->directory) < 0) {
        fprintf(stderr, "cannot enter %s: %s\n", options->directory, strerror(errno));
        return 126;
    }
    execvp(options->argv[0], options->argv);
    fprintf(stderr, "cannot run %s: %s\n", options->argv[0], strerror(errno));
    return 127;
}

/* Descriptors 0 to 2 on /dev/null, nothing else but the control. */
static int clean_descriptors(const struct keeper_options *options) {
    close_from(options->control ? KEEPER_CONTROL_FD + 1 : KEEPER_CONTROL_FD);
    if (options->control && fcntl(KEEPER_CONTROL_FD, F_SETFD, FD_CLOEXEC) < 0) return -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return -1;
    for (int fd = 0; fd < 3; fd++)
        if (null != fd && dup2(null, fd) < 0) return -1;
    if (null > 2) close(null);
    return 0;
}

/* Goes on in a grandchild that no longer is the bot's child, session or terminal. */
static int leave_session(void) {
    pid_t pid = fork();
    if (pid < 0) return -1;
    if (pid > 0) _exit(0);
    setsid();
    pid = fork();
    if (pid < 0) return -1;
    if (pid > 0) _exit(0);
    return 0;
}

static int enter_run_dir(struct keeper *k, const char *run_dir) {
    k->dir_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->dir_fd < 0 || fchdir(k->dir_fd) < 0) {
        keeper_say(k, "cannot enter %s: %s", run_dir, strerror(errno));
        return -1;
    }
    return 0;
}

/* The one place that decides that this run is started, once. -1: it was already, by another keeper. */
static int claim_run(struct keeper *k) {
    k->lock_fd = openat(k->dir_fd, "keeper", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (k->lock_fd >= 0 && flock(k->lock_fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno == EEXIST) {
        keeper_say(k, "this run was started before");
    } else {
        keeper_say(k, "cannot write in the run's directory: %s", strerror(errno));
    }
    return -1;
}

/* What a bot needs to know about the trainer when no keeper answers any more. */
static void write_state(const struct keeper *k) {
    char boot[64] = "", text[384];
    struct stat st = {0};
    fstat(k->pipe_read, &st);
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t size = read(fd, boot, sizeof boot - 1);
        boot[size > 0 ? strcspn(boot, "\n") : 0] = '\0';
        close(fd);
    }
    int n =
        snprintf(text, sizeof text,
                 RECORD_FIRST_LINE "\nkeeper %d\npid %d\nstart %" PRId64 "\nguard %d\npipe %" PRIu64 "\nboot %s\nend\n",
                 (int)getpid(), (int)k->pid, k->start_ticks, KEEPER_GUARD_FD, (uint64_t)st.st_ino, boot);
    if (pwrite(k->lock_fd, text, (size_t)n, 0) < n) return; /* a full disk: such a bot will say lost, which is true */
}

/* Blocks of the disk for the record, taken while there are some. */
static void reserve_record(const struct keeper *k) {
    int fd = openat(k->dir_fd, "exit.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return;
    if (posix_fallocate(fd, 0, RECORD_BYTES_MAX)) unlinkat(k->dir_fd, "exit.new", 0);
    close(fd);
}

static void lower_oom_score(void) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "-900", 4) < 0) errno = 0; /* only root may; then the trainer is the likelier victim by its size */
    close(fd);
}

static int keep(struct keeper *k, const struct keeper_options *options) {
    if (enter_run_dir(k, options->run_dir) < 0 || claim_run(k) < 0) {
        k->dir_fd = -1; /* leave no trace in a directory that is not ours */
        keeper_not_started(k);
        return 1;
    }
    reserve_record(k);
    oom_open(&k->oom, "/proc", "/sys/fs/cgroup", keeper_mono_ms());
    sigset_t all, some;
    sigfillset(&all);
    sigemptyset(&some);
    sigaddset(&some, SIGCHLD);
    sigprocmask(SIG_SETMASK, &all, NULL); /* a keeper ends with its trainer, or by SIGKILL */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    k->signal_fd = signalfd(-1, &some, SFD_CLOEXEC | SFD_NONBLOCK);
    if (k->signal_fd < 0 || control_listen(k) < 0) {
        keeper_say(k, "cannot listen on keeper.sock: %s", strerror(errno));
    } else if (child_start(k, options) == 0) {
        lower_oom_score();
        write_state(k);
        if (output_log_open(&k->log, k->dir_fd, &output_log_default) == 0) {
            if (options->control) control_add(k, KEEPER_CONTROL_FD);
            keeper_loop(k);
            return 0;
        }
        kill(-k->pid, SIGKILL);
        k->pid = 0;
        keeper_say(k, "cannot start a thread: %s", strerror(errno));
    }
    keeper_not_started(k);
    return 1;
}

int main(int argc, char **argv) {
    (void)argc;
    static struct keeper keeper;
    struct keeper_options options = {0};
    bool exec_only = false;
    if (!parse_options(argv, &options, &exec_only)) {
        fputs(usage, stderr);
        return 2;
    }
    if (exec_only) return exec_command(&options);
    if (clean_descriptors(&options) < 0 || leave_session() < 0) _exit(1);
    struct keeper *k = &keeper;
    k->umask_before = umask(077);
    k->dir_fd = k->lock_fd = k->listen_fd = k->signal_fd = k->pipe_read = k->pipe_write = -1;
    k->leftovers_kill_ms = -1;
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
        k->clients[i].fd = -1;
    lines_init(&k->lines);
    if (options.control) k->clients[0].fd = KEEPER_CONTROL_FD;
    int status = keep(k, &options);
    _exit(status);
}
