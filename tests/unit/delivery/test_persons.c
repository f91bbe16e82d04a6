/* One person with several conversations: alerts find the one that is open, once. */
#include "fact.h"
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct identity identities[] = {{"talk", "boss"}, {"side", "s1"}, {"page", "x"}};
static struct person_settings person = {"wei", identities, 2};

static int with_person(void **state) {
    if (stage_setup(state) != 0) return -1;
    struct stage *s = *state;
    person.count = 2;
    s->settings.persons = &person;
    s->settings.persons_count = 1;
    s->with_side = s->with_page = true;
    stage_restart(s);
    return 0;
}

static void alarm_now(struct stage *s, const char *text) {
    struct fact fact = {.kind = FACT_STORE_FAILED, .text = text, .cpu_percent = -1};
    report_fact(s->bot, &fact);
    stage_turn(s);
}

static void test_first_open(void **state) {
    struct stage *s = *state;
    alarm_now(s, "alarm one");
    assert_int_equal(stage_told(&s->talk, "alarm one"), 1);
    assert_int_equal(s->side.count, 0);
    assert_int_equal(stage_told(&s->page, "alarm one"), 1); /* keeps the conversation: always */
    channel_set_state(&s->talk.channel, CHANNEL_DOWN, "away");
    alarm_now(s, "alarm two");
    assert_int_equal(stage_told(&s->talk, "alarm two"), 0);
    assert_int_equal(stage_told(&s->side, "alarm two"), 1);
    assert_int_equal(stage_told(&s->page, "alarm two"), 1);
    channel_set_state(&s->side.channel, CHANNEL_DOWN, "away");
    alarm_now(s, "alarm three"); /* nothing is open: it waits, and leaves by whichever opens first */
    channel_set_state(&s->side.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(stage_told(&s->side, "alarm three"), 1);
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_pass(s, 10000);
    assert_int_equal(s->talk.count, 1);
    assert_int_equal(s->side.count, 2);
}

/* It waits where the door is shut then: it moves at once, once, over restarts. */
static void test_moves_when_closed(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_CLOSED;
    alarm_now(s, "alarm one");
    assert_int_equal(s->talk.count, 1);
    assert_int_equal(stage_told(&s->side, "alarm one"), 1);
    stage_restart(s);
    s->talk.answer = SENT_OK;
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_pass(s, 5000);
    assert_int_equal(s->talk.count, 1); /* it is not told again */
    assert_int_equal(s->side.count, 1);
}

static void test_moves_over_budget(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.budget = 1;
    s->talk.channel.traits.window_ms = 86400000;
    stage_restart(s);
    outbox_heard(s->bot, "talk", "boss", 0);
    alarm_now(s, "alarm one");
    alarm_now(s, "alarm two");
    assert_int_equal(stage_told(&s->talk, "alarm one"), 1);
    assert_int_equal(stage_told(&s->talk, "alarm two"), 0);
    assert_int_equal(stage_told(&s->side, "alarm two"), 1);
}

static void test_moves_after_two_tries(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_RETRY;
    alarm_now(s, "alarm one");
    assert_int_equal(s->side.count, 0);
    stage_pass(s, 2000);
    assert_int_equal(s->talk.count, 2);
    assert_int_equal(stage_told(&s->side, "alarm one"), 1);
    s->side.answer = SENT_RETRY; /* both fail: it does not fly to and fro */
    alarm_now(s, "alarm two");
    int before = s->talk.count + s->side.count;
    stage_pass(s, 600000);
    assert_in_range(s->talk.count + s->side.count - before, 5, 40);
    s->side.answer = s->talk.answer = SENT_OK;
    stage_pass(s, 120000);
    assert_int_equal(outbox_count(s->bot, NULL).queued, 0);
    assert_int_equal(outbox_count(s->bot, "talk").sent + outbox_count(s->bot, "side").sent, 2);
}

static void test_dead_service_moves(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_RETRY;
    s->talk.service_down = true;
    alarm_now(s, "alarm one");
    stage_pass(s, 5000);
    assert_int_equal(stage_told(&s->side, "alarm one"), 1);
    alarm_now(s, "alarm two"); /* nobody waits for it any more */
    assert_int_equal(stage_told(&s->side, "alarm two"), 1);
    assert_int_equal(stage_told(&s->talk, "alarm two"), 0);
}

/* Killed at any point of a move: it stands in one conversation, and is told. */
static void test_kill_while_moving(void **state) {
    struct stage *s = *state;
    s->side.later = true;
    s->talk.answer = SENT_CLOSED;
    alarm_now(s, "alarm one");
    assert_int_equal(s->side.count, 1);
    stage_restart(s); /* under way at the second one */
    assert_int_equal(s->side.count, 2);
    stage_chat_done(s, &s->side, s->side.ids[1], SENT_OK, "x");
    stage_restart(s);
    stage_pass(s, 5000);
    assert_int_equal(s->talk.count, 1);
    assert_int_equal(s->side.count, 3); /* the turn that noted it was killed */
    stage_chat_done(s, &s->side, s->side.ids[2], SENT_OK, "x");
    stage_turn(s);
    stage_restart(s);
    stage_pass(s, 5000);
    assert_int_equal(s->side.count, 3);
}

static void test_store_fails_while_moving(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    alarm_now(s, "alarm one");
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_CLOSED, NULL);
    stage_commit_fails = 2;
    stage_turn(s);
    stage_pass(s, 20000);
    stage_restart(s);
    stage_pass(s, 20000);
    assert_in_range(stage_told(&s->side, "alarm one"), 1, 1);
    assert_int_equal(stage_told(&s->talk, "alarm one"), 1); /* the one that found the door shut */
}

static void test_replies_stay(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_CLOSED;
    struct outbox_message reply = {
        .channel = "talk", .chat = "boss", .class = MESSAGE_REPLY, .text = "an answer", .key = ""};
    assert_int_equal(outbox_add(s->bot, &reply, NULL), TB_OK);
    stage_pass(s, 100000);
    assert_int_equal(s->side.count, 0);
    s->talk.answer = SENT_OK;
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "an answer"), 2);
}

/* A conversation that keeps itself, early in the list, is open: nothing else is asked. */
static void test_page_counts_as_open(void **state) {
    struct stage *s = *state;
    static struct identity pages[] = {{"page", "x"}, {"talk", "boss"}, {"side", "s1"}};
    person.identities = pages;
    person.count = 3;
    alarm_now(s, "alarm one");
    assert_int_equal(stage_told(&s->page, "alarm one"), 1);
    assert_int_equal(s->talk.count + s->side.count, 0);
    person.identities = identities;
}

static void test_progress_to_each(void **state) {
    struct stage *s = *state;
    stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, "0123456789abcdef0123456789abcdef", "1");
    stage_turn(s);
    int talk = s->talk.count, side = s->side.count;
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":10,\"values\":{\"loss\":0.5}");
    stage_turn(s);
    assert_int_equal(s->talk.count, talk + 1);
    assert_int_equal(s->side.count, side + 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_person, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_first_open),
        TEST(test_moves_when_closed),
        TEST(test_moves_over_budget),
        TEST(test_moves_after_two_tries),
        TEST(test_dead_service_moves),
        TEST(test_kill_while_moving),
        TEST(test_store_fails_while_moving),
        TEST(test_replies_stay),
        TEST(test_page_counts_as_open),
        TEST(test_progress_to_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
