/* Every state of the login, by a service that the test plays answer for answer. */
#include "fake_http.h"
#include "weixin_account.h"
#include "weixin_login.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char dir[64], said[4096];
static struct weixin_login *login;
static bool closed;

static void on_event(void *user, enum weixin_login_event event, const char *text) {
    static const char *const names[] = {"code", "scanned", "number", "renewed", "waiting", "done", "already", "failed"};
    size_t n = strlen(said);
    (void)user;
    snprintf(said + n, sizeof said - n, "%s(%s) ", names[event], text ? text : "");
    if (event >= WEIXIN_LOGIN_DONE) assert_int_equal(fake_open_count(), 0); /* nothing is asked any more */
}
static void on_closed(void *user) {
    *(bool *)user = true;
}

static int setup(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test-weixin-XXXXXX");
    said[0] = 0;
    closed = false;
    uv_loop_init(&fake_loop);
    if (!mkdtemp(dir)) return -1;
    const struct weixin_options options = {.loop = &fake_loop,
                                           .state_dir = dir,
                                           .base_url = "https://ilinkai.weixin.qq.com",
                                           .client_version = "2.4.9",
                                           .lang = LANG_EN};
    return weixin_login_start(&options, on_event, NULL, &login);
}
static int teardown(void **state) {
    char command[200];
    (void)state;
    if (!closed) weixin_login_close(login, on_closed, &closed);
    fake_until(&closed, "the login's end");
    uv_run(&fake_loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake_loop), 0);
    assert_int_equal(fake_open_count(), 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void assert_said(const char *expected) {
    assert_string_equal(said, expected);
    said[0] = 0;
}

static void give_code(const char *id) {
    char body[200];
    struct http_call *call = fake_wait("/ilink/bot/get_bot_qrcode?bot_type=3");
    assert_true(call->post);
    snprintf(body, sizeof body, "{\"qrcode\":\"%s\",\"qrcode_img_content\":\"https://liteapp.weixin.qq.com/q/%s\"}", id,
             id);
    fake_answer(call, 200, body);
}
static void give_status(const char *status) {
    char body[600];
    snprintf(body, sizeof body, "{\"status\":\"%s\"}", status);
    fake_answer(fake_wait("get_qrcode_status"), 200, body);
}
static void give(const char *body) {
    fake_answer(fake_wait("get_qrcode_status"), 200, body);
}
#define CONFIRMED                                                                                                      \
    "{\"status\":\"confirmed\",\"bot_token\":\"0a1b@im.bot:SECRET\",\"ilink_bot_id\":\"0a1b@im.bot\",\"baseurl\":"     \
    "\"https://ilinkai.wechat.com\",\"ilink_user_id\":\"o9@im.wechat\"}"

static void test_plain(void **state) {
    (void)state;
    struct http_call *call = fake_wait("get_bot_qrcode");
    assert_string_equal(call->url, "https://ilinkai.weixin.qq.com/ilink/bot/get_bot_qrcode?bot_type=3");
    assert_string_equal(call->body, "{\"local_token_list\":[]}");
    assert_non_null(strstr(call->headers, "AuthorizationType: ilink_bot_token\n"));
    assert_non_null(strstr(call->headers, "iLink-App-Id: bot\n"));
    assert_non_null(strstr(call->headers, "iLink-App-ClientVersion: 132105\n"));
    assert_non_null(strstr(call->headers, "X-WECHAT-UIN: "));
    assert_null(strstr(call->headers, "Authorization: "));
    give_code("a+/=b");
    assert_said("code(https://liteapp.weixin.qq.com/q/a+/=b) ");
    call = fake_wait("get_qrcode_status");
    assert_string_equal(call->url, "https://ilinkai.weixin.qq.com/ilink/bot/get_qrcode_status?qrcode=a%2B%2F%3Db");
    assert_false(call->post);
    assert_string_equal(call->headers, "iLink-App-Id: bot\niLink-App-ClientVersion: 132105\n");
    give_status("wait");
    assert_int_equal(fake_open_count(), 0); /* a pause first */
    give_status("scaned");
    give_status("scaned");
    assert_said("scanned() "); /* once */
    give(CONFIRMED);
    assert_said("done(o9@im.wechat) ");
    struct weixin_account account;
    char why[200];
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_OK);
    assert_string_equal(secret_reveal(&account.token), "0a1b@im.bot:SECRET");
    assert_string_equal(account.bot_id, "0a1b@im.bot");
    assert_string_equal(account.base_url, "https://ilinkai.wechat.com");
    assert_string_equal(account.user_id, "o9@im.wechat");
    weixin_account_clear(&account);
}

static void test_number(void **state) {
    (void)state;
    give_code("a");
    said[0] = 0;
    give_status("need_verifycode");
    assert_said("number() ");
    fake_turn();
    assert_int_equal(fake_open_count(), 0); /* a person types */
    weixin_login_number(login, "");
    weixin_login_number(login, "abc");
    fake_turn();
    assert_int_equal(fake_open_count(), 0);
    weixin_login_number(login, "12 34");
    assert_non_null(strstr(fake_wait("get_qrcode_status")->url, "&verify_code=1234"));
    give_status("need_verifycode");
    assert_said("number(again) ");
    weixin_login_number(login, "77");
    assert_non_null(strstr(fake_wait("get_qrcode_status")->url, "&verify_code=77"));
    give_status("wait"); /* the number goes along until it is taken */
    assert_non_null(strstr(fake_wait("get_qrcode_status")->url, "&verify_code=77"));
    give_status("scaned");
    assert_null(strstr(fake_wait("get_qrcode_status")->url, "verify_code"));
    give_status("need_verifycode"); /* a new question, not a wrong answer */
    assert_said("scanned() number() ");
    weixin_login_number(login, "5");
    give_status("verify_code_blocked");
    assert_said("renewed(blocked) ");
    give_code("b");
    assert_null(strstr(fake_wait("get_qrcode_status")->url, "verify_code"));
}

static void test_three_codes(void **state) {
    (void)state;
    give_code("a");
    give_status("expired");
    give_code("b");
    give_status("verify_code_blocked");
    give_code("c");
    said[0] = 0;
    give_status("expired");
    assert_non_null(strstr(said, "failed(three codes"));
    fake_turn();
    assert_int_equal(fake_open_count(), 0);
}

static void test_redirect(void **state) {
    (void)state;
    give_code("a");
    give("{\"status\":\"scaned_but_redirect\",\"redirect_host\":\"sh.ilinkai.wechat.com:8443\"}");
    struct http_call *call = fake_wait("get_qrcode_status");
    assert_string_equal(call->url, "https://sh.ilinkai.wechat.com:8443/ilink/bot/get_qrcode_status?qrcode=a");
    give("{\"status\":\"scaned_but_redirect\"}"); /* without a host the old one stays */
    assert_non_null(strstr(fake_wait("get_qrcode_status")->url, "https://sh.ilinkai.wechat.com:8443/"));
    give_status("expired");
    assert_non_null(strstr(fake_wait("get_bot_qrcode")->url, "https://ilinkai.weixin.qq.com/")); /* codes: the base */
    give_code("b");
    assert_non_null(strstr(fake_wait("get_qrcode_status")->url, "https://ilinkai.weixin.qq.com/"));
}

static void test_redirect_refused(void **state) {
    static const char *const hosts[] = {"evil.example",   "weixin.qq.com.evil.example", "127.0.0.1:80",
                                        "a@evil.example", "evil.example/weixin.qq.com", "evil.example#.weixin.qq.com"};
    (void)state;
    give_code("a");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char body[200];
        if (i > 0) { /* each begins anew */
            teardown(state);
            setup(state);
            give_code("a");
        }
        said[0] = 0;
        snprintf(body, sizeof body, "{\"status\":\"scaned_but_redirect\",\"redirect_host\":\"%s\"}", hosts[i]);
        give(body);
        if (strncmp(said, "failed(", 7) != 0) fail_msg("%s: %s", hosts[i], said);
        fake_turn();
        assert_int_equal(fake_open_count(), 0);
    }
}

static void test_unfinished_account(void **state) {
    struct weixin_account account;
    char why[200];
    (void)state;
    give_code("a");
    said[0] = 0;
    give("{\"status\":\"confirmed\",\"bot_token\":\"SECRET\",\"ilink_user_id\":\"o9\"}");
    assert_int_equal(strncmp(said, "failed(", 7), 0);
    assert_null(strstr(said, "SECRET"));
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_ENOTFOUND);
}

static void test_foreign_base(void **state) {
    struct weixin_account account;
    char why[200];
    (void)state;
    give_code("a");
    give("{\"status\":\"confirmed\",\"bot_token\":\"t\",\"ilink_bot_id\":\"b\",\"baseurl\":\"https://evil.example\"}");
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_OK);
    assert_string_equal(account.base_url, ""); /* the configured one */
    weixin_account_clear(&account);
}

static void test_bound(void **state) {
    struct weixin_account account = {.bot_id = "0a@im.bot", .user_id = "o9", .saved_ms = 5};
    char why[200];
    (void)state;
    give_code("a");
    said[0] = 0;
    give_status("binded_redirect");
    assert_int_equal(strncmp(said, "failed(", 7), 0); /* none of ours is here */
    teardown(state);
    setup(state);
    assert_int_equal(secret_set(&account.token, "T1", 2), TB_OK);
    assert_int_equal(weixin_account_save(dir, &account, why, sizeof why), TB_OK);
    assert_int_equal(weixin_account_forget(dir, why, sizeof why), TB_OK);
    assert_string_equal(fake_wait("get_bot_qrcode")->body, "{\"local_token_list\":[\"T1\"]}");
    give_code("a");
    said[0] = 0;
    give_status("binded_redirect");
    assert_said("already(o9) ");
    weixin_account_clear(&account);
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_OK);
    assert_string_equal(secret_reveal(&account.token), "T1");
    assert_true(account.saved_ms > 5); /* written again: a running bot tries it */
    weixin_account_clear(&account);
}

/* Whatever goes wrong while the code waits counts as "not yet", and is told once. */
static void test_errors_wait(void **state) {
    static const char *const bodies[] = {
        "", "<html>", "{}", "[]", "{\"status\":7}", "{\"status\":\"new\"}", "{\"ret\":-1}"};
    (void)state;
    give_code("a");
    said[0] = 0;
    fake_fail(fake_wait("get_qrcode_status"), HTTP_UNCERTAIN, true, "no answer in time");
    assert_said(""); /* a long poll that ended is no trouble */
    fake_fail(fake_wait("get_qrcode_status"), HTTP_NOT_SENT, false, "connection refused");
    fake_fail(fake_wait("get_qrcode_status"), HTTP_NOT_SENT, false, "connection refused");
    assert_said("waiting(connection refused) ");
    fake_answer(fake_wait("get_qrcode_status"), 502, "");
    assert_said("waiting(HTTP 502) ");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        give(bodies[i]);
    said[0] = 0;
    give(CONFIRMED);
    assert_said("done(o9@im.wechat) ");
}

static void test_no_code(void **state) {
    (void)state;
    fake_fail(fake_wait("get_bot_qrcode"), HTTP_NOT_SENT, false, "connection refused");
    fake_answer(fake_wait("get_bot_qrcode"), 200, "{\"qrcode\":\"a\"}");
    fake_answer(fake_wait("get_bot_qrcode"), 500, "");
    fake_answer(fake_wait("get_bot_qrcode"), 200, "{\"ret\":-1,\"errmsg\":\"old version\"}");
    assert_said("waiting(connection refused) waiting(qrcode_img_content: missing) waiting(HTTP 500) "
                "waiting(refused with -1 old version) ");
    fake_answer(fake_wait("get_bot_qrcode"), 200, "{\"ret\":-1,\"errmsg\":\"old version\"}");
    assert_non_null(strstr(said, "failed("));
    assert_non_null(strstr(said, "old version"));
}

static void test_limit(void **state) {
    (void)state;
    give_code("a");
    said[0] = 0;
    while (!said[0]) /* 480 s, divided by the tests' speed */
        uv_run(&fake_loop, UV_RUN_ONCE);
    assert_int_equal(strncmp(said, "failed(nobody confirmed", 23), 0);
}

static void test_close_anywhere(void **state) {
    (void)state;
    for (int when = 0; when < 5; when++) {
        if (when > 0) setup(state);
        if (when >= 1) fake_wait("get_bot_qrcode");
        if (when >= 2) give_code("a");
        if (when >= 3) fake_wait("get_qrcode_status");
        if (when >= 4) give_status("need_verifycode");
        teardown(state);
    }
    setup(state);
}

int main(void) {
    setenv("TRAINBOT_TEST_SPEED", "400", 1);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_plain),
        TEST(test_number),
        TEST(test_three_codes),
        TEST(test_redirect),
        TEST(test_redirect_refused),
        TEST(test_unfinished_account),
        TEST(test_foreign_base),
        TEST(test_bound),
        TEST(test_errors_wait),
        TEST(test_no_code),
        TEST(test_limit),
        TEST(test_close_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
