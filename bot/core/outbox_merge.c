/*
 * outbox_merge.c: what one message holds. Where sends are counted, texts that wait together leave together, in order,
 * none omitted, joined by a blank line; and the message that uses up what progress may use, or the last one, says so.
 * Always holds: those that share a message were tried together or not at all, so that a service which knows its key
 * knows all of them.
 */
#include "command.h"
#include "outbox_state.h"
#include "render_delivery.h"
#include "text.h"
#include <stdlib.h>
#include <string.h>

struct merge {
    struct line *line;
    size_t bytes, units, count;
    bool alert; /* holds progress or an alert */
};

struct entry *merge_next(struct entry *entry) {
    while (entry && !entry->under_way)
        entry = entry->next;
    return entry;
}

static bool is_text(const struct entry *entry) {
    return (entry->row.class == MESSAGE_REPLY || entry->row.class == MESSAGE_ALERT) && !entry->row.image &&
           !entry->alone;
}

/* With the line that says what is left there is room for it in any case: pieces leave it free. */
static bool take(struct merge *merge, struct entry *entry) {
    const struct channel_traits *traits = &merge->line->channel->traits;
    size_t size = strlen(entry->text), units = text_units(entry->text, size);
    size_t bytes = merge->bytes + (merge->count ? 2 : 0) + size;
    units += merge->units + (merge->count ? 2 : 0);
    size_t room_bytes = merge->count ? 3 * OUTBOX_LEFT_LINE : 0, room_units = merge->count ? OUTBOX_LEFT_LINE : 0;
    if (merge->count && traits->text_max_bytes && bytes + room_bytes > traits->text_max_bytes) return false;
    if (merge->count && traits->text_max_units && units + room_units > traits->text_max_units) return false;
    merge->bytes = bytes;
    merge->units = units;
    merge->count++;
    merge->alert = merge->alert || entry->row.class == MESSAGE_ALERT || entry->row.class == MESSAGE_PROGRESS;
    entry->under_way = true;
    return true;
}

/* Whether `entry` may follow the others. 0: it may; 1: it is passed over; -1: no further one. */
static int follows(const struct bot *bot, const struct line *line, const struct entry *head,
                   const struct entry *entry) {
    if (entry_spare(line, entry) && !is_text(entry)) return 1;
    bool fits = is_text(entry) && entry->group_last == head->group_last && entry->from_memory == head->from_memory &&
                entry->due_mono_ms <= outbox_now(bot);
    return fits ? 0 : -1;
}

static void gather(const struct bot *bot, struct merge *merge, struct entry *head) {
    struct line *line = merge->line;
    bool note_waits = false; /* an earlier one stays behind: no later one may ride along */
    for (const struct entry *entry = line->first; entry != head; entry = entry->next)
        note_waits = note_waits || entry_note(line, entry);
    (void)take(merge, head);
    int64_t last = head->row.id;
    if (line->channel->traits.budget > 0 && is_text(head))
        for (struct entry *entry = head->next; entry; entry = entry->next) {
            bool note = entry_note(line, entry), stays = note && note_waits && !head->group_last;
            int verdict = stays ? 1 : follows(bot, line, head, entry);
            note_waits = note_waits || (note && verdict != 0);
            if (verdict < 0 || (verdict == 0 && !take(merge, entry))) break;
            if (verdict == 0) last = entry->row.id;
        }
    if (head->group_last) return; /* tried before: as it was */
    for (struct entry *entry = merge_next(head); entry; entry = merge_next(entry->next))
        entry->group_last = last;
}

/* The line that says what is left when this one has left; "" none is due, or it does not fit. */
static void say_left(struct bot *bot, const struct merge *merge, char *text, size_t size) {
    const struct line *line = merge->line;
    const struct channel_traits *traits = &line->channel->traits;
    struct budget_rules rules = line_rules(line);
    text[0] = 0;
    if (rules.budget <= 0 || !merge->alert) return;
    int64_t left = budget_left(&line->budget, &rules, outbox_wall(bot)) - 1;
    if (left != rules.reserve && left != 0) return;
    struct session *session = session_find(bot, line->channel->ops->name, line->chat);
    enum lang lang = session ? session_lang(bot, session) : bot->ports.settings->language;
    size_t length = render_left(line->channel->ops->name, left, lang, text, size);
    bool fits = (!traits->text_max_bytes || merge->bytes + 1 + length <= traits->text_max_bytes) &&
                (!traits->text_max_units || merge->units + 1 + text_units(text, length) <= traits->text_max_units);
    if (!fits) text[0] = 0;
}

static char *compose(const struct merge *merge, struct entry *head, const char *said) {
    size_t size = merge->bytes + 1 + strlen(said) + 1, at = 0;
    char *text = malloc(size);
    if (!text) return NULL;
    for (struct entry *entry = merge_next(head); entry; entry = merge_next(entry->next)) {
        size_t length = strlen(entry->text);
        if (at > 0) memcpy(text + at, "\n\n", 2);
        at += at > 0 ? 2 : 0;
        memcpy(text + at, entry->text, length);
        at += length;
    }
    if (said[0]) {
        if (at > 0) text[at++] = '\n';
        memcpy(text + at, said, strlen(said));
        at += strlen(said);
    }
    text[at] = 0;
    return text;
}

void merge_begin(struct bot *bot, struct line *line, struct entry *head) {
    struct merge merge = {.line = line};
    char said[400];
    gather(bot, &merge, head);
    bool text = !head->row.image || line->channel->traits.caption;
    if (text)
        say_left(bot, &merge, said, sizeof said);
    else
        said[0] = 0;
    free(line->lent);
    line->lent = NULL;
    if (merge.count == 1 && !said[0]) return;
    line->lent = compose(&merge, head, said);
    if (line->lent) return;
    for (struct entry *entry = merge_next(head->next); entry; entry = merge_next(entry->next))
        entry->under_way = false; /* out of memory: this one alone */
    for (struct entry *entry = head; entry; entry = entry->next)
        if (entry->group_last == head->group_last && entry != head) entry->group_last = 0;
    head->group_last = head->row.id;
}
