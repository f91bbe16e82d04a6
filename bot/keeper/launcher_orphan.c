/*
 * A trainer whose keeper was killed goes on: it holds the read end of its own output pipe (keeper_child.c), and here is
 * the reader, so that the pipe never fills: what it prints from then on is discarded. How it ends stays unknown.
 */
#include "launcher_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void orphan_ended(struct watch *watch) {
    watch_destroy(watch);
}

static void drain_ready(struct watch *watch) {
    static char discarded[64 * 1024];
    ssize_t size = read(watch->drain->fd, discarded, sizeof discarded);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) link_close(&watch->drain);
}

static bool same_boot(const struct kept *kept) {
    char boot[64] = "";
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file) return false;
    bool read = fgets(boot, sizeof boot, file) != NULL;
    fclose(file);
    boot[strcspn(boot, "\n")] = '\0';
    return read && !strcmp(boot, kept->boot);
}

/* The trainer's descriptor is only opened where it is the very pipe that the keeper made. */
static void drain_open(struct watch *watch, const struct kept *kept) {
    char path[64];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)kept->pid, (int)kept->guard_fd);
    if (kept->guard_fd < 0 || stat(path, &st) < 0 || !S_ISFIFO(st.st_mode) || (int64_t)st.st_ino != kept->pipe_inode)
        return;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) watch->drain = link_open(watch, fd, drain_ready);
}

bool orphan_watch(struct watch *watch, const struct kept *kept) {
    if (kept->pid <= 1 || !same_boot(kept)) return false;
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)kept->pid, 0);
    int64_t start, ticks, rss;
    /* the pidfd first: what /proc says afterwards is about the process that the pidfd holds, or about none */
    if (fd < 0 || !process_stat((pid_t)kept->pid, &start, &ticks, &rss) || start != kept->start_ticks) {
        if (fd >= 0) close(fd);
        return false;
    }
    watch->pid = (pid_t)kept->pid;
    watch->start_ticks = kept->start_ticks;
    watch->process = link_open(watch, fd, orphan_ended);
    if (watch->process) drain_open(watch, kept);
    return watch->process != NULL;
}
