/*
 * The built-in rules: see rules.h. Each looks at one run and the clock; each fires once until its cause is over.
 */
#include "rules.h"
#include "text.h"
#include <math.h>
#include <signal.h>
#include <string.h>

static int64_t max_ms(int64_t a, int64_t b) {
    return a > b ? a : b;
}

int64_t rules_stall_ms(const struct run *run) {
    int64_t limit_ms = max_ms(RULES_STALL_MIN_MS, 3 * run_median_step_ms(run));
    return max_ms(limit_ms, run->longest_gap_ms + run->longest_gap_ms / 2);
}

/* The earliest moment of a stall, without a look at the median: cheap enough for every turn. */
static int64_t stall_from_ms(const struct run *run) {
    int64_t from_ms = run->last_step_ms + max_ms(RULES_STALL_MIN_MS, run->longest_gap_ms + run->longest_gap_ms / 2);
    return max_ms(from_ms, run->stall_check_ms);
}

void rules_rows(struct run *run, const struct wire_rows *rows, int64_t mono_ms) {
    bool recovered = false;
    for (size_t i = 0; i < rows->rows_count; i++)
        for (size_t k = 0; k < rows->cols_count; k++) {
            double value = rows->values[i * rows->cols_count + k];
            if (wire_is_absent(value)) continue;
            bool is_loss = strstr(rows->cols[k], "loss") != NULL;
            if (isfinite(value)) {
                if (is_loss && !run->nan_told) run->last_finite_loss = value;
                if (run->nan_told && strcmp(rows->cols[k], run->nan_metric) == 0) recovered = true;
                continue;
            }
            recovered = false;
            if (run->nan_told) continue;
            run->nan_told = true;
            run->nan_step = rows->steps[i];
            run->nan_seen_ms = mono_ms;
            if (text_set(&run->nan_metric, rows->cols[k]) < 0) run->nan_metric[0] = 0;
        }
    if (recovered && run->nan_seen_ms == 0) run->nan_told = false;
}

void rules_nan(struct run *run, bool paused, rules_cb *cb, void *user) {
    if (run->nan_seen_ms == 0) return;
    run->nan_seen_ms = 0;
    struct rules_act act = {.kind = RULES_TELL,
                            .fact = {.kind = FACT_NAN,
                                     .run = run,
                                     .step = run->nan_step,
                                     .text = run->nan_metric,
                                     .number = run->last_finite_loss,
                                     .paused = paused,
                                     .cpu_percent = -1}};
    cb(user, run, &act);
}

/* The newest moment at which the trainer itself (not only its sender thread) showed life. */
static int64_t life_ms(const struct run *run) {
    return max_ms(run->stop_asked_ms, max_ms(run->last_step_ms, run->last_frame_ms));
}

static void escalate(struct run *run, int64_t mono_ms, int64_t stop_timeout_ms, rules_cb *cb, void *user) {
    struct rules_act act = {.kind = RULES_SIGNAL, .fact = {.run = run, .step = run->step, .cpu_percent = -1}};
    if (run->term_sent_ms == 0 && mono_ms >= life_ms(run) + stop_timeout_ms) {
        run->term_sent_ms = mono_ms;
        act.signal = SIGTERM;
        act.fact.kind = FACT_TERM_SENT;
        act.fact.number = (double)(mono_ms - life_ms(run));
        cb(user, run, &act);
    } else if (run->term_sent_ms && !run->kill_sent_ms && mono_ms >= run->term_sent_ms + RULES_KILL_AFTER_MS) {
        run->kill_sent_ms = mono_ms;
        act.signal = SIGKILL;
        act.fact.kind = FACT_KILL_SENT;
        act.fact.number = (double)(mono_ms - run->term_sent_ms);
        cb(user, run, &act);
    }
}

static bool can_stall(const struct run *run) {
    return run->conn && run->state == RUN_RUNNING && run->last_step_ms > 0 && run->step > 0 && !run->stalled &&
           !run->end && !run->bye[0];
}

static void tick_stall(struct run *run, int64_t mono_ms, rules_cb *cb, void *user) {
    int64_t limit_ms = rules_stall_ms(run);
    run->stall_check_ms = run->last_step_ms + limit_ms;
    if (mono_ms < run->stall_check_ms) return;
    run->stalled = true;
    struct rules_act act = {.kind = RULES_TELL,
                            .fact = {.kind = FACT_STALLED,
                                     .run = run,
                                     .step = run->step,
                                     .cpu_percent = -1,
                                     .number = (double)(mono_ms - run->last_step_ms),
                                     .number2 = (double)run_median_step_ms(run)}};
    cb(user, run, &act);
}

void rules_tick(struct run *run, int64_t mono_ms, int64_t stop_timeout_ms, rules_cb *cb, void *user) {
    if (!run_state_live(run->state)) return;
    if (run->nan_seen_ms && mono_ms >= run->nan_seen_ms + RULES_NAN_WAIT_MS) rules_nan(run, false, cb, user);
    if (run->stop_asked_ms && run->launched && !run->end) escalate(run, mono_ms, stop_timeout_ms, cb, user);
    if (can_stall(run) && mono_ms >= stall_from_ms(run)) tick_stall(run, mono_ms, cb, user);
    if (!run->launched && run->link_lost_ms && mono_ms >= run->link_lost_ms + RULES_LOST_AFTER_MS) {
        struct rules_act act = {.kind = RULES_LOST,
                                .fact = {.kind = FACT_LOST, .run = run, .step = run->step, .cpu_percent = -1}};
        cb(user, run, &act);
    }
}

int64_t rules_next_ms(const struct run *run, int64_t stop_timeout_ms) {
    int64_t next_ms = INT64_MAX;
    if (!run_state_live(run->state)) return next_ms;
    if (run->nan_seen_ms) next_ms = run->nan_seen_ms + RULES_NAN_WAIT_MS;
    if (run->stop_asked_ms && run->launched && !run->end && !run->kill_sent_ms) {
        int64_t due_ms = run->term_sent_ms ? run->term_sent_ms + RULES_KILL_AFTER_MS : life_ms(run) + stop_timeout_ms;
        if (due_ms < next_ms) next_ms = due_ms;
    }
    if (can_stall(run)) {
        int64_t due_ms = stall_from_ms(run);
        if (due_ms < next_ms) next_ms = due_ms;
    }
    if (!run->launched && run->link_lost_ms && run->link_lost_ms + RULES_LOST_AFTER_MS < next_ms)
        next_ms = run->link_lost_ms + RULES_LOST_AFTER_MS;
    if (run->end && run->end_due_ms < next_ms) next_ms = run->end_due_ms;
    return next_ms;
}
