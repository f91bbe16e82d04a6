/*
 * A process id is only safe to signal while its zombie is ours to reap. So: the whole group while its leader is
 * unreaped; afterwards, what is left of the family, which the kernel hands to us (subreaper), one by one.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int group_signal(struct keeper *k, int signal) {
    if (signal < 0 || signal >= NSIG) return EINVAL;
    if (k->pid <= 0 || k->ended) return ESRCH;
    if (signal == SIGTERM || signal == SIGINT || signal == SIGKILL || signal == SIGQUIT || signal == SIGHUP) {
        k->asked_to_end = true;
        k->asked_signal = signal;
    }
    return kill(-k->pid, signal) < 0 ? errno : 0;
}

/* /proc/self/task/TID/children: "123 456 "; only our own children, so none of these ids can have been reused. */
void group_end_leftovers(struct keeper *k, int signal) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    bool group_done = false;
    for (;;) { /* a full buffer may end within a number: then only what is before the last blank counts, next time more
                */
        ssize_t size = read(fd, text, sizeof text - 1);
        if (size <= 0) break;
        text[size] = '\0';
        char *last = strrchr(text, ' ');
        if (last) last[1] = '\0';
        char *rest;
        for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
            int64_t pid;
            if (!record_number(word, &pid) || pid <= 1) continue;
            if (getpgid((pid_t)pid) == k->pid) {
                if (!group_done) kill(-k->pid, signal);
                group_done = true;
            } else {
                kill((pid_t)pid, signal);
            }
        }
        break;
    }
    close(fd);
}
