/*
 * access.c: the role of an identity. Always holds: whoever is not named by the configuration, by a pairing or by being
 * at this machine's own console or page has no role at all.
 */
#include "command.h"
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
    char *key = text_print("role/%s:%s", channel, sender), *value = NULL;
    enum role role = ROLE_NONE;
    if (key && store_get(bot->ports.store, key, &value) == TB_OK) {
        if (strcmp(value, "operator") == 0) role = ROLE_OPERATOR;
        if (strcmp(value, "viewer") == 0) role = ROLE_VIEWER;
    }
    free(value);
    free(key);
    return role;
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
    if (listed(settings->operators, settings->operators_count, channel, sender)) return ROLE_OPERATOR;
    enum role paired = paired_role(bot, channel, sender);
    if (paired == ROLE_NONE && listed(settings->viewers, settings->viewers_count, channel, sender)) return ROLE_VIEWER;
    return paired;
}
