/* cmd_access.c: 配对 取消配对 登录: who may do what, and the channels' own logins. */
#include "channels_view.h"
#include "codes.h"
#include "command.h"
#include "outbox.h"
#include "pairing.h"
#include "render.h"
#include "render_delivery.h"
#include "requests.h"
#include "said.h"
#include "text.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MAX 40

/* ---- 配对 alone ---- */

struct listing {
    struct words words;
    size_t count, more;
    enum lang lang;
    const char *prefix;
};

static bool list_one(void *user, const char *key, const char *value) {
    struct listing *listing = user;
    struct words *words = &listing->words;
    if (listing->count >= LISTED_MAX) {
        listing->more++;
        return true;
    }
    bool zh = listing->lang == LANG_ZH, group = strcmp(listing->prefix, GROUP_PREFIX) == 0;
    enum role role = strcmp(value, "owner") == 0      ? ROLE_OWNER
                     : strcmp(value, "operator") == 0 ? ROLE_OPERATOR
                                                      : ROLE_VIEWER;
    words_add(words, "%s", listing->count++ ? "\n" : "");
    words_add_foreign(words, key + strlen(listing->prefix), 150);
    if (group)
        words_add(words, zh ? " · 群" : " · group");
    else
        words_add(words, zh ? " · %s" : " is %s", pairing_role_name(role, listing->lang));
    return true;
}

static enum verdict list_pairings(struct request *request) {
    char text[RENDER_MAX];
    struct listing listing = {.lang = request->lang};
    struct codes codes;
    bool zh = request_zh(request);
    const char *const prefixes[] = {ROLE_PREFIX, GROUP_PREFIX};
    words_init(&listing.words, text, sizeof text);
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        listing.prefix = prefixes[i];
        int status = store_pairs(request->bot->ports.store, prefixes[i], list_one, &listing);
        if (status < 0)
            return request_refuse(request, "读不出来:%s。", "Cannot be read: %s.", said_error(status, request->lang));
    }
    codes_load(request->bot, &codes);
    if (listing.count == 0) words_add(&listing.words, zh ? "还没有人配对过。" : "Nobody is paired yet.");
    if (listing.more > 0) words_add(&listing.words, zh ? "\n还有 %zu 个" : "\nand %zu more", listing.more);
    words_add(&listing.words, zh ? "\n还有效的配对码:%zu 个。" : "\nCodes that are still good: %zu.", codes.count);
    words_add(&listing.words, zh ? "加人:配对 operator|viewer;去掉:取消配对 通道:ID"
                                 : " To add somebody: pair operator|viewer; to take it back: unpair CHANNEL:ID");
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}

/* ---- a new code ---- */

/* The channel somebody means: by its own name, or as people call it; NULL: none of that name is enabled. */
static struct channel *channel_meant(struct bot *bot, const char *word) {
    for (struct channel *channel = bot->channels; channel; channel = channel->next) {
        const char *name = channel->ops->name;
        if (parse_same(name, word) || parse_same(channel_said(name, LANG_ZH), word) ||
            parse_same(channel_said(name, LANG_EN), word))
            return channel;
    }
    return NULL;
}

static enum verdict refuse_channel(struct request *request, const char *asked) {
    char shown[100], names[300];
    struct words words;
    words_init(&words, names, sizeof names);
    for (const struct channel *channel = request->bot->channels; channel; channel = channel->next)
        words_add(&words, "%s%s", words.length ? " " : "", channel->ops->name);
    words_init(&words, shown, sizeof shown);
    words_add_foreign(&words, asked, 40);
    return request_refuse(request, "没有打开\"%s\"这个通道。打开的有:%s。",
                          "There is no channel \"%s\". Those that are enabled: %s.", shown, names);
}

static void add_links(struct words *words, const struct channel *only, struct bot *bot, const char *link,
                      enum lang lang) {
    for (const struct channel *channel = bot->channels; channel; channel = channel->next) {
        char address[400] = "";
        if ((only && channel != only) || !channel->ops->invite) continue;
        if (!channel->ops->invite(channel, link, address, sizeof address) || !address[0]) continue;
        const char *name = channel_said(channel->ops->name, lang), *gap = channel_gap(name);
        if (lang == LANG_ZH)
            words_add(words, "\n也可以在%s%s%s里点:%s", gap, name, gap, address);
        else
            words_add(words, "\nOr in %s, just tap: %s", name, address);
        OPENSSL_cleanse(address, sizeof address);
    }
}

/* The answer that shows a code; its row is remembered, so that its text goes when the code dies. */
static int tell_code(struct request *request, struct code *code, const char *text) {
    struct bot *bot = request->bot;
    if (request->reply) {
        struct reply reply = {.text = text};
        request->reply(request->user, &reply);
        return TB_OK;
    }
    struct outbox_message message = {
        .channel = request->channel, .chat = request->chat, .class = MESSAGE_REPLY, .text = text, .key = ""};
    int status = outbox_add(bot, &message, &code->row);
    if (status == TB_OK && code->row > 0) code->rev = store_last_rev(bot->ports.store);
    return status;
}

/* Makes a code and tells it. `lead`: stands before it; only: the channel where it works, NULL any. The audit and
 * request->said hold no code. */
static enum verdict make_code(struct request *request, enum role role, const struct channel *only, const char *lead) {
    struct bot *bot = request->bot;
    struct codes codes;
    struct code_texts texts;
    struct code code = {.role = role, .expires_ms = clock_wall_ms(bot->ports.clock) + CODE_LIVES_MS};
    codes_load(bot, &codes);
    if (codes.count >= CODES_MAX)
        return request_refuse(request, "还有 %d 个没用的配对码,等它们过期(10 分钟)。",
                              "There are %d unused codes; wait until they expire (10 minutes).", CODES_MAX);
    if (code_draw(&code, &texts) < 0)
        return request_refuse(request, "系统给不出随机数。", "The system gives no random numbers.");
    if (only) snprintf(code.channel, sizeof code.channel, "%s", only->ops->name);
    snprintf(code.owner, sizeof code.owner, "%.40s:%.150s", request->channel, request->chat);
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    words_add(&words, "%s", lead);
    if (role == ROLE_OWNER) /* it may be this person's own */
        words_add(&words,
                  request_zh(request) ? "配对码:%s。十分钟内有效,用一次就作废。"
                                      : "Code: %s. It is good for ten minutes and works once.",
                  texts.typed);
    else
        words_add(&words,
                  request_zh(request) ? "配对码:%s。十分钟内,让对方把它发给我;用一次就作废。"
                                      : "Code: %s. Within ten minutes the other person sends it to me; it works once.",
                  texts.typed);
    add_links(&words, only, bot, texts.link, request->lang);
    int status = tell_code(request, &code, text);
    if (status == TB_OK) status = code_put(bot, &code);
    codes_load(bot, &codes);
    OPENSSL_cleanse(text, sizeof text);
    OPENSSL_cleanse(&texts, sizeof texts);
    free(request->said);
    request->said = strdup(role == ROLE_OWNER ? "owner" : role == ROLE_OPERATOR ? "operator" : "viewer");
    if (status == TB_OK) return DONE;
    return request_refuse(request, "配对码没有存下:%s。", "The code was not kept: %s.",
                          said_error(status, request->lang));
}

static enum role role_named(const char *word) {
    if (parse_same(word, "operator") || parse_same(word, "操作者")) return ROLE_OPERATOR;
    if (parse_same(word, "viewer") || parse_same(word, "查看者")) return ROLE_VIEWER;
    if (parse_same(word, "owner") || parse_same(word, "主人")) return ROLE_OWNER;
    return ROLE_NONE;
}

/* Whoever sits at this machine as its own user, and nobody who speaks for them. */
static bool is_at_machine(const struct request *request) {
    return strcmp(request->channel, "console") == 0 && request->role == ROLE_OWNER && !request->on_behalf;
}

enum verdict cmd_pair(struct request *request, struct parsed *parsed) {
    if (parsed->count == 1) {
        request->changed = false;
        return list_pairings(request);
    }
    enum role role = role_named(parsed->tokens[1]);
    if (role == ROLE_NONE || parsed->count > 3) return refuse_usage(request);
    const struct channel *only = parsed->count == 3 ? channel_meant(request->bot, parsed->tokens[2]) : NULL;
    if (parsed->count == 3 && !only) return refuse_channel(request, parsed->tokens[2]);
    if (role == ROLE_OWNER && !is_at_machine(request))
        return request_refuse(request, "主人只能在这台机器上配对:在终端里发\"trainbot send 配对 owner\"。",
                              "Owners are paired at this machine only: \"trainbot send pair owner\" in a terminal.");
    return make_code(request, role, only, "");
}

/* ---- taking it back ---- */

/* TB_ENOTFOUND: there was no such grant. */
static int take_back(struct bot *bot, const char *prefix, const char *id) {
    char *key = text_print("%s%s", prefix, id), *value = NULL;
    int status = key ? store_get(bot->ports.store, key, &value) : TB_ENOMEM;
    if (status == TB_OK) status = store_set(bot->ports.store, key, NULL);
    free(value);
    free(key);
    return status;
}

enum verdict cmd_unpair(struct request *request, struct parsed *parsed) {
    struct bot *bot = request->bot;
    const char *id = parsed->count == 2 ? parsed->tokens[1] : "", *colon = strchr(id, ':');
    if (!colon || colon == id || !colon[1]) return refuse_usage(request);
    char shown[200];
    struct words words;
    words_init(&words, shown, sizeof shown);
    words_add_foreign(&words, id, 150);
    char channel[64];
    snprintf(channel, sizeof channel, "%.*s", (int)(colon - id < 60 ? colon - id : 60), id);
    enum role had = access_role(bot, channel, colon + 1);
    int role = take_back(bot, ROLE_PREFIX, id), group = take_back(bot, GROUP_PREFIX, id);
    int status = role != TB_ENOTFOUND ? role : group;
    if (status == TB_ENOTFOUND)
        return request_refuse(request, "%s 没有配对过。配对过的人:发\"配对\"。配置文件里的人要在那里去掉。",
                              "%s was never paired. For those who are, send \"pair\"; who stands in the configuration "
                              "must be removed there.",
                              shown);
    if (status < 0)
        return request_refuse(request, "没有改成:%s。", "That was not changed: %s.", said_error(status, request->lang));
    enum role left = access_role(bot, channel, colon + 1);
    if (had == ROLE_OWNER && left != ROLE_OWNER) codes_void(bot, channel);
    bot->requests->roles_epoch++;
    sessions_recompute(bot);
    if (left == ROLE_NONE)
        request_say(request,
                    request_zh(request) ? "%s 不再有权限,也收不到消息了。"
                                        : "%s has no access any more and hears nothing.",
                    shown);
    else
        request_say(request,
                    request_zh(request) ? "%s 的配对取消了;按配置文件还是%s。"
                                        : "The pairing of %s is taken back; by the configuration it is still %s.",
                    shown, pairing_role_name(left, request->lang));
    return DONE;
}

/* ---- logging a channel in ---- */

enum verdict cmd_login(struct request *request, struct parsed *parsed) {
    bool zh = request_zh(request);
    char why[300] = "", said[400], lead[300];
    if (parsed->count != 2) return refuse_usage(request);
    struct channel *channel = channel_meant(request->bot, parsed->tokens[1]);
    if (!channel) return refuse_channel(request, parsed->tokens[1]);
    const char *name = channel_said(channel->ops->name, request->lang), *gap = zh ? channel_gap(name) : "";
    if (!channel->ops->login)
        return request_refuse(request, "%s%s不用登录。", "There is nothing to log in to at %s%s.", name, gap);
    if (channel->ops->login(channel, why, sizeof why) < 0)
        return request_refuse(request, "%s%s没有登录:%s", "%s%s was not logged in: %s", name, gap,
                              said_in(why, request->lang, said, sizeof said));
    if (channel->state == CHANNEL_UP)
        snprintf(lead, sizeof lead, zh ? "%s%s连着。" : "%s%s is connected.", name, gap);
    else
        snprintf(lead, sizeof lead, zh ? "正在连%s%s。" : "Connecting to %s%s.", gap, name);
    if (!is_at_machine(request) || access_login(request->bot, channel->ops->name)) {
        request_say(request, "%s", lead);
        return DONE;
    }
    size_t used = strlen(lead);
    snprintf(lead + used, sizeof lead - used,
             zh ? "要当主人,就在%s%s%s里把码发给我。\n" : " To be its owner, send me the code in %s%s%s.\n", gap, name,
             gap);
    return make_code(request, ROLE_OWNER, channel, lead);
}
