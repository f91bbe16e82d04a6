/* loop.c: the steps, the lines a person reads, and the end. The lines on stdout are the seed program's; the run's rows
 * carry the same numbers. */
#include "pictures.h"
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WELCOME_MS 5000

static int64_t mono_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t trainer_clock_ms(const struct trainer *t) {
    return mono_ms() - t->paused_ms;
}

int64_t trainer_total(const struct trainer *t) {
    if (t->fixed_steps > 0) return t->fixed_steps;
    if (t->settings.epochs > 0) { /* every epoch to its end: the last batch may reach over it */
        int64_t left = t->settings.epochs * t->order.count - t->samples;
        return t->step + (left > 0 ? (left + t->settings.bs - 1) / t->settings.bs : 0);
    }
    int64_t left = t->settings.ti - t->samples;
    return t->step + (left > 0 ? left / t->settings.bs : 0);
}

/* "Iter 1280, Minibatch Loss= 0.512345, Training Accuracy= 0.87500"; models without accuracy name what they have. */
static void progress_print(const struct trainer *t, const struct tb_value *values, size_t count) {
    printf("Iter %" PRId64, t->samples);
    for (size_t i = 0; i < count; i++) {
        const char *name = values[i].name;
        if (strcmp(name, "loss") == 0)
            printf(", Minibatch Loss= %.6f", values[i].value);
        else if (strcmp(name, "acc") == 0)
            printf(", Training Accuracy= %.5f", values[i].value);
        else if (strcmp(name, "lr") == 0)
            printf(", Learning Rate= %.6g", values[i].value);
        else
            printf(", %s= %.6f", name, values[i].value);
    }
    putchar('\n');
}

/* The batch just trained on once more, dropout off, as the person should see it. */
static void progress_tell(struct trainer *t, const struct batch *batch) {
    double metrics[ENGINE_METRICS_MAX];
    struct tb_value values[STEPS_VALUES_MAX];
    if (engine_evaluate(t->engine, batch, metrics, NULL) != 0) return;
    size_t count = steps_values(t, metrics, steps_rate(t, t->step), values);
    tb_progress(t->run, t->step, values, count);
    if (!t->options->print_metrics) progress_print(t, values, count);
}

/* What a step is followed by. All of it needs the engine's state, so the steps under way are settled for it alone. */
static void step_follow(struct trainer *t, const struct batch *batch) {
    if (t->step % t->settings.ds == 0) {
        if (!steps_settle(t) || !trouble_check_weights(t)) return;
        progress_tell(t, batch);
    }
    if (!epoch_check(t)) return;
    const int64_t show_every = t->settings.show_every;
    if (show_every > 0 && t->step % show_every == 0) {
        if (!steps_settle(t)) return;
        pictures_show(t);
    }
    if (t->step % t->settings.save_every == 0 && steps_settle(t)) state_save(t, false);
}

static void step_run(struct trainer *t) {
    struct batch batch;
    if (!steps_collect(t) || !steps_submit(t, &batch) || !steps_collect(t)) return;
    step_follow(t, &batch);
}

/* The whole test set, dropout off. */
static void test_tell(struct trainer *t) {
    const struct data_set *set = &t->data.test;
    double metrics[ENGINE_METRICS_MAX];
    struct tb_value values[ENGINE_METRICS_MAX + 1];
    const struct batch batch = {.pixels = set->pixels, .labels = set->labels, .count = set->count};
    if (t->model->task == TASK_ADVERSARIAL) return; /* their losses say nothing about images nobody made */
    if (engine_evaluate(t->engine, &batch, metrics, NULL) != 0) {
        say_note(t, "the test set could not be evaluated");
        return;
    }
    for (int i = 0; i < t->model->metrics_count; i++) {
        snprintf(t->test_names[i], sizeof t->test_names[i], "test_%.50s", t->model->metrics[i]);
        values[i] = (struct tb_value){t->test_names[i], metrics[i]};
        if (strcmp(t->model->metrics[i], "acc") == 0) printf("Testing Accuracy: %.5f\n", metrics[i]);
        if (i == 0 && !t->model->classifier) printf("Testing Loss: %.6f\n", metrics[i]);
    }
    values[t->model->metrics_count] = (struct tb_value){"test_images", (double)set->count};
    tb_progress(t->run, t->step, values, (size_t)t->model->metrics_count + 1);
}

static void run_open(struct trainer *t, const struct tb_command *commands, size_t count) {
    const struct tb_options options = {.name = t->model->name,
                                       .total_steps = t->total_steps,
                                       .batch = t->settings.bs,
                                       .params = t->params,
                                       .params_count = t->params_count,
                                       .commands = commands,
                                       .commands_count = count,
                                       .accept = asks_accept,
                                       .user = t};
    t->run = tb_open(&options);
    const char *launched = getenv("TRAINBOT_RUN");
    if (launched == NULL || *launched == '\0' || tb_wait_welcome(t->run, WELCOME_MS) != 0) return;
    asks_settings(t);
}

static void start_say(struct trainer *t) {
    char total[32], all[32];
    const int64_t left = t->total_steps > t->step ? t->total_steps - t->step : 0;
    say_line("%s on %s, seed %lld: %s steps of %lld samples, lr %g", t->model->name, engine_backend_text(t->engine),
             (long long)t->settings.seed, number_grouped(left, total, sizeof total), (long long)t->settings.bs,
             t->settings.lr);
    if (t->held_count > 0)
        say_line("%s of %s training images are held back to validate on",
                 number_grouped(t->held_count, total, sizeof total),
                 number_grouped(t->data.train.count, all, sizeof all));
    if (t->resumed_from < 0) return;
    say_line("resumed at step %lld, %lld samples seen", (long long)t->step, (long long)t->samples);
    if (t->step >= t->total_steps && t->fixed_steps == 0 && t->settings.epochs > 0)
        say_note(t, "nothing is left to train: more epochs (now %lld) go on", (long long)t->settings.epochs);
    else if (t->step >= t->total_steps)
        say_note(t, "nothing is left to train: a larger ti (now %lld) or --steps goes on", (long long)t->settings.ti);
    char numerics[sizeof t->last.numerics];
    state_numerics(t, numerics, sizeof numerics);
    if (strcmp(t->last.numerics, numerics) != 0)
        say_note(t, "saved with %s, now %s: the curve goes on, but not bit for bit", t->last.numerics, numerics);
    if (t->last.data_count != t->data.train.count || t->last.data_checksum != t->data.checksum)
        say_note(t, "the training data is not what the checkpoint was trained on: the curve will differ");
}

static void speed_say(const struct trainer *t) {
    double seconds = (double)(trainer_clock_ms(t) - t->started_ms) / 1000;
    int64_t samples = t->samples - t->started_samples;
    if (seconds <= 0 || samples <= 0) return;
    char text[32];
    say_line("%s samples in %.1f s, %.0f samples/s", number_grouped(samples, text, sizeof text), seconds,
             (double)samples / seconds);
}

/* An early stop ends with the best epoch's weights, where they were kept; the run's rows end where it stopped. */
static void early_end(struct trainer *t) {
    if (!t->settings.keep_best || t->epochs.best_step == t->step) {
        state_save(t, false);
        return;
    }
    int64_t step = t->step, best = t->epochs.best_epoch;
    if (state_return_best(t))
        say_note(t, "back to the weights of epoch %lld, step %lld", (long long)best, (long long)t->last.step);
    else
        state_save(t, false);
    t->step = step;
}

static void state_end(struct trainer *t) {
    if (t->ending == ENDING_EARLY)
        early_end(t);
    else if (t->ending == ENDING_NONE || t->ending == ENDING_STOP_SAVE)
        state_save(t, t->ending == ENDING_STOP_SAVE);
    else if (t->ending == ENDING_FAILED && t->want_of_memory && t->step > 0)
        state_save(t, false); /* the step that failed has changed nothing */
    if (t->ending == ENDING_FAILED && t->last.step > 0) state_save_last(t, false); /* worth a file */
}

static int run_end(struct trainer *t) {
    speed_say(t);
    state_end(t);
    bool finished = t->ending == ENDING_NONE || t->ending == ENDING_EARLY;
    if (finished && !t->options->print_metrics) {
        puts("Optimization Finished!");
        test_tell(t);
    }
    fflush(stdout);
    const char *status = finished ? "finished" : t->ending == ENDING_FAILED ? "failed" : "stopped";
    say_line("%s at step %lld%s%s", status, (long long)t->step, t->last_on_disk ? ", checkpoint " : "",
             t->last_on_disk ? t->last_path : "");
    tb_close(t->run, status);
    t->run = NULL;
    return t->ending == ENDING_FAILED ? EXIT_FAILED : EXIT_GOOD;
}

/* Settles the steps under way at the end, which may go on all the same where they were trouble. */
static bool goes_on(struct trainer *t) {
    if (t->ending == ENDING_NONE && t->step < t->total_steps) return true;
    steps_settle(t);
    return t->ending == ENDING_NONE && t->step < t->total_steps;
}

int trainer_run(struct trainer *t) {
    char error[APP_ERROR_SIZE];
    const struct tb_command *commands = NULL;
    size_t count = trainer_commands(t->model, &commands);
    run_open(t, commands, count);
    int rc = trainer_engine(t, error);
    if (rc == EXIT_GOOD) start_say(t);
    if (rc == EXIT_GOOD) {
        snprintf(error, sizeof error, "the start weights are not finite");
        if (state_take(t, error) != 0) rc = EXIT_FAILED;
    }
    if (rc != EXIT_GOOD) {
        say_note(t, "%s", error);
        tb_close(t->run, "failed");
        t->run = NULL;
        return rc;
    }
    if (t->resumed_from >= 0) tb_plan(t->run, t->step, t->total_steps, t->settings.bs); /* where it goes on */
    tb_started(t->run);
    t->started_ms = trainer_clock_ms(t);
    t->started_samples = t->samples;
    while (goes_on(t)) {
        asks_handle(t);
        if (t->ending == ENDING_NONE && t->step < t->total_steps) step_run(t);
    }
    return run_end(t);
}
