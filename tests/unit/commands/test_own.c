/* test_own.c: the commands that a trainer declares: called by either word, told the asker's language, open to viewers
 * where they only look, answered by an ended run's checkpoint, refused with what there is. */
#include "own.h"
#include "render.h"
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void answer(struct scene *s, const char *text) {
    scene_frame(s, "\"type\":\"result\",\"id\":\"%s\",\"text\":\"%s\",\"images\":[]", s->trainer.id, text);
}

static void finish_run(struct scene *s, int64_t run) {
    struct process_end end = {.exit_code = 0};
    scene_frame(s,
                "\"type\":\"event\",\"kind\":\"checkpoint\",\"path\":\"%s/runs/%lld/checkpoints/"
                "step-530\",\"step\":530,\"bytes\":39300000",
                s->dir, (long long)run);
    scene_frame(s, "\"type\":\"bye\",\"status\":\"stopped\"");
    runs_process_ended(s->bot, run, &end);
    scene_pass(s, 5000);
}

static void test_either_word(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    scene_say(s, "重建 4");
    assert_string_equal(s->trainer.call, "reconstructions 4 zh");
    answer(s, "4 张");
    assert_string_equal(s->last, "4 张");
    scene_say(s, "还原");
    assert_string_equal(s->trainer.call, "reconstructions zh");
    answer(s, "8 张");
    scene_say(s, "Reconstructions 3 #1");
    assert_string_equal(s->trainer.call, "reconstructions 3 en"); /* an English word is answered in English */
    answer(s, "3 images");
    scene_say(s, "重建 4 #1");
    assert_string_equal(s->trainer.call, "reconstructions 4 zh");
    answer(s, "4 张");
    const char *kept = scene_say(s, "结果");
    assert_non_null(strstr(kept, "· 重建 4\n4 张"));
    assert_non_null(strstr(kept, "· 重建 3\n3 images"));
    assert_non_null(strstr(scene_say(s, "results"), "· reconstructions 4\n4 张"));
    scene_say(s, "难例 16"); /* it did not say that it takes the language */
    assert_string_equal(s->trainer.call, "难例 16");
}

/* Who names the language has it; it is not said twice, which no trainer would understand. */
static void test_language_named(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    scene_say(s, "重建 4 en");
    assert_string_equal(s->trainer.call, "reconstructions 4 en");
    answer(s, "4 images");
    scene_say(s, "reconstructions zh");
    assert_string_equal(s->trainer.call, "reconstructions zh");
    answer(s, "8 张");
}

static void test_help_in_the_language(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    assert_non_null(strstr(scene_say(s, "帮助"), "\n这个训练自己的命令:难例 16 · 滤波器 · 重建 8"));
    assert_non_null(strstr(scene_say(s, "帮助 全部"), "\n重建 8 — 原图和网络还原的图"));
    assert_non_null(strstr(scene_say(s, "help"), " · reconstructions 8"));
    assert_non_null(strstr(scene_say(s, "help all"), "\nreconstructions 8 — originals and what comes back"));
    assert_null(strstr(s->last, "zh|en"));
}

static void test_roles(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    s->role = ROLE_VIEWER;
    scene_say(s, "重建 4");
    assert_string_equal(s->trainer.call, "reconstructions 4 zh");
    answer(s, "4 张");
    assert_true(s->ok);
    int calls = s->trainer.calls;
    scene_say(s, "难例 16"); /* whether that only looks, nobody said */
    assert_false(s->ok);
    assert_int_equal(s->trainer.calls, calls);
}

static void test_ended(void **state) {
    struct scene *s = *state;
    int64_t run = scene_run(s, "开始", 0.001);
    finish_run(s, run);
    scene_say(s, "重建 4");
    assert_int_equal(s->done_calls, 0);
    assert_non_null(strstr(s->argv, "step-530 --call reconstructions 4 zh"));
    scene_describe(s, 0, "4 张\n");
    assert_string_equal(s->last, "4 张");
    assert_true(s->ok);
    scene_say(s, "重建 x #1");
    scene_describe(s, 2, "trainbot-train: 张数要在 1 到 100 之间\n");
    assert_string_equal(s->last, "#1 没有做成(重建 x):trainbot-train: 张数要在 1 到 100 之间。");
    assert_false(s->ok);
}

/* A run of another model: what it has is said, and its program is not started in vain. */
static void test_other_model(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    struct run *run = runs_find(s->bot, 1);
    struct wire_command only[2] = {{.name = "recognize", .args = "[N]"},
                                   {.name = "confusion", .zh = "混淆||混淆矩阵", .reads = true}};
    struct wire_hello hello = {.instance = run->instance, .name = "cnn", .commands = only, .commands_count = 2};
    assert_int_equal(run_take_hello(run, &hello), 0);
    assert_string_equal(run->commands[1].zh[1], "混淆矩阵"); /* what is empty is no word */
    assert_null(run->commands[1].zh[2]);
    assert_string_equal(scene_say(s, "重建 4"), "没有\"重建\"这个命令。发\"帮助\"看有哪些。\n这个训练自己的命令:混淆");
    assert_false(s->ok);
    int captures = s->captures;
    finish_run(s, 1);
    assert_string_equal(scene_say(s, "重建 4 #1"), "#1(cnn)没有\"重建\"这个命令,它有:识别 [N] · 混淆。");
    scene_say(s, "reconstructions 4 #1");
    assert_string_equal(s->last, "#1 (cnn) has no command \"reconstructions\"; it has: recognize [N] · confusion.");
    assert_int_equal(s->captures, captures);
}

static void test_said(void **state) {
    (void)state;
    char *zh[] = {"重建", NULL};
    struct run_command command = {.name = "reconstructions", .args = "8 [zh|en]", .zh = zh};
    struct run run = {.commands = &command, .commands_count = 1};
    char out[100];
    assert_string_equal(own_said(&run, "reconstructions 4 en", LANG_ZH, out, sizeof out), "重建 4");
    assert_string_equal(own_said(&run, "reconstructions zh", LANG_EN, out, sizeof out), "reconstructions");
    assert_string_equal(own_said(NULL, "reconstructions 4 zh", LANG_ZH, out, sizeof out), "reconstructions 4 zh");
    assert_string_equal(own_said(NULL, "recognize 10 en", LANG_ZH, out, sizeof out), "识别 10");
    assert_string_equal(own_said(NULL, "show me\n\x1b[1m", LANG_EN, out, sizeof out), "show me  [1m");
    command.args = NULL;
    assert_string_equal(own_said(&run, "reconstructions 4 zh", LANG_EN, out, sizeof out), "reconstructions 4 zh");
    assert_null(own_find(&run, "还原"));
    assert_ptr_equal(own_find(&run, "RECONSTRUCTIONS"), &command);
    char long_line[5000];
    memset(long_line, 'x', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = 0;
    own_said(&run, long_line, LANG_ZH, out, sizeof out); /* cut, not broken */
    assert_true(strlen(out) < sizeof out);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_either_word), TEST(test_language_named), TEST(test_help_in_the_language), TEST(test_roles),
        TEST(test_ended),       TEST(test_other_model),    cmocka_unit_test(test_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
