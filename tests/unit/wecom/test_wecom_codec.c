/*
 * The gateway's frames: the examples of the service's page and of SDK 1.0.7, literally; then what no gateway should
 * send.
 */
#include "wecom_codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct wecom_frame decode(const char *text) {
    struct wecom_frame frame;
    char why[128] = "";
    if (wecom_decode(text, strlen(text), &frame, why, sizeof why) < 0) fail_msg("%s: %s", text, why);
    return frame;
}

#define CALLBACK(more)                                                                                                 \
    "{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"CBreq1\"},\"body\":{\"msgid\":\"CAIQ7\","               \
    "\"aibotid\":\"aibX7Kq\",\"from\":{\"userid\":\"zhangsan\"}," more "}}"

static void test_acks(void **state) {
    (void)state;
    struct wecom_frame frame = decode("{\"headers\":{\"req_id\":\"s_1\"},\"errcode\":0,\"errmsg\":\"ok\"}");
    assert_int_equal(frame.kind, WECOM_ACK);
    assert_string_equal(frame.req_id, "s_1");
    assert_int_equal(frame.errcode, 0);
    assert_string_equal(frame.errmsg, "ok");
    assert_string_equal(frame.upload_id, "");
    wecom_frame_clear(&frame);
    frame =
        decode("{\"headers\":{\"req_id\":\"u1\"},\"body\":{\"upload_id\":\"UP7\"},\"errcode\":0,\"errmsg\":\"ok\"}");
    assert_string_equal(frame.upload_id, "UP7");
    wecom_frame_clear(&frame);
    frame = decode("{\"headers\":{\"req_id\":\"u3\"},\"body\":{\"type\":\"image\",\"media_id\":\"M42\","
                   "\"created_at\":\"1763700120\"},\"errcode\":0,\"errmsg\":\"ok\"}");
    assert_string_equal(frame.media_id, "M42");
    wecom_frame_clear(&frame);
    frame = decode("{\"headers\":{\"req_id\":\"x\"},\"errcode\":\"93006\",\"errmsg\":7,\"new\":[{}]}");
    assert_int_equal(frame.errcode, 93006);
    assert_string_equal(frame.errmsg, "");
    wecom_frame_clear(&frame);
}

static void test_verdicts(void **state) {
    (void)state;
    assert_int_equal(wecom_verdict(0, ""), WECOM_DONE);
    assert_int_equal(wecom_verdict(853000, "invalid bot_id or secret"), WECOM_BAD_SECRET);
    assert_int_equal(wecom_verdict(846605, ""), WECOM_BAD_REQUEST);
    assert_int_equal(wecom_verdict(846608, ""), WECOM_STREAM_GONE);
    assert_int_equal(wecom_verdict(93006, ""), WECOM_CHAT_CLOSED);
    assert_int_equal(wecom_verdict(45009, ""), WECOM_LIMIT);
    assert_int_equal(wecom_verdict(-1, ""), WECOM_BUSY);
    assert_int_equal(wecom_verdict(60020, "system error, hint: [1]"), WECOM_BUSY);
    assert_int_equal(wecom_verdict(40058, "invalid content"), WECOM_REFUSED);
}

static void test_messages(void **state) {
    (void)state;
    struct wecom_frame frame =
        decode(CALLBACK("\"chattype\":\"single\",\"create_time\":1763700040,\"response_url\":"
                        "\"https://x\",\"msgtype\":\"text\",\"text\":{\"content\":\"/status run-7\"}"));
    assert_int_equal(frame.kind, WECOM_MESSAGE);
    assert_string_equal(frame.msgid, "CAIQ7");
    assert_string_equal(frame.userid, "zhangsan");
    assert_string_equal(wecom_chat_of(&frame), "zhangsan");
    assert_false(frame.group);
    assert_true(frame.sent_ms == 1763700040000);
    assert_string_equal(frame.text, "/status run-7");
    wecom_frame_clear(&frame);
    frame = decode(CALLBACK("\"chatid\":\"wrkSFfCgAA\",\"chattype\":\"group\",\"msgtype\":\"text\","
                            "\"text\":{\"content\":\"@TrainBot /runs\"}"));
    assert_true(frame.group);
    assert_string_equal(wecom_chat_of(&frame), "wrkSFfCgAA");
    assert_true(frame.sent_ms == 0);
    wecom_frame_clear(&frame);
    frame =
        decode(CALLBACK("\"msgtype\":\"mixed\",\"mixed\":{\"msg_item\":[{\"msgtype\":\"text\",\"text\":{\"content\":"
                        "\"lr\"}},{\"msgtype\":\"image\",\"image\":{\"url\":\"u\"}},{\"msgtype\":\"text\",\"text\":"
                        "{\"content\":\"0.1\"}}]}"));
    assert_string_equal(frame.text, "lr\n0.1");
    wecom_frame_clear(&frame);
    frame = decode(CALLBACK("\"msgtype\":\"voice\",\"voice\":{\"content\":\"状态\"}"));
    assert_string_equal(frame.text, "状态");
    wecom_frame_clear(&frame);
    static const char *const wordless[] = {"image", "file", "video", "sticker_of_2030"};
    for (size_t i = 0; i < sizeof wordless / sizeof *wordless; i++) {
        char text[400];
        snprintf(text, sizeof text, CALLBACK("\"msgtype\":\"%s\",\"%s\":{\"url\":\"u\"}"), wordless[i], wordless[i]);
        frame = decode(text);
        assert_null(frame.text);
        wecom_frame_clear(&frame);
    }
}

#define EVENT(event)                                                                                                   \
    "{\"cmd\":\"aibot_event_callback\",\"headers\":{\"req_id\":\"CBreq3\"},\"body\":{\"msgid\":\"EV1\","               \
    "\"create_time\":1763700050,\"aibotid\":\"aibX7Kq\",\"chattype\":\"single\",\"from\":{\"userid\":\"zhangsan\"},"   \
    "\"msgtype\":\"event\",\"event\":" event "}}"

static void test_events(void **state) {
    (void)state;
    static const char *const buttons[] = {
        EVENT("{\"eventtype\":\"template_card_event\",\"template_card_event\":{\"card_type\":\"button_interaction\","
              "\"event_key\":\"stop\",\"task_id\":\"alert-run7-42\"}}"),
        EVENT("{\"eventtype\":\"template_card_event\",\"event_key\":\"stop\",\"task_id\":\"alert-run7-42\"}")};
    for (size_t i = 0; i < 2; i++) {
        struct wecom_frame frame = decode(buttons[i]);
        assert_int_equal(frame.kind, WECOM_EVENT);
        assert_int_equal(frame.event, WECOM_EVENT_BUTTON);
        assert_string_equal(frame.event_key, "stop");
        assert_string_equal(frame.task_id, "alert-run7-42");
        assert_string_equal(frame.userid, "zhangsan");
        wecom_frame_clear(&frame);
    }
    struct wecom_frame frame = decode(EVENT("{\"eventtype\":\"enter_chat\"}"));
    assert_int_equal(frame.event, WECOM_EVENT_ENTER);
    wecom_frame_clear(&frame);
    frame = decode(EVENT("{\"eventtype\":\"feedback_event\",\"feedback_event\":{\"id\":\"f\",\"type\":1}}"));
    assert_int_equal(frame.event, WECOM_EVENT_OTHER);
    wecom_frame_clear(&frame);
    frame = decode("{\"cmd\":\"aibot_event_callback\",\"headers\":{\"req_id\":\"d\"},\"body\":{\"msgid\":\"E\","
                   "\"msgtype\":\"event\",\"event\":{\"eventtype\":\"disconnected_event\"}}}");
    assert_int_equal(frame.event, WECOM_EVENT_DISCONNECTED);
    wecom_frame_clear(&frame);
    frame = decode("{\"cmd\":\"aibot_of_2030\",\"headers\":7}");
    assert_int_equal(frame.kind, WECOM_UNKNOWN);
    wecom_frame_clear(&frame);
}

static void test_controls(void **state) {
    (void)state;
    char raw[] = "{\"a\":\"x\x01\x07\x0b\x1fy\tz\n\"}\r";
    size_t size = wecom_strip_controls(raw, sizeof raw - 1);
    assert_int_equal(size, strlen("{\"a\":\"xy\tz\n\"}"));
    assert_memory_equal(raw, "{\"a\":\"xy\tz\n\"}", size);
    char chinese[] = "状\x02态";
    size = wecom_strip_controls(chinese, strlen(chinese));
    assert_memory_equal(chinese, "状态", size);
}

static void test_malformed(void **state) {
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "JSON"},
        {"nonsense", "JSON"},
        {"<html><body>502</body></html>", "JSON"},
        {"[1,2]", "JSON object"},
        {"7", "JSON object"},
        {"{\"cmd\":7,\"headers\":{\"req_id\":\"x\"}}", "cmd"},
        {"{}", "headers.req_id"},
        {"{\"headers\":[],\"errcode\":0}", "headers.req_id"},
        {"{\"headers\":{\"req_id\":7},\"errcode\":0}", "headers.req_id"},
        {"{\"headers\":{\"req_id\":\"\"},\"errcode\":0}", "headers.req_id"},
        {"{\"headers\":{\"req_id\":\"x\"}}", "errcode"},
        {"{\"headers\":{\"req_id\":\"x\"},\"errcode\":null}", "errcode"},
        {"{\"headers\":{\"req_id\":\"x\"},\"errcode\":1e300}", "errcode"},
        {"{\"headers\":{\"req_id\":\"x\"},\"errcode\":0.5}", "errcode"},
        {"{\"headers\":{\"req_id\":\"x\"},\"errcode\":\"zero\"}", "errcode"},
        {"{\"headers\":{\"req_id\":\"x\"},\"errcode\":0,\"body\":{\"media_id\":{}}}", "body.media_id"},
        {"{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"x\"}}", "body"},
        {"{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"x\"},\"body\":\"y\"}", "body"},
        {"{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"x\"},\"body\":{\"msgid\":\"m\"}}", "userid"},
        {"{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"x\"},\"body\":{\"msgid\":\"m\",\"from\":{"
         "\"userid\":8}}}",
         "userid"},
        {"{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"x\"},\"body\":{\"from\":{\"userid\":\"u\"},"
         "\"msgtype\":"
         "\"text\",\"text\":{\"content\":\"a\"}}}",
         "msgid"},
        {CALLBACK("\"chattype\":7,\"msgtype\":\"text\",\"text\":{\"content\":\"a\"}"), "chattype"},
        {CALLBACK("\"chattype\":\"group\",\"msgtype\":\"text\",\"text\":{\"content\":\"a\"}"), "chatid"},
        {CALLBACK("\"text\":{\"content\":\"a\"}"), "msgtype"},
        {CALLBACK("\"msgtype\":\"text\""), "text.content"},
        {CALLBACK("\"msgtype\":\"text\",\"text\":{\"content\":[]}"), "text.content"},
        {CALLBACK("\"msgtype\":\"voice\",\"voice\":\"a\""), "voice.content"},
        {CALLBACK("\"msgtype\":\"mixed\",\"mixed\":{\"msg_item\":{}}"), "msg_item"},
        {CALLBACK("\"msgtype\":\"mixed\",\"mixed\":{\"msg_item\":[{\"text\":{\"content\":1}}]}"), "mixed"},
        {EVENT("7"), "eventtype"},
        {EVENT("{\"eventtype\":\"template_card_event\"}"), "event_key"},
        {EVENT("{\"eventtype\":\"template_card_event\",\"event_key\":\"k\"}"), "task_id"},
        {EVENT("{\"eventtype\":\"template_card_event\",\"template_card_event\":{\"event_key\":[],\"task_id\":\"t\"}}"),
         "event_key"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wecom_frame frame = {.errcode = 42};
        char why[128] = "";
        int status = wecom_decode(rows[i].text, strlen(rows[i].text), &frame, why, sizeof why);
        if (status != TB_EINVAL) fail_msg("%s: %d", rows[i].text, status);
        if (!strstr(why, rows[i].why)) fail_msg("%s: %s", rows[i].text, why);
        assert_int_equal(frame.errcode, 42); /* untouched */
    }
}

static void test_sizes(void **state) {
    (void)state;
    struct wecom_frame frame;
    char why[128] = "", *deep = malloc(300000), *text = malloc(4000), *long_id = malloc(2000);
    memset(deep, '[', 300000); /* nesting without end is refused, not followed */
    assert_int_equal(wecom_decode(deep, 300000, &frame, why, sizeof why), TB_EINVAL);
    assert_int_equal(wecom_decode(deep, WECOM_FRAME_MAX + 1, &frame, why, sizeof why), TB_ERANGE);
    memset(long_id, 'u', 1999);
    long_id[1999] = 0;
    snprintf(text, 4000, "{\"headers\":{\"req_id\":\"%s\"},\"errcode\":0}", long_id);
    assert_int_equal(wecom_decode(text, strlen(text), &frame, why, sizeof why), TB_ERANGE);
    assert_non_null(strstr(why, "req_id"));
    /* Times that are no times are left out, not believed. */
    struct wecom_frame odd = decode(CALLBACK("\"create_time\":1e30,\"msgtype\":\"image\""));
    assert_true(odd.sent_ms == 0);
    wecom_frame_clear(&odd);
    free(deep);
    free(text);
    free(long_id);
}

static void expect(char *made, const char *wanted) {
    assert_non_null(made);
    assert_string_equal(made, wanted);
    free(made);
}

static void test_requests(void **state) {
    (void)state;
    char text[400];
    assert_int_equal(wecom_encode_subscribe("s1", "aibX7Kq", "s3cr3t", text, sizeof text), TB_OK);
    assert_string_equal(text, "{\"cmd\":\"aibot_subscribe\",\"headers\":{\"req_id\":\"s1\"},"
                              "\"body\":{\"bot_id\":\"aibX7Kq\",\"secret\":\"s3cr3t\"}}");
    assert_int_equal(wecom_encode_subscribe("s1", "aibX7Kq", "s3cr3t", text, 40), TB_ERANGE);
    expect(wecom_encode_ping("ping_1"), "{\"cmd\":\"ping\",\"headers\":{\"req_id\":\"ping_1\"}}");
    expect(wecom_encode_welcome("CBreq2", "发\"帮助\"。"),
           "{\"cmd\":\"aibot_respond_welcome_msg\",\"headers\":{\"req_id\":\"CBreq2\"},"
           "\"body\":{\"msgtype\":\"text\",\"text\":{\"content\":\"发\\\"帮助\\\"。\"}}}");
    expect(wecom_encode_upload_init("u1", &(struct wecom_upload_head){.image = true,
                                                                      .filename = "loss.png",
                                                                      .md5 = "9b74c9897bac770ffc029102a200c5de",
                                                                      .size = 81234,
                                                                      .chunks = 1}),
           "{\"cmd\":\"aibot_upload_media_init\",\"headers\":{\"req_id\":\"u1\"},\"body\":{\"type\":\"image\","
           "\"filename\":\"loss.png\",\"total_size\":81234,\"total_chunks\":1,"
           "\"md5\":\"9b74c9897bac770ffc029102a200c5de\"}}");
    expect(wecom_encode_upload_chunk("u2", "UP7", 0, (const uint8_t *)"\x89PNG!", 5),
           "{\"cmd\":\"aibot_upload_media_chunk\",\"headers\":{\"req_id\":\"u2\"},\"body\":{\"upload_id\":\"UP7\","
           "\"chunk_index\":0,\"base64_data\":\"iVBORyE=\"}}");
    expect(wecom_encode_upload_finish("u3", "UP7"),
           "{\"cmd\":\"aibot_upload_media_finish\",\"headers\":{\"req_id\":\"u3\"},\"body\":{\"upload_id\":\"UP7\"}}");
}

static void test_contents(void **state) {
    (void)state;
    struct wecom_content stream = {.kind = WECOM_STREAM, .id = "st_91c2", .text = "**run-7**"};
    expect(wecom_encode_respond("CBreq1", &stream),
           "{\"cmd\":\"aibot_respond_msg\",\"headers\":{\"req_id\":\"CBreq1\"},\"body\":{\"msgtype\":\"stream\","
           "\"stream\":{\"id\":\"st_91c2\",\"finish\":false,\"content\":\"**run-7**\"}}}");
    struct wecom_content markdown = {.kind = WECOM_MARKDOWN, .text = "# run-7\n> NaN"};
    expect(
        wecom_encode_send("p1", "zhangsan", false, &markdown),
        "{\"cmd\":\"aibot_send_msg\",\"headers\":{\"req_id\":\"p1\"},\"body\":{\"chatid\":\"zhangsan\",\"chat_type\":1,"
        "\"msgtype\":\"markdown\",\"markdown\":{\"content\":\"# run-7\\n> NaN\"}}}");
    struct wecom_content image = {.kind = WECOM_IMAGE, .id = "M42"}, file = {.kind = WECOM_FILE, .id = "M43"};
    expect(wecom_encode_send("p2", "wrkG", true, &image),
           "{\"cmd\":\"aibot_send_msg\",\"headers\":{\"req_id\":\"p2\"},\"body\":{\"chatid\":\"wrkG\",\"chat_type\":2,"
           "\"msgtype\":\"image\",\"image\":{\"media_id\":\"M42\"}}}");
    expect(wecom_encode_respond("CB", &file), "{\"cmd\":\"aibot_respond_msg\",\"headers\":{\"req_id\":\"CB\"},\"body\":"
                                              "{\"msgtype\":\"file\",\"file\":{\"media_id\":\"M43\"}}}");
    const struct wecom_button buttons[] = {{"停止", "停止 7", 2}, {"曲线", "曲线 7", 1}};
    struct wecom_content card = {
        .kind = WECOM_CARD, .id = "tb-7-0", .text = "#7 暂停", .buttons = buttons, .buttons_count = 2};
    expect(wecom_encode_respond("CB", &card),
           "{\"cmd\":\"aibot_respond_msg\",\"headers\":{\"req_id\":\"CB\"},\"body\":{\"msgtype\":\"template_card\","
           "\"template_card\":{\"card_type\":\"button_interaction\",\"task_id\":\"tb-7-0\",\"main_title\":{\"title\":"
           "\"#7 暂停\"},\"button_list\":[{\"text\":\"停止\",\"style\":2,\"key\":\"停止 7\"},{\"text\":\"曲线\","
           "\"style\":1,\"key\":\"曲线 7\"}]}}}");
    expect(wecom_encode_card_taken("CBreq3", "tb-7-0", "已收到:停止 7"),
           "{\"cmd\":\"aibot_respond_update_msg\",\"headers\":{\"req_id\":\"CBreq3\"},\"body\":{\"response_type\":"
           "\"update_template_card\",\"template_card\":{\"card_type\":\"text_notice\",\"task_id\":\"tb-7-0\","
           "\"main_title\":{\"title\":\"已收到:停止 7\"},\"card_action\":{\"type\":1,"
           "\"url\":\"https://work.weixin.qq.com/\"}}}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),   cmocka_unit_test(test_verdicts), cmocka_unit_test(test_messages),
        cmocka_unit_test(test_events), cmocka_unit_test(test_controls), cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_sizes),  cmocka_unit_test(test_requests), cmocka_unit_test(test_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
