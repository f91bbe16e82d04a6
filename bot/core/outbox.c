/*
 * The outbox: rows in the store, a queue per conversation in memory. Always holds: an entry is handed to its channel only
 * after its row is durable (or, when the store fails, once from memory); one entry of a conversation is under way at a
 * time; entries leave in the order they were made, but for progress, whose newest text replaces the one that waits.
 */
#include "outbox.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 60000
#define PIECES_MAX 64

struct entry {
    struct message_record row;   /* strings are owned by the fields below */
    char *text, *key, *buttons, *service_id, *image_path, *image_mime;
    bool durable;                /* its row is committed */
    bool from_memory;            /* its row was rolled back: goes once, leaves no row */
    bool under_way, changed;     /* changed: new text came while it was under way */
    int64_t due_mono_ms;
    struct entry *next;
};

/* One conversation with somebody at one service. */
struct line {
    struct channel *channel;
    char *chat;
    struct entry *first;
    double tokens;
    int64_t tokens_ms, last_send_ms, last_progress_ms;
    int64_t sent, failed, retried; /* in this bot's life */
    struct line *next;
};

struct outbox {
    struct line *lines;
    uint64_t random;
    int64_t memory_ids;          /* counts down from -1: ids of entries without a row */
};

static int64_t now_ms(const struct bot *bot) {
    return clock_mono_ms(bot->ports.clock);
}

int outbox_create(struct bot *bot) {
    bot->outbox = calloc(1, sizeof *bot->outbox);
    if (!bot->outbox) return TB_ENOMEM;
    bot->outbox->random = (uint64_t)clock_wall_ms(bot->ports.clock) | 1;
    return TB_OK;
}

static void entry_free(struct entry *entry) {
    if (!entry) return;
    free(entry->text);
    free(entry->key);
    free(entry->buttons);
    free(entry->service_id);
    free(entry->image_path);
    free(entry->image_mime);
    free(entry);
}

void outbox_free(struct bot *bot) {
    struct outbox *outbox = bot->outbox;
    if (!outbox) return;
    for (struct line *line = outbox->lines; line;) {
        struct line *next_line = line->next;
        for (struct entry *entry = line->first; entry;) {
            struct entry *next = entry->next;
            entry_free(entry);
            entry = next;
        }
        free(line->chat);
        free(line);
        line = next_line;
    }
    free(outbox);
    bot->outbox = NULL;
}

static struct line *line_of(struct bot *bot, struct channel *channel, const char *chat) {
    for (struct line *line = bot->outbox->lines; line; line = line->next)
        if (line->channel == channel && strcmp(line->chat, chat) == 0) return line;
    struct line *line = calloc(1, sizeof *line);
    if (!line) return NULL;
    line->channel = channel;
    line->chat = strdup(chat);
    if (!line->chat) {
        free(line);
        return NULL;
    }
    line->tokens = (double)channel->traits.burst;
    line->tokens_ms = now_ms(bot);
    line->last_send_ms = line->last_progress_ms = INT64_MIN / 2;
    line->next = bot->outbox->lines;
    bot->outbox->lines = line;
    return line;
}

static bool copy_image(void *user, const struct image_record *image) {
    struct entry *entry = user;
    if (text_set(&entry->image_path, image->path) < 0 || text_set(&entry->image_mime, image->mime) < 0) entry->row.image = 0;
    return false;
}

/* The entry owns copies of the record's strings. */
static struct entry *entry_from(struct bot *bot, const struct message_record *row) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    entry->row = *row;
    if (text_set(&entry->text, row->text) < 0 || text_set(&entry->key, row->key) < 0 ||
        text_set(&entry->buttons, row->buttons) < 0 || text_set(&entry->service_id, row->service_id) < 0) {
        entry_free(entry);
        return NULL;
    }
    if (row->image && store_image(bot->ports.store, row->image, copy_image, entry) < 0) entry->row.image = 0;
    return entry;
}

/* The record with the strings it has now. */
static struct message_record *entry_row(struct line *line, struct entry *entry) {
    entry->row.channel = line->channel->ops->name;
    entry->row.chat = line->chat;
    entry->row.sender = "";
    entry->row.text = entry->text;
    entry->row.key = entry->key;
    entry->row.buttons = entry->buttons;
    entry->row.service_id = entry->service_id;
    return &entry->row;
}

static void line_append(struct line *line, struct entry *entry) {
    struct entry **end = &line->first;
    while (*end)
        end = &(*end)->next;
    *end = entry;
}

static void line_remove(struct line *line, struct entry *entry) {
    for (struct entry **at = &line->first; *at; at = &(*at)->next)
        if (*at == entry) {
            *at = entry->next;
            break;
        }
    entry_free(entry);
}

struct kept_message {
    struct bot *bot;
    struct entry *entry;
};

static bool keep_message(void *user, const struct message_record *row) {
    struct kept_message *kept = user;
    kept->entry = entry_from(kept->bot, row);
    return false;
}

/* Progress replaces what waits with the same key, and edits what was sent where the channel can. Returns the entry to
 * change, taken into the line where it was not; NULL: a new message is due. */
static struct entry *entry_to_replace(struct bot *bot, struct line *line, const char *key) {
    for (struct entry *entry = line->first; entry; entry = entry->next)
        if (strcmp(entry->key, key) == 0) return entry;
    if (!line->channel->traits.edit) return NULL;
    struct kept_message kept = {.bot = bot};
    if (store_message_by_key(bot->ports.store, line->channel->ops->name, line->chat, key, keep_message, &kept) < 0 || !kept.entry)
        return NULL;
    if (!line->channel->traits.history && !kept.entry->service_id[0]) {
        entry_free(kept.entry);
        return NULL;
    }
    kept.entry->durable = true;
    line_append(line, kept.entry);
    return kept.entry;
}

static int replace_text(struct bot *bot, struct line *line, struct entry *entry, const struct outbox_message *message) {
    if (strcmp(entry->text, message->text) == 0 && strcmp(entry->buttons, message->buttons ? message->buttons : "") == 0)
        return TB_OK;
    if (text_set(&entry->text, message->text) < 0 || text_set(&entry->buttons, message->buttons) < 0) return TB_ENOMEM;
    entry->changed = entry->under_way;
    entry->row.image = message->image;
    entry->row.state = line->channel->traits.history ? MESSAGE_SENT : MESSAGE_QUEUED;
    entry->durable = false;
    int status = store_message_change(bot->ports.store, entry_row(line, entry));
    if (status == TB_OK) entry->row.rev = store_last_rev(bot->ports.store);
    return status;
}

static int add_piece(struct bot *bot, struct line *line, const struct outbox_message *message, const char *text, bool last) {
    struct message_record row = {.channel = message->channel, .chat = message->chat, .sender = "", .class = message->class,
                                 .state = line->channel->traits.history ? MESSAGE_SENT : MESSAGE_QUEUED, .text = text,
                                 .image = last ? message->image : 0, .run = message->run,
                                 .key = message->key ? message->key : "", .service_id = "",
                                 .buttons = last && message->buttons ? message->buttons : "",
                                 .created_ms = clock_wall_ms(bot->ports.clock)};
    if (row.state == MESSAGE_SENT) row.sent_ms = row.created_ms;
    struct entry *entry = entry_from(bot, &row);
    if (!entry) return TB_ENOMEM;
    int status = store_message_insert(bot->ports.store, &row, &entry->row.id);
    if (status < 0) { /* it will go from memory; alerts and replies are never lost to a full disk */
        entry->row.id = --bot->outbox->memory_ids;
        if (message->class == MESSAGE_PROGRESS) {
            entry_free(entry);
            return status;
        }
    } else {
        entry->row.rev = store_last_rev(bot->ports.store);
    }
    line_append(line, entry);
    return TB_OK;
}

int outbox_add(struct bot *bot, const struct outbox_message *message, int64_t *ret_id) {
    struct channel *channel = bot_channel(bot, message->channel);
    if (!channel) return TB_ENOTFOUND;
    struct line *line = line_of(bot, channel, message->chat);
    if (!line) return TB_ENOMEM;
    if (message->class == MESSAGE_PROGRESS && message->key && message->key[0]) {
        struct entry *entry = entry_to_replace(bot, line, message->key);
        if (entry) {
            if (ret_id) *ret_id = entry->row.id;
            return replace_text(bot, line, entry, message);
        }
    }
    size_t max = channel->traits.text_max_bytes ? channel->traits.text_max_bytes : SIZE_MAX;
    const char *text = message->text ? message->text : "";
    size_t left = strlen(text);
    int status = TB_OK;
    for (int piece = 0; status == TB_OK && piece < PIECES_MAX; piece++) {
        size_t size = text_split(text, left, max);
        char *part = strndup(text, size);
        if (!part) return TB_ENOMEM;
        bool last = size == left;
        status = add_piece(bot, line, message, part, last);
        free(part);
        if (last) break;
        text += size + (text[size] == '\n');
        left = strlen(text);
    }
    if (ret_id) {
        struct entry *entry = line->first;
        while (entry && entry->next)
            entry = entry->next;
        *ret_id = entry ? entry->row.id : 0;
    }
    return status;
}

struct load {
    struct bot *bot;
    int status;
};

static bool load_message(void *user, const struct message_record *row) {
    struct load *load = user;
    struct channel *channel = bot_channel(load->bot, row->channel);
    if (!channel) return true; /* the channel is off for now: its rows wait */
    struct line *line = line_of(load->bot, channel, row->chat);
    struct entry *entry = line ? entry_from(load->bot, row) : NULL;
    if (!entry) {
        load->status = TB_ENOMEM;
        return false;
    }
    entry->durable = true;
    line_append(line, entry);
    return true;
}

int outbox_load(struct bot *bot) {
    struct load load = {.bot = bot};
    int status = store_messages_open(bot->ports.store, NULL, load_message, &load);
    return status < 0 ? status : load.status;
}

/* Milliseconds until this line may send again; 0: now. */
static int64_t line_wait_ms(struct line *line, int64_t now) {
    const struct channel_traits *traits = &line->channel->traits;
    int64_t wait_ms = 0;
    if (traits->min_gap_ms && now < line->last_send_ms + traits->min_gap_ms) wait_ms = line->last_send_ms + traits->min_gap_ms - now;
    if (traits->burst > 0) {
        line->tokens += (double)(now - line->tokens_ms) / (double)traits->refill_ms;
        if (line->tokens > (double)traits->burst) line->tokens = (double)traits->burst;
        line->tokens_ms = now;
        if (line->tokens < 1) {
            int64_t token_ms = (int64_t)((1 - line->tokens) * (double)traits->refill_ms) + 1;
            if (token_ms > wait_ms) wait_ms = token_ms;
        }
    }
    return wait_ms;
}

/* When the line's first sendable entry is due (mono), or INT64_MAX. Progress waits its interval and lets others pass. */
static int64_t line_due(struct line *line, int64_t now, struct entry **ret_entry) {
    int64_t best_ms = INT64_MAX;
    for (struct entry *entry = line->first; entry; entry = entry->next) {
        if (entry->under_way) return INT64_MAX;
        int64_t due_ms = entry->due_mono_ms;
        bool progress = entry->row.class == MESSAGE_PROGRESS;
        if (progress && line->last_progress_ms + line->channel->traits.progress_every_ms > due_ms)
            due_ms = line->last_progress_ms + line->channel->traits.progress_every_ms;
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

static struct outgoing entry_outgoing(struct bot *bot, struct line *line, struct entry *entry, char *key, size_t key_size,
                                      char *path, size_t path_size) {
    snprintf(key, key_size, "tb-%lld", (long long)entry->row.id);
    path[0] = 0;
    if (entry->row.image && entry->image_path)
        snprintf(path, path_size, "%s/%s", bot->ports.settings->state_dir, entry->image_path);
    bool edits = entry->service_id[0] && line->channel->traits.edit;
    return (struct outgoing){.message = entry->row.id, .chat = line->chat, .text = entry->text,
                             .image_path = path[0] ? path : NULL, .image_mime = path[0] ? entry->image_mime : NULL,
                             .buttons = entry->buttons[0] ? entry->buttons : NULL, .key = key,
                             .edit_of = edits ? entry->service_id : NULL, .message_class = (int)entry->row.class,
                             .run = entry->row.run, .rev = entry->from_memory ? 0 : entry->row.rev,
                             .created_ms = entry->row.created_ms};
}

static void hand_over(struct bot *bot, struct line *line, struct entry *entry) {
    char key[32], path[4096];
    int64_t now = now_ms(bot);
    entry->under_way = true;
    entry->changed = false;
    line->last_send_ms = now;
    if (line->channel->traits.burst > 0) line->tokens -= 1;
    if (entry->row.class == MESSAGE_PROGRESS) line->last_progress_ms = now;
    struct outgoing outgoing = entry_outgoing(bot, line, entry, key, sizeof key, path, sizeof path);
    line->channel->ops->send(line->channel, &outgoing);
}

/* Before the wire: the row says "sending", durably, so that a restart knows that it may have left. */
static bool mark_sending(struct bot *bot, struct line *line, struct entry *entry) {
    if (line->channel->traits.history || entry->from_memory) return true;
    entry->row.state = MESSAGE_SENDING;
    entry->row.attempts++;
    int status = store_message_state(bot->ports.store, entry_row(line, entry), false);
    if (status == TB_OK) status = store_commit(bot->ports.store);
    return status == TB_OK;
}

/* The store fails just now: progress waits, everything else goes from memory, once. */
static bool send_unmarked(struct bot *bot, struct line *line, struct entry *entry) {
    (void)line;
    entry->row.state = MESSAGE_QUEUED;
    entry->due_mono_ms = now_ms(bot) + BACKOFF_FIRST_MS;
    if (entry->row.class == MESSAGE_PROGRESS) return false;
    entry->from_memory = true;
    return true;
}

void outbox_pump(struct bot *bot) {
    int64_t now = now_ms(bot);
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        for (struct entry *entry = line->first; entry; entry = entry->next)
            entry->durable = true;
        for (;;) {
            struct entry *entry = NULL;
            if (line_due(line, now, &entry) > now || !entry) break;
            if (!mark_sending(bot, line, entry) && !send_unmarked(bot, line, entry)) continue;
            hand_over(bot, line, entry);
        }
    }
}

void outbox_store_failed(struct bot *bot) {
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        for (struct entry *entry = line->first, *next; entry; entry = next) {
            next = entry->next;
            if (entry->durable) continue;
            if (entry->row.class == MESSAGE_PROGRESS) {
                line_remove(line, entry); /* the next row brings newer figures */
                continue;
            }
            entry->from_memory = entry->durable = true;
            if (entry->row.id > 0) entry->row.id = --bot->outbox->memory_ids;
        }
        int64_t now = now_ms(bot);
        for (struct entry *entry; entry = NULL, line_due(line, now, &entry) <= now && entry;) {
            if (!entry->from_memory && !line->channel->traits.history) break;
            hand_over(bot, line, entry);
        }
    }
}

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

static void entry_sent(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent) {
    bool again = entry->changed;
    if (sent->service_id && text_set(&entry->service_id, sent->service_id) < 0) entry->service_id[0] = 0;
    entry->row.sent_ms = clock_wall_ms(bot->ports.clock);
    entry->row.state = again && !line->channel->traits.history ? MESSAGE_QUEUED : MESSAGE_SENT;
    if (!line->channel->traits.history && !entry->from_memory &&
        store_message_state(bot->ports.store, entry_row(line, entry), false) < 0)
        bot_log(bot, 1, "message %lld left, but that could not be noted", (long long)entry->row.id);
    entry->under_way = entry->changed = false;
    entry->row.attempts = 0;
    line->sent++;
    if (!again) line_remove(line, entry);
}

static void entry_refused(struct bot *bot, struct line *line, struct entry *entry, const struct sent *sent) {
    bot_log(bot, 1, "%s refused message %lld: %s", line->channel->ops->name, (long long)entry->row.id, sent->why ? sent->why : "");
    entry->row.state = MESSAGE_FAILED;
    line->failed++;
    if (!entry->from_memory && store_message_state(bot->ports.store, entry_row(line, entry), true) < 0)
        bot_log(bot, 1, "that message %lld failed could not be noted", (long long)entry->row.id);
    line_remove(line, entry);
}

static void entry_retry(struct bot *bot, struct line *line, struct entry *entry, int64_t retry_ms) {
    int64_t wait_ms = retry_ms > 0 ? retry_ms : backoff_ms(bot, entry->row.attempts);
    entry->under_way = entry->changed = false;
    entry->due_mono_ms = now_ms(bot) + wait_ms;
    line->retried++;
    entry->row.state = MESSAGE_QUEUED;
    entry->row.next_try_ms = clock_wall_ms(bot->ports.clock) + wait_ms;
    if (!entry->from_memory && store_message_state(bot->ports.store, entry_row(line, entry), false) < 0)
        bot_log(bot, 1, "the next try of message %lld could not be noted", (long long)entry->row.id);
}

void outbox_done(struct bot *bot, int64_t message, const struct sent *sent) {
    for (struct line *line = bot->outbox->lines; line; line = line->next)
        for (struct entry *entry = line->first; entry; entry = entry->next) {
            if (entry->row.id != message || !entry->under_way) continue;
            if (sent->status == SENT_OK) entry_sent(bot, line, entry, sent);
            else if (sent->status == SENT_REFUSED) entry_refused(bot, line, entry, sent);
            else entry_retry(bot, line, entry, sent->retry_ms);
            if (bot->ports.wake) bot->ports.wake(bot->ports.user);
            return;
        }
}

int64_t outbox_next_ms(const struct bot *bot) {
    int64_t next_ms = INT64_MAX, now = now_ms(bot);
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        struct entry *entry = NULL;
        int64_t due_ms = line_due(line, now, &entry);
        if (due_ms < next_ms) next_ms = due_ms;
    }
    return next_ms;
}

struct outbox_count outbox_count(const struct bot *bot, const char *channel) {
    struct outbox_count count = {0};
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        if (channel && strcmp(line->channel->ops->name, channel) != 0) continue;
        for (struct entry *entry = line->first; entry; entry = entry->next) {
            if (entry->under_way) count.sending++;
            else count.queued++;
        }
        count.sent += line->sent;
        count.failed += line->failed;
        count.retried += line->retried;
    }
    return count;
}

size_t text_split(const char *text, size_t size, size_t max_bytes) {
    if (size <= max_bytes) return size;
    for (size_t end = max_bytes; end > max_bytes / 2; end--)
        if (text[end] == '\n') return end;
    size_t end = text_prefix(text, size, max_bytes);
    return end > 0 ? end : max_bytes;
}
