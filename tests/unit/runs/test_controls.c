/* What is asked of trainers: sent when it is durable, asked again until answered, carried out and told once. */
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"

static struct stage_peer *running(struct stage *s) {
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    return peer;
}

static void applied(struct stage *s, struct stage_peer *peer, const char *id) {
    stage_frame(s, peer, "\"type\":\"applied\",\"id\":\"%s\",\"step\":2,\"old\":{\"lr\":0.1},\"new\":{\"lr\":0.5}", id);
}

static bool count_change(void *user, const struct param_change_record *change) {
    assert_string_equal(change->name, "lr");
    ++*(int *)user;
    return true;
}

static int changes(struct stage *s) {
    int count = 0;
    assert_int_equal(store_param_changes(s->store, 1, count_change, &count), TB_OK);
    return count;
}

static void test_sent_when_durable(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    struct inbound inbound = {
        .channel = "talk", .chat = "boss", .sender = "boss", .service_id = "x1", .text = "lr 0.5", .size = 6};
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    assert_false(stage_was_sent(peer, "\"type\":\"set\"")); /* a bot that is killed now asks it once, later */
    stage_turn(s);
    assert_true(stage_was_sent(peer, "\"type\":\"set\""));
    stage_restart(s);
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK); /* said again: it was stored */
    peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    const char *first = strstr(peer->sent, "\"type\":\"set\"");
    assert_non_null(first);
    assert_null(strstr(first + 1, "\"type\":\"set\""));
}

static void test_again_after_a_reconnect(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_say(s, "lr 0.5");
    char id[64];
    snprintf(id, sizeof id, "%s", stage_control(peer, "set"));
    stage_gone(s, peer);
    stage_turn(s);
    peer = stage_hello(s, 0, A, NULL);
    assert_string_equal(stage_control(peer, "set"), id);
    applied(s, peer, id);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "lr 0.1 → 0.5"), 1);
    assert_int_equal(changes(s), 1);
    stage_gone(s, peer);
    stage_turn(s);
    peer = stage_hello(s, 0, A, NULL);
    assert_false(stage_was_sent(peer, "\"type\":\"set\""));
    assert_true(run_param(runs_find(s->bot, 1), "lr")->number == 0.5);
}

static void test_again_after_a_restart(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_say(s, "lr 0.5");
    char id[64];
    snprintf(id, sizeof id, "%s", stage_control(peer, "set"));
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    assert_string_equal(stage_control(peer, "set"), id);
    applied(s, peer, id);
    applied(s, peer, id); /* the publisher repeats its answer, with a seq of its own */
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "lr 0.1 → 0.5"), 1); /* the chat that asked hears it */
    assert_int_equal(changes(s), 1);
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    assert_false(stage_was_sent(peer, "\"type\":\"set\""));
}

/* Applied by the trainer, acknowledged, and the bot killed before its turn ended: the answer comes again. */
static void test_answer_in_a_lost_turn(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_say(s, "lr 0.5");
    char id[64];
    snprintf(id, sizeof id, "%s", stage_control(peer, "set"));
    applied(s, peer, id);
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    peer->seq = stage_acked(peer);
    applied(s, peer, id);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "lr 0.1 → 0.5"), 1);
    assert_int_equal(changes(s), 1);
}

static void test_result_once(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_say(s, "recognize 4");
    char id[64];
    snprintf(id, sizeof id, "%s", stage_control(peer, "call"));
    assert_string_not_equal(id, "");
    for (int i = 0; i < 2; i++)
        stage_frame(s, peer, "\"type\":\"result\",\"id\":\"%s\",\"text\":\"four cats\",\"images\":[]", id);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "four cats"), 1);
    int told = s->talk.count;
    stage_say(s, "results");
    assert_int_equal(s->talk.count, told + 1);
    const char *list = s->talk.texts[told];
    assert_non_null(strstr(list, "four cats"));
    assert_null(strstr(strstr(list, "four cats") + 1, "four cats"));
}

static void test_pause_save_resume(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    char id[64];
    stage_say(s, "pause");
    snprintf(id, sizeof id, "%s", stage_control(peer, "pause"));
    stage_frame(s, peer, "\"type\":\"applied\",\"id\":\"%s\",\"step\":1,\"old\":{},\"new\":{}", id);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running"); /* taken up, not yet so */
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"paused\",\"step\":1,\"id\":\"%s\"", id);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "paused");
    assert_int_equal(stage_told(&s->talk, "paused"), 1); /* the reply alone */
    stage_say(s, "save");
    snprintf(id, sizeof id, "%s", stage_control(peer, "save"));
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"checkpoint\",\"step\":1,\"path\":\"periodic\",\"bytes\":1");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "periodic"), 0); /* not the one that was asked for */
    stage_frame(s, peer,
                "\"type\":\"event\",\"kind\":\"checkpoint\",\"step\":1,\"path\":\"wanted\",\"bytes\":1,\"id\":\"%s\"",
                id);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "wanted"), 1);
    stage_say(s, "resume");
    snprintf(id, sizeof id, "%s", stage_control(peer, "resume"));
    stage_frame(s, peer, "\"type\":\"event\",\"kind\":\"resumed\",\"step\":1,\"id\":\"%s\"", id);
    stage_turn(s);
    assert_string_equal(stage_row(s, 1).state, "running");
    stage_restart(s);
    peer = stage_hello(s, 0, A, NULL);
    static const char *const types[] = {"pause", "save", "resume"};
    for (int i = 0; i < 3; i++)
        assert_string_equal(stage_control(peer, types[i]), "");
}

static void test_rejected(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_say(s, "lr 0.5");
    stage_frame(s, peer, "\"type\":\"rejected\",\"id\":\"%s\",\"why\":\"too much for me\"", stage_control(peer, "set"));
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "too much for me"), 1);
    assert_true(run_param(runs_find(s->bot, 1), "lr")->asked == 0.1);
    assert_int_equal(changes(s), 0);
}

/* The trainer ends before it answers: the asker is not left waiting. */
static void test_ended_instead(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_say(s, "lr 0.5");
    int told = s->talk.count;
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_turn(s);
    assert_in_range(s->talk.count - told, 2, 3); /* the end, and the answer */
    stage_restart(s);
    assert_false(commands_busy(s->bot, "talk", "boss"));
}

/* What the trainer changed by itself is on record as its own. */
static void test_changed_by_itself(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = running(s);
    stage_frame(s, peer,
                "\"type\":\"applied\",\"id\":\"schedule\",\"step\":2,\"old\":{\"lr\":0.1},\"new\":{\"lr\":0.01}");
    stage_turn(s);
    assert_int_equal(changes(s), 1);
    assert_true(run_param(runs_find(s->bot, 1), "lr")->number == 0.01);
}

static void test_start_values(void **state) {
    struct stage *s = *state;
    stage_say(s, "start lr=0.25");
    assert_int_equal(s->launches, 1);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    assert_true(stage_was_sent(peer, "\"params\":{\"lr\":0.25}"));
    stage_turn(s);
    stage_say(s, "lr 0.5");
    applied(s, peer, stage_control(peer, "set"));
    stage_turn(s);
    stage_restart(s);
    stage_hello(s, 0, A, "1"); /* still before its first step: what was set since stands */
    stage_turn(s);
    assert_true(run_param(runs_find(s->bot, 1), "lr")->number == 0.5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_sent_when_durable),
        TEST(test_again_after_a_reconnect),
        TEST(test_again_after_a_restart),
        TEST(test_answer_in_a_lost_turn),
        TEST(test_result_once),
        TEST(test_pause_save_resume),
        TEST(test_rejected),
        TEST(test_ended_instead),
        TEST(test_changed_by_itself),
        TEST(test_start_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
