/*
 * One run as the bot sees it: a connection to its keeper, or the search for one. Whatever goes wrong with the
 * connection, the answer is to look again at what stands in the run's directory: exit file, keeper, neither. An event
 * is the last thing that a function here does with a watch, since the event may close the launcher.
 */
#include "launcher_impl.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS 1000

static void link_closed(uv_handle_t *handle) {
    handle_closed(handle->data);
    free(handle);
}

static void link_ready(uv_poll_t *poll, int status, int events) {
    (void)status, (void)events;
    struct link *link = (struct link *)poll; /* its first member */
    if (link->watch) link->ready(link->watch);
}

struct link *link_open(struct watch *watch, int fd, void (*ready)(struct watch *watch)) {
    struct link *link = calloc(1, sizeof *link);
    if (!link || uv_poll_init(watch->launcher->loop, &link->poll, fd) < 0) {
        free(link);
        close(fd);
        return NULL;
    }
    link->fd = fd;
    link->watch = watch;
    link->ready = ready;
    link->poll.data = watch->launcher;
    handle_opened(watch->launcher);
    if (uv_poll_start(&link->poll, UV_READABLE, link_ready) < 0) link_close(&link);
    return link;
}

void link_close(struct link **link) {
    if (!*link) return;
    (*link)->watch = NULL;
    uv_close((uv_handle_t *)&(*link)->poll, link_closed);
    close((*link)->fd);
    *link = NULL;
}

struct watch *watch_find(const struct launcher *launcher, int64_t run) {
    struct watch *watch = launcher->watches;
    while (watch && watch->run != run)
        watch = watch->next;
    return watch;
}

struct watch *watch_create(struct launcher *launcher, int64_t run, const char *run_dir) {
    struct watch *watch = calloc(1, sizeof *watch);
    char *dir = strdup(run_dir);
    if (!watch || !dir) {
        free(watch);
        free(dir);
        return NULL;
    }
    watch->launcher = launcher;
    watch->run = run;
    watch->run_dir = dir;
    watch->cpu_percent = -1;
    watch->retry_ms = RETRY_FIRST_MS;
    uv_timer_init(launcher->loop, &watch->timer);
    watch->timer.data = watch;
    handle_opened(launcher);
    watch->next = launcher->watches;
    launcher->watches = watch;
    watch->listed = true;
    return watch;
}

static void watch_unlist(struct watch *watch) {
    struct watch **at = &watch->launcher->watches;
    while (watch->listed && *at != watch)
        at = &(*at)->next;
    if (watch->listed) *at = watch->next;
    watch->listed = false;
}

static void watch_closed(uv_handle_t *handle) {
    struct watch *watch = handle->data;
    struct launcher *launcher = watch->launcher;
    free(watch->run_dir);
    free(watch->text);
    free(watch);
    handle_closed(launcher);
}

void watch_destroy(struct watch *watch) {
    if (watch->closing) return;
    watch->closing = true;
    watch_unlist(watch);
    link_close(&watch->control);
    link_close(&watch->process);
    link_close(&watch->drain);
    uv_close((uv_handle_t *)&watch->timer, watch_closed);
}

/* ---- telling; the run can be started or adopted anew from inside the event ---- */

static void tell_ended(struct watch *watch, const struct record *record) {
    struct process_end end = {.exit_code = record->exit_code,
                              .signal = record->signal,
                              .oom = record->oom,
                              .not_started = !record->started,
                              .ended_ms = record->ended_ms,
                              .lines_count = record->lines_count};
    _Static_assert(PROCESS_LINES_MAX == LINES_MAX, "the keeper keeps as many lines as core shows");
    memcpy(end.lines, record->lines, sizeof end.lines);
    struct launcher_events events = watch->launcher->events;
    bool lost = watch->told_lost;
    int64_t run = watch->run;
    watch_unlist(watch);
    if (!lost && events.ended) events.ended(events.user, run, &end);
    watch_destroy(watch);
}

static void tell_not_started(struct watch *watch) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct record record = {.exit_code = -1,
                            .ended_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000,
                            .lines = {"the keeper ended before it started the program"},
                            .lines_count = 1};
    tell_ended(watch, &record);
}

/* An orphan stays with us, silently: its output needs a reader. */
static void tell_lost(struct watch *watch, bool orphan) {
    struct launcher_events events = watch->launcher->events;
    bool told = watch->told_lost;
    int64_t run = watch->run;
    watch->told_lost = true;
    if (!orphan) watch_destroy(watch);
    if (!told && events.lost) events.lost(events.user, run);
}

static void hear_hello(struct watch *watch, const char *line) {
    int version, pid;
    int64_t start;
    if (sscanf(line, "hello %d pid %d start %" SCNd64, &version, &pid, &start) != 3 || version < 1 || pid <= 1) return;
    watch->pid = pid;
    watch->start_ticks = start;
    watch->started_here = false;
    if (watch->told_started) return;
    watch->told_started = true;
    const struct launcher_events *events = &watch->launcher->events;
    if (events->started) events->started(events->user, watch->run, pid);
}

/* ---- the connection ---- */

/* false: the watch is over. Lines are short; the record is the last thing that a keeper says. */
static bool read_text(struct watch *watch) {
    for (;;) {
        if (watch->size >= 8 && !memcmp(watch->text, "trainbot", 8)) {
            struct record record;
            int status = record_parse(watch->text, watch->size, &record);
            if (status == 0) return true;
            if (status < 0) break;
            tell_ended(watch, &record);
            return false;
        }
        char *end = watch->size ? memchr(watch->text, '\n', watch->size) : NULL;
        if (!end) {
            if (watch->size < RECORD_BYTES_MAX / 2) return true;
            break;
        }
        *end = '\0';
        if (!strncmp(watch->text, "hello ", 6)) hear_hello(watch, watch->text);
        if (watch->closing) return false;
        watch->size -= (size_t)(end + 1 - watch->text);
        memmove(watch->text, end + 1, watch->size);
    }
    link_close(&watch->control); /* nonsense: look at the files instead */
    watch_look_soon(watch, RETRY_MAX_MS);
    return false;
}

static bool make_space(struct watch *watch) {
    if (watch->size + 1 < watch->room) return true;
    size_t room = watch->room ? watch->room * 2 : 512;
    if (room > 2 * RECORD_BYTES_MAX) return false;
    char *text = realloc(watch->text, room);
    if (!text) return false;
    watch->text = text;
    watch->room = room;
    return true;
}

static void control_ready(struct watch *watch) {
    for (;;) {
        ssize_t size = make_space(watch) ? recv(watch->control->fd, watch->text + watch->size,
                                                watch->room - watch->size - 1, MSG_DONTWAIT)
                                         : 0;
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            link_close(&watch->control);
            watch_look_soon(watch, 0);
            return;
        }
        watch->size += (size_t)size;
        if (!read_text(watch)) return;
    }
}

int watch_control(struct watch *watch, int fd) {
    watch->size = 0;
    watch->control = link_open(watch, fd, control_ready);
    return watch->control ? 0 : -1;
}

int launcher_signal(struct launcher *launcher, int64_t run, int signal) {
    struct watch *watch = watch_find(launcher, run);
    if (!watch) return TB_ENOTFOUND;
    if (watch->process && watch->pid > 1) /* an orphan; its leader is checked to be alive, so the group is its own */
        return kill(-watch->pid, signal) == 0 ? TB_OK : TB_EGONE;
    if (!watch->control) return TB_EGONE;
    char line[32];
    int size = snprintf(line, sizeof line, "signal %d\n", signal);
    ssize_t sent;
    while ((sent = send(watch->control->fd, line, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
        ;
    if (sent == size) return TB_OK;
    return sent < 0 && errno == EAGAIN ? TB_EBUSY : TB_EGONE;
}

/* ---- the search ---- */

/* true: it is over, and told. */
static bool look_for_exit(struct watch *watch) {
    char text[RECORD_BYTES_MAX];
    struct record record;
    int status = find_exit(watch->run_dir, text, &record);
    if (status == 0) return false;
    if (status > 0) {
        tell_ended(watch, &record);
    } else {
        tell_lost(watch, false);
    }
    return true;
}

static void look(uv_timer_t *timer) {
    struct watch *watch = timer->data;
    if (watch->closing || look_for_exit(watch)) return;
    int fd = find_connect(watch->run_dir);
    if (fd >= 0) {
        if (watch_control(watch, fd) < 0) watch_look_soon(watch, RETRY_MAX_MS);
        return;
    }
    if (look_for_exit(watch)) return; /* it ended between our two looks */
    struct kept kept;
    enum found found = find_keeper(watch->run_dir, &kept);
    if (found == FOUND_NOTHING && !find_claim(watch->run_dir)) found = FOUND_KEEPER; /* one came just now */
    if (found == FOUND_KEEPER) {
        watch_look_soon(watch, watch->retry_ms);
        watch->retry_ms = watch->retry_ms * 2 < RETRY_MAX_MS ? watch->retry_ms * 2 : RETRY_MAX_MS;
    } else if (found == FOUND_DEAD && orphan_watch(watch, &kept)) {
        tell_lost(watch, true);
    } else if (look_for_exit(watch)) {
        return;
    } else if (found == FOUND_NOTHING && watch->started_here) {
        tell_not_started(watch);
    } else {
        tell_lost(watch, false);
    }
}

void watch_look_soon(struct watch *watch, uint64_t ms) {
    uv_timer_start(&watch->timer, look, ms, 0);
}
