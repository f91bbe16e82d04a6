/*
 * cmd_call.c: 识别 and the commands that a trainer declares itself: asked of the live run, or, of an ended one,
 * answered by its trainer's program started once with --call on the newest checkpoint.
 */
#include "argv.h"
#include "changes.h"
#include "command.h"
#include "own.h"
#include "pictures.h"
#include "render.h"
#include "said.h"
#include "text.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALL_MS 120000
#define PICTURES_MAX 8

/* ---- of an ended run ---- */

struct call {
    struct bot *bot;
    uint64_t request;
    int64_t run, step;
    char *line; /* "recognize 10" */
    char *dir;  /* where the program leaves its pictures */
};

static void call_free(struct call *call) {
    if (call->dir && rmdir(call->dir) < 0) bot_log(call->bot, 1, "%s: not removed", call->dir);
    free(call->line);
    free(call->dir);
    free(call);
}

struct lookup {
    struct bot *bot;
    const struct run *run;
    char text[3300];
};

static const char *look_up(void *user, const char *name) {
    struct lookup *lookup = user;
    const struct run *run = lookup->run;
    if (strcmp(name, "checkpoint") == 0) return run->checkpoint;
    if (strcmp(name, "run") == 0)
        snprintf(lookup->text, sizeof lookup->text, "%lld", (long long)run->id);
    else if (strcmp(name, "run_dir") == 0)
        snprintf(lookup->text, sizeof lookup->text, "%s/runs/%lld", lookup->bot->ports.settings->state_dir,
                 (long long)run->id);
    else {
        const struct run_param *param = run_param(run, name);
        if (!param) return NULL;
        change_text(param, lookup->text, sizeof lookup->text);
    }
    return lookup->text;
}

/* Takes apart what the program printed: "image: PATH" lines are pictures, the rest is the answer. */
static size_t read_output(struct call *call, const char *output, size_t size, struct words *words,
                          int64_t images[PICTURES_MAX]) {
    size_t count = 0;
    for (const char *at = output, *end = output + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline - at) : (size_t)(end - at);
        char *line = strndup(at, length);
        bool picture = line && strncmp(line, "image: ", 7) == 0;
        bool inside = picture && strncmp(line + 7, call->dir, strlen(call->dir)) == 0 && !strstr(line, "..");
        if (inside && count < PICTURES_MAX) {
            int64_t image = pictures_take(call->bot, call->run, "call", call->line, line + 7);
            if (image > 0) images[count++] = image;
        } else if (line && !picture) {
            if (words->length > 0) words_add(words, "\n");
            words_add_foreign(words, line, 500);
        }
        free(line);
        at += length + 1;
    }
    words_trim(words);
    return count;
}

/* Why it came to nothing: the program's own last words where it has some. */
static void tell_failure(struct request *request, const struct call *call, int exit_code, const char *text) {
    bool zh = request_zh(request);
    const char *last = strrchr(text, '\n'), *why = last ? last + 1 : text;
    char said[800];
    if (exit_code == TB_ETIMEDOUT)
        why = zh ? "两分钟内没有结束" : "not done within two minutes";
    else if (exit_code == TB_ERANGE)
        why = zh ? "输出太多了" : "it said too much";
    else if (exit_code < 0)
        why = zh ? "程序被信号结束了" : "its program was ended by a signal";
    else if (!why[0])
        why = zh ? "程序没有说原因" : "its program gave no reason";
    else
        why = said_in(why, request->lang, said, sizeof said);
    char asked[100];
    request_say(request, zh ? "#%lld 没有做成(%s):%s。" : "#%lld could not (%s): %s.", (long long)call->run,
                own_said(runs_find(call->bot, call->run), call->line, request->lang, asked, sizeof asked), why);
}

static void answered(void *user, int exit_code, const char *output, size_t size) {
    struct call *call = user;
    struct bot *bot = call->bot;
    char text[RENDER_MAX];
    int64_t images[PICTURES_MAX] = {0};
    struct words words;
    words_init(&words, text, sizeof text);
    size_t count = read_output(call, output ? output : "", size, &words, images);
    struct request *request = request_find(bot, call->request);
    if (exit_code == 0) {
        struct result_record result = {.run = call->run,
                                       .t_ms = clock_wall_ms(bot->ports.clock),
                                       .step = call->step,
                                       .command = call->line,
                                       .text = text,
                                       .image = images[0]};
        int status = store_result_add(bot->ports.store, &result);
        if (status < 0) bot_log(bot, 0, "a result was not kept: %s", tb_error_text(status));
    }
    if (request && exit_code == 0) {
        if (text[0]) request_tell(request, text, 0, call->run, NULL);
        for (size_t i = 0; i < count; i++)
            request_tell(request, NULL, images[i], call->run, NULL);
        request_finish(request, true);
    } else if (request) {
        tell_failure(request, call, exit_code, text);
        request_finish(request, false);
    }
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    call_free(call);
}

static int launch_call(struct call *call, const struct run *run, const struct trainer_settings *trainer, char *why,
                       size_t why_size) {
    struct bot *bot = call->bot;
    struct lookup *lookup = calloc(1, sizeof *lookup);
    char *tail[] = {(char *)(uintptr_t) "--call", call->line, NULL}, **joined = NULL, **argv = NULL, **whole = NULL;
    int status = lookup ? argv_join(trainer->command, trainer->resume_args, &joined) : TB_ENOMEM;
    if (lookup) *lookup = (struct lookup){.bot = bot, .run = run};
    if (status == TB_OK) status = argv_fill(joined, look_up, lookup, &argv, why, why_size);
    if (status == TB_OK) status = argv_join(argv, tail, &whole);
    char **env = calloc(trainer->env_count + 3, sizeof *env);
    size_t count = 0;
    for (size_t i = 0; env && i < trainer->env_count; i++)
        env[count++] = text_print("%s=%s", trainer->env[i].name, trainer->env[i].text);
    if (env) env[count++] = strdup("TRAINBOT_SOCKET=");
    if (env) env[count++] = text_print("TRAINBOT_RUN_DIR=%s", call->dir);
    for (size_t i = 0; i < count && status == TB_OK; i++)
        if (!env[i]) status = TB_ENOMEM;
    if (!env) status = TB_ENOMEM;
    const char *directory = trainer->directory ? trainer->directory : call->dir;
    if (status == TB_OK) status = launcher_capture(bot->ports.launcher, whole, env, directory, CALL_MS, answered, call);
    for (size_t i = 0; i < count; i++)
        free(env[i]);
    free(env);
    argv_free(joined);
    argv_free(argv);
    argv_free(whole);
    free(lookup);
    return status;
}

static enum verdict call_ended(struct request *request, const struct run *run, const char *line) {
    struct bot *bot = request->bot;
    const struct trainer_settings *trainer = settings_trainer(bot->ports.settings, run->trainer);
    long long id = (long long)run->id;
    if (!run->checkpoint[0])
        return request_refuse(request, "#%lld 已经结束,也没有存档,做不了。",
                              "#%lld has ended and has no checkpoint to use.", id);
    if (!trainer || !trainer->resume_args)
        return request_refuse(request, "#%lld 的训练器没有配置 resume_args,结束后不能再用。",
                              "The trainer of #%lld has no resume_args; an ended run cannot be used.", id);
    char images[3300], why[300] = "";
    struct call *call = calloc(1, sizeof *call);
    if (!call) return request_refuse(request, "内存不够。", "Out of memory.");
    *call = (struct call){
        .bot = bot, .request = request->id, .run = run->id, .step = run->checkpoint_step, .line = strdup(line)};
    int status = call->line && pictures_dir(bot, run->id, images, sizeof images) ? TB_OK : TB_EIO;
    char *dir = status == TB_OK ? text_print("%s/call-XXXXXX", images) : NULL;
    if (dir && mkdtemp(dir))
        call->dir = dir;
    else
        free(dir);
    if (!call->dir) status = TB_EIO;
    if (status == TB_OK) status = launch_call(call, run, trainer, why, sizeof why);
    if (status < 0) {
        call_free(call);
        char said[800];
        return request_refuse(request, "没有做成:%s。", "That could not be done: %s.",
                              said_in(why[0] ? why : tb_error_text(status), request->lang, said, sizeof said));
    }
    return OPEN;
}

/* ---- either way ---- */

/* Another model has it, or another program: what this one has. */
static enum verdict refuse_missing(struct request *request, const struct run *run, const char *name) {
    char list[600], asked[100], model[100];
    bool zh = request_zh(request);
    struct words words;
    words_init(&words, model, sizeof model);
    words_add_foreign(&words, run->name, 40);
    words_init(&words, list, sizeof list);
    words_add(&words, zh ? ",它有:" : "; it has: ");
    if (own_list(&words, run, true, request->lang) == 0) list[0] = 0;
    return request_refuse(request, "#%lld(%s)没有\"%s\"这个命令%s。", "#%lld (%s) has no command \"%s\"%s.",
                          (long long)run->id, model, own_said(run, name, request->lang, asked, sizeof asked), list);
}

static enum verdict call_command(struct request *request, struct run *run, const char *name, const char *args) {
    bool live = run_state_live(run->state);
    if (!run_command(run, name) && (live || run->commands_count > 0)) return refuse_missing(request, run, name);
    if (live) return ask_run(request, run, CONTROL_CALL, NULL, 0, name, args);
    char line[PARSE_TEXT_MAX + 100];
    snprintf(line, sizeof line, "%s%s%s", name, args[0] ? " " : "", args);
    return call_ended(request, run, line);
}

enum verdict cmd_recognize(struct request *request, struct parsed *parsed) {
    bool used = false;
    int64_t count = 10, id;
    if (parsed->count > 3 || (parsed->count > 1 && !parse_count(parsed->tokens[1], &count)))
        return refuse_usage(request);
    if (parsed->count == 3 && !parse_run(parsed->tokens[2], &id)) return refuse_usage(request);
    if (count < 1)
        return request_refuse(request, "至少要识别 1 张,例如:识别 10", "At least 1 image, for example: recognize 10");
    struct run *run = pick_run(request, parsed, 2, &used);
    if (!run) return REFUSED;
    char args[32];
    const struct run_command *declared = run_command(run, "recognize");
    bool speaks = declared && own_speaks(declared);
    snprintf(args, sizeof args, "%lld%s", (long long)count, !speaks ? "" : request_zh(request) ? " zh" : " en");
    return call_command(request, run, "recognize", args);
}

enum verdict cmd_own(struct request *request, struct parsed *parsed) {
    bool used = false;
    size_t last = parsed->count - 1;
    bool names_run = last > 0 && parsed->tokens[last][0] == '#';
    struct run *run = pick_run(request, parsed, names_run ? last : parsed->count, &used);
    if (!run) return REFUSED;
    if (used) parsed->count = last;
    const struct run_command *command = own_find(run, parsed->tokens[0]);
    if (!command) return refuse_missing(request, run, parsed->tokens[0]);
    request->changed = !command->reads;
    if (!command->reads && (!request_needs(request, ROLE_OPERATOR) || request_too_old(request))) return REFUSED;
    char args[PARSE_TEXT_MAX + 8];
    parse_rest(parsed, 1, args, PARSE_TEXT_MAX + 1);
    own_speak(command, request->lang, args, sizeof args);
    return call_command(request, run, command->name, args);
}
