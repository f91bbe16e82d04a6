/* More waits than memory holds, and most of it may not leave: what matters leaves all the same, and nothing is lost. */
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HOUR 3600000LL
#define NOTES 700
#define ANSWER "There is no run yet" /* to "status" */

static void counted(struct stage *s, int64_t budget, int64_t reserve) {
    s->talk.channel.traits = (struct channel_traits){
        .budget = budget, .reserve = reserve, .window_ms = 24 * HOUR, .text_max_units = 1800, .min_gap_ms = 1000};
    stage_restart(s);
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
}

static void add(struct stage *s, enum message_class class, const char *text, int64_t run, const char *key) {
    struct outbox_message message = {
        .channel = "talk", .chat = "boss", .class = class, .text = text, .run = run, .key = key};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
}

static void crowd(struct stage *s, enum message_class class, const char *what) {
    for (int i = 0; i < NOTES; i++) {
        char text[40], key[40] = OUTBOX_SPARE_KEY;
        snprintf(text, sizeof text, "%s %d.", what, i);
        if (class == MESSAGE_PROGRESS) snprintf(key, sizeof key, "progress:%d", i + 1);
        add(s, class, text, i + 1, key);
        if (i % 10 == 0) stage_turn(s);
    }
    stage_pass(s, 10000);
}

static void test_passes_notes(void **state) {
    struct stage *s = *state;
    counted(s, 4, 3);
    crowd(s, MESSAGE_REPLY, "note");
    int before = s->talk.count;
    add(s, MESSAGE_ALERT, "alert", 0, "");
    stage_pass(s, 2000);
    assert_int_equal(s->talk.count, before + 1);
    assert_non_null(strstr(s->talk.texts[before], "alert"));
    stage_restart(s); /* read again from the store */
    add(s, MESSAGE_REPLY, "answer", 0, "");
    stage_pass(s, 2000);
    assert_non_null(strstr(s->talk.texts[before + 1], "answer"));
    for (int i = 0; i < 40; i++) {
        stage_hears(s, "talk", "boss", "status", 0);
        stage_pass(s, 6000);
        assert_int_equal(stage_told(&s->talk, ANSWER), i + 1);
    }
    for (int i = 0; i < NOTES; i++) {
        char text[40];
        snprintf(text, sizeof text, "note %d.", i);
        assert_int_equal(stage_told(&s->talk, text), 1);
    }
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

/* A picture that somebody asked for is an answer; one that nobody asked for leaves the reserve alone. */
static void test_pictures_asked_for(void **state) {
    struct stage *s = *state;
    counted(s, 3, 3);
    add(s, MESSAGE_IMAGE, "unasked", 1, OUTBOX_SPARE_KEY);
    add(s, MESSAGE_IMAGE, "asked", 1, "");
    stage_pass(s, 5000);
    assert_int_equal(s->talk.count, 1);
    assert_string_equal(s->talk.texts[0], "asked");
}

/* Figures of very many runs: still coalesced, wherever they wait. */
static void test_passes_figures(void **state) {
    struct stage *s = *state;
    counted(s, 4, 3);
    crowd(s, MESSAGE_PROGRESS, "figures");
    int before = s->talk.count;
    for (int i = 0; i < 5; i++) {
        char text[20];
        snprintf(text, sizeof text, "alert %d", i);
        add(s, MESSAGE_ALERT, text, 0, "");
    }
    stage_pass(s, 2000);
    assert_non_null(strstr(s->talk.texts[before], "alert 0\n\nalert 1\n\nalert 2\n\nalert 3\n\nalert 4"));
    for (int i = 0; i < NOTES; i++) {
        char key[40];
        snprintf(key, sizeof key, "progress:%d", i + 1);
        add(s, MESSAGE_PROGRESS, "newer", i + 1, key);
        if (i % 10 == 0) stage_turn(s);
    }
    s->talk.channel.traits.budget = 2000;
    s->talk.channel.traits.min_gap_ms = 0;
    before = s->talk.count;
    outbox_heard(s->bot, "talk", "boss", s->wall_ms);
    for (int i = 0; i < 20; i++)
        stage_turn(s);
    assert_in_range(s->talk.count - before, NOTES - 4, NOTES); /* each once, but for those that had left before */
    for (int i = before; i < s->talk.count; i++)
        assert_string_equal(s->talk.texts[i], "newer");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_passes_notes), TEST(test_pictures_asked_for),
                                       TEST(test_passes_figures)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
