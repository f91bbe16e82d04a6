#include "fake_core.h"
#include "commands.h"
#include "outbox.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake_core core;
static struct pair { char *key, *value; } pairs[256], committed[256]; /* committed: as after the last commit */

static void copy_pairs(struct pair *to, const struct pair *from) {
    for (size_t i = 0; i < 256; i++) {
        free(to[i].key);
        free(to[i].value);
        to[i].key = from[i].key ? strdup(from[i].key) : NULL;
        to[i].value = from[i].value ? strdup(from[i].value) : NULL;
    }
}

static int64_t wall(void *user) {
    (void)user;
    return core.now_ms;
}

void fake_core_begin(void) {
    core = (struct fake_core){.now_ms = 1790000000000};
    core.settings.language = LANG_EN;
    core.clock = (struct clock){.wall_ms = wall, .mono_ms = wall};
    core.bot.ports.clock = &core.clock;
    core.bot.ports.settings = &core.settings;
}
void fake_core_end(void) {
    static const struct pair none[256];
    copy_pairs(pairs, none);
    copy_pairs(committed, none);
}

const char *fake_stored(const char *key) {
    for (size_t i = 0; i < 256; i++)
        if (pairs[i].key && strcmp(pairs[i].key, key) == 0) return pairs[i].value;
    return "";
}
size_t fake_stored_count(const char *prefix) {
    size_t count = 0;
    for (size_t i = 0; i < 256; i++)
        count += pairs[i].key && strncmp(pairs[i].key, prefix, strlen(prefix)) == 0;
    return count;
}

/* ---- the store ---- */

int store_set(struct store *store, const char *key, const char *value) {
    size_t free_at = 256;
    (void)store;
    for (size_t i = 0; i < 256; i++) {
        if (!pairs[i].key) {
            if (free_at == 256) free_at = i;
        } else if (strcmp(pairs[i].key, key) == 0) {
            free_at = i;
            break;
        }
    }
    if (free_at == 256) return TB_EFULL;
    free(pairs[free_at].key);
    free(pairs[free_at].value);
    pairs[free_at] = (struct pair){.key = value ? strdup(key) : NULL, .value = value ? strdup(value) : NULL};
    return TB_OK;
}
int store_get(struct store *store, const char *key, char **ret_value) {
    (void)store;
    for (size_t i = 0; i < 256; i++)
        if (pairs[i].key && strcmp(pairs[i].key, key) == 0) {
            *ret_value = strdup(pairs[i].value);
            return TB_OK;
        }
    return TB_ENOTFOUND;
}
int store_pairs(struct store *store, const char *prefix, store_pair_cb *cb, void *user) {
    (void)store;
    for (size_t i = 0; i < 256; i++)
        if (pairs[i].key && strncmp(pairs[i].key, prefix, strlen(prefix)) == 0 &&
            !cb(user, pairs[i].key, pairs[i].value))
            break;
    return TB_OK;
}

/* ---- core ---- */

void bot_log(struct bot *bot, int level, const char *format, ...) {
    size_t n = strlen(core.log);
    va_list args;
    (void)bot;
    if (level > 2) return;
    va_start(args, format);
    vsnprintf(core.log + n, sizeof core.log - n, format, args);
    va_end(args);
    n = strlen(core.log);
    snprintf(core.log + n, sizeof core.log - n, "\n");
    core.log_lines++;
}
void channel_set_state(struct channel *channel, enum channel_state state, const char *why) {
    if (why && why[0]) snprintf(channel->why, sizeof channel->why, "%s", why);
    channel->state = state;
}
int channel_set_owner(struct channel *channel, const char *id) {
    (void)channel;
    snprintf(core.owner, sizeof core.owner, "%s", id ? id : "");
    return TB_OK;
}
enum role access_role(struct bot *bot, const char *channel, const char *sender) {
    (void)bot;
    (void)channel;
    return strncmp(sender, "stranger", 8) == 0 ? ROLE_NONE : ROLE_OWNER;
}
/* As core does: all of it or, when the store fails, nothing of the turn. */
int bot_inbound_batch(struct bot *bot, const struct inbound *items, size_t count, const char *mark_key,
                      const char *mark_value) {
    core.batches++;
    if (core.batch_status < 0) {
        copy_pairs(pairs, committed);
        return core.batch_status;
    }
    for (size_t i = 0; i < count; i++) {
        struct fake_inbound *inbound = &core.inbound[core.inbound_count++ % 64];
        snprintf(inbound->service_id, sizeof inbound->service_id, "%s", items[i].service_id);
        snprintf(inbound->sender, sizeof inbound->sender, "%s", items[i].sender);
        snprintf(inbound->text, sizeof inbound->text, "%.*s", (int)items[i].size, items[i].text);
        inbound->sent_ms = items[i].sent_ms;
    }
    if (mark_key) (void)!store_set(bot->ports.store, mark_key, mark_value);
    copy_pairs(committed, pairs);
    return TB_OK;
}
void outbox_done(struct bot *bot, int64_t message, const struct sent *sent) {
    (void)bot;
    core.sent = *sent;
    snprintf(core.sent_id, sizeof core.sent_id, "%s", sent->service_id ? sent->service_id : "");
    snprintf(core.sent_why, sizeof core.sent_why, "%s", sent->why ? sent->why : "");
    core.sent_message = message;
    core.sent_count++;
}
struct outbox_count outbox_count(const struct bot *bot, const char *channel) {
    (void)bot;
    (void)channel;
    return (struct outbox_count){.queued = core.waiting};
}
