/* What is told without any user code, by the clock: NaN, stalls, stops that nobody answers, lost links. */
#include "stage.h"
#include "rules.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"

static struct stage_peer *running(struct stage *s, int steps, int64_t each_ms) {
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    for (int step = 1; step <= steps; step++) {
        s->wall_ms += each_ms;
        s->mono_ms += each_ms;
        stage_step(s, peer, step, "\"loss\":1");
        stage_turn(s);
    }
    return peer;
}

static void test_nan_once_with_the_pause(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 3, 100);
    stage_step(s, peer, 4, "\"loss\":\"nan\"");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "NaN"), 0); /* the trainer may be about to pause */
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"paused\",\"step\":4,\"text\":\"nan\"");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "became NaN (step 4, before 1"), 1);
    assert_int_equal(stage_told(&s->talk, "It paused by itself"), 1);
    assert_int_equal(stage_told(&s->talk, "paused at step"), 0); /* one message says both */
    stage_pass(s, 100000);
    assert_int_equal(stage_told(&s->talk, "NaN"), 1);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0); /* paused is no stall */
}

static void test_nan_without_a_pause(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 3, 100);
    stage_step(s, peer, 4, "\"loss\":\"inf\",\"acc\":0.5");
    stage_pass(s, 1000);
    assert_int_equal(stage_told(&s->talk, "Training goes on"), 1);
    stage_step(s, peer, 5, "\"acc\":0.5"); /* another metric is finite: nothing has changed */
    stage_step(s, peer, 6, "\"loss\":\"nan\"");
    stage_pass(s, 2000);
    assert_int_equal(stage_told(&s->talk, "became infinite"), 1);
    stage_step(s, peer, 7, "\"loss\":2"); /* it recovers, and breaks again */
    stage_step(s, peer, 8, "\"loss\":\"-inf\"");
    stage_pass(s, 2000);
    assert_int_equal(stage_told(&s->talk, "became infinite"), 2);
}

/* Seen and acknowledged, but not told when the bot was killed. */
static void test_nan_over_a_restart(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 3, 100);
    stage_step(s, peer, 4, "\"loss\":\"nan\"");
    stage_turn(s);
    stage_restart(s);
    stage_pass(s, 2000);
    assert_int_equal(stage_told(&s->talk, "became NaN (step 4"), 1);
    stage_restart(s);
    stage_pass(s, 2000);
    assert_int_equal(stage_told(&s->talk, "became NaN"), 1);
}

static void test_stall_after_thirty_seconds(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 10, 60);
    stage_pass(s, 29900);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
    stage_pass(s, 200);
    assert_int_equal(stage_told(&s->talk, "no new step for 30 s (usually 0.06 s a step)"), 1);
    stage_pass(s, 500000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
    stage_step(s, peer, 11, "\"loss\":1");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "#1 moves again: step 11"), 1);
    assert_int_equal(stage_events(s, 1, "stall"), 1);
}

static void test_stall_by_the_median(void **state) {
    struct stage *s = *state;
    running(s, 10, 20000); /* 3 × 20 s */
    stage_pass(s, 59000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
    stage_pass(s, 2000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
}

static void test_stall_by_the_longest_gap(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 10, 100);
    s->wall_ms += 28000; /* an evaluation, say */
    s->mono_ms += 28000;
    stage_step(s, peer, 11, "\"loss\":1");
    stage_turn(s);
    stage_pass(s, 41000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
    stage_pass(s, 1500); /* 1.5 × 28 s */
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
}

static void test_no_stall_before_the_first_step(void **state) {
    struct stage *s = *state;
    stage_start(s);
    stage_pass(s, 600000);
    stage_hello(s, 0, A, "1");
    stage_pass(s, 600000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
}

/* Steps that are not logged show in heartbeats. */
static void test_heartbeats_are_life(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 5, 100);
    for (int i = 0; i < 30; i++) {
        stage_pass(s, 5000);
        (void)stage_line(s, peer, "{\"type\":\"heartbeat\",\"step\":9,\"since_step_ms\":40}");
    }
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
    for (int i = 0; i < 10; i++) {
        char line[100];
        stage_pass(s, 5000);
        snprintf(line, sizeof line, "{\"type\":\"heartbeat\",\"step\":9,\"since_step_ms\":%d}", 5000 * (i + 1));
        (void)stage_line(s, peer, line); /* the sender thread lives, the training does not */
    }
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
}

/* The bot itself was stopped for a minute: what waits in the sockets is read before anybody is judged. */
static void test_late_tick_judges_nobody(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 10, 100);
    stage_pass_at_once(s, 70000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
    stage_step(s, peer, 11, "\"loss\":1");
    stage_pass(s, 5000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 0);
}

static void test_stall_is_not_told_again_by_the_next_bot(void **state) {
    struct stage *s = *state;
    running(s, 10, 100);
    stage_pass(s, 31000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
    stage_restart(s);
    stage_hello(s, 0, A, NULL);
    stage_pass(s, 100000);
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
}

static void test_stop_escalates(void **state) {
    struct stage *s = *state;
    stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    stage_say(s, "stop");
    assert_string_not_equal(stage_control(peer, "stop"), "");
    stage_pass(s, 30000);
    stage_step(s, peer, 2, "\"loss\":1"); /* a sign of life */
    stage_pass(s, 59000);
    assert_int_equal(s->signals_count, 0);
    stage_say(s, "stop"); /* saying it again gives it no more time */
    stage_pass(s, 2000);
    assert_int_equal(s->signals_count, 1);
    assert_int_equal(s->signals[0], SIGTERM);
    assert_int_equal(stage_told(&s->talk, "SIGTERM"), 1);
    stage_pass(s, 8000); /* of the ten seconds, one has passed already */
    assert_int_equal(s->signals_count, 1);
    stage_pass(s, 2000);
    assert_int_equal(s->signals_count, 2);
    assert_int_equal(s->signals[1], SIGKILL);
    assert_int_equal(stage_told(&s->talk, "SIGKILL"), 1);
    stage_pass(s, 100000);
    assert_int_equal(s->signals_count, 2);
    struct process_end end = {.exit_code = -1, .signal = SIGKILL, .ended_ms = s->wall_ms};
    stage_gone(s, peer);
    runs_process_ended(s->bot, 1, &end);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "stopped");
}

static void test_refused_stop(void **state) {
    struct stage *s = *state;
    stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_step(s, peer, 1, "\"loss\":1");
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"paused\",\"step\":1,\"text\":\"lunch\"");
    stage_turn(s);
    stage_say(s, "stop");
    stage_frame(s, peer, "\"type\":\"rejected\",\"id\":\"%s\",\"why\":\"not now\"", stage_control(peer, "stop"));
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "paused"); /* as it was */
    stage_pass(s, 200000);
    assert_int_equal(s->signals_count, 0);
}

static void test_stop_before_hello(void **state) {
    struct stage *s = *state;
    stage_start(s);
    stage_say(s, "stop 1");
    assert_int_equal(s->signals_count, 1); /* it knows no stop frame */
    assert_int_equal(s->signals[0], SIGTERM);
    stage_pass(s, 11000);
    assert_int_equal(s->signals[1], SIGKILL);
}

static void test_lost(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 3, 100);
    stage_gone(s, peer);
    stage_pass(s, 59000);
    assert_string_equal(stage_row(s, 1).state, "running");
    stage_pass(s, 2000);
    assert_string_equal(stage_row(s, 1).state, "lost");
    assert_int_equal(stage_told(&s->talk, "#1 lost"), 1);
    peer = stage_hello(s, 0, A, NULL); /* and yet it lives */
    stage_step(s, peer, 4, "\"loss\":1");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    assert_int_equal(stage_rows(s, 1), 4);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "finished");
}

/* Core itself closes the connection: the run is given up all the same when nobody comes back. */
static void test_closed_by_core_is_lost_too(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 3, 100);
    peer->conn.ops->close(&peer->conn);
    stage_pass(s, 62000);
    assert_string_equal(stage_row(s, 1).state, "lost");
}

static void test_next_due(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s, 5, 100);
    stage_pass(s, 1500); /* values that may wait are written */
    int64_t due_ms = bot_next_ms(s->bot);
    assert_in_range(due_ms, s->mono_ms, s->mono_ms + 30000);
    stage_gone(s, peer);
    stage_turn(s);
    assert_in_range(bot_next_ms(s->bot), s->mono_ms, s->mono_ms + RULES_LOST_AFTER_MS);
    stage_pass(s, 61000);
    assert_true(bot_next_ms(s->bot) == INT64_MAX); /* nothing is left to wait for */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_nan_once_with_the_pause),
        TEST(test_nan_without_a_pause),
        TEST(test_nan_over_a_restart),
        TEST(test_stall_after_thirty_seconds),
        TEST(test_stall_by_the_median),
        TEST(test_stall_by_the_longest_gap),
        TEST(test_no_stall_before_the_first_step),
        TEST(test_heartbeats_are_life),
        TEST(test_late_tick_judges_nobody),
        TEST(test_stall_is_not_told_again_by_the_next_bot),
        TEST(test_stop_escalates),
        TEST(test_refused_stop),
        TEST(test_stop_before_hello),
        TEST(test_lost),
        TEST(test_closed_by_core_is_lost_too),
        TEST(test_next_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
