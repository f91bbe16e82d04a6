/*
 * pairing.c: a code that comes back gives somebody a role, or lets a group in; wrong tries kill it. Always holds: what
 * a code gives and the code's end are durable before anybody is told; a flood of strangers costs a fixed number of
 * rows, answers and bytes an hour.
 */
#include "pairing.h"
#include "outbox.h"
#include "requests.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_MS 3600000

const char *pairing_role_name(enum role role, enum lang lang) {
    static const char *const zh[] = {"没有权限的人", "查看者", "操作者", "主人"};
    static const char *const en[] = {"nobody", "a viewer", "an operator", "the owner"};
    return lang == LANG_ZH ? zh[role] : en[role];
}

static const char *role_word(enum role role) {
    static const char *const words[] = {"none", "viewer", "operator", "owner"};
    return words[role];
}

/* ---- once an hour a person ---- */

static uint64_t person_hash(const char *channel, const char *sender) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *at = channel; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    hash = (hash ^ ':') * 1099511628211u;
    for (const char *at = sender; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    return hash ? hash : 1;
}

/* Takes a turn; while all places are taken, the others wait. */
static bool take_turn(struct hint hints[HINTS_MAX], uint64_t who, int64_t now) {
    struct hint *slot = NULL;
    for (size_t i = 0; i < HINTS_MAX; i++) {
        struct hint *at = &hints[i];
        bool free = at->who == 0 || now - at->told_ms >= EVERY_MS;
        if (at->who == who && !free) return false;
        if (free && !slot) slot = at;
    }
    if (!slot) return false;
    *slot = (struct hint){.who = who, .told_ms = now};
    return true;
}

bool hint_take(struct bot *bot, const char *channel, const char *sender) {
    return take_turn(bot->requests->hints, person_hash(channel, sender), clock_mono_ms(bot->ports.clock));
}

void hint_give_back(struct bot *bot, const char *channel, const char *sender) {
    uint64_t who = person_hash(channel, sender);
    for (size_t i = 0; i < HINTS_MAX; i++)
        if (bot->requests->hints[i].who == who) bot->requests->hints[i].who = 0;
}

/* ---- telling ---- */

static void answer(struct bot *bot, const struct heard *heard, const char *text) {
    const struct asker *asker = heard->asker;
    outbox_heard(bot, asker->channel, asker->chat, heard->sent_ms);
    struct outbox_message message = {
        .channel = asker->channel, .chat = asker->chat, .class = MESSAGE_REPLY, .text = text, .key = ""};
    int status = outbox_add(bot, &message, NULL);
    if (status < 0) bot_log(bot, 0, "a reply could not be queued: %s", tb_error_text(status));
}

static enum lang lang_of(struct bot *bot, const char *channel, const char *chat) {
    struct session *session = session_find(bot, channel, chat);
    return session ? session_lang(bot, session) : bot->ports.settings->language;
}

/* Where a code was made, and in which language that chat reads. */
struct maker {
    char channel[64];
    const char *chat; /* lies in the code */
    bool zh;
};

static struct maker maker_of(struct bot *bot, const struct code *code) {
    struct maker maker = {.chat = ""};
    const char *colon = strchr(code->owner, ':');
    if (!colon || colon - code->owner >= (ptrdiff_t)sizeof maker.channel) return maker;
    memcpy(maker.channel, code->owner, (size_t)(colon - code->owner));
    maker.chat = colon + 1;
    maker.zh = lang_of(bot, maker.channel, maker.chat) == LANG_ZH;
    return maker;
}

/* An alert; before and after stand around somebody's foreign name. */
static void tell_maker(struct bot *bot, const struct maker *maker, const char *before, const char *name,
                       const char *after) {
    char text[600];
    struct words words;
    words_init(&words, text, sizeof text);
    words_add(&words, "%s", before);
    words_add_foreign(&words, name, 150);
    words_add(&words, "%s", after);
    struct outbox_message message = {
        .channel = maker->channel, .chat = maker->chat, .class = MESSAGE_ALERT, .text = text, .key = ""};
    int status = maker->channel[0] ? outbox_add(bot, &message, NULL) : TB_OK;
    if (status < 0) bot_log(bot, 0, "an alert could not be queued: %s", tb_error_text(status));
}

static int audit(struct bot *bot, const char *who, const char *what, const char *outcome) {
    struct audit_record record = {.t_ms = clock_wall_ms(bot->ports.clock),
                                  .who = who,
                                  .what = what,
                                  .outcome = outcome};
    return store_audit_add(bot->ports.store, &record);
}

void pairing_hint(struct bot *bot, const struct heard *heard) {
    answer(bot, heard,
           bot->ports.settings->language == LANG_ZH
               ? "你还没有权限。请主人发\"配对 operator\",把得到的八位码发给我。"
               : "You have no access yet. Ask the owner for a code (\"pair operator\") and send it to me.");
}

/* ---- a right code ---- */

/* What the code gives, its end and the audit, in one transaction that stands before anybody hears of it. */
static int keep(struct bot *bot, const struct code *code, const char *prefix, const char *key_id, const char *value,
                const char *who, const char *what) {
    char *key = text_print("%s%s", prefix, key_id);
    char *outcome = text_print("done: %s, code of %s", value, code->owner);
    int status = key && outcome ? store_set(bot->ports.store, key, value) : TB_ENOMEM;
    if (status == TB_OK) status = code_drop(bot, code);
    if (status == TB_OK) status = audit(bot, who, what, outcome);
    if (status == TB_OK) status = bot_commit(bot);
    free(outcome);
    free(key);
    if (status < 0) bot_log(bot, 0, "a pairing was not kept: %s", tb_error_text(status));
    return status;
}

static void say_not_kept(struct bot *bot, const struct heard *heard, bool zh) {
    answer(bot, heard,
           zh ? "现在存不下来,没有配对成。请过一会儿再发一次这个码。"
              : "That cannot be stored now; nothing was changed. Please send the code again in a while.");
}

static void give_role(struct bot *bot, const struct heard *heard, const struct code *code) {
    const struct asker *asker = heard->asker;
    enum lang lang = lang_of(bot, asker->channel, asker->chat);
    bool zh = lang == LANG_ZH;
    char text[300];
    char *who = text_print("%s:%s", asker->channel, asker->sender);
    int status = who ? keep(bot, code, ROLE_PREFIX, who, role_word(code->role), who, "pairing") : TB_ENOMEM;
    bot->requests->roles_epoch++;
    if (status < 0) {
        say_not_kept(bot, heard, zh);
        free(who);
        return;
    }
    if (!session_open(bot, asker->channel, asker->chat, asker->sender, heard->group))
        bot_log(bot, 1, "too many conversations: %s is not told of runs", asker->channel);
    snprintf(text, sizeof text,
             zh ? "配对成功,你是%s。发\"帮助\"看命令。" : "Paired: you are %s. Send \"help\" for the commands.",
             pairing_role_name(code->role, lang));
    answer(bot, heard, text);
    struct maker maker = maker_of(bot, code);
    snprintf(text, sizeof text, maker.zh ? " 用你的配对码成了%s。" : " used your pairing code and is %s now.",
             pairing_role_name(code->role, maker.zh ? LANG_ZH : LANG_EN));
    tell_maker(bot, &maker, "", who, text);
    free(who);
}

static void let_group_in(struct bot *bot, const struct heard *heard, const struct code *code) {
    const struct asker *asker = heard->asker;
    bool zh = bot->ports.settings->language == LANG_ZH;
    char *group = text_print("%s:%s", asker->channel, asker->chat);
    char *who = text_print("%s:%s", asker->channel, asker->sender);
    int status = group && who ? keep(bot, code, GROUP_PREFIX, group, "in", who, "group") : TB_ENOMEM;
    bot->requests->roles_epoch++;
    if (status == TB_OK) {
        if (!session_open(bot, asker->channel, asker->chat, asker->sender, true))
            bot_log(bot, 1, "too many conversations: a group of %s is not told of runs", asker->channel);
        answer(bot, heard,
               zh ? "这个群可以用我了。每个人自己的权限照旧;没有权限的人我不理。"
                  : "This group may use me now. Everybody's own role counts; people without one get no answer.");
        struct maker maker = maker_of(bot, code);
        tell_maker(bot, &maker, "", group,
                   maker.zh ? " 这个群用你的配对码加进来了。" : ": this group was let in with your pairing code.");
    } else {
        say_not_kept(bot, heard, zh);
    }
    free(who);
    free(group);
}

void pairing_take(struct bot *bot, const struct heard *heard, const char *id) {
    const struct asker *asker = heard->asker;
    enum lang lang = lang_of(bot, asker->channel, asker->chat);
    bool zh = lang == LANG_ZH;
    struct codes codes;
    codes_load(bot, &codes);
    const struct code *code = codes_find(&codes, id);
    bool group_new = heard->group && !access_group(bot, asker->channel, asker->chat);
    if (heard->group && asker->role < (group_new ? ROLE_OPERATOR : ROLE_VIEWER)) return;
    if (!code) {
        if (!group_new)
            answer(bot, heard,
                   zh ? "这个配对码已经失效。请主人再发一次\"配对\"。"
                      : "This pairing code is no longer valid. Ask the owner for a new one.");
    } else if (group_new) {
        let_group_in(bot, heard, code);
    } else if (code->role <= asker->role) {
        char text[300];
        snprintf(text, sizeof text,
                 zh ? "你已经是%s了,这个码没有用掉。" : "You are %s already; the code was not used up.",
                 pairing_role_name(asker->role, lang));
        answer(bot, heard, text);
    } else {
        give_role(bot, heard, code);
    }
    codes_load(bot, &codes);
}

/* ---- a wrong one ---- */

/* At most one row a stranger and hour, and 64 strangers. */
static void audit_try(struct bot *bot, const struct asker *asker, const char *who) {
    uint64_t hash = person_hash(asker->channel, asker->sender);
    if (!take_turn(bot->requests->tries, hash, clock_mono_ms(bot->ports.clock))) return;
    int status = audit(bot, who, "pairing", "refused: wrong code");
    if (status < 0) bot_log(bot, 0, "a wrong code could not be audited: %s", tb_error_text(status));
}

void pairing_wrong(struct bot *bot, const struct heard *heard) {
    struct codes codes;
    codes_load(bot, &codes);
    char *who = text_print("%s:%s", heard->asker->channel, heard->asker->sender);
    if (!who) return;
    if (codes.count > 0) audit_try(bot, heard->asker, who);
    for (size_t i = 0; i < codes.count; i++) {
        struct code *wrong = &codes.items[i];
        wrong->tries++;
        bool dead = wrong->tries >= CODE_TRIES;
        int status = dead ? code_drop(bot, wrong) : code_put(bot, wrong);
        if (status < 0) bot_log(bot, 0, "a wrong code was not counted: %s", tb_error_text(status));
        struct maker maker = maker_of(bot, wrong);
        if (dead)
            tell_maker(bot, &maker,
                       maker.zh ? "⚠ 配对码作废:有人猜错了五次(最后是 "
                                : "⚠ The pairing code is void: five wrong tries (the last by ",
                       who, maker.zh ? ")。" : ").");
    }
    free(who);
    codes_load(bot, &codes);
}
