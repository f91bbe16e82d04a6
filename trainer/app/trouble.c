/* trouble.c: numbers that are not finite. pause: wait for the person, then go back to the last finite state with the
 * values they have set meanwhile; stop: end as failed; ignore: say it once and go on. */
#include "trainer.h"

#include <math.h>

static void go_back(struct trainer *t) {
    char error[APP_ERROR_SIZE];
    int64_t from = t->step;
    if (state_restore(t, error) != 0) {
        say_note(t, "cannot go back: %s", error);
        t->ending = ENDING_FAILED;
        return;
    }
    t->trouble_told = false;
    tb_rewound(t->run, t->step);
    int64_t total = trainer_total(t);
    if (total != t->total_steps) tb_plan(t->run, t->step, total, t->settings.bs);
    t->total_steps = total;
    say_line("back from step %lld to step %lld, lr %g", (long long)from, (long long)t->step,
             steps_rate(t, t->step + 1));
}

/* What happened, in one line: "loss is nan at step 803 (before: 2.31, lr 0.5)". */
static void describe(const struct trainer *t, const char *what, double value, int64_t step, char *text, size_t size) {
    char is[32], was[32];
    snprintf(text, size, "%s is %s at step %lld (loss before: %s, lr %g)", what, say_number(value, is, sizeof is),
             (long long)step, say_number(t->loss, was, sizeof was), steps_rate(t, step));
}

/* `in_rows`: the metric's row has told the bot already, which says it together with the pause. */
static bool trouble_meet(struct trainer *t, const char *text, bool in_rows) {
    int64_t policy = t->settings.nan;
    bool alone = tb_run_id(t->run) == 0;
    if (policy == NAN_IGNORE) {
        if (!t->trouble_told) say_note(t, "%s; going on, as nan=ignore says", text);
        t->trouble_told = true;
        return true;
    }
    if (policy == NAN_STOP || alone) {
        const char *why = policy == NAN_STOP ? "nan=stop" : "nobody is connected who could resume";
        say_note(t, "%s; ending (%s), the last finite state is step %lld", text, why, (long long)t->last.step);
        t->ending = ENDING_FAILED;
        return false;
    }
    if (in_rows)
        say_line("%s; paused, resume goes back to step %lld", text, (long long)t->last.step);
    else
        say_note(t, "%s; paused, resume goes back to step %lld", text, (long long)t->last.step);
    tb_pause_self(t->run);
    if (asks_pause(t, "nan")) go_back(t);
    return false;
}

bool trouble_finite(const struct trainer *t, const double *metrics) {
    for (int i = 0; i < t->model->metrics_count; i++)
        if (!isfinite(metrics[i])) return false;
    return true;
}

bool trouble_meet_metrics(struct trainer *t, int64_t step, const double *metrics) {
    int bad = 0;
    while (bad < t->model->metrics_count - 1 && isfinite(metrics[bad]))
        bad++;
    char text[256];
    describe(t, t->model->metrics[bad], metrics[bad], step, text, sizeof text);
    return trouble_meet(t, text, true);
}

bool trouble_check_weights(struct trainer *t) {
    if (engine_is_finite(t->engine)) return true;
    char text[256];
    describe(t, "a weight", NAN, t->step, text, sizeof text);
    return trouble_meet(t, text, false);
}
