/* test_settings.c: hyperparameters: defaults, ranges, the words of a refusal, texts that read back the same, and the
 * JSON that --describe prints of them. */
#include "describe.h"
#include "number.h"
#include "settings.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct model_info cnn = {.name = "cnn",
                                      .lr = 0.001,
                                      .batch = 128,
                                      .samples = 200000,
                                      .dropout = 0.25,
                                      .has_dropout = true,
                                      .augment = true,
                                      .validation = 0.1,
                                      .weight_decay = 1e-4,
                                      .optimiser = OPTIMISER_ADAM};
static const struct model_info gan = {
    .name = "gan", .task = TASK_ADVERSARIAL, .samples_images = true, .lr = 0.0002, .batch = 64, .samples = 1000};
static const struct model_info plain = {.name = "softmax", .lr = 0.01, .batch = 100, .samples = 1000};

static struct settings settings;
static struct tb_param params[SETTINGS_MAX];
static size_t count;

static int fresh(void **state) {
    (void)state;
    settings_default(&settings, &cnn, false);
    count = settings_declare(&settings, &cnn, 60000, params);
    return 0;
}

static void good(const char *name, const char *text) {
    char error[APP_ERROR_SIZE] = "";
    if (settings_set(&settings, params, count, name, text, error) != 0) fail_msg("%s=%s: %s", name, text, error);
}

static void bad(const char *name, const char *text, const char *expected) {
    char error[APP_ERROR_SIZE] = "";
    struct settings before = settings;
    if (settings_set(&settings, params, count, name, text, error) == 0) fail_msg("accepted: %s=%s", name, text);
    assert_memory_equal(&before, &settings, sizeof settings);
    if (strstr(error, expected) == NULL) fail_msg("\"%s\" does not say \"%s\"", error, expected);
    assert_null(strchr(error, '\n'));
}

static void defaults(void **state) {
    (void)state;
    assert_true(settings.lr == 0.001 && settings.dropout == 0.25);
    assert_int_equal(settings.ti, 200000);
    assert_int_equal(settings.bs, 128);
    assert_int_equal(settings.ds, 10);
    assert_int_equal(settings.nan, NAN_PAUSE);
    assert_true(settings.validation == 0.1 && settings.augment == 1 && settings.weight_decay == 1e-4);
    assert_int_equal(settings.schedule, SCHEDULE_CONSTANT);
    assert_false(settings.epochs || settings.patience || settings.keep_best || settings.show_every);
    settings_default(&settings, &cnn, true);
    assert_true(settings.dropout == 0 && settings.validation == 0 && settings.augment == 0);
    assert_int_equal(settings.bs, 64);
    for (size_t i = 0; i < settings_declare(&settings, &plain, 60000, params); i++)
        assert_true(strcmp(params[i].name, "dropout") != 0 && strcmp(params[i].name, "show_every") != 0);
    for (size_t i = 0; i < settings_declare(&settings, &gan, 60000, params); i++)
        assert_true(strcmp(params[i].name, "validation") != 0 &&
                    strcmp(params[i].name, "patience") != 0); /* their losses measure no quality */
}

static void schedules(void **state) {
    (void)state;
    assert_false(schedule_moves(&(struct schedule){.gamma = 0.1}));
    good("schedule", "step");
    good("lr_step", "30");
    good("lr_gamma", "0.5");
    good("warmup", "7");
    struct schedule schedule = settings_schedule(&settings);
    assert_true(schedule.kind == SCHEDULE_STEP && schedule.every == 30 && schedule.gamma == 0.5 &&
                schedule.warmup == 7);
    assert_true(schedule_moves(&schedule));
}

static void accepted(void **state) {
    (void)state;
    good("lr", "1");
    assert_true(settings.lr == 1);
    good("lr", "1e-9");
    good("ti", "1e12");
    assert_int_equal(settings.ti, 1000000000000);
    good("bs", "60000");
    good("dropout", "0");
    good("nan", "ignore");
    assert_int_equal(settings.nan, NAN_IGNORE);
    good("keep_best", "yes");
    assert_int_equal(settings.keep_best, 1);
    good("keep_best", "false");
    assert_int_equal(settings.keep_best, 0);
    good("optimiser", "sgd");
    assert_int_equal(settings.optimiser, OPTIMISER_SGD);
    good("seed", "9007199254740991");
    assert_int_equal(settings.seed, 9007199254740991);
}

static void refused(void **state) {
    (void)state;
    bad("lr", "-1", "lr must be a number in (0, 1], not \"-1\"");
    bad("lr", "abc", "not \"abc\"");
    bad("lr", "0", "(0, 1]");
    bad("lr", "nan", "(0, 1]");
    bad("bs", "0", "bs must be a whole number between 1 and 60,000");
    bad("bs", "60001", "60,000");
    bad("bs", "1.5", "whole number");
    bad("ti", "1e99", "ti must be a whole number between 1 and 1,000,000,000,000");
    bad("ti", "", "ti must be");
    bad("dropout", "1", "[0, 0.99]");
    bad("nan", "explode", "one of pause|stop|ignore");
    bad("nan", "", "one of");
    bad("nan", "pause|stop", "one of");
    bad("augment", "maybe", "augment must be true or false, not \"maybe\"");
    bad("validation", "0.6", "[0, 0.5]");
    bad("schedule", "linear", "constant|step|cosine");
    bad("lr_step", "0", "between 1 and");
    bad("speed", "3", "no parameter \"speed\"; there are lr ti bs ds dropout");
}

static void texts_read_back(void **state) {
    (void)state;
    good("lr", "0.1234567890123456789");
    good("nan", "stop");
    good("ti", "123456789012");
    good("keep_best", "true");
    good("schedule", "cosine");
    struct settings copy;
    settings_default(&copy, &plain, true);
    for (size_t i = 0; i < count; i++) {
        char text[40], error[APP_ERROR_SIZE];
        settings_text(&settings, &params[i], text, sizeof text);
        assert_int_equal(settings_set(&copy, params, count, params[i].name, text, error), 0);
    }
    assert_memory_equal(&copy, &settings, sizeof copy);
    settings_put(&copy, "lr", TB_FLOAT, 0.5, NULL);
    settings_put(&copy, "nan", TB_ENUM, 0, "ignore");
    settings_put(&copy, "nan", TB_ENUM, 0, "nosuch");
    settings_put(&copy, "bs", TB_INT, 7, NULL);
    assert_true(copy.lr == 0.5 && copy.nan == NAN_IGNORE && copy.bs == 7);
}

static void described(void **state) {
    (void)state;
    const struct tb_command command = {.name = "recognize", .args = "[N]", .help = "predicts"};
    char *text = describe(params, count, &command, 1);
    assert_non_null(text);
    assert_null(strchr(text, '\n'));
    cJSON *root = cJSON_Parse(text);
    assert_non_null(root);
    cJSON *list = cJSON_GetObjectItem(root, "params");
    assert_int_equal(cJSON_GetArraySize(list), count);
    cJSON *lr = cJSON_GetArrayItem(list, 0);
    assert_string_equal(cJSON_GetObjectItem(lr, "name")->valuestring, "lr");
    assert_string_equal(cJSON_GetObjectItem(lr, "type")->valuestring, "float");
    assert_true(cJSON_GetObjectItem(lr, "value")->valuedouble == 0.001);
    assert_true(cJSON_GetObjectItem(lr, "max")->valuedouble == 1);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(lr, "min_open")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(lr, "live")));
    bool seen = false;
    cJSON *param;
    cJSON_ArrayForEach(param, list) {
        if (strcmp(cJSON_GetObjectItem(param, "name")->valuestring, "nan") != 0) continue;
        seen = true;
        assert_string_equal(cJSON_GetObjectItem(param, "value")->valuestring, "pause");
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(param, "choices")), 3);
        assert_null(cJSON_GetObjectItem(param, "min"));
    }
    assert_true(seen);
    assert_non_null(strstr(text, "\"max\":9007199254740991")); /* not rounded */
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "commands")), 1);
    cJSON_Delete(root);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(defaults, fresh),        cmocka_unit_test_setup(accepted, fresh),
        cmocka_unit_test_setup(schedules, fresh),       cmocka_unit_test_setup(refused, fresh),
        cmocka_unit_test_setup(texts_read_back, fresh), cmocka_unit_test_setup(described, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
