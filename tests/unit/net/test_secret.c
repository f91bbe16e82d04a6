/* Secrets: what is taken from a file and what is refused, and that none of it shows in a complaint. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "secret.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];
static struct secret secret;
static char why[256];

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/secret-XXXXXX");
    int fd = mkstemp(path); /* 0600 */
    if (fd < 0) return -1;
    close(fd);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    secret_clear(&secret);
    return unlink(path);
}

static int read_as(const char *text, size_t size) {
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    close(fd);
    why[0] = 0;
    return secret_read(&secret, path, why, sizeof why);
}

static void test_set(void **state) {
    (void)state;
    assert_false(secret_is_set(&secret));
    assert_string_equal(secret_reveal(&secret), "");
    assert_int_equal(secret_set(&secret, "abc\0def", 7), TB_OK);
    assert_true(secret_is_set(&secret));
    assert_memory_equal(secret_reveal(&secret), "abc\0def", 8);
    assert_int_equal(secret_set(&secret, secret_reveal(&secret) + 4, 3), TB_OK); /* out of itself */
    assert_string_equal(secret_reveal(&secret), "def");
    char *large = calloc(1, SECRET_MAX + 1);
    assert_int_equal(secret_set(&secret, large, SECRET_MAX + 1), TB_ERANGE);
    assert_string_equal(secret_reveal(&secret), "def"); /* untouched */
    assert_int_equal(secret_set(&secret, large, SECRET_MAX), TB_OK);
    free(large);
    assert_int_equal(secret_set(&secret, NULL, 0), TB_OK);
    assert_false(secret_is_set(&secret));
    secret_clear(&secret);
    secret_clear(NULL);
}

static void test_equals(void **state) {
    (void)state;
    assert_false(secret_equals(&secret, "", 0)); /* none equals nothing */
    assert_int_equal(secret_set(&secret, "token", 5), TB_OK);
    assert_true(secret_equals(&secret, "token", 5));
    assert_false(secret_equals(&secret, "tokem", 5));
    assert_false(secret_equals(&secret, "Token", 5));
    assert_false(secret_equals(&secret, "token\0", 6));
    assert_false(secret_equals(&secret, "toke", 4));
    assert_false(secret_equals(&secret, NULL, 0));
}

static void test_read(void **state) {
    (void)state;
    assert_int_equal(read_as("123:ABC-def", 11), TB_OK);
    assert_string_equal(secret_reveal(&secret), "123:ABC-def");
    assert_int_equal(read_as("\n \t two words\r\n\n", 16), TB_OK);
    assert_string_equal(secret_reveal(&secret), "two words");
    static const struct {
        const char *text;
        size_t size;
        int error;
    } bad[] = {{"", 0, TB_EINVAL},           {" \r\n\t", 4, TB_EINVAL},       {"hidden\nlines", 12, TB_EINVAL},
               {"hidd\0en", 7, TB_EINVAL},   {"hidden\0", 7, TB_EINVAL},      {"hid\tden", 7, TB_EINVAL},
               {"hidden\x7f", 7, TB_EINVAL}, {"hidden\xc3\xa9", 8, TB_EINVAL}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_as(bad[i].text, bad[i].size), bad[i].error);
        assert_non_null(strstr(why, path));
        assert_null(strstr(why, "hid"));
        assert_null(strchr(why, '\n'));
        assert_string_equal(secret_reveal(&secret), "two words"); /* untouched */
    }
}

static void test_read_sizes(void **state) {
    (void)state;
    size_t room = 10 * SECRET_MAX;
    char *text = malloc(room);
    memset(text, 'x', room);
    text[SECRET_MAX] = '\n';
    assert_int_equal(read_as(text, SECRET_MAX + 1), TB_OK);
    assert_int_equal(strlen(secret_reveal(&secret)), SECRET_MAX);
    text[SECRET_MAX] = 'x';
    assert_int_equal(read_as(text, SECRET_MAX + 1), TB_ERANGE);
    assert_int_equal(read_as(text, room), TB_ERANGE);
    memset(text + 10, ' ', room - 10);
    assert_int_equal(read_as(text, room), TB_ERANGE); /* who knows what comes behind that many blanks */
    free(text);
}

static void test_who_reads(void **state) {
    (void)state;
    static const mode_t open_to[] = {0640, 0604, 0620, 0601, 0666};
    for (size_t i = 0; i < sizeof open_to / sizeof *open_to; i++) {
        assert_int_equal(chmod(path, open_to[i]), 0);
        assert_int_equal(secret_read(&secret, path, why, sizeof why), TB_EACCESS);
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(secret_read(&secret, path, why, sizeof why), TB_EINVAL); /* empty */
    assert_int_equal(secret_read(&secret, "/tmp/no/such/file", why, sizeof why), TB_ENOTFOUND);
    assert_non_null(strstr(why, "/tmp/no/such/file"));
    assert_int_equal(secret_read(&secret, "/tmp", why, sizeof why), TB_EINVAL);
}

/* A FIFO without a writer must not hold the daemon. */
static void test_fifo(void **state) {
    (void)state;
    char fifo[80];
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(secret_read(&secret, fifo, why, sizeof why), TB_EINVAL);
    unlink(fifo);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_equals, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_read_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fifo, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
