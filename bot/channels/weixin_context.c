/*
 * weixin_context.c: what stands in the store: the newest context token of each person (nothing can be sent without it),
 * the cursor, prints of the newest messages. Who has no role is remembered in memory only, so that strangers cannot
 * fill the store.
 */
#include "commands.h"
#include "text.h"
#include "weixin_state.h"
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN_KEY "weixin/login"

char *weixin_key(const struct weixin *weixin, const char *kind) {
    return text_print("weixin/%s/%s", kind, weixin->account.bot_id);
}

static char *context_key(const struct weixin *weixin, const char *person) {
    return text_print("weixin/context/%s/%s", weixin->account.bot_id, person);
}

void weixin_context_free(char *token) {
    if (token) OPENSSL_cleanse(token, strlen(token));
    free(token);
}

/* ---- strangers ---- */

static struct weixin_stranger *stranger_find(struct weixin *weixin, const char *person) {
    for (size_t i = 0; i < WEIXIN_STRANGERS; i++)
        if (weixin->strangers[i].token && strcmp(weixin->strangers[i].person, person) == 0)
            return &weixin->strangers[i];
    return NULL;
}

static int stranger_put(struct weixin *weixin, const char *person, const char *token, int64_t at_ms) {
    struct weixin_stranger *stranger = stranger_find(weixin, person);
    if (stranger && stranger->at_ms > at_ms) return TB_OK;
    char *copy = strdup(token);
    if (!copy) return TB_ENOMEM;
    if (!stranger) stranger = &weixin->strangers[weixin->strangers_at++ % WEIXIN_STRANGERS];
    weixin_context_free(stranger->token);
    *stranger = (struct weixin_stranger){.token = copy, .at_ms = at_ms};
    snprintf(stranger->person, sizeof stranger->person, "%s", person);
    return TB_OK;
}

void weixin_context_clear(struct weixin *weixin) {
    for (size_t i = 0; i < WEIXIN_STRANGERS; i++) {
        weixin_context_free(weixin->strangers[i].token);
        weixin->strangers[i] = (struct weixin_stranger){.token = NULL};
    }
}

/* ---- persons ---- */

/* "1790000000000 TOKEN" → the token; NULL where it is malformed. */
static char *kept_token(char *kept, int64_t *ret_at_ms) {
    char *blank = NULL;
    *ret_at_ms = strtoll(kept, &blank, 10);
    return blank && *blank == ' ' && blank[1] ? blank + 1 : NULL;
}

int weixin_context_put(struct weixin *weixin, const char *person, const char *token, int64_t at_ms) {
    struct bot *bot = weixin->channel.bot;
    if (access_role(bot, "weixin", person) == ROLE_NONE) return stranger_put(weixin, person, token, at_ms);
    char *key = context_key(weixin, person), *before = NULL;
    char *value = text_print("%lld %s", (long long)at_ms, token);
    int64_t before_ms = 0;
    int status = key && value ? TB_OK : TB_ENOMEM;
    bool older = status == TB_OK && store_get(bot->ports.store, key, &before) == TB_OK &&
                 kept_token(before, &before_ms) && before_ms > at_ms;
    if (status == TB_OK && !older) status = store_set(bot->ports.store, key, value);
    weixin_context_free(before);
    weixin_context_free(value);
    free(key);
    return status;
}

char *weixin_context_get(struct weixin *weixin, const char *person) {
    char *key = context_key(weixin, person), *kept = NULL, *token = NULL;
    int64_t at_ms = -1;
    if (key && store_get(weixin->channel.bot->ports.store, key, &kept) == TB_OK) token = kept_token(kept, &at_ms);
    struct weixin_stranger *stranger = stranger_find(weixin, person);
    if (stranger && (!token || stranger->at_ms > at_ms)) token = stranger->token;
    char *copy = token ? strdup(token) : NULL;
    weixin_context_free(kept);
    free(key);
    return copy;
}

/* ---- other bots, other logins ---- */

struct sweep {
    const char *bot_id; /* keep this one's; NULL: none's */
    char **keys;
    size_t count;
};

static bool sweep_one(void *user, const char *key, const char *value) {
    static const char *const kinds[] = {"weixin/cursor/", "weixin/context/", "weixin/seen/"};
    struct sweep *sweep = user;
    (void)value;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t size = strlen(kinds[i]), own = sweep->bot_id ? strlen(sweep->bot_id) : 0;
        if (strncmp(key, kinds[i], size) != 0) continue;
        if (own && strncmp(key + size, sweep->bot_id, own) == 0 && (!key[size + own] || key[size + own] == '/'))
            return true;
        char **grown = realloc(sweep->keys, (sweep->count + 1) * sizeof *grown);
        if (!grown) return false; /* the rest stays for the next time */
        sweep->keys = grown;
        if ((grown[sweep->count] = strdup(key))) sweep->count++;
    }
    return true;
}

/* Names a login without telling its token. */
static void login_mark(const struct weixin *weixin, char mark[33]) {
    unsigned char hash[SHA256_DIGEST_LENGTH];
    const char *token = secret_reveal(&weixin->account.token);
    SHA256((const unsigned char *)token, strlen(token), hash);
    weixin_hex(hash, 16, mark);
}

void weixin_store_sweep(struct weixin *weixin, bool all) {
    struct store *store = weixin->channel.bot->ports.store;
    char mark[33] = "", *before = NULL;
    if (!all) login_mark(weixin, mark);
    bool same = !all && store_get(store, LOGIN_KEY, &before) == TB_OK && strcmp(before, mark) == 0;
    free(before);
    struct sweep sweep = {.bot_id = same ? weixin->account.bot_id : NULL};
    int status = store_pairs(store, "weixin/", sweep_one, &sweep);
    for (size_t i = 0; i < sweep.count; i++) {
        if (status == TB_OK) status = store_set(store, sweep.keys[i], NULL);
        free(sweep.keys[i]);
    }
    free(sweep.keys);
    if (status == TB_OK && !same) status = store_set(store, LOGIN_KEY, all ? NULL : mark);
    if (status < 0) bot_log(weixin->channel.bot, 1, "weixin: old marks stay: %s", tb_error_text(status));
}
