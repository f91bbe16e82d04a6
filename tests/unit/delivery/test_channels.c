/* Channels' states, a service that is away, conversations that are closed, pace, edits that are gone. */
#include "fact.h"
#include "render.h"
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void add_to(struct stage *s, const char *channel, const char *chat, enum message_class class, const char *text,
                   const char *key) {
    struct outbox_message message = {.channel = channel, .chat = chat, .class = class, .text = text, .key = key};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
}

static void alert(struct stage *s, const char *text) {
    add_to(s, "talk", "boss", MESSAGE_ALERT, text, "");
}

static int logged(const struct stage *s, const char *text) {
    int count = 0;
    for (const char *at = s->log; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static void test_only_when_up(void **state) {
    struct stage *s = *state;
    static const enum channel_state away[] = {CHANNEL_CONNECTING, CHANNEL_DOWN, CHANNEL_LOGGED_OUT};
    for (size_t i = 0; i < 3; i++) {
        channel_set_state(&s->talk.channel, away[i], "a reason");
        alert(s, "waits");
        stage_pass(s, 100000);
        assert_int_equal(s->talk.count, (int)i);
        assert_string_equal(s->talk.channel.why, "a reason");
        channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
        stage_turn(s);
        assert_int_equal(s->talk.count, (int)i + 1);
        /* a broken connection is worth knowing later; that somebody had to log in is not */
        assert_string_equal(s->talk.channel.why, away[i] == CHANNEL_LOGGED_OUT ? "" : "a reason");
    }
}

/* However much waits in however many conversations: one attempt a back-off step, and all of it when it is back. */
static void test_dead_service(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_RETRY;
    s->talk.service_down = true;
    for (int chat = 0; chat < 20; chat++)
        for (int i = 0; i < 5; i++) {
            char name[16];
            snprintf(name, sizeof name, "chat%d", chat);
            add_to(s, "talk", name, MESSAGE_ALERT, "text", "");
        }
    stage_pass(s, 600000);
    /* Steps of 1, 2, 4 … 60 s, each between half and one and a half of that: 12 to 30 in ten minutes. */
    assert_in_range(s->talk.count, 10, 30);
    int64_t first_ms = s->talk.channel.held_until_ms;
    assert_true(first_ms > s->mono_ms || s->talk.channel.failures > 5);
    s->talk.answer = SENT_OK;
    int before = s->talk.count;
    stage_pass(s, 91000);
    assert_int_equal(s->talk.count - before, 100);
    assert_int_equal(s->talk.channel.failures, 0);
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

/* The probe's answer takes its time: nobody else tries meanwhile. */
static void test_one_probe(void **state) {
    struct stage *s = *state;
    s->talk.later = s->talk.service_down = true;
    add_to(s, "talk", "a", MESSAGE_ALERT, "one", "");
    add_to(s, "talk", "b", MESSAGE_ALERT, "two", "");
    stage_turn(s);
    assert_int_equal(s->talk.count, 2); /* it was thought to be well */
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_RETRY, NULL);
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_UNCERTAIN, NULL);
    assert_int_equal(s->talk.channel.failures, 1); /* one step, not two */
    stage_pass(s, 60000);
    assert_int_equal(s->talk.count, 3);
    stage_chat_done(s, &s->talk, s->talk.ids[2], SENT_OK, "x");
    stage_pass(s, 1000);
    assert_int_equal(s->talk.count, 4);
}

static void test_lost_and_back(void **state) {
    struct stage *s = *state;
    s->with_side = s->with_page = true;
    stage_restart(s);
    channel_set_state(&s->talk.channel, CHANNEL_CONNECTING, NULL);
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(s->side.count, 0); /* up for the first time is no news */
    channel_set_state(&s->talk.channel, CHANNEL_LOGGED_OUT, "the token is dead");
    channel_set_state(&s->talk.channel, CHANNEL_LOGGED_OUT, "the token is dead");
    stage_turn(s);
    assert_int_equal(stage_told(&s->side, "the token is dead"), 1);
    assert_int_equal(stage_told(&s->page, "the token is dead"), 1);
    assert_int_equal(s->talk.count, 0);
    assert_int_equal(logged(s, "talk is logged out"), 1);
    stage_restart(s);
    s->talk.channel.state = CHANNEL_CONNECTING;
    channel_set_state(&s->talk.channel, CHANNEL_LOGGED_OUT, "the token is dead"); /* still: told before */
    stage_turn(s);
    assert_int_equal(stage_told(&s->side, "the token is dead"), 1);
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(stage_told(&s->side, "talk is back"), 1);
    channel_set_state(&s->talk.channel, CHANNEL_DOWN, "no route");
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(s->side.count, 2); /* it is away now and then: no news either */
    s->talk.channel.quitting = true;    /* the owner logged it out */
    channel_set_state(&s->talk.channel, CHANNEL_LOGGED_OUT, "logged out as asked");
    assert_int_equal(logged(s, "logged out as asked"), 0); /* nothing went wrong: no warning with a reason */
    stage_turn(s);
    channel_set_state(&s->talk.channel, CHANNEL_UP, NULL);
    stage_turn(s);
    assert_int_equal(s->side.count, 2);
    assert_string_equal(s->talk.channel.why, "");
    channel_set_state(&s->talk.channel, CHANNEL_LOGGED_OUT, "the token is dead"); /* and that is a loss again */
    stage_turn(s);
    assert_int_equal(s->side.count, 3);
    assert_int_equal(s->talk.count, 0);
}

static void test_words(void **state) {
    (void)state;
    char text[400];
    struct fact fact = {.kind = FACT_CHANNEL_LOST, .channel = "weixin", .text = "the login expired", .cpu_percent = -1};
    render_fact(&fact, LANG_ZH, STYLE_CARD, text, sizeof text);
    assert_string_equal(text, "⚠ 微信掉线了:the login expired");
    render_fact(&fact, LANG_EN, STYLE_CARD, text, sizeof text);
    assert_string_equal(text, "⚠ WeChat is logged out: the login expired");
    fact.text = "the token is not valid any more (401): get one from @BotFather into token_file, then: login telegram";
    fact.channel = "telegram";
    render_fact(&fact, LANG_ZH, STYLE_CARD, text, sizeof text);
    assert_string_equal(
        text, "⚠ Telegram 掉线了:token 失效了(401):向 @BotFather 要一个新的,写进 token_file,再发\"登录 telegram\"");
    fact.kind = FACT_CHANNEL_BACK;
    fact.channel = "wecom";
    render_fact(&fact, LANG_ZH, STYLE_CARD, text, sizeof text);
    assert_string_equal(text, "企业微信又连上了,等着的消息接着发。");
    assert_int_equal(fact_class(FACT_CHANNEL_LOST), MESSAGE_ALERT);
    assert_int_equal(fact_class(FACT_CHANNEL_BACK), MESSAGE_REPLY);
}

static void test_never_logged_in(void **state) {
    struct stage *s = *state;
    s->with_side = true;
    stage_restart(s);
    s->talk.channel.state = CHANNEL_CONNECTING;
    channel_set_state(&s->talk.channel, CHANNEL_LOGGED_OUT, "not logged in");
    stage_turn(s);
    assert_int_equal(s->side.count, 0);
    assert_int_equal(logged(s, "not logged in"), 1);
}

static void test_closed(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_CLOSED;
    alert(s, "one");
    alert(s, "two");
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    for (int i = 0; i < 50; i++) {
        char text[32];
        snprintf(text, sizeof text, "step %d", i);
        add_to(s, "talk", "boss", MESSAGE_PROGRESS, text, "progress:1");
        stage_pass(s, 1000);
    }
    stage_restart(s); /* the next bot knows */
    stage_pass(s, 100000);
    assert_int_equal(s->talk.count, 1);
    s->talk.answer = SENT_OK;
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_turn(s);
    assert_int_equal(s->talk.count, 4);
    assert_string_equal(s->talk.texts[1], "one");
    assert_string_equal(s->talk.texts[2], "two");
    assert_string_equal(s->talk.texts[3], "step 49");
    stage_restart(s);
    alert(s, "three");
    stage_turn(s);
    assert_string_equal(s->talk.texts[4], "three");
}

/* The person wrote while a message was under way whose refusal is older than that. */
static void test_closed_too_late(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    alert(s, "one");
    stage_turn(s);
    outbox_heard(s->bot, "talk", "boss", 0);
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_CLOSED, NULL);
    stage_turn(s);
    assert_int_equal(s->talk.count, 2);
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_CLOSED, NULL);
    stage_pass(s, 10000);
    assert_int_equal(s->talk.count, 2);
}

static void test_group_pace(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.pace = (struct channel_pace){.burst = 10, .refill_ms = 1000};
    s->talk.channel.traits.group_pace = (struct channel_pace){.burst = 2, .refill_ms = 20000};
    stage_restart(s);
    for (int i = 0; i < 8; i++) {
        add_to(s, "talk", "boss", MESSAGE_ALERT, "x", "");
        add_to(s, "talk", "-100", MESSAGE_ALERT, "x", "");
    }
    stage_turn(s);
    int groups = 0;
    for (int i = 0; i < s->talk.count; i++)
        groups += s->talk.chats[i][0] == '-';
    assert_int_equal(groups, 2);
    assert_int_equal(s->talk.count, 10);
    stage_pass(s, 20100);
    assert_int_equal(s->talk.count, 11);
}

/* Edits of progress leave half of the tokens to what matters more. */
static void test_progress_leaves_tokens(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.pace = (struct channel_pace){.burst = 20, .refill_ms = 60000};
    s->talk.channel.traits.edit = true;
    stage_restart(s);
    for (int i = 0; i < 30; i++) {
        char text[32];
        snprintf(text, sizeof text, "step %d", i);
        add_to(s, "talk", "boss", MESSAGE_PROGRESS, text, "progress:1");
        stage_turn(s);
    }
    assert_int_equal(s->talk.count, 9); /* 20 … 12; a tenth would leave no more than half */
    for (int i = 0; i < 11; i++)
        alert(s, "alert");
    stage_turn(s);
    assert_int_equal(s->talk.count, 20);
    stage_pass(s, 60000 * 20);
    assert_string_equal(s->talk.texts[20], "step 29");
    s->talk.channel.traits.pace = (struct channel_pace){.burst = 1, .refill_ms = 1000}; /* not even half of one */
    stage_restart(s);
    add_to(s, "talk", "boss", MESSAGE_PROGRESS, "last", "progress:1");
    stage_pass(s, 2000);
    assert_string_equal(s->talk.texts[21], "last");
}

static void test_edit_gone(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.edit = true;
    add_to(s, "talk", "boss", MESSAGE_PROGRESS, "step 1", "progress:1");
    stage_turn(s);
    s->talk.later = true;
    add_to(s, "talk", "boss", MESSAGE_PROGRESS, "step 2", "progress:1");
    stage_turn(s);
    assert_string_equal(s->talk.edits[1], "service-1");
    s->talk.edit_gone = true;
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_RETRY, NULL);
    stage_turn(s); /* at once, and as a new message */
    assert_int_equal(s->talk.count, 3);
    assert_string_equal(s->talk.edits[2], "");
    assert_string_equal(s->talk.texts[2], "step 2");
    stage_restart(s);
    s->talk.edit_gone = s->talk.later = false;
    add_to(s, "talk", "boss", MESSAGE_PROGRESS, "step 3", "progress:1");
    stage_turn(s);
    assert_string_equal(s->talk.edits[3], "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

/* A service that asks for ages is asked again after a day; a clock that was set back holds nothing up. */
static void test_absurd_waits(void **state) {
    struct stage *s = *state;
    for (int down = 0; down < 2; down++) {
        int before = s->talk.count;
        s->talk.answer = SENT_RETRY;
        s->talk.retry_ms = INT64_MAX;
        s->talk.service_down = down;
        alert(s, "late");
        stage_turn(s);
        assert_int_equal(s->talk.count, before + 1);
        s->talk.answer = SENT_OK;
        stage_pass_at_once(s, 86400000 - 1000);
        assert_int_equal(s->talk.count, before + 1);
        stage_pass_at_once(s, 2000);
        assert_int_equal(s->talk.count, before + 2);
    }
    s->talk.service_down = false;
    s->talk.answer = SENT_RETRY;
    s->talk.retry_ms = 3600000;
    alert(s, "later");
    stage_turn(s);
    s->talk.answer = SENT_OK;
    s->wall_ms -= 400 * 86400000LL;
    stage_restart(s);
    stage_pass(s, 1000);
    assert_string_equal(s->talk.texts[s->talk.count - 1], "later");
    assert_int_equal(outbox_count(s->bot, "talk").queued, 0);
}

/* The service wants nothing for a chat: neither what was tried nor anything else leaves, also after a restart. Others
 * do. */
static void test_chat_held(void **state) {
    struct stage *s = *state;
    s->talk.answer = SENT_RETRY;
    s->talk.retry_ms = 30000;
    s->talk.chat_held = true;
    add_to(s, "talk", "boss", MESSAGE_PROGRESS, "10 %", "progress:1");
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    s->talk.answer = SENT_OK;
    alert(s, "waits with it");
    add_to(s, "talk", "other", MESSAGE_ALERT, "elsewhere", "");
    stage_pass(s, 10000);
    assert_int_equal(stage_told(&s->talk, "waits with it"), 0);
    assert_int_equal(stage_told(&s->talk, "elsewhere"), 1);
    stage_restart(s);
    stage_pass(s, 15000);
    assert_int_equal(stage_told(&s->talk, "waits with it"), 0);
    stage_pass(s, 6000);
    assert_int_equal(stage_told(&s->talk, "waits with it"), 1);
    s->talk.answer = SENT_RETRY; /* a wait for one message alone lets others pass */
    s->talk.chat_held = false;
    add_to(s, "talk", "boss", MESSAGE_PROGRESS, "20 %", "progress:2");
    stage_turn(s);
    s->talk.answer = SENT_OK;
    alert(s, "passes");
    stage_pass(s, 1000);
    assert_int_equal(stage_told(&s->talk, "passes"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_only_when_up),      TEST(test_dead_service),
        TEST(test_one_probe),         TEST(test_lost_and_back),
        TEST(test_never_logged_in),   TEST(test_closed),
        cmocka_unit_test(test_words), TEST(test_closed_too_late),
        TEST(test_group_pace),        TEST(test_progress_leaves_tokens),
        TEST(test_edit_gone),         TEST(test_absurd_waits),
        TEST(test_chat_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
