/* The Bot API's answers and requests, well formed and malformed in every way that a service or a proxy could think of.
 */
#include "telegram_codec.h"
#include <cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct telegram_answer answer_of(const char *body) {
    struct telegram_answer answer = {0};
    const char *why = NULL;
    if (telegram_answer_decode(body, strlen(body), &answer, &why) < 0) fail_msg("%s: %s", body, why);
    return answer;
}

/* ---- answers ---- */

static void errors_are_read(void **state) {
    (void)state;
    struct telegram_answer answer =
        answer_of("{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after 14\","
                  "\"parameters\":{\"retry_after\":14}}");
    assert_false(answer.ok);
    assert_int_equal(answer.error_code, 429);
    assert_int_equal(answer.retry_after_s, 14);
    assert_int_equal(answer.migrate_to, 0);
    assert_string_equal(answer.description, "Too Many Requests: retry after 14");
    telegram_answer_clear(&answer);
    telegram_answer_clear(&answer);
    answer = answer_of("{\"ok\":false,\"error_code\":400,\"description\":\"a\\nb\\u0007c\","
                       "\"parameters\":{\"migrate_to_chat_id\":-1001234567890123}}");
    assert_true(answer.migrate_to == -1001234567890123);
    assert_string_equal(answer.description, "a bc");
    telegram_answer_clear(&answer);
}

static void odd_parameters_count_as_none(void **state) {
    (void)state;
    struct telegram_answer answer = answer_of("{\"ok\":false,\"error_code\":\"400\",\"description\":7,\"parameters\":"
                                              "{\"retry_after\":-3,\"migrate_to_chat_id\":1e30}}");
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.retry_after_s, 0);
    assert_true(answer.migrate_to == 0);
    assert_string_equal(answer.description, "");
    telegram_answer_clear(&answer);
    answer = answer_of("{\"ok\":false,\"parameters\":{\"retry_after\":999999999}}");
    assert_int_equal(answer.retry_after_s, 86400);
    telegram_answer_clear(&answer);
}

static void long_descriptions_end_at_a_character(void **state) {
    (void)state;
    char body[2000] = "{\"ok\":false,\"description\":\"";
    for (int i = 0; i < 200; i++)
        strcat(body, "停");
    strcat(body, "\"}");
    struct telegram_answer answer = answer_of(body);
    assert_int_equal(strlen(answer.description), 198); /* 66 whole characters of 3 bytes fit below 200 */
    assert_string_equal(answer.description + 195, "停");
    telegram_answer_clear(&answer);
}

static void not_an_answer(void **state) {
    (void)state;
    static const char *const bodies[][2] = {
        {"", "not JSON"},
        {"<html><body>502 Bad Gateway</body></html>", "not JSON"},
        {"{\"ok\":true", "not JSON"},
        {"{\"ok\":true}x", "not JSON"},
        {"[true]", "not a JSON object"},
        {"null", "not a JSON object"},
        {"{}", "ok is neither true nor false"},
        {"{\"ok\":1,\"result\":[]}", "ok is neither true nor false"},
        {"{\"message\":\"API method 'sendPhoto' is not supported\"}", "ok is neither true nor false"},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct telegram_answer answer = {0};
        const char *why = NULL;
        assert_int_equal(telegram_answer_decode(bodies[i][0], strlen(bodies[i][0]), &answer, &why), TB_EINVAL);
        assert_string_equal(why, bodies[i][1]);
        assert_null(answer.json);
    }
}

static void trees_are_limited(void **state) {
    (void)state;
    static const char limit[] = "more or deeper values than any answer has";
    char *body = malloc(1000100);
    struct telegram_answer answer = {0};
    const char *why = NULL;
    assert_non_null(body);
    size_t size = (size_t)sprintf(body, "{\"ok\":true,\"result\":");
    memset(body + size, '[', 900000);
    assert_int_equal(telegram_answer_decode(body, size + 900000, &answer, &why), TB_EINVAL);
    assert_string_equal(why, limit);
    for (size_t i = 0; i < 900000; i += 2)
        memcpy(body + size + i, i ? ",1" : "[1", 2);
    memcpy(body + size + 900000, "]}", 2);
    assert_int_equal(telegram_answer_decode(body, size + 900002, &answer, &why), TB_EINVAL);
    assert_string_equal(why, limit);
    /* brackets and commas within a text are none */
    size = (size_t)sprintf(body, "{\"ok\":true,\"result\":\"\\\"");
    memset(body + size, '[', 500000);
    memset(body + size + 500000, ',', 400000);
    memcpy(body + size + 900000, "\"}", 2);
    assert_int_equal(telegram_answer_decode(body, size + 900002, &answer, &why), TB_OK);
    telegram_answer_clear(&answer);
    free(body);
}

static void me_is_read(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"{\"ok\":true,\"result\":null}", "result.id is not an id"},
        {"{\"ok\":true}", "result.id is not an id"},
        {"{\"ok\":true,\"result\":{\"id\":\"7\",\"username\":\"x\"}}", "result.id is not an id"},
        {"{\"ok\":true,\"result\":{\"id\":7.5,\"username\":\"x\"}}", "result.id is not an id"},
        {"{\"ok\":true,\"result\":{\"id\":7}}", "result.username is not a name"},
        {"{\"ok\":true,\"result\":{\"id\":7,\"username\":\"a/../b?c\"}}", "result.username is not a name"},
        {"{\"ok\":true,\"result\":{\"id\":7,\"username\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}}",
         "result.username is not a name"},
    };
    struct telegram_me me = {0};
    const char *why = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct telegram_answer answer = answer_of(bad[i][0]);
        assert_int_equal(telegram_me_decode(&answer, &me, &why), TB_EINVAL);
        assert_string_equal(why, bad[i][1]);
        telegram_answer_clear(&answer);
    }
    struct telegram_answer answer = answer_of(
        "{\"ok\":true,\"result\":{\"id\":7123456789,\"is_bot\":true,\"first_name\":\"T\",\"username\":\"Train_Bot\"}}");
    assert_int_equal(telegram_me_decode(&answer, &me, &why), TB_OK);
    assert_true(me.id == 7123456789);
    assert_string_equal(me.username, "Train_Bot");
    telegram_answer_clear(&answer);
}

static void sent_messages_are_named(void **state) {
    (void)state;
    int64_t id = 5;
    const char *why = NULL;
    struct telegram_answer answer = answer_of("{\"ok\":true,\"result\":{\"message_id\":52,\"date\":1763700010}}");
    assert_int_equal(telegram_sent_decode(&answer, &id, &why), TB_OK);
    assert_int_equal(id, 52);
    telegram_answer_clear(&answer);
    static const char *const bad[] = {"true",
                                      "null",
                                      "{}",
                                      "{\"message_id\":\"52\"}",
                                      "{\"message_id\":-1}",
                                      "{\"message_id\":9007199254740992}",
                                      "{\"message_id\":1.5}",
                                      "[]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char body[100];
        snprintf(body, sizeof body, "{\"ok\":true,\"result\":%s}", bad[i]);
        answer = answer_of(body);
        assert_int_equal(telegram_sent_decode(&answer, &id, &why), TB_EINVAL);
        assert_string_equal(why, "result.message_id is not an id");
        assert_int_equal(id, 52);
        telegram_answer_clear(&answer);
    }
}

/* ---- updates ---- */

struct poll {
    struct telegram_answer answer;
    struct telegram_update *updates;
    size_t count;
    int64_t next;
};

static struct poll poll_of(const char *result) {
    char *body = NULL;
    const char *why = NULL;
    struct poll poll = {0};
    assert_true(asprintf(&body, "{\"ok\":true,\"result\":%s}", result) > 0);
    poll.answer = answer_of(body);
    free(body);
    assert_int_equal(telegram_updates_decode(&poll.answer, &poll.updates, &poll.count, &poll.next, &why), TB_OK);
    return poll;
}

static void poll_end(struct poll *poll) {
    free(poll->updates);
    telegram_answer_clear(&poll->answer);
}

static void messages_and_presses(void **state) {
    (void)state;
    struct poll poll = poll_of(
        "[{\"update_id\":731000124,\"message\":{\"message_id\":51,\"date\":1763700000,\"chat\":{\"id\":420001,"
        "\"type\":\"private\"},\"from\":{\"id\":420001,\"is_bot\":false,\"first_name\":\"Zhang\"},\"text\":\"/status "
        "run-7\","
        "\"entities\":[{\"type\":\"bot_command\",\"offset\":0,\"length\":7}]}},"
        "{\"update_id\":731000125,\"callback_query\":{\"id\":\"8817\",\"from\":{\"id\":420001},\"data\":\"stop|9f3a\","
        "\"chat_instance\":\"-55\",\"message\":{\"message_id\":52,\"date\":1763700010,\"chat\":{\"id\":-"
        "1001234567890123,"
        "\"type\":\"supergroup\"},\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"停止\",\"callback_data\":\"x\"}]]"
        "}}}},"
        "{\"update_id\":731000130,\"message\":{\"message_id\":9007199254740991,\"date\":1763700001,\"chat\":{\"id\":-"
        "42,"
        "\"type\":\"group\"},\"from\":{\"id\":4503599627370495},\"text\":\"hi\",\"reply_to_message\":{\"from\":{\"id\":"
        "77}},"
        "\"entities\":[{\"type\":\"mention\",\"offset\":0,\"length\":2},{\"type\":\"bold\",\"offset\":0,\"length\":1},"
        "{\"type\":\"text_mention\",\"offset\":1,\"length\":1,\"user\":{\"id\":9}},{\"type\":\"mention\",\"offset\":-1,"
        "\"length\":2},7]}}]");
    assert_int_equal(poll.count, 3);
    assert_int_equal(poll.next, 731000131);
    const struct telegram_update *message = &poll.updates[0], *press = &poll.updates[1], *group = &poll.updates[2];
    assert_int_equal(message->kind, TELEGRAM_MESSAGE);
    assert_int_equal(message->chat, 420001);
    assert_int_equal(message->from, 420001);
    assert_int_equal(message->message, 51);
    assert_true(message->sent_ms == 1763700000000);
    assert_false(message->group);
    assert_string_equal(message->text, "/status run-7");
    assert_int_equal(press->kind, TELEGRAM_PRESS);
    assert_string_equal(press->query, "8817");
    assert_string_equal(press->data, "stop|9f3a");
    assert_true(press->chat == -1001234567890123);
    assert_true(press->group);
    char *kept = telegram_encode_kept_keyboard(press->keyboard);
    assert_string_equal(kept, "{\"inline_keyboard\":[[{\"text\":\"停止\",\"callback_data\":\"x\"}]]}");
    free(kept);
    assert_int_equal(group->kind, TELEGRAM_MESSAGE);
    assert_true(group->message == 9007199254740991);
    assert_true(group->from == 4503599627370495);
    assert_int_equal(group->reply_to, 77);
    assert_int_equal(group->entities_count, 2);
    assert_int_equal(group->entities[1].user, 9);
    poll_end(&poll);
}

#define CHAT "\"chat\":{\"id\":5,\"type\":\"private\"}"
#define FROM "\"from\":{\"id\":5}"
#define HEAD "\"message_id\":1,\"date\":1763700000,"

/* One bad update spoils none of the others, and the offset goes past it. */
static void bad_updates_are_named(void **state) {
    (void)state;
    static const char *const bad[][2] = {
        {"\"message\":7", "message is not an object"},
        {"\"message\":{}", "message.chat.id is not an id"},
        {"\"message\":{" HEAD FROM ",\"text\":\"x\",\"chat\":{\"id\":\"5\",\"type\":\"private\"}}",
         "message.chat.id is not an id"},
        {"\"message\":{" HEAD FROM ",\"text\":\"x\",\"chat\":{\"id\":0,\"type\":\"private\"}}",
         "message.chat.id is not an id"},
        {"\"message\":{" HEAD FROM ",\"text\":\"x\",\"chat\":{\"id\":9007199254740992,\"type\":\"private\"}}",
         "message.chat.id is not an id"},
        {"\"message\":{" HEAD FROM ",\"text\":\"x\",\"chat\":{\"id\":1e400,\"type\":\"private\"}}",
         "message.chat.id is not an id"},
        {"\"message\":{" HEAD FROM ",\"text\":\"x\",\"chat\":{\"id\":5}}", "message.chat.type is not a text"},
        {"\"message\":{" HEAD FROM "," CHAT ",\"text\":[\"x\"]}", "message.text is not a text"},
        {"\"message\":{" HEAD CHAT ",\"from\":{\"id\":-5},\"text\":\"x\"}", "message.from.id is not an id"},
        {"\"message\":{" HEAD CHAT ",\"from\":5,\"text\":\"x\"}", "message.from.id is not an id"},
        {"\"message\":{\"date\":1763700000," CHAT "," FROM ",\"text\":\"x\"}", "message.message_id is not an id"},
        {"\"message\":{\"message_id\":1,\"date\":\"now\"," CHAT "," FROM ",\"text\":\"x\"}",
         "message.date is not a time"},
        {"\"message\":{\"message_id\":1,\"date\":9007199254740991," CHAT "," FROM ",\"text\":\"x\"}",
         "message.date is not a time"},
        {"\"message\":{" HEAD CHAT ",\"migrate_to_chat_id\":\"-100\"}", "message.migrate_to_chat_id is not an id"},
        {"\"message\":{" HEAD "\"chat\":{\"id\":-5,\"type\":\"group\"},\"migrate_to_chat_id\":7}",
         "message.migrate_to_chat_id is not an id"}, /* a person's chat */
        {"\"message\":{" HEAD CHAT ",\"migrate_to_chat_id\":-1001234567890123}",
         "message.migrate_to_chat_id is not an id"}, /* a person's chat does not move */
        {"\"callback_query\":[]", "callback_query is not an object"},
        {"\"callback_query\":{\"id\":8817," FROM "}", "callback_query.id is not an id"},
        {"\"callback_query\":{\"id\":\"a b\"," FROM "}", "callback_query.id is not an id"},
        {"\"callback_query\":{\"id\":\"1\"}", "callback_query.from.id is not an id"},
        {"\"callback_query\":{\"id\":\"1\"," FROM ",\"data\":7}", "callback_query.data is not a text"},
        {"\"callback_query\":{\"id\":\"1\"," FROM ",\"data\":\"x\",\"message\":{}}",
         "callback_query.message.chat.id is not an id"},
        {"\"callback_query\":{\"id\":\"1\"," FROM ",\"data\":\"x\",\"message\":{" CHAT
         ",\"date\":1,\"message_id\":null}}",
         "callback_query.message.message_id is not an id"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *result = NULL;
        assert_true(asprintf(&result,
                             "[{\"update_id\":8,%s},{\"update_id\":7,\"message\":{" HEAD CHAT "," FROM
                             ",\"text\":\"x\"}}]",
                             bad[i][0]) > 0);
        struct poll poll = poll_of(result);
        assert_int_equal(poll.updates[0].kind, TELEGRAM_BAD);
        assert_string_equal(poll.updates[0].why, bad[i][1]);
        assert_int_equal(poll.updates[1].kind, TELEGRAM_MESSAGE);
        assert_int_equal(poll.next, 9);
        poll_end(&poll);
        free(result);
    }
}

static void unreadable_update_ids(void **state) {
    (void)state;
    static const char *const ids[] = {"\"7\"", "7.5", "-7", "0", "9007199254740991", "1e99", "null", "[7]"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char result[300];
        snprintf(result, sizeof result, "[{\"update_id\":%s,\"message\":{" HEAD CHAT "," FROM ",\"text\":\"x\"}},7]",
                 ids[i]);
        struct poll poll = poll_of(result);
        assert_int_equal(poll.count, 2);
        assert_string_equal(poll.updates[0].why, "update_id is not an id");
        assert_string_equal(poll.updates[1].why, "an update is not an object");
        assert_int_equal(poll.next, 0);
        poll_end(&poll);
    }
    struct telegram_answer answer = answer_of("{\"ok\":true,\"result\":{\"0\":1}}");
    struct poll poll = {0};
    const char *why = NULL;
    assert_int_equal(telegram_updates_decode(&answer, &poll.updates, &poll.count, &poll.next, &why), TB_EINVAL);
    assert_string_equal(why, "result is not an array");
    telegram_answer_clear(&answer);
}

static void what_is_ignored(void **state) {
    (void)state;
    static const char *const updates[] = {
        "\"edited_message\":{" HEAD CHAT "," FROM ",\"text\":\"x\"}",
        "\"channel_post\":{" HEAD CHAT ",\"text\":\"x\"}",
        "\"message\":{" HEAD CHAT ",\"text\":\"x\"}", /* no sender */
        "\"message\":{" HEAD CHAT "," FROM ",\"photo\":[]}",
        "\"message\":{" HEAD FROM ",\"text\":\"x\",\"chat\":{\"id\":-5,\"type\":\"channel\"}}",
        "\"message\":{" HEAD CHAT ",\"from\":{\"id\":1087968824},\"text\":\"x\"}",
        "\"message\":{" HEAD CHAT ",\"from\":{\"id\":6,\"is_bot\":true},\"text\":\"x\"}",
        "\"message\":{" HEAD CHAT "," FROM ",\"sender_chat\":{\"id\":-5},\"text\":\"x\"}",
        "\"my_chat_member\":{}",
    };
    for (size_t i = 0; i < sizeof updates / sizeof *updates; i++) {
        char result[300];
        snprintf(result, sizeof result, "[{\"update_id\":8,%s}]", updates[i]);
        struct poll poll = poll_of(result);
        assert_int_equal(poll.updates[0].kind, TELEGRAM_IGNORED);
        assert_int_equal(poll.next, 9);
        poll_end(&poll);
    }
}

static void presses_without_a_message_and_moved_groups(void **state) {
    (void)state;
    struct poll poll = poll_of("[{\"update_id\":1,\"callback_query\":{\"id\":\"1\"," FROM ",\"data\":\"x\"}},"
                               "{\"update_id\":2,\"callback_query\":{\"id\":\"2\"," FROM ",\"message\":{" CHAT
                               ",\"message_id\":4,\"date\":0}}},"
                               "{\"update_id\":3,\"message\":{" HEAD FROM ",\"chat\":{\"id\":-42,\"type\":\"group\"},"
                               "\"migrate_to_chat_id\":-1001234567890123}}]");
    assert_int_equal(poll.updates[0].kind, TELEGRAM_PRESS);
    assert_int_equal(poll.updates[0].message, 0);
    assert_int_equal(poll.updates[1].kind, TELEGRAM_PRESS);
    assert_int_equal(poll.updates[1].message, 0);
    assert_string_equal(poll.updates[1].data, "");
    assert_int_equal(poll.updates[2].kind, TELEGRAM_MOVED);
    assert_int_equal(poll.updates[2].chat, -42);
    assert_true(poll.updates[2].moved_to == -1001234567890123);
    poll_end(&poll);
}

static void invalid_utf8_goes_through_as_it_is(void **state) {
    (void)state;
    struct poll poll = poll_of("[{\"update_id\":1,\"message\":{" HEAD CHAT "," FROM ",\"text\":\"a\xff\xc0\x80z\"}}]");
    assert_int_equal(poll.updates[0].kind, TELEGRAM_MESSAGE);
    assert_string_equal(poll.updates[0].text, "a\xff\xc0\x80z"); /* core checks it and answers */
    poll_end(&poll);
}

static void ids_and_tokens(void **state) {
    (void)state;
    int64_t id = 0;
    assert_true(telegram_id_parse("-1001234567890123", &id));
    assert_true(id == -1001234567890123);
    assert_true(telegram_id_parse("9007199254740991", &id));
    static const char *const bad[] = {
        "",      "-", "0", "-0", "07", "+7", " 7", "7 ", "7.0", "@name", "9007199254740992", "99999999999999999999",
        "1/../2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(telegram_id_parse(bad[i], &id));
    assert_true(id == 9007199254740991);
    assert_true(telegram_token_valid("123456:ABC-def_0"));
    static const char *const odd[] = {"",           ":",          "123456:",    ":abc",  "12a:abc",
                                      "123456:a/b", "123456:a?b", "123456:a b", "123456"};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        assert_false(telegram_token_valid(odd[i]));
}

/* ---- requests ---- */

static void same(char *json, const char *expected) {
    assert_non_null(json);
    assert_string_equal(json, expected);
    free(json);
}

static void requests_are_written(void **state) {
    (void)state;
    struct telegram_out out = {.chat = -1001234567890123, .text = "a \"b\"\n停", .silent = true};
    same(telegram_encode_message(&out),
         "{\"link_preview_options\":{\"is_disabled\":true},\"chat_id\":-1001234567890123,"
         "\"text\":\"a \\\"b\\\"\\n停\",\"disable_notification\":true}");
    out.message = 52;
    out.keyboard = "{\"inline_keyboard\":[]}";
    same(telegram_encode_message(&out),
         "{\"link_preview_options\":{\"is_disabled\":true},\"chat_id\":-1001234567890123,"
         "\"text\":\"a \\\"b\\\"\\n停\",\"message_id\":52,"
         "\"reply_markup\":{\"inline_keyboard\":[]}}");
    same(telegram_encode_markup(5, 52, "{\"inline_keyboard\":[]}"),
         "{\"chat_id\":5,\"message_id\":52,\"reply_markup\":{\"inline_keyboard\":[]}}");
    same(telegram_encode_poll(0, 100, 50),
         "{\"timeout\":50,\"limit\":100,\"allowed_updates\":[\"message\",\"callback_query\"]}");
    same(telegram_encode_poll(9007199254740991, 1, 0), "{\"timeout\":0,\"limit\":1,\"allowed_updates\":[\"message\","
                                                       "\"callback_query\"],\"offset\":9007199254740991}");
    same(telegram_encode_query_answer("8817", "好"), "{\"callback_query_id\":\"8817\",\"text\":\"好\"}");
    same(telegram_encode_query_answer("8817", ""), "{\"callback_query_id\":\"8817\"}");
    same(telegram_encode_action(-42, "typing"), "{\"chat_id\":-42,\"action\":\"typing\"}");
    struct telegram_button buttons[4] = {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}};
    same(telegram_encode_keyboard(buttons, 4),
         "{\"inline_keyboard\":[[{\"text\":\"a\",\"callback_data\":\"1\"},{\"text\":\"b\",\"callback_data\":\"2\"},"
         "{\"text\":\"c\",\"callback_data\":\"3\"}],[{\"text\":\"d\",\"callback_data\":\"4\"}]]}");
    same(telegram_encode_keyboard(NULL, 0), "{\"inline_keyboard\":[]}");
}

static void menus_are_written(void **state) {
    (void)state;
    struct telegram_command command;
    assert_true(telegram_command_make("status", "进度", &command));
    same(telegram_encode_commands(&command, 1, "zh"), "{\"commands\":[{\"command\":\"status\",\"description\":\"进度\"}"
                                                      "],\"scope\":{\"type\":\"default\"},\"language_code\":\"zh\"}");
    same(telegram_encode_commands(&command, 1, NULL),
         "{\"commands\":[{\"command\":\"status\",\"description\":\"进度\"}],\"scope\":{\"type\":\"default\"}}");
    static const char *const bad[] = {"", "Status", "停止", "a-b", "a b", "abcdefghijklmnopqrstuvwxyz0123456"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(telegram_command_make(bad[i], "x", &command));
    assert_false(telegram_command_make("status", "", &command));
    char help[400] = "x";
    for (int i = 0; i < 100; i++)
        strcat(help, "停");
    assert_true(telegram_command_make("status", help, &command));
    assert_int_equal(strlen(command.help), 256); /* 1 + 85 * 3 */
    assert_int_equal(strlen(command.name), 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_read),
        cmocka_unit_test(odd_parameters_count_as_none),
        cmocka_unit_test(long_descriptions_end_at_a_character),
        cmocka_unit_test(not_an_answer),
        cmocka_unit_test(trees_are_limited),
        cmocka_unit_test(me_is_read),
        cmocka_unit_test(sent_messages_are_named),
        cmocka_unit_test(messages_and_presses),
        cmocka_unit_test(bad_updates_are_named),
        cmocka_unit_test(unreadable_update_ids),
        cmocka_unit_test(what_is_ignored),
        cmocka_unit_test(presses_without_a_message_and_moved_groups),
        cmocka_unit_test(invalid_utf8_goes_through_as_it_is),
        cmocka_unit_test(ids_and_tokens),
        cmocka_unit_test(requests_are_written),
        cmocka_unit_test(menus_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
