/* The store fails (disk full): nothing that was acknowledged is lost, alerts and replies leave once, and all goes on.
 */
#include "stage.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"
#define B "fedcba9876543210fedcba9876543210"

static struct stage_peer *running(struct stage *s) {
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    stage_lent(s, peer);
    return peer;
}

static void test_one_failed_turn(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_commit_fails = 1;
    stage_step(s, peer, 2, "\"loss\":0.5");
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":2,\"text\":\"said once\"");
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 0);
    assert_false(peer->open); /* it keeps its rows and comes back */
    assert_int_equal(stage_told(&s->talk, "said once"), 1);
    assert_int_equal(stage_told(&s->talk, "cannot be written"), 1);
    peer = stage_hello(s, 0, A, NULL);
    assert_false(peer->open); /* not while nothing can be kept */
    stage_pass(s, 6000);
    assert_int_equal(stage_told(&s->talk, "can be written again"), 1);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), 2);
    peer->seq = 2;
    stage_step(s, peer, 2, "\"loss\":0.5");
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":2,\"text\":\"said once\"");
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 4);
    assert_int_equal(stage_rows(s, 1), 2);
    assert_int_equal(stage_events(s, 1, "note"), 1);
    assert_int_equal(stage_told(&s->talk, "said once"), 1);
    stage_restart(s);
    stage_pass(s, 3000);
    assert_int_equal(stage_told(&s->talk, "said once"), 1);
    assert_int_equal(stage_told(&s->talk, "cannot be written"), 1);
}

static void test_page_hears_once(void **state) {
    struct stage *s = *state;
    s->with_page = true;
    stage_restart(s);
    struct stage_peer *peer = running(s);
    stage_commit_fails = -1;
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":2,\"text\":\"said once\"");
    stage_pass(s, 8000);
    stage_commit_fails = 0;
    stage_pass(s, 8000);
    assert_int_equal(stage_told(&s->page, "said once"), 1);
    assert_int_equal(stage_told(&s->page, "cannot be written"), 1);
    assert_int_equal(stage_told(&s->page, "can be written again"), 1);
}

/* It fails for a minute: told once, tried every five seconds, no flapping. */
static void test_failing_for_long(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_commit_fails = -1;
    stage_step(s, peer, 2, "\"loss\":0.5");
    for (int i = 0; i < 60; i++) {
        stage_pass(s, 1000);
        stage_hello(s, 0, A, NULL);
        stage_hello(s, 1, B, NULL);
    }
    assert_int_equal(stage_told(&s->talk, "cannot be written"), 1);
    assert_int_equal(stage_told(&s->talk, "can be written again"), 0);
    assert_true(bot_next_ms(s->bot) <= s->mono_ms + 5000);
    stage_commit_fails = 0;
    stage_pass(s, 6000);
    assert_int_equal(stage_told(&s->talk, "can be written again"), 1);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), 2);
    stage_pass(s, 60000);
    assert_int_equal(stage_told(&s->talk, "written"), 2);
}

/* A run whose row was rolled back is forgotten: its number may be another's. */
static void test_new_run_in_a_failed_turn(void **state) {
    struct stage *s = *state;
    stage_commit_fails = 1;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    assert_null(runs_first(s->bot));
    stage_pass(s, 6000);
    struct stage_peer *other = stage_hello(s, 1, B, NULL);
    peer = stage_hello(s, 0, A, NULL);
    peer->seq = 1;
    stage_step(s, peer, 1, "\"loss\":1");
    stage_step(s, other, 1, "\"loss\":1");
    stage_turn(s);
    assert_int_equal(stage_rows(s, 1), 1);
    assert_int_equal(stage_rows(s, 2), 1);
    assert_string_equal(runs_find(s->bot, 1)->instance, B);
    assert_string_equal(runs_find(s->bot, 2)->instance, A);
}

/* A commit in the middle of the turn fails (a start asked for): the rows before it are not acknowledged. */
static void test_failed_commit_within_a_turn(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_step(s, peer, 2, "\"loss\":0.5");
    stage_commit_fails = 1;
    assert_true(bot_commit(s->bot) < 0);
    stage_step(s, peer, 3, "\"loss\":0.25");
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 0);
    assert_false(peer->open);
    stage_pass(s, 6000);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), 2);
}

static void test_start_refused(void **state) {
    struct stage *s = *state;
    stage_commit_fails = -1;
    stage_say(s, "start");
    assert_int_equal(s->launches, 0); /* never without its row */
    assert_int_equal(stage_told(&s->talk, "did not start"), 1);
    stage_commit_fails = 0;
    stage_pass(s, 6000);
    stage_start(s);
}

/* A training can be stopped though the disk is full. */
static void test_stop_while_failing(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_commit_fails = -1;
    stage_say(s, "stop");
    assert_string_not_equal(stage_control(peer, "stop"), "");
    struct process_end end = {.exit_code = 0};
    (void)end;
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"stopped\"");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "#1 stopped"), 1);
    stage_commit_fails = 0;
    stage_pass(s, 6000);
    assert_string_equal(stage_row(s, 1).state, "stopped"); /* what was known in memory is written at last */
    assert_int_equal(stage_told(&s->talk, "#1 stopped"), 1);
}

/* An end that was settled in a failed turn is written later, and the next bot does not tell it again. */
static void test_end_in_a_failed_turn(void **state) {
    struct stage *s = *state;
    stage_start(s);
    stage_gone(s, stage_hello(s, 0, A, "1"));
    stage_turn(s);
    stage_commit_fails = 1;
    struct process_end end = {.exit_code = 5, .ended_ms = s->wall_ms};
    runs_process_ended(s->bot, 1, &end);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "#1 crashed"), 1);
    stage_pass(s, 6000);
    assert_string_equal(stage_row(s, 1).state, "failed");
    stage_restart(s);
    assert_int_equal(stage_told(&s->talk, "#1 crashed"), 1);
}

/* A message that has a row leaves though the row cannot say so; the next bot must not send it again. */
static void test_left_from_memory(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    struct outbox_message first = {.channel = "talk", .chat = "boss", .class = MESSAGE_ALERT, .text = "first"};
    struct outbox_message second = {.channel = "talk", .chat = "boss", .class = MESSAGE_ALERT, .text = "second"};
    assert_int_equal(outbox_add(s->bot, &first, NULL), TB_OK);
    assert_int_equal(outbox_add(s->bot, &second, NULL), TB_OK);
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    stage_commit_fails = -1;
    s->talk.later = false;
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_OK, "one");
    stage_pass(s, 3000);
    assert_int_equal(stage_told(&s->talk, "second"), 1);
    stage_commit_fails = 0;
    stage_pass(s, 12000);
    stage_restart(s);
    stage_pass(s, 3000);
    assert_int_equal(stage_told(&s->talk, "second"), 1);
    assert_int_equal(stage_told(&s->talk, "first"), 1);
}

/* The same with a file system that refuses every write. */
static void test_no_byte_can_be_written(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    struct rlimit was, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    none = was;
    none.rlim_cur = 0;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    for (int step = 2; step < 50; step++)
        stage_step(s, peer, step, "\"loss\":0.5");
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"note\",\"step\":2,\"text\":\"from memory\"");
    stage_pass(s, 7000);
    int told = stage_told(&s->talk, "from memory"), failed = stage_told(&s->talk, "cannot be written");
    uint64_t acked = stage_acked(peer);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(told, 1);
    assert_int_equal(failed, 1);
    assert_int_equal(acked, 0);
    stage_pass(s, 6000);
    assert_int_equal(stage_told(&s->talk, "can be written again"), 1);
    peer = stage_hello(s, 0, A, NULL);
    assert_int_equal(stage_acked(peer), 2);
    peer->seq = 2;
    for (int step = 2; step < 50; step++)
        stage_step(s, peer, step, "\"loss\":0.5");
    stage_turn(s);
    assert_int_equal(stage_rows(s, 1), 49);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_one_failed_turn),
        TEST(test_page_hears_once),
        TEST(test_failing_for_long),
        TEST(test_new_run_in_a_failed_turn),
        TEST(test_failed_commit_within_a_turn),
        TEST(test_start_refused),
        TEST(test_stop_while_failing),
        TEST(test_end_in_a_failed_turn),
        TEST(test_left_from_memory),
        TEST(test_no_byte_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
