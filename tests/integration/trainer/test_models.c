/* test_models.c: what holds for every model of the program: it trains, stops and goes on bit for bit, on another
 * backend nearly so, and numbers that are no numbers pause it and lose nothing. */
#include "every_model.h"
#include "scene.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static void good(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void good(const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    program_free(&program);
    int status = program_run(&program, line);
    if (status != 0) fail_msg("%s: exit %d, %s", line, status, program.err_text);
}

/* Six steps at once, and three and three with another process, with what the model has of dropout, noise, augmentation,
 * batch normalisation and images held back. */
static void resumes(const char *model) {
    const char *common = "--data data --print-metrics";
    good("--model %s %s --param bs=9 --param ti=1e6 --seed 5 --steps 6", model, common);
    char *straight = strdup(program.out_text);
    assert_non_null(straight);
    good("--model %s %s --param bs=9 --param ti=1e6 --seed 5 --steps 3 --checkpoint-dir c-%s", model, common, model);
    size_t half = program.out_size;
    if (half == 0 || strncmp(program.out_text, straight, half) != 0)
        fail_msg("%s: the same start gives\n%sand\n%s", model, straight, program.out_text);
    good("--resume c-%s/step-3 %s --steps 6", model, common);
    if (strcmp(program.out_text, straight + half) != 0)
        fail_msg("%s: resumed\n%sinstead of\n%s", model, program.out_text, straight + half);
    assert_false(program_said(&program, "bit for bit"));
    free(straight);
}

static void every_model_resumes(void **state) {
    (void)state;
    const char *const *names;
    size_t count = every_model(&names);
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "ripple") != 0) resumes(names[i]); /* not a network: it has its own tests */
}

/* The first number of each line. */
static int numbers_read(const char *text, double *ret_values, int most) {
    int count = 0;
    for (const char *at = text; *at != '\0' && count < most; at = strchr(at, '\n') + 1)
        assert_int_equal(sscanf(at, "%*d %*[^=]=%lf", &ret_values[count++]), 1);
    return count;
}

/* What one backend saved, another goes on with: the same curve but for rounding. */
static void across_backends(void **state) {
    (void)state;
    const char *const *backends;
    size_t count = every_backend(&backends);
    const char *common = "--data data --print-metrics --threads 1";
    good("--model lenet --backend openblas %s --param bs=32 --steps 4 --checkpoint-dir c", common);
    good("--backend openblas %s --resume c/step-4 --checkpoint-dir c --steps 12", common);
    double expected[8], got[8];
    assert_int_equal(numbers_read(program.out_text, expected, 8), 8);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(backends[i], "openblas") == 0) continue;
        char line[256];
        snprintf(line, sizeof line, "--backend %s %s --resume c/step-4 --steps 12", backends[i], common);
        program_free(&program);
        if (program_run(&program, line) != 0) {
            print_message("SKIP: %s does not open: %s", backends[i], program.err_text);
            continue;
        }
        assert_true(program_said(&program, "saved with openblas/"));
        assert_true(program_said(&program, "the curve goes on, but not bit for bit"));
        assert_int_equal(numbers_read(program.out_text, got, 8), 8);
        for (int k = 0; k < 8; k++)
            if (!(fabs(got[k] - expected[k]) <= 1e-3 * expected[k]))
                fail_msg("%s: step %d: %.7g, not %.7g", backends[i], k + 4, got[k], expected[k]);
    }
}

/* ---- with a bot ---- */

static void control(const char *type, const char *id) {
    peer_send(&peer, "{\"type\":\"%s\",\"id\":\"%s\",\"save\":true}", type, id);
}

static void set(const char *id, const char *params) {
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"%s\",\"params\":%s}", id, params);
    peer_wait(&peer, "applied", id);
}

/* An absurd rate: told, paused, back to the last finite state, on with a small rate. */
static void breaks_and_recovers(const char *model) {
    char folder[48], line[256], name[64];
    snprintf(folder, sizeof folder, "p-%s", model);
    snprintf(name, sizeof name, "%s.sock", model);
    poisoned_make(model, folder);
    peer_open(&peer, program_path(name));
    peer.steps = 2;
    snprintf(
        line, sizeof line,
        "--data data --resume %s/step-2 --param ti=1e9 --param ds=3 --param save_every=4 --param lr=" POISON_HARMLESS,
        folder);
    const struct program_options options = {.socket = peer.path, .run_dir = program_path(folder)};
    program_free(&program);
    program_start(&program, &options, line);
    peer_welcome(&peer, "{}");
    peer_wait_step(&peer, 5);
    set("boom", "{\"lr\":1,\"save_every\":1000000}");
    const cJSON *event = peer_wait(&peer, "event", "paused");
    assert_string_equal(peer_text(event, "text"), "nan");
    double broke = peer_number(event, "step");
    set("calm", "{\"lr\":" POISON_HARMLESS "}");
    control("resume", "r");
    event = peer_wait(&peer, "event", "resumed");
    double back = peer_number(event, "rewind");
    if (!(back >= 4 && back < broke)) fail_msg("%s: broke at step %g, back to %g", model, broke, back);
    peer_wait_step(&peer, (int64_t)broke + 3);
    if (!isfinite(peer.loss)) fail_msg("%s: still not finite", model);
    control("stop", "t");
    peer_wait(&peer, "event", "checkpoint");
    assert_string_equal(peer_text(peer_wait(&peer, "bye", NULL), "status"), "stopped");
    int status = program_wait(&program);
    if (status != 0) fail_msg("%s: exit %d; %s", model, status, program.err_text);
    peer_close(&peer);
}

static void every_model_recovers(void **state) {
    (void)state;
    const char *const *names;
    size_t count = every_model(&names);
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "ripple") != 0) breaks_and_recovers(names[i]);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter_alone, scene_leave_alone)
    const struct CMUnitTest tests[] = {
        TEST(every_model_resumes),
        TEST(across_backends),
        TEST(every_model_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
