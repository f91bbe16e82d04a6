/*
 * What leaves. Always holds: an entry is handed to its channel only after its row says "sending", durably, and the
 * budget is spent in the same transaction (or, while the store fails, once from memory); one message of a conversation
 * is under way at a time; what a channel was lent stays as it is until outbox_done.
 */
#include "outbox.h"
#include "outbox_state.h"
#include "person.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- handing over ---- */

/* Quick replies of the last one that has some. */
static const char *quick_replies(struct entry *head) {
    const char *buttons = NULL;
    for (struct entry *entry = merge_next(head); entry; entry = merge_next(entry->next))
        if (entry->buttons[0]) buttons = entry->buttons;
    return buttons;
}

static enum message_class loudest(struct entry *head) {
    enum message_class class = head->row.class;
    for (struct entry *entry = merge_next(head); entry; entry = merge_next(entry->next))
        if (entry->row.class == MESSAGE_ALERT) class = MESSAGE_ALERT;
    return class;
}

/* Stable over retries and restarts: those tried together stay together. */
static void name_key(struct entry *head) {
    if (head->group_last == head->row.id || head->group_last == 0)
        snprintf(head->send_key, sizeof head->send_key, "tb-%lld", (long long)head->row.id);
    else
        snprintf(head->send_key, sizeof head->send_key, "tb-%lld-%lld", (long long)head->row.id,
                 (long long)head->group_last);
}

static void hand_over(struct bot *bot, struct line *line, struct entry *entry) {
    int64_t now = outbox_now(bot);
    bool edits = entry->service_id[0] && line->channel->traits.edit;
    line->tokens = line_tokens(line, now) - 1;
    line->tokens_ms = line->last_send_ms = now;
    line->current = entry;
    line->next_sending = bot->outbox->sending;
    bot->outbox->sending = line;
    line->heard_under_way = false;
    if (entry->row.class == MESSAGE_PROGRESS) line->last_progress_ms = now;
    name_key(entry);
    free(entry->path);
    entry->path = entry->row.image && entry->image_path
                      ? text_print("%s/%s", bot->ports.settings->state_dir, entry->image_path)
                      : NULL;
    struct outgoing outgoing = {.message = entry->row.id,
                                .chat = line->chat,
                                .text = line->lent ? line->lent : entry->text,
                                .image_path = entry->path,
                                .image_mime = entry->path ? entry->image_mime : NULL,
                                .buttons = quick_replies(entry),
                                .key = entry->send_key,
                                .edit_of = edits ? entry->service_id : NULL,
                                .edit_only = entry->last_word,
                                .message_class = (int)loudest(entry),
                                .run = entry->row.run,
                                .rev = entry->from_memory ? 0 : entry->row.rev,
                                .created_ms = entry->row.created_ms};
    line->channel->ops->send(line->channel, &outgoing);
}

/* Before the wire: the rows say "sending" and the budget is spent, durably, so that a restart knows that it may have
 * left. */
static bool mark_sending(struct bot *bot, struct line *line, struct entry *head) {
    struct budget_rules rules = line_rules(line);
    budget_spend(&line->budget, &rules);
    int status = TB_OK;
    if (rules.budget > 0) line_keep(bot, line);
    if (line->channel->traits.history) return true;
    if (head->from_memory) { /* it has no row to mark; what is left has */
        if (rules.budget > 0 && bot_commit(bot) < 0) bot_log(bot, 1, "what is left of a budget could not be noted");
        return true;
    }
    for (struct entry *entry = merge_next(head); entry && status == TB_OK; entry = merge_next(entry->next)) {
        entry->row.state = MESSAGE_SENDING;
        entry->row.attempts++;
        status = store_message_state(bot->ports.store, entry_row(line, entry), false);
    }
    if (status == TB_OK) status = bot_commit(bot);
    return status == TB_OK;
}

/* The store fails just now: progress waits, everything else goes from memory, once. */
static bool send_unmarked(struct bot *bot, struct line *line, struct entry *head) {
    bool waits = head->row.class == MESSAGE_PROGRESS;
    for (struct entry *entry = merge_next(head); entry; entry = merge_next(entry->next)) {
        entry->row.state = MESSAGE_QUEUED;
        entry->due_mono_ms = outbox_now(bot) + OUTBOX_BACKOFF_FIRST_MS;
        entry->from_memory = !waits;
        entry->under_way = !waits;
        if (waits || !entry->durable) entry->group_last = 0;
        if (!waits && !entry->durable && entry->row.id > 0) { /* its row never was */
            entry->row.id = --bot->outbox->memory_ids;
            entry->durable = true;
        }
    }
    struct budget_rules rules = line_rules(line);
    if (waits) budget_give_back(&line->budget, &rules);
    return !waits;
}

static void flush_channels(struct bot *bot) {
    for (struct channel *channel = bot->channels; channel; channel = channel->next)
        if (channel->ops->flush) channel->ops->flush(channel);
}

static void pump_line(struct bot *bot, struct line *line, int64_t now) {
    for (;;) {
        struct entry *entry = NULL;
        line_refill(bot, line);
        if (line_due(bot, line, now, &entry) > now || !entry) return;
        merge_begin(bot, line, entry);
        if (!mark_sending(bot, line, entry) && !send_unmarked(bot, line, entry)) continue;
        hand_over(bot, line, entry);
    }
}

void outbox_pump(struct bot *bot) {
    int64_t now = outbox_now(bot);
    if (now >= bot->outbox->digests_due_ms) digests_tick(bot);
    persons_move(bot);
    for (struct line *line = bot->outbox->lines; line; line = line->next)
        pump_line(bot, line, now);
    lines_sweep(bot);
    flush_channels(bot);
}

/* ---- the store's moods ---- */

void outbox_committed(struct bot *bot) {
    bot->outbox->noting_count = 0;
    bool works = bot->store_status == TB_OK; /* else what was rolled back before is still to be written */
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        for (struct entry *entry = line->first; entry; entry = entry->next)
            entry->durable = true;
        line_forget_beyond(line);
        line->durable_read_id = line->read_id;
        if (works) line->unsaved = false;
    }
}

static void lose_rows(struct bot *bot, struct line *line) {
    line_take_beyond(line);
    if (line->read_id > line->durable_read_id) line->read_id = line->durable_read_id;
    line_forget_idle(line); /* what they say of their rows may be undone */
    for (struct entry *entry = line->first, *next; entry; entry = next) {
        next = entry->next;
        if (entry->durable) continue;
        if (entry->row.class == MESSAGE_PROGRESS && !entry->under_way) {
            line_remove(line, entry); /* the next row brings newer figures */
            continue;
        }
        entry->durable = true;
        if (entry->row.class == MESSAGE_PROGRESS) continue;
        entry->from_memory = true;
        if (!entry->under_way) entry->group_last = 0;
        if (entry->row.id > 0) entry->row.id = --bot->outbox->memory_ids;
    }
}

static void pump_unmarked(struct bot *bot, struct line *line, int64_t now) {
    for (struct entry *entry; entry = NULL, line_due(bot, line, now, &entry) <= now && entry;) {
        bool unmarked = !entry->from_memory && !line->channel->traits.history;
        struct budget_rules rules = line_rules(line);
        merge_begin(bot, line, entry);
        budget_spend(&line->budget, &rules);
        line->unsaved = true;
        if (!unmarked || send_unmarked(bot, line, entry)) hand_over(bot, line, entry);
    }
}

void outbox_store_failed(struct bot *bot) {
    struct outbox *outbox = bot->outbox;
    int64_t now = outbox_now(bot);
    for (size_t i = 0; i < outbox->noting_count; i++)
        outbox_unnoted(bot, outbox->noting[i].id, outbox->noting[i].sent_ms);
    outbox->noting_count = 0;
    persons_move(bot); /* what goes from memory already; its rows are lost with the others' */
    for (struct line *line = outbox->lines; line; line = line->next)
        lose_rows(bot, line);
    store_rollback(bot->ports.store); /* before a channel that keeps the conversation looks into it */
    for (struct line *line = outbox->lines; line; line = line->next)
        pump_unmarked(bot, line, now);
    flush_channels(bot);
}

void outbox_unnoted(struct bot *bot, int64_t id, int64_t sent_ms) {
    struct outbox *outbox = bot->outbox;
    if (outbox->unnoted_count == OUTBOX_UNNOTED) {
        bot_log(bot, 1, "message %lld left, but that could not be noted", (long long)id);
        return;
    }
    outbox->unnoted[outbox->unnoted_count].id = id;
    outbox->unnoted[outbox->unnoted_count++].sent_ms = sent_ms;
}

void outbox_noting(struct bot *bot, int64_t id, int64_t sent_ms) {
    struct outbox *outbox = bot->outbox;
    if (outbox->noting_count < OUTBOX_UNNOTED) outbox->noting[outbox->noting_count++] = (struct noted){id, sent_ms};
}

void outbox_store_works(struct bot *bot) {
    struct outbox *outbox = bot->outbox;
    for (size_t i = 0; i < outbox->unnoted_count; i++) {
        struct message_record row = {.id = outbox->unnoted[i].id,
                                     .state = MESSAGE_SENT,
                                     .service_id = "",
                                     .sent_ms = outbox->unnoted[i].sent_ms};
        int status = store_message_state(bot->ports.store, &row, false);
        if (status < 0 && status != TB_ENOTFOUND)
            bot_log(bot, 1, "message %lld left, but that could not be noted", (long long)row.id);
    }
    outbox->unnoted_count = 0;
    for (struct line *line = outbox->lines; line; line = line->next)
        if (line->unsaved) line_keep(bot, line);
    digests_keep(bot);
}
