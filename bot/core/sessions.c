/*
 * sessions.c: conversations that hear of runs by themselves: their language, the run they chose, when they are muted.
 * Kept in the store under "session/CHANNEL:CHAT" as "lang use from until", so that a restart changes nothing.
 */
#include "command.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIX "session/"
#define SESSIONS_MAX 4096

struct sessions {
    struct session *first;
    size_t count;
};

struct session *sessions_first(struct bot *bot) {
    return bot->sessions ? bot->sessions->first : NULL;
}

struct session *session_find(struct bot *bot, const char *channel, const char *chat) {
    for (struct session *session = sessions_first(bot); session; session = session->next)
        if (strcmp(session->channel, channel) == 0 && strcmp(session->chat, chat) == 0) return session;
    return NULL;
}

static struct session *session_add(struct bot *bot, const char *channel, const char *chat) {
    struct session *session = bot->sessions->count < SESSIONS_MAX ? calloc(1, sizeof *session) : NULL;
    if (!session) return NULL;
    session->channel = strdup(channel);
    session->chat = strdup(chat);
    session->mute_from = session->mute_until = -1;
    if (!session->channel || !session->chat) {
        free(session->channel);
        free(session->chat);
        free(session);
        return NULL;
    }
    struct session **end = &bot->sessions->first;
    while (*end)
        end = &(*end)->next;
    *end = session;
    bot->sessions->count++;
    return session;
}

struct session *session_get(struct bot *bot, const char *channel, const char *chat) {
    struct session *session = session_find(bot, channel, chat);
    if (session) return session;
    session = session_add(bot, channel, chat);
    if (session) session_save(bot, session);
    return session;
}

void session_save(struct bot *bot, const struct session *session) {
    char *key = text_print(PREFIX "%s:%s", session->channel, session->chat);
    char value[100];
    snprintf(value, sizeof value, "%s %lld %d %d",
             !session->lang_known       ? "-"
             : session->lang == LANG_ZH ? "zh"
                                        : "en",
             (long long)session->chosen_run, session->mute_from, session->mute_until);
    int status = key ? store_set(bot->ports.store, key, value) : TB_ENOMEM;
    if (status < 0) bot_log(bot, 0, "a conversation's settings were not kept: %s", tb_error_text(status));
    free(key);
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

static bool load_one(void *user, const char *key, const char *value) {
    struct bot *bot = user;
    char lang[8];
    long long chosen;
    int from, until;
    key += strlen(PREFIX);
    const char *colon = strchr(key, ':');
    if (!colon || sscanf(value, "%7s %lld %d %d", lang, &chosen, &from, &until) != 4) return true;
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
    return true;
}

int sessions_create(struct bot *bot) {
    bot->sessions = calloc(1, sizeof *bot->sessions);
    return bot->sessions ? TB_OK : TB_ENOMEM;
}

int sessions_load(struct bot *bot) {
    return store_pairs(bot->ports.store, PREFIX, load_one, bot);
}

void sessions_free(struct bot *bot) {
    if (!bot->sessions) return;
    while (bot->sessions->first) {
        struct session *session = bot->sessions->first;
        bot->sessions->first = session->next;
        free(session->channel);
        free(session->chat);
        free(session);
    }
    free(bot->sessions);
    bot->sessions = NULL;
}
