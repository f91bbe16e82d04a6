/* cmd_show.c: 状态 列表 用 结果 谁: what there is to read. */
#include "command.h"
#include "own.h"
#include "said.h"
#include "render.h"
#include "render_card.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LIST_RUNS 10
#define LIST_RESULTS 5
#define LIST_AUDITS 12

static void add_time(struct words *words, const struct request *request, int64_t t_ms) {
    time_t then = (time_t)(t_ms / 1000), now = (time_t)(clock_wall_ms(request->bot->ports.clock) / 1000);
    struct tm a, b;
    char text[40] = "?";
    if (localtime_r(&then, &a) && localtime_r(&now, &b))
        strftime(text, sizeof text, a.tm_yday == b.tm_yday && a.tm_year == b.tm_year ? "%H:%M" : "%m-%d %H:%M", &a);
    words_add(words, "%s", text);
}

static void add_machine(struct words *words, struct request *request, const struct run *run) {
    bool zh = request_zh(request);
    double cpu = -1;
    int64_t rss = -1;
    if (!run_state_live(run->state)) return;
    words_add(words, "\n");
    words_add_foreign(words, run->host[0] ? run->host : (zh ? "本机" : "this machine"), 40);
    if (!run->launched || launcher_usage(request->bot->ports.launcher, run->id, &cpu, &rss) < 0) return;
    if (cpu >= 0) words_add(words, " · CPU %.0f %%", cpu);
    if (rss > 0) {
        char bytes[40];
        render_bytes(rss, bytes, sizeof bytes);
        words_add(words, zh ? " · 内存 %s" : " · memory %s", bytes);
    }
}

enum verdict cmd_status(struct request *request, struct parsed *parsed) {
    bool used = false;
    int64_t id;
    if (parsed->count > 2 || (parsed->count == 2 && !parse_run(parsed->tokens[1], &id))) return refuse_usage(request);
    struct run *run = pick_run(request, parsed, 1, &used);
    if (!run) return parsed->count == 2 ? REFUSED : DONE; /* "there is none yet" is an answer, not a refusal */
    char text[RENDER_MAX], buttons[256];
    struct words words;
    words_init(&words, text, sizeof text);
    render_status(&words, run, request->lang);
    add_machine(&words, request, run);
    render_buttons(run, request->lang, buttons, sizeof buttons);
    request_tell(request, text, 0, run->id, buttons);
    return DONE;
}

struct ids {
    int64_t ids[LIST_RUNS];
    size_t count;
};

static bool take_id(void *user, const struct run_record *record) {
    struct ids *ids = user;
    ids->ids[ids->count++] = record->id;
    return ids->count < LIST_RUNS;
}

enum verdict cmd_list(struct request *request, struct parsed *parsed) {
    (void)parsed;
    struct ids ids = {.count = 0};
    int status = store_runs(request->bot->ports.store, 0, LIST_RUNS, take_id, &ids);
    if (status < 0)
        return request_refuse(request, "读不出来:%s。", "Cannot be read: %s.", said_error(status, request->lang));
    if (ids.count == 0) {
        request_say(request, request_zh(request) ? "还没有训练过。发\"开始\"就开始。"
                                                 : "There is no run yet. Send \"start\" to begin one.");
        return DONE;
    }
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    for (size_t i = 0; i < ids.count; i++) {
        const struct run *run = runs_find(request->bot, ids.ids[i]);
        if (!run) continue;
        words_add(&words, "%s", words.length > 0 ? "\n" : "");
        render_list_line(&words, run, request->lang);
    }
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}

enum verdict cmd_use(struct request *request, struct parsed *parsed) {
    bool used = false;
    int64_t id;
    if (parsed->count != 2 || !parse_run(parsed->tokens[1], &id)) return refuse_usage(request);
    struct run *run = pick_run(request, parsed, 1, &used);
    if (!run) return REFUSED;
    struct session *session = request_session(request);
    if (!session) return request_refuse(request, "内存不够。", "Out of memory.");
    session->chosen_run = run->id;
    session_save(request->bot, session);
    long long number = (long long)run->id;
    const char *state = words_state(run->state, request->lang);
    if (run_state_live(run->state))
        request_say(request,
                    request_zh(request) ? "之后的命令都指 #%lld %s(%s)。" : "Later commands mean #%lld %s (%s).",
                    number, run->name, state);
    else
        request_say(request,
                    request_zh(request) ? "没有训练在运行的时候,命令都指 #%lld %s(%s)。"
                                        : "While nothing is running, commands mean #%lld %s (%s).",
                    number, run->name, state);
    return DONE;
}

struct results {
    struct request *request;
    struct words words;
    int64_t image;
    int count;
};

static bool take_result(void *user, const struct result_record *result) {
    struct results *results = user;
    struct words *words = &results->words;
    words_add(words, "%s", results->count ? "\n\n" : "");
    add_time(words, results->request, result->t_ms);
    words_add(words, request_zh(results->request) ? " · #%lld 第 %lld 步 · " : " · #%lld step %lld · ",
              (long long)result->run, (long long)result->step);
    char asked[100];
    const struct run *run = runs_find(results->request->bot, result->run);
    words_add(words, "%s", own_said(run, result->command, results->request->lang, asked, sizeof asked));
    words_add(words, "\n");
    words_add_lines(words, result->text, 500);
    if (results->count == 0) results->image = result->image;
    results->count++;
    return !words->full;
}

enum verdict cmd_results(struct request *request, struct parsed *parsed) {
    bool used = false;
    int64_t id = 0;
    if (parsed->count > 2 || (parsed->count == 2 && !parse_run(parsed->tokens[1], &id))) return refuse_usage(request);
    if (parsed->count == 2 && !pick_run(request, parsed, 1, &used)) return REFUSED;
    char text[RENDER_MAX];
    struct results results = {.request = request};
    words_init(&results.words, text, sizeof text);
    int status = store_results(request->bot->ports.store, id, LIST_RESULTS, take_result, &results);
    if (status < 0)
        return request_refuse(request, "读不出来:%s。", "Cannot be read: %s.", said_error(status, request->lang));
    if (results.count == 0)
        return request_refuse(request, "还没有识别过。发\"识别 10\"。",
                              "There are no results yet. Send \"recognize 10\".");
    request_tell(request, text, results.image, id, NULL);
    return DONE;
}

struct audits {
    struct request *request;
    struct words words;
};

/* What core itself notes, in Chinese. */
static const char *noted_zh(const char *what) {
    static const char *const words[][2] = {{"pairing", "配对"},    {"group", "把群加进来"},  {"login", "登录"},
                                           {"logout", "退出"},     {"wrong code", "码不对"}, {"owner", "主人"},
                                           {"operator", "操作者"}, {"viewer", "查看者"},     {"in", "用配对码"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i][0], what) == 0) return words[i][1];
    return what;
}

/* "done: operator, code of talk:boss" */
static void add_outcome_zh(struct words *words, const char *outcome) {
    static const char code_of[] = ", code of ";
    bool done = strncmp(outcome, "done", 4) == 0, refused = strncmp(outcome, "refused", 7) == 0;
    const char *colon = strstr(outcome, ": "), *maker = strstr(outcome, code_of);
    char first[300];
    if (done || refused) {
        words_add(words, done ? "已执行" : "没执行");
        outcome = colon ? colon + 2 : "";
        if (outcome[0]) words_add(words, ":");
    }
    snprintf(first, sizeof first, "%.*s", (int)(maker > outcome ? maker - outcome : (long)strlen(outcome)), outcome);
    words_add_foreign(words, noted_zh(first), 100);
    if (maker <= outcome) return;
    words_add(words, "(");
    words_add_foreign(words, maker + strlen(code_of), 60);
    words_add(words, " 的码)");
}

static bool take_audit(void *user, const struct audit_record *audit) {
    struct audits *audits = user;
    struct words *words = &audits->words;
    bool zh = request_zh(audits->request);
    words_add(words, "%s", words->length > 0 ? "\n" : "");
    add_time(words, audits->request, audit->t_ms);
    words_add(words, " ");
    words_add_foreign(words, audit->who, 60);
    words_add(words, " · ");
    words_add_foreign(words, zh ? noted_zh(audit->what) : audit->what, 60);
    words_add(words, " → ");
    if (zh)
        add_outcome_zh(words, audit->outcome);
    else
        words_add_foreign(words, audit->outcome, 100);
    return !words->full;
}

enum verdict cmd_who(struct request *request, struct parsed *parsed) {
    (void)parsed;
    char text[RENDER_MAX];
    struct audits audits = {.request = request};
    words_init(&audits.words, text, sizeof text);
    int status = store_audits(request->bot->ports.store, LIST_AUDITS, take_audit, &audits);
    if (status < 0)
        return request_refuse(request, "读不出来:%s。", "Cannot be read: %s.", said_error(status, request->lang));
    if (audits.words.length == 0)
        return request_refuse(request, "还没有人改过什么。", "Nobody has changed anything yet.");
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}
