/* How runs end, and that the end is told once, truly, and after all that came before it. */
#include "stage.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"

static struct stage_peer *launched(struct stage *s) {
    stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    return peer;
}

static void end_with(struct stage *s, int exit_code, int signal) {
    struct process_end end = {.exit_code = exit_code,
                              .signal = signal,
                              .ended_ms = s->wall_ms,
                              .lines_count = 1,
                              .lines = {"the last words"}};
    runs_process_ended(s->bot, 1, &end);
}

static void test_exit_code(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    stage_gone(s, peer);
    end_with(s, 7, 0);
    stage_turn(s);
    struct run_seen seen = stage_row(s, 1);
    assert_string_equal(seen.state, "failed");
    assert_int_equal(seen.exit_code, 7);
    assert_int_equal(seen.exit_signal, 0);
    assert_int_equal(stage_told(&s->talk, "#1 crashed"), 1);
    assert_int_equal(stage_told(&s->talk, "the last words"), 1);
    end_with(s, 0, 0); /* a second word changes nothing */
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "failed");
    assert_int_equal(s->talk.count, 2);
}

static void test_signal(void **state) {
    struct stage *s = *state;
    stage_gone(s, launched(s));
    end_with(s, -1, SIGSEGV);
    stage_turn(s);
    struct run_seen seen = stage_row(s, 1);
    assert_string_equal(seen.state, "failed");
    assert_int_equal(seen.exit_signal, SIGSEGV);
    assert_int_equal(seen.exit_code, -1);
}

/* A progress message that stands somewhere ends with its run, once, without a time that is left. */
static void test_settles(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.edit = true;
    struct stage_peer *peer = launched(s);
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":5,\"values\":{\"loss\":0.5}");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "loss 0.5"), 1);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    stage_gone(s, peer);
    end_with(s, 0, 0);
    stage_turn(s);
    stage_pass(s, 5000);
    int last = s->talk.count - 1;
    assert_true(s->talk.edits[last][0] != 0);
    assert_non_null(strstr(s->talk.texts[last], "finished"));
    assert_null(strstr(s->talk.texts[last], " left"));
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

/* One that has not left when the run ends is not sent any more; what cannot be changed is left as it is. */
static void test_withdrawn(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    s->talk.channel.traits.pace.progress_every_ms = 3600000;
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":5,\"values\":{\"loss\":0.5}");
    stage_turn(s);
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":6,\"values\":{\"loss\":0.25}");
    stage_turn(s);
    assert_int_equal(outbox_count(s->bot, "talk").queued, 1);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_gone(s, peer);
    end_with(s, 0, 0);
    stage_turn(s);
    s->talk.channel.traits.pace.progress_every_ms = 0;
    stage_pass(s, 5000);
    assert_int_equal(stage_told(&s->talk, "step 6"), 0);
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
    stage_restart(s);
    stage_pass(s, 5000);
    assert_int_equal(stage_told(&s->talk, "step 6"), 0);
}

/* The message that should be changed is not there any more: nothing new is sent in its place. */
static void test_settles_nothing(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.edit = true;
    struct stage_peer *peer = launched(s);
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":5,\"values\":{\"loss\":0.5}");
    stage_turn(s);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_gone(s, peer);
    s->talk.later = true;
    end_with(s, 0, 0);
    stage_turn(s);
    for (int i = 0; i < 4; i++) {
        int at = s->talk.count - 1;
        bool edit = s->talk.edits[at][0] != 0;
        s->talk.edit_gone = edit;
        stage_chat_done(s, &s->talk, s->talk.ids[at], edit ? SENT_RETRY : SENT_OK, edit ? NULL : "x");
        stage_pass(s, 3000);
    }
    int cards = 0;
    for (int i = 0; i < s->talk.count; i++)
        cards += strstr(s->talk.texts[i], "step 5") != NULL && s->talk.edits[i][0] == 0;
    assert_int_equal(cards, 1);
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

static void test_finished(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running"); /* the keeper has the last word */
    stage_gone(s, peer);
    end_with(s, 0, 0);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "finished");
    assert_int_equal(stage_told(&s->talk, "#1 finished"), 1);
}

/* The process is gone before its socket is read to the end. */
static void test_last_bytes_come_first(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    end_with(s, 0, 0);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    stage_step(s, peer, 2, "\"loss\":0.25");
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":2,\"values\":{\"loss\":0.25}");
    stage_turn(s);
    stage_gone(s, peer);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "finished");
    assert_int_equal(stage_row(s, 1).step, 2);
    assert_int_equal(stage_rows(s, 1), 2);
    assert_non_null(strstr(s->talk.texts[s->talk.count - 1], "finished"));
}

/* A child of it holds the socket open: the end waits a second, no longer. */
static void test_link_that_stays(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    end_with(s, 0, 0);
    stage_pass(s, 900);
    assert_string_equal(stage_row(s, 1).state, "running");
    stage_pass(s, 200);
    assert_string_equal(stage_row(s, 1).state, "finished");
    assert_true(peer->closing);
}

static void test_not_started(void **state) {
    struct stage *s = *state;
    assert_non_null(session_get(s->bot, "talk", "other"));
    stage_start(s);
    struct process_end end = {
        .exit_code = 127, .not_started = true, .ended_ms = s->wall_ms, .lines_count = 1, .lines = {"no such file"}};
    runs_process_ended(s->bot, 1, &end);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "failed");
    assert_int_equal(stage_told(&s->talk, "did not start"), 2); /* the reply, and the other conversation's alert */
}

static void test_crash_before_hello(void **state) {
    struct stage *s = *state;
    stage_start(s);
    runs_process_started(s->bot, 1, 4711);
    end_with(s, 1, 0);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "failed");
    assert_int_equal(stage_told(&s->talk, "the last words"), 2); /* the reply to the start, the alert */
}

/* Killed between the commit of the run's row and its process. */
static void test_starting_at_restart(void **state) {
    struct stage *s = *state;
    stage_start(s);
    stage_restart(s);
    assert_int_equal(s->launches, 1); /* never started again */
    assert_int_equal(s->adopted, 1);
    runs_process_lost(s->bot, 1);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "failed");
    assert_int_equal(stage_told(&s->talk, "did not start"), 1); /* the asker's request died with the first bot */
}

static void test_keeper_that_cannot_be_watched(void **state) {
    struct stage *s = *state;
    stage_start(s);
    s->adopt_fails = true;
    stage_restart(s);
    assert_string_equal(stage_row(s, 1).state, "failed");
    assert_int_equal(stage_told(&s->talk, "did not start"), 1);
}

/* The start's asker hears of it from the next bot. */
static void test_hello_after_a_restart(void **state) {
    struct stage *s = *state;
    stage_start(s);
    stage_restart(s);
    stage_hello(s, 0, A, "1");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    assert_int_equal(stage_told(&s->talk, "#1 cnn started"), 1);
}

static void test_ended_while_no_bot_was_there(void **state) {
    struct stage *s = *state;
    launched(s);
    stage_restart(s);
    assert_int_equal(s->adopted, 1);
    end_with(s, 9, 0);
    stage_turn(s);
    assert_int_equal(stage_row(s, 1).exit_code, 9);
    assert_int_equal(stage_told(&s->talk, "#1 crashed"), 1);
    stage_restart(s);
    assert_int_equal(s->adoptions, 1);
    stage_pass(s, 100000);
    assert_int_equal(stage_told(&s->talk, "#1 crashed"), 1);
}

/* Its keeper is killed; the training itself lives on as one started by hand. */
static void test_keeper_lost(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    runs_process_started(s->bot, 1, 4711);
    runs_process_lost(s->bot, 1);
    stage_step(s, peer, 2, "\"loss\":1");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "finished");
}

/* `sh -c "train &"`: the process we started is over, the training is not. */
static void test_back_after_the_end(void **state) {
    struct stage *s = *state;
    stage_gone(s, launched(s));
    end_with(s, 0, 0);
    stage_turn(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_step(s, peer, 2, "\"loss\":1");
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    stage_gone(s, peer);
    stage_pass(s, 61000);
    assert_string_equal(stage_row(s, 1).state, "lost");
}

static void test_stop_and_its_signals(void **state) {
    struct stage *s = *state;
    static const struct {
        int exit_code, signal;
        const char *state;
    } rows[] = {
        {0, 0, "stopped"}, {-1, SIGTERM, "stopped"}, {143, 0, "stopped"}, {-1, SIGSEGV, "failed"}, {1, 0, "failed"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char instance[33], hint[8];
        int64_t run = stage_start(s);
        snprintf(instance, sizeof instance, "%032zx", i + 1);
        snprintf(hint, sizeof hint, "%lld", (long long)run);
        struct stage_peer *peer = stage_hello(s, 0, instance, hint);
        stage_turn(s);
        stage_say(s, "stop");
        stage_gone(s, peer);
        struct process_end end = {.exit_code = rows[i].exit_code, .signal = rows[i].signal, .ended_ms = s->wall_ms};
        runs_process_ended(s->bot, run, &end);
        stage_turn(s);
        assert_string_equal(stage_row(s, run).state, rows[i].state);
    }
}

static void test_one_message_for_the_one_who_stopped(void **state) {
    struct stage *s = *state;
    assert_non_null(session_get(s->bot, "talk", "other"));
    struct stage_peer *peer = launched(s);
    stage_say(s, "stop");
    stage_forget(&s->talk);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"stopped\"");
    stage_gone(s, peer);
    end_with(s, 0, 0);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "#1 stopped"), 2); /* the reply, and the other conversation's alert */
}

/* The bot leaves while an end waits for the link's last bytes: the next one tells it, once. */
static void test_leaving(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = launched(s);
    end_with(s, 3, 0);
    bot_leave(s->bot);
    int told = s->talk.count;
    runs_disconnected(s->bot, &peer->conn);
    peer->open = false;
    assert_int_equal(bot_next_ms(s->bot), INT64_MAX);
    assert_int_equal(s->talk.count, told);
    stage_restart(s);
    end_with(s, 3, 0);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "#1 crashed"), 1);
    assert_int_equal(stage_row(s, 1).exit_code, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_exit_code),
        TEST(test_signal),
        TEST(test_finished),
        TEST(test_settles),
        TEST(test_withdrawn),
        TEST(test_settles_nothing),
        TEST(test_last_bytes_come_first),
        TEST(test_link_that_stays),
        TEST(test_not_started),
        TEST(test_crash_before_hello),
        TEST(test_starting_at_restart),
        TEST(test_keeper_that_cannot_be_watched),
        TEST(test_hello_after_a_restart),
        TEST(test_ended_while_no_bot_was_there),
        TEST(test_keeper_lost),
        TEST(test_back_after_the_end),
        TEST(test_stop_and_its_signals),
        TEST(test_one_message_for_the_one_who_stopped),
        TEST(test_leaving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
