/* Digests: when one is made, what it counts from, that it is current when it leaves, over restarts. */
#include "digest.h"
#include "render.h"
#include "stage.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define HOUR 3600000LL
#define MINUTE 60000LL

static int counted(void **state) {
    setenv("TZ", "UTC", 1);
    tzset();
    if (stage_setup(state) != 0) return -1;
    struct stage *s = *state;
    struct channel_traits *traits = &s->talk.channel.traits;
    traits->budget = 10;
    traits->reserve = 3;
    traits->window_ms = 24 * HOUR;
    traits->text_max_units = 1800;
    stage_restart(s);
    return 0;
}

static struct stage_peer *train(struct stage *s) {
    stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, "0123456789abcdef0123456789abcdef", "1");
    stage_turn(s);
    stage_forget(&s->talk);
    return peer;
}

static struct stage_peer *again(struct stage *s) {
    stage_restart(s);
    return stage_hello(s, 0, "0123456789abcdef0123456789abcdef", "1");
}

/* A row of the training, and the progress row of the same step. */
static void row(struct stage *s, struct stage_peer *peer, int64_t step, double loss, double accuracy) {
    char values[100];
    snprintf(values, sizeof values, "\"loss\":%.4f,\"acc\":%.4f", loss, accuracy);
    stage_step(s, peer, step, values);
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":%lld,\"values\":{%s}", (long long)step, values);
    stage_turn(s);
}

/* Rows from step `from` to `to`, `ms` apart. */
static void rows(struct stage *s, struct stage_peer *peer, int64_t from, int64_t to, int64_t ms) {
    for (int64_t step = from; step <= to; step++) {
        stage_pass_at_once(s, ms);
        row(s, peer, step, 2.0 / (double)step, (double)step / 2000);
    }
}

static void test_milestones(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 99, 1000);
    assert_int_equal(s->talk.count, 0);
    rows(s, peer, 100, 100, 1000);
    assert_int_equal(s->talk.count, 1);
    rows(s, peer, 101, 999, 1000);
    assert_int_equal(s->talk.count, 4);
    assert_non_null(strstr(s->talk.texts[0], "cnn #1 · 0 % → 10 % · acc 0.05\nloss 2 → 0.02, lr 0.1 unchanged, "
                                             "no alerts. Done at about "));
    assert_non_null(strstr(s->talk.texts[1], "10 % → 25 %"));
    assert_non_null(strstr(s->talk.texts[2], "25 % → 50 %"));
    assert_non_null(strstr(s->talk.texts[3], "50 % → 75 %"));
    rows(s, peer, 1000, 1000, 1000);
    assert_int_equal(s->talk.count, 4); /* the end has its own message */
}

/* A restart neither repeats one nor forgets what it counts from. */
static void test_restart(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 110, 1000);
    assert_int_equal(s->talk.count, 1);
    peer = again(s);
    rows(s, peer, 111, 249, 1000);
    assert_int_equal(s->talk.count, 1);
    peer = again(s);
    rows(s, peer, 250, 260, 1000);
    assert_int_equal(s->talk.count, 2);
    assert_non_null(strstr(s->talk.texts[1], "10 % → 25 %"));
    assert_non_null(strstr(s->talk.texts[1], "loss 0.02 → 0.008"));
}

/* Nothing can leave: the text is renewed, and what leaves in the end is one, of now, from the last that was read. */
static void test_waits_and_stays_current(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 120, 1000);
    assert_int_equal(s->talk.count, 1);
    channel_set_state(&s->talk.channel, CHANNEL_DOWN, "away");
    rows(s, peer, 121, 300, 1000);
    peer = again(s);
    channel_set_state(&s->talk.channel, CHANNEL_DOWN, "away");
    rows(s, peer, 301, 620, 1000);
    assert_int_equal(s->talk.count, 2); /* the restart found it up for one turn */
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(s->talk.count, 3);
    assert_non_null(strstr(s->talk.texts[1], "10 % → 30 %"));
    assert_non_null(strstr(s->talk.texts[2], "30 % → 62 % · acc 0.31"));
}

/* Killed while it is under way: it may have left, and is not told again; the next one counts from it. */
static void test_killed_under_way(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    s->talk.later = true;
    rows(s, peer, 1, 100, 1000);
    assert_int_equal(s->talk.count, 1);
    peer = again(s);
    s->talk.later = false;
    rows(s, peer, 101, 250, 1000);
    assert_int_equal(s->talk.count, 2);
    assert_non_null(strstr(s->talk.texts[1], "10 % → 25 %"));
}

/* The next one is due while this one is under way. */
static void test_due_under_way(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    s->talk.later = true;
    rows(s, peer, 1, 260, 1000);
    assert_int_equal(s->talk.count, 1);
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_OK, "a");
    s->talk.later = false;
    rows(s, peer, 261, 261, 1000);
    assert_int_equal(s->talk.count, 2);
    assert_non_null(strstr(s->talk.texts[1], "10 % → 26 %"));
    rows(s, peer, 262, 400, 1000);
    assert_int_equal(s->talk.count, 2);
}

static void test_without_an_end(void **state) {
    struct stage *s = *state;
    s->total_steps = 0;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 1, 1000);
    int64_t at[4], seen = 0, begun_ms = s->wall_ms;
    for (int64_t step = 2; seen < 4; step++) {
        rows(s, peer, step, step, 10000);
        if (s->talk.count > seen) at[seen++] = (s->wall_ms - begun_ms) / MINUTE;
    }
    assert_int_equal(at[0], 10);
    assert_int_equal(at[1], 30);
    assert_int_equal(at[2], 70);
    assert_int_equal(at[3], 150);
    assert_non_null(strstr(s->talk.texts[0], "step 1 → 60")); /* time alone makes it */
}

static void test_interval(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.pace.progress_every_ms = HOUR;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 900, 10000); /* two and a half hours */
    assert_int_equal(s->talk.count, 2);
    stage_pass_at_once(s, HOUR); /* nothing new: nothing to say */
    stage_pass_at_once(s, HOUR);
    assert_int_equal(stage_told(&s->talk, " → "), 3);
}

static void test_before_the_window_ends(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 110, 1000);
    assert_int_equal(s->talk.count, 1);
    int64_t heard_ms = s->wall_ms;
    stage_hears(s, "talk", "boss", "status", 0);
    stage_forget(&s->talk);
    while (stage_told(&s->talk, "answer anything") == 0 && s->wall_ms < heard_ms + 23 * HOUR) {
        stage_pass_at_once(s, MINUTE); /* the training is silent: time alone tells */
        stage_frame(s, peer, "\"type\":\"heartbeat\",\"step\":110,\"since_step_ms\":1");
    }
    assert_in_range(s->wall_ms - heard_ms, 20 * HOUR - MINUTE, 20 * HOUR + MINUTE);
    assert_int_equal(stage_told(&s->talk, "talk lets me send until "), 1);
    int count = s->talk.count;
    stage_pass_at_once(s, MINUTE);
    stage_restart(s);
    stage_pass_at_once(s, HOUR);
    assert_int_equal(stage_told(&s->talk, "talk lets me send until "), 1); /* once a window */
    assert_in_range(s->talk.count, count, count + 2);
}

static void test_muted(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    stage_say(s, "mute");
    stage_forget(&s->talk);
    rows(s, peer, 1, 600, 1000);
    assert_int_equal(s->talk.count, 0);
    stage_say(s, "unmute");
    stage_forget(&s->talk);
    rows(s, peer, 601, 750, 1000);
    assert_int_equal(s->talk.count, 1);
    assert_non_null(strstr(s->talk.texts[0], "→ 75 %"));
}

/* The end takes with it what was not read yet. */
static void test_end_withdraws(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 90, 1000);
    channel_set_state(&s->talk.channel, CHANNEL_DOWN, "away");
    rows(s, peer, 91, 300, 1000);
    stage_frame(s, peer, "\"type\":\"bye\",\"status\":\"finished\"");
    stage_gone(s, peer);
    struct process_end end = {.exit_code = 0, .ended_ms = s->wall_ms};
    runs_process_ended(s->bot, 1, &end);
    stage_pass(s, 5000);
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    assert_non_null(strstr(s->talk.texts[0], "✓ #1 finished"));
}

static void test_alerts_counted(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = train(s);
    rows(s, peer, 1, 120, 1000);
    stage_pass(s, 120000); /* a stall */
    assert_int_equal(stage_told(&s->talk, "no new step"), 1);
    rows(s, peer, 121, 260, 1000);
    assert_int_equal(stage_told(&s->talk, ", 1 alert."), 1);
    rows(s, peer, 261, 510, 1000);
    assert_non_null(strstr(s->talk.texts[s->talk.count - 1], "no alerts"));
}

/* PHONE.md's example, to the letter. */
static void test_words(void **state) {
    (void)state;
    char text[1000], saved[DIGEST_TEXT];
    setenv("TZ", "UTC", 1);
    tzset();
    struct run *run = run_create();
    assert_non_null(run);
    run->id = 7;
    free(run->name);
    run->name = strdup("cnn");
    run->state = RUN_RUNNING;
    run->total_steps = 1000;
    struct run_param *lr = calloc(1, sizeof *lr);
    *lr = (struct run_param){.name = strdup("lr"), .type = WIRE_FLOAT, .number = 0.001};
    run->params = lr;
    run->params_count = 1;
    assert_non_null(run_metric_take(run, "loss", 0.3187, 410));
    assert_non_null(run_metric_take(run, "acc", 0.88, 410));
    run->step = 410;
    int64_t t = 1700000000000 - 1700000000000 % (24 * HOUR) + 14 * HOUR;
    struct digest digest = {.channel = (char *)(uintptr_t) "weixin"}, copy = {.channel = NULL};
    struct digest_figures from = digest_figures(run, t);
    digest_begin(&digest, &from, false);
    assert_non_null(run_metric_take(run, "acc", 0.8944, 500));
    assert_true(digest_best(&digest, run));
    assert_non_null(run_metric_take(run, "loss", 0.3021, 620));
    assert_non_null(run_metric_take(run, "acc", 0.8906, 620));
    assert_false(digest_best(&digest, run));
    run->step = 620;
    run->steps_per_s = 380.0 / (12 * 60);
    struct digest_figures now = digest_figures(run, t + 20 * MINUTE);
    digest_print(&digest, saved, sizeof saved); /* what a restart keeps is enough */
    assert_true(digest_parse(&copy, saved));
    copy.channel = digest.channel;
    struct words words;
    words_init(&words, text, sizeof text);
    render_digest(&words, &copy, run, &now, 0, LANG_ZH);
    assert_string_equal(text, "cnn #7 · 41 % → 62 % · 准确率 0.8906(过去 20 分钟最好 0.8944)\n"
                              "损失 0.3187 → 0.3021,lr 0.001 未变,没有告警。预计 14:32 完成。");
    words_init(&words, text, sizeof text);
    render_digest(&words, &copy, run, &now, 0, LANG_EN);
    assert_non_null(strstr(text, "acc 0.8906 (best of the last 20 min 0.8944)\n"));
    run->params[0].number = 0.0005;
    copy.alerts = 2;
    words_init(&words, text, sizeof text);
    render_digest(&words, &copy, run, &now, t + 10 * HOUR, LANG_ZH);
    assert_non_null(strstr(text, ",lr 0.001 → 0.0005,2 条告警。"));
    assert_non_null(strstr(text, "\n(微信只许我发到 11 月 15 日 00:00;你随便回一个字,我就能继续报告。)"));
    assert_false(digest_parse(&copy, "1 2 3"));
    run_free(run);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, counted, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_milestones),
        TEST(test_restart),
        TEST(test_waits_and_stays_current),
        TEST(test_killed_under_way),
        TEST(test_due_under_way),
        TEST(test_without_an_end),
        TEST(test_interval),
        TEST(test_before_the_window_ends),
        TEST(test_muted),
        TEST(test_end_withdraws),
        TEST(test_alerts_counted),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
