/* render_card.c: see render_card.h. The progress bar has twenty cells; a metric's arrow says where it moved. */
#include "render_card.h"
#include "render.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define BAR_CELLS 20

static void add_metric(struct words *words, const struct run_metric *metric, enum lang lang) {
    words_add(words, "%s ", words_label(metric->name, lang));
    words_add_number(words, metric->value);
}

static void add_arrow(struct words *words, const struct run_metric *metric) {
    if (!isfinite(metric->before) || !isfinite(metric->value)) return;
    if (metric->value > metric->before) words_add(words, " ↑");
    if (metric->value < metric->before) words_add(words, " ↓");
}

/* Where a value came from: "(十步前 0.3187)" where rows come every so many steps, else "(上次 …)". */
static void add_before(struct words *words, const struct run *run, const struct run_metric *metric, bool zh) {
    if (!isfinite(metric->before)) return;
    const struct run_param *ds = run_param(run, "ds");
    if (!zh)
        words_add(words, " (was ");
    else if (ds && ds->number == 10)
        words_add(words, "(十步前 ");
    else if (ds && ds->number >= 1)
        words_add(words, "(%.0f 步前 ", ds->number);
    else
        words_add(words, "(上次 ");
    words_add_number(words, metric->before);
    words_add(words, ")");
}

static void add_bar(struct words *words, const struct run *run, bool zh) {
    long long step = (long long)run->step, total = (long long)run->total_steps;
    double share = (double)step / (double)total;
    int cells = share >= 1 ? BAR_CELLS : share > 0 ? (int)(share * BAR_CELLS) : 0;
    for (int i = 0; i < BAR_CELLS; i++)
        words_add(words, i < cells ? "▓" : "░");
    words_add(words, zh ? " %lld/%lld 步" : " step %lld/%lld", step, total);
}

static void add_speed(struct words *words, const struct run *run, enum lang lang) {
    bool zh = lang == LANG_ZH;
    double samples = run_samples_per_s(run), eta = run_eta_s(run);
    if (samples > 0 || run->steps_per_s > 0) {
        words_add(words, "\n");
        words_add_number(words, samples > 0 ? samples : run->steps_per_s);
        words_add(words, samples > 0 ? (zh ? " 样本/秒" : " samples/s") : (zh ? " 步/秒" : " steps/s"));
    }
    if (eta >= 0 && run->steps_per_s > 0) {
        char text[64];
        render_duration(eta < 1 ? eta : ceil(eta), lang, text, sizeof text);
        words_add(words, zh ? " · 还要 %s" : " · %s left", text);
    }
}

static void add_head(struct words *words, const struct run *run, const char *state, enum lang lang) {
    words_add_foreign(words, run->name, 32);
    words_add(words, " #%lld", (long long)run->id);
    if (state) words_add(words, " · %s", state);
    int percent = words_percent(run);
    if (percent >= 0)
        words_add(words, " · %d %%", percent);
    else
        words_add(words, lang == LANG_ZH ? " · 第 %lld 步" : " · step %lld", (long long)run->step);
}

/* What a trainer that validates said at its last epoch's end. */
static const struct run_metric *validated(const struct run *run) {
    const struct run_metric *metric = run_metric(run, "val_acc");
    return metric ? metric : run_metric(run, "val_loss");
}

/* "验证准确率 0.8604(最好 0.8671)· 第 3 轮" */
static void add_epoch(struct words *words, const struct run *run, enum lang lang) {
    const struct run_metric *metric = validated(run);
    const bool zh = lang == LANG_ZH;
    if (!metric) return;
    words_add(words, "\n");
    add_metric(words, metric, lang);
    if (isfinite(metric->best) && metric->best != metric->value) {
        words_add(words, zh ? "(最好 " : " (best ");
        words_add_number(words, metric->best);
        words_add(words, ")");
    }
    if (isfinite(run->epoch) && run->epoch >= 1) /* the last that is complete: the figure is of it */
        words_add(words, zh ? " · 第 %lld 轮" : " · epoch %lld", (long long)run->epoch);
}

static void add_card(struct words *words, const struct run *run, const char *state, enum lang lang) {
    bool zh = lang == LANG_ZH;
    const struct run_metric *loss = run_loss(run), *accuracy = run_accuracy(run);
    const struct run_metric *first = accuracy ? accuracy : loss;
    const struct run_param *lr = run_param(run, "lr");
    add_head(words, run, state, lang);
    if (first) {
        words_add(words, " · ");
        add_metric(words, first, lang);
        add_arrow(words, first);
    }
    if (run->total_steps > 0) { /* else the head has named the step */
        words_add(words, "\n");
        add_bar(words, run, zh);
    }
    if (loss || lr) words_add(words, "\n");
    if (loss) {
        add_metric(words, loss, lang);
        add_before(words, run, loss, zh);
    }
    if (lr) {
        const struct run_metric *rate = run_metric(run, "lr"); /* what a schedule makes of it just now */
        words_add(words, loss ? " · lr " : "lr ");
        if (rate && isfinite(rate->value))
            words_add_number(words, rate->value);
        else
            words_add_param(words, lr);
    }
    add_epoch(words, run, lang);
}

void render_progress(struct words *words, const struct run *run, enum lang lang, enum progress_style style) {
    if (style == STYLE_CLASSIC) {
        const struct run_metric *loss = run_loss(run), *accuracy = run_accuracy(run);
        words_add(words, "Iter %lld", (long long)(run->batch > 0 ? run->step * run->batch : run->step));
        if (loss) words_add(words, ", Minibatch Loss= %.6f", loss->value);
        if (accuracy) words_add(words, ", Training Accuracy= %.5f", accuracy->value);
        return;
    }
    add_card(words, run, NULL, lang);
    add_speed(words, run, lang);
}

/* Metrics that the card has not named, a few of them. */
static void add_others(struct words *words, const struct run *run, enum lang lang) {
    int count = 0;
    for (size_t i = 0; i < run->metrics_count && count < 6; i++) {
        const struct run_metric *metric = &run->metrics[i];
        if (metric == run_loss(run) || metric == run_accuracy(run) || metric == validated(run)) continue;
        if (strcmp(metric->name, "lr") == 0 && run_param(run, "lr")) continue; /* the card's */
        if (strcmp(metric->name, "test_images") == 0) continue;                /* said with the test's accuracy */
        words_add(words, count++ == 0 ? "\n" : " · ");
        add_metric(words, metric, lang);
    }
}

void render_status(struct words *words, const struct run *run, enum lang lang) {
    bool zh = lang == LANG_ZH, live = run_state_live(run->state);
    bool silent = run->state == RUN_STARTING && run->pid > 0 && !run->start_request && !run->instance[0];
    const char *state = silent ? (zh ? "在运行,还没有报告过" : "runs, has reported nothing yet")
                        : run->state == RUN_RUNNING ? NULL
                                                    : words_state(run->state, lang);
    add_card(words, run, state, lang);
    if (run->state == RUN_RUNNING) add_speed(words, run, lang);
    add_others(words, run, lang);
    if (live || run->started_ms <= 0 || run->ended_ms < run->started_ms) return;
    char text[64];
    render_duration((double)(run->ended_ms - run->started_ms) / 1000, lang, text, sizeof text);
    words_add(words, zh ? "\n用时 %s" : "\ntook %s", text);
    if (run->state == RUN_FAILED && run->exit_signal > 0)
        words_add(words, zh ? " · 信号 %lld" : " · signal %lld", (long long)run->exit_signal);
    else if (run->state == RUN_FAILED && run->exit_code >= 0)
        words_add(words, zh ? " · 退出码 %lld" : " · exit code %lld", (long long)run->exit_code);
    if (run->checkpoint[0]) {
        words_add(words, zh ? "\n存档:" : "\ncheckpoint: ");
        words_add_foreign(words, words_path(run, run->checkpoint), 300);
    }
}

/* "共 200,000 样本": how long a run is, by the parameter that decides it; what its hello says may be older than what
 * was just asked for. False: nothing is known. */
static bool add_length(struct words *words, const struct run *run, const char *before, bool zh) {
    static const struct {
        const char *name, *zh, *en;
    } lengths[] = {{"epochs", " 轮", " epochs"}, {"ti", " 样本", " samples"}, {"steps", " 步", " steps"}};
    int64_t count = run->total_steps;
    size_t unit = sizeof lengths / sizeof *lengths - 1;
    for (size_t i = 0; i <= unit; i++) {
        const struct run_param *param = run_param(run, lengths[i].name);
        if (!param || !isfinite(param->number) || param->number < 1) continue;
        count = (int64_t)param->number;
        unit = i;
    }
    if (count <= 0) return false;
    words_add(words, zh ? "%s共 " : "%s", before);
    words_add_count(words, count);
    const char *name = zh ? lengths[unit].zh : lengths[unit].en;
    words_add(words, "%.*s", (int)strlen(name) - (!zh && count == 1), name);
    return true;
}

void render_started(struct words *words, const struct run *run, int64_t from_step, enum lang lang) {
    bool zh = lang == LANG_ZH;
    const struct run_param *lr = run_param(run, "lr"), *bs = run_param(run, "bs"), *ds = run_param(run, "ds");
    const char *comma = zh ? "," : ", ";
    words_add(words, "#%lld ", (long long)run->id);
    words_add_foreign(words, run->name, 32);
    words_add(words, zh ? " 已开始" : " started");
    const char *before = zh ? ":" : ": ";
    if (run->from_run > 0) {
        words_add(words, zh ? "%s接着 #%lld" : "%sgoing on from #%lld", before, (long long)run->from_run);
        if (from_step > 0) words_add(words, zh ? " 第 %lld 步" : ", step %lld", (long long)from_step);
        before = comma;
    }
    if (lr) {
        words_add(words, "%slr ", before);
        words_add_param(words, lr);
        before = comma;
    }
    if (bs || run->batch > 0) {
        words_add(words, zh ? "%s批量 " : "%sbatch ", before);
        words_add_count(words, bs ? (int64_t)bs->number : run->batch);
        before = comma;
    }
    before = add_length(words, run, before, zh) ? comma : before;
    if (ds) words_add(words, zh ? "%s每 %.0f 步报告" : "%sreports every %.0f steps", before, ds->number);
    words_add(words, zh ? "。" : ".");
}

void render_stopped(struct words *words, const struct run *run, int64_t step, const char *path, int64_t bytes,
                    enum lang lang) {
    bool zh = lang == LANG_ZH;
    if (run->instance[0] || step > 0)
        words_add(words, zh ? "#%lld 已停在第 %lld 步" : "#%lld stopped at step %lld", (long long)run->id,
                  (long long)step);
    else /* it never reported a step */
        words_add(words, zh ? "#%lld 已停止" : "#%lld stopped", (long long)run->id);
    const struct run_metric *metric = run_accuracy(run);
    if (!metric) metric = run_loss(run);
    if (metric) {
        words_add(words, zh ? "," : ", ");
        add_metric(words, metric, lang);
    }
    words_add(words, zh ? "。" : ". ");
    if (!path || !path[0]) {
        words_add(words, zh ? "没有存档。" : "Nothing was saved.");
        return;
    }
    if (run->checkpoint_step >= 0 && run->checkpoint_step < step && strcmp(path, run->checkpoint) == 0)
        words_add(words,
                  zh ? "这一步没有存成,最近的存档是第 %lld 步:"
                     : "This step was not saved; the last checkpoint is of step %lld: ",
                  (long long)run->checkpoint_step);
    else
        words_add(words, zh ? "存档:" : "Checkpoint: ");
    words_add_foreign(words, words_path(run, path), 300);
    if (bytes > 0) {
        char text[40];
        render_bytes(bytes, text, sizeof text);
        words_add(words, zh ? "(%s)" : " (%s)", text);
    }
    words_add(words, zh ? "。" : ".");
}

static void add_param_line(struct words *words, const struct run_param *param, bool live, enum lang lang) {
    bool zh = lang == LANG_ZH;
    const char *label = words_label(param->name, lang), *comma = zh ? "," : ", ";
    words_add(words, "\n%s ", param->name);
    words_add_param(words, param);
    bool numeric = param->type == WIRE_FLOAT || param->type == WIRE_INT;
    if (live && numeric && isfinite(param->asked) && param->asked != param->number) {
        words_add(words, " → ");
        words_add_value(words, param->type, param->asked, NULL);
    }
    words_add(words, " · ");
    const char *before = "";
    if (strcmp(label, param->name) != 0) {
        words_add(words, "%s", label);
        before = comma;
    }
    char text[400];
    struct words range;
    words_init(&range, text, sizeof text);
    if (words_add_range(&range, param, lang)) {
        words_add(words, "%s%s", before, text);
        before = comma;
    }
    words_add(words, "%s%s", before,
              param->live ? (zh ? "下一步生效" : "from the next step") : (zh ? "下次开始生效" : "from the next start"));
}

void render_params(struct words *words, const struct run *run, enum lang lang) {
    bool live = run_state_live(run->state);
    for (size_t i = 0; i < run->params_count; i++)
        add_param_line(words, &run->params[i], live, lang);
}

void render_list_line(struct words *words, const struct run *run, enum lang lang) {
    words_add(words, "#%lld ", (long long)run->id);
    words_add_foreign(words, run->name, 32);
    words_add(words, " · %s", words_state(run->state, lang));
    int percent = words_percent(run);
    if (percent >= 0 && run->state != RUN_FINISHED) words_add(words, " · %d %%", percent);
    const struct run_metric *metric = run_accuracy(run);
    const struct run_metric *test = run_metric(run, "test_acc");
    if (test && run->state == RUN_FINISHED) metric = test;
    if (!metric) metric = run_loss(run);
    if (metric) {
        words_add(words, " · ");
        add_metric(words, metric, lang);
    }
}
