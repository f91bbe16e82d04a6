/* test_ripple.c: the pond as a run: alone, resumed to the bit, and steered by a scripted bot. */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define POND "--model ripple --param size=64 --param drops=9 "
#define ENDLESS POND "--param steps=1e9 --param damping=0.5 --param save_every=1e6 "

static const char *good(const char *line) {
    int status = scene_run(line);
    if (status != 0) fail_msg("%s: exit %d, %s", line, status, program.err_text);
    return program.out_text;
}

static void refused(const char *line, const char *expected) {
    int status = scene_run(line);
    if (status != 2) fail_msg("%s: exit %d instead of 2; %s", line, status, program.err_text);
    const char *newline = strchr(program.err_text, '\n');
    if (newline == NULL || newline[1] != '\0') fail_msg("%s: not one line: %s", line, program.err_text);
    if (!program_said(&program, expected)) fail_msg("\"%s\" does not say \"%s\"", program.err_text, expected);
}

static void alone(void **state) {
    (void)state;
    const char *text = good(POND "--steps 40 --seed 3 --checkpoint-dir saved");
    assert_non_null(strstr(text, "Iter 10, Energy= "));
    assert_non_null(strstr(text, "Iter 40, Energy= "));
    assert_null(strstr(text, "Iter 50"));
    assert_non_null(strstr(text, "Simulation Finished!"));
    assert_true(program_file("saved/step-40"));
    text = good("--resume saved/step-40 --call frame --image-dir ."); /* the checkpoint says what it is of */
    assert_non_null(strstr(text, "step 40 of 40: highest wave "));
    assert_true(program_file("frame-step-40.png"));
    text = good(POND "--bench 20");
    assert_non_null(strstr(text, "\"steps_per_s\":"));
    assert_non_null(strstr(text, "\"samples_per_s\":"));
}

/* The same numbers in one go, and in two with other threads. */
static void resumed(void **state) {
    (void)state;
    good(POND "--steps 5 --checkpoint-dir latest");
    good("--resume latest --steps 7 --checkpoint-dir latest"); /* whose model it is stands in the file */
    assert_true(program_said(&program, "resumed at step 5"));
    char straight[16384];
    snprintf(straight, sizeof straight, "%s", good(POND "--steps 60 --print-metrics"));
    char *first = strdup(good(POND "--steps 25 --print-metrics --threads 1 --checkpoint-dir saved"));
    size_t length = strlen(first);
    assert_memory_equal(first, straight, length);
    free(first);
    assert_string_equal(
        good("--model ripple --resume latest --checkpoint-dir saved --steps 60 --print-metrics --threads 2"),
        straight + length);
    good("--resume saved/step-60 --steps 61 --param size=80 --checkpoint-dir saved");
    assert_true(program_said(&program, "the checkpoint's size 64 is kept"));
}

static void bad_input(void **state) {
    (void)state;
    refused("--model riple --data data", "no model \"riple\"; did you mean ripple? there are cnn");
    refused("--model ripple --param eps=0", "eps must be a number in (0, 1], not \"0\"");
    refused("--model ripple --param size=4097", "size must be a whole number between 8 and 4,096");
    refused("--model ripple --param lr=0.1", "no parameter \"lr\"; there are eps damping steps");
    refused("--model ripple --data data", "--data means nothing to it");
    good(POND "--steps 5 --checkpoint-dir saved");
    refused("--model ripple --resume saved/step-5 --call wave", "ripple knows: frame");
    refused("--model softmax --data data --resume saved/step-5", "is of model ripple, not of softmax");
    good("--model softmax --data data --steps 2 --checkpoint-dir other");
    refused("--model ripple --resume other/step-2", "is of model softmax, not of ripple");
    assert_int_equal(scene_run(POND "--param eps=1 --steps 1000"), 1);
    assert_true(program_said(&program, "the waves are not finite at step "));
}

/* ---- with a bot ---- */

static void ends(const char *status, int exit_status) {
    assert_string_equal(peer_text(peer_wait(&peer, "bye", NULL), "status"), status);
    int got = program_wait(&program);
    if (got != exit_status) fail_msg("exit %d; %s", got, program.err_text);
}

static const cJSON *set(const char *id, const char *params, const char *answer) {
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"%s\",\"params\":%s}", id, params);
    return peer_wait(&peer, answer, id);
}

/* The launcher's values count from the first step, those of the start included; pictures come by themselves. */
static void whole_run(void **state) {
    (void)state;
    scene_launch(POND, "{\"size\":32,\"steps\":100,\"show_every\":50}");
    assert_string_equal(peer_text(peer.frame, "name"), "ripple");
    assert_true(peer_number(peer.frame, "total_steps") == 1000);
    assert_true(peer_number(peer_wait(&peer, "event", "plan"), "total_steps") == 100);
    peer_wait(&peer, "event", "started");
    const cJSON *image = peer_wait(&peer, "image", NULL);
    assert_string_equal(peer_text(image, "mime"), "image/png");
    ends("finished", 0);
    assert_int_equal(peer.steps, 100);
    assert_true(program_said(&program, "ripple of 32 x 32 points"));
    assert_true(program_file("run/checkpoints/step-100"));
}

static void steered(void **state) {
    (void)state;
    scene_launch(ENDLESS, "{}");
    peer_wait_step(&peer, 3);
    const cJSON *applied = set("a", "{\"eps\":0.02,\"damping\":0.4}", "applied");
    assert_true(peer_number(cJSON_GetObjectItem(applied, "old"), "eps") == 0.03);
    assert_non_null(strstr(peer_text(set("b", "{\"steps\":1}", "rejected"), "why"), "leaves nothing to do"));
    set("c", "{\"size\":100}", "rejected");
    peer_send(&peer, "{\"type\":\"call\",\"id\":\"d\",\"name\":\"frame\",\"args\":\"zh\"}");
    const cJSON *result = peer_wait(&peer, "result", "d");
    assert_non_null(strstr(peer_text(result, "text"), "最高的波"));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(result, "images")), 1);
    peer_send(&peer, "{\"type\":\"pause\",\"id\":\"e\"}");
    double at = peer_number(peer_wait(&peer, "event", "paused"), "step");
    peer_send(&peer, "{\"type\":\"save\",\"id\":\"f\"}");
    assert_true(peer_number(peer_wait(&peer, "event", "checkpoint"), "step") == at);
    assert_int_equal(peer.steps, (int64_t)at); /* it truly held */
    peer_send(&peer, "{\"type\":\"resume\",\"id\":\"g\"}");
    peer_wait(&peer, "event", "resumed");
    peer_wait_step(&peer, (int64_t)at + 3);
    peer_send(&peer, "{\"type\":\"stop\",\"id\":\"h\",\"save\":true}");
    double end = peer_number(peer_wait(&peer, "event", "checkpoint"), "step");
    ends("stopped", 0);
    assert_int_equal(peer.steps, (int64_t)end);
}

/* Waves beyond all numbers: it pauses itself, and goes on from the last finite state with a smaller step. */
static void burst(void **state) {
    (void)state;
    scene_launch(ENDLESS, "{}");
    peer_wait_step(&peer, 3);
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"a\",\"params\":{\"eps\":1}}");
    assert_string_equal(peer_text(peer_wait(&peer, "event", "paused"), "text"), "nan");
    set("b", "{\"eps\":0.03}", "applied");
    peer.rewound_to = 0;
    peer_send(&peer, "{\"type\":\"resume\",\"id\":\"c\"}");
    set("d", "{\"steps\":400}", "applied");
    ends("finished", 0);
    assert_int_equal(peer.steps, 400);
}

/* Stopped there, what is saved is the last state that was finite: another would burst again at once. */
static void burst_stopped(void **state) {
    (void)state;
    scene_launch(ENDLESS, "{}");
    peer_wait_step(&peer, 3);
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"a\",\"params\":{\"eps\":1}}");
    assert_string_equal(peer_text(peer_wait(&peer, "event", "paused"), "text"), "nan");
    peer_send(&peer, "{\"type\":\"stop\",\"id\":\"b\",\"save\":true}");
    ends("stopped", 0);
    assert_true(program_said(&program, "the last state that was is kept, of step 0\n"));
    assert_true(program_said(&program, "/step-0\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter, scene_leave)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(alone), TEST(resumed), TEST(bad_input), TEST(whole_run), TEST(steered), TEST(burst), TEST(burst_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
