/* The lines of the phone, to the letter, in both languages. */
#include "render.h"
#include "render_card.h"
#include "said.h"
#include "text.h"
#include "words.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char out[RENDER_MAX];

static void add_param(struct run *run, const char *name, enum wire_type type, double value) {
    run->params = realloc(run->params, (run->params_count + 1) * sizeof *run->params);
    assert_non_null(run->params);
    run->params[run->params_count++] = (struct run_param){.name = strdup(name),
                                                          .type = type,
                                                          .number = value,
                                                          .asked = value,
                                                          .live = true,
                                                          .has_min = true,
                                                          .has_max = true,
                                                          .max = 60000,
                                                          .min = 1};
}

static struct run_metric *add_metric(struct run *run, const char *name, double value, double before) {
    run->metrics = realloc(run->metrics, (run->metrics_count + 1) * sizeof *run->metrics);
    assert_non_null(run->metrics);
    run->metrics[run->metrics_count] =
        (struct run_metric){.name = strdup(name), .value = value, .before = before, .in_progress = true};
    return &run->metrics[run->metrics_count++];
}

static struct run *cnn(int64_t id) {
    struct run *run = run_create();
    assert_non_null(run);
    run->id = id;
    assert_int_equal(text_set(&run->name, "cnn"), 0);
    assert_int_equal(text_set(&run->trainer, "cnn"), 0);
    run->state = RUN_RUNNING;
    run->step = 970;
    run->total_steps = 1562;
    run->batch = 128;
    run->steps_per_s = 2140.0 / 128;
    add_param(run, "lr", WIRE_FLOAT, 0.001);
    add_param(run, "ds", WIRE_INT, 10);
    add_metric(run, "loss", 0.30211, 0.31869);
    add_metric(run, "acc", 0.890625, 0.875);
    return run;
}

static const char *say(const struct fact *fact, enum lang lang, enum progress_style style) {
    size_t length = render_fact(fact, lang, style, out, sizeof out);
    assert_int_equal(length, strlen(out));
    assert_true(text_utf8_valid(out, length));
    return out;
}

static void test_progress(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct fact fact = {.kind = FACT_PROGRESS, .run = run, .step = 970, .cpu_percent = -1};
    run->steps_per_s = 16.72; /* 2,140 samples/s; 592 steps take 35.4 s */
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD), "cnn #7 · 62 % · 准确率 0.8906 ↑\n"
                                                         "▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░ 970/1562 步\n"
                                                         "损失 0.3021(十步前 0.3187) · lr 0.001\n"
                                                         "2,140 样本/秒 · 还要 36 秒");
    assert_string_equal(say(&fact, LANG_EN, STYLE_CARD), "cnn #7 · 62 % · acc 0.8906 ↑\n"
                                                         "▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░ step 970/1562\n"
                                                         "loss 0.3021 (was 0.3187) · lr 0.001\n"
                                                         "2,140 samples/s · 36 s left");
    run->metrics[0].value = 0.302114;
    run->metrics[1].value = 0.89062;
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CLASSIC),
                        "Iter 124160, Minibatch Loss= 0.302114, Training Accuracy= 0.89062");
    run->total_steps = 0;
    run->metrics[1].before = NAN;
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD),
                        "cnn #7 · 第 970 步 · 准确率 0.8906\n损失 0.3021(十步前 0.3187) · lr 0.001\n2,140 样本/秒");
    run_free(run);
}

/* A schedule's rate is the one of now; a trainer that validates says how its last epoch went. */
static void test_epochs(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct fact fact = {.kind = FACT_PROGRESS, .run = run, .step = 970, .cpu_percent = -1};
    run->total_steps = 0;
    assert_non_null(run_metric_take(run, "lr", 0.00025, 970));
    run_metric_take(run, "val_loss", 0.5, 468);
    run->epoch = 2.07;
    assert_non_null(strstr(say(&fact, LANG_EN, STYLE_CARD), " · lr 0.00025\nval loss 0.5 · epoch 2"));
    run_metric_take(run, "val_acc", 0.8671, 468);
    run_metric_take(run, "val_acc", 0.8604, 936);
    assert_non_null(strstr(say(&fact, LANG_ZH, STYLE_CARD), " · lr 0.00025\n验证准确率 0.8604(最好 0.8671) · 第 2 轮"));
    assert_non_null(strstr(say(&fact, LANG_EN, STYLE_CARD), "val acc 0.8604 (best 0.8671) · epoch 2"));
    run->epoch = NAN;
    assert_null(strstr(say(&fact, LANG_EN, STYLE_CARD), "epoch"));
    run_free(run);
}

/* How long it is goes by the parameter that decides it, as it was just asked for. */
static void test_started(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct words words;
    words_init(&words, out, sizeof out);
    add_param(run, "epochs", WIRE_INT, 2);
    render_started(&words, run, 0, LANG_ZH);
    assert_non_null(strstr(out, ",共 2 轮"));
    run_param(run, "epochs")->number = 1;
    words_init(&words, out, sizeof out);
    render_started(&words, run, 0, LANG_EN);
    assert_non_null(strstr(out, ", 1 epoch,"));
    run_param(run, "epochs")->number = 0;
    add_param(run, "steps", WIRE_INT, 6000);
    add_param(run, "ti", WIRE_INT, 0);
    words_init(&words, out, sizeof out);
    render_started(&words, run, 0, LANG_EN);
    assert_non_null(strstr(out, ", 6,000 steps,"));
    run_free(run);
}

/* Infinite is not NaN, and a pond's energy has a name. */
static void test_infinite(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct fact fact = {.kind = FACT_NAN, .run = run, .step = 9, .number = NAN, .text = "energy", .cpu_percent = -1};
    run_metric_take(run, "energy", INFINITY, 9);
    assert_non_null(strstr(say(&fact, LANG_ZH, STYLE_CARD), "能量变成无穷大(第 9 步"));
    assert_non_null(strstr(say(&fact, LANG_EN, STYLE_CARD), "energy became infinite (step 9"));
    run_free(run);
}

static void test_alerts(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct process_end end = {
        .exit_code = -1, .signal = SIGKILL, .oom = true, .lines = {"one", "two", "three", "four"}, .lines_count = 4};
    run->params[0].number = 0.5;
    run->checkpoint_step = 800;
    assert_int_equal(text_set(&run->checkpoint, "/s/runs/7/checkpoints/step-800"), 0);
    struct fact fact = {
        .kind = FACT_NAN, .run = run, .step = 803, .text = "loss", .number = 2.31, .paused = true, .cpu_percent = -1};
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD),
                        "⚠ #7 损失变成 NaN(第 803 步,此前 2.31,lr 0.5)。训练已自己暂停;\"继续\"会回到第 800 "
                        "步的存档。建议先发:lr x0.1");
    fact = (struct fact){.kind = FACT_CRASHED, .run = run, .step = 1204, .end = &end, .cpu_percent = -1};
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD),
                        "⚠ #7 崩溃:内存不足,被内核杀掉(SIGKILL),第 1204 步。最后三行输出:\ntwo\nthree\nfour");
    end.oom = false;
    assert_string_equal(say(&fact, LANG_EN, STYLE_CARD),
                        "⚠ #7 crashed: SIGKILL, sender unknown, at step 1204. Last 3 output lines:\ntwo\nthree\nfour");
    end = (struct process_end){.exit_code = 1, .lines = {"bad"}, .lines_count = 1};
    run->id = 9;
    fact.step = 88;
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD), "⚠ #9 崩溃:退出码 1,第 88 步。最后一行输出:\nbad");
    run->id = 7;
    fact = (struct fact){
        .kind = FACT_STALLED, .run = run, .number = 31000, .number2 = 60, .process_alive = true, .cpu_percent = 0.2};
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD),
                        "⚠ #7 已 31 秒没有新的一步(平时 0.06 秒一步)。进程还在,CPU 0 %。");
    assert_string_equal(say(&fact, LANG_EN, STYLE_CARD),
                        "⚠ #7: no new step for 31 s (usually 0.06 s a step). The process is alive, CPU 0 %.");
    run_free(run);
}

static void test_finished(void **state) {
    (void)state;
    struct run *run = cnn(7);
    add_param(run, "ti", WIRE_INT, 200000);
    add_metric(run, "test_acc", 0.8934, NAN);
    add_metric(run, "test_images", 10000, NAN);
    run->step = run->total_steps;
    run->state = RUN_FINISHED;
    run->started_ms = 1000000;
    run->ended_ms = 1094000;
    struct fact fact = {.kind = FACT_FINISHED, .run = run, .step = run->step, .cpu_percent = -1};
    assert_string_equal(say(&fact, LANG_ZH, STYLE_CARD),
                        "✓ #7 完成:200,000 样本,用时 1 分 34 秒,测试准确率 0.8934(10,000 张)。");
    assert_string_equal(say(&fact, LANG_EN, STYLE_CARD),
                        "✓ #7 finished: 200,000 samples in 1 min 34 s, test acc 0.8934 (10,000 images).");
    run->metrics[2].value = 0.91234;
    assert_string_equal(say(&fact, LANG_EN, STYLE_CLASSIC), "Optimization Finished!\nTesting Accuracy: 0.91234");
    run_free(run);
}

static void test_outcomes(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct control control = {.kind = CONTROL_SET, .run = run};
    struct wire_named old = {"lr", {.type = WIRE_FLOAT, .number = 0.01}},
                      now = {"lr", {.type = WIRE_FLOAT, .number = 0.0005}};
    struct outcome outcome = {.kind = OUTCOME_APPLIED, .step = 412, .old_values = &old, .new_values = &now, .count = 1};
    render_outcome(&control, &outcome, LANG_ZH, out, sizeof out);
    assert_string_equal(out, "#7 lr 0.01 → 0.0005,从第 412 步起生效。");
    render_outcome(&control, &outcome, LANG_EN, out, sizeof out);
    assert_string_equal(out, "#7 lr 0.01 → 0.0005, from step 412 on.");
    run->metrics[1].value = 0.8712;
    outcome = (struct outcome){.kind = OUTCOME_STOPPED,
                               .step = 530,
                               .path = "/var/lib/trainbot/runs/7/checkpoints/step-530",
                               .bytes = 39300000};
    render_outcome(&control, &outcome, LANG_ZH, out, sizeof out);
    assert_string_equal(out, "#7 已停在第 530 步,准确率 0.8712。存档:runs/7/checkpoints/step-530(39.3 MB)。");
    outcome.path = "";
    render_outcome(&control, &outcome, LANG_ZH, out, sizeof out);
    assert_string_equal(out, "#7 已停在第 530 步,准确率 0.8712。没有存档。");
    outcome = (struct outcome){.kind = OUTCOME_REJECTED, .why = "no\nsuch"};
    render_outcome(&control, &outcome, LANG_EN, out, sizeof out);
    assert_string_equal(out, "#7 refused: no such.");
    outcome.why = "ti 60 leaves no step of 128 samples: 1,280 are seen already";
    render_outcome(&control, &outcome, LANG_ZH, out, sizeof out);
    assert_string_equal(out, "#7 没有照做:迭代 60 一步也不剩了:批量是 128,已经练了 1,280 个样本。");
    run_free(run);
}

static void test_said(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"cannot run /no/such: No such file or directory", "/no/such 运行不了:没有这个文件或目录"},
        {"cannot enter /a b: Not a directory", "进不了目录 /a b:不是目录"},
        {"step 3 failed: not enough memory for batches of 60000 samples; a smaller bs needs less",
         "第 3 步没有做成:内存装不下每批 60000 个样本,把 bs 调小"},
        {"lr 0.5 is the base; with the cosine schedule step 12 takes 0.4938",
         "lr 0.5 是基准;按余弦下降,第 12 步实际用 0.4938"},
        {"stopped early after epoch 7: no better validation loss for 2 epochs; the best was epoch 5 (0.5074)",
         "第 7 轮后提前停止:连续 2 轮验证损失没有变好,最好的是第 5 轮(0.5074)"},
        {"cannot save /x/step-5: No space left on device; the training goes on",
         "存不了 /x/step-5:磁盘满了。训练照常。"},
        {"checkpoint /x/step-5: corrupt: its checksum does not hold", "存档 /x/step-5:损坏了:校验不对"},
        {"trainbot-train: no data folder /d: No such file or directory",
         "trainbot-train: 没有数据目录 /d:没有这个文件或目录"},
        {"something else entirely", "something else entirely"},
        {"cannot run : x", "cannot run : x"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_string_equal(said_in(pairs[i][0], LANG_ZH, out, sizeof out), pairs[i][1]);
        assert_string_equal(said_in(pairs[i][0], LANG_EN, out, sizeof out), pairs[i][0]);
    }
    for (int error = 0; error > -20; error--) /* every error of ours has its Chinese */
        assert_true(error == 0 || (unsigned char)said_error(error, LANG_ZH)[0] >= 0x80);
    char small[8];
    said_in("cannot enter /a: Not a directory", LANG_ZH, small, sizeof small);
    assert_true(strlen(small) < sizeof small && text_utf8_valid(small, strlen(small)));
}

/* Every kind says something, in both languages, cut anywhere without breaking a character. */
static void test_every_kind(void **state) {
    (void)state;
    struct run *run = cnn(7);
    struct process_end end = {.exit_code = 2, .lines = {"坏\xff\x1b[31m行"}, .lines_count = 1};
    for (int kind = 0; kind < FACT_KINDS; kind++)
        for (int lang = LANG_ZH; lang <= LANG_EN; lang++) {
            struct fact fact = {.kind = (enum fact_kind)kind,
                                .run = run,
                                .step = 5,
                                .text = "文字",
                                .channel = "weixin",
                                .number = 1,
                                .number2 = 1,
                                .cpu_percent = -1,
                                .end = &end,
                                .from_step = 1,
                                .to_step = 2,
                                .dropped = 3};
            assert_true(strlen(say(&fact, (enum lang)lang, STYLE_CARD)) > 5);
            assert_null(strchr(out, '\x1b'));
            for (size_t size = 1; size < 60; size++) {
                char small[64];
                size_t length = render_fact(&fact, (enum lang)lang, STYLE_CARD, small, size);
                assert_true(length < size && text_utf8_valid(small, length));
            }
        }
    run_free(run);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *number, *exact;
    } rows[] = {
        {0.30211, "0.3021", "0.30211"},
        {2140.4, "2,140", "2140.4"},
        {1.2e-05, "1.2e-05", "1.2e-05"},
        {0, "0", "0"},
        {NAN, "NaN", "nan"},
        {INFINITY, "Inf", "inf"},
        {200000, "200,000", "200000"},
        {-1234567, "-1,234,567", "-1234567"},
        {0.001, "0.001", "0.001"},
        {0.1 + 0.2, "0.3", "0.30000000000000004"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        render_number(rows[i].value, out, sizeof out);
        assert_string_equal(out, rows[i].number);
        render_exact(rows[i].value, out, sizeof out);
        assert_string_equal(out, rows[i].exact);
    }
    static const struct {
        double seconds;
        const char *zh, *en;
    } durations[] = {
        {0.06, "0.06 秒", "0.06 s"},      {1.25, "1.2 秒", "1.2 s"},          {31, "31 秒", "31 s"},
        {94, "1 分 34 秒", "1 min 34 s"}, {7500, "2 小时 5 分", "2 h 5 min"}, {270000, "3 天 3 小时", "3 d 3 h"},
    };
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        render_duration(durations[i].seconds, LANG_ZH, out, sizeof out);
        assert_string_equal(out, durations[i].zh);
        render_duration(durations[i].seconds, LANG_EN, out, sizeof out);
        assert_string_equal(out, durations[i].en);
    }
    render_bytes(39300000, out, sizeof out);
    assert_string_equal(out, "39.3 MB");
    render_bytes(999, out, sizeof out);
    assert_string_equal(out, "999 bytes");
    render_bytes(999999999, out, sizeof out);
    assert_string_equal(out, "1.0 GB");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress), cmocka_unit_test(test_epochs),   cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_started),  cmocka_unit_test(test_infinite), cmocka_unit_test(test_finished),
        cmocka_unit_test(test_outcomes), cmocka_unit_test(test_said),     cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
