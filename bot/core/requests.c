/*
 * requests.c: the life of a request, from its text to its outcome. Always holds: done is called exactly once unless the
 * asker detached, every change is audited with what came of it, and an asker hears of an outcome even when it comes
 * late.
 */
#include "requests.h"
#include "changes.h"
#include "codes.h"
#include "outbox.h"
#include "render.h"
#include "render_card.h"
#include "text.h"
#include "typing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void request_free(struct request *request) {
    for (size_t i = 0; i < request->defaults_count; i++) {
        free(request->defaults[i].name);
        free(request->defaults[i].text);
    }
    free(request->defaults);
    char *texts[] = {request->channel,   request->chat,  request->sender,  request->who,
                     request->text,      request->said,  request->trainer, request->service_id,
                     request->waits_for, request->after, request->note};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    free(request);
}

static struct request *request_create(struct bot *bot, const struct asker *asker, const char *text, size_t size) {
    struct request *request = calloc(1, sizeof *request);
    if (!request) return NULL;
    request->bot = bot;
    request->role = asker->role;
    request->on_behalf = asker->on_behalf;
    request->lang = bot->ports.settings->language;
    request->reply = asker->reply;
    request->done = asker->done;
    request->user = asker->user;
    request->channel = strdup(asker->channel);
    request->chat = strdup(asker->chat);
    request->sender = strdup(asker->sender);
    request->who = text_print("%s:%s", asker->channel, asker->sender);
    request->text =
        strndup(text, size < PARSE_TEXT_MAX ? size : PARSE_TEXT_MAX + 1); /* longer stays longer than allowed */
    request->begun_ms = clock_mono_ms(bot->ports.clock);
    if (request->channel && request->chat && request->sender && request->who && request->text) return request;
    request_free(request);
    return NULL;
}

/* A zero byte inside would end the copy early and hide what follows: such a text is refused as it stands. */
static bool has_zero(const char *text, size_t size) {
    return size > 0 && memchr(text, 0, size) != NULL;
}

uint64_t request_begin_message(struct bot *bot, const struct asker *asker, const char *text, size_t size,
                               int64_t message, const char *service_id, int64_t sent_ms) {
    struct requests *requests = bot->requests;
    if (has_zero(text, size)) {
        text = "\x01";
        size = 1;
    }
    struct request *request = requests->count < REQUESTS_OPEN_MAX ? request_create(bot, asker, text, size) : NULL;
    if (!request) {
        struct reply busy = {.text = "太忙了,请稍后再发。 · Too busy, please send it again later."};
        if (asker->reply) asker->reply(asker->user, &busy);
        if (asker->done) asker->done(asker->user, false);
        return 0;
    }
    struct session *session = session_find(bot, asker->channel, asker->chat);
    request->lang_fixed = asker->lang_known;
    if (asker->lang_known)
        request->lang = asker->lang;
    else if (session)
        request->lang = session_lang(bot, session);
    request->id = ++requests->next_id;
    request->message = message;
    request->service_id = service_id ? strdup(service_id) : NULL;
    request->sent_ms = sent_ms;
    struct request **end = &requests->first;
    while (*end)
        end = &(*end)->next;
    *end = request;
    requests->count++;
    uint64_t id = request->id;
    request_dispatch(request);
    return request_find(bot, id) ? id : 0;
}

uint64_t request_begin(struct bot *bot, const struct asker *asker, const char *text, size_t size) {
    return request_begin_message(bot, asker, text, size, 0, NULL, 0);
}

struct request *request_find(struct bot *bot, uint64_t id) {
    for (struct request *request = bot->requests->first; request; request = request->next)
        if (request->id == id) return request;
    return NULL;
}

void request_detach(struct bot *bot, uint64_t id) {
    struct request *request = request_find(bot, id);
    if (!request) return;
    request->reply = NULL;
    request->done = NULL;
    request->user = NULL;
    request->pending_told = true;
}

bool commands_busy(const struct bot *bot, const char *channel, const char *chat) {
    for (const struct request *request = bot->requests->first; request; request = request->next)
        if (!request->pending_told && strcmp(request->channel, channel) == 0 && strcmp(request->chat, chat) == 0)
            return true;
    return false;
}

void request_tell(struct request *request, const char *text, int64_t image, int64_t run, const char *buttons) {
    if (text) {
        free(request->said);
        request->said = strdup(text);
    }
    if (request->deaf && !request->reply) return;
    if (request->reply) {
        struct reply reply = {.text = text, .image = image, .buttons = buttons};
        request->reply(request->user, &reply);
        return;
    }
    struct outbox_message message = {.channel = request->channel,
                                     .chat = request->chat,
                                     .class = image && !text ? MESSAGE_IMAGE : MESSAGE_REPLY,
                                     .text = text ? text : "",
                                     .image = image,
                                     .run = run,
                                     .key = "",
                                     .buttons = buttons};
    int status = outbox_add(request->bot, &message, NULL);
    if (status < 0)
        bot_log(request->bot, 0, "a reply to %s could not be queued: %s", request->channel, tb_error_text(status));
}

void request_say(struct request *request, const char *format, ...) {
    char text[RENDER_MAX];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0) return;
    if ((size_t)n >= sizeof text) text[text_prefix(text, sizeof text - 1, sizeof text - 1)] = '\0';
    request_tell(request, text, 0, 0, NULL);
}

void request_handled(struct request *request) {
    if (request->message == 0) return;
    handled_mark(request->bot, request->message, request->service_id, request->sent_ms);
    request->message = 0;
}

static void audit(struct request *request, bool ok) {
    char what[600], outcome[600];
    struct words words;
    words_init(&words, what, sizeof what);
    words_add_foreign(&words, request->text, 500);
    words_init(&words, outcome, sizeof outcome);
    words_add(&words, ok ? "done" : "refused");
    if (request->said) {
        words_add(&words, ": ");
        words_add_foreign(&words, request->said, 400);
    }
    struct audit_record record = {.t_ms = clock_wall_ms(request->bot->ports.clock),
                                  .who = request->who,
                                  .what = what,
                                  .outcome = outcome,
                                  .run = request->run};
    int status = store_audit_add(request->bot->ports.store, &record);
    if (status < 0) bot_log(request->bot, 0, "a command could not be audited: %s", tb_error_text(status));
}

void request_finish(struct request *request, bool ok) {
    struct requests *requests = request->bot->requests;
    request_handled(request);
    if (request->changed) audit(request, ok);
    for (struct request **at = &requests->first; *at; at = &(*at)->next)
        if (*at == request) {
            *at = request->next;
            requests->count--;
            break;
        }
    if (request->done) request->done(request->user, ok);
    request_free(request);
}

bool request_too_old(struct request *request) {
    int64_t now = clock_wall_ms(request->bot->ports.clock);
    if (request->sent_ms <= 0 || now - request->sent_ms <= REQUEST_FRESH_MS) return false;
    char age[64];
    render_duration((double)((now - request->sent_ms) / 60000 * 60), request->lang, age, sizeof age);
    char *space = strstr(age, request_zh(request) ? " 0 秒" : " 0 s");
    if (space) *space = '\0';
    char text[200];
    struct words words;
    words_init(&words, text, sizeof text);
    words_add_foreign(&words, request->text, 100);
    request_say(request,
                request_zh(request)
                    ? "\"%s\"是 %s前写的,没有执行。还要的话请再发一次。"
                    : "\"%s\" was written %s ago and was not carried out. Send it again if you still want it.",
                text, age);
    return true;
}

bool request_needs(struct request *request, enum role role) {
    static const char *const zh[] = {"", "查看者", "操作者", "主人"};
    static const char *const en[] = {"nobody", "viewer", "operator", "owner"};
    if (request->role >= role) return true;
    request->changed = request->role != ROLE_NONE; /* an attempt: audited */
    if (request->role == ROLE_NONE)
        request_say(request,
                    request_zh(request)
                        ? "你还没有权限。请主人发\"配对 operator\",把得到的码发给我。"
                        : "You have no access yet. Ask the owner for a code (\"pair operator\") and send it to me.");
    else
        request_say(request, request_zh(request) ? "这个命令要%s权限,你是%s。" : "This needs the role %s; you are %s.",
                    request_zh(request) ? zh[role] : en[role],
                    request_zh(request) ? zh[request->role] : en[request->role]);
    return false;
}

/* ---- outcomes ---- */

static void store_defaults(struct request *request) {
    for (size_t i = 0; request->trainer && i < request->defaults_count; i++) {
        int status = default_put(request->bot, request->trainer, request->defaults[i].name, request->defaults[i].text);
        if (status < 0) bot_log(request->bot, 0, "a value for the next start was not kept: %s", tb_error_text(status));
    }
}

/* Behind a stop: how to go on, where the trainer can. */
static void add_go_on(struct bot *bot, const struct control *control, const struct outcome *outcome, enum lang lang,
                      struct words *words) {
    const struct run *run = control->run;
    const struct trainer_settings *trainer = settings_trainer(bot->ports.settings, run->trainer);
    if (outcome->kind != OUTCOME_STOPPED || !outcome->path || !outcome->path[0] || !trainer || !trainer->resume_args)
        return;
    words_add(words, lang == LANG_ZH ? "接着练:开始 %s 续 %lld" : " To go on: start %s from %lld", run->trainer,
              (long long)run->id);
}

/* What a trainer took stands for the next start as well, though the request that asked is gone. */
static void keep_applied(struct bot *bot, const struct control *control, const struct outcome *outcome) {
    for (size_t i = 0; control->run->trainer[0] && i < outcome->count; i++) {
        const struct wire_named *now = &outcome->new_values[i];
        struct run_param param = {.type = now->value.type,
                                  .number = now->value.number,
                                  .text = (char *)(uintptr_t)now->value.text};
        char text[300];
        change_text(&param, text, sizeof text);
        int status = default_put(bot, control->run->trainer, now->name, text);
        if (status < 0) bot_log(bot, 0, "a value for the next start was not kept: %s", tb_error_text(status));
    }
}

/* The request is not known any more (the bot restarted): the chat that asked hears it all the same. */
static void tell_orphan(struct bot *bot, const struct control *control, const struct outcome *outcome) {
    const char *colon = control->by ? strchr(control->by, ':') : NULL;
    if (outcome->kind == OUTCOME_APPLIED) keep_applied(bot, control, outcome);
    if (!colon) return;
    char channel[64], text[RENDER_MAX];
    snprintf(channel, sizeof channel, "%.*s", (int)(colon - control->by < 60 ? colon - control->by : 60), control->by);
    struct session *session = session_find(bot, channel, colon + 1);
    if (!session) return;
    enum lang lang = session_lang(bot, session);
    struct words words = {.text = text, .size = sizeof text};
    words.length = render_outcome(control, outcome, lang, text, sizeof text);
    add_go_on(bot, control, outcome, lang, &words);
    struct outbox_message message = {.channel = channel,
                                     .chat = colon + 1,
                                     .class = MESSAGE_REPLY,
                                     .text = text,
                                     .run = control->run->id,
                                     .key = ""};
    int status = text[0] ? outbox_add(bot, &message, NULL) : TB_OK;
    if (status < 0) bot_log(bot, 0, "an outcome for %s could not be queued: %s", channel, tb_error_text(status));
}

void commands_outcome(struct bot *bot, const struct control *control, const struct outcome *outcome) {
    struct request *request = control->request ? request_find(bot, control->request) : NULL;
    if (!request) {
        tell_orphan(bot, control, outcome);
        return;
    }
    char text[RENDER_MAX], buttons[256];
    size_t length = render_outcome(control, outcome, request->lang, text, sizeof text);
    struct words words = {.text = text, .size = sizeof text, .length = length};
    bool ok = outcome->kind != OUTCOME_REJECTED && outcome->kind != OUTCOME_ENDED;
    if (outcome->kind == OUTCOME_ENDED && control->kind == CONTROL_STOP) ok = true;
    add_go_on(bot, control, outcome, request->lang, &words);
    if (ok && request->after) words_add(&words, "%s", request->after);
    if (outcome->kind == OUTCOME_APPLIED) store_defaults(request);
    render_buttons(control->run, request->lang, buttons, sizeof buttons);
    request_tell(request, text[0] ? text : (request_zh(request) ? "好了。" : "Done."), 0, control->run->id, buttons);
    for (size_t i = 0; i < outcome->images_count; i++)
        request_tell(request, NULL, outcome->images[i], control->run->id, NULL);
    request_finish(request, ok);
}

struct reason {
    char text[600];
};

static bool take_reason(void *user, const struct event_record *event) {
    struct reason *reason = user;
    bool tells = strcmp(event->kind, "failed") == 0 || strcmp(event->kind, "exited") == 0 ||
                 strcmp(event->kind, "not_started") == 0;
    if (tells && event->text && event->text[0]) snprintf(reason->text, sizeof reason->text, "%s", event->text);
    return true;
}

static void tell_not_started(struct request *request, const struct run *run) {
    char text[RENDER_MAX];
    struct reason reason = {""};
    struct fact fact = {.kind = FACT_NOT_STARTED, .run = run, .end = run->end, .cpu_percent = -1};
    if (!run->end) {
        int status = store_events(request->bot->ports.store, run->id, take_reason, &reason);
        if (status < 0) bot_log(request->bot, 1, "events of #%lld: %s", (long long)run->id, tb_error_text(status));
        fact.text = reason.text;
    }
    render_fact(&fact, request->lang, STYLE_CARD, text, sizeof text);
    request_tell(request, text, 0, run->id, NULL);
}

void commands_started(struct bot *bot, uint64_t id, const struct run *run) {
    struct request *request = request_find(bot, id);
    if (!request) return;
    if (!run_state_live(run->state) && run->state != RUN_FINISHED) {
        tell_not_started(request, run);
        request_finish(request, false);
        return;
    }
    char text[RENDER_MAX], buttons[256];
    struct words words;
    words_init(&words, text, sizeof text);
    const struct run *from = run->from_run > 0 ? runs_find(bot, run->from_run) : NULL;
    render_started(&words, run, from ? from->checkpoint_step : 0, request->lang);
    words_add(&words, request_zh(request) ? "曲线:发\"曲线\"。" : " For curves send \"plot\".");
    render_buttons(run, request->lang, buttons, sizeof buttons);
    request_tell(request, text, 0, run->id, buttons);
    request_finish(request, true);
}

/* ---- time ---- */

/* The run that this request started and that has said nothing yet; NULL: it waits for something else. */
static struct run *silent_start(const struct request *request) {
    struct run *run = request->run > 0 ? runs_find(request->bot, request->run) : NULL;
    bool waits = run && run->start_request == request->id && run->state == RUN_STARTING;
    return waits && run->pid > 0 && !run->instance[0] && !run->conn ? run : NULL;
}

/* A program need not report: the start is answered all the same, with what is known. */
static void answer_silent(struct request *request, struct run *run) {
    run->start_request = 0;
    request_say(request,
                request_zh(request)
                    ? "#%lld %s 的进程在运行(%lld),还没有报告过。它一报告我就告诉你;发\"停止\"会用 SIGTERM 停它。"
                    : "#%lld %s: its process runs (%lld) but has reported nothing yet. I will tell you when "
                      "it does; \"stop\" ends it with SIGTERM.",
                (long long)run->id, run->name, (long long)run->pid);
    request_finish(request, true);
}

static void answer_silents(struct bot *bot, int64_t now) {
    for (struct request *request = bot->requests->first, *next; request; request = next) {
        next = request->next;
        struct run *run = now - request->begun_ms >= REQUEST_SILENT_MS ? silent_start(request) : NULL;
        if (run) answer_silent(request, run);
    }
}

const char *commands_pending_text(struct bot *bot, uint64_t id) {
    const struct request *request = request_find(bot, id);
    enum lang lang = request ? request->lang : bot->ports.settings->language;
    return lang == LANG_ZH ? "已发出,还没生效。有结果我就告诉你。"
                           : "Sent, not yet in effect. I will tell you the outcome.";
}

void commands_tick(struct bot *bot) {
    int64_t now = clock_mono_ms(bot->ports.clock);
    moves_tick(bot);
    codes_tick(bot);
    typing_tick(bot);
    answer_silents(bot, now);
    for (struct request *request = bot->requests->first; request; request = request->next) {
        if (request->reply || request->pending_told || now - request->begun_ms < REQUEST_OPEN_MS) continue;
        request->pending_told = true;
        request_say(request, "%s", commands_pending_text(bot, request->id));
    }
}

int64_t commands_next_ms(const struct bot *bot) {
    int64_t next = INT64_MAX;
    for (const struct request *request = bot->requests->first; request; request = request->next) {
        if (!request->reply && !request->pending_told && request->begun_ms + REQUEST_OPEN_MS < next)
            next = request->begun_ms + REQUEST_OPEN_MS;
        if (request->begun_ms + REQUEST_SILENT_MS < next && silent_start(request))
            next = request->begun_ms + REQUEST_SILENT_MS;
    }
    int64_t others[] = {moves_next_ms(bot), typing_next_ms(bot), bot->requests->codes_due_ms};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] < next) next = others[i];
    return next;
}

void commands_free(struct bot *bot) {
    struct requests *requests = bot->requests;
    if (!requests) return;
    while (requests->first) {
        struct request *request = requests->first;
        requests->first = request->next;
        request_free(request);
    }
    confirms_free(requests);
    schemas_free(requests);
    moves_free(requests);
    owners_free(requests);
    typings_free(requests);
    handled_free(requests);
    free(requests);
    bot->requests = NULL;
    sessions_free(bot);
}
