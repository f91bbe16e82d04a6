/* Argument vectors: quotes, placeholders, refusals with their reasons. */
#include "argv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void joined(char *const *argv, char *text, size_t size) {
    *text = '\0';
    for (; *argv; argv++)
        snprintf(text + strlen(text), size - strlen(text), "[%s]", *argv);
}

static void expect_words(const char *text, const char *expected) {
    char **argv, got[400];
    assert_int_equal(argv_parse(text, &argv, NULL, 0), TB_OK);
    joined(argv, got, sizeof got);
    assert_string_equal(got, expected);
    argv_free(argv);
}

static void expect_refused(const char *text, int error, const char *expected) {
    char **argv = (char **)1, why[200] = "";
    assert_int_equal(argv_parse(text, &argv, why, sizeof why), error);
    assert_string_equal(why, expected);
    assert_ptr_equal(argv, (char **)1); /* untouched */
}

static void quotes(void **state) {
    (void)state;
    expect_words("a b\tc", "[a][b][c]");
    expect_words("  a  ", "[a]");
    expect_words("'a b' \"c d\" e\\ f", "[a b][c d][e f]");
    expect_words("a'b'\"c\"\\d", "[abcd]");
    expect_words("'' \"\"", "[][]");
    expect_words("'\\n' \"\\n\" \\n", "[\\n][\\n][n]");
    expect_words("\"\\\" \\\\ \\$ \\`\" '\"'", "[\" \\ $ `][\"]");
    expect_words("$HOME *.c ~ `ls` ; | > #x", "[$HOME][*.c][~][`ls`][;][|][>][#x]"); /* no shell */
    expect_words("python 训练.py", "[python][训练.py]");
    expect_refused("a 'b", TB_EINVAL, "the quote ' is not closed");
    expect_refused("\"b\\\"", TB_EINVAL, "the quote \" is not closed");
    expect_refused("b\\", TB_EINVAL, "a backslash at the end");
    expect_refused("  ", TB_EINVAL, "no command");
    expect_refused("a\xff", TB_EINVAL, "not valid UTF-8");
    expect_refused("\xed\xa0\x80", TB_EINVAL, "not valid UTF-8");
}

static void bounds(void **state) {
    (void)state;
    char *text = malloc(300000);
    assert_non_null(text);
    for (int i = 0; i < 1025; i++)
        memcpy(text + 2 * i, "a ", 3);
    expect_refused(text, TB_ERANGE, "too many or too long words");
    text[2 * 1024] = '\0';
    char **argv, **both;
    assert_int_equal(argv_parse(text, &argv, NULL, 0), TB_OK);
    assert_int_equal(argv_count(argv), 1024);
    assert_int_equal(argv_join(argv, argv, &both), TB_ERANGE);
    argv_free(argv);
    memset(text, 'x', 200000);
    text[200000] = '\0';
    expect_refused(text, TB_ERANGE, "too many or too long words");
    free(text);
}

static const char *look_up(void *user, const char *name) {
    (*(int *)user)++;
    if (!strcmp(name, "lr")) return "0.001";
    if (!strcmp(name, "run_dir")) return "/a dir/{lr}'";
    if (!strcmp(name, "空")) return "";
    return NULL;
}

static void expect_filled(const char *text, const char *expected) {
    char **argv, **filled, got[400];
    int asked = 0;
    assert_int_equal(argv_parse(text, &argv, NULL, 0), TB_OK);
    assert_int_equal(argv_fill(argv, look_up, &asked, &filled, NULL, 0), TB_OK);
    joined(filled, got, sizeof got);
    assert_string_equal(got, expected);
    argv_free(argv);
    argv_free(filled);
}

static void expect_unfilled(const char *word, const char *expected) {
    char *argv[] = {(char *)(uintptr_t)word, NULL}, **filled = NULL, why[200] = "";
    int asked = 0;
    assert_int_equal(argv_fill(argv, look_up, &asked, &filled, why, sizeof why), TB_EINVAL);
    assert_string_equal(why, expected);
    assert_null(filled);
}

static void placeholders(void **state) {
    (void)state;
    expect_filled("--lr={lr} {run_dir}", "[--lr=0.001][/a dir/{lr}']"); /* one word, not read again */
    expect_filled("{{lr}} {{{lr}}} x}}y", "[{lr}][{0.001}][x}y]");
    expect_filled("a {空} '{lr}'", "[a][][0.001]");
    expect_unfilled("{nosuch}", "unknown placeholder {nosuch}");
    expect_unfilled("{}", "a single { (a placeholder is {name}, a brace itself {{)");
    expect_unfilled("{lr", "a single { (a placeholder is {name}, a brace itself {{)");
    expect_unfilled("lr}", "a single } (write }})");
    char **none;
    int asked = 0;
    assert_int_equal(argv_fill(NULL, look_up, &asked, &none, NULL, 0), TB_OK);
    assert_int_equal(argv_count(none), 0);
    argv_free(none);
}

static void join(void **state) {
    (void)state;
    char *first[] = {(char *)(uintptr_t) "a", (char *)(uintptr_t) "b", NULL};
    char *second[] = {(char *)(uintptr_t) "", NULL}, **both, got[100];
    assert_int_equal(argv_join(first, second, &both), TB_OK);
    joined(both, got, sizeof got);
    assert_string_equal(got, "[a][b][]");
    argv_free(both);
    assert_int_equal(argv_join(NULL, NULL, &both), TB_OK);
    assert_int_equal(argv_count(both), 0);
    argv_free(both);
    assert_int_equal(argv_count(NULL), 0);
    argv_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(quotes), cmocka_unit_test(bounds),
                                       cmocka_unit_test(placeholders), cmocka_unit_test(join)};
    return cmocka_run_group_tests_name("argv", tests, NULL, NULL);
}
