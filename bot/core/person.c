/* person.c: see person.h. */
#include "person.h"
#include "command.h"
#include "outbox_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOVED "moved:" /* key of an alert that moved: how often */
#define TRIES_FIRST 2
#define MOVES_COUNTED                                                                                                  \
    8 /* each move doubles the tries before the next one, so that two failing services do not play ball */

const struct person_settings *person_of(const struct settings *settings, const char *channel, const char *chat) {
    for (size_t i = 0; i < settings->persons_count; i++) {
        const struct person_settings *person = &settings->persons[i];
        for (size_t j = 0; j < person->count; j++)
            if (strcmp(person->identities[j].channel, channel) == 0 && strcmp(person->identities[j].id, chat) == 0)
                return person;
    }
    return NULL;
}

bool person_reachable(struct bot *bot, const char *channel_name, const char *chat) {
    struct channel *channel = bot_channel(bot, channel_name);
    if (!channel || !session_find(bot, channel_name, chat)) return false;
    struct line *line = outbox_line(bot, channel, chat);
    return line && line_open(bot, line);
}

/* The first open one that is not `line`, and not one that keeps the conversation: there it stands already. */
static const struct identity *next_open(struct bot *bot, const struct person_settings *person,
                                        const struct line *line) {
    for (size_t i = 0; i < person->count; i++) {
        const struct identity *identity = &person->identities[i];
        if (strcmp(identity->channel, line->channel->ops->name) == 0 && strcmp(identity->id, line->chat) == 0) continue;
        const struct channel *channel = bot_channel(bot, identity->channel);
        if (!channel || channel->traits.history) continue;
        if (person_reachable(bot, identity->channel, identity->id)) return identity;
    }
    return NULL;
}

static int moves_of(const struct entry *entry) {
    return strncmp(entry->key, MOVED, strlen(MOVED)) == 0 ? atoi(entry->key + strlen(MOVED)) : 0;
}

/* The new row and the end of the old one are one transaction. */
static bool move(struct bot *bot, struct line *line, struct entry *entry, const struct identity *to) {
    char key[32];
    snprintf(key, sizeof key, MOVED "%d", moves_of(entry) + 1);
    struct outbox_message message = {.channel = to->channel,
                                     .chat = to->id,
                                     .class = entry->row.class,
                                     .text = entry->text,
                                     .image = entry->row.image,
                                     .run = entry->row.run,
                                     .key = key,
                                     .buttons = entry->buttons[0] ? entry->buttons : NULL};
    if (outbox_add(bot, &message, NULL) < 0) return false;
    line_withdraw(bot, line, entry);
    return true;
}

/* Tries that failed here: more after each move. */
static bool fails_here(const struct entry *entry) {
    int moves = moves_of(entry) < MOVES_COUNTED ? moves_of(entry) : MOVES_COUNTED;
    return entry->row.attempts >= TRIES_FIRST << moves;
}

static bool may_move(const struct bot *bot, const struct entry *entry) {
    if (entry->row.class != MESSAGE_ALERT || entry->under_way) return false;
    return bot->store_status == TB_OK || entry->from_memory;
}

/* What is first in order fails, and what is behind it waits for it. An alert that has moved gets more tries. */
static bool head_fails(const struct line *line) {
    for (const struct entry *entry = line->first; entry; entry = entry->next)
        if (!entry_spare(line, entry))
            return !entry->under_way && entry->row.attempts >= TRIES_FIRST &&
                   (entry->row.class != MESSAGE_ALERT || fails_here(entry));
    return false;
}

static void move_alerts(struct bot *bot, struct line *line) {
    if (line_open(bot, line)) return;
    struct budget_rules rules = line_rules(line);
    bool shut = line->channel->state != CHANNEL_UP || line->closed || line->channel->failures >= TRIES_FIRST ||
                !budget_allows(&line->budget, &rules, outbox_wall(bot), false);
    if (!shut && !head_fails(line)) return;
    const struct person_settings *person = person_of(bot->ports.settings, line->channel->ops->name, line->chat);
    const struct identity *to = person ? next_open(bot, person, line) : NULL;
    for (struct entry *entry = line->first, *next; entry && to; entry = next) {
        next = entry->next;
        if (may_move(bot, entry) && !move(bot, line, entry, to)) return;
    }
    line_refill(bot, line);
}

void persons_move(struct bot *bot) {
    if (bot->ports.settings->persons_count == 0) return;
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        if (line->channel->traits.history || !line->first) continue;
        line_refill(bot, line);
        move_alerts(bot, line);
    }
}
