/*
 * Days on a service that counts: a training that reports every second for 24 hours and then every ten seconds for two
 * more, a person who writes now and then (once not for thirty hours), alarms at random, a second conversation of the
 * same person that is away for hours.
 */
#include "fact.h"
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BUDGET 10
#define RESERVE 3
#define HOUR 3600000LL
#define DAY_STEPS 86400
#define MORE_STEPS 17280
#define ALARMS 400

static struct identity identities[] = {{"talk", "boss"}, {"side", "s1"}};
static struct person_settings person = {"wei", identities, 2};

static struct day {
    struct stage *stage;
    uint64_t random;
    int64_t heard_ms, step;
    int alarms, told[ALARMS], doubtful[ALARMS];
    int sends_since, sends, digests, current, merged, by_side, on_next, heard, uncertain, retried, left_lines;
    int at_hear[ALARMS]; /* whether it was waiting when the person wrote */
    bool calm;
} day;

static unsigned roll(unsigned limit) {
    day.random ^= day.random << 13;
    day.random ^= day.random >> 7;
    day.random ^= day.random << 17;
    return (unsigned)(day.random % limit);
}

static void each_alarm(const char *text, int *counts, int *on_next) {
    for (const char *at = text; (at = strchr(at, '[')); at++) {
        int alarm = atoi(at + 1);
        assert_in_range(alarm, 0, day.alarms - 1);
        counts[alarm]++;
        if (on_next) *on_next += day.at_hear[alarm];
    }
}

/* A digest holds the figures of this moment, whenever it was made. */
static void check_digest(const char *text) {
    char now[64];
    day.digests++;
    snprintf(now, sizeof now, "→ %lld %%", (long long)(100 * day.step / (DAY_STEPS + MORE_STEPS)));
    if (!strstr(text, now)) fail_msg("at step %lld this is not current: %s", (long long)day.step, text);
    day.current++;
}

static enum sent_status talk_takes(struct stage_chat *chat, const struct outgoing *message) {
    (void)chat;
    unsigned n = roll(100);
    if (n < 15 && !day.calm) {
        day.retried++;
        return SENT_RETRY;
    }
    day.sends++;
    if (++day.sends_since > BUDGET) fail_msg("%d sends after one message", day.sends_since);
    if (day.stage->wall_ms - day.heard_ms >= 24 * HOUR) fail_msg("a send out of the window");
    bool progress = message->message_class == MESSAGE_PROGRESS;
    if (progress && day.sends_since > BUDGET - RESERVE) fail_msg("progress touched the reserve");
    if (progress) check_digest(message->text);
    bool says = strstr(message->text, "lets me send 3 more") != NULL;
    day.left_lines += says;
    assert_true(!says || day.sends_since == BUDGET - RESERVE);
    day.merged += strstr(message->text, "\n\n") != NULL;
    bool uncertain = n < 20 && !day.calm;
    day.uncertain += uncertain;
    each_alarm(message->text, uncertain ? day.doubtful : day.told, &day.on_next);
    return uncertain ? SENT_UNCERTAIN : SENT_OK;
}

static enum sent_status side_takes(struct stage_chat *chat, const struct outgoing *message) {
    (void)chat;
    if (message->message_class == MESSAGE_PROGRESS) return SENT_OK;
    int before = day.on_next;
    each_alarm(message->text, day.told, &day.on_next);
    day.on_next = before;
    day.by_side++;
    return SENT_OK;
}

static void alarm_now(struct stage *s) {
    char text[64];
    if (day.alarms == ALARMS) return;
    snprintf(text, sizeof text, "alarm [%d", day.alarms++);
    struct fact fact = {.kind = FACT_STORE_FAILED, .text = text, .cpu_percent = -1};
    report_fact(s->bot, &fact);
}

static void person_writes(struct stage *s) {
    for (int i = 0; i < day.alarms; i++)
        day.at_hear[i] = day.told[i] == 0;
    day.heard_ms = s->wall_ms;
    day.sends_since = 0;
    day.heard++;
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
}

static void second(struct stage *s, struct stage_peer *peer, int64_t ms) {
    char values[64];
    day.step++;
    s->wall_ms += ms;
    s->mono_ms += ms;
    snprintf(values, sizeof values, "\"loss\":%.6f", 3.0 - (double)day.step / 100000);
    if (day.step % 10 == 0) stage_step(s, peer, day.step, values);
    stage_frame(s, peer, "\"type\":\"progress\",\"step\":%lld,\"values\":{%s}", (long long)day.step, values);
    stage_turn(s);
    if (roll(1200) == 0)
        for (unsigned i = 1 + roll(3) * roll(4); i > 0; i--)
            alarm_now(s);
    bool away = day.step > DAY_STEPS + 6000 && day.step < DAY_STEPS + 12500; /* eighteen hours: nothing is open */
    if (away)
        channel_set_state(&s->side.channel, CHANNEL_DOWN, "the net");
    else if (roll(5000) == 0)
        channel_set_state(&s->side.channel, roll(3) ? CHANNEL_UP : CHANNEL_DOWN, "the net");
}

/* When the person writes, in seconds from the beginning. */
static const int64_t writes[] = {600,   3000,  3010,  20000,  21000,  52000,  55000,
                                 55100, 80000, 90000, 198000, 205000, 230000, 258000};

static void setup_day(struct stage *s) {
    s->settings.persons = &person;
    s->settings.persons_count = 1;
    s->with_side = true;
    s->total_steps = DAY_STEPS + MORE_STEPS;
    s->talk.channel.traits = (struct channel_traits){
        .budget = BUDGET, .reserve = RESERVE, .window_ms = 24 * HOUR, .text_max_units = 1800, .min_gap_ms = 1500};
    s->side.channel.traits.pace.progress_every_ms = HOUR;
    s->talk.decide = talk_takes;
    s->side.decide = side_takes;
    day = (struct day){.stage = s, .random = 88172645463325252ULL, .heard_ms = s->wall_ms, .calm = true};
    stage_restart(s);
}

static void test_days(void **state) {
    struct stage *s = *state;
    setup_day(s);
    person_writes(s);
    stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, "0123456789abcdef0123456789abcdef", "1");
    stage_pass(s, 5000);
    day.calm = false;
    int64_t begun_ms = s->wall_ms;
    size_t next = 0;
    while (day.step < DAY_STEPS + MORE_STEPS) {
        second(s, peer, day.step < DAY_STEPS ? 1000 : 10000);
        if (next < sizeof writes / sizeof *writes && s->wall_ms - begun_ms >= writes[next] * 1000) {
            person_writes(s);
            next++;
        }
        if (day.step % 30011 == 0) {
            stage_restart(s);
            peer = stage_hello(s, 0, "0123456789abcdef0123456789abcdef", "1");
        }
    }
    day.calm = true;
    person_writes(s);
    stage_pass(s, 120000);
    int lost = 0, twice = 0, doubtful = 0;
    for (int i = 0; i < day.alarms; i++) {
        lost += day.told[i] == 0;
        twice += day.told[i] > 1;
        doubtful += day.doubtful[i] > 0;
    }
    print_message(
        "72 hours, %lld reports, %d messages from the person: %d sends (never more than %d after one message), "
        "%d digests (current %d), %d alarms: %d by the other conversation, %d with the next message, %d shared "
        "messages, lost %d, told twice %d; %d retried, %d uncertain (%d alarms in them), what is left said %d "
        "times\n",
        (long long)day.step, day.heard, day.sends, BUDGET, day.digests, day.current, day.alarms, day.by_side,
        day.on_next, day.merged, lost, twice, day.retried, day.uncertain, doubtful, day.left_lines);
    assert_int_equal(lost, 0);
    assert_int_equal(twice, 0);
    assert_int_equal(day.digests, day.current);
    assert_in_range(day.digests, 5, 10); /* milestones, and one before a window ends */
    assert_true(day.alarms > 40 && day.by_side > 0 && day.merged > 0 && day.on_next > 0);
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_days)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
