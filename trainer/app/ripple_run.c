/* ripple_run.c: see ripple_run.h. A row holds the energy and the highest wave of the field that its step began with. */
#include "ripple_picture.h"
#include "ripple.h"
#include "ripple_run.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WELCOME_MS 5000
#define WAIT_MS 200 /* while paused: how long a signal may go unnoticed */

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- the picture ---- */

int ripple_frame(struct ripple *r, bool zh, char *text, size_t text_size, uint8_t **ret_png, size_t *ret_size) {
    struct canvas canvas;
    struct ripple_sums sums;
    char step[32], total[32];
    const int64_t size = r->field.size;
    float *u = calloc((size_t)(2 * size * size), sizeof *u);
    if (u == NULL) return -1;
    ripple_field_read(&r->field, u, u + size * size);
    ripple_field_step(&r->field, 0, 0, &sums); /* no time passes: its sums alone */
    ripple_field_write(&r->field, u, u + size * size);
    int rc = ripple_picture(u, size, ripple_clip(u, size), &canvas);
    free(u);
    if (rc != 0) return -1;
    rc = canvas_png(&canvas, ret_png, ret_size);
    canvas_release(&canvas);
    number_grouped(r->step, step, sizeof step);
    number_grouped(ripple_total(r), total, sizeof total);
    snprintf(text, text_size,
             zh ? "第 %s 步(共 %s 步):最高的波 %.4g,能量 %.4g" : "step %s of %s: highest wave %.4g, energy %.4g", step,
             total, sums.max, sums.energy);
    return rc;
}

static void frame_show(struct ripple *r) {
    char text[160], title[64];
    uint8_t *png;
    size_t size;
    if (tb_run_id(r->run) == 0) return; /* nobody would see it */
    snprintf(title, sizeof title, RIPPLE_NAME " · %" PRId64, r->step);
    if (ripple_frame(r, false, text, sizeof text, &png, &size) != 0) return;
    if (tb_image(r->run, title, "image/png", png, size) != 0)
        say_line("the picture of step %lld could not be sent", (long long)r->step);
    free(png);
}

static int frame_call(void *user, const char *args, struct tb_reply *reply) {
    struct ripple *r = user;
    char text[160];
    uint8_t *png;
    size_t size;
    bool zh = args != NULL && strstr(args, "zh") != NULL;
    if (ripple_frame(r, zh, text, sizeof text, &png, &size) != 0) {
        tb_reply_text(reply, zh ? "内存不够,画不出来" : "not enough memory for the picture");
        return -1;
    }
    tb_reply_text(reply, "%s", text);
    if (tb_reply_image(reply, RIPPLE_NAME, "image/png", png, size) != 0) say_line("a picture could not be sent");
    free(png);
    return 0;
}

const struct tb_command *ripple_command(void) {
    static const struct tb_command command = {.name = "frame",
                                              .args = "[zh|en]",
                                              .help = "the pond as it is now",
                                              .call = frame_call,
                                              .zh = "画面|水面",
                                              .zh_help = "水面现在的样子",
                                              .reads = true};
    return &command;
}

/* ---- what the person asks for ---- */

static void note(struct ripple *r, const char *text) {
    say_line("%s", text);
    tb_note(r->run, r->step, text);
}

static void params_read(struct ripple *r) {
    bool fixed = r->begun || r->resumed_from >= 0;
    int64_t total = ripple_total(r);
    for (size_t i = 0; i < RIPPLE_PARAMS; i++) {
        struct tb_param *row = &r->params.rows[i];
        if (fixed && !row->live) continue; /* the next start takes it */
        row->value = row->type == TB_FLOAT ? tb_float(r->run, row->name) : (double)tb_int(r->run, row->name);
    }
    if (!r->begun && ripple_total(r) != total) tb_plan(r->run, r->step, ripple_total(r), 0);
}

/* A new length is told before the answer that names it. */
static bool accept(void *user, const struct tb_change *changes, size_t count, char *why, size_t size) {
    struct ripple *r = user;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(changes[i].name, r->params.rows[RIPPLE_STEPS].name) != 0) continue;
        if (changes[i].value <= (double)r->step) {
            snprintf(why, size, "steps %.0f leaves nothing to do: %lld are done", changes[i].value, (long long)r->step);
            return false;
        }
        if (r->begun) tb_plan(r->run, r->step, (int64_t)changes[i].value, 0);
    }
    return true;
}

static void asks_take(struct ripple *r, unsigned asks) {
    if (asks & TB_ASK_SET) params_read(r);
    if (asks & TB_ASK_STOP)
        r->ending = asks & TB_ASK_SAVE ? ENDING_STOP_SAVE : ENDING_STOP;
    else if (asks & TB_ASK_SAVE)
        ripple_state_save(r, true);
    if (asks_signal_seen() && r->ending == ENDING_NONE) {
        note(r, "asked to end by a signal: stopping");
        r->ending = ENDING_STOP_SAVE;
    }
}

/* True: go on. */
static bool pause_wait(struct ripple *r, const char *reason) {
    unsigned asks = TB_ASK_PAUSE;
    tb_paused(r->run, r->step, reason);
    while (asks & TB_ASK_PAUSE && r->ending == ENDING_NONE) {
        asks = tb_wait(r->run, r->step, WAIT_MS);
        asks_take(r, asks);
    }
    return r->ending == ENDING_NONE;
}

static void asks_answer(struct ripple *r) {
    unsigned asks = tb_poll(r->run, r->step);
    asks_take(r, asks);
    if (asks & TB_ASK_PAUSE && r->ending == ENDING_NONE && pause_wait(r, "asked")) tb_resumed(r->run, r->step);
}

/* ---- the steps ---- */

/* The waves have grown beyond all numbers: wait for another eps or damping, then go back; end where nobody could. */
static void burst(struct ripple *r) {
    char text[200];
    bool alone = tb_run_id(r->run) == 0;
    snprintf(text, sizeof text, "the waves are not finite at step %" PRId64 " (eps %g, damping %g)%s %" PRId64, r->step,
             r->params.rows[RIPPLE_EPS].value, r->params.rows[RIPPLE_DAMPING].value,
             alone ? "; ending, the last finite state is step" : "; paused, resume goes back to step", r->last.step);
    if (alone) {
        r->burst = true;
        note(r, text);
        r->ending = ENDING_FAILED;
        return;
    }
    say_line("%s", text);
    tb_pause_self(r->run);
    r->burst = true;
    if (!pause_wait(r, "nan")) return;
    r->burst = false;
    ripple_state_restore(r);
    tb_rewound(r->run, r->step);
}

static void row_tell(struct ripple *r, const struct ripple_sums *sums) {
    const struct tb_value values[] = {{"energy", sums->energy}, {"max", sums->max}};
    char energy[32], max[32];
    tb_log(r->run, r->step, values, 2);
    if (r->options->print_metrics)
        printf("%" PRId64 " energy=%s max=%s\n", r->step - 1, say_number(sums->energy, energy, sizeof energy),
               say_number(sums->max, max, sizeof max));
    if (r->step % ripple_int(&r->params, RIPPLE_DS) != 0 || !isfinite(sums->energy)) return;
    tb_progress(r->run, r->step, values, 2);
    if (!r->options->print_metrics)
        printf("Iter %" PRId64 ", Energy= %.6f, Highest Wave= %.5f\n", r->step, sums->energy, sums->max);
}

static void step_run(struct ripple *r) {
    struct ripple_sums sums;
    ripple_field_step(&r->field, r->params.rows[RIPPLE_EPS].value, r->params.rows[RIPPLE_DAMPING].value, &sums);
    r->step++;
    row_tell(r, &sums);
    if (!isfinite(sums.energy) || !isfinite(sums.max)) {
        burst(r);
        return;
    }
    const int64_t show = ripple_int(&r->params, RIPPLE_SHOW_EVERY);
    if (show > 0 && r->step % show == 0) frame_show(r);
    if (r->step % ripple_int(&r->params, RIPPLE_SAVE_EVERY) == 0) ripple_state_save(r, false);
}

/* ---- begin and end ---- */

static void run_open(struct ripple *r) {
    const struct tb_options options = {.name = RIPPLE_NAME,
                                       .total_steps = ripple_total(r),
                                       .params = r->params.rows,
                                       .params_count = RIPPLE_PARAMS,
                                       .commands = ripple_command(),
                                       .commands_count = 1,
                                       .accept = accept,
                                       .user = r};
    const char *launched = getenv("TRAINBOT_RUN");
    r->run = tb_open(&options);
    if (launched == NULL || *launched == '\0' || tb_wait_welcome(r->run, WELCOME_MS) != 0) return;
    params_read(r);
}

static void start_say(struct ripple *r) {
    char left[32];
    say_line(RIPPLE_NAME " of %lld x %lld points, %lld drops, seed %lld: %s steps, eps %g, damping %g",
             (long long)r->field.size, (long long)r->field.size, (long long)ripple_int(&r->params, RIPPLE_DROPS),
             (long long)ripple_int(&r->params, RIPPLE_SEED),
             number_grouped(ripple_total(r) - r->step, left, sizeof left), r->params.rows[RIPPLE_EPS].value,
             r->params.rows[RIPPLE_DAMPING].value);
    if (r->resumed_from < 0) return;
    say_line("resumed at step %lld", (long long)r->step);
    if (r->step >= ripple_total(r)) note(r, "nothing is left to do: more steps go on (--steps)");
    tb_plan(r->run, r->step, ripple_total(r), 0);
}

static int run_end(struct ripple *r, double seconds, int64_t steps) {
    char text[32];
    if (steps > 0 && seconds > 0)
        say_line("%s steps in %.1f s, %.0f steps/s", number_grouped(steps, text, sizeof text), seconds,
                 (double)steps / seconds);
    if (r->ending == ENDING_NONE || r->ending == ENDING_STOP_SAVE) {
        if (!r->last_on_disk || r->last.step != r->step) ripple_state_save(r, r->ending == ENDING_STOP_SAVE);
    }
    if (r->ending == ENDING_NONE && !r->options->print_metrics) puts("Simulation Finished!");
    fflush(stdout);
    const char *status = r->ending == ENDING_NONE ? "finished" : r->ending == ENDING_FAILED ? "failed" : "stopped";
    say_line("%s at step %lld%s%s", status, (long long)r->step, r->last_on_disk ? ", checkpoint " : "",
             r->last_on_disk ? r->last_path : "");
    tb_close(r->run, status);
    r->run = NULL;
    return r->ending == ENDING_FAILED ? EXIT_FAILED : EXIT_GOOD;
}

int ripple_run(struct ripple *r) {
    char error[APP_ERROR_SIZE] = "the pond is not finite";
    asks_catch_signals();
    run_open(r);
    if (ripple_state_begin(r, error) != EXIT_GOOD) {
        note(r, error);
        tb_close(r->run, "failed");
        r->run = NULL;
        return EXIT_FAILED;
    }
    start_say(r);
    tb_started(r->run);
    r->begun = true;
    const double begun = seconds_now();
    const int64_t first = r->step;
    while (r->ending == ENDING_NONE && r->step < ripple_total(r)) {
        asks_answer(r);
        if (r->ending == ENDING_NONE && r->step < ripple_total(r)) step_run(r);
    }
    return run_end(r, seconds_now() - begun, r->step - first);
}
