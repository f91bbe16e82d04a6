/*
 * outbox_done.c: what became of what was handed over. Always holds: replies and alerts stay until they were accepted or
 * refused for good; those that shared a message share its outcome; the budget gets back only what certainly did not
 * leave.
 */
#include "outbox_state.h"
#include "sparks.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The row's delivery as it is now. What left from memory though it has a row is noted when the store works again. */
static void note_state(struct bot *bot, struct line *line, struct entry *entry, bool bump) {
    if (entry->from_memory) {
        if (entry->row.id > 0) outbox_unnoted(bot, entry->row.id, entry->row.sent_ms);
        return;
    }
    int status = store_message_state(bot->ports.store, entry_row(line, entry), bump);
    if (status < 0)
        outbox_unnoted(bot, entry->row.id, entry->row.sent_ms);
    else
        outbox_noting(bot, entry->row.id, entry->row.sent_ms);
}

static void entry_sent(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent) {
    bool history = line->channel->traits.history, again = !entry->dropped && entry_renew(entry);
    if (sent->service_id && text_set(&entry->service_id, sent->service_id) < 0) entry->service_id[0] = 0;
    entry->row.sent_ms = outbox_wall(bot);
    entry->row.state = again && !history ? MESSAGE_QUEUED : MESSAGE_SENT;
    entry->row.attempts = 0;
    entry->due_mono_ms = entry->group_last = 0;
    line->sent++;
    if (!history) note_state(bot, line, entry, false);
    if (entry->row.class == MESSAGE_PROGRESS) digests_sent(bot, line, entry);
    if (again) return;
    bool changes = entry->row.class == MESSAGE_PROGRESS && entry->key[0] && line->channel->traits.edit;
    if (changes && !entry->from_memory)
        line_rest(line, entry);
    else
        line_remove(line, entry);
}

static void entry_refused(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent) {
    bot_log(bot, 1, "%s refused message %lld: %s", line->channel->ops->name, (long long)entry->row.id,
            sent->why ? sent->why : "");
    entry->row.state = MESSAGE_FAILED;
    line->failed++;
    note_state(bot, line, entry, true);
    if (entry->row.class == MESSAGE_PROGRESS) digests_refused(bot, line, entry);
    line_remove(line, entry);
}

/* It waits again. Its row says so; what has none waits in memory. */
static void entry_waits(struct bot *bot, struct line *line, struct entry *entry, int64_t wait_ms) {
    entry_renew(entry);
    entry->due_mono_ms = wait_ms > 0 ? outbox_now(bot) + wait_ms : 0;
    entry->row.next_try_ms = wait_ms > 0 ? outbox_wall(bot) + wait_ms : 0;
    entry->row.state = MESSAGE_QUEUED;
    if (entry->from_memory) return;
    if (store_message_state(bot->ports.store, entry_row(line, entry), false) < 0)
        bot_log(bot, 1, "the next try of message %lld could not be noted", (long long)entry->row.id);
}

static int64_t asked_ms(const struct sent *sent, int64_t own_ms) {
    if (sent->retry_ms <= 0) return own_ms;
    return sent->retry_ms < OUTBOX_WAIT_MAX_MS ? sent->retry_ms : OUTBOX_WAIT_MAX_MS;
}

static void entry_retry(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent,
                        int64_t backoff_ms) {
    int64_t wait_ms = asked_ms(sent, backoff_ms);
    if (sent->service_down) wait_ms = 0; /* the whole channel waits */
    if (sent->status != SENT_UNCERTAIN) entry->group_last = 0;
    line->retried++;
    if (entry->from_memory) entry->row.attempts++;
    if (sent->status == SENT_RETRY && sent->edit_gone && entry->service_id[0]) {
        entry->service_id[0] = 0;
        entry->row.attempts = wait_ms = 0;
    }
    if (entry->last_word && !entry->service_id[0])
        line_withdraw(bot, line, entry);
    else
        entry_waits(bot, line, entry, wait_ms);
}

/* Nothing was tried, as far as the message is concerned. */
static void entry_closed(struct bot *bot, struct line *line, struct entry *entry) {
    if (entry->row.attempts > 0) entry->row.attempts--;
    entry->group_last = 0;
    entry_waits(bot, line, entry, 0);
}

/* Words take the picture's place: the same row, in the same place. */
static void entry_without_image(struct bot *bot, struct line *line, struct entry *entry) {
    const struct channel_traits *traits = &line->channel->traits;
    char *words =
        sparks_instead(bot, line->channel->ops->name, line->chat, entry->row.run, entry->row.image, entry->text);
    if (words) {
        words[text_split(words, strlen(words), traits->text_max_bytes, traits->text_max_units)] = 0;
        free(entry->text);
        entry->text = words;
    }
    entry->row.image = 0;
    entry->row.attempts = 0;
    entry->group_last = 0;
    entry->due_mono_ms = 0;
    entry->row.state = MESSAGE_QUEUED;
    entry->row.next_try_ms = 0;
    if (entry->from_memory) return;
    struct message_record *row = entry_row(line, entry);
    int status = store_message_change(bot->ports.store, row);
    if (status == TB_OK) {
        entry->row.rev = store_last_rev(bot->ports.store);
        status = store_message_state(bot->ports.store, row, false);
    }
    if (status < 0) bot_log(bot, 1, "words for a picture were not kept: %s", tb_error_text(status));
}

/* ---- the conversation and the service ---- */

static void channel_answered(struct bot *bot, struct channel *channel, const struct sent *sent) {
    if (sent->why && sent->why[0] && sent->status != SENT_OK)
        snprintf(channel->why, sizeof channel->why, "%s", sent->why);
    bool down = sent->service_down && (sent->status == SENT_RETRY || sent->status == SENT_UNCERTAIN);
    if (down) {
        int64_t now = outbox_now(bot);
        if (now < channel->held_until_ms) return; /* the same step */
        int64_t wait_ms = outbox_backoff_ms(bot, ++channel->failures);
        channel->held_until_ms = now + asked_ms(sent, wait_ms);
    } else if (sent->status != SENT_UNCERTAIN) {
        channel->failures = 0;
    }
}

static void line_outcome(struct bot *bot, struct line *line, const struct sent *sent) {
    struct budget_rules rules = line_rules(line);
    bool closes = sent->status == SENT_CLOSED && !line->heard_under_way; /* else it answers what was before */
    bool kept = sent->status == SENT_RETRY || sent->status == SENT_NO_IMAGE || sent->status == SENT_CLOSED;
    if (rules.budget > 0 && kept) budget_give_back(&line->budget, &rules);
    if (closes) {
        budget_close(&line->budget);
        line->closed = true;
        bot_log(bot, 2, "%s: a conversation takes nothing until the person writes: %s", line->channel->ops->name,
                sent->why ? sent->why : "");
    }
    bool held = sent->status == SENT_RETRY && sent->chat_held;
    if (held) line->held_until_ms = outbox_wall(bot) + asked_ms(sent, 0);
    if (closes || held || (rules.budget > 0 && kept)) line_keep(bot, line);
    line->heard_under_way = false;
}

static void entry_done(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent,
                       int64_t backoff_ms) {
    entry->under_way = false;
    bool progress = entry->row.class == MESSAGE_PROGRESS;
    if (entry->dropped && sent->status != SENT_OK && sent->status != SENT_REFUSED)
        line_withdraw(bot, line, entry);
    else if (sent->status == SENT_REFUSED)
        entry_refused(bot, line, entry, sent);
    else if (sent->status == SENT_OK || (sent->status == SENT_UNCERTAIN && progress))
        entry_sent(bot, line, entry, sent);
    else if (sent->status == SENT_CLOSED)
        entry_closed(bot, line, entry);
    else if (sent->status == SENT_NO_IMAGE && entry->row.image)
        entry_without_image(bot, line, entry);
    else
        entry_retry(bot, line, entry, sent, backoff_ms);
}

/* One text among those that shared the message may be what was refused: each goes by itself. */
static bool refused_together(struct bot *bot, struct line *line, struct entry *head, const struct sent *sent) {
    if (sent->status != SENT_REFUSED || !merge_next(head->next) || head->dropped) return false;
    bot_log(bot, 1, "%s refused a message that several shared: each goes by itself: %s", line->channel->ops->name,
            sent->why ? sent->why : "");
    for (struct entry *entry = merge_next(head), *next; entry; entry = next) {
        next = merge_next(entry->next);
        entry->under_way = false;
        entry->alone = true;
        entry->group_last = 0;
        entry_waits(bot, line, entry, 0);
    }
    return true;
}

void outbox_done(struct bot *bot, int64_t message, const struct sent *sent) {
    struct line **at = &bot->outbox->sending, *line;
    while ((line = *at) && line->current->row.id != message)
        at = &line->next_sending;
    if (!line) return;
    *at = line->next_sending;
    struct entry *head = line->current;
    int64_t backoff_ms = outbox_backoff_ms(bot, head->row.attempts);
    line->current = NULL;
    free(line->lent);
    line->lent = NULL;
    channel_answered(bot, line->channel, sent);
    line_outcome(bot, line, sent);
    if (!refused_together(bot, line, head, sent))
        for (struct entry *entry = merge_next(head), *next; entry; entry = next) {
            next = merge_next(entry->next);
            entry_done(bot, line, entry, sent, backoff_ms);
        }
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
}
