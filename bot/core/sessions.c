/*
 * sessions.c: conversations that hear of runs by themselves: their language, the run they chose, when they are muted.
 * Kept in the store under "session/CHANNEL:CHAT" as "lang use from until", so that a restart changes nothing. Always
 * holds: a conversation whose person (or group) is not let in any more stands in the silent list and hears nothing.
 */
#include "outbox_moved.h"
#include "requests.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX "session/"
#define SESSIONS_MAX 4096

struct sessions {
    struct session *first;  /* hear of runs */
    struct session *silent; /* their settings are kept, for the day they are let in again */
    size_t count;           /* of both */
};

struct session *sessions_first(struct bot *bot) {
    return bot->sessions ? bot->sessions->first : NULL;
}

static struct session *find_in(struct session *session, const char *channel, const char *chat) {
    for (; session; session = session->next)
        if (strcmp(session->channel, channel) == 0 && strcmp(session->chat, chat) == 0) return session;
    return NULL;
}

struct session *session_find(struct bot *bot, const char *channel, const char *chat) {
    return find_in(sessions_first(bot), channel, chat);
}

static void session_free(struct session *session) {
    if (!session) return;
    free(session->channel);
    free(session->chat);
    free(session->person);
    free(session);
}

static void append(struct session **list, struct session *session) {
    while (*list)
        list = &(*list)->next;
    session->next = NULL;
    *list = session;
}

static void take_out(struct session **list, const struct session *session) {
    while (*list && *list != session)
        list = &(*list)->next;
    if (*list) *list = session->next;
}

static int session_forget(struct bot *bot, struct session *session) {
    char *key = text_print(PREFIX "%s:%s", session->channel, session->chat);
    int status = key ? store_set(bot->ports.store, key, NULL) : TB_ENOMEM;
    free(key);
    take_out(session->hears ? &bot->sessions->first : &bot->sessions->silent, session);
    bot->sessions->count--;
    session_free(session);
    return status;
}

/* Does not hear yet. */
static struct session *session_add(struct bot *bot, const char *channel, const char *chat) {
    struct sessions *sessions = bot->sessions;
    if (sessions->count >= SESSIONS_MAX && sessions->silent && session_forget(bot, sessions->silent) < 0)
        bot_log(bot, 1, "a conversation's settings were not removed");
    struct session *session = sessions->count < SESSIONS_MAX ? calloc(1, sizeof *session) : NULL;
    if (!session) return NULL;
    session->channel = strdup(channel);
    session->chat = strdup(chat);
    session->person = strdup("");
    session->mute_from = session->mute_until = -1;
    if (!session->channel || !session->chat || !session->person) {
        session_free(session);
        return NULL;
    }
    append(&sessions->silent, session);
    sessions->count++;
    return session;
}

static void session_hears(struct bot *bot, struct session *session, bool hears) {
    if (session->hears == hears) return;
    take_out(session->hears ? &bot->sessions->first : &bot->sessions->silent, session);
    append(hears ? &bot->sessions->first : &bot->sessions->silent, session);
    session->hears = hears;
}

struct session *session_get(struct bot *bot, const char *channel, const char *chat) {
    struct session *session = session_find(bot, channel, chat);
    if (!session) session = find_in(bot->sessions->silent, channel, chat);
    bool made = !session;
    if (made) session = session_add(bot, channel, chat);
    if (!session) return NULL;
    session->registered = true;
    session_hears(bot, session, true);
    if (made) session_save(bot, session);
    return session;
}

struct session *session_open(struct bot *bot, const char *channel, const char *chat, const char *person, bool group) {
    struct session *session = session_find(bot, channel, chat);
    if (!session) session = find_in(bot->sessions->silent, channel, chat);
    bool changed = !session;
    if (!session) session = session_add(bot, channel, chat);
    if (!session) return NULL;
    const char *with = group ? "" : person;
    if (session->group != group || strcmp(session->person, with) != 0) {
        if (text_set(&session->person, with) < 0) return NULL;
        session->group = group;
        changed = true;
    }
    session_hears(bot, session, true);
    if (changed) session_save(bot, session);
    return session;
}

struct session *request_session(struct request *request) {
    struct session *session = session_find(request->bot, request->channel, request->chat);
    return session ? session : session_open(request->bot, request->channel, request->chat, request->sender, false);
}

/* Behind the settings stands whom it is with: "=ID" a person, "*" a group, nothing: whom the chat's id names. */
void session_save(struct bot *bot, const struct session *session) {
    char *key = text_print(PREFIX "%s:%s", session->channel, session->chat);
    const char *lang = !session->lang_known ? "-" : session->lang == LANG_ZH ? "zh" : "en";
    char *value =
        text_print("%s %lld %d %d%s%s", lang, (long long)session->chosen_run, session->mute_from, session->mute_until,
                   session->group       ? " *"
                   : session->person[0] ? " ="
                                        : "",
                   session->person);
    int status = key && value ? store_set(bot->ports.store, key, value) : TB_ENOMEM;
    if (status < 0) bot_log(bot, 0, "a conversation's settings were not kept: %s", tb_error_text(status));
    free(value);
    free(key);
}

/* ---- who still hears ---- */

static bool may_hear(struct bot *bot, const struct session *session) {
    if (session->registered) return true;
    if (session->group) return access_group(bot, session->channel, session->chat);
    const char *person = session->person[0] ? session->person : session->chat;
    return access_role(bot, session->channel, person) != ROLE_NONE;
}

/* Nothing that waits for it leaves any more, and nothing that is open is answered there. */
static void silence(struct bot *bot, struct session *session) {
    session_hears(bot, session, false);
    for (struct request *request = bot->requests->first; request; request = request->next)
        if (strcmp(request->channel, session->channel) == 0 && strcmp(request->chat, session->chat) == 0)
            request->deaf = true;
    int status = outbox_chat_dropped(bot, session->channel, session->chat);
    if (status < 0) bot_log(bot, 0, "what waits for a conversation was not dropped: %s", tb_error_text(status));
}

void sessions_recompute(struct bot *bot) {
    struct session *lists[] = {bot->sessions->first, bot->sessions->silent};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (struct session *session = lists[i], *next; session; session = next) {
            next = session->next;
            bool hears = may_hear(bot, session);
            if (session->hears && !hears)
                silence(bot, session);
            else if (hears)
                session_hears(bot, session, true);
        }
}

int session_moved(struct bot *bot, const char *channel, const char *from, const char *to) {
    struct session *session = session_find(bot, channel, from);
    if (!session) session = find_in(bot->sessions->silent, channel, from);
    if (!session) return TB_OK;
    if (session_find(bot, channel, to) || find_in(bot->sessions->silent, channel, to))
        return session_forget(bot, session);
    char *key = text_print(PREFIX "%s:%s", channel, from);
    int status = key ? store_set(bot->ports.store, key, NULL) : TB_ENOMEM;
    free(key);
    if (status == TB_OK) status = text_set(&session->chat, to);
    if (status == TB_OK) session_save(bot, session);
    return status;
}

bool session_muted(const struct bot *bot, const struct session *session, int64_t wall_ms) {
    (void)bot;
    if (session->mute_from < 0) return false;
    if (session->mute_from == session->mute_until) return true;
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm local;
    if (!localtime_r(&seconds, &local)) return false;
    int minute = local.tm_hour * 60 + local.tm_min;
    if (session->mute_from < session->mute_until) return minute >= session->mute_from && minute < session->mute_until;
    return minute >= session->mute_from || minute < session->mute_until;
}

enum lang session_lang(const struct bot *bot, const struct session *session) {
    return session->lang_known ? session->lang : bot->ports.settings->language;
}

static bool is_group(struct bot *bot, const char *channel_name, const char *chat) {
    const struct channel *channel = bot_channel(bot, channel_name);
    return channel && channel->ops->is_group && channel->ops->is_group(channel, chat);
}

static bool load_one(void *user, const char *key, const char *value) {
    struct bot *bot = user;
    char lang[8];
    long long chosen;
    int from, until, end = 0;
    key += strlen(PREFIX);
    const char *colon = strchr(key, ':');
    if (!colon || sscanf(value, "%7s %lld %d %d %n", lang, &chosen, &from, &until, &end) < 4) return true;
    char *channel = strndup(key, (size_t)(colon - key));
    struct session *session = NULL;
    if (channel && !session_find(bot, channel, colon + 1)) session = session_add(bot, channel, colon + 1);
    free(channel);
    if (!session) return true;
    session->lang_known = lang[0] != '-';
    session->lang = strcmp(lang, "en") == 0 ? LANG_EN : LANG_ZH;
    session->chosen_run = chosen;
    session->mute_from = from >= 0 && from < 1440 && until >= 0 && until < 1440 ? from : -1;
    session->mute_until = session->mute_from >= 0 ? until : -1;
    const char *with = end > 0 ? value + end : "";
    session->group = with[0] == '*' || (!with[0] && is_group(bot, session->channel, session->chat));
    return with[0] != '=' || text_set(&session->person, with + 1) == TB_OK;
}

int sessions_create(struct bot *bot) {
    bot->sessions = calloc(1, sizeof *bot->sessions);
    return bot->sessions ? TB_OK : TB_ENOMEM;
}

int sessions_load(struct bot *bot) {
    int status = store_pairs(bot->ports.store, PREFIX, load_one, bot);
    if (status < 0) return status;
    for (struct session *session = bot->sessions->silent, *next; session; session = next) {
        next = session->next;
        if (may_hear(bot, session))
            session_hears(bot, session, true);
        else
            silence(bot, session);
    }
    return TB_OK;
}

void sessions_free(struct bot *bot) {
    if (!bot->sessions) return;
    struct session *lists[] = {bot->sessions->first, bot->sessions->silent};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (struct session *session = lists[i], *next; session; session = next) {
            next = session->next;
            session_free(session);
        }
    free(bot->sessions);
    bot->sessions = NULL;
}
