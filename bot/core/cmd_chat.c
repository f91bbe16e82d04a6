/* cmd_chat.c: 静音 取消静音 删除 帮助 退出: what concerns the conversation itself. */
#include "command.h"
#include "own.h"
#include "render.h"
#include "render_delivery.h"
#include "said.h"
#include "schema.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict cmd_mute(struct request *request, struct parsed *parsed) {
    int from = 0, until = 0;
    if (parsed->count > 2 || (parsed->count == 2 && !parse_window(parsed->tokens[1], &from, &until)))
        return refuse_usage(request);
    struct session *session = request_session(request);
    if (!session) return request_refuse(request, "内存不够。", "Out of memory.");
    session->mute_from = from;
    session->mute_until = until;
    session_save(request->bot, session);
    bool zh = request_zh(request);
    if (from == until)
        request_say(request, zh ? "不报进度了,告警照发。恢复:发\"取消静音\"。"
                                : "No more progress; alerts stay on. To undo: send \"unmute\".");
    else
        request_say(request,
                    zh ? "每天 %02d:%02d 到 %02d:%02d 不报进度,告警照发。恢复:发\"取消静音\"。"
                       : "No progress from %02d:%02d to %02d:%02d every day; alerts stay on. To undo: send \"unmute\".",
                    from / 60, from % 60, until / 60, until % 60);
    return DONE;
}

enum verdict cmd_unmute(struct request *request, struct parsed *parsed) {
    (void)parsed;
    struct session *session = request_session(request);
    if (!session) return request_refuse(request, "内存不够。", "Out of memory.");
    if (session->mute_from < 0) return request_refuse(request, "本来就没有静音。", "It was not muted.");
    session->mute_from = session->mute_until = -1;
    session_save(request->bot, session);
    request_say(request, request_zh(request) ? "恢复报告进度。" : "Progress is reported again.");
    return DONE;
}

enum verdict cmd_delete(struct request *request, struct parsed *parsed) {
    bool used = false, zh = request_zh(request);
    int64_t id;
    if (parsed->count != 2 || !parse_run(parsed->tokens[1], &id)) return refuse_usage(request);
    struct run *run = pick_run(request, parsed, 1, &used);
    if (!run) return REFUSED;
    if (run_state_live(run->state))
        return request_refuse(request, "#%lld 还在运行,先发\"停止 %lld\"。",
                              "#%lld is still running; first send \"stop %lld\".", (long long)id, (long long)id);
    if (!request->confirmed) {
        char question[400];
        struct words words;
        words_init(&words, question, sizeof question);
        words_add(&words, zh ? "要删掉 #%lld " : "Delete #%lld ", (long long)id);
        words_add_foreign(&words, run->name, 32);
        words_add(&words,
                  zh ? "(%s,%lld 步)和它的全部文件吗?60 秒内回\"是\"。"
                     : " (%s, %lld steps) and all its files? Answer \"yes\" within 60 seconds.",
                  words_state(run->state, request->lang), (long long)run->step);
        return request_confirm(request, question);
    }
    int status = runs_delete(request->bot, id);
    if (status < 0)
        return request_refuse(request, "#%lld 没有删掉:%s。", "#%lld was not deleted: %s.", (long long)id,
                              said_error(status, request->lang));
    request_say(request, zh ? "#%lld 已删除。" : "#%lld was deleted.", (long long)id);
    return DONE;
}

enum verdict cmd_quit(struct request *request, struct parsed *parsed) {
    (void)parsed;
    struct channel *channel = bot_channel(request->bot, request->channel);
    bool zh = request_zh(request);
    const char *name = channel_said(request->channel, request->lang), *gap = zh ? channel_gap(name) : "";
    if (!channel || !channel->ops->logout)
        return request_refuse(request, "%s%s没有登录可以退出。", "There is no login to quit at %s%s.", name, gap);
    if (!request->confirmed) {
        char question[300];
        snprintf(question, sizeof question,
                 zh ? "要让%s%.60s%s退出登录吗?训练不受影响。60 秒内回\"是\"。"
                    : "Log %s%.60s%s out? Training is not affected. Answer \"yes\" within 60 seconds.",
                 gap, name, gap);
        return request_confirm(request, question);
    }
    request_say(request, zh ? "%s%s已退出。训练不受影响。" : "%s%s is logged out. Training is not affected.", name,
                gap);
    channel->quitting = true;
    channel->ops->logout(channel, request->chat);
    return DONE;
}

/* ---- help ---- */

static const struct run *help_declared(struct request *request) {
    struct run *only = NULL;
    if (runs_live(request->bot, &only) == 1 && only && only->commands_count > 0) return only;
    const struct trainer_settings *trainer = schema_default_trainer(request->bot, request->channel, request->chat);
    return trainer ? schema_known(request->bot, trainer) : NULL;
}

/* The trainer's own commands, those with a built-in word left out. */
static void add_own(struct words *words, struct request *request, bool all) {
    const struct run *declared = help_declared(request);
    bool zh = request_zh(request), ignored;
    char list[600];
    struct words names;
    words_init(&names, list, sizeof list);
    if (!all && own_list(&names, declared, false, request->lang) > 0)
        words_add(words, zh ? "\n这个训练自己的命令:%s" : "\nthis training's own commands: %s", list);
    for (size_t i = 0; all && declared && i < declared->commands_count; i++) {
        const struct run_command *command = &declared->commands[i];
        if (command_find(command->name, &ignored)) continue;
        const char *help = zh && command->zh_help ? command->zh_help : command->help;
        words_add(words, "\n");
        own_usage(words, command, request->lang);
        words_add(words, help && help[0] ? " — " : "");
        words_add_foreign(words, help ? help : "", 200);
    }
}

static void add_all(struct words *words, struct request *request) {
    bool zh = request_zh(request);
    for (size_t i = 0; i < commands_count; i++) {
        const struct command *command = &commands_table[i];
        if (command->role > request->role) continue;
        words_add(words, "%s%s — %s", words->length > 0 ? "\n" : "", zh ? command->zh_usage : command->en_usage,
                  zh ? command->zh_help : command->en_help);
    }
    words_add(words, zh ? "\nlr 0.0005 · lr x0.5 · bs=128 — 改参数(学习率 迭代 批量 显示)"
                        : "\nlr 0.0005 · lr x0.5 · bs=128 — sets a parameter");
}

enum verdict cmd_help(struct request *request, struct parsed *parsed) {
    static const char zh_screen[] = "开始 [训练器] [lr=…]   停止   暂停 / 继续   保存\n"
                                    "lr 0.0005 · lr x0.5    参数   状态   曲线   列表\n"
                                    "识别 10   静音 23:00-08:00   更多:帮助 全部";
    static const char en_screen[] = "start [trainer] [lr=…]   stop   pause / resume   save\n"
                                    "lr 0.0005 · lr x0.5    params   status   plot   runs\n"
                                    "recognize 10   mute 23:00-08:00   more: help all";
    bool all = parsed->count > 1 && (parse_same(parsed->tokens[1], "全部") || parse_same(parsed->tokens[1], "all"));
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    if (all)
        add_all(&words, request);
    else
        words_add(&words, "%s", request_zh(request) ? zh_screen : en_screen);
    add_own(&words, request, all);
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}
