/*
 * Answers of the service that are wrong in every way: each is refused, or taken without the bad field, with the field's
 * name; none does harm.
 */
#include "weixin_codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum reader { UPDATES, CODE, STATUS, SENT, TICKET, PLACE };

/* TB_OK or the error; odd holds what was odd. What was read is let go. */
static int read_any(enum reader reader, const char *body, size_t size, struct weixin_odd *odd) {
    struct weixin_updates updates = {.count = 0};
    struct weixin_code code = {0};
    struct weixin_code_status code_status = {0};
    struct weixin_ticket ticket = {.ticket = NULL};
    struct weixin_place place = {.param = NULL};
    struct weixin_sent sent;
    int status = reader == UPDATES  ? weixin_decode_updates(body, size, &updates, odd)
                 : reader == CODE   ? weixin_decode_code(body, size, &code, odd)
                 : reader == STATUS ? weixin_decode_code_status(body, size, &code_status, odd)
                 : reader == SENT   ? weixin_decode_sent(body, size, &sent, odd)
                 : reader == TICKET ? weixin_decode_ticket(body, size, &ticket, odd)
                                    : weixin_decode_place(body, size, &place, odd);
    weixin_updates_clear(&updates);
    weixin_code_clear(&code);
    weixin_code_status_clear(&code_status);
    weixin_ticket_clear(&ticket);
    weixin_place_clear(&place);
    return status;
}

static void test_malformed_everywhere(void **state) {
    static const struct {
        const char *body, *odd;
    } rows[] = {
        {"", "body: empty"},
        {" \n", "body: empty"},
        {"<html>502</html>", "body: HTML"},
        {"  <!doctype html>", "body: HTML"},
        {"ok", "body: not JSON"},
        {"[]", "body: not a JSON object"},
        {"null", "body: not a JSON object"},
        {"\"x\"", "body: not a JSON object"},
        {"{\"ret\":0", "body: not JSON"},
        {"{\"ret\":0}x", "body: not JSON"},
        {"{\"ret\":\"0\"}", "ret: not a whole number"},
        {"{\"ret\":0.5}", "ret: not a whole number"},
        {"{\"ret\":1e300}", "ret: not a whole number"},
        {"{\"ret\":123456789012345678901234567890}", "ret: not a whole number"},
        {"{\"ret\":{}}", "ret: not a whole number"},
        {"{\"ret\":true}", "ret: not a whole number"},
        {"{\"errcode\":[]}", "errcode: not a whole number"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int reader = UPDATES; reader <= PLACE; reader++) {
            struct weixin_odd odd = {{0}};
            int status = read_any((enum reader)reader, rows[i].body, strlen(rows[i].body), &odd);
            if (status != TB_EINVAL || !strstr(odd.text, rows[i].odd))
                fail_msg("%s (reader %d): %d, %s", rows[i].body, reader, status, odd.text);
        }
}

static void test_malformed_fields(void **state) {
#define MESSAGE(rest) "{\"msgs\":[{\"from_user_id\":\"p\",\"message_type\":1" rest "}]}"
    static const struct {
        enum reader reader;
        int status;
        const char *body, *odd;
    } rows[] = {
        {UPDATES, TB_EINVAL, "{\"msgs\":{}}", "msgs: not a list"},
        {UPDATES, TB_EINVAL, "{\"msgs\":\"x\"}", "msgs: not a list"},
        {UPDATES, TB_OK, "{\"msgs\":[7]}", "msgs[0]: not an object"},
        {UPDATES, TB_OK, "{\"msgs\":[{},{}]}", "msgs[0].from_user_id: missing"},
        {UPDATES, TB_OK, "{\"msgs\":[{\"from_user_id\":7}]}", "msgs[0].from_user_id: not text"},
        {UPDATES, TB_OK, "{\"msgs\":[{\"from_user_id\":\"a b\"}]}", "msgs[0].from_user_id: bytes"},
        {UPDATES, TB_OK, MESSAGE(",\"message_id\":{}"), "msgs[0].message_id: not a number or text"},
        {UPDATES, TB_OK, MESSAGE(",\"message_id\":1.5"), "msgs[0].message_id: not a whole number"},
        {UPDATES, TB_OK, MESSAGE(",\"create_time_ms\":\"now\""), "msgs[0].create_time_ms: not a whole number"},
        {UPDATES, TB_OK, MESSAGE(",\"create_time_ms\":99999999999999999999"), "msgs[0].create_time_ms: not a whole"},
        {UPDATES, TB_OK, MESSAGE(",\"context_token\":7"), "msgs[0].context_token: not text"},
        {UPDATES, TB_OK, MESSAGE(",\"context_token\":\"\xff\""), "msgs[0].context_token: bytes"},
        {UPDATES, TB_OK, MESSAGE(",\"item_list\":{}"), "msgs[0].item_list: not a list"},
        {UPDATES, TB_OK, MESSAGE(",\"item_list\":[7]"), "msgs[0].item_list: not objects"},
        {UPDATES, TB_OK, MESSAGE(",\"item_list\":[{\"type\":\"1\"}]"), "msgs[0].type: not a whole number"},
        {UPDATES, TB_OK, MESSAGE(",\"item_list\":[{\"type\":1,\"text_item\":[]}]"), "msgs[0].text_item: not an obj"},
        {UPDATES, TB_OK, MESSAGE(",\"item_list\":[{\"type\":1,\"text_item\":{\"text\":1}}]"), "msgs[0].text: not text"},
        {UPDATES, TB_OK, "{\"get_updates_buf\":7}", "get_updates_buf: not text"},
        {UPDATES, TB_OK, "{\"longpolling_timeout_ms\":\"35000\"}", "longpolling_timeout_ms: not a whole number"},
        {CODE, TB_EINVAL, "{}", "qrcode: missing"},
        {CODE, TB_EINVAL, "{\"qrcode\":\"x\"}", "qrcode_img_content: missing"},
        {CODE, TB_EINVAL, "{\"qrcode\":7,\"qrcode_img_content\":\"y\"}", "qrcode: not text"},
        {CODE, TB_EINVAL, "{\"qrcode\":\"x\",\"qrcode_img_content\":\"a\\nb\"}", "qrcode_img_content: bytes"},
        {CODE, TB_EINVAL, "{\"ret\":-1,\"errmsg\":\"no\"}", "refused with -1 no"},
        {STATUS, TB_EINVAL, "{}", "status: missing"},
        {STATUS, TB_EINVAL, "{\"status\":\"scanned\"}", "status: unknown"},
        {STATUS, TB_EINVAL, "{\"status\":7}", "status: not text"},
        {STATUS, TB_OK, "{\"status\":\"confirmed\",\"ilink_bot_id\":7}", "ilink_bot_id: not text"},
        {STATUS, TB_OK, "{\"status\":\"confirmed\",\"bot_token\":\"a\\r\\nX: y\"}", "bot_token: bytes"},
        {SENT, TB_OK, "{\"message_id\":[]}", "message_id: not a number or text"},
        {TICKET, TB_OK, "{\"ret\":0,\"typing_ticket\":{}}", "typing_ticket: not text"},
        {PLACE, TB_OK, "{\"upload_param\":false}", "upload_param: not text"},
        {PLACE, TB_OK, "{\"upload_full_url\":\"https://a/ b\"}", "upload_full_url: bytes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct weixin_odd odd = {{0}};
        int status = read_any(rows[i].reader, rows[i].body, strlen(rows[i].body), &odd);
        if (status != rows[i].status || !strstr(odd.text, rows[i].odd))
            fail_msg("%s: %d, %s", rows[i].body, status, odd.text);
    }
}

/* One bad message of a batch does not take the others with it. */
static void test_bad_among_good(void **state) {
    const char *json =
        "{\"msgs\":[{\"from_user_id\":\"p\",\"message_type\":1},{\"from_user_id\":[]},7,{\"from_user_id\":"
        "\"q\",\"message_type\":1,\"context_token\":7}],\"get_updates_buf\":\"c\"}";
    struct weixin_updates updates;
    struct weixin_odd odd = {{0}};
    (void)state;
    assert_int_equal(weixin_decode_updates(json, strlen(json), &updates, &odd), TB_OK);
    assert_int_equal(updates.count, 2);
    assert_string_equal(updates.messages[1].from, "q");
    assert_string_equal(updates.cursor, "c");
    assert_string_equal(odd.text, "msgs[1].from_user_id: not text");
    weixin_updates_clear(&updates);
}

static void test_big_and_deep(void **state) {
    size_t size = 300000;
    char *body = malloc(size + 1);
    struct weixin_odd odd = {{0}};
    (void)state;
    memset(body, '[', size);
    body[size] = 0;
    assert_int_equal(read_any(UPDATES, body, size, &odd), TB_EINVAL);
    assert_string_equal(odd.text, "body: more than 65536 values");
    odd.text[0] = 0;
    assert_int_equal(read_any(UPDATES, body, 5000, &odd), TB_EINVAL);
    assert_string_equal(odd.text, "body: not JSON");
    odd.text[0] = 0;
    memset(body, 'x', size);
    memcpy(body, "{\"get_updates_buf\":\"", 20);
    memcpy(body + size - 2, "\"}", 2);
    assert_int_equal(read_any(UPDATES, body, size, &odd), TB_OK);
    assert_string_equal(odd.text, "get_updates_buf: more than 262144 bytes");
    odd.text[0] = 0;
    assert_int_equal(read_any(UPDATES, "{\"a\":\"\0\"}", 9, &odd), TB_EINVAL);
    assert_string_equal(odd.text, "body: a zero byte in it");
    free(body);
}

/* Every way to cut or to change one byte of a good answer is harmless. */
static void test_mutations(void **state) {
    const char *json =
        "{\"ret\":0,\"msgs\":[{\"message_id\":7466108239911234567,\"from_user_id\":\"p\",\"message_type\":1,"
        "\"item_list\":[{\"type\":1,\"text_item\":{\"text\":\"\\ud83d\\ude00\"}}],\"context_token\":\"A\"}],"
        "\"get_updates_buf\":\"x\"}";
    size_t size = strlen(json), taken = 0;
    (void)state;
    for (size_t at = 0; at < size; at++)
        for (int byte = -1; byte < 256; byte++) {
            char *copy = malloc(size); /* exactly: a read beyond it is seen by the sanitizer */
            memcpy(copy, json, size);
            if (byte >= 0) copy[at] = (char)byte;
            struct weixin_odd odd = {{0}};
            taken += read_any(UPDATES, copy, byte < 0 ? at : size, &odd) == TB_OK;
            free(copy);
        }
    assert_true(taken > size);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_everywhere),
        cmocka_unit_test(test_malformed_fields),
        cmocka_unit_test(test_bad_among_good),
        cmocka_unit_test(test_big_and_deep),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
