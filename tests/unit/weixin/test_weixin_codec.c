/* The codec against the messages that the service's own client sends and reads. */
#include "weixin_codec.h"
#include "words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <cmocka.h>

/* ---- headers ---- */

static void test_version(void **state) {
    uint32_t number = 7;
    (void)state;
    assert_true(weixin_version("2.4.9", &number));
    assert_int_equal(number, 132105);
    assert_true(weixin_version("0.0.1", &number));
    assert_int_equal(number, 1);
    static const char *const bad[] = {"",        "2",      "2.4",    "2.4.",      "2.4.9.1", "2.4.x",
                                      "2.256.1", "-1.2.3", " 2.4.9", "65536.1.1", "2.4.9 ",  "2..9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (weixin_version(bad[i], &number)) fail_msg("taken: %s", bad[i]);
    assert_int_equal(number, 1); /* untouched */
}

static void test_uin(void **state) {
    char text[24];
    (void)state;
    weixin_uin(2718281828u, text);
    assert_string_equal(text, "MjcxODI4MTgyOA==");
    weixin_uin(0, text);
    assert_string_equal(text, "MA==");
    weixin_uin(UINT32_MAX, text);
    assert_string_equal(text, "NDI5NDk2NzI5NQ==");
}

/* ---- what is sent ---- */

#define BASE "\"base_info\":{\"channel_version\":\"2.4.9\",\"bot_agent\":\"trainbot/" TRAINBOT_VERSION "\"}"

static void assert_body(char *body, const char *expected) {
    assert_non_null(body);
    assert_string_equal(body, expected);
    weixin_body_free(body);
}

static void test_encode(void **state) {
    static const char *const tokens[] = {"a:1", "b:2"};
    (void)state;
    assert_body(weixin_encode_code_request(NULL, 0), "{\"local_token_list\":[]}");
    assert_body(weixin_encode_code_request(tokens, 2), "{\"local_token_list\":[\"a:1\",\"b:2\"]}");
    assert_body(weixin_encode_notify("2.4.9"), "{" BASE "}");
    assert_body(weixin_encode_poll("2.4.9", ""), "{\"get_updates_buf\":\"\"," BASE "}");
    assert_body(weixin_encode_poll("2.4.9", "a\"b\\/+=="), "{\"get_updates_buf\":\"a\\\"b\\\\/+==\"," BASE "}");
    assert_body(weixin_encode_config("2.4.9", "o9@im.wechat", "AAR"),
                "{\"ilink_user_id\":\"o9@im.wechat\",\"context_token\":\"AAR\"," BASE "}");
    assert_body(weixin_encode_typing("2.4.9", "o9@im.wechat", "VA==", true),
                "{\"ilink_user_id\":\"o9@im.wechat\",\"typing_ticket\":\"VA==\",\"status\":1," BASE "}");
    assert_body(weixin_encode_typing("2.4.9", "o9@im.wechat", "VA==", false),
                "{\"ilink_user_id\":\"o9@im.wechat\",\"typing_ticket\":\"VA==\",\"status\":2," BASE "}");
}

static void test_encode_send(void **state) {
    struct weixin_send_body send = {.to = "o9@im.wechat",
                                    .client_id = "trainbot:1790000000000-9f3c21aa",
                                    .context_token = "AAR",
                                    .text = "loss 0.42\n第二行 \"x\""};
    (void)state;
    assert_body(weixin_encode_send("2.4.9", &send),
                "{\"msg\":{\"from_user_id\":\"\",\"to_user_id\":\"o9@im.wechat\",\"client_id\":\"trainbot:"
                "1790000000000-9f3c21aa\",\"message_type\":2,\"message_state\":2,\"item_list\":[{\"type\":1,\"text_"
                "item\":{\"text\":\"loss 0.42\\n第二行 \\\"x\\\"\"}}],\"context_token\":\"AAR\"}," BASE "}");
    send.text = NULL;
    send.encrypt_query_param = "P+/=";
    send.aeskey_hex = "00112233445566778899aabbccddeeff";
    send.cipher_bytes = 48224;
    assert_body(weixin_encode_send("2.4.9", &send),
                "{\"msg\":{\"from_user_id\":\"\",\"to_user_id\":\"o9@im.wechat\",\"client_id\":\"trainbot:"
                "1790000000000-9f3c21aa\",\"message_type\":2,\"message_state\":2,\"item_list\":[{\"type\":2,\"image_"
                "item\":{\"media\":{\"encrypt_query_param\":\"P+/=\",\"aes_key\":"
                "\"MDAxMTIyMzM0NDU1NjY3Nzg4OTlhYWJiY2NkZGVlZmY=\",\"encrypt_type\":1},\"mid_size\":48224}}],"
                "\"context_token\":\"AAR\"}," BASE "}");
}

static void test_encode_upload(void **state) {
    struct weixin_upload_body upload = {.to = "o9@im.wechat",
                                        .filekey = "8c1f00112233445566778899aabbccdd",
                                        .aeskey_hex = "00112233445566778899aabbccddeeff",
                                        .md5_hex = "3b5d00112233445566778899aabbccdd",
                                        .plain_bytes = 48211,
                                        .cipher_bytes = 48224};
    (void)state;
    assert_body(weixin_encode_upload("2.4.9", &upload),
                "{\"filekey\":\"8c1f00112233445566778899aabbccdd\",\"media_type\":1,\"to_user_id\":\"o9@im.wechat\","
                "\"rawsize\":48211,\"rawfilemd5\":\"3b5d00112233445566778899aabbccdd\",\"filesize\":48224,\"no_need_"
                "thumb\":true,\"aeskey\":\"00112233445566778899aabbccddeeff\"," BASE "}");
}

static void test_clean_text(void **state) {
    static const struct {
        const char *text, *clean;
    } rows[] = {
        {"状态\n第二行\t😀", "状态\n第二行\t😀"},
        {"a\r\nb\x01\x1b[31mc\x7f", "a\nb[31mc"},
        {"\xffz\xc3z", "?z?z"},
        {"\xed\xa0\x80", "?"
                         "?"
                         "?"}, /* half a surrogate pair */
        {"a\xc2\x85z", "az"},
        {"\x01\x02", ""},
        {"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *clean = weixin_clean_text(rows[i].text);
        assert_string_equal(clean, rows[i].clean);
        assert_true(text_utf8_valid(clean, strlen(clean)));
        free(clean);
    }
}

static void test_client_id(void **state) {
    char a[64], b[64], c[64];
    (void)state;
    weixin_client_id(1790000000000, "tb-7", a, sizeof a);
    weixin_client_id(1790000000000, "tb-7", b, sizeof b);
    weixin_client_id(1790000000000, "tb-8", c, sizeof c);
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_int_equal(strlen(a), strlen("trainbot:1790000000000-9f3c21aa"));
    assert_memory_equal(a, "trainbot:1790000000000-", 23);
    assert_int_equal(strspn(a + 23, "0123456789abcdef"), 8);
}

/* ---- what is answered ---- */

static struct weixin_updates updates_of(const char *json) {
    struct weixin_updates updates;
    struct weixin_odd odd = {{0}};
    if (weixin_decode_updates(json, strlen(json), &updates, &odd) < 0) fail_msg("%s: %s", json, odd.text);
    if (odd.text[0]) fail_msg("%s: %s", json, odd.text);
    return updates;
}

static void test_updates(void **state) {
    (void)state;
    struct weixin_updates updates = updates_of(
        "{\"ret\":0,\"msgs\":[{\"seq\":7,\"message_id\":7466108239911234567,\"from_user_id\":\"o9Ab@im.wechat\",\"to_"
        "user_id\":\"0a1b@im.bot\",\"client_id\":\"c1\",\"create_time_ms\":1790000000000,\"session_id\":\"s\",\"group_"
        "id\":\"\",\"message_type\":1,\"message_state\":2,\"item_list\":[{\"type\":1,\"msg_id\":18446744073709551615,"
        "\"text_item\":{\"text\":\"status?\"}}],\"context_token\":\"AAR\\/x\"},{\"message_id\":\"18446744073709551615"
        "\",\"from_user_id\":\"p@im.wechat\",\"message_type\":1,\"item_list\":[{\"type\":3,\"voice_item\":{\"text\":"
        "\"停止\",\"encode_type\":6}}]}],\"get_updates_buf\":\"opaque==\",\"longpolling_timeout_ms\":35000}");
    assert_int_equal(updates.verdict.code, 0);
    assert_int_equal(updates.count, 2);
    assert_string_equal(updates.messages[0].id, "7466108239911234567");
    assert_string_equal(updates.messages[0].client_id, "c1");
    assert_string_equal(updates.messages[0].from, "o9Ab@im.wechat");
    assert_string_equal(updates.messages[0].context_token, "AAR/x");
    assert_string_equal(updates.messages[0].text, "status?");
    assert_int_equal(updates.messages[0].create_time_ms, 1790000000000);
    assert_string_equal(updates.messages[1].id, "18446744073709551615");
    assert_string_equal(updates.messages[1].text, "停止");
    assert_null(updates.messages[1].context_token);
    assert_string_equal(updates.cursor, "opaque==");
    assert_int_equal(updates.timeout_ms, 35000);
    weixin_updates_clear(&updates);
    updates = updates_of("{}"); /* an empty poll; the cursor stays */
    assert_int_equal(updates.count, 0);
    assert_null(updates.cursor);
    weixin_updates_clear(&updates);
    updates = updates_of("{\"ret\":0,\"msgs\":null,\"get_updates_buf\":\"\"}");
    assert_null(updates.cursor);
    weixin_updates_clear(&updates);
}

static void test_whose(void **state) {
    (void)state;
    struct weixin_updates updates =
        updates_of("{\"msgs\":[{\"from_user_id\":\"b@im.bot\",\"message_type\":2},{\"from_user_id\":\"p@im.wechat\","
                   "\"message_type\":1,\"group_id\":\"g1\"},{\"from_user_id\":\"b@im.bot\"},{\"from_user_id\":\"q@im."
                   "wechat\",\"message_type\":0},{\"from_user_id\":\"p@im.wechat\"}]}");
    assert_int_equal(updates.count, 1); /* the bot's own, a group's and what is no person's are left out */
    assert_string_equal(updates.messages[0].from, "p@im.wechat");
    weixin_updates_clear(&updates);
}

static void test_labels(void **state) {
    static const struct {
        const char *items, *text;
    } rows[] = {
        {"[{\"type\":2,\"image_item\":{}}]", "[图片]"},
        {"[{\"type\":3,\"voice_item\":{\"text\":\"\"}}]", "[语音]"},
        {"[{\"type\":4}]", "[文件]"},
        {"[{\"type\":5}]", "[视频]"},
        {"[{\"type\":99}]", "[消息]"},
        {"[]", "[消息]"},
        {"[{\"type\":2},{\"type\":1,\"text_item\":{\"text\":\"曲线\"}}]", "曲线"},
        {"[{\"type\":1,\"text_item\":{\"text\":\"a\\u0000b\"}}]", "a\x01"
                                                                  "b"}, /* core refuses control characters */
        {"[{\"type\":1,\"text_item\":{\"text\":\"\\ud83d\\ude00\\ud83d!\"}}]", "😀\xef\xbf\xbd!"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[500];
        snprintf(json, sizeof json, "{\"msgs\":[{\"from_user_id\":\"p\",\"message_type\":1,\"item_list\":%s}]}",
                 rows[i].items);
        struct weixin_updates updates = updates_of(json);
        assert_int_equal(updates.count, 1);
        assert_string_equal(updates.messages[0].text, rows[i].text);
        weixin_updates_clear(&updates);
    }
}

static void test_verdicts(void **state) {
    static const struct {
        const char *json;
        int64_t code;
        const char *errmsg;
    } rows[] = {
        {"{}", 0, ""},
        {"{\"ret\":0}", 0, ""},
        {"{\"ret\":0,\"errcode\":0}", 0, ""},
        {"{\"errcode\":-14,\"errmsg\":\"session timeout\"}", -14, "session timeout"},
        {"{\"ret\":-14}", -14, ""},
        {"{\"ret\":-1,\"errcode\":-14}", -14, ""},
        {"{\"ret\":-2,\"errmsg\":\"prepare failed\"}", -2, "prepare failed"},
        {"{\"ret\":0,\"errcode\":40001}", 40001, ""},
        {"{\"ret\":-2,\"errmsg\":\"bad token 0a1b2c3d4e5f@im.bot:SECRETSECRET now\\nline\"}", -2,
         "bad token *** now line"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weixin_verdict verdict;
        struct weixin_odd odd = {{0}};
        assert_int_equal(weixin_decode_verdict(rows[i].json, strlen(rows[i].json), &verdict, &odd), TB_OK);
        assert_int_equal(verdict.code, rows[i].code);
        assert_string_equal(verdict.errmsg, rows[i].errmsg);
    }
}

static void test_login_answers(void **state) {
    static const char *const names[] = {"wait",
                                        "scaned",
                                        "need_verifycode",
                                        "verify_code_blocked",
                                        "expired",
                                        "scaned_but_redirect",
                                        "binded_redirect",
                                        "confirmed"};
    struct weixin_code code;
    struct weixin_odd odd = {{0}};
    (void)state;
    const char *json = "{\"qrcode\":\"5b0c\",\"qrcode_img_content\":\"https://liteapp.weixin.qq.com/q/x\"}";
    assert_int_equal(weixin_decode_code(json, strlen(json), &code, &odd), TB_OK);
    assert_string_equal(code.id, "5b0c");
    assert_string_equal(code.address, "https://liteapp.weixin.qq.com/q/x");
    weixin_code_clear(&code);
    for (int i = 0; i < 8; i++) {
        struct weixin_code_status status;
        char text[200];
        snprintf(text, sizeof text, "{\"status\":\"%s\",\"redirect_host\":\"h.weixin.qq.com:443\"}", names[i]);
        assert_int_equal(weixin_decode_code_status(text, strlen(text), &status, &odd), TB_OK);
        assert_int_equal(status.state, i);
        assert_string_equal(status.redirect_host, "h.weixin.qq.com:443");
        assert_null(status.bot_token);
        weixin_code_status_clear(&status);
    }
    struct weixin_code_status status;
    json = "{\"status\":\"confirmed\",\"bot_token\":\"0a@im.bot:x\",\"ilink_bot_id\":\"0a@im.bot\",\"baseurl\":"
           "\"https://ilinkai.weixin.qq.com\",\"ilink_user_id\":\"o9@im.wechat\"}";
    assert_int_equal(weixin_decode_code_status(json, strlen(json), &status, &odd), TB_OK);
    assert_string_equal(status.bot_token, "0a@im.bot:x");
    assert_string_equal(status.bot_id, "0a@im.bot");
    assert_string_equal(status.base_url, "https://ilinkai.weixin.qq.com");
    assert_string_equal(status.user_id, "o9@im.wechat");
    weixin_code_status_clear(&status);
    assert_string_equal(odd.text, "");
}

static void test_send_answers(void **state) {
    struct weixin_sent sent;
    struct weixin_ticket ticket;
    struct weixin_place place;
    struct weixin_odd odd = {{0}};
    (void)state;
#define OF(json) json, strlen(json)
    assert_int_equal(weixin_decode_sent(OF("{\"ret\":0,\"message_id\":7466108239911234568}"), &sent, &odd), TB_OK);
    assert_string_equal(sent.id, "7466108239911234568");
    assert_int_equal(weixin_decode_sent(OF("{}"), &sent, &odd), TB_OK);
    assert_string_equal(sent.id, "");
    assert_int_equal(weixin_decode_sent(OF("{\"message_id\":12}"), &sent, &odd), TB_OK);
    assert_string_equal(sent.id, "12");
    assert_int_equal(weixin_decode_ticket(OF("{\"ret\":0,\"typing_ticket\":\"VA==\"}"), &ticket, &odd), TB_OK);
    assert_true(ticket.exact);
    assert_string_equal(ticket.ticket, "VA==");
    weixin_ticket_clear(&ticket);
    assert_int_equal(weixin_decode_ticket(OF("{\"typing_ticket\":\"VA==\"}"), &ticket, &odd), TB_OK);
    assert_false(ticket.exact);
    weixin_ticket_clear(&ticket);
    assert_int_equal(weixin_decode_place(OF("{\"upload_param\":\"p\",\"upload_full_url\":\" \"}"), &place, &odd),
                     TB_OK);
    assert_string_equal(place.param, "p");
    assert_null(place.full_url);
    weixin_place_clear(&place);
    assert_string_equal(odd.text, "");
}

/* ---- what names a message ---- */

static void test_identity(void **state) {
    struct weixin_message message = {.id = "7466108239911234567",
                                     .client_id = "c",
                                     .from = "p",
                                     .text = (char *)(uintptr_t) "停止",
                                     .size = 6,
                                     .create_time_ms = 1790000000000};
    char a[WEIXIN_IDENTITY_MAX], b[WEIXIN_IDENTITY_MAX];
    (void)state;
    uint64_t print = weixin_message_print(&message);
    weixin_message_identity(&message, a);
    assert_string_equal(a, "7466108239911234567");
    message.id[0] = 0;
    weixin_message_identity(&message, a);
    assert_string_equal(a, "client:c");
    message.client_id[0] = 0;
    weixin_message_identity(&message, a);
    weixin_message_identity(&message, b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 5 + 32);
    assert_true(weixin_message_print(&message) == print); /* the same under any id */
    message.create_time_ms++;
    weixin_message_identity(&message, b);
    assert_string_not_equal(a, b);
    assert_true(weixin_message_print(&message) != print);
    message.create_time_ms = 0;
    assert_true(weixin_message_print(&message) == 0);
}

static void test_time(void **state) {
    const int64_t now = 1790000000000;
    (void)state;
    assert_int_equal(weixin_time_ms(1789999999123, now), 1789999999123);
    assert_int_equal(weixin_time_ms(1789999999, now), 1789999999000);
    assert_int_equal(weixin_time_ms(0, now), 0);
    assert_int_equal(weixin_time_ms(-5, now), 0);
    assert_int_equal(weixin_time_ms(now + 3600000, now), 0);
    assert_int_equal(weixin_time_ms(9007199254740992, now), 0);
    assert_int_equal(weixin_time_ms(1000, now), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),      cmocka_unit_test(test_uin),           cmocka_unit_test(test_encode),
        cmocka_unit_test(test_encode_send),  cmocka_unit_test(test_encode_upload), cmocka_unit_test(test_clean_text),
        cmocka_unit_test(test_client_id),    cmocka_unit_test(test_updates),       cmocka_unit_test(test_whose),
        cmocka_unit_test(test_labels),       cmocka_unit_test(test_verdicts),      cmocka_unit_test(test_login_answers),
        cmocka_unit_test(test_send_answers), cmocka_unit_test(test_identity),      cmocka_unit_test(test_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
