/* The account file: private, whole or not there, never read where others could have; what was replaced stays known. */
#include "weixin_account.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64], path[128], why[300];

static int setup(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test-weixin-XXXXXX");
    if (!mkdtemp(dir)) return -1;
    snprintf(path, sizeof path, "%s/weixin/account.json", dir);
    return 0;
}
static int teardown(void **state) {
    char command[200];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static void save(const char *bot, const char *token) {
    struct weixin_account account = {.saved_ms = 1790000000000};
    assert_int_equal(secret_set(&account.token, token, strlen(token)), TB_OK);
    snprintf(account.bot_id, sizeof account.bot_id, "%s", bot);
    snprintf(account.user_id, sizeof account.user_id, "o9Ab@im.wechat");
    snprintf(account.base_url, sizeof account.base_url, "https://ilinkai.weixin.qq.com");
    if (weixin_account_save(dir, &account, why, sizeof why) < 0) fail_msg("%s", why);
    weixin_account_clear(&account);
}

static void assert_tokens(size_t count, const char *const *tokens) {
    struct weixin_account accounts[WEIXIN_TOKENS_MAX];
    size_t found = weixin_accounts(dir, accounts);
    assert_int_equal(found, count);
    for (size_t i = 0; i < found; i++) {
        assert_string_equal(secret_reveal(&accounts[i].token), tokens[i]);
        weixin_account_clear(&accounts[i]);
    }
}

static size_t files(void) {
    char folder[100];
    snprintf(folder, sizeof folder, "%s/weixin", dir);
    size_t count = 0;
    DIR *stream = opendir(folder);
    assert_non_null(stream);
    for (struct dirent *entry; (entry = readdir(stream));)
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

static void test_round_trip(void **state) {
    struct weixin_account account;
    struct stat info;
    (void)state;
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_ENOTFOUND);
    save("0a@im.bot", "0a@im.bot:first");
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    char folder[100];
    snprintf(folder, sizeof folder, "%s/weixin", dir);
    assert_int_equal(stat(folder, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    assert_int_equal(files(), 1); /* nothing is left beside it */
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_OK);
    assert_string_equal(account.bot_id, "0a@im.bot");
    assert_string_equal(account.user_id, "o9Ab@im.wechat");
    assert_string_equal(account.base_url, "https://ilinkai.weixin.qq.com");
    assert_int_equal(account.saved_ms, 1790000000000);
    assert_string_equal(secret_reveal(&account.token), "0a@im.bot:first");
    weixin_account_clear(&account);
    assert_string_equal(secret_reveal(&account.token), "");
}

static void test_old_ones(void **state) {
    (void)state;
    save("0a@im.bot", "a1");
    save("0a@im.bot", "a2"); /* the same bot again: its old token is dead */
    assert_tokens(1, (const char *const[]){"a2"});
    save("0b@im.bot", "b1");
    save("0c@im.bot", "c1");
    assert_tokens(3, (const char *const[]){"c1", "b1", "a2"});
    assert_int_equal(weixin_account_forget(dir, why, sizeof why), TB_OK);
    assert_int_equal(access(path, F_OK), -1);
    assert_tokens(3, (const char *const[]){"c1", "b1", "a2"});
    assert_int_equal(weixin_account_forget(dir, why, sizeof why), TB_OK); /* nobody is logged in: fine */
    save("0b@im.bot", "b2");
    assert_tokens(3, (const char *const[]){"b2", "c1", "a2"});
    char bot[32], token[32];
    for (int i = 0; i < 15; i++) {
        snprintf(bot, sizeof bot, "n%d@im.bot", i);
        snprintf(token, sizeof token, "n%d", i);
        save(bot, token);
    }
    assert_tokens(10, (const char *const[]){"n14", "n13", "n12", "n11", "n10", "n9", "n8", "n7", "n6", "n5"});
    struct stat info;
    snprintf(path, sizeof path, "%s/weixin/old.json", dir);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
}

static void put(const char *bytes, mode_t mode) {
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(bytes, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void test_refused(void **state) {
    static const struct {
        const char *bytes;
        int status;
        const char *why;
    } rows[] = {
        {"", TB_EINVAL, "empty"},
        {"{}", TB_EINVAL, "bot_token: missing"},
        {"{\"bot_token\":\"SECRETTOKEN\"}", TB_EINVAL, "ilink_bot_id: missing"},
        {"{\"bot_token\":\"SECRET TOKEN\",\"ilink_bot_id\":\"a\"}", TB_EINVAL, "bot_token: bytes"},
        {"{\"bot_token\":7,\"ilink_bot_id\":\"a\"}", TB_EINVAL, "bot_token: not text"},
        {"{\"bot_token\":\"SECRETTOKEN\",\"ilink_bot_id\":\"a\",\"saved_ms\":\"now\"}", TB_EINVAL, "saved_ms"},
        {"{\"bot_token\":\"SECRETTOKEN\",\"ilink_bot_id\":\"a\"", TB_EINVAL, "not JSON"}, /* half written */
    };
    struct weixin_account account = {.saved_ms = 7};
    (void)state;
    save("0a@im.bot", "a1");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put(rows[i].bytes, 0600);
        assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), rows[i].status);
        if (!strstr(why, rows[i].why) || !strstr(why, "account.json")) fail_msg("%s: %s", rows[i].bytes, why);
        assert_null(strstr(why, "SECRET"));
        assert_int_equal(account.saved_ms, 7); /* untouched */
    }
    put("{\"bot_token\":\"SECRETTOKEN\",\"ilink_bot_id\":\"a\"}", 0600);
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_OK);
    weixin_account_clear(&account);
    static const mode_t modes[] = {0640, 0604, 0660, 0601};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_EACCESS);
        assert_non_null(strstr(why, "chmod 600"));
    }
    assert_int_equal(unlink(path), 0); /* a link, a folder, a pipe in its place */
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_true(weixin_account_load(dir, &account, why, sizeof why) < 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(weixin_account_load(dir, &account, why, sizeof why), TB_EINVAL);
}

/* A reader at any moment sees the old account or the new one, never a part. */
static void test_atomic(void **state) {
    (void)state;
    save("0a@im.bot", "a0");
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 200; i++) {
            struct weixin_account account = {.saved_ms = i};
            char token[4000];
            memset(token, 'a' + i % 26, sizeof token - 1);
            token[i * 17 % 3000 + 100] = 0;
            if (secret_set(&account.token, token, strlen(token)) < 0) _exit(1);
            snprintf(account.bot_id, sizeof account.bot_id, "0a@im.bot");
            if (weixin_account_save(dir, &account, why, sizeof why) < 0) _exit(2);
            weixin_account_clear(&account);
        }
        _exit(0);
    }
    int reads = 0, status = 0, ended = 0;
    while (!ended) {
        ended = waitpid(child, &status, WNOHANG) == child;
        struct weixin_account account;
        if (weixin_account_load(dir, &account, why, sizeof why) < 0) fail_msg("read %d: %s", reads, why);
        const char *token = secret_reveal(&account.token);
        if (strcmp(token, "a0") != 0) assert_int_equal(strspn(token, (char[]){token[0], 0}), strlen(token));
        weixin_account_clear(&account);
        reads++;
    }
    assert_int_equal(status, 0);
    assert_true(reads > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_atomic, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
