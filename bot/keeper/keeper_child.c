/*
 * Starts the trainer: its own process group, stdin /dev/null, output into our pipe, limits, mask and dispositions as if
 * nobody had been there before. What goes wrong up to and including exec comes back through a pipe that exec closes.
 *
 * The trainer also holds the read end of its output pipe, at a high descriptor. Without it a SIGKILL of the keeper
 * would break the pipe and the trainer's next print would end it (SIGPIPE). With it the pipe only fills (1 MiB), and
 * the bot, which sees the keeper go, reads and discards through /proc/PID/fd from then on (launcher_orphan.c).
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)

struct failure {
    int error;
    bool directory; /* entering it failed, else running the command */
};

void keeper_say(struct keeper *k, const char *format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    lines_add(&k->lines, text, strlen(text));
    lines_add(&k->lines, "\n", 1);
}

void child_reset(const struct keeper_options *options) {
    for (int signal_number = 1; signal_number < NSIG; signal_number++)
        signal(signal_number, SIG_DFL); /* SIGKILL, SIGSTOP and libc's own refuse, rightly */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    struct rlimit limit = options->nofile, now;
    if (!options->has_nofile || setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
    if (getrlimit(RLIMIT_NOFILE, &now) == 0) { /* the hard limit may not be raised: at least the soft one */
        now.rlim_cur = limit.rlim_cur < now.rlim_max ? limit.rlim_cur : now.rlim_max;
        setrlimit(RLIMIT_NOFILE, &now);
    }
}

static void child_main(struct keeper *k, const struct keeper_options *options, int report_fd) {
    struct failure failure = {0};
    setpgid(0, 0);
    umask(k->umask_before);
    dup2(k->pipe_read, KEEPER_GUARD_FD); /* without CLOEXEC */
    dup2(k->pipe_write, STDOUT_FILENO);
    dup2(k->pipe_write, STDERR_FILENO);
    child_reset(options);
    if (options->directory && chdir(options->directory) < 0) {
        failure.directory = true;
    } else {
        execvp(options->argv[0], options->argv);
    }
    failure.error = errno;
    if (write(report_fd, &failure, sizeof failure) < 0) _exit(126);
    _exit(127);
}

static int64_t read_start_ticks(pid_t pid) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (size <= 0) return 0;
    text[size] = '\0';
    char *at = strrchr(text, ')'); /* the name before may hold anything; starttime is the 20th field behind it */
    for (int field = 0; at && field < 20; field++)
        at = strchr(at + 1, ' ');
    if (!at) return 0;
    at++;
    at[strcspn(at, " ")] = '\0';
    int64_t ticks;
    return record_number(at, &ticks) ? ticks : 0;
}

static int make_pipe(struct keeper *k) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) return -1;
    k->pipe_read = ends[0];
    k->pipe_write = ends[1];
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* where the user has no such share left, 64 KiB */
    return fcntl(ends[0], F_SETFL, O_NONBLOCK);
}

static void say_failure(struct keeper *k, const struct keeper_options *options, const struct failure *failure) {
    const char *command = options->argv[0];
    if (failure->directory) {
        keeper_say(k, "cannot enter %s: %s", options->directory, strerror(failure->error));
    } else {
        keeper_say(k, "cannot run %s: %s", *command ? command : "\"\"", strerror(failure->error));
    }
}

int child_start(struct keeper *k, const struct keeper_options *options) {
    int report[2];
    if (make_pipe(k) < 0 || pipe2(report, O_CLOEXEC) < 0) {
        keeper_say(k, "cannot make a pipe: %s", strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) child_main(k, options, report[1]);
    int fork_error = errno;
    close(report[1]);
    close(k->pipe_write);
    k->pipe_write = -1;
    struct failure failure;
    ssize_t size = 0;
    if (pid > 0) {
        setpgid(pid, pid); /* in both: whoever is first */
        while ((size = read(report[0], &failure, sizeof failure)) < 0 && errno == EINTR)
            ;
    }
    close(report[0]);
    if (pid < 0) {
        keeper_say(k, "cannot make a process: %s", strerror(fork_error));
        return -1;
    }
    if (size == (ssize_t)sizeof failure) {
        waitpid(pid, NULL, 0);
        say_failure(k, options, &failure);
        return -1;
    }
    k->pid = pid;
    k->start_ticks = read_start_ticks(pid);
    return 0;
}
