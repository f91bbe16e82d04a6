/*
 * cmd_start.c: 开始. Everything is checked before anything happens: the trainer, the values against what it declares,
 * the run to go on from, and whether another run is in the way.
 */
#include "changes.h"
#include "command.h"
#include "render.h"
#include "said.h"
#include "schema.h"
#include "text.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASSIGNMENTS_MAX 32

struct plan {
    const struct trainer_settings *trainer;
    struct run *from;
    size_t values; /* token at which the values begin */
};

static bool refuse_trainer(struct request *request, const char *asked) {
    const struct settings *settings = request->bot->ports.settings;
    char text[1000];
    struct words words;
    words_init(&words, text, sizeof text);
    bool zh = request_zh(request);
    words_add(&words, zh ? "没有\"" : "There is no trainer \"");
    words_add_foreign(&words, asked, 60);
    words_add(&words, zh ? "\"这个训练器。" : "\". ");
    words_add(&words, settings->trainers_count ? (zh ? "有:" : "There are: ")
                                               : (zh ? "还没有配置训练器。" : "None is configured."));
    for (size_t i = 0; i < settings->trainers_count; i++)
        words_add(&words, "%s%s", i ? (zh ? "、" : ", ") : "", settings->trainers[i].name);
    request_say(request, "%s", text);
    return false;
}

static const struct trainer_settings *trainer_named(const struct settings *settings, const char *name) {
    for (size_t i = 0; i < settings->trainers_count; i++)
        if (parse_same(settings->trainers[i].name, name)) return &settings->trainers[i];
    return NULL;
}

/* A word that may begin a value: `lr`, `lr=…`, 学习率. */
static bool begins_value(struct request *request, const struct trainer_settings *trainer, const char *token) {
    if (strchr(token, '=') || words_alias(token)) return true;
    const struct run *declared = trainer ? schema_known(request->bot, trainer) : NULL;
    return declared && changes_param(declared, token);
}

static bool is_from(const char *token) {
    return parse_same(token, "续") || parse_same(token, "from") || parse_same(token, "接着");
}

/* Why a run cannot be gone on from; true: it can. */
static bool check_from(struct request *request, struct plan *plan, bool named) {
    struct run *run = plan->from;
    bool zh = request_zh(request);
    long long id = (long long)run->id;
    const struct trainer_settings *own = settings_trainer(request->bot->ports.settings, run->trainer);
    if (!named && own) plan->trainer = own;
    if (named && own && own != plan->trainer) {
        request_say(request,
                    zh ? "#%lld 是 %s 的训练,不能用 %s 接着练。" : "#%lld is a run of %s; %s cannot go on from it.", id,
                    own->name, plan->trainer->name);
        return false;
    }
    if (run_state_live(run->state)) {
        request_say(request, zh ? "#%lld 还在运行,不用接着练。" : "#%lld is still running.", id);
        return false;
    }
    if (!run->checkpoint[0]) {
        request_say(request, zh ? "#%lld 没有存档,不能接着练。" : "#%lld has no checkpoint to go on from.", id);
        return false;
    }
    if (plan->trainer && !plan->trainer->resume_args) {
        request_say(request,
                    zh ? "训练器 %s 没有配置 resume_args,不能从存档接着练。"
                       : "Trainer %s has no resume_args; it cannot go on from a checkpoint.",
                    plan->trainer->name);
        return false;
    }
    return true;
}

static bool read_plan(struct request *request, struct parsed *parsed, struct plan *plan) {
    struct bot *bot = request->bot;
    size_t at = 1;
    bool named = false;
    plan->trainer = schema_default_trainer(bot, request->channel, request->chat);
    if (bot->ports.settings->default_trainer) {
        const struct trainer_settings *usual =
            settings_trainer(bot->ports.settings, bot->ports.settings->default_trainer);
        if (usual) plan->trainer = usual;
    }
    if (at < parsed->count && !is_from(parsed->tokens[at])) {
        const struct trainer_settings *found = trainer_named(bot->ports.settings, parsed->tokens[at]);
        if (!found && !begins_value(request, plan->trainer, parsed->tokens[at]))
            return refuse_trainer(request, parsed->tokens[at]);
        if (found) {
            plan->trainer = found;
            named = true;
            at++;
        }
    }
    if (at < parsed->count && is_from(parsed->tokens[at])) {
        bool used;
        if (at + 1 >= parsed->count) {
            refuse_usage(request);
            return false;
        }
        plan->from = pick_run(request, parsed, at + 1, &used);
        if (!plan->from) return false;
        if (!used) {
            refuse_usage(request);
            return false;
        }
        request->run = 0;
        at += 2;
        if (!check_from(request, plan, named)) return false;
    }
    plan->values = at;
    if (!plan->trainer) return refuse_trainer(request, "");
    return true;
}

static bool room_to_run(struct request *request) {
    struct bot *bot = request->bot;
    struct run *only = NULL, *live = NULL;
    int64_t max = bot->ports.settings->max_running;
    if ((int64_t)runs_live(bot, &only) < (max > 0 ? max : 1)) return true;
    for (struct run *run = runs_first(bot); run && !live; run = run->next)
        if (run_state_live(run->state)) live = run;
    if (only) live = only;
    if (!live) return true;
    bool zh = request_zh(request);
    char how[60];
    int percent = words_percent(live);
    if (live->state != RUN_RUNNING)
        snprintf(how, sizeof how, "%s", words_state(live->state, request->lang));
    else if (percent >= 0)
        snprintf(how, sizeof how, "%d %%", percent);
    else
        snprintf(how, sizeof how, zh ? "第 %lld 步" : "step %lld", (long long)live->step);
    request_say(request,
                zh ? "还有 #%lld 在运行(%s)。先发\"停止 %lld\"。"
                   : "#%lld is still running (%s). First send \"stop %lld\".",
                (long long)live->id, how, (long long)live->id);
    return false;
}

static bool add_param(struct named_text *params, size_t *count, size_t max, const char *name, const char *text) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp(params[i].name, name) == 0) {
            free(params[i].text);
            params[i].text = strdup(text);
            return params[i].text != NULL;
        }
    if (*count == max) return true;
    params[*count] = (struct named_text){.name = strdup(name), .text = strdup(text)};
    (*count)++;
    return params[*count - 1].name && params[*count - 1].text;
}

/* Values without a declaration to hold them against: names are checked, the trainer has the last word. */
static bool take_unchecked(struct request *request, const struct assignment *assignments, size_t count,
                           struct named_text *params, size_t *params_count) {
    bool zh = request_zh(request);
    for (size_t i = 0; i < count; i++) {
        const char *name = words_alias(assignments[i].name);
        if (!name) name = assignments[i].name;
        if (assignments[i].factor || !assignments[i].value[0] || assignments[i].value[0] == '-') {
            request_say(request,
                        zh ? "\"%.60s\" 不行:还不知道 %.60s 的范围,请写明它的值。"
                           : "\"%.60s\" will not do: the range of %.60s is not known yet, give its value.",
                        assignments[i].value, name);
            return false;
        }
        if (!add_param(params, params_count, 2 * ASSIGNMENTS_MAX, name, assignments[i].value)) return false;
    }
    return true;
}

/* Values for the next start, then those of this command. False has said why. */
static bool gather(struct request *request, const struct plan *plan, const struct run *declared, struct parsed *parsed,
                   struct named_text *params, size_t *params_count) {
    struct assignment assignments[ASSIGNMENTS_MAX];
    const char *bad = "", *trainer = plan->trainer->name;
    char example[100];
    int64_t since_ms = plan->from ? plan->from->ended_ms : 0;
    snprintf(example, sizeof example, request_zh(request) ? "开始 %.60s " : "start %.60s ", trainer);
    int count = parse_assignments(parsed, plan->values, assignments, ASSIGNMENTS_MAX, &bad);
    if (count < 0) {
        request_say(request,
                    request_zh(request) ? "看不懂\"%.60s\"。例如:%slr=0.0005"
                                        : "I do not understand \"%.60s\". For example: %slr=0.0005",
                    bad, example);
        return false;
    }
    for (size_t i = 0; declared && i < declared->params_count; i++) {
        char *kept = default_get(request->bot, trainer, declared->params[i].name, since_ms);
        bool good = !kept || add_param(params, params_count, ASSIGNMENTS_MAX, declared->params[i].name, kept);
        free(kept);
        if (!good) return false;
    }
    if (!declared) return take_unchecked(request, assignments, (size_t)count, params, params_count);
    struct run_param *changes = NULL;
    size_t changes_size = 0;
    if (!changes_check(request, declared, trainer, assignments, (size_t)count, &changes, &changes_size, example))
        return false;
    bool good = true;
    for (size_t i = 0; good && i < changes_size; i++) {
        char text[300];
        change_text(&changes[i], text, sizeof text);
        good = add_param(params, params_count, 2 * ASSIGNMENTS_MAX, changes[i].name, text);
    }
    changes_free(changes, changes_size);
    return good;
}

enum verdict cmd_start(struct request *request, struct parsed *parsed) {
    struct plan plan = {0};
    if (!room_to_run(request) || !read_plan(request, parsed, &plan)) return REFUSED;
    const struct run *declared = NULL;
    enum verdict verdict = schema_get(request, plan.trainer, &declared);
    if (verdict != DONE) return verdict;
    struct named_text params[2 * ASSIGNMENTS_MAX + 1] = {{0}};
    size_t count = 0;
    char why[500] = "", said[800], *by = text_print("%s:%s", request->channel, request->chat);
    verdict = REFUSED;
    if (by && gather(request, &plan, declared, parsed, params, &count)) {
        struct start start = {.trainer = plan.trainer,
                              .from = plan.from,
                              .params = params,
                              .params_count = count,
                              .request = request->id,
                              .by = by};
        struct run *run = NULL;
        request_handled(request); /* runs_start commits: a message must not start twice */
        int status = runs_start(request->bot, &start, &run, why, sizeof why);
        if (status == TB_OK)
            request->run = run->id;
        else
            request_say(request, request_zh(request) ? "%s 没有启动:%s。" : "%s did not start: %s.", plan.trainer->name,
                        said_in(why[0] ? why : tb_error_text(status), request->lang, said, sizeof said));
        verdict = status == TB_OK ? OPEN : REFUSED;
    }
    for (size_t i = 0; i < count; i++) {
        free(params[i].name);
        free(params[i].text);
    }
    free(by);
    return verdict;
}
