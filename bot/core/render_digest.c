/* render_digest.c: a digest's two lines, see digest.h. What moved says where from; what did not says so. */
#include "digest.h"
#include "render.h"
#include "render_delivery.h"
#include <math.h>
#include <time.h>

/* "20 分钟": a length of time as one says it. */
static void add_span(struct words *words, int64_t ms, bool zh) {
    long long s = (long long)((ms > 0 ? ms : 0) + 500) / 1000;
    if (s < 90)
        words_add(words, zh ? "%lld 秒" : "%lld s", s);
    else if (s < 90 * 60)
        words_add(words, zh ? "%lld 分钟" : "%lld min", (s + 30) / 60);
    else if (s < 48 * 3600)
        words_add(words, zh ? "%lld 小时" : "%lld h", (s + 1800) / 3600);
    else
        words_add(words, zh ? "%lld 天" : "%lld days", (s + 43200) / 86400);
}

/* "14:32", with the day where it is another one. */
static void add_clock(struct words *words, int64_t t_ms, int64_t now_ms, bool zh) {
    time_t at = (time_t)(t_ms / 1000), now = (time_t)(now_ms / 1000);
    struct tm local, today;
    if (!localtime_r(&at, &local) || !localtime_r(&now, &today)) return;
    if (local.tm_yday != today.tm_yday || local.tm_year != today.tm_year)
        words_add(words, zh ? "%d 月 %d 日 " : "%d/%d ", local.tm_mon + 1, local.tm_mday);
    words_add(words, "%02d:%02d", local.tm_hour, local.tm_min);
}

static void add_way(struct words *words, const struct digest *digest, const struct digest_figures *now, bool zh) {
    if (now->percent >= 0 && digest->from.percent >= 0) {
        words_add(words, " · %d %% → %d %%", (int)digest->from.percent, (int)now->percent);
        return;
    }
    words_add(words, zh ? " · 第 " : " · step ");
    words_add_count(words, digest->from.step);
    words_add(words, " → ");
    words_add_count(words, now->step);
    words_add(words, zh ? " 步" : "");
}

static void add_first(struct words *words, const struct digest *digest, const struct run_metric *metric,
                      const struct digest_figures *now, enum lang lang) {
    bool zh = lang == LANG_ZH;
    words_add(words, " · %s ", words_label(metric->name, lang));
    words_add_number(words, metric->value);
    if (!isfinite(digest->best) || digest->best == metric->value) return;
    words_add(words, zh ? "(过去 " : " (best of the last ");
    add_span(words, now->t_ms - digest->from.t_ms, zh);
    words_add(words, zh ? "最好 " : " ");
    words_add_number(words, digest->best);
    words_add(words, ")");
}

/* "损失 0.3187 → 0.3021,lr 0.001 未变,没有告警。" */
static void add_rest(struct words *words, const struct digest *digest, const struct run *run, bool loss_told,
                     enum lang lang) {
    bool zh = lang == LANG_ZH;
    const struct run_metric *loss = loss_told ? NULL : run_loss(run);
    const struct run_param *lr = run_param(run, "lr");
    const char *comma = zh ? "," : ", ", *before = "\n";
    if (loss) {
        words_add(words, "\n%s ", words_label(loss->name, lang));
        if (isfinite(digest->from.loss) && digest->from.loss != loss->value) {
            words_add_number(words, digest->from.loss);
            words_add(words, " → ");
        }
        words_add_number(words, loss->value);
        before = comma;
    }
    if (lr) {
        words_add(words, "%slr ", before);
        bool moved = isfinite(digest->from.lr) && digest->from.lr != lr->number;
        if (moved) {
            words_add_value(words, lr->type, digest->from.lr, NULL);
            words_add(words, " → ");
        }
        words_add_param(words, lr);
        if (!moved) words_add(words, zh ? " 未变" : " unchanged");
        before = comma;
    }
    if (digest->alerts == 0)
        words_add(words, zh ? "%s没有告警。" : "%sno alerts.", before);
    else
        words_add(words,
                  zh                    ? "%s%lld 条告警。"
                  : digest->alerts == 1 ? "%s%lld alert."
                                        : "%s%lld alerts.",
                  before, (long long)digest->alerts);
}

void render_digest(struct words *words, const struct digest *digest, const struct run *run,
                   const struct digest_figures *now, int64_t until_ms, enum lang lang) {
    bool zh = lang == LANG_ZH;
    const struct run_metric *accuracy = run_accuracy(run), *first = accuracy ? accuracy : run_loss(run);
    words_add_foreign(words, run->name, 32);
    words_add(words, " #%lld", (long long)run->id);
    if (run->state != RUN_RUNNING) words_add(words, " · %s", words_state(run->state, lang));
    add_way(words, digest, now, zh);
    if (first) add_first(words, digest, first, now, lang);
    add_rest(words, digest, run, first && !accuracy, lang);
    double eta_s = run_eta_s(run);
    if (run->state == RUN_RUNNING && run->steps_per_s > 0 && eta_s >= 0 && eta_s < 1e9) {
        words_add(words, zh ? "预计 " : " Done at about ");
        add_clock(words, now->t_ms + (int64_t)(eta_s * 1000), now->t_ms, zh);
        words_add(words, zh ? " 完成。" : ".");
    }
    if (until_ms <= 0) return;
    const char *name = channel_said(digest->channel, lang);
    words_add(words, zh ? "\n(%s只许我发到 " : "\n(%s lets me send until ", name);
    add_clock(words, until_ms, now->t_ms, zh);
    words_add(words, zh ? ";你随便回一个字,我就能继续报告。)" : "; answer anything and I go on reporting.)");
}
