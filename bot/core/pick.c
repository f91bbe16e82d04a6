/*
 * pick.c: which run a command means (the one named, else the chosen one if it is live, else the only live one, else the
 * newest), and asking something of it.
 */
#include "command.h"
#include "said.h"
#include "text.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

/* The chosen run where it is live, else the newest live one (the only one where there is one), else the newest. */
static struct run *usual_run(struct request *request) {
    struct bot *bot = request->bot;
    struct session *session = session_find(bot, request->channel, request->chat);
    struct run *chosen = session && session->chosen_run > 0 ? runs_find(bot, session->chosen_run) : NULL;
    if (chosen && run_state_live(chosen->state)) return chosen;
    struct run *only = NULL;
    size_t live = runs_live(bot, &only);
    if (live == 1 && only) return only;
    if (live == 0 && chosen) return chosen;
    int64_t newest = runs_newest(bot);
    return newest > 0 ? runs_find(bot, newest) : NULL;
}

struct run *pick_meant(struct request *request, const struct parsed *parsed) {
    const char *last = parsed->tokens[parsed->count - 1];
    int64_t id = 0;
    bool named = parsed->count > 1 && last[0] == '#' && parse_run(last, &id);
    return named ? runs_find(request->bot, id) : usual_run(request);
}

struct run *pick_run(struct request *request, const struct parsed *parsed, size_t at, bool *ret_used) {
    int64_t id = 0;
    bool named = at < parsed->count && parse_run(parsed->tokens[at], &id);
    *ret_used = named;
    struct run *run = named ? runs_find(request->bot, id) : usual_run(request);
    if (run)
        request->run = run->id;
    else if (named)
        request_say(request,
                    request_zh(request) ? "没有 #%lld 这个训练。发\"列表\"看有哪些。"
                                        : "There is no run #%lld. Send \"runs\" for those there are.",
                    (long long)id);
    else
        request_say(request, request_zh(request) ? "还没有训练过。发\"开始\"就开始。"
                                                 : "There is no run yet. Send \"start\" to begin one.");
    return run;
}

struct run *pick_live(struct request *request, const struct parsed *parsed, size_t at, bool *ret_used) {
    bool zh = request_zh(request);
    struct run *run = NULL;
    int64_t id = 0;
    if (at < parsed->count && parse_run(parsed->tokens[at], &id)) {
        run = pick_run(request, parsed, at, ret_used);
        if (!run || run_state_live(run->state)) return run;
        request_say(request, zh ? "#%lld 不在运行(%s)。" : "#%lld is not running (%s).", (long long)run->id,
                    words_state(run->state, request->lang));
        return NULL;
    }
    *ret_used = false;
    run = usual_run(request);
    for (struct run *at_run = runs_first(request->bot); run && !run_state_live(run->state) && at_run;
         at_run = at_run->next)
        if (run_state_live(at_run->state)) run = at_run;
    if (run && run_state_live(run->state)) {
        request->run = run->id;
        return run;
    }
    int64_t newest = runs_newest(request->bot);
    const struct run *last = newest > 0 ? runs_find(request->bot, newest) : NULL;
    if (!last)
        request_say(request, zh ? "现在没有在运行的训练,也还没有训练过。发\"开始\"就开始。"
                                : "Nothing is running, and nothing has run yet. Send \"start\" to begin.");
    else
        request_say(request,
                    zh ? "现在没有在运行的训练。最近一个是 #%lld(%s)。"
                       : "Nothing is running. The latest is #%lld (%s).",
                    (long long)last->id, words_state(last->state, request->lang));
    return NULL;
}

void changes_free(struct run_param *changes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(changes[i].name);
        free(changes[i].text);
    }
    free(changes);
}

enum verdict ask_run(struct request *request, struct run *run, enum control_kind kind, struct run_param *changes,
                     size_t changes_count, const char *name, const char *args) {
    struct control *control = calloc(1, sizeof *control);
    char *by = text_print("%s:%s", request->channel, request->chat);
    if (!control || !by || (name && !(control->name = strdup(name))) ||
        (name && !(control->args = strdup(args ? args : "")))) {
        if (control) free(control->name);
        free(control);
        free(by);
        changes_free(changes, changes_count);
        return request_refuse(request, "内存不够。", "Out of memory.");
    }
    control->kind = kind;
    control->request = request->id;
    control->changes = changes;
    control->changes_count = changes_count;
    control->save = true;
    control->asked_total = run->total_steps;
    control->by = by;
    request->run = run->id;
    request_handled(request);
    int status = runs_ask(request->bot, run, control);
    if (status < 0)
        return request_refuse(request, "没有发出去:%s。", "Not sent: %s.", said_error(status, request->lang));
    return OPEN;
}

enum verdict refuse_usage(struct request *request) {
    const struct command *command = request->command;
    return request_refuse(request, "写法:%s", "Usage: %s", request_zh(request) ? command->zh_usage : command->en_usage);
}
