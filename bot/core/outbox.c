/*
 * What is added to what waits. Always holds: messages of a conversation stand in the order they were made, but for
 * progress, whose newest text replaces the one that waits, or the one that stands sent where the service can change it.
 */
#include "outbox.h"
#include "outbox_state.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

int64_t outbox_now(const struct bot *bot) {
    return clock_mono_ms(bot->ports.clock);
}

int64_t outbox_wall(const struct bot *bot) {
    return clock_wall_ms(bot->ports.clock);
}

int outbox_create(struct bot *bot) {
    bot->outbox = calloc(1, sizeof *bot->outbox);
    if (!bot->outbox) return TB_ENOMEM;
    bot->outbox->random = (uint64_t)outbox_wall(bot) | 1;
    bot->outbox->digests_due_ms = INT64_MAX;
    return TB_OK;
}

int outbox_load(struct bot *bot) {
    int status = digests_load(bot);
    if (status == TB_OK) status = lines_load(bot);
    if (status == TB_OK) outbox_store_works(bot);
    return status;
}

void outbox_free(struct bot *bot) {
    if (!bot->outbox) return;
    lines_free(bot);
    digests_free(bot);
    free(bot->outbox);
    bot->outbox = NULL;
}

/* ---- progress: the newest wins ---- */

struct keeping {
    struct bot *bot;
    struct entry *entry;
};

static bool keep_message(void *user, const struct message_record *row) {
    struct keeping *keeping = user;
    keeping->entry = entry_from(keeping->bot, row);
    return false;
}

struct entry *line_waiting(struct line *line, int64_t run, const char *key) {
    for (struct entry *entry = line->first; entry; entry = entry->next)
        if (entry->row.run == run && strcmp(entry->key, key) == 0) return entry;
    return NULL;
}

/* Read from the store: it stands in memory from now on. */
static void line_take_read(struct line *line, struct entry *entry) {
    int64_t read_id = line->read_id;
    entry->durable = true;
    line_append(line, entry);
    if (line->more) line->read_id = read_id; /* rows between still wait in the store */
}

struct entry *line_find_waiting(struct bot *bot, struct line *line, int64_t run, const char *key) {
    struct entry *waiting = line_waiting(line, run, key);
    if (waiting || (!line->more && !line->aside)) return waiting;
    struct keeping keeping = {.bot = bot};
    if (store_message_by_key(bot->ports.store, line->channel->ops->name, line->chat, key, keep_message, &keeping) < 0 ||
        !keeping.entry)
        return NULL;
    if (keeping.entry->row.state == MESSAGE_QUEUED) {
        line_take_read(line, keeping.entry);
        return keeping.entry;
    }
    entry_free(keeping.entry);
    return NULL;
}

/* The entry whose text this progress message replaces: one that waits, or a sent one (*ret_sent) that can be changed in
 * place. */
static struct entry *entry_to_replace(struct bot *bot, struct line *line, const struct outbox_message *message,
                                      bool *ret_sent) {
    const struct channel_traits *traits = &line->channel->traits;
    struct entry *waiting = line_waiting(line, message->run, message->key);
    if (waiting) return waiting;
    if (!traits->edit && !line->more && !line->aside) return NULL;
    struct keeping keeping = {.bot = bot, .entry = line_take_idle(line, message->run, message->key)};
    if (!keeping.entry && store_message_by_key(bot->ports.store, line->channel->ops->name, line->chat, message->key,
                                               keep_message, &keeping) < 0)
        return NULL;
    if (!keeping.entry) return NULL;
    bool waits = keeping.entry->row.state == MESSAGE_QUEUED;
    *ret_sent = !waits;
    if (!waits && !traits->history && (!traits->edit || !keeping.entry->service_id[0])) {
        entry_free(keeping.entry);
        return NULL;
    }
    line_take_read(line, keeping.entry);
    return keeping.entry;
}

static int replace_text(struct bot *bot, struct line *line, struct entry *entry, const struct outbox_message *message,
                        bool sent) {
    const char *buttons = message->buttons ? message->buttons : "";
    const struct message_record *now = entry_row(line, entry);
    if (strcmp(now->text, message->text) == 0 && strcmp(now->buttons, buttons) == 0) {
        if (sent) line_remove(line, entry); /* that is what stands there */
        return TB_OK;
    }
    char **text = entry->under_way ? &entry->next_text : &entry->text;
    char **quick = entry->under_way ? &entry->next_buttons : &entry->buttons;
    if (text_set(quick, buttons) < 0 || text_set(text, message->text) < 0) return TB_ENOMEM;
    entry->row.state = line->channel->traits.history ? MESSAGE_SENT : MESSAGE_QUEUED;
    entry->durable = false;
    int status = entry->row.id > 0 ? store_message_change(bot->ports.store, entry_row(line, entry)) : TB_OK;
    if (status == TB_OK) entry->row.rev = store_last_rev(bot->ports.store);
    return status;
}

/* ---- adding ---- */

int outbox_add(struct bot *bot, const struct outbox_message *message, int64_t *ret_id) {
    struct channel *channel = bot_channel(bot, message->channel);
    if (!channel) return TB_ENOTFOUND;
    struct line *line = outbox_line(bot, channel, message->chat);
    if (!line) return TB_ENOMEM;
    if (message->class == MESSAGE_PROGRESS && message->key && message->key[0]) {
        bool sent = false;
        struct entry *entry = entry_to_replace(bot, line, message, &sent);
        if (entry) {
            if (ret_id) *ret_id = entry->row.id;
            return replace_text(bot, line, entry, message, sent);
        }
    }
    int64_t id = 0;
    int status = pieces_add(bot, line, message, &id);
    if (ret_id && status == TB_OK) *ret_id = id;
    return status;
}

void outbox_settle(struct bot *bot, const struct outbox_message *message) {
    struct channel *channel = bot_channel(bot, message->channel);
    struct line *line = channel ? outbox_line_known(bot, channel, message->chat) : NULL;
    if (!line || channel->traits.history) return;
    bool sent = false;
    struct entry *entry = entry_to_replace(bot, line, message, &sent);
    if (!entry) return;
    if (!entry->under_way && !(entry->service_id[0] && channel->traits.edit)) {
        line_withdraw(bot, line, entry);
        return;
    }
    entry->last_word = true;
    entry->due_mono_ms = 0;
    if (replace_text(bot, line, entry, message, sent) < 0) bot_log(bot, 1, "a progress message keeps its last figures");
}

void line_withdraw(struct bot *bot, struct line *line, struct entry *entry) {
    if (entry->row.id > 0 && !entry->from_memory) {
        entry->row.state = MESSAGE_SUPERSEDED;
        int status = store_message_state(bot->ports.store, entry_row(line, entry), true);
        if (entry->durable) outbox_noting(bot, entry->row.id, outbox_wall(bot)); /* should the turn fail: not again */
        if (status < 0) bot_log(bot, 1, "a message could not be withdrawn: %s", tb_error_text(status));
    }
    if (entry->row.id > 0 && entry->from_memory) outbox_unnoted(bot, entry->row.id, outbox_wall(bot));
    line_remove(line, entry);
}

/* ---- the person writes ---- */

/* It is open again: what the service refused then is tried at once. */
static void line_reopen(struct line *line) {
    line->closed = false;
    for (struct entry *entry = line->first; entry; entry = entry->next)
        if (!entry->under_way) entry->due_mono_ms = 0;
}

void outbox_heard(struct bot *bot, const char *channel_name, const char *chat, int64_t sent_ms) {
    struct channel *channel = bot_channel(bot, channel_name);
    if (!channel || channel->traits.history) return;
    struct line *line = outbox_line(bot, channel, chat);
    if (!line) return;
    struct budget_rules rules = line_rules(line);
    if (rules.budget <= 0 && !line->closed && !line->current) return;
    if (rules.budget > 0 && !budget_heard(&line->budget, &rules, sent_ms, outbox_wall(bot), line->current != NULL))
        return;
    bool keep = rules.budget > 0 || line->closed;
    if (line->closed) line_reopen(line);
    line->heard_under_way = line->current != NULL;
    if (keep) line_keep(bot, line);
    if (bot->outbox->digests_count > 0) bot->outbox->digests_due_ms = 0; /* the window is another one */
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
}

struct outbox_count outbox_count(const struct bot *bot, const char *channel) {
    struct outbox_count count = {0};
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        if (channel && strcmp(line->channel->ops->name, channel) != 0) continue;
        int64_t sending = 0;
        for (struct entry *entry = merge_next(line->first); entry; entry = merge_next(entry->next))
            sending++;
        count.sending += sending;
        count.queued += (int64_t)line->count - sending;
        count.sent += line->sent;
        count.failed += line->failed;
        count.retried += line->retried;
    }
    return count;
}
