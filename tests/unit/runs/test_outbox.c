/* The outbox: order, coalescing, editing, retries, budgets, splitting, restarts, and a bounded memory. */
#include "stage.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void add(struct stage *s, enum message_class class, const char *text, const char *key) {
    struct outbox_message message = {.channel = "talk", .chat = "boss", .class = class, .text = text, .key = key};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
}

static void done(struct stage *s, enum sent_status status, const char *service_id) {
    stage_chat_done(s, &s->talk, s->talk.ids[(s->talk.count - 1) % STAGE_SENT], status, service_id);
    stage_turn(s);
}

static void test_order(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    add(s, MESSAGE_REPLY, "one", "");
    add(s, MESSAGE_ALERT, "two", "");
    add(s, MESSAGE_REPLY, "three", "");
    assert_int_equal(s->talk.count, 0); /* not before the commit */
    stage_turn(s);
    assert_int_equal(s->talk.count, 1); /* one at a time */
    done(s, SENT_OK, "a");
    done(s, SENT_OK, "b");
    assert_string_equal(s->talk.texts[0], "one");
    assert_string_equal(s->talk.texts[1], "two");
    assert_string_equal(s->talk.texts[2], "three");
    done(s, SENT_OK, "c");
    assert_int_equal(outbox_count(s->bot, "talk").sent, 3);
    assert_int_equal(outbox_count(s->bot, NULL).queued, 0);
    assert_true(outbox_next_ms(s->bot) == INT64_MAX);
}

static void test_progress_coalesces(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "first", "");
    stage_turn(s);
    for (int i = 0; i < 100; i++) {
        char text[32];
        snprintf(text, sizeof text, "step %d", i);
        add(s, MESSAGE_PROGRESS, text, "progress:1");
        stage_turn(s);
    }
    add(s, MESSAGE_ALERT, "second", "");
    done(s, SENT_OK, "a");
    assert_string_equal(s->talk.texts[1], "step 99");
    done(s, SENT_OK, "b");
    assert_string_equal(s->talk.texts[2], "second");
    done(s, SENT_OK, "c");
    assert_int_equal(s->talk.count, 3);
    stage_restart(s);
    stage_pass(s, 5000);
    assert_int_equal(s->talk.count, 3);
}

/* New text while the old one is under way: what the channel was lent stays as it is. */
static void test_lent_text_stays(void **state) {
    struct stage *s = *state;
    s->talk.later = s->talk.channel.traits.edit = true;
    add(s, MESSAGE_PROGRESS, "step 1", "progress:1");
    stage_turn(s);
    add(s, MESSAGE_PROGRESS, "step 2 with a longer text than before", "progress:1");
    stage_turn(s);
    add(s, MESSAGE_PROGRESS, "step 3", "progress:1");
    stage_turn(s);
    assert_string_equal(s->talk.lent, "step 1");
    done(s, SENT_OK, "service-7");
    assert_int_equal(s->talk.count, 2);
    assert_string_equal(s->talk.texts[1], "step 3");
    assert_string_equal(s->talk.edits[1], "service-7");
}

static void test_edit_in_place(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.edit = true;
    add(s, MESSAGE_PROGRESS, "step 1", "progress:1");
    stage_turn(s);
    add(s, MESSAGE_PROGRESS, "step 2", "progress:1");
    stage_turn(s);
    add(s, MESSAGE_PROGRESS, "step 2", "progress:1"); /* the same again is nothing to send */
    stage_turn(s);
    stage_restart(s);
    add(s, MESSAGE_PROGRESS, "step 3", "progress:1");
    add(s, MESSAGE_PROGRESS, "other", "progress:2");
    stage_turn(s);
    assert_int_equal(s->talk.count, 4);
    assert_string_equal(s->talk.edits[0], "");
    assert_string_equal(s->talk.edits[1], "service-1");
    assert_string_equal(s->talk.edits[2], "service-2"); /* as the service named it last */
    assert_string_equal(s->talk.edits[3], "");
}

static void test_retry(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "again", "");
    add(s, MESSAGE_ALERT, "after it", "");
    stage_turn(s);
    int64_t waited = 0;
    for (int i = 0; i < 8; i++) { /* back-off: each wait about twice the one before, up to a minute and its jitter */
        done(s, SENT_RETRY, NULL);
        int count = s->talk.count;
        int64_t wait_ms = outbox_next_ms(s->bot) - s->mono_ms;
        assert_in_range(wait_ms, (1000 << i) > 60000 ? 30000 : (1000 << i) / 2,
                        (1000 << i) > 60000 ? 90000 : 1500 << i);
        stage_pass(s, wait_ms - 1);
        assert_int_equal(s->talk.count, count);
        stage_pass(s, 1);
        assert_int_equal(s->talk.count, count + 1);
        assert_string_equal(s->talk.texts[count], "again");
        assert_string_equal(s->talk.keys[count], s->talk.keys[0]); /* the same message to the service */
        waited += wait_ms;
    }
    assert_true(waited > 60000);
    s->talk.retry_ms = 123456; /* the service says when */
    done(s, SENT_RETRY, NULL);
    assert_int_equal(outbox_next_ms(s->bot) - s->mono_ms, 123456);
    stage_restart(s); /* and the next bot keeps to it */
    assert_int_equal(outbox_next_ms(s->bot) - s->mono_ms, 123456);
    int count = s->talk.count;
    stage_pass(s, 123456);
    assert_int_equal(s->talk.count, count + 1);
    done(s, SENT_OK, "x");
    assert_string_equal(s->talk.texts[count + 1], "after it");
}

static void test_refused(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_REFUSED;
    add(s, MESSAGE_ALERT, "never", "");
    stage_turn(s);
    s->talk.answer = SENT_OK;
    add(s, MESSAGE_ALERT, "next", "");
    stage_pass(s, 100000);
    assert_int_equal(s->talk.count, 2);
    assert_int_equal(outbox_count(s->bot, "talk").failed, 1);
    stage_restart(s);
    stage_pass(s, 3000);
    assert_int_equal(s->talk.count, 2);
}

static void test_under_way_at_a_restart(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "may have left", "");
    add(s, MESSAGE_PROGRESS, "figures", "progress:1");
    stage_turn(s);
    stage_restart(s);
    assert_int_equal(s->talk.count, 2); /* an alert is not dropped */
    assert_string_equal(s->talk.texts[1], "may have left");
    assert_string_equal(s->talk.keys[1], s->talk.keys[0]);
    done(s, SENT_OK, "a");
    assert_string_equal(s->talk.texts[2], "figures");
    stage_restart(s); /* progress that may have left is not worth saying twice */
    stage_pass(s, 5000);
    assert_int_equal(s->talk.count, 3);
}

static void test_uncertain(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_UNCERTAIN;
    add(s, MESSAGE_PROGRESS, "figures", "progress:1");
    stage_pass(s, 100000);
    assert_int_equal(s->talk.count, 1);
    add(s, MESSAGE_ALERT, "important", "");
    stage_pass(s, 2000);
    assert_in_range(stage_told(&s->talk, "important"), 2, 4);
}

static void test_split(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.text_max_bytes = 10;
    add(s, MESSAGE_REPLY, "line one\nline two\nthree", "");
    stage_turn(s);
    assert_int_equal(s->talk.count, 3);
    assert_string_equal(s->talk.texts[0], "line one");
    assert_string_equal(s->talk.texts[1], "line two");
    assert_string_equal(s->talk.texts[2], "three");
    stage_forget(&s->talk);
    add(s, MESSAGE_REPLY, "训练训练训练", ""); /* three bytes a character */
    stage_turn(s);
    assert_string_equal(s->talk.texts[0], "训练训");
    assert_string_equal(s->talk.texts[1], "练训练");
    stage_forget(&s->talk);
    add(s, MESSAGE_REPLY, "0123456789\n", ""); /* no piece of nothing */
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    assert_int_equal(text_split("abc", 3, 3, 0), 3);
    assert_int_equal(text_split("\x80\x80\x80\x80\x80", 5, 2, 0), 2); /* bytes that are no text at all */
}

static void test_budget(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.pace.burst = 3;
    s->talk.channel.traits.pace.refill_ms = 10000;
    s->talk.channel.traits.min_gap_ms = 1500;
    stage_restart(s); /* the line begins with its budget */
    for (int i = 0; i < 6; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        add(s, MESSAGE_ALERT, text, "");
    }
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    stage_pass(s, 1500);
    assert_int_equal(s->talk.count, 2);
    stage_pass(s, 1500);
    assert_int_equal(s->talk.count, 3);
    stage_pass(s, 6900);
    assert_int_equal(s->talk.count, 3); /* one more each ten seconds */
    stage_pass(s, 200);
    assert_int_equal(s->talk.count, 4);
    stage_pass(s, 20000);
    assert_int_equal(s->talk.count, 6);
    for (int i = 0; i < 100; i++)
        (void)outbox_next_ms(s->bot); /* asking costs nothing */
    stage_pass(s, 40000);
    add(s, MESSAGE_ALERT, "x", "");
    add(s, MESSAGE_ALERT, "y", "");
    stage_pass(s, 1500);
    assert_int_equal(s->talk.count, 8);
}

static void test_progress_interval(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.pace.progress_every_ms = 60000;
    add(s, MESSAGE_PROGRESS, "p1", "progress:1");
    stage_turn(s);
    add(s, MESSAGE_PROGRESS, "p2", "progress:1");
    add(s, MESSAGE_ALERT, "alert", ""); /* passes what waits */
    stage_turn(s);
    assert_int_equal(s->talk.count, 2);
    assert_string_equal(s->talk.texts[1], "alert");
    stage_pass(s, 60000);
    assert_int_equal(s->talk.count, 3);
}

/* A channel that is away for long: what waits stands in the store, and comes in order. */
static void test_hundred_thousand(void **state) {
    struct stage *s = *state;
    enum { MESSAGES = 100000 };
    s->talk.later = true;
    char text[64];
    add(s, MESSAGE_ALERT, "held", "");
    stage_turn(s);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "message %d", i);
        add(s, MESSAGE_ALERT, text, "");
        snprintf(text, sizeof text, "step %d", i);
        add(s, MESSAGE_PROGRESS, text, "progress:1"); /* still one message, wherever it waits */
        if (i % 1000 == 0) stage_turn(s);
    }
    stage_turn(s);
    assert_true(mallinfo2().uordblks < before + (4u << 20));
    assert_int_equal(s->talk.count, 1);
    stage_restart(s);
    assert_int_equal(outbox_count(s->bot, "talk").queued + outbox_count(s->bot, "talk").sending, 256);
    done(s, SENT_OK, "h");
    assert_string_equal(s->talk.texts[2], "message 0");
}

static void test_drained_in_order(void **state) {
    struct stage *s = *state;
    enum { MESSAGES = 1500 };
    char text[64];
    s->talk.later = true;
    add(s, MESSAGE_ALERT, "held", "");
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "message %d.", i);
        add(s, MESSAGE_ALERT, text, "");
    }
    stage_turn(s);
    s->talk.later = false;
    done(s, SENT_OK, "h");
    assert_int_equal(s->talk.count, MESSAGES + 1);
    for (int i = 0; i < MESSAGES; i++) {
        snprintf(text, sizeof text, "message %d.", i);
        assert_string_equal(s->talk.texts[i + 1], text);
    }
    stage_restart(s);
    stage_turn(s);
    assert_int_equal(s->talk.count, MESSAGES + 1);
}

/* More runs than are kept in memory: each is still one message, changed in place. */
static void test_many_progress_messages(void **state) {
    struct stage *s = *state;
    enum { RUNS = 300, ROUNDS = 3 };
    s->talk.channel.traits.edit = true;
    for (int round = 0; round < ROUNDS; round++) {
        for (int run = 1; run <= RUNS; run++) {
            char text[64], key[32];
            snprintf(text, sizeof text, "run %d round %d", run, round);
            snprintf(key, sizeof key, "progress:%d", run);
            struct outbox_message message = {
                .channel = "talk", .chat = "boss", .class = MESSAGE_PROGRESS, .text = text, .key = key, .run = run};
            assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
            if (run % 7 == 0) stage_turn(s);
        }
        stage_turn(s);
    }
    assert_int_equal(s->talk.count, RUNS * ROUNDS);
    for (int i = RUNS; i < RUNS * ROUNDS; i++)
        assert_string_not_equal(s->talk.edits[i], "");
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

/* A service that keeps the conversation itself: stored is sent, at once, and progress is one message. */
static void test_history(void **state) {
    struct stage *s = *state;
    struct outbox_message message = {
        .channel = "page", .chat = "x", .class = MESSAGE_PROGRESS, .text = "p1", .key = "progress:1"};
    int64_t first = 0, second = 0;
    assert_int_equal(outbox_add(s->bot, &message, &first), TB_OK);
    stage_turn(s);
    message.text = "p2";
    assert_int_equal(outbox_add(s->bot, &message, &second), TB_OK);
    stage_turn(s);
    assert_int_equal(first, second);
    assert_int_equal(s->page.count, 2);
    assert_true(outbox_next_ms(s->bot) == INT64_MAX);
    stage_restart(s);
    assert_int_equal(s->page.count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_progress_coalesces),
        TEST(test_lent_text_stays),
        TEST(test_edit_in_place),
        TEST(test_retry),
        TEST(test_refused),
        TEST(test_under_way_at_a_restart),
        TEST(test_uncertain),
        TEST(test_split),
        TEST(test_budget),
        TEST(test_progress_interval),
        TEST(test_hundred_thousand),
        TEST(test_drained_in_order),
        TEST(test_many_progress_messages),
        TEST(test_history),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
