/*
 * moved.c: a service gave a chat another id. Everything that is known by the old id is renamed in one transaction: who
 * may write there, the conversation's settings, what waits for it, and what is being done for it just now.
 */
#include "outbox_moved.h"
#include "requests.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define MOVES_MAX 64
#define MOVES_EVERY_MS 1000 /* what is under way to the old id is looked after so often */

static void move_free(struct move *move) {
    if (!move) return;
    free(move->channel);
    free(move->from);
    free(move->to);
    free(move);
}

void moves_free(struct requests *requests) {
    for (struct move *move; (move = requests->moves);) {
        requests->moves = move->next;
        move_free(move);
    }
}

/* A named text gets another name, unless one of that name is there already. */
static int rename_pair(struct bot *bot, const char *prefix, const struct move *move) {
    char *from = text_print("%s/%s:%s", prefix, move->channel, move->from);
    char *to = text_print("%s/%s:%s", prefix, move->channel, move->to), *value = NULL, *there = NULL;
    int status = from && to ? store_get(bot->ports.store, from, &value) : TB_ENOMEM;
    if (status == TB_OK && store_get(bot->ports.store, to, &there) == TB_ENOTFOUND)
        status = store_set(bot->ports.store, to, value);
    if (status == TB_OK) status = store_set(bot->ports.store, from, NULL);
    if (status == TB_ENOTFOUND) status = TB_OK;
    free(there);
    free(value);
    free(to);
    free(from);
    return status;
}

static bool takes_part(const struct move *move, const char *channel, const char *chat) {
    return channel && chat && strcmp(channel, move->channel) == 0 && strcmp(chat, move->from) == 0;
}

/* Answers that are still open, and questions that wait for a yes. */
static int rename_open(struct bot *bot, const struct move *move) {
    int status = TB_OK;
    for (struct request *at = bot->requests->first; at && status == TB_OK; at = at->next)
        if (takes_part(move, at->channel, at->chat)) status = text_set(&at->chat, move->to);
    for (size_t i = 0; i < CONFIRMS_MAX && status == TB_OK; i++) {
        struct confirm *confirm = &bot->requests->confirms[i];
        if (takes_part(move, confirm->channel, confirm->chat)) status = text_set(&confirm->chat, move->to);
    }
    return status;
}

/* A group that the configuration names by its old id was let in; its new one stays so. */
static int move_group(struct bot *bot, const struct move *move) {
    bool in = access_group(bot, move->channel, move->from);
    int status = rename_pair(bot, "group", move);
    if (status < 0 || !in || access_group(bot, move->channel, move->to)) return status;
    char *key = text_print(GROUP_PREFIX "%s:%s", move->channel, move->to);
    status = key ? store_set(bot->ports.store, key, "in") : TB_ENOMEM;
    free(key);
    return status;
}

/* *ret_more: a message is under way to the old id; what becomes of it is awaited. */
static int carry_out(struct bot *bot, const struct move *move, bool *ret_more) {
    int status = rename_pair(bot, "role", move);
    if (status == TB_OK) status = move_group(bot, move);
    if (status == TB_OK) status = session_moved(bot, move->channel, move->from, move->to);
    if (status == TB_OK) status = rename_open(bot, move);
    if (status == TB_OK) status = outbox_chat_moved(bot, move->channel, move->from, move->to, ret_more);
    if (status == TB_OK) status = bot_commit(bot);
    if (status == TB_OK) sessions_recompute(bot);
    return status;
}

void moves_tick(struct bot *bot) {
    int64_t now = clock_mono_ms(bot->ports.clock);
    for (struct move **at = &bot->requests->moves; *at;) {
        struct move *move = *at;
        bool works = bot->store_status == TB_OK && bot->turn_status == TB_OK;
        if (!works || now < move->due_ms) {
            if (!works) move->due_ms = now + MOVES_EVERY_MS;
            at = &move->next;
            continue;
        }
        bool more = false;
        int status = carry_out(bot, move, &more);
        if (status < 0) bot_log(bot, 1, "a chat of %s moved: %s", move->channel, tb_error_text(status));
        if (more || status < 0) {
            move->due_ms = clock_mono_ms(bot->ports.clock) + MOVES_EVERY_MS;
            at = &move->next;
            continue;
        }
        *at = move->next;
        move_free(move);
    }
}

int64_t moves_next_ms(const struct bot *bot) {
    int64_t next = INT64_MAX;
    for (const struct move *move = bot->requests->moves; move; move = move->next)
        if (move->due_ms < next) next = move->due_ms;
    return next;
}

static bool same_move(const struct move *move, const char *channel, const char *from, const char *to) {
    return strcmp(move->channel, channel) == 0 && strcmp(move->from, from) == 0 && strcmp(move->to, to) == 0;
}

void channel_chat_moved(struct channel *channel, const char *from, const char *to) {
    struct bot *bot = channel->bot;
    const char *name = channel->ops->name;
    size_t count = 0;
    if (bot->leaving || strcmp(from, to) == 0) return;
    for (struct move *move = bot->requests->moves; move; move = move->next, count++)
        if (same_move(move, name, from, to)) return;
    struct move *move = count < MOVES_MAX ? calloc(1, sizeof *move) : NULL;
    if (move) *move = (struct move){.channel = strdup(name), .from = strdup(from), .to = strdup(to)};
    if (!move || !move->channel || !move->from || !move->to) {
        move_free(move);
        bot_log(bot, 0, "a chat of %s got another id, which could not be noted", name);
        return;
    }
    move->next = bot->requests->moves;
    bot->requests->moves = move;
    moves_tick(bot);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
}
