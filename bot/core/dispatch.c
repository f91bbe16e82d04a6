/*
 * dispatch.c: from a text to the function that carries it out: built-in words first, then a trainer's declared names;
 * what is none of them is answered with the nearest word there is, never guessed at.
 */
#include "near.h"
#include "outbox.h"
#include "own.h"
#include "pairing.h"
#include "render.h"
#include "requests.h"
#include "schema.h"
#include "text.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the language ---- */

static void take_language(struct request *request, enum lang lang) {
    if (request->lang_fixed) return;
    request->lang = lang;
    struct session *session = session_find(request->bot, request->channel, request->chat);
    if (!session || (session->lang_known && session->lang == lang)) return;
    session->lang = lang;
    session->lang_known = true;
    session_save(request->bot, session);
}

/* ---- questions that wait for a yes ---- */

static void confirm_clear(struct confirm *confirm) {
    free(confirm->channel);
    free(confirm->chat);
    free(confirm->sender);
    free(confirm->text);
    *confirm = (struct confirm){0};
}

void confirms_free(struct requests *requests) {
    for (size_t i = 0; i < CONFIRMS_MAX; i++)
        confirm_clear(&requests->confirms[i]);
}

static struct confirm *confirm_find(struct request *request) {
    for (size_t i = 0; i < CONFIRMS_MAX; i++) {
        struct confirm *confirm = &request->bot->requests->confirms[i];
        if (confirm->text && strcmp(confirm->channel, request->channel) == 0 &&
            strcmp(confirm->chat, request->chat) == 0 && strcmp(confirm->sender, request->sender) == 0)
            return confirm;
    }
    return NULL;
}

enum verdict request_confirm(struct request *request, const char *question) {
    struct confirm *slot = confirm_find(request), *confirms = request->bot->requests->confirms;
    for (size_t i = 0; !slot && i < CONFIRMS_MAX; i++)
        if (!confirms[i].text) slot = &confirms[i];
    for (size_t i = 1, oldest = 0; !slot && i <= CONFIRMS_MAX; i++) {
        if (i == CONFIRMS_MAX)
            slot = &confirms[oldest];
        else if (confirms[i].until_ms < confirms[oldest].until_ms)
            oldest = i;
    }
    confirm_clear(slot);
    *slot = (struct confirm){.channel = strdup(request->channel),
                             .chat = strdup(request->chat),
                             .sender = strdup(request->sender),
                             .text = strdup(request->text),
                             .until_ms = clock_mono_ms(request->bot->ports.clock) + REQUEST_CONFIRM_MS};
    if (!slot->channel || !slot->chat || !slot->sender || !slot->text) {
        confirm_clear(slot);
        return request_refuse(request, "内存不够。", "Out of memory.");
    }
    request_tell(request, question, 0, request->run, request_zh(request) ? "是\n否" : "yes\nno");
    request->changed = false;
    return DONE;
}

char *confirm_take(struct request *request) {
    struct confirm *confirm = confirm_find(request);
    if (!confirm) return NULL;
    char *text = confirm->until_ms >= clock_mono_ms(request->bot->ports.clock) ? strdup(confirm->text) : NULL;
    confirm_clear(confirm);
    return text;
}

static bool among(const char *word, const char *const *list) {
    for (; *list; list++)
        if (parse_same(word, *list)) return true;
    return false;
}

/* ---- what no command is ---- */

static void near_declared(struct near *near, const struct run *declared) {
    for (size_t i = 0; declared && i < declared->params_count; i++) {
        const char *label = words_label(declared->params[i].name, LANG_ZH);
        near_try(near, declared->params[i].name);
        if (words_alias(label)) near_try(near, label);
    }
    own_near(near, declared);
}

/* Whether there is such a word here: pinyin is known of words that only some trainers have. */
static bool is_word(const struct run *declared, const char *word) {
    bool ignored;
    return command_find(word, &ignored) || words_alias(word) || own_find(declared, word);
}

/* Known people may guess at a higher role as well: what is no word and looks like a code counts as a wrong one. */
static void count_guess(struct request *request) {
    char form[CODE_LINK + 1];
    if (!request->bot->requests->codes_live || request->role >= ROLE_OWNER) return;
    if (!code_looks(request->text, strlen(request->text), form)) return;
    struct asker asker = {.channel = request->channel,
                          .chat = request->chat,
                          .sender = request->sender,
                          .role = request->role};
    struct heard heard = {.asker = &asker, .sent_ms = request->sent_ms};
    pairing_wrong(request->bot, &heard);
}

/* Nothing is near it; it may be a word of another model, so what this one has stands there. */
static enum verdict refuse_strange(struct request *request, const struct run *declared, const char *shown) {
    char list[600];
    struct words words;
    words_init(&words, list, sizeof list);
    words_add(&words, request_zh(request) ? "\n这个训练自己的命令:" : "\nThis training's own commands: ");
    if (own_list(&words, declared, false, request->lang) == 0) list[0] = 0;
    return request_refuse(request, "没有\"%s\"这个命令。发\"帮助\"看有哪些。%s",
                          "There is no command \"%s\". Send \"help\" for those there are.%s", shown, list);
}

static enum verdict refuse_unknown(struct request *request, struct parsed *parsed, const struct run *declared) {
    count_guess(request);
    const char *asked = parsed->tokens[0], *best = near_pinyin(asked);
    if (best && !is_word(declared, best)) best = NULL;
    struct near near;
    near_begin(&near, asked);
    for (size_t i = 0; !best && i < commands_count; i++) {
        const struct command *command = &commands_table[i];
        for (size_t j = 0; j < sizeof command->zh / sizeof *command->zh && command->zh[j]; j++)
            near_try(&near, command->zh[j]);
        for (size_t j = 0; j < sizeof command->en / sizeof *command->en && command->en[j]; j++)
            near_try(&near, command->en[j]);
    }
    if (!best) near_declared(&near, declared);
    if (!best) best = near.best;
    bool han;
    if (best && (unsigned char)best[0] >= 0x80)
        take_language(request, LANG_ZH);
    else if (best && command_find(best, &han))
        take_language(request, LANG_EN);
    char shown[200], nearest[200] = "";
    struct words words;
    words_init(&words, shown, sizeof shown);
    words_add_foreign(&words, asked, 60);
    if (!best) return refuse_strange(request, declared, shown);
    const char *stuck = strncmp(asked, best, strlen(best)) == 0 ? asked + strlen(best) : "";
    words_init(&words, nearest, sizeof nearest);
    words_add(&words, "%s%s", best, *stuck ? " " : "");
    words_add_foreign(&words, stuck, 30);
    return request_refuse(request, "没有\"%s\"这个命令。你是要\"%s\"吗?",
                          "There is no command \"%s\". Do you mean \"%s\"?", shown, nearest);
}

/* ---- declared names ---- */

/* What counts as declared here: the live run that a command would mean, else the trainer of the next start. */
static enum verdict declared_of(struct request *request, const struct run **ret_declared) {
    struct session *session = session_find(request->bot, request->channel, request->chat);
    struct run *run = session && session->chosen_run > 0 ? runs_find(request->bot, session->chosen_run) : NULL;
    for (struct run *at = runs_first(request->bot); at && !(run && run_state_live(run->state)); at = at->next)
        if (run_state_live(at->state) && at->params_count + at->commands_count > 0) run = at;
    if (run && run_state_live(run->state) && run->params_count + run->commands_count > 0) {
        *ret_declared = run;
        return DONE;
    }
    const struct trainer_settings *trainer = schema_default_trainer(request->bot, request->channel, request->chat);
    if (trainer) return schema_get(request, trainer, ret_declared);
    int64_t newest = runs_newest(request->bot);
    *ret_declared = newest > 0 ? runs_find(request->bot, newest) : NULL;
    return DONE;
}

/* `lr`, `lr=0.1`, 学习率: the name before a "=", by itself or in Chinese. */
static bool names_param(const struct run *declared, const char *token) {
    char name[200];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(token, "="), token);
    for (size_t i = 0; declared && i < declared->params_count; i++)
        if (parse_same(declared->params[i].name, name)) return true;
    const char *alias = words_alias(name);
    return alias && declared && run_param(declared, alias);
}

/* No word at all: an emoji, a sticker's or a picture's label ("[图片]"), a full stop. */
static bool is_sign(const char *token) {
    size_t size = strlen(token);
    if (token[0] == '[' && token[size - 1] == ']') return true;
    for (const unsigned char *at = (const unsigned char *)token; *at; at++) {
        bool ascii = (*at >= '0' && *at <= '9') || ((*at | 32) >= 'a' && (*at | 32) <= 'z');
        bool letter = (*at >= 0xc2 && *at <= 0xe1) || (*at >= 0xe3 && *at <= 0xed); /* first bytes of alphabets, kana,
                                                                                       Han, Hangul; not of symbols */
        if (ascii || letter) return false;
    }
    return true;
}

/* What people write back without asking for anything. They are shown how it is, which is what they look for; where
 * messages are counted, it is what renews the count. */
static bool is_nod(const struct parsed *parsed) {
    static const char *const words[] = {"好",     "好的", "好吧",  "嗯",   "嗯嗯", "哦", "收到", "知道了",
                                        "谢谢",   "在",   "在吗",  "你好", "1",    "ok", "okay", "k",
                                        "thanks", "hi",   "hello", "hey",  "ping", NULL};
    return parsed->count == 1 && (among(parsed->tokens[0], words) || is_sign(parsed->tokens[0]));
}

struct waits {
    const char *chat;
    int64_t queued;
};
static bool count_waiting(void *user, const struct outbox_line_view *view) {
    struct waits *waits = user;
    if (strcmp(view->chat, waits->chat) == 0) waits->queued = view->queued;
    return waits->queued == 0;
}

/* What waited for this person's word leaves now and is answer enough. */
static enum verdict answer_nod(struct request *request, struct parsed *parsed) {
    struct waits waits = {.chat = request->chat};
    if (!request->reply) outbox_lines(request->bot, request->channel, count_waiting, &waits);
    if (waits.queued > 0) return DONE;
    if (runs_live(request->bot, NULL) > 0) return cmd_status(request, parsed);
    request_say(request, request_zh(request) ? "在。现在没有在运行的训练。发\"帮助\"看有哪些命令。"
                                             : "I am here. No training is running. Send \"help\" for the commands.");
    return DONE;
}

/* "/status" comes from a service's menu, which has Latin names only: it tells nothing of the person's language. */
static bool is_slashed(const struct request *request) {
    return request->text[strspn(request->text, " \t\r\n")] == '/';
}

/* An English name of a command that has a Chinese one too tells the language, as a built-in word does. */
static enum verdict run_own(struct request *request, struct parsed *parsed, const struct run_command *command) {
    bool english = command->zh && command->zh[0] && parse_same(command->name, parsed->tokens[0]);
    if (english && !parsed->han && !is_slashed(request)) take_language(request, LANG_EN);
    return request_needs(request, ROLE_VIEWER) ? cmd_own(request, parsed) : REFUSED;
}

static enum verdict run_declared(struct request *request, struct parsed *parsed) {
    const struct run *declared = NULL, *meant = pick_meant(request, parsed);
    const char *first = parsed->tokens[0];
    if (parsed->han) take_language(request, LANG_ZH);
    const struct run_command *own = own_find(meant, first); /* of an ended run as well: its checkpoint answers */
    if (own && !names_param(meant, first)) return run_own(request, parsed, own);
    enum verdict verdict = declared_of(request, &declared);
    if (verdict != DONE) return verdict;
    own = own_find(declared, first);
    bool known_alias = words_alias(first) != NULL || strchr(first, '=') != NULL;
    if (names_param(declared, first) || (known_alias && !own))
        return request_needs(request, ROLE_OPERATOR) ? cmd_set(request, parsed) : REFUSED;
    if (own) return run_own(request, parsed, own);
    if (is_nod(parsed)) return answer_nod(request, parsed);
    return refuse_unknown(request, parsed, declared);
}

/* ---- carrying out ---- */

static enum verdict run_command_row(struct request *request, struct parsed *parsed) {
    const struct command *command = request->command;
    request->changed = command->changes;
    if (!request_needs(request, command->role)) return REFUSED;
    if (command->changes && request_too_old(request)) return REFUSED;
    return command->run(request, parsed);
}

static enum verdict answer_yes_no(struct request *request, struct parsed *parsed, bool yes) {
    char *text = confirm_take(request);
    if (!text) return request_refuse(request, "现在没有要确认的事。", "There is nothing to confirm.");
    if (!yes || request_too_old(request)) {
        free(text);
        if (!yes) request_say(request, request_zh(request) ? "好,不动。" : "All right, nothing was done.");
        return DONE;
    }
    free(request->text);
    request->text = text;
    request->confirmed = true;
    bool zh;
    if (parse_text(text, strlen(text), parsed) != PARSE_OK ||
        !(request->command = command_find(parsed->tokens[0], &zh)))
        return request_refuse(request, "现在没有要确认的事。", "There is nothing to confirm.");
    take_language(request, zh ? LANG_ZH : LANG_EN);
    return run_command_row(request, parsed);
}

static enum verdict refuse_text(struct request *request, enum parse_status status) {
    switch (status) {
    case PARSE_TOO_LONG:
        return request_refuse(request, "太长了:一条命令最多 %d 字节。", "Too long: a command has at most %d bytes.",
                              PARSE_TEXT_MAX);
    case PARSE_NOT_UTF8:
        return request_refuse(request, "这条消息不是 UTF-8 文字,没有执行。",
                              "This message is not UTF-8 text; nothing was done.");
    case PARSE_CONTROL:
        return request_refuse(request, "这条消息里有控制字符,没有执行。",
                              "This message holds control characters; nothing was done.");
    case PARSE_TOO_MANY:
        return request_refuse(request, "词太多了:一条命令最多 %d 个。", "Too many words: a command has at most %d.",
                              PARSE_TOKENS_MAX);
    default:
        return request_refuse(request, "空的。发\"帮助\"看有哪些命令。", "Empty. Send \"help\" for the commands.");
    }
}

/* A bare "/start" is how a person begins with a bot of some services; it must not begin a training. */
static bool is_greeting(const struct request *request, const struct parsed *parsed) {
    return is_slashed(request) && parsed->count == 1 && parse_same(parsed->tokens[0], "start");
}

static enum verdict understand(struct request *request, struct parsed *parsed) {
    static const char *const yes[] = {"是", "是的", "确认", "对", "yes", "y", "confirm", NULL};
    static const char *const no[] = {"否", "不", "不是", "取消", "no", "n", "cancel", NULL};
    enum parse_status status = parse_text(request->text, strlen(request->text), parsed);
    if (request->role == ROLE_NONE) {
        request_needs(request, ROLE_VIEWER);
        return REFUSED;
    }
    if (status == PARSE_EMPTY && request->text[0]) return answer_nod(request, parsed); /* "。" */
    if (status != PARSE_OK) return refuse_text(request, status);
    bool zh = false;
    bool greeting = is_greeting(request, parsed);
    request->command = command_find(greeting ? "help" : parsed->tokens[0], &zh);
    if (request->command) {
        if (zh || !is_slashed(request)) take_language(request, zh ? LANG_ZH : LANG_EN);
        return run_command_row(request, parsed);
    }
    if (parsed->count == 1 && (among(parsed->tokens[0], yes) || among(parsed->tokens[0], no)))
        return answer_yes_no(request, parsed, among(parsed->tokens[0], yes));
    return run_declared(request, parsed);
}

void request_dispatch(struct request *request) {
    struct bot *bot = request->bot;
    uint64_t id = request->id;
    struct parsed *parsed = malloc(sizeof *parsed);
    enum verdict verdict =
        parsed ? understand(request, parsed) : request_refuse(request, "内存不够。", "Out of memory.");
    free(parsed);
    if (!request_find(bot, id) || verdict == AGAIN) return; /* over already, or waiting for a description */
    if (verdict == OPEN)
        request_handled(request);
    else
        request_finish(request, verdict == DONE);
}

void requests_described(struct bot *bot, const char *trainer) {
    uint64_t last = 0; /* ids rise along the list; each is run once, even if it comes to wait again */
    for (struct request *request = bot->requests->first; request;) {
        if (request->id <= last || !request->waits_for || strcmp(request->waits_for, trainer) != 0) {
            request = request->next;
            continue;
        }
        last = request->id;
        free(request->waits_for);
        request->waits_for = NULL;
        request_dispatch(request);
        request = bot->requests->first; /* the list may have changed */
    }
}
