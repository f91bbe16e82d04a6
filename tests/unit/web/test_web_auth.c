/*
 * test_web_auth.c: token files, cookies and the count of wrong tokens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "web_auth.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int set_up(void **state) {
    (void)state;
    strcpy(folder, "/tmp/web-auth-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    char command[100];
    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static void path_of(const char *name, char *path, size_t size) {
    snprintf(path, size, "%s/%s", folder, name);
}

static void write_file(const char *path, const char *text, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void makes_one(void **state) {
    char path[128], why[512];
    struct web_token first = {""}, second = {""};
    struct stat status;
    (void)state;
    path_of("made", path, sizeof(path));
    umask(0);
    assert_int_equal(web_token_load(path, true, &first, why, sizeof(why)), TB_OK);
    assert_int_equal(strlen(first.text), 43); /* 32 bytes in base64url */
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(web_token_load(path, true, &second, why, sizeof(why)), TB_OK);
    assert_string_equal(first.text, second.text);
    path_of("other", path, sizeof(path));
    assert_int_equal(web_token_load(path, true, &second, why, sizeof(why)), TB_OK);
    assert_string_not_equal(first.text, second.text);
}

static void refuses(void **state) {
    static const struct {
        const char *text;
        mode_t mode;
        int error;
    } rows[] = {
        {"0123456789abcdef\n", 0600, TB_OK},
        {"0123456789abcdef\r\n", 0400, TB_OK},
        {"0123456789abcdef\n", 0640, TB_EACCESS},
        {"0123456789abcdef\n", 0604, TB_EACCESS},
        {"", 0600, TB_EINVAL},
        {"short\n", 0600, TB_EINVAL},
        {"0123456789abcd ef\n", 0600, TB_EINVAL},
    };
    char path[128], why[512];
    struct web_token token = {""};
    (void)state;
    path_of("given", path, sizeof(path));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unlink(path);
        write_file(path, rows[i].text, rows[i].mode);
        assert_int_equal(web_token_load(path, true, &token, why, sizeof(why)), rows[i].error);
        if (rows[i].error) assert_non_null(strstr(why, "token_file="));
    }
    path_of("absent", path, sizeof(path));
    assert_int_equal(web_token_load(path, false, &token, why, sizeof(why)), TB_EIO);
    assert_int_equal(web_token_load(folder, true, &token, why, sizeof(why)), TB_EINVAL);
}

static void matches(void **state) {
    struct web_token token = {"0123456789abcdef"}, none = {""};
    (void)state;
    assert_true(web_token_matches(&token, "0123456789abcdef"));
    assert_false(web_token_matches(&token, "0123456789abcdeF"));
    assert_false(web_token_matches(&token, "0123456789abcde"));
    assert_false(web_token_matches(&token, ""));
    assert_false(web_token_matches(&none, ""));
}

static void sessions(void **state) {
    struct web_token token = {"0123456789abcdef"}, other = {"0123456789abcdeg"};
    char text[WEB_SESSION_SIZE], second[WEB_SESSION_SIZE], broken[WEB_SESSION_SIZE];
    const int64_t now = 1800000000, days = 86400;
    (void)state;
    assert_int_equal(web_session_make(&token, 3, now, text, sizeof(text)), TB_OK);
    assert_int_equal(web_session_make(&token, 3, now, second, sizeof(second)), TB_OK);
    assert_string_not_equal(text, second);
    assert_null(strstr(text, token.text));
    assert_true(web_session_valid(&token, 3, now, text));
    assert_true(web_session_valid(&token, 3, now + (WEB_SESSION_DAYS - 1) * days, text));
    assert_false(web_session_valid(&token, 3, now + (WEB_SESSION_DAYS + 1) * days, text));
    assert_false(web_session_valid(&token, 4, now, text));
    assert_false(web_session_valid(&other, 3, now, text));
    assert_false(web_session_valid(&token, 3, now, ""));
    assert_false(web_session_valid(&token, 3, now, "..."));
    for (size_t i = 0; text[i]; i++) {
        strcpy(broken, text);
        broken[i] = broken[i] == '1' ? '2' : '1';
        assert_false(web_session_valid(&token, 3, now, broken));
    }
}

static void wrong_tokens(void **state) {
    struct web_wrong wrong = {0};
    char peer[48];
    (void)state;
    for (int i = 0; i < WEB_WRONG_BURST; i++)
        assert_int_equal(web_wrong_count(&wrong, "10.0.0.1", 1000 + i), 0);
    assert_int_equal(web_wrong_count(&wrong, "10.0.0.1", 2000), 60);
    assert_int_equal(web_wrong_count(&wrong, "10.0.0.2", 2000), 0);
    assert_int_equal(web_wrong_count(&wrong, "10.0.0.1", 61001), 0);
    for (int i = 0; i < 1000; i++) { /* the table is bounded, and goes on */
        snprintf(peer, sizeof(peer), "10.1.%d.%d", i / 250, i % 250);
        assert_int_equal(web_wrong_count(&wrong, peer, 70000 + i), 0);
    }
}

static void base64url(void **state) {
    char text[16];
    (void)state;
    web_base64url((const uint8_t *)"\xfb\xff", 2, text, sizeof(text));
    assert_string_equal(text, "-_8");
    web_base64url((const uint8_t *)"Man", 3, text, sizeof(text));
    assert_string_equal(text, "TWFu");
    web_base64url((const uint8_t *)"M", 1, text, sizeof(text));
    assert_string_equal(text, "TQ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_one), cmocka_unit_test(refuses),      cmocka_unit_test(matches),
        cmocka_unit_test(sessions),  cmocka_unit_test(wrong_tokens), cmocka_unit_test(base64url),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
