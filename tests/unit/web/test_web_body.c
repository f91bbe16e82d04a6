/*
 * test_web_body.c: what bodies and page messages are taken, and that everything else is refused with a reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "web_body.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool command(const char *body, struct web_command *ret_command) {
    char why[200] = "";
    bool ok = web_command_parse(body, strlen(body), ret_command, why, sizeof(why));
    assert_int_equal(ok, why[0] == 0);
    return ok;
}

static void commands(void **state) {
    struct web_command got;
    (void)state;
    assert_true(command("{\"text\":\"\\u5f00\\u59cb\",\"more\":[1]} \n", &got));
    assert_string_equal(got.text, "开始");
    assert_string_equal(got.as, "");
    web_command_release(&got);
    assert_true(command("{\"text\":\"\",\"as\":\"weixin:wx:1\"}", &got));
    assert_string_equal(got.as, "weixin:wx:1");
    web_command_release(&got);
    static const char *const wrong[] = {"",
                                        "{",
                                        "[]",
                                        "null",
                                        "\"text\"",
                                        "{}",
                                        "{\"text\":1}",
                                        "{\"text\":null}",
                                        "{\"text\":\"a\"}x",
                                        "{\"text\":\"a\",\"as\":1}",
                                        "{\"text\":\"a\",\"as\":\"weixin\"}",
                                        "{\"text\":\"a\",\"as\":\":x\"}",
                                        "{\"text\":\"a\",\"as\":\"weixin:\"}",
                                        "{\"Text\":\"a\"}",
                                        "text=a"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (command(wrong[i], &got)) fail_msg("taken: %s", wrong[i]);
}

static void zero_bytes(void **state) {
    struct web_command got;
    char why[200];
    (void)state;
    assert_false(web_command_parse("{\"text\":\"a\0b\"}", 14, &got, why, sizeof(why)));
}

static void deep_nesting(void **state) {
    struct web_command got;
    size_t size = 1 << 20;
    char *body = malloc(size + 1), why[200];
    (void)state;
    assert_non_null(body);
    memset(body, '[', size);
    body[size] = 0;
    assert_false(web_command_parse(body, size, &got, why, sizeof(why)));
    free(body);
}

static void large_text(void **state) {
    struct web_command got;
    size_t size = 1 << 20;
    char *body = malloc(size + 64);
    (void)state;
    assert_non_null(body);
    strcpy(body, "{\"text\":\"");
    memset(body + 9, 'a', size);
    strcpy(body + 9 + size, "\"}");
    assert_true(command(body, &got));
    assert_int_equal(strlen(got.text), size);
    web_command_release(&got);
    free(body);
}

static void tokens(void **state) {
    char token[8], why[200];
    (void)state;
    assert_true(web_session_parse("{\"token\":\"abc\"}", 15, token, sizeof(token), why, sizeof(why)));
    assert_string_equal(token, "abc");
    assert_false(web_session_parse("{\"token\":\"abcdefgh\"}", 20, token, sizeof(token), why, sizeof(why)));
    assert_false(web_session_parse("{\"token\":7}", 11, token, sizeof(token), why, sizeof(why)));
}

static bool say(const char *message, struct web_say *ret_say) {
    char why[200] = "";
    bool ok = web_say_parse(message, strlen(message), ret_say, why, sizeof(why));
    assert_int_equal(ok, why[0] == 0);
    return ok;
}

static void says(void **state) {
    struct web_say got;
    (void)state;
    assert_true(say("{\"type\":\"say\",\"text\":\"lr 0.1\",\"id\":\"a-1_.Z\"}", &got));
    assert_int_equal(got.kind, SAY_TEXT);
    assert_string_equal(got.text, "lr 0.1");
    assert_string_equal(got.id, "a-1_.Z");
    web_say_release(&got);
    assert_true(say("{\"type\":\"since\",\"rev\":9007199254740992}", &got));
    assert_int_equal(got.rev, 9007199254740992);
    assert_true(say("{\"type\":\"watch\",\"runs\":\"all\"}", &got));
    assert_true(got.all);
    assert_true(say("{\"type\":\"watch\",\"runs\":[\"7\",\"123456789012345678\"]}", &got));
    assert_int_equal(got.runs_count, 2);
    assert_int_equal(got.runs[1], 123456789012345678);
    static const char *const wrong[] = {"{}",
                                        "{\"type\":\"say\"}",
                                        "{\"type\":\"say\",\"text\":\"a\"}",
                                        "{\"type\":\"say\",\"text\":\"a\",\"id\":\"\"}",
                                        "{\"type\":\"say\",\"text\":\"a\",\"id\":\"a b\"}",
                                        "{\"type\":\"say\",\"text\":1,\"id\":\"a\"}",
                                        "{\"type\":\"say\",\"text\":\"a\",\"id\":"
                                        "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                                        "{\"type\":\"since\",\"rev\":-1}",
                                        "{\"type\":\"since\",\"rev\":1.5}",
                                        "{\"type\":\"since\",\"rev\":1e300}",
                                        "{\"type\":\"since\",\"rev\":\"1\"}",
                                        "{\"type\":\"watch\",\"runs\":[7]}",
                                        "{\"type\":\"watch\",\"runs\":[\"-7\"]}",
                                        "{\"type\":\"watch\",\"runs\":[\"\"]}",
                                        "{\"type\":\"watch\"}",
                                        "{\"type\":\"quit\"}",
                                        "{\"type\":1}",
                                        "{\"type\":\"watch\",\"runs\":[\"1\",\"1\",\"1\",\"1\",\"1\",\"1\",\"1\",\"1\","
                                        "\"1\",\"1\",\"1\",\"1\",\"1\",\"1\",\"1\","
                                        "\"1\",\"1\"]}"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (say(wrong[i], &got)) fail_msg("taken: %s", wrong[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),   cmocka_unit_test(zero_bytes), cmocka_unit_test(deep_nesting),
        cmocka_unit_test(large_text), cmocka_unit_test(tokens),     cmocka_unit_test(says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
