/* The configuration reader: every error has its line, the sample names every key, and a value is taken as it stands. */
#include "config.h"
#include "config_table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define TRAINER "[trainer cnn]\ncommand=/bin/true\n"

/* Reads the text as the file x.conf; *ret_said is what was complained of. NULL: it was. */
static struct config *read_text(const char *text, size_t size, char **ret_said, int *ret_errors) {
    size_t said_size = 0;
    struct config_report report = {.out = open_memstream(ret_said, &said_size)};
    struct config *config = config_create();
    assert_non_null(config);
    config_read(config, "x.conf", text, size, &report);
    config_finish(config, &report);
    fclose(report.out);
    *ret_errors = report.errors;
    if (!report.errors) return config;
    config_free(config);
    return NULL;
}

static struct config *good(const char *text) {
    char *said = NULL;
    int errors = 0;
    struct config *config = read_text(text, strlen(text), &said, &errors);
    if (!config) fail_msg("%s", said);
    assert_string_equal(said, "");
    free(said);
    return config;
}

static void test_errors(void **state) {
    static const struct {
        const char *text, *line; /* the whole complaint begins with it */
        const char *right;       /* and says what would be right */
    } rows[] = {
        {"[bot]\nlanguag=zh\n" TRAINER, "x.conf:2: [bot] languag: there is no such key", "language"},
        {"[trainer cnn]\ncommand=/bin/true\nport=1\n", "x.conf:3: [trainer cnn] port: there is no such key",
         "resume_args"},
        {"[bots]\nx=1\n" TRAINER, "x.conf:1: [bots]: there is no such section", "trainer NAME"},
        {"[channel telegraph]\nx=1\n" TRAINER, "x.conf:1: [channel telegraph]: there is no channel", "web"},
        {"[trainer a/b]\n" TRAINER, "x.conf:1: [trainer a/b]: \"a/b\" is not right", "letters"},
        {"[trainer ]\n" TRAINER, "x.conf:1: [trainer]: there is no such section", "trainer NAME"},
        {"[bot\nlanguage=zh\n" TRAINER, "x.conf:1: [bot: not a section", "[trainer cnn]"},
        {"[]\n" TRAINER, "x.conf:1: []: not a section", "[bot]"},
        {"language=zh\n" TRAINER, "x.conf:1: language: before the first [section]", ""},
        {"[bot]\nlanguage\n" TRAINER, "x.conf:2: \"language\": not key=value", "#"},
        {"[bot]\nlanguage=zh\nlanguage=zh\n" TRAINER, "x.conf:3: [bot] language: a second time", ""},
        {"[bot]\nlanguage=zh\n" TRAINER "[bot]\nlanguage=en\n", "x.conf:6: [bot] language: a second time", ""},
        {"[bot]\nlanguage=fr\n" TRAINER, "x.conf:2: [bot] language: \"fr\" is not right", "zh or en"},
        {"[bot]\nprogress_style=long\n" TRAINER, "x.conf:2: [bot] progress_style: \"long\" is not right", "classic"},
        {"[bot]\nmax_running=0\n" TRAINER, "x.conf:2: [bot] max_running: \"0\" is not right", "from 1 to 1000"},
        {"[bot]\nmax_running=1001\n" TRAINER, "x.conf:2: [bot] max_running: \"1001\"", "from 1 to 1000"},
        {"[bot]\nmax_running=1e2\n" TRAINER, "x.conf:2: [bot] max_running: \"1e2\"", "whole number"},
        {"[bot]\nmax_running=99999999999999999999\n" TRAINER, "x.conf:2: [bot] max_running: ", "from 1 to 1000"},
        {"[bot]\ntrainer_uids=1000,-1\n" TRAINER, "x.conf:2: [bot] trainer_uids: \"-1\"", "1000,1001"},
        {"[bot]\ntrainer_uids=4294967296\n" TRAINER, "x.conf:2: [bot] trainer_uids: ", "user ids"},
        {"[bot]\ntimezone=Nowhere/Else\n" TRAINER, "x.conf:2: [bot] timezone: ", "Asia/Shanghai"},
        {"[bot]\ntimezone=../../etc/passwd\n" TRAINER, "x.conf:2: [bot] timezone: ", "Asia/Shanghai"},
        {"[bot]\ndefault_trainer=a b\n" TRAINER, "x.conf:2: [bot] default_trainer: ", "letters"},
        {"[bot]\ndefault_trainer=mlp\n" TRAINER, "[bot] default_trainer: there is no [trainer mlp]", "[trainer cnn]"},
        {"[channel web]\nenabled=maybe\n" TRAINER, "x.conf:2: [channel web] enabled: \"maybe\"", "true or false"},
        {"[channel web]\nlisten=127.0.0.1\n" TRAINER, "x.conf:2: [channel web] listen: ", "127.0.0.1:8080"},
        {"[channel web]\nlisten=:8080\n" TRAINER, "x.conf:2: [channel web] listen: ", "127.0.0.1:8080"},
        {"[channel web]\nlisten=127.0.0.1:\n" TRAINER, "x.conf:2: [channel web] listen: ", "127.0.0.1:8080"},
        {"[channel web]\nlisten=127.0.0.1:65536\n" TRAINER, "x.conf:2: [channel web] listen: ", "65535"},
        {"[channel web]\nlisten=127.0.0.1:-1\n" TRAINER, "x.conf:2: [channel web] listen: ", "address:port"},
        {"[channel web]\ntls_cert=/etc/passwd\n" TRAINER, "[channel web] tls_key: missing beside tls_cert", ""},
        {"[channel web]\ntls_key=/etc/passwd\n" TRAINER, "[channel web] tls_cert: missing beside tls_key", ""},
        {"[channel web]\ntrainer_token_file=/nowhere\n" TRAINER,
         "[channel web] trainer_token_file: /nowhere: ", "No such file"},
        {"[channel web]\ntoken_file=/etc/passwd\n" TRAINER,
         "x.conf:2: [channel web] token_file: /etc/passwd can be read by others", "chmod 600"},
        {"[channel web]\ntoken_file=/tmp\n" TRAINER, "x.conf:2: [channel web] token_file: ", "plain file"},
        {"[channel weixin]\nbase_url=http://ilinkai.weixin.qq.com\n" TRAINER, "[channel weixin] base_url: ", "https"},
        {"[channel weixin]\nbase_url=https://weixin.qq.com.example.org\n" TRAINER,
         "[channel weixin] base_url: ", "weixin.qq.com"},
        {"[channel weixin]\ncdn_base_url=ftp://x\n" TRAINER, "[channel weixin] cdn_base_url: ", "https"},
        {"[channel weixin]\nbase_url=wss://ilinkai.weixin.qq.com\n" TRAINER, "[channel weixin] base_url: ", "https"},
        {"[channel weixin]\nbudget=0\n" TRAINER, "x.conf:2: [channel weixin] budget: ", "from 1 to 1000"},
        {"[channel weixin]\nbudget=3\nreserve=3\n" TRAINER, "[channel weixin] reserve: ", "less than budget"},
        {"[channel weixin]\nreport_every=5\n" TRAINER, "x.conf:2: [channel weixin] report_every: ", "30m"},
        {"[channel weixin]\nreport_every=5x\n" TRAINER, "x.conf:2: [channel weixin] report_every: ", "30m"},
        {"[channel weixin]\nreport_every=99d\n" TRAINER, "x.conf:2: [channel weixin] report_every: ", "7d"},
        {"[channel weixin]\nca_file=/nowhere\n" TRAINER, "[channel weixin] ca_file: /nowhere: ", "No such file"},
        {"[channel wecom]\nenabled=true\nsecret_file=/dev/null/x\nbot_id=a\n" TRAINER,
         "[channel wecom] secret_file: /dev/null/x: ", "Not a directory"},
        {"[channel wecom]\nbot_id=a\n" TRAINER, "[channel wecom] secret_file: missing", "chmod 600"},
        {"[channel wecom]\nenabled=perhaps\n" TRAINER, "x.conf:2: [channel wecom] enabled: ", "auto"},
        {"[channel wecom]\nurl=https://openws.work.weixin.qq.com\n" TRAINER, "[channel wecom] url: ", "wss://"},
        {"[channel wecom]\nurl=ws://10.0.0.1\n" TRAINER, "[channel wecom] url: ", "wss"},
        {"[channel telegram]\nenabled=true\n" TRAINER, "[channel telegram] token_file: missing", "@BotFather"},
        {"[channel telegram]\ntoken_file=/etc/passwd\n" TRAINER,
         "x.conf:2: [channel telegram] token_file: /etc/passwd can be read by others", "chmod 600"},
        {"[channel telegram]\nbase_url=http://10.0.0.1:8081\n" TRAINER, "[channel telegram] base_url: ", "https"},
        {"[access]\nowner=weixin\n" TRAINER, "x.conf:2: [access] owner: \"weixin\"", "telegram:123456"},
        {"[access]\nowner=:x\n" TRAINER, "x.conf:2: [access] owner: ", "channel:id"},
        {"[access]\nviewers=a:1,b\n" TRAINER, "x.conf:2: [access] viewers: \"b\"", "channel:id"},
        {"[person anna]\nchannels=web\n" TRAINER, "x.conf:2: [person anna] channels: ", "channel:id"},
        {"[person anna]\nrole=owner\n" TRAINER, "x.conf:2: [person anna] role: there is no such key", "channels"},
        {"[trainer cnn]\nlauncher=local\n", "[trainer cnn] command: missing", "python3"},
        {"[trainer cnn]\ncommand=\n", "[trainer cnn] command: missing", "python3"},
        {"[trainer cnn]\ncommand=/bin/true \"open\n", "x.conf:2: [trainer cnn] command: ", ""},
        {"[trainer cnn]\ncommand=/bin/true {no-such}\n", "[trainer cnn] command: ", "no-such"},
        {"[trainer cnn]\ncommand=/bin/true\nresume_args=--from {check\n", "[trainer cnn] resume_args: ", ""},
        {TRAINER "describe='\n", "x.conf:3: [trainer cnn] describe: ", ""},
        {TRAINER "stop_timeout_s=0\n", "x.conf:3: [trainer cnn] stop_timeout_s: ", "from 1 to 86400"},
        {TRAINER "launcher=cloud\n", "x.conf:3: [trainer cnn] launcher: ", "local"},
        {TRAINER "env.=x\n", "x.conf:3: [trainer cnn] env.: ", "env.NAME=value"},
        {TRAINER "param.=x\n", "x.conf:3: [trainer cnn] param.: ", "param.NAME=value"},
        {TRAINER "param.mode=--force\n", "[trainer cnn] mode: a value that begins with -", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *said = NULL;
        int errors = 0;
        struct config *config = read_text(rows[i].text, strlen(rows[i].text), &said, &errors);
        if (config || strncmp(said, rows[i].line, strlen(rows[i].line)) != 0 || !strstr(said, rows[i].right))
            fail_msg("%s\nshould say: %s … %s\nsays: %s", rows[i].text, rows[i].line, rows[i].right, said);
        assert_int_equal(errors, 1); /* one clear line, no more */
        assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
        free(said);
    }
}

static void test_all_errors_at_once(void **state) {
    char *said = NULL;
    int errors = 0;
    static const char text[] = "[bot]\nx=1\nlanguage=fr\n[nowhere]\ny=1\nz=2\n[bot]\nmax_running=-1\n" TRAINER;
    (void)state;
    assert_null(read_text(text, sizeof text - 1, &said, &errors));
    assert_int_equal(errors, 4);
    free(said);
}

static void test_bytes(void **state) {
    char *said = NULL, *text = malloc(20000);
    int errors = 0;
    (void)state;
    assert_non_null(text);
    assert_null(read_text("[bot]\nlang\0uage=zh\n", 18, &said, &errors));
    assert_non_null(strstr(said, "x.conf:2: a zero byte"));
    free(said);
    memset(text, 'a', 20000);
    assert_null(read_text(text, 20000, &said, &errors));
    assert_non_null(strstr(said, "x.conf:1: a line has at most 16384 bytes"));
    assert_int_equal(errors, 1);
    free(said);
    text[0] = '#'; /* a comment may be as long as any line */
    text[16383] = '\n';
    assert_non_null(strcpy(text + 16384, TRAINER));
    config_free(good(text));
    free(text);
}

static void test_values(void **state) {
    (void)state;
    struct config *config = good(
        "\xef\xbb\xbf# comment\r\n; another\r\n[ bot ]\r\nlanguage = en \r\nmax_running=7\ntimezone=Asia/Shanghai\n"
        "trainer_uids=1000, 1001\nprogress_style=classic\nstate_dir=/x y/#z\n"
        "[channel web]\nenabled=off\nlisten=0.0.0.0:0\n[access]\nowner=weixin:a:b\n"
        "viewers=telegram:1 , wecom:2\n[person anna]\nchannels=web:token,console:0\n"
        "[trainer cnn]\ncommand=python3 'a b.py' --lr {lr} \"{{\"\nenv.PATH=a=b\nparam.lr=0.5\nparam.lr2=\n"
        "stop_timeout_s=5\ndirectory=\n[trainer 训练]\ncommand=/bin/true");
    const struct settings *settings = &config->settings;
    assert_int_equal(settings->language, LANG_EN);
    assert_int_equal(settings->max_running, 7);
    assert_int_equal(settings->trainer_uids_count, 2);
    assert_int_equal(settings->trainer_uids[1], 1001);
    assert_int_equal(settings->progress_style, STYLE_CLASSIC);
    assert_string_equal(settings->state_dir, "/x y/#z");
    assert_false(config->web.enabled);
    assert_true(config->console.enabled);
    assert_string_equal(config->web.listen, "0.0.0.0:0");
    assert_string_equal(config->web.token_file, "/x y/#z/web.token");
    assert_string_equal(settings->owner.channel, "weixin");
    assert_string_equal(settings->owner.id, "a:b");
    assert_int_equal(settings->viewers_count, 2);
    assert_string_equal(settings->viewers[1].id, "2");
    assert_int_equal(settings->persons[0].count, 2);
    const struct trainer_settings *cnn = settings_trainer(settings, "cnn");
    assert_string_equal(cnn->command[1], "a b.py");
    assert_string_equal(cnn->env[0].text, "a=b");
    assert_int_equal(cnn->params_count, 2);
    assert_string_equal(cnn->params[1].text, "");
    assert_int_equal(cnn->stop_timeout_s, 5);
    assert_null(cnn->directory);
    assert_null(cnn->resume_args);
    assert_non_null(settings_trainer(settings, "训练"));
    config_lan(config);
    assert_string_equal(config->web.listen, "0.0.0.0:0");
    config_free(config);
}

static void test_defaults(void **state) {
    (void)state;
    struct config *config = good(TRAINER "[bot]\nmax_running=\nlanguage=\n[channel web]\nlisten=\n");
    assert_int_equal(config->settings.max_running, 1);
    assert_int_equal(config->settings.language, LANG_ZH);
    assert_string_equal(config->settings.default_trainer, "cnn");
    assert_string_equal(config->web.listen, "127.0.0.1:8080");
    assert_int_equal(config->settings.trainers[0].stop_timeout_s, 60);
    assert_null(config->settings.timezone);
    assert_string_not_equal(config->settings.state_dir, "");
    config_free(config);
}

/* The chat services: off where nothing is named, their times in milliseconds, any loopback address as a base. */
static void test_services(void **state) {
    (void)state;
    struct config *config = good(TRAINER);
    assert_true(config->weixin.enabled);
    assert_int_equal(config->weixin.budget, 10);
    assert_int_equal(config->weixin.reserve, 3);
    assert_int_equal(config->weixin.report_every_ms, 0);
    assert_int_equal(config->wecom.enabled, SWITCH_OFF);
    assert_int_equal(config->telegram.enabled, SWITCH_OFF);
    assert_string_equal(config->telegram.base_url, "https://api.telegram.org");
    config_free(config);
    char secret[] = "/tmp/trainbot-secret-XXXXXX", text[1000];
    int fd = mkstemp(secret);
    assert_true(fd >= 0);
    close(fd);
    snprintf(text, sizeof text,
             TRAINER
             "[channel weixin]\nbase_url=http://127.0.0.1:9\ncdn_base_url=http://[::1]:9/c2c\nreport_every=30m\n"
             "[channel wecom]\nurl=ws://localhost:9\nbot_id=aib\nsecret_file=%s\nreport_every=90\n"
             "[channel telegram]\ntoken_file=%s\nbase_url=https://bots.example.org\nreport_every=1d\n",
             secret, secret);
    config = good(text);
    assert_int_equal(config->weixin.report_every_ms, 1800000);
    assert_int_equal(config->wecom.report_every_ms, 90000);
    assert_int_equal(config->wecom.enabled, SWITCH_ON);
    assert_int_equal(config->telegram.report_every_ms, 86400000);
    assert_int_equal(config->telegram.enabled, SWITCH_ON);
    config_free(config);
    unlink(secret);
}

static void test_set(void **state) {
    char *said = NULL;
    size_t size = 0;
    (void)state;
    struct config_report report = {.out = open_memstream(&said, &size)};
    struct config *config = config_create();
    config_read(config, "f", "[access]\nowner=a:b\nviewers=c:d\n[channel web]\nhosts=x\n", 53, &report);
    static const char *const words[] = {"bot.max_running=3",        "channel web.listen=0.0.0.0:1",
                                        "trainer cnn.param.lr=0.1", "trainer cnn.command=a b",
                                        "trainer cnn.env.A=b=c",    "access.owner=",
                                        "access.viewers=",          "channel web.hosts="};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        config_set(config, words[i], &report);
    assert_int_equal(report.errors, 0);
    assert_int_equal(config->settings.max_running, 3);
    assert_string_equal(config->settings.trainers[0].env[0].text, "b=c");
    assert_string_equal(config->settings.trainers[0].params[0].name, "lr");
    assert_null(config->settings.owner.channel); /* an empty value is the default again */
    assert_int_equal(config->settings.viewers_count, 0);
    assert_string_equal(config->web.hosts, "");
    static const char *const wrong[] = {"",        "bot",         "bot.max_running",  "max_running=3",
                                        "bot.x=1", "nowhere.x=1", "bot.max_running=x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        config_set(config, wrong[i], &report);
        assert_int_equal(report.errors, (int)i + 1);
    }
    fclose(report.out);
    assert_non_null(strstr(said, "--set: "));
    free(said);
    config_free(config);
}

static void test_load(void **state) {
    char path[] = "/tmp/trainbot-conf-XXXXXX", *said = NULL;
    size_t size = 0;
    (void)state;
    struct config_report report = {.out = open_memstream(&said, &size)};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_true(write(fd, TRAINER, strlen(TRAINER)) > 0);
    close(fd);
    char *sets[] = {(char *)(uintptr_t) "bot.language=en"};
    struct config *config = config_load(path, sets, 1, &report);
    assert_non_null(config);
    assert_int_equal(config->settings.language, LANG_EN);
    config_free(config);
    assert_null(config_load("/nowhere/at/all", NULL, 0, &report));
    assert_null(config_load("/tmp", NULL, 0, &report));
    assert_int_equal(report.errors, 2);
    fclose(report.out);
    assert_non_null(strstr(said, "/nowhere/at/all: No such file"));
    free(said);
    unlink(path);
}

/* The sample file: each key of the table, in its section, with its default. */
static void sample_has(const char *text, const char *section, const char *key, const char *standard) {
    char head[64], line[256];
    snprintf(head, sizeof head, "[%s", section);
    snprintf(line, sizeof line, "\n%s=", key);
    bool has_default = strncmp(section, "trainer", 7) != 0 && strcmp(section, "person") != 0;
    if (has_default) snprintf(line, sizeof line, "\n%s=%s\n", key, standard);
    for (const char *at = strstr(text, head); at; at = strstr(at + 1, head)) {
        const char *end = strstr(at + 1, "\n["), *found = strstr(at, line);
        if (found && (!end || found < end + 1)) return;
        snprintf(line, sizeof line, has_default ? "\n#%s=%s\n" : "\n#%s=", key, standard);
        found = strstr(at, line);
        if (found) return;
        snprintf(line, sizeof line, has_default ? "\n%s=%s\n" : "\n%s=", key, standard);
    }
    fail_msg("config/trainbot.conf does not name [%s] %s=%s", section, key, standard);
}

static void test_sample(void **state) {
    static char text[1 << 16];
    char path[1024];
    const char *source = getenv("TRAINBOT_SOURCE");
    (void)state;
    if (!source) skip();
    snprintf(path, sizeof path, "%s/config/trainbot.conf", source);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
#define HAS(section, key, type, field, standard, min, max, doc) sample_has(text, section, #key, standard);
    CONFIG_BOT(HAS)
    CONFIG_CONSOLE(HAS)
    CONFIG_WEB(HAS)
    CONFIG_WEIXIN(HAS)
    CONFIG_WECOM(HAS)
    CONFIG_TELEGRAM(HAS)
    CONFIG_ACCESS(HAS)
    CONFIG_PERSON(HAS)
    CONFIG_TRAINER(HAS)
    config_free(good(text));
}

static void test_printed_sample(void **state) {
    char *said = NULL;
    size_t size = 0;
    (void)state;
    FILE *out = open_memstream(&said, &size);
    config_print_sample(out);
    fclose(out);
    assert_non_null(strstr(said, "#max_running=1\n"));
    assert_non_null(strstr(said, "[trainer]"));
    free(said);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),         cmocka_unit_test(test_all_errors_at_once),
        cmocka_unit_test(test_bytes),          cmocka_unit_test(test_values),
        cmocka_unit_test(test_defaults),       cmocka_unit_test(test_set),
        cmocka_unit_test(test_load),           cmocka_unit_test(test_sample),
        cmocka_unit_test(test_printed_sample), cmocka_unit_test(test_services),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
