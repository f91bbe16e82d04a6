/*
 * outbox_due.c: when something may leave: the channel's state, the conversation's door and budget, its pace, the
 * message's own back-off. Looks, and changes nothing.
 */
#include "outbox_state.h"
#include <string.h>

#define PROBE_AGAIN_MS 300000 /* a service that could not be reached may be tried again with others' alerts */
#define TRIES_BEFORE_NEXT 2   /* then an alert looks for another conversation, and others do not come */

bool entry_spare(const struct line *line, const struct entry *entry) {
    if (entry->row.class == MESSAGE_PROGRESS) return true;
    return line->channel->traits.budget > 0 && strcmp(entry->key, OUTBOX_SPARE_KEY) == 0;
}

bool entry_note(const struct line *line, const struct entry *entry) {
    return entry->row.class != MESSAGE_PROGRESS && entry_spare(line, entry);
}

const struct channel_pace *line_pace(const struct line *line) {
    const struct channel *channel = line->channel;
    bool group = channel->ops->is_group && channel->ops->is_group(channel, line->chat);
    return group ? &channel->traits.group_pace : &channel->traits.pace;
}

double line_tokens(const struct line *line, int64_t now) {
    const struct channel_pace *pace = line_pace(line);
    double tokens = line->tokens;
    if (pace->refill_ms > 0) tokens += (double)(now - line->tokens_ms) / (double)pace->refill_ms;
    return tokens > (double)pace->burst ? (double)pace->burst : tokens;
}

/* Milliseconds until the bucket lets it go: one token; for progress, more than half of the burst must remain, or the
 * bucket must be full. */
static int64_t token_wait_ms(const struct line *line, bool progress, int64_t now) {
    const struct channel_pace *pace = line_pace(line);
    if (pace->burst <= 0) return 0;
    double needed = progress ? (double)pace->burst / 2 + 1 : 1, full = (double)pace->burst;
    double tokens = line_tokens(line, now);
    if (needed >= full) needed = full;
    if (progress && needed < full ? tokens > needed : tokens >= needed) return 0;
    return (int64_t)((needed - tokens) * (double)pace->refill_ms) + 1;
}

/* Milliseconds until this line may send again; 0: now. */
static int64_t line_wait_ms(const struct line *line, bool progress, int64_t now) {
    const struct channel_traits *traits = &line->channel->traits;
    int64_t wait_ms = token_wait_ms(line, progress, now);
    int64_t gap_ms = traits->min_gap_ms ? line->last_send_ms + traits->min_gap_ms - now : 0;
    return gap_ms > wait_ms ? gap_ms : wait_ms;
}

/* A service that could not be reached is probed by one message at a time. */
static bool probe_under_way(const struct bot *bot, const struct channel *channel) {
    if (channel->failures == 0) return false;
    for (const struct line *line = bot->outbox->sending; line; line = line->next_sending)
        if (line->channel == channel) return true;
    return false;
}

/* How long the service still wants nothing for this chat; a clock that was set does not make it longer than a service
 * asks. */
static int64_t held_for_ms(const struct line *line, int64_t wall_ms) {
    int64_t held_ms = line->held_until_ms - wall_ms;
    return held_ms > 0 && held_ms <= OUTBOX_WAIT_MAX_MS ? held_ms : 0;
}

static int64_t entry_due(const struct line *line, const struct entry *entry, int64_t now, int64_t held_ms) {
    const struct channel_traits *traits = &line->channel->traits;
    bool progress = entry->row.class == MESSAGE_PROGRESS;
    int64_t due_ms = entry->due_mono_ms, every_ms = traits->budget > 0 ? 0 : line_pace(line)->progress_every_ms;
    if (progress && line->last_progress_ms + every_ms > due_ms) due_ms = line->last_progress_ms + every_ms;
    if (line->channel->held_until_ms > due_ms) due_ms = line->channel->held_until_ms;
    if (due_ms < now) due_ms = now;
    if (now + held_ms > due_ms) due_ms = now + held_ms;
    return due_ms + line_wait_ms(line, progress, due_ms);
}

/* Spare messages wait their time and let others pass. */
int64_t line_due(const struct bot *bot, const struct line *line, int64_t now, struct entry **ret_entry) {
    int64_t best_ms = INT64_MAX, wall_ms = outbox_wall(bot);
    if (line->current || line->closed || line->channel->state != CHANNEL_UP || !line->first) return INT64_MAX;
    struct budget_rules rules = line_rules(line);
    if (probe_under_way(bot, line->channel)) return INT64_MAX;
    bool note_waits = false;
    for (struct entry *entry = line->first; entry; entry = entry->next) {
        bool spare = entry_spare(line, entry), note = entry_note(line, entry);
        if (note && note_waits) continue; /* not before the one that came first */
        note_waits = note_waits || note;
        int64_t due_ms = budget_allows(&line->budget, &rules, wall_ms, spare)
                             ? entry_due(line, entry, now, held_for_ms(line, wall_ms))
                             : INT64_MAX;
        if (due_ms < best_ms) {
            best_ms = due_ms;
            *ret_entry = entry;
        }
        if (!spare) break; /* order is kept among all others */
    }
    return best_ms;
}

/* What is first in order fails again and again: what comes behind it would wait. */
static bool line_stuck(const struct line *line) {
    for (const struct entry *entry = line->first; entry; entry = entry->next)
        if (!entry_spare(line, entry)) return !entry->under_way && entry->row.attempts >= TRIES_BEFORE_NEXT;
    return false;
}

bool line_open(const struct bot *bot, const struct line *line) {
    const struct channel *channel = line->channel;
    if (channel->traits.history) return true;
    if (channel->state != CHANNEL_UP || line->closed || line_stuck(line)) return false;
    if (channel->failures >= TRIES_BEFORE_NEXT && outbox_now(bot) < channel->held_until_ms + PROBE_AGAIN_MS)
        return false;
    struct budget_rules rules = line_rules(line);
    return budget_allows(&line->budget, &rules, outbox_wall(bot), false);
}

/* When what waits for this person's conversation may have to look for another one: its window ends (mono). */
static int64_t window_end(const struct bot *bot, const struct line *line, int64_t now) {
    struct budget_rules rules = line_rules(line);
    if (!line->first || line->closed || rules.budget <= 0) return INT64_MAX;
    int64_t wall_ms = outbox_wall(bot), until_ms = budget_until_ms(&line->budget, &rules, wall_ms);
    return until_ms > wall_ms && line->budget.left > 0 ? now + until_ms - wall_ms : INT64_MAX;
}

int64_t outbox_next_ms(const struct bot *bot) {
    int64_t now = outbox_now(bot), next_ms = bot->store_status == TB_OK ? bot->outbox->digests_due_ms : INT64_MAX;
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        struct entry *entry = NULL;
        int64_t due_ms = line_due(bot, line, now, &entry), end_ms = window_end(bot, line, now);
        if (due_ms < next_ms) next_ms = due_ms;
        if (end_ms < next_ms) next_ms = end_ms;
    }
    return next_ms;
}

int64_t outbox_backoff_ms(struct bot *bot, int64_t attempts) {
    int64_t base_ms = OUTBOX_BACKOFF_FIRST_MS;
    for (int64_t i = 1; i < attempts && base_ms < OUTBOX_BACKOFF_MAX_MS; i++)
        base_ms *= 2;
    if (base_ms > OUTBOX_BACKOFF_MAX_MS) base_ms = OUTBOX_BACKOFF_MAX_MS;
    uint64_t *x = &bot->outbox->random; /* xorshift64, for jitter only */
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return base_ms / 2 + (int64_t)(*x % (uint64_t)base_ms);
}
