/*
 * One poll. The trainer's end goes to the connected bot first, from memory; then the log's thread writes the exit file
 * (beside, fsync, rename), which may take as long as the disk likes; then the socket goes. The keeper stays until the
 * last descendant is gone, and ends those itself only when a stop was asked for.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEFTOVERS_GRACE_MS 10000
#define OOM_LOOK_MS 5000

static int64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* On the log's thread. An unlinked directory (the run was deleted) is no reason to try again. */
static int save_record(void *user) {
    const struct keeper *k = user;
    int fd = openat(k->dir_fd, "exit.new", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    ssize_t size = pwrite(fd, k->record_text, k->record_size, 0);
    bool good = size == (ssize_t)k->record_size && ftruncate(fd, size) == 0 && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    if (good) good = renameat(k->dir_fd, "exit.new", k->dir_fd, "exit") == 0;
    if (good) fsync(k->dir_fd);
    return good ? 0 : -1;
}

static void fill_record(struct keeper *k) {
    k->record.ended_ms = wall_ms();
    k->record.lines_count = lines_get(&k->lines, k->record.lines);
    k->record_size = record_format(&k->record, k->record_text);
}

void keeper_not_started(struct keeper *k) {
    k->record = (struct record){.started = false, .exit_code = -1};
    fill_record(k);
    control_tell_end(k);
    if (k->dir_fd >= 0) save_record(k);
    control_close(k);
}

static void trainer_ended(struct keeper *k, int status) {
    k->record = (struct record){.started = true, .exit_code = -1};
    if (WIFEXITED(status)) k->record.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) k->record.signal = WTERMSIG(status);
    bool killed = k->record.signal == SIGKILL && k->asked_signal != SIGKILL;
    k->record.oom = killed && oom_rose(&k->oom, keeper_mono_ms());
    output_drain(k);
    k->ended = true;
    k->record.dropped = output_log_dropped(&k->log) + (int64_t)k->to_drop;
    fill_record(k);
    control_tell_end(k);
    if (k->to_drop) output_log_drop(&k->log, k->to_drop);
    k->to_drop = 0;
    output_log_save(&k->log, save_record, k);
    if (!k->asked_to_end) return;
    group_end_leftovers(k, k->asked_signal);
    k->leftovers_kill_ms = keeper_mono_ms() + (k->asked_signal == SIGKILL ? 0 : LEFTOVERS_GRACE_MS);
}

/* false: no descendant is left. */
static bool reap(struct keeper *k) {
    struct signalfd_siginfo info;
    while (read(k->signal_fd, &info, sizeof info) > 0)
        ;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) return true;
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return false;
        if (pid == k->pid && !k->ended) trainer_ended(k, status);
    }
}

enum {
    SLOT_SIGNAL,
    SLOT_PIPE,
    SLOT_ROOM,
    SLOT_LISTEN,
    SLOT_OOM,
    SLOT_CLIENTS,
    SLOTS = SLOT_CLIENTS + KEEPER_CLIENTS_MAX
};

static void fill_slots(const struct keeper *k, struct pollfd slots[SLOTS]) {
    slots[SLOT_SIGNAL] = (struct pollfd){.fd = k->signal_fd, .events = POLLIN};
    slots[SLOT_PIPE] = (struct pollfd){.fd = k->held_size ? -1 : k->pipe_read, .events = POLLIN};
    slots[SLOT_ROOM] = (struct pollfd){.fd = k->log.room_fd, .events = POLLIN};
    slots[SLOT_LISTEN] = (struct pollfd){.fd = k->listen_fd, .events = POLLIN};
    slots[SLOT_OOM] = (struct pollfd){.fd = k->oom.notifies ? k->oom.fd : -1, .events = POLLPRI};
    for (int i = 0; i < KEEPER_CLIENTS_MAX; i++)
        slots[SLOT_CLIENTS + i] = (struct pollfd){.fd = k->clients[i].fd, .events = POLLIN};
}

static int timeout_ms(const struct keeper *k) {
    int timeout = output_timeout_ms(k);
    if (k->leftovers_kill_ms < 0) return timeout;
    int64_t left = k->leftovers_kill_ms - keeper_mono_ms();
    int until_kill = left > 0 ? (int)left : 0;
    return timeout < 0 || until_kill < timeout ? until_kill : timeout;
}

static void handle_slots(struct keeper *k, const struct pollfd slots[SLOTS]) {
    if (slots[SLOT_ROOM].revents) {
        uint64_t count;
        if (read(k->log.room_fd, &count, sizeof count) > 0) output_room(k);
    }
    output_give_up(k);
    if (slots[SLOT_PIPE].revents) output_read(k);
    int64_t now = keeper_mono_ms();
    if (slots[SLOT_OOM].revents || (k->oom.fd >= 0 && !k->ended && now - k->oom.seen_ms >= OOM_LOOK_MS))
        oom_look(&k->oom, now);
    for (int i = 0; i < KEEPER_CLIENTS_MAX; i++)
        if (slots[SLOT_CLIENTS + i].revents && k->clients[i].fd >= 0) control_read(k, &k->clients[i]);
    if (slots[SLOT_LISTEN].revents) control_accept(k);
    if (k->leftovers_kill_ms >= 0 && now >= k->leftovers_kill_ms) {
        group_end_leftovers(k, SIGKILL); /* their own children become ours when they die; a little later again */
        k->leftovers_kill_ms = now + 100;
    }
}

void keeper_loop(struct keeper *k) {
    bool family = true, saved = false;
    while (family || !saved) {
        struct pollfd slots[SLOTS];
        fill_slots(k, slots);
        if (!family) slots[SLOT_SIGNAL].fd = slots[SLOT_PIPE].fd = -1;
        if (poll(slots, SLOTS, family ? timeout_ms(k) : -1) < 0 && errno != EINTR) break;
        handle_slots(k, slots);
        if (family && slots[SLOT_SIGNAL].revents) family = reap(k);
        if (!saved && k->ended && output_log_saved(&k->log)) {
            control_close(k);
            saved = true;
        }
    }
    output_drain(k);
    output_log_close(&k->log);
}
