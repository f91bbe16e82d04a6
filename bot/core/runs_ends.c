/*
 * How runs end: the keeper's word (exit code or signal), the trainer's own goodbye, or neither. Always holds: a
 * launched run's end is settled once, after its link's last bytes and its spool were read, so that the last metric
 * stands before the end is told.
 */
#include "commands.h"
#include "outbox.h"
#include "runs_state.h"
#include "text.h"
#include "words.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void runs_process_started(void *user, int64_t id, int64_t pid) {
    struct bot *bot = user;
    struct run *run = bot->leaving ? NULL : runs_find(bot, id);
    if (!run) return;
    run->pid = pid;
    run->process_known = true;
    bot_log(bot, 2, "#%lld: %s runs as process %lld", (long long)id, run->trainer, (long long)pid);
    if (!run->started_ms) run->started_ms = clock_wall_ms(bot->ports.clock);
    runs_changed(bot, run);
}

/* One block: the struct, then copies of its lines. */
static struct process_end *end_copy(const struct process_end *end) {
    size_t size = sizeof *end;
    for (size_t i = 0; i < end->lines_count; i++)
        size += strlen(end->lines[i]) + 1;
    struct process_end *copy = malloc(size);
    if (!copy) return NULL;
    *copy = *end;
    char *text = (char *)(copy + 1);
    for (size_t i = 0; i < end->lines_count; i++) {
        size_t length = strlen(end->lines[i]) + 1;
        memcpy(text, end->lines[i], length);
        copy->lines[i] = text;
        text += length;
    }
    return copy;
}

void runs_process_ended(void *user, int64_t id, const struct process_end *end) {
    struct bot *bot = user;
    struct run *run = bot->leaving ? NULL : runs_find(bot, id);
    if (!run || run->end || !run_state_live(run->state)) return;
    run->process_known = run->gone = true;
    run->end = end_copy(end);
    if (!run->end) bot_log(bot, 0, "#%lld: out of memory while it ended", (long long)id);
    run->end_due_ms = runs_now(bot) + (run->conn ? RUNS_END_WAIT_MS : 0);
    runs_touch(bot, run);
    if (!run->conn || !run->end) runs_settle(bot, run);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
}

/* Ended by a signal that a stop sends, or as shells and handlers say that it was. */
static bool ended_by_stop(const struct process_end *end) {
    int signal = end->signal ? end->signal : end->exit_code - 128;
    return !end->oom && (signal == SIGTERM || signal == SIGINT || signal == SIGKILL);
}

static enum run_state end_state(const struct run *run, const struct process_end *end) {
    if (run->state == RUN_STOPPING || strcmp(run->bye, "stopped") == 0)
        return end->exit_code == 0 || ended_by_stop(end) ? RUN_STOPPED : RUN_FAILED;
    return end->exit_code == 0 ? RUN_FINISHED : RUN_FAILED;
}

static enum fact_kind end_fact(const struct run *run, const struct process_end *end) {
    if (end->not_started) return FACT_NOT_STARTED;
    if (run->state == RUN_FINISHED) return FACT_FINISHED;
    return run->state == RUN_STOPPED ? FACT_STOPPED : FACT_CRASHED;
}

static void event_end(struct bot *bot, const struct run *run, const struct process_end *end) {
    const char *last = end->lines_count ? end->lines[end->lines_count - 1] : "";
    if (end->not_started)
        runs_event(bot, run, 0, "exited", "not started: %s", last);
    else if (end->signal)
        runs_event(bot, run, run->step, "exited", "signal %d%s: %s", end->signal, end->oom ? ", out of memory" : "",
                   last);
    else
        runs_event(bot, run, run->step, "exited", "exit code %d: %s", end->exit_code, last);
}

/* The start's asker hears of the end when there never was a beginning. */
static void answer_start(struct bot *bot, struct run *run) {
    uint64_t request = run->start_request;
    run->start_request = 0;
    if (request) commands_started(bot, request, run);
}

/* The word about the end, to all but those whose open command says it. */
static void tell_end(struct bot *bot, struct run *run, const struct process_end *end) {
    struct fact fact = {.kind = end_fact(run, end),
                        .run = run,
                        .step = run->step,
                        .end = end,
                        .cpu_percent = -1,
                        .text = end->not_started && end->lines_count ? end->lines[end->lines_count - 1] : NULL,
                        .answered = run->start_request != 0 && end->not_started};
    bot_log(bot, 2, "#%lld: %s at step %lld", (long long)run->id, words_state(run->state, LANG_EN),
            (long long)run->step);
    answer_start(bot, run);
    report_fact(bot, &fact);
    controls_ended(bot, run);
}

/* Nothing more comes of it: what is left is told before the end. */
static void wind_up(struct bot *bot, struct run *run) {
    if (run->nan_seen_ms) rules_nan(run, false, runs_rules_cb, bot);
    runs_tell_due(bot, run);
}

void runs_settle(struct bot *bot, struct run *run) {
    if (!run_state_live(run->state)) return;
    if (spool_read(bot, run)) return; /* it goes on when all of it is read */
    struct process_end none = {.exit_code = -1};
    struct process_end *end = run->end ? run->end : &none;
    wind_up(bot, run);
    run->exit_code = end->signal ? -1 : end->exit_code;
    run->exit_signal = end->signal;
    run->ended_ms = end->ended_ms;
    runs_set_state(bot, run, end_state(run, end));
    event_end(bot, run, end);
    tell_end(bot, run, end);
    free(run->end);
    run->end = NULL;
    if (run->conn) run->conn->ops->close(run->conn);
    spool_remove(bot, run);
}

void runs_bye(struct bot *bot, struct run *run) {
    if (!run_state_live(run->state)) return;
    wind_up(bot, run);
    struct process_end end = {.exit_code = -1};
    enum run_state state = strcmp(run->bye, "finished") == 0  ? RUN_FINISHED
                           : strcmp(run->bye, "stopped") == 0 ? RUN_STOPPED
                                                              : RUN_FAILED;
    runs_set_state(bot, run, state);
    runs_event(bot, run, run->step, "bye", "%s", run->bye);
    tell_end(bot, run, &end);
}

void runs_give_up(struct bot *bot, struct run *run) {
    run->gone = true;
    if (spool_read(bot, run)) return;
    if (run_state_live(run->state)) { /* no goodbye stood in the spool */
        wind_up(bot, run);
        runs_set_state(bot, run, RUN_LOST);
        runs_event(bot, run, run->step, "lost", "no link, and how the process ended is unknown");
        struct fact fact = {
            .kind = FACT_LOST, .run = run, .step = run->step, .cpu_percent = -1, .answered = run->start_request != 0};
        answer_start(bot, run);
        runs_fact(bot, &fact);
        controls_ended(bot, run);
    }
    spool_remove(bot, run);
}

void runs_process_lost(void *user, int64_t id) {
    struct bot *bot = user;
    struct run *run = bot->leaving ? NULL : runs_find(bot, id);
    if (!run || !run_state_live(run->state)) return;
    if (run->state == RUN_STARTING && !run->instance[0] && !run->pid) {
        runs_set_state(bot, run, RUN_FAILED);
        runs_event(bot, run, 0, "failed", "not started: the bot ended before its process was there");
        struct fact fact = {.kind = FACT_NOT_STARTED,
                            .run = run,
                            .cpu_percent = -1,
                            .answered = run->start_request != 0};
        answer_start(bot, run);
        report_fact(bot, &fact);
        controls_ended(bot, run);
        return;
    }
    /* Its keeper is gone. Where the trainer itself is still linked it goes on as one that was started by hand. */
    run->launched = false;
    run->process_known = false;
    runs_changed(bot, run);
    if (run->conn) return;
    if (!run->link_lost_ms) run->link_lost_ms = runs_now(bot);
}
