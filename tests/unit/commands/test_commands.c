/* The commands of a training's life, as the person sees them: start, stop, look, curves, recognise, delete. */
#include "scene.h"
#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

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

static void test_phone_control(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_say(s, "停止"), "现在没有在运行的训练,也还没有训练过。发\"开始\"就开始。");
    assert_false(s->ok);
    scene_say(s, "开始 cnn lr=0.01");
    assert_int_equal(s->done_calls, 0);
    scene_hello(s, 1, "cnn", 0.01);
    assert_string_equal(s->last, "#1 cnn 已开始:lr 0.01,批量 128,共 200,000 样本,每 10 步报告。曲线:发\"曲线\"。");
    assert_int_equal(s->done_calls, 1);
    assert_true(s->ok);
    scene_progress(s, 530, 0.4, 0.8712);
    assert_string_equal(scene_say(s, "开始"), "还有 #1 在运行(33 %)。先发\"停止 1\"。");
    assert_string_equal(scene_say(s, "start"), "#1 is still running (33 %). First send \"stop 1\".");
    assert_int_equal(s->launches, 1);
    assert_string_equal(scene_say(s, "tingzhi"), "没有\"tingzhi\"这个命令。你是要\"停止\"吗?");
    assert_int_equal(s->trainer.stops, 0);
    scene_say(s, "停止");
    assert_int_equal(s->trainer.stops, 1);
    assert_int_equal(s->done_calls, 0);
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":530,\"old\":{},\"new\":{}", s->trainer.id);
    finish_run(s, 1);
    char want[300];
    snprintf(want, sizeof want,
             "#1 已停在第 530 步,准确率 0.8712。存档:runs/1/checkpoints/step-530(39.3 MB)。接着练:开始 cnn 续 1");
    assert_string_equal(s->last, want);
    assert_true(s->ok);
    assert_string_equal(scene_say(s, "停止"), "现在没有在运行的训练。最近一个是 #1(已停止)。");
    assert_string_equal(scene_say(s, "停止 1"), "#1 不在运行(已停止)。");
    assert_string_equal(scene_say(s, "停止 9"), "没有 #9 这个训练。发\"列表\"看有哪些。");
    scene_say(s, "开始 cnn 续 1");
    assert_int_equal(s->launches, 2);
    assert_non_null(strstr(s->argv, "--resume"));
    assert_non_null(strstr(s->argv, "step-530"));
    assert_int_equal(runs_find(s->bot, 2)->from_run, 1);
    scene_hello(s, 2, "cnn", 0.01);
    assert_string_equal(
        s->last, "#2 cnn 已开始:接着 #1 第 530 步,lr 0.01,批量 128,共 200,000 样本,每 10 步报告。曲线:发\"曲线\"。");
}

static void test_start_refusals(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_say(s, "开始 nosuch"), "没有\"nosuch\"这个训练器。有:cnn、mlp");
    assert_string_equal(scene_say(s, "start nosuch"), "There is no trainer \"nosuch\". There are: cnn, mlp");
    assert_string_equal(scene_say(s, "开始 续 7"), "没有 #7 这个训练。发\"列表\"看有哪些。");
    assert_string_equal(scene_say(s, "开始 续"), "写法:开始 [训练器] [续 N] [名=值 …]");
    assert_int_equal(s->launches, 0);
    s->fail_start = true;
    assert_string_equal(scene_say(s, "开始"), "cnn 没有启动:no such program。");
    assert_false(s->ok);
    s->fail_start = false;
    assert_string_equal(scene_say(s, "开始 续 1"), "#1 没有存档,不能接着练。");
    scene_say(s, "开始 mlp lr=0.5");
    assert_string_equal(s->argv, "train --model mlp");
    struct process_end end = {.exit_code = -1, .not_started = true, .lines = {"exec: no such file"}, .lines_count = 1};
    runs_process_ended(s->bot, 2, &end);
    scene_pass(s, 2000);
    assert_int_equal(s->done_calls, 1);
    assert_false(s->ok);
    assert_non_null(strstr(s->last, "#2 mlp 没有启动"));
    assert_non_null(strstr(s->last, "exec: no such file"));
}

static void test_pause_resume_save(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    assert_string_equal(scene_say(s, "继续"), "#1 没有暂停,正在运行。");
    scene_say(s, "暂停");
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":5,\"old\":{},\"new\":{}", s->trainer.id);
    assert_int_equal(s->done_calls, 0);
    scene_frame(s, "\"type\":\"event\",\"kind\":\"paused\",\"step\":5,\"id\":\"%s\"", s->trainer.id);
    assert_string_equal(s->last, "#1 已暂停在第 5 步。发\"继续\"接着练。");
    assert_string_equal(scene_say(s, "pause"), "#1 is paused already (step 0).");
    scene_say(s, "继续");
    scene_frame(s, "\"type\":\"event\",\"kind\":\"resumed\",\"step\":5,\"id\":\"%s\"", s->trainer.id);
    assert_string_equal(s->last, "#1 从第 5 步继续。");
    scene_say(s, "save");
    scene_frame(s,
                "\"type\":\"event\",\"kind\":\"checkpoint\",\"path\":\"%s/runs/1/checkpoints/"
                "step-6\",\"step\":6,\"bytes\":1500,\"id\":\"%s\"",
                s->dir, s->trainer.id);
    assert_string_equal(s->last, "#1 saved at step 6: runs/1/checkpoints/step-6 (1.5 kB).");
}

static void test_status_and_list(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_say(s, "状态"), "还没有训练过。发\"开始\"就开始。");
    assert_string_equal(scene_say(s, "列表"), "还没有训练过。发\"开始\"就开始。");
    scene_run(s, "开始", 0.001);
    scene_progress(s, 960, 0.3187, 0.88);
    s->wall_ms += 500;
    scene_progress(s, 970, 0.3021, 0.890625);
    const char *text = scene_say(s, "状态");
    assert_ptr_equal(strstr(text, "cnn #1 · 62 % · 准确率 0.8906 ↑\n▓▓▓▓▓▓▓▓▓▓▓▓░░░░░░░░ 970/1562 步\n损失 "
                                  "0.3021(十步前 0.3187) · lr 0.001\n"),
                     text);
    assert_non_null(strstr(text, "\nbox · CPU 98 % · 内存 312 MB"));
    assert_string_equal(scene_say(s, "列表"), "#1 cnn · 运行中 · 62 % · 准确率 0.8906");
    assert_string_equal(scene_say(s, "runs"), "#1 cnn · running · 62 % · acc 0.8906");
    assert_string_equal(scene_say(s, "用 1"), "之后的命令都指 #1 cnn(运行中)。");
    assert_string_equal(scene_say(s, "用 2"), "没有 #2 这个训练。发\"列表\"看有哪些。");
    assert_string_equal(scene_say(s, "用"), "写法:用 N");
    assert_string_equal(scene_say(s, "状态 x"), "写法:状态 [N]");
}

/* The chosen run if live, else the only live one, else the newest. */
static void test_which_run(void **state) {
    struct scene *s = *state;
    s->settings.max_running = 3;
    for (int i = 1; i <= 3; i++)
        scene_run(s, "开始", 0.001);
    scene_say(s, "状态");
    assert_non_null(strstr(s->last, "cnn #3"));
    scene_say(s, "用 2");
    scene_say(s, "状态");
    assert_non_null(strstr(s->last, "cnn #2"));
    struct process_end end = {.exit_code = 0};
    runs_process_ended(s->bot, 2, &end);
    scene_pass(s, 2000);
    scene_say(s, "状态");
    assert_non_null(strstr(s->last, "cnn #3"));
    runs_process_ended(s->bot, 3, &end);
    scene_pass(s, 2000);
    scene_say(s, "状态");
    assert_non_null(strstr(s->last, "cnn #1"));
    scene_say(s, "状态 #3");
    assert_non_null(strstr(s->last, "cnn #3"));
}

static bool take_image_path(void *user, const struct image_record *image) {
    snprintf(user, 400, "%s", image->path);
    return true;
}

static void test_plot(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.01);
    assert_string_equal(scene_say(s, "曲线"), "#1 还没有数据。");
    scene_progress(s, 10, 2.3, 0.1);
    scene_say(s, "lr 0.0005");
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":12,\"old\":{\"lr\":0.01},\"new\":{\"lr\":0.0005}",
                s->trainer.id);
    assert_string_equal(scene_say(s, "曲线 foo"), "没有\"foo\"这个指标。有: loss acc");
    scene_say(s, "曲线 损失 acc");
    assert_int_equal(s->plots, 1);
    assert_string_equal(s->plot_metrics, "loss acc ");
    assert_string_equal(s->plot_marks, "12:lr 0.01 → 0.0005 ");
    assert_int_equal(s->done_calls, 0);
    plot_done *done = s->plot_done;
    s->plot_done = NULL;
    s->image = 0;
    done(s->plot_user, TB_OK, (const uint8_t *)"PNG!", 4, NULL);
    assert_int_equal(s->done_calls, 1);
    assert_true(s->image > 0);
    char path[400] = "", whole[600];
    assert_int_equal(store_image(s->store, s->image, take_image_path, path), TB_OK);
    assert_ptr_equal(strstr(path, "runs/1/images/plot-"), path);
    snprintf(whole, sizeof whole, "%s/%s", s->dir, path);
    struct stat info;
    assert_int_equal(stat(whole, &info), 0);
    assert_int_equal(info.st_size, 4);
    /* No picture: the curves come as text. */
    scene_say(s, "曲线");
    done = s->plot_done;
    s->plot_done = NULL;
    done(s->plot_user, TB_EGONE, NULL, 0, "the helper died");
    assert_non_null(strstr(s->last, "cnn #1 · 第 10 步\n损失 "));
    assert_non_null(strstr(s->last, "(画不出图:the helper died)"));
    assert_true(s->ok);
}

static void test_recognize_live(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_say(s, "识别 10"), "还没有训练过。发\"开始\"就开始。");
    scene_run(s, "开始", 0.001);
    assert_string_equal(scene_say(s, "识别 0"), "至少要识别 1 张,例如:识别 10");
    assert_string_equal(scene_say(s, "识别 x"), "写法:识别 N [#训练]");
    scene_say(s, "识别 10");
    assert_string_equal(s->trainer.call, "recognize 10");
    scene_frame(s, "\"type\":\"result\",\"id\":\"%s\",\"text\":\"9 of 10 right\",\"images\":[]", s->trainer.id);
    assert_string_equal(s->last, "9 of 10 right");
    assert_true(s->ok);
    const char *kept = strstr(scene_say(s, "结果"), "#1 第 0 步 · 识别 10\n9 of 10 right");
    assert_non_null(kept);
    assert_null(strstr(kept + 1, "#1")); /* once */
    scene_say(s, "难例 16");
    assert_string_equal(s->trainer.call, "难例 16");
    assert_string_equal(scene_say(s, "滤波"), "没有\"滤波\"这个命令。你是要\"滤波器\"吗?");
}

static void test_recognize_ended(void **state) {
    struct scene *s = *state;
    int64_t run = scene_run(s, "开始", 0.001);
    finish_run(s, run);
    scene_say(s, "识别 10 #1");
    assert_int_equal(s->done_calls, 0);
    assert_non_null(strstr(s->argv, "--resume"));
    assert_non_null(strstr(s->argv, "step-530 --call recognize 10"));
    char *dir = strstr(s->env, "TRAINBOT_RUN_DIR="), picture[600], output[900];
    assert_non_null(dir);
    dir += strlen("TRAINBOT_RUN_DIR=");
    snprintf(picture, sizeof picture, "%.*s/recognize-step-530.png", (int)strcspn(dir, " "), dir);
    FILE *file = fopen(picture, "w");
    assert_non_null(file);
    fputs("PNG", file);
    fclose(file);
    snprintf(output, sizeof output, "8 of 10 right\nimage: %s\nimage: /etc/passwd\n", picture);
    s->image = 0;
    scene_describe(s, 0, output);
    assert_string_equal(s->last, "8 of 10 right");
    assert_true(s->ok && s->image > 0);
    assert_int_equal(s->replies_count, 2); /* the text and one picture: what lies elsewhere is not taken */
    assert_non_null(strstr(scene_say(s, "results"), "recognize 10\n8 of 10 right"));
    scene_say(s, "识别 10");
    scene_describe(s, 2, "cannot read it\n");
    assert_string_equal(s->last, "#1 没有做成(识别 10):cannot read it。");
    assert_false(s->ok);
}

static void test_delete(void **state) {
    struct scene *s = *state;
    int64_t run = scene_run(s, "开始", 0.001);
    assert_string_equal(scene_say(s, "删除 1"), "#1 还在运行,先发\"停止 1\"。");
    finish_run(s, run);
    runs_disconnected(s->bot, &s->trainer.conn);
    s->trainer.conn.run = NULL;
    assert_string_equal(scene_say(s, "是"), "现在没有要确认的事。");
    assert_string_equal(scene_say(s, "删除 1"), "要删掉 #1 cnn(已停止,530 步)和它的全部文件吗?60 秒内回\"是\"。");
    assert_string_equal(scene_say(s, "否"), "好,不动。");
    assert_string_equal(scene_say(s, "是"), "现在没有要确认的事。");
    scene_say(s, "删除 1");
    scene_pass(s, REQUEST_CONFIRM_MS + 1);
    assert_string_equal(scene_say(s, "是"), "现在没有要确认的事。");
    scene_say(s, "delete 1");
    assert_string_equal(scene_say(s, "yes"), "#1 was deleted.");
    assert_null(runs_find(s->bot, 1));
    assert_string_equal(scene_say(s, "删除 1"), "没有 #1 这个训练。发\"列表\"看有哪些。");
}

static void test_help(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_say(s, "帮助"), "开始 [训练器] [lr=…]   停止   暂停 / 继续   保存\n"
                                              "lr 0.0005 · lr x0.5    参数   状态   曲线   列表\n"
                                              "识别 10   静音 23:00-08:00   更多:帮助 全部");
    scene_run(s, "开始", 0.001);
    assert_non_null(strstr(scene_say(s, "帮助"), "\n这个训练自己的命令:难例 16 · 滤波器 · 重建 8"));
    char all[SCENE_TEXT];
    snprintf(all, sizeof all, "%s", scene_say(s, "帮助 全部"));
    for (size_t i = 0; i < commands_count; i++)
        assert_non_null(strstr(all, commands_table[i].zh_usage));
    snprintf(all, sizeof all, "%s", scene_say(s, "help all"));
    for (size_t i = 0; i < commands_count; i++)
        assert_non_null(strstr(all, commands_table[i].en_usage));
    s->role = ROLE_VIEWER;
    assert_null(strstr(scene_say(s, "help all"), "delete"));
}

static void test_near_misses(void **state) {
    struct scene *s = *state;
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"kaishi", "没有\"kaishi\"这个命令。你是要\"开始\"吗?"},
        {"停止8", "没有\"停止8\"这个命令。你是要\"停止 8\"吗?"},
        {"开始cnn", "没有\"开始cnn\"这个命令。你是要\"开始 cnn\"吗?"},
        {"停之", "没有\"停之\"这个命令。你是要\"停止\"吗?"},
        {"stpo", "There is no command \"stpo\". Do you mean \"stop\"?"},
        {"xyzzy", "There is no command \"xyzzy\". Send \"help\" for those there are.\n"
                  "This training's own commands: 难例 16 · 滤波器 · reconstructions 8"},
        {"你们好", "没有\"你们好\"这个命令。发\"帮助\"看有哪些。\n这个训练自己的命令:难例 16 · 滤波器 · 重建 8"},
        {"chongjian 4", "没有\"chongjian\"这个命令。你是要\"重建\"吗?"},
        {"重健", "没有\"重健\"这个命令。你是要\"重建\"吗?"},
        {"reconstuctions", "没有\"reconstuctions\"这个命令。你是要\"reconstructions\"吗?"},
        {"hunxiao", "没有\"hunxiao\"这个命令。发\"帮助\"看有哪些。\n这个训练自己的命令:难例 16 · 滤波器 · 重建 8"},
        {"dropuot 0.1", "没有\"dropuot\"这个命令。你是要\"dropout\"吗?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(scene_say(s, rows[i].text), rows[i].want);
        assert_false(s->ok);
    }
}

/* What people write back without asking for anything shows them how it is; where nothing runs, that somebody is here.
 */
static void test_nods(void **state) {
    struct scene *s = *state;
    static const char *const nods[] = {"好", "嗯", "收到", "👍", "[图片]", "。", "在吗", "1", "❤️"};
    for (size_t i = 0; i < sizeof nods / sizeof *nods; i++) {
        assert_string_equal(scene_say(s, nods[i]), "在。现在没有在运行的训练。发\"帮助\"看有哪些命令。");
        assert_true(s->ok);
    }
    scene_run(s, "开始", 0.001);
    for (size_t i = 0; i < sizeof nods / sizeof *nods; i++)
        assert_int_equal(strncmp(scene_say(s, nods[i]), "cnn #1", 6), 0);
    static const char *const others[] = {"好吗", "图片", "あ", "OK2", "å¼ÿþ", "привет"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_non_null(strstr(scene_say(s, others[i]), "没有\""));
}

static void test_harmless_bytes(void **state) {
    struct scene *s = *state;
    char *large = malloc(1 << 20);
    assert_non_null(large);
    memset(large, 'a', 1 << 20);
    assert_string_equal(scene_say_only(s, large, 1 << 20), "太长了:一条命令最多 4000 字节。");
    free(large);
    assert_string_equal(scene_say_only(s, "\xff\xfe", 2), "这条消息不是 UTF-8 文字,没有执行。");
    assert_string_equal(scene_say_only(s, "stop\0 7", 7), "这条消息里有控制字符,没有执行。");
    assert_string_equal(scene_say_only(s, "", 0), "空的。发\"帮助\"看有哪些命令。");
    assert_int_equal(s->done_calls, 1);
}

static void test_roles(void **state) {
    struct scene *s = *state;
    scene_run(s, "开始", 0.001);
    s->role = ROLE_VIEWER;
    assert_string_equal(scene_say(s, "停止"), "这个命令要操作者权限,你是查看者。");
    assert_string_equal(scene_say(s, "stop"), "This needs the role operator; you are viewer.");
    assert_string_equal(scene_say(s, "lr 0.1"), "This needs the role operator; you are viewer.");
    assert_string_equal(scene_say(s, "参数 lr=0.1"), "这个命令要操作者权限,你是查看者。");
    assert_true(strlen(scene_say(s, "参数")) > 20 && s->ok);
    s->role = ROLE_OPERATOR;
    assert_string_equal(scene_say(s, "删除 1"), "这个命令要主人权限,你是操作者。");
    assert_string_equal(scene_say(s, "配对 operator"), "这个命令要主人权限,你是操作者。");
    s->role = ROLE_NONE;
    assert_non_null(strstr(scene_say(s, "状态"), "还没有权限"));
    assert_int_equal(s->trainer.stops + s->trainer.sets, 0);
}

static void test_given_language(void **state) {
    struct scene *s = *state;
    s->lang_known = true;
    s->lang = LANG_EN;
    assert_string_equal(scene_say(s, "停止"), "Nothing is running, and nothing has run yet. Send \"start\" to begin.");
}

static void test_audit(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_say(s, "谁"), "还没有人改过什么。");
    scene_say(s, "停止");
    const char *text = scene_say(s, "谁");
    assert_non_null(strstr(text, "web:token · 停止 → 没执行:现在没有在运行的训练"));
    assert_non_null(strstr(scene_say(s, "通道"), "talk · 连着 · 已发 0"));
}

/* Words thrown together: each text is answered or stays open for a reason, nothing is answered twice, nothing breaks.
 */
static void test_random_texts(void **state) {
    static const char *const pieces[] = {"开始",   "停止",
                                         "参数",   "状态",
                                         "曲线",   "列表",
                                         "用",     "暂停",
                                         "继续",   "保存",
                                         "识别",   "结果",
                                         "静音",   "删除",
                                         "是",     "帮助",
                                         "全部",   "谁",
                                         "通道",   "退出",
                                         "start",  "from",
                                         "续",     "lr",
                                         "lr=",    "x0.5",
                                         "=",      "#1",
                                         "1",      "2",
                                         "0",      "-1",
                                         "1e99",   "abc",
                                         "cnn",    "mlp",
                                         "bs",     "64",
                                         "note",   "loss",
                                         "23-8",   "pair",
                                         "viewer", "难例",
                                         "sgd",    "optimiser=adam",
                                         "\"",     "*"};
    struct scene *s = *state;
    uint64_t random = 20261121;
    for (int round = 0; round < 1500; round++) {
        char text[400] = "";
        random = random * 6364136223846793005u + 1442695040888963407u;
        for (unsigned i = 0; i <= (random >> 60) % 4; i++) {
            uint64_t pick = (random >> (8 * i + 8)) % (sizeof pieces / sizeof *pieces);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", pieces[pick],
                     (random >> (40 + i)) & 1 ? " " : "");
        }
        scene_say(s, text);
        if (s->capture_done) scene_describe(s, round % 3 ? 0 : 1, round % 3 ? scene_described_json : "bad");
        if (s->plot_done) {
            plot_done *done = s->plot_done;
            s->plot_done = NULL;
            done(s->plot_user, TB_EGONE, NULL, 0, "none");
        }
        if (s->launches > 0 && !s->trainer.conn.run && runs_live(s->bot, NULL) > 0)
            scene_hello(s, runs_newest(s->bot), "cnn", 0.01);
        if (round % 40 == 39 && runs_live(s->bot, NULL) > 0) {
            struct process_end end = {.exit_code = round % 80 == 39 ? 0 : 1};
            runs_process_ended(s->bot, runs_newest(s->bot), &end);
            if (s->trainer.conn.run) runs_disconnected(s->bot, &s->trainer.conn);
            s->trainer.conn.run = NULL;
            scene_pass(s, 5000);
        }
    }
    while (runs_live(s->bot, NULL) > 0) {
        struct process_end end = {.exit_code = 0};
        runs_process_ended(s->bot, runs_newest(s->bot), &end);
        scene_pass(s, 5000);
    }
    assert_true(s->launches > 3);
    assert_int_equal(s->all_done, 1500); /* each exactly once */
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_phone_control),  TEST(test_start_refusals), TEST(test_pause_resume_save), TEST(test_status_and_list),
        TEST(test_which_run),      TEST(test_plot),           TEST(test_recognize_live),    TEST(test_recognize_ended),
        TEST(test_delete),         TEST(test_help),           TEST(test_near_misses),       TEST(test_nods),
        TEST(test_harmless_bytes), TEST(test_roles),          TEST(test_given_language),    TEST(test_audit),
        TEST(test_random_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
