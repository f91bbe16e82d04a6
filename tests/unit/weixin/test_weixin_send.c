/* Sending: each answer's outcome, the same message when it is repeated, pictures, typing, the end in the middle. */
#include "scene.h"
#include "service_url.h"
#include <unistd.h>

static int spoken(void **state) { /* PERSON has written, so that something may be sent */
    int status = scene_bound(state);
    if (status < 0) return status;
    scene_say("1", "hello");
    fake_wait("getupdates");
    return 0;
}

static void picture(char path[128], const char *bytes) {
    snprintf(path, 128, "%s/picture.png", scene_dir);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(bytes, file);
    fclose(file);
}

/* ---- texts ---- */

static void test_text(void **state) {
    (void)state;
    scene_send(7, "loss 0.42\x01\n第二行", NULL);
    struct http_call *call = fake_wait("sendmessage");
    assert_string_equal(call->url, "https://ilinkai.weixin.qq.com/ilink/bot/sendmessage");
    assert_true(call->once);
    assert_non_null(strstr(call->headers, "Authorization: Bearer SECRETTOKEN\n"));
    assert_non_null(strstr(call->body, "\"to_user_id\":\"" PERSON "\""));
    assert_non_null(strstr(call->body, "\"client_id\":\"trainbot:1790000000007-"));
    assert_non_null(strstr(call->body, "\"text\":\"loss 0.42\\n第二行\""));
    assert_non_null(strstr(call->body, "\"context_token\":\"CTX1\""));
    assert_non_null(fake_open("getupdates")); /* the poll goes on beside it */
    fake_answer(call, 200, "{\"ret\":0,\"message_id\":7466108239911234568}");
    assert_int_equal(core.sent_message, 7);
    assert_int_equal(core.sent.status, SENT_OK);
    assert_string_equal(core.sent_id, "7466108239911234568");
    assert_int_equal(core.sent_count, 1);
    assert_string_equal(core.log, "");
}

static void test_outcomes(void **state) {
    static const struct {
        int status; /* of HTTP; 0: not sent, -1: uncertain */
        const char *body;
        enum sent_status outcome;
        bool down;
    } rows[] = {
        {200, "{}", SENT_OK, false},
        {200, "{\"ret\":0}", SENT_OK, false},
        {200, "{\"ret\":0,\"message_id\":\"x\"}", SENT_OK, false},
        {200, "{\"ret\":0,\"message_id\":{}}", SENT_OK, false},
        {200, "{\"ret\":-2,\"errmsg\":\"prepare failed\"}", SENT_CLOSED, false},
        {200, "{\"errcode\":-2}", SENT_CLOSED, false},
        {200, "{\"ret\":-1}", SENT_RETRY, false},
        {200, "", SENT_UNCERTAIN, false},
        {200, "<html>", SENT_UNCERTAIN, false},
        {200, "{\"ret\":\"0\"}", SENT_UNCERTAIN, false},
        {500, "", SENT_UNCERTAIN, false},
        {502, "<html>", SENT_UNCERTAIN, false},
        {524, "", SENT_UNCERTAIN, false},
        {429, "", SENT_RETRY, false},
        {404, "", SENT_RETRY, false},
        {0, "", SENT_RETRY, true},
        {-1, "", SENT_UNCERTAIN, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene_send((int64_t)i + 1, "x", NULL);
        struct http_call *call = fake_wait("sendmessage");
        if (rows[i].status > 0)
            fake_answer(call, rows[i].status, rows[i].body);
        else
            fake_fail(call, rows[i].status ? HTTP_UNCERTAIN : HTTP_NOT_SENT, false, "connection reset");
        if (core.sent.status != rows[i].outcome || core.sent.service_down != rows[i].down)
            fail_msg("%d %s: %d (%s)", rows[i].status, rows[i].body, (int)core.sent.status, core.sent_why);
        assert_int_equal(core.sent_count, i + 1);
        assert_int_equal(weixin->channel.state, CHANNEL_UP);
    }
}

static void test_dead_token(void **state) {
    (void)state;
    scene_send(1, "x", NULL);
    fake_answer(fake_wait("sendmessage"), 200, "{\"errcode\":-14,\"errmsg\":\"session timeout\"}");
    assert_int_equal(core.sent.status, SENT_RETRY);
    assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
    assert_null(fake_open("getupdates"));
    fake_wait("notifystart"); /* after a minute */
}

static void test_no_context(void **state) {
    (void)state;
    scene_send(1, "x", NULL); /* nobody has written yet */
    assert_int_equal(core.sent.status, SENT_CLOSED);
    assert_null(fake_open("sendmessage"));
}

static void test_empty(void **state) {
    (void)state;
    scene_send(1, "\x01 \n", NULL);
    assert_int_equal(core.sent.status, SENT_REFUSED);
    assert_null(fake_open("sendmessage"));
}

static void test_same_id(void **state) {
    char *first = NULL, *other = NULL;
    (void)state;
    scene_send(1, "x", NULL);
    first = strdup(fake_wait("sendmessage")->body);
    fake_fail(fake_wait("sendmessage"), HTTP_UNCERTAIN, true, "no answer in time");
    assert_int_equal(core.sent.status, SENT_UNCERTAIN);
    scene_send(1, "x", NULL);
    assert_string_equal(fake_wait("sendmessage")->body, first);
    fake_answer(fake_wait("sendmessage"), 200, "{}");
    scene_send(2, "x", NULL);
    other = fake_wait("sendmessage")->body;
    assert_string_not_equal(other, first);
    fake_answer(fake_wait("sendmessage"), 200, "{}");
    free(first);
}

static void test_newest_context(void **state) {
    (void)state;
    core.now_ms += 1000;
    scene_say("2", "again");
    scene_send(1, "x", NULL);
    assert_non_null(strstr(fake_wait("sendmessage")->body, "\"context_token\":\"CTX2\""));
}

/* A message that is refused without end is given up after a while, so that the next may leave. */
static void test_given_up(void **state) {
    int tries = 0;
    (void)state;
    do {
        for (size_t i = 0; i < WEIXIN_TROUBLES; i++) /* the last try: ten minutes later, the others: just now */
            weixin->troubles[i].first_ms = (int64_t)uv_now(&fake_loop) - (tries == 19 ? service_ms(600000) : 0);
        scene_send(1, "x", NULL);
        fake_answer(fake_wait("sendmessage"), 200, "{\"ret\":-1,\"errmsg\":\"no\"}");
        tries++;
    } while (core.sent.status == SENT_RETRY && tries < 100);
    assert_int_equal(core.sent.status, SENT_REFUSED);
    assert_int_equal(tries, 20);
    assert_string_equal(core.sent_why, "sendmessage: -1 no");
    assert_int_equal(core.log_lines, 1);
    scene_send(1, "x", NULL); /* counted anew */
    fake_answer(fake_wait("sendmessage"), 200, "{\"ret\":-1}");
    assert_int_equal(core.sent.status, SENT_RETRY);
}

/* ---- pictures ---- */

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("no %s in %s", part, text);
}

static void test_picture(void **state) {
    char path[128];
    (void)state;
    picture(path, "0123456789abcdef");
    scene_send(1, "", path);
    struct http_call *call = fake_wait("getuploadurl");
    assert_has(call->body, "\"media_type\":1,\"to_user_id\":\"" PERSON "\",\"rawsize\":16,\"rawfilemd5\":"
                           "\"4032af8d61035123906e58e067140cc5\",\"filesize\":32,\"no_need_thumb\":true,\"aeskey\":\"");
    char aeskey[33];
    snprintf(aeskey, sizeof aeskey, "%s", strstr(call->body, "\"aeskey\":\"") + 10);
    assert_int_equal(strspn(aeskey, "0123456789abcdef"), 32);
    fake_answer(call, 200, "{\"upload_full_url\":\"https://novac2c.cdn.weixin.qq.com/c2c/upload?x=1\"}");
    call = fake_wait("/c2c/upload");
    assert_string_equal(call->url, "https://novac2c.cdn.weixin.qq.com/c2c/upload?x=1");
    assert_string_equal(call->headers, "Content-Type: application/octet-stream\n"); /* no token */
    assert_true(call->post);
    assert_int_equal(call->body_size, 32);
    fake_answer_header(call, 200, "", "DOWN+/=");
    call = fake_wait("sendmessage");
    assert_has(call->body, "\"encrypt_query_param\":\"DOWN+/=\"");
    assert_has(call->body, "\"mid_size\":32");
    fake_answer(call, 200, "{\"ret\":0}");
    assert_int_equal(core.sent.status, SENT_OK);
    assert_int_equal(core.sent_count, 1);
}

static void test_picture_by_parameter(void **state) {
    char path[128];
    (void)state;
    picture(path, "x");
    scene_send(1, "", path);
    fake_answer(fake_wait("getuploadurl"), 200, "{\"upload_param\":\"a+/=\",\"upload_full_url\":\" \"}");
    struct http_call *call = fake_wait("/c2c/upload");
    assert_has(call->url, "https://novac2c.cdn.weixin.qq.com/c2c/upload?encrypted_query_param=a%2B%2F%3D&filekey=");
}

/* Three tries, with a pause; then the whole is tried again later. The same upload serves a repeated message. */
static void test_picture_tries(void **state) {
    char path[128];
    (void)state;
    picture(path, "x");
    scene_send(1, "", path);
    fake_answer(fake_wait("getuploadurl"), 200, "{\"upload_param\":\"a\"}");
    fake_answer(fake_wait("/c2c/upload"), 500, "");
    assert_null(fake_open("/c2c/upload")); /* a pause first */
    fake_fail(fake_wait("/c2c/upload"), HTTP_UNCERTAIN, false, "connection reset");
    fake_answer_header(fake_wait("/c2c/upload"), 200, "", NULL); /* no name for it */
    assert_int_equal(core.sent.status, SENT_RETRY);
    assert_int_equal(core.sent_count, 1);
    assert_has(core.log, "x-encrypted-param: missing");
    scene_send(1, "", path);
    fake_answer(fake_wait("getuploadurl"), 200, "{\"upload_param\":\"a\"}");
    fake_answer(fake_wait("/c2c/upload"), 503, "");
    fake_answer_header(fake_wait("/c2c/upload"), 200, "", "DOWN");
    char *first = strdup(fake_wait("sendmessage")->body);
    fake_fail(fake_wait("sendmessage"), HTTP_UNCERTAIN, false, "connection reset");
    assert_int_equal(core.sent.status, SENT_UNCERTAIN);
    scene_send(1, "", path);
    assert_null(fake_open("getuploadurl"));
    assert_string_equal(fake_wait("sendmessage")->body, first);
    fake_answer(fake_wait("sendmessage"), 200, "{}");
    assert_int_equal(core.sent.status, SENT_OK);
    free(first);
}

static void test_picture_refused(void **state) {
    static const struct {
        const char *answer; /* of getuploadurl; NULL: a 4xx of the upload */
    } rows[] = {{"{\"ret\":-2}"},
                {"{\"ret\":0}"},
                {"{\"upload_full_url\":\"https://evil.example/c2c/upload\"}"},
                {"{\"upload_full_url\":\"http://novac2c.cdn.weixin.qq.com/c2c/upload\"}"},
                {NULL}};
    char path[128];
    (void)state;
    picture(path, "x");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene_send((int64_t)i, "", path);
        fake_answer(fake_wait("getuploadurl"), 200, rows[i].answer ? rows[i].answer : "{\"upload_param\":\"a\"}");
        if (!rows[i].answer) fake_answer(fake_wait("/c2c/upload"), 403, "");
        assert_int_equal(core.sent_count, i + 1);
        assert_int_equal(core.sent.status, SENT_NO_IMAGE);
    }
    scene_send(20, "", "/nonexistent.png");
    assert_int_equal(core.sent.status, SENT_NO_IMAGE);
    picture(path, "");
    scene_send(21, "", path);
    assert_int_equal(core.sent.status, SENT_NO_IMAGE);
    picture(path, "x");
    scene_send(22, "", path);
    fake_answer(fake_wait("getuploadurl"), 200, "{\"ret\":-14}");
    assert_int_equal(core.sent.status, SENT_RETRY);
    assert_int_equal(weixin->channel.state, CHANNEL_LOGGED_OUT);
}

/* ---- typing ---- */

static void type(bool on) {
    weixin->channel.ops->typing(&weixin->channel, PERSON, on);
}

static void test_typing(void **state) {
    (void)state;
    type(true);
    struct http_call *call = fake_wait("getconfig");
    assert_has(call->body, "\"ilink_user_id\":\"" PERSON "\",\"context_token\":\"CTX1\"");
    type(true); /* one request at a time */
    assert_int_equal(fake_open_count(), 2);
    fake_answer(call, 200, "{\"ret\":0,\"typing_ticket\":\"VA==\"}");
    call = fake_wait("sendtyping");
    assert_has(call->body, "\"typing_ticket\":\"VA==\",\"status\":1");
    fake_answer(call, 200, "{\"ret\":0}");
    type(true);
    fake_answer(fake_wait("sendtyping"), 200, "{\"ret\":0}");
    type(false);
    call = fake_wait("sendtyping");
    assert_has(call->body, "\"status\":2");
    fake_answer(call, 200, "{\"ret\":0}");
    type(false); /* nothing is shown any more */
    assert_null(fake_open("sendtyping"));
    type(true); /* the ticket is kept */
    assert_null(fake_open("getconfig"));
    type(false); /* while it is being said: taken back when it was */
    fake_answer(fake_wait("sendtyping"), 200, "{\"ret\":0}");
    assert_has(fake_wait("sendtyping")->body, "\"status\":2");
}

static void test_typing_fails(void **state) {
    static const char *const bodies[] = {"{\"ret\":-4,\"errmsg\":\"GetTypingTicket rpc failed\"}", "{}", "<html>",
                                         "{\"ret\":0}", "{\"ret\":0,\"typing_ticket\":7}"};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        type(true);
        fake_answer(fake_wait("getconfig"), 200, bodies[i]);
        type(true);
        assert_null(fake_open("getconfig")); /* not at once again, and longer each time */
        assert_null(fake_open("sendtyping"));
        assert_int_equal(weixin->typing[0].backoff_ms, 2000 << i);
        weixin->typing[0].next_try_ms = 0;
    }
    type(true);
    type(false); /* done before the ticket came: nothing is shown */
    fake_answer(fake_wait("getconfig"), 200, "{\"ret\":0,\"typing_ticket\":\"VA==\"}");
    assert_null(fake_open("sendtyping"));
    assert_int_equal(core.sent_count, 0);
    assert_int_equal(weixin->channel.state, CHANNEL_UP);
    for (int i = 0; i < 100; i++) { /* many persons: bounded */
        char person[32];
        snprintf(person, sizeof person, "p%d", i);
        weixin->channel.ops->typing(&weixin->channel, person, true);
    }
}

/* ---- the end, at every stage ---- */

static void test_stop_anywhere(void **state) {
    char path[128];
    for (int stage = 0; stage < 7; stage++) {
        if (stage > 0) spoken(state);
        picture(path, "x");
        if (stage == 1) scene_send(1, "x", NULL);
        if (stage >= 2) scene_send(1, "", path);
        if (stage >= 3) fake_answer(fake_wait("getuploadurl"), 200, "{\"upload_param\":\"a\"}");
        if (stage == 4) fake_answer(fake_wait("/c2c/upload"), 500, ""); /* in the pause */
        if (stage >= 5) fake_answer_header(fake_wait("/c2c/upload"), 200, "", "DOWN");
        if (stage == 6) fake_fail(fake_wait("sendmessage"), HTTP_UNCERTAIN, false, "reset"); /* its upload is kept */
        type(true);
        if (stage % 2) fake_answer(fake_wait("getconfig"), 200, "{\"ret\":0,\"typing_ticket\":\"VA==\"}");
        scene_end(state);
    }
    spoken(state);
}

int main(void) {
    setenv("TRAINBOT_TEST_SPEED", "1000", 1);
#define BOUND(name) cmocka_unit_test_setup_teardown(name, scene_bound, scene_end)
#define SPOKEN(name) cmocka_unit_test_setup_teardown(name, spoken, scene_end)
    const struct CMUnitTest tests[] = {
        SPOKEN(test_text),           SPOKEN(test_outcomes),
        SPOKEN(test_dead_token),     BOUND(test_no_context),
        SPOKEN(test_empty),          SPOKEN(test_same_id),
        SPOKEN(test_newest_context), SPOKEN(test_given_up),
        SPOKEN(test_picture),        SPOKEN(test_picture_by_parameter),
        SPOKEN(test_picture_tries),  SPOKEN(test_picture_refused),
        SPOKEN(test_typing),         SPOKEN(test_typing_fails),
        SPOKEN(test_stop_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
