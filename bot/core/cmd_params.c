/*
 * cmd_params.c: looking at parameters and setting them. What is live goes to the run and is answered with the step from
 * which it holds; everything also stands for the next start.
 */
#include "changes.h"
#include "command.h"
#include "render.h"
#include "render_card.h"
#include "said.h"
#include "schema.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASSIGNMENTS_MAX 32

/* The values in the request, for the store once they hold. */
static bool note_defaults(struct request *request, const char *trainer, const struct run_param *changes, size_t count) {
    if (!trainer[0]) return true;
    request->trainer = strdup(trainer);
    request->defaults = calloc(count + 1, sizeof *request->defaults);
    if (!request->trainer || !request->defaults) return false;
    for (size_t i = 0; i < count; i++) {
        char text[300];
        change_text(&changes[i], text, sizeof text);
        struct named_text *item = &request->defaults[request->defaults_count];
        item->name = strdup(changes[i].name);
        item->text = strdup(text);
        request->defaults_count++;
        if (!item->name || !item->text) return false;
    }
    return true;
}

static void add_change(struct words *words, struct request *request, const struct run_param *was,
                       const struct run_param *now, const char *trainer) {
    char *kept = trainer ? next_get(request->bot, trainer, now->name) : NULL;
    double number = was ? was->number : 0;
    if (kept && now->type != WIRE_STRING && now->type != WIRE_ENUM && parse_number(kept, &number) != NUMBER_OK)
        number = was ? was->number : 0;
    words_add(words, "%s ", words_label(now->name, request->lang));
    if (was) {
        words_add_value(words, now->type, number, kept ? kept : was->text);
        words_add(words, " → ");
    }
    words_add_value(words, now->type, now->number, now->text);
    free(kept);
}

static bool keep_all(struct request *request, const char *trainer, const struct run_param *changes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char text[300];
        change_text(&changes[i], text, sizeof text);
        int status = default_put(request->bot, trainer, changes[i].name, text);
        if (status < 0) {
            request_say(request, request_zh(request) ? "没有记下:%s。" : "Not kept: %s.",
                        said_error(status, request->lang));
            return false;
        }
    }
    return true;
}

/* Nothing runs: the values wait for the next start. */
static enum verdict set_next(struct request *request, const struct trainer_settings *trainer,
                             const struct run *declared, const struct run_param *changes, size_t count) {
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    bool zh = request_zh(request);
    for (size_t i = 0; i < count; i++) {
        words_add(&words, "%s", i ? (zh ? "," : ", ") : "");
        add_change(&words, request, run_param(declared, changes[i].name), &changes[i], trainer->name);
    }
    words_add(&words, zh ? ",下次开始 %s 时生效。" : ", from the next start of %s on.", trainer->name);
    if (!keep_all(request, trainer->name, changes, count)) return REFUSED;
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}

/* Takes changes. Live ones go to the run; the others are told to wait for the next start. */
static enum verdict set_live(struct request *request, struct run *run, struct run_param *changes, size_t count) {
    char after[1000];
    struct words words;
    words_init(&words, after, sizeof after);
    bool zh = request_zh(request);
    size_t live = 0, waiting = 0;
    if (!note_defaults(request, run->trainer, changes, count)) {
        changes_free(changes, count);
        return request_refuse(request, "内存不够。", "Out of memory.");
    }
    for (size_t i = 0; i < count; i++) {
        const struct run_param *param = run_param(run, changes[i].name);
        if (param && param->live) {
            struct run_param swap = changes[live];
            changes[live++] = changes[i];
            changes[i] = swap;
            continue;
        }
        words_add(&words, "%s", waiting++ ? (zh ? "," : ", ") : live ? (zh ? "" : " ") : "");
        add_change(&words, request, param, &changes[i], NULL);
    }
    if (waiting > 0)
        words_add(&words, zh ? ":训练中不能改,下次开始时生效。"
                             : ": cannot change while training, holds from the next start on.");
    for (size_t i = live; i < count; i++) {
        free(changes[i].name);
        free(changes[i].text);
    }
    if (live == 0) {
        free(changes);
        if (!run->trainer[0])
            return request_refuse(request, "#%lld 不是我启动的,这个参数训练中不能改。",
                                  "#%lld was not started by me, and this cannot change while training.",
                                  (long long)run->id);
        for (size_t i = 0; i < request->defaults_count; i++)
            if (default_put(request->bot, request->trainer, request->defaults[i].name, request->defaults[i].text) < 0)
                return request_refuse(request, "没有记下。", "Not kept.");
        request_tell(request, after, 0, run->id, NULL);
        return DONE;
    }
    if (waiting > 0) request->after = strdup(after);
    return ask_run(request, run, CONTROL_SET, changes, live, NULL, NULL);
}

static enum verdict set_values(struct request *request, struct run *run, struct parsed *parsed, size_t first) {
    struct assignment assignments[ASSIGNMENTS_MAX];
    const char *bad = "";
    request->changed = true;
    if (!request_needs(request, ROLE_OPERATOR) || request_too_old(request)) return REFUSED;
    const struct trainer_settings *trainer = NULL;
    const struct run *declared = run;
    if (!run) {
        trainer = schema_default_trainer(request->bot, request->channel, request->chat);
        if (!trainer) return request_refuse(request, "还没有配置训练器。", "No trainer is configured.");
        enum verdict verdict = schema_get(request, trainer, &declared);
        if (verdict != DONE) return verdict;
        if (!declared)
            return request_refuse(request, "还不知道 %s 有哪些参数:先\"开始\"一次,或给它配置 describe。",
                                  "What parameters %s has is not known yet: start it once, or configure its describe.",
                                  trainer->name);
    } else if (run->params_count == 0) {
        if (run->state == RUN_STARTING || run->state == RUN_QUEUED)
            return request_refuse(request, "#%lld 还在启动,等它开始后再发。",
                                  "#%lld is still starting; send it again once it runs.", (long long)run->id);
        return request_refuse(request, "#%lld 没有可以改的参数。", "#%lld has no parameters.", (long long)run->id);
    }
    int count = parse_assignments(parsed, first, assignments, ASSIGNMENTS_MAX, &bad);
    if (count < 0)
        return request_refuse(request, "看不懂\"%.60s\"。写法:lr 0.0005 或 lr=0.0005",
                              "I do not understand \"%.60s\". Write: lr 0.0005 or lr=0.0005", bad);
    struct run_param *changes = NULL;
    size_t changes_size = 0;
    if (!changes_check(request, declared, trainer ? trainer->name : NULL, assignments, (size_t)count, &changes,
                       &changes_size, ""))
        return REFUSED;
    if (run) return set_live(request, run, changes, changes_size);
    enum verdict verdict = set_next(request, trainer, declared, changes, changes_size);
    changes_free(changes, changes_size);
    return verdict;
}

/* The live run that a value without a number means; NULL: none is live. */
static struct run *live_target(struct request *request) {
    struct bot *bot = request->bot;
    struct session *session = session_find(bot, request->channel, request->chat);
    struct run *chosen = session && session->chosen_run > 0 ? runs_find(bot, session->chosen_run) : NULL, *only = NULL;
    if (chosen && run_state_live(chosen->state)) return chosen;
    if (runs_live(bot, &only) == 1 && only) return only;
    for (struct run *run = runs_first(bot); run; run = run->next)
        if (run_state_live(run->state)) return run;
    return NULL;
}

enum verdict cmd_set(struct request *request, struct parsed *parsed) {
    return set_values(request, live_target(request), parsed, 0);
}

/* What the next start would use, where it differs from what the trainer declares. */
static void overlay_defaults(struct bot *bot, const struct trainer_settings *trainer, const struct run *declared,
                             struct words *words, enum lang lang) {
    int count = 0;
    bool zh = lang == LANG_ZH;
    for (size_t i = 0; i < declared->params_count; i++) {
        char *kept = next_get(bot, trainer->name, declared->params[i].name), now[300];
        change_text(&declared->params[i], now, sizeof now);
        if (kept && strcmp(kept, now) != 0) {
            words_add(words, "%s%s ", count++ ? (zh ? "," : ", ") : (zh ? "\n下次开始:" : "\nnext start: "),
                      declared->params[i].name);
            words_add_foreign(words, kept, 100);
        }
        free(kept);
    }
}

static enum verdict show_described(struct request *request) {
    const struct trainer_settings *trainer = schema_default_trainer(request->bot, request->channel, request->chat);
    if (!trainer) return request_refuse(request, "还没有配置训练器。", "No trainer is configured.");
    const struct run *declared = NULL;
    enum verdict verdict = schema_get(request, trainer, &declared);
    if (verdict != DONE) return verdict;
    if (!declared)
        return request_refuse(request, "还不知道 %s 有哪些参数。", "What parameters %s has is not known yet.",
                              trainer->name);
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    words_add(&words, request_zh(request) ? "%s · 参数(没有在运行)" : "%s · parameters (not running)", trainer->name);
    render_params(&words, declared, request->lang);
    overlay_defaults(request->bot, trainer, declared, &words, request->lang);
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}

static enum verdict show_run(struct request *request, const struct run *run) {
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    if (run->params_count == 0)
        return request_refuse(request, "#%lld 没有说过它有哪些参数。", "#%lld has not declared parameters.",
                              (long long)run->id);
    words_add_foreign(&words, run->name, 32);
    words_add(&words, request_zh(request) ? " #%lld · 参数" : " #%lld · parameters", (long long)run->id);
    if (!run_state_live(run->state))
        words_add(&words, request_zh(request) ? "(%s)" : " (%s)", words_state(run->state, request->lang));
    render_params(&words, run, request->lang);
    const struct trainer_settings *trainer = settings_trainer(request->bot->ports.settings, run->trainer);
    if (trainer) overlay_defaults(request->bot, trainer, run, &words, request->lang);
    request_tell(request, text, 0, run->id, NULL);
    return DONE;
}

enum verdict cmd_params(struct request *request, struct parsed *parsed) {
    bool used = false;
    int64_t id;
    size_t first = parsed->count > 1 && parse_run(parsed->tokens[1], &id) ? 2 : 1;
    struct run *run = live_target(request);
    if (first == 2 && !(run = pick_run(request, parsed, 1, &used))) return REFUSED;
    if (parsed->count == first) return run ? show_run(request, run) : show_described(request);
    if (run && !run_state_live(run->state))
        return request_refuse(request, "#%lld 不在运行(%s),参数改不了。",
                              "#%lld is not running (%s); its parameters cannot change.", (long long)run->id,
                              words_state(run->state, request->lang));
    return set_values(request, run, parsed, first);
}
