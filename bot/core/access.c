/*
 * access.c: the role of an identity. Always holds: whoever is not named by the configuration, by a pairing, by having
 * logged a channel in or by being at this machine's own console or page has no role at all; the highest of them counts.
 */
#include "codes.h"
#include "requests.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool listed(const struct identity *identities, size_t count, const char *channel, const char *sender) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(identities[i].channel, channel) == 0 && strcmp(identities[i].id, sender) == 0) return true;
    return false;
}

static enum role paired_role(struct bot *bot, const char *channel, const char *sender) {
    char *key = text_print(ROLE_PREFIX "%s:%s", channel, sender), *value = NULL;
    enum role role = ROLE_NONE;
    if (key && store_get(bot->ports.store, key, &value) == TB_OK) {
        if (strcmp(value, "owner") == 0) role = ROLE_OWNER;
        if (strcmp(value, "operator") == 0) role = ROLE_OPERATOR;
        if (strcmp(value, "viewer") == 0) role = ROLE_VIEWER;
    }
    free(value);
    free(key);
    return role;
}

/* ---- who logged a channel in ---- */

static struct owner **owner_at(struct bot *bot, const char *channel) {
    struct owner **at = &bot->requests->owners;
    while (*at && strcmp((*at)->channel, channel) != 0)
        at = &(*at)->next;
    return at;
}

static void owner_free(struct owner *owner) {
    if (!owner) return;
    free(owner->channel);
    free(owner->id);
    free(owner);
}

void owners_free(struct requests *requests) {
    for (struct owner *owner; (owner = requests->owners);) {
        requests->owners = owner->next;
        owner_free(owner);
    }
}

const char *access_login(struct bot *bot, const char *channel) {
    const struct owner *owner = *owner_at(bot, channel);
    return owner ? owner->id : NULL;
}

static struct owner *owner_create(const char *channel, const char *id) {
    struct owner *owner = calloc(1, sizeof *owner);
    if (!owner) return NULL;
    *owner = (struct owner){.channel = strdup(channel), .id = strdup(id)};
    if (owner->channel && owner->id) return owner;
    owner_free(owner);
    return NULL;
}

static bool load_owner(void *user, const char *key, const char *value) {
    struct bot *bot = user;
    struct owner *owner = owner_create(key + strlen(OWNER_PREFIX), value);
    if (!owner) return false;
    owner->next = bot->requests->owners;
    bot->requests->owners = owner;
    return true;
}

int owners_load(struct bot *bot) {
    return store_pairs(bot->ports.store, OWNER_PREFIX, load_owner, bot);
}

/* In the store, with the audit, durably: the channel tells the person that they are the owner now. */
static int keep_owner(struct bot *bot, const char *channel, const char *id) {
    const char *before = access_login(bot, channel);
    char *key = text_print(OWNER_PREFIX "%s", channel), *who = text_print("%s:%s", channel, id ? id : before);
    struct audit_record audit = {.t_ms = clock_wall_ms(bot->ports.clock),
                                 .who = who,
                                 .what = id ? "login" : "logout",
                                 .outcome = "done"};
    int status = key && who ? store_set(bot->ports.store, key, id) : TB_ENOMEM;
    if (status == TB_OK) status = store_audit_add(bot->ports.store, &audit);
    if (status == TB_OK) status = bot_commit(bot);
    free(who);
    free(key);
    return status;
}

int channel_set_owner(struct channel *channel, const char *id) {
    struct bot *bot = channel->bot;
    const char *name = channel->ops->name, *before = access_login(bot, name);
    if (id && !id[0]) return TB_EINVAL;
    if (id ? before && strcmp(before, id) == 0 : !before) return TB_OK;
    struct owner *owner = id ? owner_create(name, id) : NULL;
    int status = id && !owner ? TB_ENOMEM : keep_owner(bot, name, id);
    if (status < 0) {
        owner_free(owner);
        return status;
    }
    struct owner **at = owner_at(bot, name), *old = *at;
    if (owner) owner->next = old ? old->next : NULL;
    *at = owner ? owner : old->next;
    bot->requests->roles_epoch++;
    if (old && access_role(bot, name, old->id) != ROLE_OWNER) codes_void(bot, name);
    owner_free(old);
    sessions_recompute(bot);
    return TB_OK;
}

/* ---- groups ---- */

bool access_group(struct bot *bot, const char *channel, const char *chat) {
    const struct settings *settings = bot->ports.settings;
    if (listed(settings->groups, settings->groups_count, channel, chat)) return true;
    char *key = text_print(GROUP_PREFIX "%s:%s", channel, chat), *value = NULL;
    bool in = key && store_get(bot->ports.store, key, &value) == TB_OK;
    free(value);
    free(key);
    return in;
}

/* ---- roles ---- */

static enum role higher(enum role a, enum role b) {
    return a > b ? a : b;
}

enum role access_role(struct bot *bot, const char *channel, const char *sender) {
    const struct settings *settings = bot->ports.settings;
    char own_uid[24];
    snprintf(own_uid, sizeof own_uid, "%lu", (unsigned long)geteuid());
    if (strcmp(channel, "console") == 0 && (strcmp(sender, own_uid) == 0 || strcmp(sender, "0") == 0))
        return ROLE_OWNER;
    if (strcmp(channel, "web") == 0 && strcmp(sender, "token") == 0) return ROLE_OWNER;
    const struct identity *owner = &settings->owner;
    if (owner->channel && strcmp(owner->channel, channel) == 0 && strcmp(owner->id, sender) == 0) return ROLE_OWNER;
    const char *login = access_login(bot, channel);
    if (login && strcmp(login, sender) == 0) return ROLE_OWNER;
    enum role role = ROLE_NONE;
    if (listed(settings->viewers, settings->viewers_count, channel, sender)) role = ROLE_VIEWER;
    if (listed(settings->operators, settings->operators_count, channel, sender)) role = ROLE_OPERATOR;
    return higher(role, paired_role(bot, channel, sender));
}
