/* Normalisation, tokens, numbers, spans of the day, near misses: tables of what goes in and what must come out. */
#include "near.h"
#include "parse.h"
#include "words.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct parsed parsed;

static void test_normalise(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"  停止  ", "停止"},
        {"停止。", "停止"},
        {"停止!", "停止"},
        {"LR=0.001", "LR=0.001"},
        {"lr = 0.001", "lr=0.001"},
        {"lr= 0.001", "lr=0.001"},
        {"学习率 0.01", "学习率 0.01"},
        {"lr ×0.5", "lr x0.5"},
        {"lr\t0.5\r\n", "lr 0.5"},
        {"/start@trainbot_bot cnn", "start cnn"},
        {"/停止", "停止"},
        {"\"停止 8\"", "停止 8"},
        {"“停止 8”", "停止 8"},
        {"开始 cnn\xef\xbc\x8clr=0.01\xef\xbc\x8c"
         "bs=64",
         "开始 cnn lr=0.01 bs=64"},                                                             /* full-width commas */
        {"\xef\xbd\x8c\xef\xbd\x92\xef\xbc\x9d\xef\xbc\x90\xef\xbc\x8e\xef\xbc\x95", "lr=0.5"}, /* all full-width */
        {"静音 23:00—08:00", "静音 23:00-08:00"},
        {"\xe2\x80\x8b停止\xef\xbb\xbf", "停止"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(parse_text(rows[i].text, strlen(rows[i].text), &parsed), PARSE_OK);
        assert_string_equal(parsed.text, rows[i].want);
    }
}

static void test_refused_bytes(void **state) {
    (void)state;
    char *large = malloc(1 << 20);
    assert_non_null(large);
    memset(large, 'a', 1 << 20);
    assert_int_equal(parse_text(large, 1 << 20, &parsed), PARSE_TOO_LONG);
    assert_int_equal(parse_text(large, PARSE_TEXT_MAX, &parsed), PARSE_OK);
    assert_int_equal(parse_text(large, PARSE_TEXT_MAX + 1, &parsed), PARSE_TOO_LONG);
    free(large);
    assert_int_equal(parse_text("\xff\xfe", 2, &parsed), PARSE_NOT_UTF8);
    assert_int_equal(parse_text("\xe5\x81", 2, &parsed), PARSE_NOT_UTF8);
    assert_int_equal(parse_text("\xc0\xaf", 2, &parsed), PARSE_NOT_UTF8);
    assert_int_equal(parse_text("\xed\xa0\x80", 3, &parsed), PARSE_NOT_UTF8);
    assert_int_equal(parse_text("lr\0 1", 5, &parsed), PARSE_CONTROL);
    assert_int_equal(parse_text("lr\x1b[31m", 7, &parsed), PARSE_CONTROL);
    assert_int_equal(parse_text("", 0, &parsed), PARSE_EMPTY);
    assert_int_equal(parse_text(" 。 \n", strlen(" 。 \n"), &parsed), PARSE_EMPTY);
    char many[200] = "";
    for (int i = 0; i < 65; i++)
        strcat(many, "a ");
    assert_int_equal(parse_text(many, strlen(many), &parsed), PARSE_TOO_MANY);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum number_status status;
        double value;
    } rows[] = {
        {"0.001", NUMBER_OK, 0.001},
        {"1e-4", NUMBER_OK, 1e-4},
        {"-1", NUMBER_OK, -1},
        {"+5", NUMBER_OK, 5},
        {".5", NUMBER_OK, .5},
        {"1e99", NUMBER_OK, 1e99},
        {"1e999", NUMBER_HUGE, INFINITY},
        {"0x10", NUMBER_NOT, 0},
        {"nan", NUMBER_NOT, 0},
        {"inf", NUMBER_NOT, 0},
        {"abc", NUMBER_NOT, 0},
        {"1.5x", NUMBER_NOT, 0},
        {"1,5", NUMBER_NOT, 0},
        {"", NUMBER_NOT, 0},
        {"1e", NUMBER_NOT, 0},
        {"--1", NUMBER_NOT, 0},
        {"1 ", NUMBER_NOT, 0},
        {"e5", NUMBER_NOT, 0},
        {".", NUMBER_NOT, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double value = 0;
        assert_int_equal(parse_number(rows[i].text, &value), rows[i].status);
        if (rows[i].status != NUMBER_NOT) assert_true(value == rows[i].value);
    }
    int64_t run = 0;
    assert_true(parse_run("7", &run) && run == 7);
    assert_true(parse_run("#12", &run) && run == 12);
    assert_false(parse_run("0", &run) || parse_run("#", &run) || parse_run("-1", &run) || parse_run("7a", &run));
    assert_false(parse_run("9999999999999999999", &run) || parse_run("##7", &run) || parse_run("1.5", &run));
}

static void test_windows(void **state) {
    (void)state;
    int from = -1, until = -1;
    assert_true(parse_window("23:00-08:00", &from, &until) && from == 1380 && until == 480);
    assert_true(parse_window("23-8", &from, &until) && from == 1380 && until == 480);
    assert_true(parse_window("9:30~18:05", &from, &until) && from == 570 && until == 1085);
    assert_true(parse_window("22到7", &from, &until) && from == 1320 && until == 420);
    static const char *const bad[] = {"24:00-08:00", "23:60-1:00", "23:0-8:00",    "23:00", "23:00-",
                                      "-8",          "a-b",        "23:00-08:00x", ""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(parse_window(bad[i], &from, &until));
}

static void test_assignments(void **state) {
    (void)state;
    struct assignment items[8];
    const char *bad = NULL, *text = "参数 lr=0.001 bs 64 ds=x2 dropout *0.5 ti x 2 note=a=b";
    assert_int_equal(parse_text(text, strlen(text), &parsed), PARSE_OK);
    assert_int_equal(parse_assignments(&parsed, 1, items, 8, &bad), 6);
    static const struct {
        const char *name, *value;
        bool factor;
    } want[] = {{"lr", "0.001", false},   {"bs", "64", false}, {"ds", "2", true},
                {"dropout", "0.5", true}, {"ti", "2", true},   {"note", "a=b", false}};
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(items[i].name, want[i].name);
        assert_string_equal(items[i].value, want[i].value);
        assert_int_equal(items[i].factor, want[i].factor);
    }
    assert_int_equal(parse_text("=5", 2, &parsed), PARSE_OK);
    assert_int_equal(parse_assignments(&parsed, 0, items, 8, &bad), -1);
    assert_int_equal(parse_text("5=lr", 4, &parsed), PARSE_OK);
    assert_int_equal(parse_assignments(&parsed, 0, items, 8, &bad), -1);
    assert_int_equal(parse_text("a 1 b 2 c 3", 11, &parsed), PARSE_OK);
    assert_int_equal(parse_assignments(&parsed, 0, items, 2, &bad), -1);
}

static void test_names(void **state) {
    (void)state;
    assert_true(parse_is_name("lr") && parse_is_name("_x1") && parse_is_name("难例") && parse_is_name("学习率2"));
    assert_false(parse_is_name("1lr") || parse_is_name("") || parse_is_name("a b") || parse_is_name("a/b") ||
                 parse_is_name("-x"));
    assert_false(parse_is_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_true(parse_is_name("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
}

static void test_near(void **state) {
    (void)state;
    assert_int_equal(near_distance("stop", "stop"), 0);
    assert_int_equal(near_distance("stpo", "stop"), 1);
    assert_int_equal(near_distance("STOP", "stop"), 0);
    assert_int_equal(near_distance("kitten", "sitting"), 3);
    assert_int_equal(near_distance("", "abc"), 3);
    assert_int_equal(near_distance("停止", "停"), 1);
    assert_string_equal(near_pinyin("tingzhi"), "停止");
    assert_string_equal(near_pinyin("KAISHI"), "开始");
    assert_string_equal(near_pinyin("zhuangtia"), "状态");
    assert_null(near_pinyin("hello"));
    struct near near;
    near_begin(&near, "停止8");
    near_try(&near, "停止");
    assert_string_equal(near.best, "停止");
    near_begin(&near, "xyzzy");
    near_try(&near, "stop");
    near_try(&near, "start");
    assert_null(near.best);
}

static void test_cut_at_characters(void **state) {
    (void)state;
    char text[8];
    struct words words;
    for (size_t size = 1; size <= sizeof text; size++) {
        words_init(&words, text, size);
        words_add(&words, "%s", "停止训练");
        assert_int_equal(words.length % 3, 0);
        assert_true(words.length < size && strlen(text) == words.length);
        assert_true(text_utf8_valid(text, words.length));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise), cmocka_unit_test(test_refused_bytes),     cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_windows),   cmocka_unit_test(test_assignments),       cmocka_unit_test(test_names),
        cmocka_unit_test(test_near),      cmocka_unit_test(test_cut_at_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
