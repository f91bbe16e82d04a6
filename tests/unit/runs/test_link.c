/* Trainers on the link: who they are, what is taken once, what is acknowledged and when. */
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"
#define B "fedcba9876543210fedcba9876543210"

static void test_by_hand(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    assert_true(stage_was_sent(peer, "\"type\":\"welcome\",\"run\":\"1\""));
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    assert_int_equal(stage_told(&s->talk, "#1"), 1);
    assert_int_equal(stage_events(s, 1, "attached"), 1);
}

static void test_by_hint(void **state) {
    struct stage *s = *state;
    int64_t run = stage_start(s);
    assert_string_equal(stage_row(s, run).state, "starting");
    assert_int_equal(s->talk.count, 0); /* not before it says hello */
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_turn(s);
    assert_true(stage_was_sent(peer, "\"run\":\"1\""));
    assert_string_equal(stage_row(s, run).state, "running");
    assert_int_equal(stage_told(&s->talk, "#1"), 1);      /* the reply; the one who asked is not told twice */
    struct stage_peer *other = stage_hello(s, 1, B, "1"); /* a second process in the same run's environment */
    assert_true(stage_was_sent(other, "\"run\":\"2\""));
    struct stage_peer *wild = stage_hello(s, 2, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "7x");
    assert_true(stage_was_sent(wild, "\"run\":\"3\""));
}

static void test_known_after_restart(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    for (int step = 1; step <= 20; step++)
        stage_step(s, peer, step, "\"loss\":0.5");
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":20,\"values\":{\"acc\":0.25}");
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 22);
    int told = s->talk.count;
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    assert_true(stage_was_sent(peer, "\"run\":\"1\""));
    assert_int_equal(stage_acked(peer), 22);
    assert_int_equal(s->talk.count, told); /* nobody is told of it */
    const struct run *run = runs_find(s->bot, 1);
    assert_int_equal(run->step, 20);
    assert_true(run_metric(run, "loss")->value == 0.5); /* the newest values, though they are not written every turn */
    assert_true(run_metric(run, "acc")->value == 0.25);
    assert_non_null(run_param(run, "lr"));
    assert_non_null(run_command(run, "recognize"));
    stage_step(s, peer, 21, "\"loss\":0.25");
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 23);
    assert_int_equal(stage_rows(s, 1), 21);
}

static void test_second_connection(void **state) {
    struct stage *s = *state;
    struct stage_peer *first = stage_hello(s, 0, A, NULL);
    stage_step(s, first, 1, "\"loss\":1");
    stage_turn(s);
    struct stage_peer *second = stage_hello(s, 1, A, NULL);
    assert_true(first->closing);
    assert_true(stage_was_sent(second, "\"run\":\"1\""));
    stage_turn(s);
    assert_ptr_equal(runs_find(s->bot, 1)->conn, &second->conn);
    assert_int_equal(runs_find(s->bot, 1)->link_lost_ms, 0); /* the end of the first is none of the run's */
    assert_true(stage_line(s, second,
                           "{\"type\":\"hello\",\"v\":1,\"instance\":\"" B "\",\"name\":\"x\",\"pid\":1,\"host\":\"h\","
                           "\"next_seq\":1,\"params\":[],\"commands\":[]}") < 0);
    assert_true(stage_was_sent(second, "a second hello"));
}

static void test_frames_out_of_place(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    (void)stage_line(s, peer, "{\"type\":\"metrics\",\"step\":1,\"t_ms\":1,\"values\":{\"loss\":1}}");
    assert_true(stage_was_sent(peer, "missing_field"));
    (void)stage_line(s, peer, "{\"type\":\"ack\",\"seq\":4}");
    assert_true(stage_was_sent(peer, "unknown_type"));
    (void)stage_line(s, peer, "{\"type\":\"error\",\"code\":\"bad_field\",\"why\":\"no\"}");
    stage_turn(s);
    assert_int_equal(stage_rows(s, 1), 0);
    struct stage_peer early = {.conn = {.ops = peer->conn.ops}};
    assert_true(
        stage_line(s, &early, "{\"type\":\"metrics\",\"seq\":1,\"step\":1,\"t_ms\":1,\"values\":{\"loss\":1}}") < 0);
    assert_true(stage_was_sent(&early, "hello comes first"));
}

static void test_once_and_acked_after_the_commit(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    stage_lent(s, peer);
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":1,\"text\":\"only once\"");
    stage_step(s, peer, 1, "\"loss\":1");
    assert_int_equal(stage_acked(peer), 0);
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 3);
    assert_int_equal(stage_row(s, 1).ack, 3);
    peer->seq = 1; /* all of it again */
    stage_lent(s, peer);
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":1,\"text\":\"only once\"");
    stage_step(s, peer, 1, "\"loss\":5");
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 3); /* said again */
    assert_int_equal(stage_told(&s->talk, "only once"), 1);
    assert_int_equal(stage_told(&s->page, "only once"), 0); /* no conversation there */
    assert_true(run_metric(runs_find(s->bot, 1), "loss")->value == 1);
}

/* A command that commits within the turn: what trainers said before it stands together with their acks. */
static void test_commit_within_a_turn(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":1,\"text\":\"halfway\"");
    assert_int_equal(bot_commit(s->bot), TB_OK);
    stage_restart(s);
    assert_int_equal(stage_row(s, 1).ack, 2);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), 2);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "halfway"), 1);
}

static void test_rewind(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    for (int step = 1; step <= 30; step++)
        stage_step(s, peer, step, "\"loss\":1");
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"resumed\",\"step\":10,\"rewind\":10");
    stage_turn(s);
    assert_int_equal(stage_rows(s, 1), 10);
    assert_int_equal(stage_row(s, 1).step, 10);
    stage_step(s, peer, 11, "\"loss\":0.125");
    stage_turn(s);
    assert_int_equal(stage_rows(s, 1), 11);
    assert_int_equal(runs_find(s->bot, 1)->step, 11);
}

static void test_progress_and_events(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"plan\",\"step\":0,\"total_steps\":500,\"batch\":8");
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":5,\"values\":{\"loss\":0.5}");
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":10,\"values\":{\"loss\":0.25}");
    int before = s->talk.count;
    stage_turn(s);
    assert_int_equal(s->talk.count - before, 2); /* started, and one progress a turn */
    const struct run *run = runs_find(s->bot, 1);
    assert_int_equal(run->total_steps, 500);
    assert_int_equal(run->batch, 8);
    assert_true(run_metric(run, "loss")->shown == 0.25);
    assert_true(run_metric(run, "loss")->before == 0.5);
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"checkpoint\",\"step\":10,\"path\":\"/tmp/c\",\"bytes\":99");
    stage_frame(s, peer,
                "\"type\":\"event\",\"kind\":\"gap\",\"step\":20,\"from_step\":11,\"to_step\":20,\"dropped\":9");
    stage_turn(s);
    assert_string_equal(run->checkpoint, "/tmp/c");
    assert_int_equal(stage_events(s, 1, "checkpoint"), 1);
    assert_int_equal(stage_told(&s->talk, "9 rows are missing"), 1);
    assert_int_equal(s->live_rows, 2);
}

/* Names without end: rows are refused for good, the link stays, memory is bounded. */
static void test_too_many_metrics(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    for (int i = 0; i < 3000; i++) {
        char values[64];
        snprintf(values, sizeof values, "\"metric_%d\":1", i);
        stage_step(s, peer, i + 1, values);
        if (i % 500 == 0) stage_turn(s);
    }
    stage_pass(s, 1000); /* acks of rows are shared for a moment */
    assert_false(peer->closing);
    assert_int_equal(stage_acked(peer), 3001);
    assert_true(runs_find(s->bot, 1)->metrics_count <= RUN_METRICS_MAX);
}

static void test_bye_once(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":9,\"values\":{\"loss\":0.5}");
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "finished");
    assert_int_equal(stage_told(&s->talk, "#1 finished"), 1);
    assert_non_null(strstr(s->talk.texts[s->talk.count - 1], "#1 finished")); /* after the last progress */
    /* Its ack was lost: it comes back and says it again. */
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), 4);
    peer->seq--;
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    stage_gone(s, peer);
    stage_pass(s, 120000);
    assert_string_equal(stage_row(s, 1).state, "finished");
    assert_int_equal(stage_told(&s->talk, "#1 finished"), 1);
}

static void test_many_ended(void **state) {
    struct stage *s = *state;
    for (int i = 0; i < 100; i++) {
        char instance[33];
        snprintf(instance, sizeof instance, "%032x", i + 1);
        struct stage_peer *peer = stage_hello(s, 0, instance, NULL);
        stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
        stage_turn(s);
    }
    stage_gone(s, &s->peers[0]);
    stage_turn(s);
    size_t count = 0;
    for (const struct run *run = runs_first(s->bot); run; run = run->next)
        count++;
    assert_in_range(count, 1, 40);
    const struct run *oldest = runs_find(s->bot, 1), *second = runs_find(s->bot, 2); /* both held until the turn ends */
    assert_int_equal(oldest->id, 1);
    assert_int_equal(second->id, 2);
    for (int i = 3; i < 60; i++)
        assert_non_null(runs_find(s->bot, i));
    assert_string_equal(oldest->instance, "00000000000000000000000000000001");
    assert_null(runs_find(s->bot, 4711));
    stage_turn(s);
}

static void test_delete(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    assert_int_equal(runs_delete(s->bot, 1), TB_EBUSY);
    stage_write(s, "runs/1/output.log", "words");
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"stopped\"");
    stage_turn(s);
    assert_int_equal(runs_delete(s->bot, 1), TB_EBUSY); /* still linked */
    stage_gone(s, peer);
    stage_turn(s);
    assert_int_equal(runs_delete(s->bot, 1), TB_OK);
    stage_turn(s);
    assert_null(runs_find(s->bot, 1));
    assert_false(stage_exists(s, "runs/1"));
    assert_int_equal(runs_delete(s->bot, 1), TB_ENOTFOUND);
    stage_hello(s, 1, B, NULL);
    stage_turn(s);
    assert_int_equal(runs_newest(s->bot), 2); /* a number is not used again */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_by_hand),
        TEST(test_by_hint),
        TEST(test_known_after_restart),
        TEST(test_second_connection),
        TEST(test_frames_out_of_place),
        TEST(test_once_and_acked_after_the_commit),
        TEST(test_commit_within_a_turn),
        TEST(test_rewind),
        TEST(test_progress_and_events),
        TEST(test_too_many_metrics),
        TEST(test_bye_once),
        TEST(test_many_ended),
        TEST(test_delete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
