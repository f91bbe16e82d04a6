/* Values: ranges before the first start, what reaches a live run, what waits for the next start. */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct scene *scene_of(void **state) {
    return *state;
}

/* Nothing has run: describe knows the ranges, and nothing starts. */
static void test_ranges_before_start(void **state) {
    struct scene *s = scene_of(state);
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"lr abc", "\"abc\" 不是数。lr 要在 (0, 1] 之间,例如:lr 0.0005"},
        {"lr -1", "lr 要在 (0, 1] 之间;现在是 0.001。"},
        {"lr 0", "lr 要在 (0, 1] 之间;现在是 0.001。"},
        {"lr nan", "\"nan\" 不是数。lr 要在 (0, 1] 之间,例如:lr 0.0005"},
        {"lr 0x1p-3", "\"0x1p-3\" 不是数。lr 要在 (0, 1] 之间,例如:lr 0.0005"},
        {"bs 0", "批量要在 1 到 60,000 之间;现在是 128。"},
        {"批量 0", "批量要在 1 到 60,000 之间;现在是 128。"},
        {"bs 1.5", "\"1.5\" 不是整数。批量要在 1 到 60,000 之间,例如:bs 128"},
        {"ti 1e99", "迭代要在 1 到 1,000,000,000,000 之间;现在是 200,000。"},
        {"ti 1e999", "迭代要在 1 到 1,000,000,000,000 之间;现在是 200,000。"},
        {"optimiser foo", "\"foo\" 不行。优化器可以是 adam | sgd,例如:optimiser adam"},
        {"note -rf", "note 的值不能以 - 开头。"},
        {"参数 lr=0.01 bs=0", "批量要在 1 到 60,000 之间;现在是 128。"},
        {"参数 lr=0.01 foo=1", "没有\"foo\"这个参数。有:lr ti bs ds dropout optimiser note"},
        {"参数 lr=0.01 drpout=0.1", "没有\"drpout\"这个参数。你是要\"dropout\"吗?"},
        {"lr 0.1 lr 0.2", "lr 写了两次。"},
        {"开始 cnn lr=abc", "\"abc\" 不是数。lr 要在 (0, 1] 之间,例如:开始 cnn lr=0.0005"},
        {"开始 cnn lr=-1", "lr 要在 (0, 1] 之间,例如:开始 cnn lr=0.0005"},
        {"开始 cnn bs=0", "批量要在 1 到 60,000 之间,例如:开始 cnn bs=128"},
        {"开始 lr=7", "lr 要在 (0, 1] 之间,例如:开始 cnn lr=0.0005"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(scene_say(s, rows[i].text), rows[i].want);
        assert_int_equal(s->done_calls, 1);
        assert_false(s->ok);
    }
    assert_int_equal(s->launches, 0);
    assert_int_equal(s->captures, 1); /* asked once, then known */
    char *kept = NULL;
    assert_int_equal(store_get(s->store, "default/cnn/lr", &kept), TB_ENOTFOUND);
}

static void test_seed_forms_live(void **state) {
    struct scene *s = scene_of(state);
    scene_run(s, "开始 cnn lr=0.01", 0.01);
    static const struct {
        const char *text, *name, *want;
        double old_value, new_value;
    } rows[] = {
        {"lr 0.0005", "lr", "#1 lr 0.01 → 0.0005,从第 412 步起生效。", 0.01, 0.0005},
        {"lr=0.002", "lr", "#1 lr 0.0005 → 0.002,从第 412 步起生效。", 0.0005, 0.002},
        {"学习率 0.004", "lr", "#1 lr 0.002 → 0.004,从第 412 步起生效。", 0.002, 0.004},
        {"lr x0.5", "lr", "#1 lr 0.004 → 0.002,从第 412 步起生效。", 0.004, 0.002},
        {"lr ×0.5", "lr", "#1 lr 0.002 → 0.001,从第 412 步起生效。", 0.002, 0.001},
        {"lr *0.1", "lr", "#1 lr 0.001 → 0.0001,从第 412 步起生效。", 0.001, 0.0001},
        {"ti 200000", "ti", "#1 迭代 100,000 → 200,000,从第 412 步起生效。", 100000, 200000},
        {"bs 128", "bs", "#1 批量 64 → 128,从第 412 步起生效。", 64, 128},
        {"ds 10", "ds", "#1 显示 20 → 10,从第 412 步起生效。", 20, 10},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(scene_say(s, rows[i].text), "");
        assert_int_equal(s->done_calls, 0);
        assert_int_equal(s->trainer.sets, i + 1);
        scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":412,\"old\":{\"%s\":%g},\"new\":{\"%s\":%g}",
                    s->trainer.id, rows[i].name, rows[i].old_value, rows[i].name, rows[i].new_value);
        assert_string_equal(s->last, rows[i].want);
        assert_int_equal(s->done_calls, 1);
        assert_true(s->ok);
    }
}

static void test_x_counts_from_the_last_asked(void **state) {
    struct scene *s = scene_of(state);
    scene_run(s, "开始 cnn lr=0.01", 0.01);
    scene_say(s, "lr x0.5");
    assert_true(s->trainer.lr == 0.005);
    scene_say(s, "lr x0.5"); /* the first is not answered yet */
    assert_true(s->trainer.lr == 0.0025);
}

static void test_next_start(void **state) {
    struct scene *s = scene_of(state);
    assert_string_equal(scene_say(s, "lr 0.0005"), "lr 0.001 → 0.0005,下次开始 cnn 时生效。");
    assert_true(s->ok);
    assert_string_equal(scene_say(s, "lr x0.5"), "lr 0.0005 → 0.00025,下次开始 cnn 时生效。");
    assert_string_equal(scene_say(s, "lr 5"), "lr 要在 (0, 1] 之间;现在是 0.00025。");
    assert_string_equal(scene_say(s, "optimiser sgd"), "优化器 adam → sgd,下次开始 cnn 时生效。");
    scene_say(s, "开始");
    assert_int_equal(s->launches, 1);
    assert_string_equal(s->argv, "train --model cnn --param lr=0.00025");
    const struct run *run = runs_find(s->bot, 1);
    assert_int_equal(run->start_params_count, 2);
}

static void test_not_live_waits(void **state) {
    struct scene *s = scene_of(state);
    scene_run(s, "开始", 0.001);
    assert_string_equal(scene_say(s, "optimiser sgd"), "优化器 adam → sgd:训练中不能改,下次开始时生效。");
}

static void test_mixed_waits_for_the_trainer(void **state) {
    struct scene *s = scene_of(state);
    scene_run(s, "开始", 0.001);
    scene_say(s, "参数 lr=0.01 optimiser=sgd");
    assert_string_equal(s->last, "");
    scene_frame(s, "\"type\":\"rejected\",\"id\":\"%s\",\"why\":\"not now\"", s->trainer.id);
    assert_string_equal(s->last, "#1 没有照做:not now。");
    assert_false(s->ok);
    char *kept = NULL;
    assert_int_equal(store_get(s->store, "default/cnn/optimiser", &kept), TB_ENOTFOUND); /* all or nothing */
    scene_say(s, "参数 lr=0.01 optimiser=sgd");
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":5,\"old\":{\"lr\":0.001},\"new\":{\"lr\":0.01}",
                s->trainer.id);
    assert_string_equal(s->last, "#1 lr 0.001 → 0.01,从第 5 步起生效。优化器 adam → sgd:训练中不能改,下次开始时生效。");
    assert_int_equal(store_get(s->store, "default/cnn/optimiser", &kept), TB_OK);
    assert_non_null(strstr(kept, " sgd"));
    free(kept);
    assert_int_equal(store_get(s->store, "default/cnn/lr", &kept), TB_OK);
    assert_non_null(strstr(kept, " 0.01"));
    free(kept);
}

static void test_ended_while_waiting(void **state) {
    struct scene *s = scene_of(state);
    scene_run(s, "开始", 0.001);
    scene_say(s, "lr 0.5");
    struct process_end end = {.exit_code = 1, .lines = {"bad"}, .lines_count = 1};
    runs_process_ended(s->bot, 1, &end);
    scene_pass(s, 5000);
    assert_int_equal(s->done_calls, 1);
    assert_false(s->ok);
    assert_non_null(strstr(s->last, "#1 失败,没有等到这条命令生效"));
}

static void test_params_list(void **state) {
    struct scene *s = scene_of(state);
    const char *text = scene_say(s, "参数");
    assert_non_null(strstr(
        text,
        "cnn · 参数(没有在运行)\nlr 0.001 · (0, 1],下一步生效\nti 200,000 · 迭代,1 到 1,000,000,000,000,下一步生效\n"));
    assert_non_null(strstr(text, "\noptimiser adam · 优化器,adam | sgd,下次开始生效"));
    text = scene_say(s, "params");
    assert_non_null(strstr(text, "\nbs 128 · batch, 1 to 60,000, from the next step"));
    scene_say(s, "lr 0.5");
    assert_non_null(strstr(scene_say(s, "参数"), "\n下次开始:lr 0.5"));
}

static void test_describe_fails(void **state) {
    struct scene *s = scene_of(state);
    scene_say_only(s, "开始 cnn", strlen("开始 cnn"));
    assert_int_equal(s->done_calls, 0);
    scene_describe(s, 2, "no train-images-idx3-ubyte[.gz] in the data folder /nowhere\n");
    assert_string_equal(s->last,
                        "cnn 没法启动(describe 退出码 2):no train-images-idx3-ubyte[.gz] in the data folder /nowhere");
    assert_int_equal(s->done_calls, 1);
    assert_false(s->ok);
    scene_say_only(s, "开始 cnn", strlen("开始 cnn"));
    scene_describe(s, 0, "{\"nonsense\":1}");
    assert_non_null(strstr(s->last, "describe 没有给出参数的 JSON"));
    assert_int_equal(s->launches, 0);
}

/* What an earlier life of the bot kept serves at once, and is asked anew once. */
static void test_described_over_restart(void **state) {
    struct scene *s = *state;
    scene_say(s, "lr abc");
    assert_int_equal(s->captures, 1);
    scene_restart(s);
    scene_say_only(s, "lr abc", strlen("lr abc"));
    assert_string_equal(s->last, "\"abc\" 不是数。lr 要在 (0, 1] 之间,例如:lr 0.0005");
    assert_int_equal(s->captures, 2);
    scene_describe(s, 0,
                   "{\"params\":[{\"name\":\"lr\",\"type\":\"float\",\"value\":1,\"min\":0,\"max\":9,\"live\":true},"
                   "{\"name\":\"seed\",\"type\":\"int\",\"value\":1,\"min\":0,\"max\":9007199254740991}]}");
    assert_string_equal(scene_say(s, "seed -1"), "seed 要在 0 到 9,007,199,254,740,991 之间;现在是 1。");
    assert_string_equal(scene_say(s, "lr 10"), "lr 要在 [0, 9] 之间;现在是 1。");
    assert_int_equal(s->captures, 2);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_ranges_before_start),
        TEST(test_seed_forms_live),
        TEST(test_x_counts_from_the_last_asked),
        TEST(test_next_start),
        TEST(test_not_live_waits),
        TEST(test_mixed_waits_for_the_trainer),
        TEST(test_ended_while_waiting),
        TEST(test_params_list),
        TEST(test_describe_fails),
        TEST(test_described_over_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
