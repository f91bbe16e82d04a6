/*
 * What leaves, and when. Always holds: an entry is handed to its channel only after its row is durable (or, while the
 * store fails, once from memory); one entry of a conversation is under way at a time; what a channel was lent stays as
 * it is until outbox_done.
 */
#include "outbox.h"
#include "outbox_state.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 60000

/* ---- when ---- */

static double tokens_at(const struct line *line, int64_t now) {
    const struct channel_traits *traits = &line->channel->traits;
    double tokens = line->tokens;
    if (traits->pace.refill_ms > 0) tokens += (double)(now - line->tokens_ms) / (double)traits->pace.refill_ms;
    return tokens > (double)traits->pace.burst ? (double)traits->pace.burst : tokens;
}

/* Milliseconds until this line may send again; 0: now. */
static int64_t line_wait_ms(const struct line *line, int64_t now) {
    const struct channel_traits *traits = &line->channel->traits;
    int64_t wait_ms = 0;
    if (traits->min_gap_ms && now < line->last_send_ms + traits->min_gap_ms)
        wait_ms = line->last_send_ms + traits->min_gap_ms - now;
    double tokens = traits->pace.burst > 0 ? tokens_at(line, now) : 1;
    if (tokens < 1) {
        int64_t token_ms = (int64_t)((1 - tokens) * (double)traits->pace.refill_ms) + 1;
        if (token_ms > wait_ms) wait_ms = token_ms;
    }
    return wait_ms;
}

/* When the line's first sendable entry is due (mono), or INT64_MAX. Progress waits its interval and lets others pass.
 */
static int64_t line_due(const struct line *line, int64_t now, struct entry **ret_entry) {
    int64_t best_ms = INT64_MAX;
    if (line->current) return INT64_MAX;
    for (struct entry *entry = line->first; entry; entry = entry->next) {
        int64_t due_ms = entry->due_mono_ms;
        bool progress = entry->row.class == MESSAGE_PROGRESS;
        if (progress && line->last_progress_ms + line->channel->traits.pace.progress_every_ms > due_ms)
            due_ms = line->last_progress_ms + line->channel->traits.pace.progress_every_ms;
        if (due_ms < best_ms) {
            best_ms = due_ms;
            *ret_entry = entry;
        }
        if (!progress) break; /* order is kept among all but progress */
    }
    if (best_ms == INT64_MAX) return best_ms;
    if (best_ms < now) best_ms = now;
    return best_ms + line_wait_ms(line, best_ms);
}

int64_t outbox_next_ms(const struct bot *bot) {
    int64_t next_ms = INT64_MAX, now = outbox_now(bot);
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        struct entry *entry = NULL;
        int64_t due_ms = line_due(line, now, &entry);
        if (due_ms < next_ms) next_ms = due_ms;
    }
    return next_ms;
}

/* ---- handing over ---- */

static void hand_over(struct bot *bot, struct line *line, struct entry *entry) {
    int64_t now = outbox_now(bot);
    bool edits = entry->service_id[0] && line->channel->traits.edit;
    entry->under_way = true;
    line->current = entry;
    line->last_send_ms = now;
    line->tokens = tokens_at(line, now) - 1;
    line->tokens_ms = now;
    if (entry->row.class == MESSAGE_PROGRESS) line->last_progress_ms = now;
    snprintf(entry->send_key, sizeof entry->send_key, "tb-%lld", (long long)entry->row.id);
    free(entry->path);
    entry->path = entry->row.image && entry->image_path
                      ? text_print("%s/%s", bot->ports.settings->state_dir, entry->image_path)
                      : NULL;
    struct outgoing outgoing = {.message = entry->row.id,
                                .chat = line->chat,
                                .text = entry->text,
                                .image_path = entry->path,
                                .image_mime = entry->path ? entry->image_mime : NULL,
                                .buttons = entry->buttons[0] ? entry->buttons : NULL,
                                .key = entry->send_key,
                                .edit_of = edits ? entry->service_id : NULL,
                                .message_class = (int)entry->row.class,
                                .run = entry->row.run,
                                .rev = entry->from_memory ? 0 : entry->row.rev,
                                .created_ms = entry->row.created_ms};
    line->channel->ops->send(line->channel, &outgoing);
}

/* Before the wire: the row says "sending", durably, so that a restart knows that it may have left. */
static bool mark_sending(struct bot *bot, struct line *line, struct entry *entry) {
    if (line->channel->traits.history || entry->from_memory) return true;
    entry->row.state = MESSAGE_SENDING;
    entry->row.attempts++;
    int status = store_message_state(bot->ports.store, entry_row(line, entry), false);
    if (status == TB_OK) status = bot_commit(bot);
    return status == TB_OK;
}

/* The store fails just now: progress waits, everything else goes from memory, once. */
static bool send_unmarked(struct bot *bot, struct entry *entry) {
    entry->row.state = MESSAGE_QUEUED;
    entry->due_mono_ms = outbox_now(bot) + BACKOFF_FIRST_MS;
    if (entry->row.class == MESSAGE_PROGRESS) return false;
    entry->from_memory = true;
    return true;
}

static void flush_channels(struct bot *bot) {
    for (struct channel *channel = bot->channels; channel; channel = channel->next)
        if (channel->ops->flush) channel->ops->flush(channel);
}

void outbox_pump(struct bot *bot) {
    int64_t now = outbox_now(bot);
    for (struct line *line = bot->outbox->lines; line; line = line->next)
        for (;;) {
            struct entry *entry = NULL;
            line_refill(bot, line);
            if (line_due(line, now, &entry) > now || !entry) break;
            if (!mark_sending(bot, line, entry) && !send_unmarked(bot, entry)) continue;
            hand_over(bot, line, entry);
        }
    flush_channels(bot);
}

/* ---- the store's moods ---- */

void outbox_committed(struct bot *bot) {
    bot->outbox->noting_count = 0;
    for (struct line *line = bot->outbox->lines; line; line = line->next)
        for (struct entry *entry = line->first; entry; entry = entry->next)
            entry->durable = true;
}

static void lose_rows(struct bot *bot, struct line *line) {
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
        if (entry->row.id > 0) entry->row.id = --bot->outbox->memory_ids;
    }
}

void outbox_store_failed(struct bot *bot) {
    struct outbox *outbox = bot->outbox;
    int64_t now = outbox_now(bot);
    for (size_t i = 0; i < outbox->noting_count; i++)
        outbox_unnoted(bot, outbox->noting[i].id, outbox->noting[i].sent_ms);
    outbox->noting_count = 0;
    for (struct line *line = outbox->lines; line; line = line->next)
        lose_rows(bot, line);
    store_rollback(bot->ports.store); /* before a channel that keeps the conversation looks into it */
    for (struct line *line = outbox->lines; line; line = line->next) {
        for (struct entry *entry; entry = NULL, line_due(line, now, &entry) <= now && entry;) {
            bool unmarked = !entry->from_memory && !line->channel->traits.history;
            if (!unmarked || send_unmarked(bot, entry)) hand_over(bot, line, entry);
        }
    }
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
}

/* ---- what became of it ---- */

static int64_t backoff_ms(struct bot *bot, int64_t attempts) {
    int64_t base_ms = BACKOFF_FIRST_MS;
    for (int64_t i = 1; i < attempts && base_ms < BACKOFF_MAX_MS; i++)
        base_ms *= 2;
    if (base_ms > BACKOFF_MAX_MS) base_ms = BACKOFF_MAX_MS;
    uint64_t *x = &bot->outbox->random; /* xorshift64, for jitter only */
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return base_ms / 2 + (int64_t)(*x % (uint64_t)base_ms);
}

/* The row's delivery as it is now. What left from memory though it has a row is noted when the store works again. */
static void note_state(struct bot *bot, struct line *line, struct entry *entry, bool bump) {
    if (entry->from_memory) {
        if (entry->row.id > 0) outbox_unnoted(bot, entry->row.id, entry->row.sent_ms);
        return;
    }
    struct outbox *outbox = bot->outbox;
    int status = store_message_state(bot->ports.store, entry_row(line, entry), bump);
    if (status < 0)
        outbox_unnoted(bot, entry->row.id, entry->row.sent_ms);
    else if (outbox->noting_count < OUTBOX_UNNOTED)
        outbox->noting[outbox->noting_count++] = (struct noted){entry->row.id, entry->row.sent_ms};
}

static void entry_sent(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent) {
    bool history = line->channel->traits.history, again = entry_renew(entry);
    if (sent->service_id && text_set(&entry->service_id, sent->service_id) < 0) entry->service_id[0] = 0;
    entry->row.sent_ms = clock_wall_ms(bot->ports.clock);
    entry->row.state = again && !history ? MESSAGE_QUEUED : MESSAGE_SENT;
    entry->row.attempts = 0;
    entry->due_mono_ms = 0;
    line->sent++;
    if (!history) note_state(bot, line, entry, false);
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
    line_remove(line, entry);
}

static void entry_retry(struct bot *bot, struct line *line, struct entry *entry, int64_t retry_ms) {
    int64_t wait_ms = retry_ms > 0 ? retry_ms : backoff_ms(bot, entry->row.attempts);
    entry_renew(entry);
    entry->due_mono_ms = outbox_now(bot) + wait_ms;
    line->retried++;
    entry->row.state = MESSAGE_QUEUED;
    entry->row.next_try_ms = clock_wall_ms(bot->ports.clock) + wait_ms;
    if (entry->from_memory)
        entry->row.attempts++;
    else if (store_message_state(bot->ports.store, entry_row(line, entry), false) < 0)
        bot_log(bot, 1, "the next try of message %lld could not be noted", (long long)entry->row.id);
}

void outbox_done(struct bot *bot, int64_t message, const struct sent *sent) {
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        struct entry *entry = line->current;
        if (!entry || entry->row.id != message) continue;
        line->current = NULL;
        entry->under_way = false;
        if (sent->status == SENT_REFUSED)
            entry_refused(bot, line, entry, sent);
        else if (sent->status == SENT_OK || (sent->status == SENT_UNCERTAIN && entry->row.class == MESSAGE_PROGRESS))
            entry_sent(bot, line, entry, sent);
        else
            entry_retry(bot, line, entry, sent->retry_ms);
        if (bot->ports.wake) bot->ports.wake(bot->ports.user);
        return;
    }
}
