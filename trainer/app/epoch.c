/* epoch.c: the end of an epoch, as users of Keras know it: training means, validation, time, the best so far; and what
 * follows from it: the checkpoint that is kept, the early stop. The test set has no part in it. */
#include "trainer.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

struct line {
    char text[APP_ERROR_SIZE];
    size_t length;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *line, const char *format, ...) {
    if (line->length >= sizeof line->text) return;
    va_list args;
    va_start(args, format);
    line->length += (size_t)vsnprintf(line->text + line->length, sizeof line->text - line->length, format, args);
    va_end(args);
}

double epoch_eta_s(const struct trainer *t) {
    double seconds = (double)(trainer_clock_ms(t) - t->started_ms) / 1000;
    int64_t samples = t->samples - t->started_samples;
    if (samples <= 0 || seconds <= 0) return -1;
    return seconds / (double)samples * (double)((t->total_steps - t->step) * t->settings.bs);
}

/* Metrics of the images held back. False: there are none, or they cannot be had. */
static bool validate(struct trainer *t, double *metrics) {
    if (t->held_count == 0 || t->model->task == TASK_ADVERSARIAL) return false;
    const struct batch batch = {.pixels = t->held_pixels, .labels = t->held_labels, .count = t->held_count};
    if (engine_evaluate(t->engine, &batch, metrics, NULL) == 0) return true;
    say_note(t, "the images held back could not be evaluated");
    return false;
}

/* "loss 0.4123, acc 0.8512" */
static void metrics_add(struct line *line, const struct trainer *t, const double *metrics) {
    char number[32];
    for (int i = 0; i < t->model->metrics_count; i++) {
        if (isfinite(metrics[i]))
            snprintf(number, sizeof number, "%.4g", metrics[i]);
        else
            say_number(metrics[i], number, sizeof number);
        add(line, "%s%s %s", i > 0 ? ", " : "", t->model->metrics[i], number);
    }
}

static size_t values_add(struct trainer *t, const char *prefix, char (*names)[TB_NAME_MAX], const double *metrics,
                         struct tb_value *values) {
    for (int i = 0; i < t->model->metrics_count; i++) {
        snprintf(names[i], TB_NAME_MAX, "%s_%.50s", prefix, t->model->metrics[i]);
        values[i] = (struct tb_value){names[i], metrics[i]};
    }
    return (size_t)t->model->metrics_count;
}

/* "; 12.3 s, 1 min 50 s left; the best so far" */
static void rest_add(struct line *line, const struct trainer *t, bool better) {
    char text[32];
    add(line, "; %s", say_duration(epochs_seconds(&t->epochs, trainer_clock_ms(t)), text, sizeof text));
    double left = epoch_eta_s(t);
    if (t->step < t->total_steps && left >= 0) add(line, ", %s left", say_duration(left, text, sizeof text));
    if (better)
        add(line, "; the best so far");
    else if (t->epochs.best_epoch > 0)
        add(line, "; the best is epoch %lld (%.4g)", (long long)t->epochs.best_epoch, t->epochs.best);
}

/* `valid` NULL: not validated. */
static void tell(struct trainer *t, const double *mean, const double *valid, bool better) {
    struct tb_value values[2 * ENGINE_METRICS_MAX];
    struct line line = {.length = 0};
    int64_t planned = t->samples + (t->total_steps - t->step) * t->settings.bs;
    size_t count = values_add(t, "train", t->train_names, mean, values);
    add(&line, "epoch %lld of %lld: ", (long long)t->epochs.done,
        (long long)epochs_count(planned, t->order.count, t->settings.bs));
    metrics_add(&line, t, mean);
    if (valid != NULL) {
        count += values_add(t, "val", t->val_names, valid, values + count);
        add(&line, "; validation ");
        metrics_add(&line, t, valid);
    }
    rest_add(&line, t, better);
    double seen = (double)t->samples / (double)t->order.count; /* the last batch of all may be missing */
    tb_epoch(t->run, seen > (double)t->epochs.done ? seen : (double)t->epochs.done);
    tb_progress(t->run, t->step, values, count);
    tb_epoch_end(t->run, t->step, (double)t->epochs.done, line.text);
    say_line("%s", line.text);
}

static void best_keep(struct trainer *t) {
    if (t->shelf.lock < 0) return;
    t->shelf.kept_step = t->step; /* before the save, which clears away what need not stay */
    state_save(t, false);
    if (t->last.step != t->step || !t->last_on_disk) {
        t->shelf.kept_step = -1;
        return;
    }
    memcpy(t->best_path, t->last_path, sizeof t->best_path);
}

static void patience_check(struct trainer *t, bool validated) {
    if (!validated || t->settings.patience == 0 || t->epochs.waited < t->settings.patience) return;
    if (t->step >= t->total_steps) return; /* it ends by itself */
    char waited[32] = "one epoch";
    if (t->epochs.waited > 1) snprintf(waited, sizeof waited, "%lld epochs", (long long)t->epochs.waited);
    say_note(t, "stopped early after epoch %lld: no better validation loss for %s; the best was epoch %lld (%.4g)",
             (long long)t->epochs.done, waited, (long long)t->epochs.best_epoch, t->epochs.best);
    t->ending = ENDING_EARLY;
}

bool epoch_check(struct trainer *t) {
    bool last = t->step >= t->total_steps;
    if (!epochs_ends(&t->epochs, t->samples, t->order.count, t->settings.bs, last)) return true;
    if (!steps_settle(t)) return false;
    double mean[ENGINE_METRICS_MAX], valid[ENGINE_METRICS_MAX];
    for (int i = 0; i < t->model->metrics_count; i++)
        mean[i] = epochs_mean(&t->epochs, i);
    bool validated = validate(t, valid);
    double measure = t->model->task == TASK_ADVERSARIAL ? NAN : validated ? valid[0] : mean[0];
    bool better = epochs_judge(&t->epochs, measure, t->step);
    tell(t, mean, validated ? valid : NULL, better);
    epochs_next(&t->epochs, trainer_clock_ms(t));
    if (better && t->settings.keep_best) best_keep(t);
    patience_check(t, validated);
    return true;
}
