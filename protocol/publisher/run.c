/*
 * run.c: a run's life: opened with its copies of what the program declared, closed with everything delivered or
 * spooled. Nothing here fails towards the program: what cannot be had makes the run inert.
 */
#include "run.h"

#include <math.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define CLOSE_MS 1900 /* of the 2 s in which tb_close returns */

/* ---- where things are ---- */

static char *socket_path(void) {
    const char *given = getenv("TRAINBOT_SOCKET"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *path = NULL;
    int n = -1;
    if (given) return strdup(given);
    if (state && *state)
        n = asprintf(&path, "%s/trainbot/trainer.sock", state);
    else if (geteuid() == 0)
        return strdup("/var/lib/trainbot/trainer.sock");
    else if (home && *home)
        n = asprintf(&path, "%s/.local/state/trainbot/trainer.sock", home);
    return n < 0 ? NULL : path;
}

static char *spool_path(const struct tb_run *run, const char *socket) {
    const char *dir = getenv("TRAINBOT_RUN_DIR"), *slash = strrchr(socket, '/');
    char *path = NULL;
    int n;
    if (dir && *dir)
        n = asprintf(&path, "%s/spool", dir);
    else if (slash)
        n = asprintf(&path, "%.*s/spool/%s", (int)(slash - socket), socket, run->instance);
    else
        n = asprintf(&path, "spool/%s", run->instance);
    return n < 0 ? NULL : path;
}

static uint64_t spool_bytes(void) {
    const char *text = getenv("TRAINBOT_SPOOL_MB");
    long long mb = text && *text ? strtoll(text, NULL, 10) : 1024;
    if (mb < 1) mb = 1;
    if (mb > 1 << 20) mb = 1 << 20;
    return (uint64_t)mb << 20;
}

/* Data-parallel trainings start one process a device; only the first speaks. */
static bool other_rank(void) {
    const char *rank = getenv("RANK");
    return rank && *rank && strtol(rank, NULL, 10) != 0;
}

/* The precise clock where the vDSO answers it (tens of ns), else the coarse one, which it always does. */
static clockid_t choose_clock(void) {
    struct timespec from, to, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < 64; i++)
        clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_MONOTONIC, &to);
    int64_t ns = (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + (to.tv_nsec - from.tv_nsec);
    return ns < 64 * 60 ? CLOCK_REALTIME : CLOCK_REALTIME_COARSE;
}

/* ---- opening ---- */

static int make_instance(char hex[33]) {
    unsigned char bits[16];
    if (getrandom(bits, sizeof bits, 0) != (ssize_t)sizeof bits) return -1;
    for (int i = 0; i < 32; i++)
        hex[i] = "0123456789abcdef"[bits[i / 2] >> (i % 2 ? 0 : 4) & 15];
    hex[32] = 0;
    return 0;
}

static int copy_commands(struct tb_run *run, const struct tb_options *o) {
    size_t count = o->commands_count > WIRE_PARAMS_MAX ? WIRE_PARAMS_MAX : o->commands_count;
    run->commands = calloc(count ? count : 1, sizeof *run->commands);
    if (!run->commands) return -1;
    for (size_t i = 0; i < count; i++) {
        const struct tb_command *from = &o->commands[i];
        run->commands[i] = (struct tb_command){.name = text_copy(from->name ? from->name : ""),
                                               .args = text_copy(from->args),
                                               .help = text_copy(from->help),
                                               .call = from->call,
                                               .zh = text_copy(from->zh),
                                               .zh_help = text_copy(from->zh_help),
                                               .reads = from->reads};
        run->commands_count = i + 1;
        if (!run->commands[i].name) return -1;
    }
    return 0;
}

static void release(struct tb_run *run) {
    sender_free(run->sender);
    params_release(run);
    for (size_t i = 0; i < run->commands_count; i++) {
        free((void *)(uintptr_t)run->commands[i].name);
        free((void *)(uintptr_t)run->commands[i].args);
        free((void *)(uintptr_t)run->commands[i].help);
        free((void *)(uintptr_t)run->commands[i].zh);
        free((void *)(uintptr_t)run->commands[i].zh_help);
    }
    free(run->commands);
    while (run->messages) {
        struct message *next = run->messages->next;
        message_free(run->messages);
        run->messages = next;
    }
    while (run->controls) {
        struct control *next = run->controls->next;
        wire_frame_clear(&run->controls->frame);
        free(run->controls);
        run->controls = next;
    }
    if (run->welcome) wire_frame_clear(run->welcome);
    free(run->welcome);
    for (size_t i = 0; i < RUN_ANSWERS; i++) {
        free(run->answers[i].id);
        free(run->answers[i].line);
    }
    free(run->pause_id);
    free(run->resume_id);
    free(run->save_id);
    free(run->name);
    free(run->hello);
    ring_release(&run->ring);
    if (run->wake_fd >= 0) close(run->wake_fd);
    pthread_mutex_destroy(&run->lock);
    pthread_cond_destroy(&run->changed);
    free(run);
}

static void init_shared(struct tb_run *run) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    run->messages_tail = &run->messages;
    run->controls_tail = &run->controls;
    run->wake_fd = -1;
    run->epoch = NAN;
    run->generation = atomic_load_explicit(&registry_forks, memory_order_relaxed);
    run->clock = choose_clock();
}

static int start_thread(struct tb_run *run) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the thread inherits it: no signal of the program's lands there */
    int failed = pthread_create(&run->thread, NULL, sender_main, run->sender);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    run->has_thread = !failed;
    return failed ? -1 : 0;
}

static int start(struct tb_run *run) {
    char *socket = socket_path();
    if (!socket || !*socket || other_rank() || make_instance(run->instance) < 0) goto fail;
    if (ring_init(&run->ring) < 0 || hello_build(run) < 0) goto fail;
    run->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (run->wake_fd < 0) goto fail;
    run->sender = sender_create(run, socket, spool_path(run, socket), spool_bytes());
    if (!run->sender) goto fail;
    registry_add(run);
    if (start_thread(run) < 0) {
        registry_remove(run);
        goto fail;
    }
    free(socket);
    return 0;
fail:
    free(socket);
    return -1;
}

struct tb_run *tb_open(const struct tb_options *options) {
    static struct tb_run nothing = {.inert = true}; /* where there is no memory for one */
    static const struct tb_options none;
    const struct tb_options *o = options ? options : &none;
    struct tb_run *run = aligned_alloc(RING_LINE, (sizeof *run + RING_LINE - 1) / RING_LINE * RING_LINE);
    if (!run) return &nothing;
    memset(run, 0, sizeof *run);
    init_shared(run);
    run->accept = o->accept;
    run->user = o->user;
    run->total_steps = o->total_steps;
    run->batch = o->batch;
    run->name = strdup(o->name && *o->name ? o->name : "training");
    if (!run->name || params_init(run, o->params, o->params_count) < 0 || copy_commands(run, o) < 0) {
        release(run);
        return &nothing;
    }
    if (start(run) < 0) run->inert = true;
    return run;
}

/* ---- closing ---- */

void run_end(struct tb_run *run) {
    if (run_dead(run) || !run->has_thread) return;
    report_gap(run);
    atomic_store_explicit(&run->closing, true, memory_order_release);
    run_wake(run);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (CLOSE_MS % 1000) * 1000000L;
    until.tv_sec += CLOSE_MS / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    run->inert = true;
    pthread_mutex_lock(&run->lock);
    while (!run->ended && pthread_cond_timedwait(&run->changed, &run->lock, &until) == 0)
        continue;
    bool ended = run->ended;
    pthread_mutex_unlock(&run->lock);
    if (ended) {
        pthread_join(run->thread, NULL);
        run->has_thread = false;
    } else {
        pthread_detach(run->thread); /* a disk that hangs: the memory stays with the thread */
    }
}

/* How it ended, as the last two frames. */
static void say_end(struct tb_run *run, const char *status) {
    int64_t step = atomic_load_explicit(&run->step, memory_order_relaxed);
    bool finished = strcmp(status, "finished") == 0, stopped = strcmp(status, "stopped") == 0;
    struct wire_frame bye = {.kind = WIRE_BYE};
    struct wire_event event = {.kind = finished ? WIRE_EV_FINISHED : WIRE_EV_FAILED};
    if (!finished && !stopped && strcmp(status, "failed") != 0) event.text = status;
    if (!stopped) report_event(run, &event, step);
    bye.u.bye.status = finished ? "finished" : stopped ? "stopped" : "failed";
    report_frame(run, &bye);
}

void tb_close(struct tb_run *run, const char *status) {
    if (!run || !run->name) return; /* the one that stands for none has no name */
    if (run->generation != atomic_load_explicit(&registry_forks, memory_order_relaxed)) return; /* the parent's */
    if (!run->inert) {
        control_refuse_all(run, "the training has ended");
        report_gap(run);
        say_end(run, status ? status : "failed");
        registry_remove(run);
        run_end(run);
    }
    if (!run->has_thread) release(run);
}
