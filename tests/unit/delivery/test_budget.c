/* The budget of a conversation: the rules by themselves, then what leaves, what waits, and what shares a message. */
#include "budget.h"
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HOUR 3600000LL

static void add(struct stage *s, enum message_class class, const char *text) {
    struct outbox_message message = {.channel = "talk",
                                     .chat = "boss",
                                     .class = class,
                                     .text = text,
                                     .key = class == MESSAGE_PROGRESS ? "progress:1" : ""};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
}

static bool first_view(void *user, const struct outbox_line_view *view) {
    if (strcmp(view->chat, "boss") == 0) *(struct outbox_line_view *)user = *view;
    return true;
}
static struct outbox_line_view view(struct stage *s) {
    struct outbox_line_view seen = {.left = -2};
    outbox_lines(s->bot, "talk", first_view, &seen);
    return seen;
}

/* A service of the kind: `budget` sends after each message, of which the last `reserve` are for what matters. */
static void counted(struct stage *s, int64_t budget, int64_t reserve) {
    struct channel_traits *traits = &s->talk.channel.traits;
    traits->budget = budget;
    traits->reserve = reserve;
    traits->window_ms = 24 * HOUR;
    traits->text_max_units = 1800;
    stage_restart(s);
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
}

static void test_rules(void **state) {
    (void)state;
    struct budget_rules rules = {10, 3, 24 * HOUR};
    struct budget budget = {0};
    int64_t t = 1700000000000;
    assert_int_equal(budget_left(&budget, &rules, t), 0); /* never heard of */
    assert_true(budget_heard(&budget, &rules, t, t, 0));
    assert_int_equal(budget_left(&budget, &rules, t), 10);
    for (int i = 0; i < 7; i++)
        budget_spend(&budget, &rules);
    assert_false(budget_allows(&budget, &rules, t, true)); /* three: the reserve */
    assert_true(budget_allows(&budget, &rules, t, false));
    budget_give_back(&budget, &rules);
    assert_true(budget_allows(&budget, &rules, t, true));
    assert_true(budget_heard(&budget, &rules, t + 1000, t + 2000, 0)); /* anew, not more */
    assert_int_equal(budget_left(&budget, &rules, t), 10);
    budget_give_back(&budget, &rules);
    assert_int_equal(budget_left(&budget, &rules, t), 10);
    budget_close(&budget);
    assert_false(budget_heard(&budget, &rules, t + 999, t + 3000, 0)); /* older than the newest known */
    assert_int_equal(budget_left(&budget, &rules, t + 3000), 0);
    assert_true(budget_heard(&budget, &rules, t + 5000, t + 6000, 1)); /* one under way may count */
    assert_int_equal(budget_left(&budget, &rules, t + 6000), 9);
    assert_int_equal(budget_until_ms(&budget, &rules, t + 6000), t + 5000 + 24 * HOUR);
    assert_int_equal(budget_left(&budget, &rules, t + 5000 + 24 * HOUR - 1), 9);
    assert_int_equal(budget_left(&budget, &rules, t + 5000 + 24 * HOUR), 0);
    assert_int_equal(budget_until_ms(&budget, &rules, t + 5000 + 24 * HOUR), 0);
    assert_true(budget_heard(&budget, &rules, t + 900 * HOUR, t + 30 * HOUR, 0)); /* from the future: now */
    assert_int_equal(budget.heard_ms, t + 30 * HOUR);
    struct budget_rules none = {0, 0, 0};
    assert_true(budget_allows(&budget, &none, t, true));
    assert_int_equal(budget_left(&budget, &none, t), INT64_MAX);
}

/* The clock was ahead when the person wrote, and is right now: the next message counts all the same. */
static void test_clock_set_back(void **state) {
    (void)state;
    struct budget_rules rules = {10, 3, 24 * HOUR};
    struct budget budget = {0};
    int64_t t = 1700000000000;
    assert_true(budget_heard(&budget, &rules, 0, t + 9000 * HOUR, 0));
    budget_close(&budget);
    assert_true(budget_heard(&budget, &rules, 0, t, 0));
    assert_int_equal(budget_left(&budget, &rules, t), 10);
    assert_int_equal(budget.heard_ms, t);
    budget_close(&budget);
    assert_false(budget_heard(&budget, &rules, t - 1, t, 0));
    assert_true(budget_heard(&budget, &rules, t + HOUR, t + HOUR, 0));
    assert_int_equal(budget_until_ms(&budget, &rules, t + HOUR), t + 25 * HOUR);
}

static void test_spent(void **state) {
    struct stage *s = *state;
    counted(s, 10, 3);
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "figures %d", i);
        add(s, MESSAGE_PROGRESS, text);
        stage_pass(s, 1000);
    }
    assert_int_equal(s->talk.count, 7); /* the reserve is left alone */
    assert_int_equal(view(s).left, 3);
    for (int i = 0; i < 5; i++) {
        add(s, MESSAGE_ALERT, "alert");
        stage_pass(s, 1000);
    }
    assert_int_equal(s->talk.count, 10);
    assert_true(view(s).closed);
    assert_int_equal(view(s).queued, 3); /* two alerts and the newest figures */
    stage_restart(s);
    stage_pass(s, 100000);
    assert_int_equal(s->talk.count, 10);
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
    assert_int_equal(s->talk.count, 12);
    assert_string_equal(s->talk.texts[10], "figures 19"); /* in order, coalesced */
    assert_string_equal(s->talk.texts[11], "alert\n\nalert");
    assert_int_equal(view(s).left, 8);
}

static void test_outcomes_cost(void **state) {
    struct stage *s = *state;
    counted(s, 10, 0);
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "one");
    stage_turn(s);
    assert_int_equal(view(s).left, 9);
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_RETRY, NULL);
    assert_int_equal(view(s).left, 10); /* it did not leave */
    stage_pass(s, 2000);
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_UNCERTAIN, NULL);
    assert_int_equal(view(s).left, 9);
    stage_pass(s, 4000);
    assert_int_equal(view(s).left, 8);
    stage_chat_done(s, &s->talk, s->talk.ids[2], SENT_CLOSED, NULL);
    stage_turn(s);
    assert_int_equal(view(s).left, 0);
    assert_true(view(s).closed);
    stage_restart(s);
    assert_int_equal(view(s).left, 0);
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
    assert_int_equal(view(s).left, 9);
}

/* Killed between the mark and the answer: what may have left is paid, and paid again when it goes again. */
static void test_kill_overspends_nothing(void **state) {
    struct stage *s = *state;
    counted(s, 4, 0);
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "one");
    stage_turn(s);
    for (int i = 0; i < 10; i++)
        stage_restart(s);
    assert_int_equal(s->talk.count, 4);
    assert_int_equal(view(s).left, 0);
}

static void test_window(void **state) {
    struct stage *s = *state;
    counted(s, 10, 3);
    stage_pass_at_once(s, 24 * HOUR - 1000);
    add(s, MESSAGE_ALERT, "in time");
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    stage_pass_at_once(s, 1000);
    add(s, MESSAGE_ALERT, "too late");
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    assert_int_equal(view(s).until_ms, 0);
    outbox_heard(s->bot, "talk", "boss", s->wall_ms - 25 * HOUR); /* from before the newest: changes nothing */
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    stage_hears(s, "talk", "boss", "hello", 0);
    assert_int_equal(stage_told(&s->talk, "too late"), 1);
}

static void test_merge(void **state) {
    struct stage *s = *state;
    counted(s, 10, 3);
    s->talk.channel.traits.text_max_units = 40;
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "first");
    stage_turn(s);
    add(s, MESSAGE_REPLY, "two");
    add(s, MESSAGE_PROGRESS, "figures");
    add(s, MESSAGE_ALERT, "three");
    add(s, MESSAGE_REPLY, "a text of forty characters, that is full");
    add(s, MESSAGE_ALERT, "four");
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_OK, "a");
    s->talk.channel.traits.text_max_units = 400; /* room for the two, and for the line that says what is left */
    s->talk.channel.traits.text_max_bytes = 380;
    stage_turn(s);
    assert_string_equal(s->talk.texts[1], "two\n\nthree"); /* one outcome for both */
    assert_int_equal(outbox_count(s->bot, "talk").sending, 2);
    stage_restart(s); /* both are open again */
    assert_string_equal(s->talk.texts[2], "two\n\nthree");
    assert_string_equal(s->talk.keys[2], s->talk.keys[1]);
    add(s, MESSAGE_ALERT, "five");
    s->talk.channel.traits.text_max_bytes = 0; /* there is room for all */
    stage_chat_done(s, &s->talk, s->talk.ids[2], SENT_UNCERTAIN, NULL);
    stage_pass(s, 3000);
    assert_string_equal(s->talk.texts[3], "two\n\nthree"); /* the service may know it by its key */
    assert_string_equal(s->talk.keys[3], s->talk.keys[1]);
    stage_chat_done(s, &s->talk, s->talk.ids[3], SENT_RETRY, NULL);
    stage_pass(s, 5000); /* it did not leave: what came meanwhile joins */
    assert_string_equal(s->talk.texts[4], "two\n\nthree\n\na text of forty characters, that is full\n\nfour\n\nfive");
    assert_string_not_equal(s->talk.keys[4], s->talk.keys[1]);
    stage_chat_done(s, &s->talk, s->talk.ids[4], SENT_OK, "b");
    stage_turn(s);
    assert_string_equal(s->talk.texts[5], "figures");
    assert_int_equal(outbox_count(s->bot, "talk").sent, 5);
}

/* What was refused together may be one text's fault. */
static void test_refused_together(void **state) {
    struct stage *s = *state;
    counted(s, 10, 0);
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "good");
    add(s, MESSAGE_ALERT, "bad");
    stage_turn(s);
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_REFUSED, NULL);
    stage_turn(s);
    assert_string_equal(s->talk.texts[1], "good");
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_OK, "a");
    stage_turn(s);
    assert_string_equal(s->talk.texts[2], "bad");
    stage_chat_done(s, &s->talk, s->talk.ids[2], SENT_REFUSED, NULL);
    stage_turn(s);
    assert_int_equal(s->talk.count, 3);
    assert_int_equal(outbox_count(s->bot, "talk").failed, 1);
}

static void test_left_line(void **state) {
    struct stage *s = *state;
    counted(s, 5, 3);
    add(s, MESSAGE_PROGRESS, "p1");
    stage_turn(s);
    assert_string_equal(s->talk.texts[0], "p1");
    add(s, MESSAGE_PROGRESS, "p2");
    stage_turn(s);
    assert_string_equal(s->talk.texts[1],
                        "p2\n(talk lets me send 3 more, kept for alerts; answer anything and I go on reporting.)");
    s->talk.channel.traits.text_max_units = 20;
    for (int i = 0; i < 3; i++) {
        add(s, MESSAGE_ALERT, "alert");
        stage_turn(s);
    }
    assert_string_equal(s->talk.texts[4], "alert"); /* no room for more */
    s->talk.channel.traits.text_max_units = 0;
    outbox_heard(s->bot, "talk", "boss", 0);
    for (int i = 0; i < 5; i++) {
        add(s, i == 1 ? MESSAGE_REPLY : MESSAGE_ALERT, "words");
        stage_turn(s);
    }
    assert_string_equal(s->talk.texts[6], "words"); /* an answer: nothing is said of what is left */
    assert_string_equal(s->talk.texts[8], "words");
    assert_non_null(strstr(s->talk.texts[9], "this is the last one"));
}

static void test_left_line_chinese(void **state) {
    struct stage *s = *state;
    s->settings.language = LANG_ZH;
    counted(s, 5, 3);
    add(s, MESSAGE_PROGRESS, "p1");
    stage_turn(s);
    s->talk.later = true;
    add(s, MESSAGE_PROGRESS, "p2");
    stage_turn(s);
    const char *told = "p2\n(talk只许我再发 3 条,留给告警;你随便回一个字,我就能继续报告。)";
    assert_string_equal(s->talk.texts[1], told);
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_RETRY, NULL); /* never told: told with the next try */
    stage_pass(s, 2000);
    assert_string_equal(s->talk.texts[2], told);
    stage_chat_done(s, &s->talk, s->talk.ids[2], SENT_OK, "x");
    for (int i = 0; i < 3; i++) {
        add(s, MESSAGE_ALERT, "告警");
        stage_turn(s);
        stage_chat_done(s, &s->talk, s->talk.ids[3 + i], SENT_OK, "x");
        stage_turn(s);
    }
    assert_string_equal(s->talk.texts[3], "告警");
    assert_non_null(strstr(s->talk.texts[5], "这是最后一条"));
}

/* A note and an unsolicited picture leave the reserve alone, and an alert passes them. */
static void test_spare(void **state) {
    struct stage *s = *state;
    counted(s, 4, 3);
    struct outbox_message note = {
        .channel = "talk", .chat = "boss", .class = MESSAGE_REPLY, .text = "note", .key = OUTBOX_SPARE_KEY};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(outbox_add(s->bot, &note, NULL), TB_OK);
        stage_pass(s, 1000);
    }
    assert_int_equal(s->talk.count, 1);
    add(s, MESSAGE_ALERT, "alert");
    stage_pass(s, 10000);
    assert_string_equal(s->talk.texts[1], "alert");
    assert_int_equal(view(s).left, 2);
    outbox_heard(s->bot, "talk", "boss", 0);
    s->talk.later = true;
    stage_turn(s);
    assert_string_equal(s->talk.texts[2], "note\n\nnote");
}

/* The disk is full: the answer leaves from memory, once, and is counted when the store works again. */
static void test_store_fails(void **state) {
    struct stage *s = *state;
    counted(s, 10, 3);
    stage_commit_fails = -1;
    add(s, MESSAGE_ALERT, "from memory");
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "from memory"), 1);
    int64_t left = view(s).left;
    assert_true(left < 10);
    stage_commit_fails = 0;
    stage_pass(s, 20000);
    left = view(s).left;
    stage_restart(s);
    assert_int_equal(view(s).left, left);
    assert_int_equal(10 - left, s->talk.count);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_clock_set_back),
        TEST(test_spent),
        TEST(test_outcomes_cost),
        TEST(test_kill_overspends_nothing),
        TEST(test_window),
        TEST(test_merge),
        TEST(test_refused_together),
        TEST(test_left_line),
        TEST(test_left_line_chinese),
        TEST(test_spare),
        TEST(test_store_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
