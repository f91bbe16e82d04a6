/*
 * render.c: a run's facts as lines a person reads, in Chinese and English. The first line answers "how is it going?",
 * the newest fact stands in its first thirty characters, a number has a name and, where it moved, where from.
 */
#include "render.h"
#include "said.h"
#include "render_card.h"
#include "render_delivery.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void add_duration(struct words *words, double seconds, enum lang lang) {
    char text[64];
    render_duration(seconds, lang, text, sizeof text);
    words_add(words, "%s", text);
}

/* The bot's own error where it is one, else the text. */
static void add_reason(struct words *words, const char *text, size_t max, bool zh) {
    words_add_said(words, text, max, zh ? LANG_ZH : LANG_EN);
}

static void add_lines(struct words *words, const struct process_end *end, bool zh) {
    static const char *const zh_counts[] = {"", "一", "两", "三"};
    if (!end || end->lines_count == 0) {
        words_add(words, zh ? "没有输出。" : "No output.");
        return;
    }
    size_t count = end->lines_count < 3 ? end->lines_count : 3;
    if (zh)
        words_add(words, "最后%s行输出:", zh_counts[count]);
    else if (count == 1)
        words_add(words, "Last output line:");
    else
        words_add(words, "Last %zu output lines:", count);
    for (size_t i = end->lines_count - count; i < end->lines_count; i++) {
        words_add(words, "\n");
        add_reason(words, end->lines[i], 200, zh);
    }
}

/* How a process came to its end: the exit code or the signal, and who sent it where that is known. */
static void add_end(struct words *words, const struct run *run, const struct process_end *end, bool zh) {
    int signal_number = end ? end->signal : (int)run->exit_signal;
    int code = end ? end->exit_code : (int)run->exit_code;
    const char *name = signal_number > 0 ? sigabbrev_np(signal_number) : NULL;
    char signal_name[32];
    snprintf(signal_name, sizeof signal_name, name ? "SIG%s" : "%s%d", name ? name : "signal ", signal_number);
    if (end && end->oom)
        words_add(words, zh ? "内存不足,被内核杀掉(%s)" : "out of memory, killed by the kernel (%s)",
                  signal_number ? signal_name : "SIGKILL");
    else if (signal_number == SIGKILL)
        words_add(words, zh ? "SIGKILL,不知道是谁发的" : "SIGKILL, sender unknown");
    else if (signal_number == SIGSEGV)
        words_add(words, zh ? "SIGSEGV(访问了不该访问的内存)" : "SIGSEGV (bad memory access)");
    else if (signal_number > 0)
        words_add(words, zh ? "信号 %s" : "signal %s", signal_name);
    else if (code >= 0)
        words_add(words, zh ? "退出码 %d" : "exit code %d", code);
    else
        words_add(words, zh ? "原因不明" : "how is unknown");
}

static void fact_started(struct words *words, const struct fact *fact, bool zh) {
    render_started(words, fact->run, fact->run->step, zh ? LANG_ZH : LANG_EN);
}

static void fact_paused(struct words *words, const struct fact *fact, bool zh) {
    long long id = (long long)fact->run->id, step = (long long)fact->step;
    words_add(words, zh ? "#%lld 已暂停在第 %lld 步" : "#%lld paused at step %lld", id, step);
    if (fact->text && fact->text[0]) {
        words_add(words, zh ? ":" : ": ");
        add_reason(words, fact->text, 200, zh);
    }
    words_add(words, zh ? "。发\"继续\"接着练。" : ". Send \"resume\" to go on.");
}

static void fact_resumed(struct words *words, const struct fact *fact, bool zh) {
    words_add(words, zh ? "#%lld 从第 %lld 步继续。" : "#%lld goes on from step %lld.", (long long)fact->run->id,
              (long long)fact->step);
}

/* What a run has trained on: `ti` where it was declared and reached, else steps × batch. */
static int64_t samples_seen(const struct run *run) {
    const struct run_param *ti = run_param(run, "ti");
    if (ti && ti->type == WIRE_INT && run->total_steps > 0 && run->step >= run->total_steps) return (int64_t)ti->number;
    return run->step * run->batch;
}

static const struct run_metric *final_metric(const struct run *run) {
    static const char *const names[] = {"test_acc", "test_accuracy", "val_acc", "test_loss"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct run_metric *metric = run_metric(run, names[i]);
        if (metric) return metric;
    }
    const struct run_metric *metric = run_accuracy(run);
    return metric ? metric : run_loss(run);
}

static void fact_finished(struct words *words, const struct fact *fact, enum lang lang, enum progress_style style) {
    const struct run *run = fact->run;
    bool zh = lang == LANG_ZH;
    const struct run_metric *metric = final_metric(run);
    if (style == STYLE_CLASSIC) {
        words_add(words, "Optimization Finished!");
        if (metric && strstr(metric->name, "acc")) words_add(words, "\nTesting Accuracy: %.5f", metric->value);
        return;
    }
    words_add(words, zh ? "✓ #%lld 完成:" : "✓ #%lld finished: ", (long long)run->id);
    int64_t samples = samples_seen(run);
    words_add_count(words, samples > 0 ? samples : run->step);
    words_add(words, samples > 0 ? (zh ? " 样本" : " samples") : (zh ? " 步" : " steps"));
    if (run->started_ms > 0 && run->ended_ms >= run->started_ms) {
        words_add(words, zh ? ",用时 " : " in ");
        add_duration(words, (double)(run->ended_ms - run->started_ms) / 1000, lang);
    }
    if (metric) {
        words_add(words, zh ? ",%s " : ", %s ", words_label(metric->name, lang));
        words_add_number(words, metric->value);
        const struct run_metric *images = run_metric(run, "test_images");
        if (images && strncmp(metric->name, "test", 4) == 0 && images->value >= 1) {
            words_add(words, zh ? "(" : " (");
            words_add_count(words, (int64_t)images->value);
            words_add(words, zh ? " 张)" : " images)");
        }
    }
    words_add(words, zh ? "。" : ".");
}

static void fact_stopped(struct words *words, const struct fact *fact, bool zh) {
    render_stopped(words, fact->run, fact->step, fact->run->checkpoint, fact->run->checkpoint_bytes,
                   zh ? LANG_ZH : LANG_EN);
}

static void fact_crashed(struct words *words, const struct fact *fact, bool zh) {
    words_add(words, zh ? "⚠ #%lld 崩溃:" : "⚠ #%lld crashed: ", (long long)fact->run->id);
    if (!fact->end && fact->text && fact->text[0])
        add_reason(words, fact->text, 300, zh);
    else
        add_end(words, fact->run, fact->end, zh);
    if (fact->step > 0)
        words_add(words, zh ? ",第 %lld 步。" : ", at step %lld. ", (long long)fact->step);
    else
        words_add(words, zh ? ",一步也没有练。" : ", before its first step. ");
    if (fact->end) add_lines(words, fact->end, zh);
}

static void fact_not_started(struct words *words, const struct fact *fact, bool zh) {
    words_add(words, zh ? "⚠ #%lld %s 没有启动" : "⚠ #%lld %s did not start", (long long)fact->run->id,
              fact->run->name);
    const struct process_end *end = fact->end;
    const char *why = fact->text ? fact->text : "";
    bool keeper = end && end->not_started && end->lines_count > 0; /* its last line is the keeper's word why */
    if (keeper && !why[0]) why = end->lines[end->lines_count - 1];
    if (why[0]) {
        words_add(words, zh ? ":" : ": ");
        add_reason(words, why, 400, zh);
    } else if (end && !end->not_started) {
        words_add(words, zh ? ":" : ": ");
        add_end(words, fact->run, end, zh);
    }
    words_add(words, zh ? "。" : ". ");
    if (end && end->lines_count > 0 && !keeper) add_lines(words, end, zh);
}

static void fact_lost(struct words *words, const struct fact *fact, bool zh) {
    words_add(words,
              zh ? "⚠ #%lld 失联:第 %lld 步以后没有消息,进程情况不明。"
                 : "⚠ #%lld lost: nothing heard since step %lld, its process is unknown.",
              (long long)fact->run->id, (long long)fact->step);
}

static void fact_stalled(struct words *words, const struct fact *fact, enum lang lang) {
    bool zh = lang == LANG_ZH;
    words_add(words, zh ? "⚠ #%lld 已 " : "⚠ #%lld: no new step for ", (long long)fact->run->id);
    add_duration(words, fact->number / 1000, lang);
    words_add(words, zh ? "没有新的一步" : "");
    if (fact->number2 > 0) {
        words_add(words, zh ? "(平时 " : " (usually ");
        add_duration(words, fact->number2 / 1000, lang);
        words_add(words, zh ? "一步)" : " a step)");
    }
    words_add(words, zh ? "。" : ". ");
    if (fact->process_alive)
        words_add(words, zh ? "进程还在" : "The process is alive");
    else
        words_add(words, zh ? "进程情况不明" : "Its process is unknown");
    if (fact->process_alive && fact->cpu_percent >= 0)
        words_add(words, zh ? ",CPU %.0f %%" : ", CPU %.0f %%", fact->cpu_percent);
    words_add(words, zh ? "。" : ".");
}

static void fact_nan(struct words *words, const struct fact *fact, enum lang lang) {
    const struct run *run = fact->run;
    bool zh = lang == LANG_ZH;
    const struct run_param *lr = run_param(run, "lr");
    const struct run_metric *metric = run_metric(run, fact->text ? fact->text : "loss");
    const char *what =
        metric && isinf(metric->value) ? (zh ? "变成无穷大" : "became infinite") : (zh ? "变成 NaN" : "became NaN");
    words_add(words, zh ? "⚠ #%lld %s%s(第 %lld 步" : "⚠ #%lld: %s %s (step %lld", (long long)run->id,
              words_label(fact->text ? fact->text : "loss", lang), what, (long long)fact->step);
    if (isfinite(fact->number)) {
        words_add(words, zh ? ",此前 " : ", before ");
        words_add_number(words, fact->number);
    }
    if (lr) {
        words_add(words, ",%slr ", zh ? "" : " ");
        words_add_param(words, lr);
    }
    words_add(words, zh ? ")。" : "). ");
    if (!fact->paused)
        words_add(words, zh ? "训练还在继续。" : "Training goes on.");
    else if (run->checkpoint[0])
        words_add(words,
                  zh ? "训练已自己暂停;\"继续\"会回到第 %lld 步的存档。"
                     : "It paused by itself; \"resume\" goes back to the checkpoint of step %lld.",
                  (long long)run->checkpoint_step);
    else
        words_add(words, zh ? "训练已自己暂停,还没有存档。" : "It paused by itself; there is no checkpoint yet.");
    if (lr && lr->live) words_add(words, zh ? "建议先发:lr x0.1" : " First send: lr x0.1");
}

static void fact_gap(struct words *words, const struct fact *fact, bool zh) {
    words_add(words,
              zh ? "#%lld 第 %lld 到 %lld 步缺了 %lld 行数据(训练没有受影响)。"
                 : "#%lld: between steps %lld and %lld, %lld rows are missing (training was not affected).",
              (long long)fact->run->id, (long long)fact->from_step, (long long)fact->to_step, (long long)fact->dropped);
}

static void fact_text(struct words *words, const struct fact *fact, bool zh) {
    if (fact->run) words_add(words, "#%lld ", (long long)fact->run->id);
    add_reason(words, fact->text ? fact->text : "", 1000, zh);
}

static void fact_signal(struct words *words, const struct fact *fact, bool zh) {
    long long id = (long long)fact->run->id;
    if (fact->kind == FACT_TERM_SENT)
        words_add(words,
                  zh ? "⚠ #%lld 没有回应停止,已向它的进程组发 SIGTERM。"
                     : "⚠ #%lld did not answer the stop; sent SIGTERM to its process group.",
                  id);
    else
        words_add(words, zh ? "⚠ #%lld 还是没有结束,已发 SIGKILL。" : "⚠ #%lld still did not end; sent SIGKILL.", id);
}

static void fact_store(struct words *words, const struct fact *fact, bool zh) {
    if (fact->kind == FACT_STORE_OK) {
        words_add(words, zh ? "数据库又能写了,记录照常。" : "The database can be written again; records go on.");
        return;
    }
    words_add(words, zh ? "⚠ 数据库写不进去:" : "⚠ The database cannot be written: ");
    add_reason(words, fact->text ? fact->text : "", 300, zh);
    words_add(words, zh ? "。训练不受影响;消息照发,但重启后不会重发。"
                        : ". Training is not affected; messages still leave, but not again after a restart.");
}

size_t render_fact(const struct fact *fact, enum lang lang, enum progress_style style, char *text, size_t size) {
    struct words words;
    words_init(&words, text, size);
    bool zh = lang == LANG_ZH;
    switch (fact->kind) {
    case FACT_STARTED:
        fact_started(&words, fact, zh);
        break;
    case FACT_PROGRESS:
        render_progress(&words, fact->run, lang, style);
        break;
    case FACT_PAUSED:
        fact_paused(&words, fact, zh);
        break;
    case FACT_RESUMED:
        fact_resumed(&words, fact, zh);
        break;
    case FACT_FINISHED:
        fact_finished(&words, fact, lang, style);
        break;
    case FACT_STOPPED:
        fact_stopped(&words, fact, zh);
        break;
    case FACT_CRASHED:
        fact_crashed(&words, fact, zh);
        break;
    case FACT_NOT_STARTED:
        fact_not_started(&words, fact, zh);
        break;
    case FACT_LOST:
        fact_lost(&words, fact, zh);
        break;
    case FACT_STALLED:
        fact_stalled(&words, fact, lang);
        break;
    case FACT_STALL_OVER:
        words_add(&words, zh ? "#%lld 又有新的一步了:第 %lld 步。" : "#%lld moves again: step %lld.",
                  (long long)fact->run->id, (long long)fact->step);
        break;
    case FACT_NAN:
        fact_nan(&words, fact, lang);
        break;
    case FACT_GAP:
        fact_gap(&words, fact, zh);
        break;
    case FACT_NOTE:
    case FACT_IMAGE:
        fact_text(&words, fact, zh);
        break;
    case FACT_TERM_SENT:
    case FACT_KILL_SENT:
        fact_signal(&words, fact, zh);
        break;
    case FACT_STORE_FAILED:
    case FACT_STORE_OK:
        fact_store(&words, fact, zh);
        break;
    case FACT_CHANNEL_LOST:
    case FACT_CHANNEL_BACK:
        render_channel_fact(&words, fact, lang);
        break;
    case FACT_KINDS:
        break;
    }
    words_trim(&words);
    return words.length;
}

size_t render_buttons(const struct run *run, enum lang lang, char *text, size_t size) {
    bool zh = lang == LANG_ZH;
    const char *buttons;
    switch (run->state) {
    case RUN_RUNNING:
        buttons = zh ? "暂停\n停止\n曲线" : "pause\nstop\nplot";
        break;
    case RUN_PAUSED:
        buttons = zh ? "继续\n停止\n曲线" : "resume\nstop\nplot";
        break;
    case RUN_QUEUED:
    case RUN_STARTING:
        buttons = zh ? "停止\n状态" : "stop\nstatus";
        break;
    case RUN_STOPPING:
        buttons = zh ? "状态\n曲线" : "status\nplot";
        break;
    default:
        buttons = zh ? "开始\n曲线\n列表" : "start\nplot\nruns";
        break;
    }
    struct words words;
    words_init(&words, text, size);
    words_add(&words, "%s", buttons);
    return words.length;
}
