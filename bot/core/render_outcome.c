/*
 * render_outcome.c: what became of something that was asked of a trainer, as the one who asked reads it: what happened,
 * with the step, never what was merely asked for.
 */
#include "render.h"
#include "render_card.h"
#include "said.h"

#include <string.h>

static void outcome_applied(struct words *words, const struct control *control, const struct outcome *outcome,
                            enum lang lang) {
    bool zh = lang == LANG_ZH;
    words_add(words, "#%lld ", (long long)control->run->id);
    for (size_t i = 0; i < outcome->count; i++) {
        const struct wire_named *now = &outcome->new_values[i], *before = NULL;
        for (size_t j = 0; j < outcome->count && outcome->old_values; j++)
            if (strcmp(outcome->old_values[j].name, now->name) == 0) before = &outcome->old_values[j];
        words_add(words, "%s%s ", i ? (zh ? "," : ", ") : "", words_label(now->name, lang));
        if (before) {
            words_add_wire(words, &before->value);
            words_add(words, " → ");
        }
        words_add_wire(words, &now->value);
    }
    words_add(words, zh ? ",从第 %lld 步起生效" : ", from step %lld on", (long long)outcome->step);
    /* A plan that the change made stands before its answer. */
    bool longer = control->asked_total > 0 && control->run->total_steps != control->asked_total;
    if (longer && control->run->total_steps > 0) {
        words_add(words, zh ? ",现在共 " : ", now ");
        words_add_count(words, control->run->total_steps);
        words_add(words, zh ? " 步" : " steps in all");
    }
    words_add(words, zh ? "。" : ".");
}

static void outcome_rejected(struct words *words, const struct control *control, const struct outcome *outcome,
                             bool zh) {
    words_add(words, zh ? "#%lld 没有照做:" : "#%lld refused: ", (long long)control->run->id);
    words_add_said(words, outcome->why && outcome->why[0] ? outcome->why : (zh ? "没有说原因" : "no reason given"), 400,
                   zh ? LANG_ZH : LANG_EN);
    words_add(words, zh ? "。" : ".");
}

static void outcome_saved(struct words *words, const struct control *control, const struct outcome *outcome, bool zh) {
    char bytes[40];
    words_add(words, zh ? "#%lld 第 %lld 步已存档:" : "#%lld saved at step %lld: ", (long long)control->run->id,
              (long long)outcome->step);
    words_add_foreign(words, words_path(control->run, outcome->path ? outcome->path : ""), 300);
    render_bytes(outcome->bytes, bytes, sizeof bytes);
    if (outcome->bytes > 0) words_add(words, zh ? "(%s)" : " (%s)", bytes);
    words_add(words, zh ? "。" : ".");
}

static void outcome_ended(struct words *words, const struct control *control, bool zh) {
    const struct run *run = control->run;
    words_add(words,
              zh ? "#%lld %s,没有等到这条命令生效(第 %lld 步)。" : "#%lld %s before this took effect (step %lld).",
              (long long)run->id, words_state(run->state, zh ? LANG_ZH : LANG_EN), (long long)run->step);
}

size_t render_outcome(const struct control *control, const struct outcome *outcome, enum lang lang, char *text,
                      size_t size) {
    struct words words;
    words_init(&words, text, size);
    bool zh = lang == LANG_ZH;
    long long id = (long long)control->run->id, step = (long long)outcome->step;
    switch (outcome->kind) {
    case OUTCOME_APPLIED:
        outcome_applied(&words, control, outcome, lang);
        break;
    case OUTCOME_REJECTED:
        outcome_rejected(&words, control, outcome, zh);
        break;
    case OUTCOME_PAUSED:
        words_add(&words,
                  zh ? "#%lld 已暂停在第 %lld 步。发\"继续\"接着练。"
                     : "#%lld paused at step %lld. Send \"resume\" to go on.",
                  id, step);
        break;
    case OUTCOME_RESUMED:
        words_add(&words, zh ? "#%lld 从第 %lld 步继续。" : "#%lld goes on from step %lld.", id, step);
        break;
    case OUTCOME_SAVED:
        outcome_saved(&words, control, outcome, zh);
        break;
    case OUTCOME_STOPPED:
        render_stopped(&words, control->run, outcome->step, outcome->path,
                       outcome->bytes > 0 ? outcome->bytes : control->run->checkpoint_bytes, lang);
        break;
    case OUTCOME_RESULT:
        words_add_lines(&words, outcome->text ? outcome->text : "", RENDER_MAX);
        break;
    case OUTCOME_ENDED:
        outcome_ended(&words, control, zh);
        break;
    }
    words_trim(&words);
    return words.length;
}
