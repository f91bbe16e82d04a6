/* Receiving, the cursor, errors, and the account's life: by a service that the test plays answer for answer. */
#include "scene.h"
#include "service_url.h"
#include <sys/stat.h>
#include <unistd.h>

static int64_t pause_ms(void) { /* what is left of the pause before the next poll */
    return (int64_t)uv_timer_get_due_in(&weixin->poll.timer);
}
static void assert_pause(int64_t ms) {
    assert_int_equal(weixin->poll.phase, WEIXIN_PAUSE);
    assert_null(fake_open("getupdates"));
    assert_in_range(pause_ms(), service_ms(ms) / 2, service_ms(ms));
}

/* ---- the account ---- */

static void test_nobody(void **state) {
    char why[300] = "";
    (void)state;
    fake_turn();
    assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
    assert_string_equal(weixin->channel.why, "run trainbot login weixin on this machine");
    assert_int_equal(fake_started, 0);
    assert_int_equal(weixin->channel.ops->login(&weixin->channel, why, sizeof why), TB_EACCESS);
    assert_non_null(strstr(why, "trainbot login weixin"));
    scene_send(1, "x", NULL);
    assert_int_equal(core.sent.status, SENT_RETRY);
    assert_int_equal(fake_started, 0);
}

static void test_login_beside(void **state) {
    (void)state;
    scene_save(BOT, "SECRETTOKEN");
    struct http_call *call = fake_wait("notifystart");
    assert_int_equal(weixin->channel.state, CHANNEL_CONNECTING);
    assert_string_equal(call->url, "https://ilinkai.weixin.qq.com/ilink/bot/msg/notifystart");
    assert_non_null(strstr(call->headers, "Authorization: Bearer SECRETTOKEN\n"));
    assert_non_null(strstr(call->headers, "AuthorizationType: ilink_bot_token\n"));
    assert_non_null(strstr(call->headers, "X-WECHAT-UIN: "));
    assert_non_null(strstr(call->headers, "iLink-App-Id: bot\n"));
    assert_non_null(strstr(call->headers, "iLink-App-ClientVersion: 132105\n"));
    assert_non_null(strstr(call->headers, "Content-Type: application/json\n"));
    assert_string_equal(core.owner, PERSON);
    fake_answer(call, 200, "{\"ret\":0}");
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
    call = fake_wait("getupdates");
    assert_non_null(strstr(call->body, "{\"get_updates_buf\":\"\","));
    char text[100];
    weixin->channel.ops->describe(&weixin->channel, LANG_ZH, text, sizeof text);
    assert_string_equal(text, "扫码人 o9Ab@i…");
}

/* Another bot: its cursor is new, and what was kept of the old one is gone. The same file again changes nothing. */
static void test_replaced(void **state) {
    (void)state;
    scene_say("1", "hello");
    fake_wait("getupdates");
    assert_string_equal(fake_stored("weixin/cursor/" BOT), "cursor-1");
    size_t started = fake_started;
    uv_timer_start(&weixin->look, weixin->look.timer_cb, 0, 0);
    fake_turn();
    assert_int_equal(fake_started, started);
    scene_save("0c@im.bot", "SECRET2");
    struct http_call *call = fake_wait("notifystart");
    assert_int_equal(fake_open_count(), 1); /* the old bot's poll is over */
    assert_non_null(strstr(call->headers, "Bearer SECRET2\n"));
    fake_answer(call, 500, ""); /* its failure does not matter */
    call = fake_wait("getupdates");
    assert_non_null(strstr(call->body, "{\"get_updates_buf\":\"\","));
    assert_int_equal(fake_stored_count("weixin/cursor/"), 0);
    assert_int_equal(fake_stored_count("weixin/context/"), 0);
}

static void test_new_token(void **state) { /* of the same bot: it was logged in anew, so its cursor is as well */
    (void)state;
    scene_say("1", "hello");
    fake_wait("getupdates");
    scene_save(BOT, "SECRET2");
    fake_answer(fake_wait("notifystart"), 200, "{}");
    assert_non_null(strstr(fake_wait("getupdates")->body, "{\"get_updates_buf\":\"\","));
    assert_int_equal(fake_stored_count("weixin/context/"), 0);
}

static void test_restart(void **state) {
    (void)state;
    scene_say("1", "hello");
    fake_wait("getupdates");
    scene_restart();
    assert_int_equal(weixin->channel.state, CHANNEL_CONNECTING);
    fake_answer(fake_wait("notifystart"), 200, "{}");
    assert_non_null(strstr(fake_wait("getupdates")->body, "{\"get_updates_buf\":\"cursor-1\","));
    scene_send(1, "x", NULL); /* with the context that was kept */
    assert_non_null(strstr(fake_wait("sendmessage")->body, "\"context_token\":\"CTX1\""));
}

static void test_bad_file(void **state) {
    char path[128];
    (void)state;
    scene_save(BOT, "SECRETTOKEN");
    snprintf(path, sizeof path, "%s/weixin/account.json", scene_dir);
    assert_int_equal(chmod(path, 0644), 0);
    while (!strstr(weixin->channel.why, "chmod 600"))
        uv_run(&fake_loop, UV_RUN_ONCE);
    assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
    assert_int_equal(fake_started, 0);
    scene_save(BOT, "SECRETTOKEN");
    fake_wait("notifystart");
}

static void test_taken_away(void **state) {
    char path[128];
    (void)state;
    snprintf(path, sizeof path, "%s/weixin/account.json", scene_dir);
    assert_int_equal(unlink(path), 0);
    while (weixin->channel.state != CHANNEL_LOGGED_OUT)
        uv_run(&fake_loop, UV_RUN_ONCE);
    assert_int_equal(fake_open_count(), 0);
}

static void test_logout(void **state) {
    char path[128];
    (void)state;
    scene_say("1", "quit");
    fake_wait("getupdates");
    core.waiting = 1;
    weixin->channel.ops->logout(&weixin->channel, PERSON);
    weixin->channel.ops->flush(&weixin->channel);
    fake_turn();
    scene_send(9, "goodbye", NULL); /* it leaves first */
    weixin->channel.ops->flush(&weixin->channel);
    fake_turn();
    assert_null(fake_open("notifystop"));
    fake_answer(fake_wait("sendmessage"), 200, "{\"ret\":0}");
    core.waiting = 0;
    weixin->channel.ops->flush(&weixin->channel);
    struct http_call *call = fake_wait("notifystop");
    assert_non_null(strstr(call->headers, "Bearer SECRETTOKEN\n"));
    assert_null(fake_open("getupdates"));
    assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
    assert_string_equal(core.owner, "");
    assert_int_equal(fake_stored_count("weixin/"), 0);
    snprintf(path, sizeof path, "%s/weixin/account.json", scene_dir);
    assert_int_equal(access(path, F_OK), -1);
    struct weixin_account accounts[WEIXIN_TOKENS_MAX];
    assert_int_equal(weixin_accounts(scene_dir, accounts), 1); /* the next login may name it */
    weixin_account_clear(&accounts[0]);
    fake_answer(call, 200, "{}");
}

static void test_logout_waits_no_longer(void **state) {
    (void)state;
    core.waiting = 1; /* it never leaves */
    weixin->channel.ops->logout(&weixin->channel, PERSON);
    fake_wait("notifystop");
    assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
}

/* ---- polls ---- */

static void test_cursor(void **state) {
    (void)state;
    scene_poll("{\"ret\":0,\"msgs\":[],\"get_updates_buf\":\"c1\",\"longpolling_timeout_ms\":10000}");
    struct http_call *call = fake_wait("getupdates");
    assert_non_null(strstr(call->body, "\"get_updates_buf\":\"c1\""));
    assert_in_range(call->timeout_ms, 10500, 15000); /* the hint and more: who hangs up first loses */
    assert_string_equal(fake_stored("weixin/cursor/" BOT), "c1");
    scene_poll("{\"ret\":0,\"get_updates_buf\":\"\"}"); /* empty: the old one stays in force */
    assert_non_null(strstr(fake_wait("getupdates")->body, "\"get_updates_buf\":\"c1\""));
    scene_poll("{}");
    call = fake_wait("getupdates");
    assert_non_null(strstr(call->body, "\"get_updates_buf\":\"c1\""));
    assert_in_range(call->timeout_ms, 10500, 15000);
    fake_fail(call, HTTP_UNCERTAIN, true, "no answer in time"); /* no error: at once again */
    assert_non_null(fake_open("getupdates"));
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
    assert_string_equal(core.log, "");
}

static void test_batch(void **state) {
    (void)state;
    scene_poll(
        "{\"msgs\":[{\"message_id\":7466108239911234567,\"from_user_id\":\"" PERSON
        "\",\"create_time_ms\":1789999990000,\"message_type\":1,\"item_list\":[{\"type\":1,\"text_item\":{\"text\":"
        "\"status\"}}],\"context_token\":\"A\"},{\"from_user_id\":\"stranger@im.wechat\",\"client_id\":\"k\",\"create_"
        "time_ms\":1789999991,\"message_type\":1,\"item_list\":[{\"type\":2}],\"context_token\":\"B\"}],\"get_updates_"
        "buf\":\"c1\"}");
    assert_int_equal(core.inbound_count, 2);
    assert_string_equal(core.inbound[0].service_id, "7466108239911234567");
    assert_string_equal(core.inbound[0].sender, PERSON);
    assert_string_equal(core.inbound[0].text, "status");
    assert_int_equal(core.inbound[0].sent_ms, 1789999990000);
    assert_string_equal(core.inbound[1].service_id, "client:k");
    assert_string_equal(core.inbound[1].text, "[图片]");
    assert_int_equal(core.inbound[1].sent_ms, 1789999991000); /* seconds */
    assert_string_equal(fake_stored("weixin/context/" BOT "/" PERSON), "1789999990000 A");
    assert_int_equal(fake_stored_count("weixin/context/"), 1); /* strangers leave nothing in the store … */
    char *token = weixin_context_get(weixin, "stranger@im.wechat");
    assert_string_equal(token, "B"); /* … and can be answered */
    weixin_context_free(token);
    fake_wait("getupdates");
}

static void test_contexts(void **state) { /* the newest counts, whatever the order they come in */
    (void)state;
    core.now_ms += 1000;
    scene_say("2", "b");
    core.now_ms -= 1000;
    scene_say("1", "a");
    char *token = weixin_context_get(weixin, PERSON);
    assert_string_equal(token, "CTX2");
    weixin_context_free(token);
    char body[300];
    for (int i = 0; i < 200; i++) { /* strangers in a crowd: bounded */
        snprintf(body, sizeof body,
                 "{\"msgs\":[{\"from_user_id\":\"stranger%d\",\"message_type\":1,\"context_token\":\"T%d\"}],\"get_"
                 "updates_buf\":\"x%d\"}",
                 i, i, i);
        scene_poll(body);
    }
    assert_int_equal(fake_stored_count("weixin/context/"), 1);
    token = weixin_context_get(weixin, "stranger199");
    assert_string_equal(token, "T199");
    weixin_context_free(token);
    assert_null(weixin_context_get(weixin, "stranger0"));
}

/* The batch is kept, with nothing asked meanwhile, until it is stored; then it is there once, with its cursor. */
static void test_store_fails(void **state) {
    (void)state;
    core.batch_status = TB_EFULL;
    scene_say("1", "status");
    for (int i = 0; i < 3; i++) {
        size_t batches = core.batches;
        while (core.batches == batches) {
            assert_null(fake_open("getupdates"));
            uv_run(&fake_loop, UV_RUN_ONCE);
        }
    }
    assert_int_equal(core.log_lines, 1);
    assert_string_equal(fake_stored("weixin/context/" BOT "/" PERSON), "");
    core.batch_status = TB_OK;
    assert_non_null(strstr(fake_wait("getupdates")->body, "\"get_updates_buf\":\"cursor-1\""));
    assert_int_equal(core.inbound_count, 1);
    assert_string_equal(core.inbound[0].text, "status");
    assert_string_equal(fake_stored("weixin/context/" BOT "/" PERSON), "1790000000000 CTX1");
}

static void test_same_again(void **state) {
    (void)state;
    scene_say("1", "lr x0.5");
    scene_say("2", "lr x0.5"); /* the same moment, another id: the same message */
    assert_int_equal(core.inbound_count, 1);
    core.now_ms += 1;
    scene_say("3", "lr x0.5"); /* said again */
    assert_int_equal(core.inbound_count, 2);
    core.now_ms -= 1;
    fake_wait("getupdates");
    scene_restart();
    fake_answer(fake_wait("notifystart"), 200, "{}");
    scene_say("4", "lr x0.5"); /* known over a restart */
    assert_int_equal(core.inbound_count, 2);
    for (int i = 0; i < 100; i++) {
        char id[16];
        core.now_ms += 10;
        snprintf(id, sizeof id, "%d", 100 + i);
        scene_say(id, "status");
    }
    assert_int_equal(core.inbound_count, 102);
}

/* ---- what goes wrong ---- */

static void test_failures(void **state) {
    (void)state;
    for (int round = 0; round < 2; round++) {
        fake_answer(fake_wait("getupdates"), 502, "<html>");
        if (round == 0) assert_int_equal(weixin->channel.state, CHANNEL_UP); /* one is no outage */
        assert_pause(2000);
        fake_fail(fake_wait("getupdates"), HTTP_NOT_SENT, false, "connection refused");
        assert_int_equal(weixin->channel.state, CHANNEL_DOWN);
        assert_string_equal(weixin->channel.why, "connection refused");
        assert_pause(2000);
        fake_answer(fake_wait("getupdates"), 200, "{\"ret\":-1,\"errmsg\":\"busy\"}");
        assert_string_equal(weixin->channel.why, "getupdates: -1 busy");
        assert_pause(30000);
    }
    scene_poll("{}");
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
    fake_answer(fake_wait("getupdates"), 500, ""); /* counted anew */
    assert_pause(2000);
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
}

static void test_connect_timeout(void **state) { /* is no empty poll */
    (void)state;
    fake_fail(fake_wait("getupdates"), HTTP_NOT_SENT, true, "no connection in time");
    fake_fail(fake_wait("getupdates"), HTTP_NOT_SENT, true, "no connection in time");
    assert_int_equal(weixin->channel.state, CHANNEL_DOWN);
}

static void test_edge(void **state) {
    (void)state;
    weixin->poll.begun_ms -= service_ms(16000); /* it was held so long */
    fake_answer(fake_wait("getupdates"), 524, "<html>");
    struct http_call *call = fake_wait("getupdates");
    assert_in_range(call->timeout_ms, 1, service_ms(16000));
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
    fake_answer(call, 524, ""); /* at once: not at once again */
    assert_pause(1000);
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
    scene_poll("{\"longpolling_timeout_ms\":35000}");
    assert_in_range(fake_wait("getupdates")->timeout_ms, 1, service_ms(16000)); /* shorter from then on */
}

/* A service that says "nothing" at once, without end, is not asked without end. */
static void assert_calms(bool moves) {
    size_t started = fake_started;
    for (int i = 0; weixin->poll.phase == WEIXIN_ASK && i < 50; i++) {
        char body[64];
        struct http_call *call = fake_wait("getupdates");
        weixin->poll.begun_ms = (int64_t)uv_now(&fake_loop); /* however slow the test is */
        snprintf(body, sizeof body, "{\"get_updates_buf\":\"moved%d\"}", moves ? i : 0);
        fake_answer(call, 200, body);
    }
    assert_pause(1000);
    assert_in_range(fake_started - started, 1, 5);
    weixin->poll.quick = 0;
    fake_wait("getupdates");
}

static void test_never_held(void **state) {
    (void)state;
    assert_calms(false);
    assert_calms(true); /* a cursor that moves is no message either */
}

static void test_malformed_said_once(void **state) {
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "{",
                                         "[]",
                                         "{\"msgs\":7}",
                                         "{\"ret\":\"x\"}",
                                         "{\"msgs\":[{}]}",
                                         "{\"msgs\":[{\"from_user_id\":7}]}",
                                         "{\"get_updates_buf\":7}"};
    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
            fake_answer(fake_wait("getupdates"), 200, bodies[i]);
    assert_int_equal(core.log_lines, sizeof bodies / sizeof *bodies);
    assert_non_null(strstr(core.log, "getupdates: msgs[0].from_user_id: not text"));
    assert_non_null(strstr(core.log, "getupdates: body: HTML, not JSON"));
    fake_answer(fake_wait("getupdates"), 200,
                "{\"msgs\":[{\"from_user_id\":\"a\",\"message_type\":1},{\"from_user_id\":7}]}");
    assert_int_equal(core.log_lines, sizeof bodies / sizeof *bodies); /* another index is no other kind */
    core.inbound_count = 0;
    scene_say("1", "status");
    assert_int_equal(core.inbound_count, 1);
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
}

static void test_dead(void **state) {
    static const char *const deaths[] = {"{\"errcode\":-14,\"errmsg\":\"session timeout\"}", "{\"ret\":-14}"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        scene_poll(deaths[i]);
        assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
        assert_non_null(strstr(weixin->channel.why, "trainbot login weixin"));
        assert_pause(60000);
        struct http_call *call = fake_wait("notifystart"); /* that, and one poll, sometimes helps */
        fake_answer(call, 200, "{\"ret\":0}");
        assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT); /* it proves nothing yet */
        scene_poll("{}");
        assert_int_equal(weixin->channel.state, CHANNEL_UP);
    }
    fake_answer(fake_wait("getupdates"), 401, "");
    fake_answer(fake_wait("notifystart"), 401, "");
    fake_answer(fake_wait("getupdates"), 401, "");
    assert_pause(3600000);
    char why[100];
    assert_int_equal(weixin->channel.ops->login(&weixin->channel, why, sizeof why), TB_OK); /* tries at once */
    fake_answer(fake_wait("notifystart"), 200, "{\"ret\":-14}");
    scene_poll("{\"ret\":-14}");
    assert_pause(3600000);
    scene_save(BOT, "SECRET2"); /* a new login cures it */
    fake_answer(fake_wait("notifystart"), 200, "{\"ret\":0}");
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
}

static void test_dead_in_chinese(void **state) {
    (void)state;
    core.settings.language = LANG_ZH;
    scene_poll("{\"ret\":-14}");
    assert_string_equal(weixin->channel.why, "微信的登录失效了(或被别处登录顶掉),要重新扫码:trainbot login weixin");
}

int main(void) {
    setenv("TRAINBOT_TEST_SPEED", "100", 1);
#define BEGIN(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)
#define BOUND(name) cmocka_unit_test_setup_teardown(name, scene_bound, scene_end)
    const struct CMUnitTest tests[] = {
        BEGIN(test_nobody),
        BEGIN(test_login_beside),
        BEGIN(test_bad_file),
        BOUND(test_replaced),
        BOUND(test_new_token),
        BOUND(test_restart),
        BOUND(test_taken_away),
        BOUND(test_logout),
        BOUND(test_logout_waits_no_longer),
        BOUND(test_cursor),
        BOUND(test_batch),
        BOUND(test_contexts),
        BOUND(test_store_fails),
        BOUND(test_same_again),
        BOUND(test_failures),
        BOUND(test_connect_timeout),
        BOUND(test_edge),
        BOUND(test_never_held),
        BOUND(test_malformed_said_once),
        BOUND(test_dead),
        BOUND(test_dead_in_chinese),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
