/*
 * What waits to leave: rows in the store, and of each conversation the oldest in memory. Always holds: messages of a
 * conversation stand in the order they were made, but for progress, whose newest text replaces the one that waits; the
 * memory of a conversation is bounded whatever waits for it.
 */
#include "outbox.h"
#include "outbox_state.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES_MAX 64

int64_t outbox_now(const struct bot *bot) {
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
    char *texts[] = {entry->text,       entry->key,       entry->buttons, entry->service_id,  entry->image_path,
                     entry->image_mime, entry->next_text, entry->path,    entry->next_buttons};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
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
        line_forget_idle(line);
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
    line->tokens = (double)channel->traits.pace.burst;
    line->tokens_ms = outbox_now(bot);
    line->last_send_ms = line->last_progress_ms = INT64_MIN / 2;
    line->next = bot->outbox->lines;
    bot->outbox->lines = line;
    return line;
}

static bool copy_image(void *user, const struct image_record *image) {
    struct entry *entry = user;
    if (text_set(&entry->image_path, image->path) < 0 || text_set(&entry->image_mime, image->mime) < 0)
        entry->row.image = 0;
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
    int64_t wait_ms = row->next_try_ms - clock_wall_ms(bot->ports.clock);
    if (row->next_try_ms > 0 && wait_ms > 0) entry->due_mono_ms = outbox_now(bot) + wait_ms;
    return entry;
}

struct message_record *entry_row(struct line *line, struct entry *entry) {
    entry->row.channel = line->channel->ops->name;
    entry->row.chat = line->chat;
    entry->row.sender = "";
    entry->row.text = entry->next_text ? entry->next_text : entry->text;
    entry->row.key = entry->key;
    entry->row.buttons = entry->next_buttons ? entry->next_buttons : entry->buttons;
    entry->row.service_id = entry->service_id;
    return &entry->row;
}

bool entry_renew(struct entry *entry) {
    if (!entry->next_text) return false;
    free(entry->text);
    free(entry->buttons);
    entry->text = entry->next_text;
    entry->buttons = entry->next_buttons;
    entry->next_text = entry->next_buttons = NULL;
    return true;
}

static void line_append(struct line *line, struct entry *entry) {
    if (line->last)
        line->last->next = entry;
    else
        line->first = entry;
    line->last = entry;
    line->count++;
    if (entry->row.id > line->read_id) line->read_id = entry->row.id;
}

static void line_unlink(struct line *line, struct entry *entry) {
    struct entry *before = NULL;
    for (struct entry **at = &line->first; *at; before = *at, at = &(*at)->next)
        if (*at == entry) {
            *at = entry->next;
            if (line->last == entry) line->last = before;
            line->count--;
            break;
        }
    if (line->current == entry) line->current = NULL;
    entry->next = NULL;
}

void line_remove(struct line *line, struct entry *entry) {
    line_unlink(line, entry);
    entry_free(entry);
}

void line_rest(struct line *line, struct entry *entry) {
    line_unlink(line, entry);
    entry->next = line->idle;
    line->idle = entry;
    if (++line->idle_count <= OUTBOX_IDLE) return;
    struct entry **at = &line->idle;
    while ((*at)->next)
        at = &(*at)->next;
    entry_free(*at);
    *at = NULL;
    line->idle_count--;
}

void line_forget_idle(struct line *line) {
    for (struct entry *entry; (entry = line->idle);) {
        line->idle = entry->next;
        entry_free(entry);
    }
    line->idle_count = 0;
}

/* Out of the idle ones; NULL: it is not among them. */
static struct entry *take_idle(struct line *line, const struct outbox_message *message) {
    for (struct entry **at = &line->idle; *at; at = &(*at)->next) {
        struct entry *entry = *at;
        if (entry->row.run != message->run || strcmp(entry->key, message->key) != 0) continue;
        *at = entry->next;
        entry->next = NULL;
        line->idle_count--;
        return entry;
    }
    return NULL;
}

/* ---- from the store ---- */

struct reading {
    struct bot *bot;
    struct line *line;
    struct entry *entry;
    int status;
};

static bool in_memory(const struct line *line, int64_t id) {
    for (const struct entry *entry = line->first; entry; entry = entry->next)
        if (entry->row.id == id) return true;
    return false;
}

static bool take_row(struct reading *reading, struct line *line, const struct message_record *row) {
    struct entry *entry = entry_from(reading->bot, row);
    if (!entry) {
        reading->status = TB_ENOMEM;
        return false;
    }
    entry->durable = true;
    line_append(line, entry);
    return true;
}

static bool refill_row(void *user, const struct message_record *row) {
    struct reading *reading = user;
    struct line *line = reading->line;
    if (line->count >= OUTBOX_MEMORY) {
        line->more = true;
        return false;
    }
    if (!in_memory(line, row->id)) return take_row(reading, line, row);
    if (row->id > line->read_id) line->read_id = row->id;
    return true;
}

void line_refill(struct bot *bot, struct line *line) {
    if (!line->more || line->count >= OUTBOX_REFILL) return;
    struct reading reading = {.bot = bot, .line = line};
    line->more = false;
    int status = store_messages_waiting(bot->ports.store, line->channel->ops->name, line->chat, line->read_id,
                                        OUTBOX_MEMORY + 1, refill_row, &reading);
    if (status < 0 || reading.status < 0) line->more = true;
}

/* A progress text that may have left already is not worth saying twice. */
static bool let_go(struct bot *bot, const struct channel *channel, const struct message_record *row) {
    if (row->state != MESSAGE_SENDING || row->class != MESSAGE_PROGRESS || channel->traits.idempotent) return false;
    outbox_unnoted(bot, row->id, row->created_ms);
    return true;
}

static bool load_message(void *user, const struct message_record *row) {
    struct reading *reading = user;
    struct channel *channel = bot_channel(reading->bot, row->channel);
    if (!channel) return true; /* the channel is off for now: its rows wait */
    if (let_go(reading->bot, channel, row)) return true;
    struct line *line = line_of(reading->bot, channel, row->chat);
    if (!line) {
        reading->status = TB_ENOMEM;
        return false;
    }
    line->more = line->more || line->count >= OUTBOX_MEMORY;
    return line->more || take_row(reading, line, row);
}

int outbox_load(struct bot *bot) {
    struct reading reading = {.bot = bot};
    int status = store_messages_open(bot->ports.store, NULL, load_message, &reading);
    if (status < 0) return status;
    outbox_store_works(bot);
    return reading.status;
}

static bool keep_message(void *user, const struct message_record *row) {
    struct reading *reading = user;
    reading->entry = entry_from(reading->bot, row);
    return false;
}

/* ---- adding ---- */

/* The entry whose text this progress message replaces: one that waits, or a sent one (*ret_sent) that can be changed in
 * place. */
static struct entry *entry_to_replace(struct bot *bot, struct line *line, const struct outbox_message *message,
                                      bool *ret_sent) {
    const struct channel_traits *traits = &line->channel->traits;
    for (struct entry *entry = line->first; entry; entry = entry->next)
        if (entry->row.run == message->run && strcmp(entry->key, message->key) == 0) return entry;
    if (!traits->edit && !line->more) return NULL;
    struct reading reading = {.bot = bot, .entry = take_idle(line, message)};
    if (!reading.entry && store_message_by_key(bot->ports.store, line->channel->ops->name, line->chat, message->key,
                                               keep_message, &reading) < 0)
        return NULL;
    if (!reading.entry) return NULL;
    bool waits = reading.entry->row.state == MESSAGE_QUEUED;
    *ret_sent = !waits;
    if (!waits && !traits->history && (!traits->edit || !reading.entry->service_id[0])) {
        entry_free(reading.entry);
        return NULL;
    }
    int64_t read_id = line->read_id;
    reading.entry->durable = true;
    line_append(line, reading.entry);
    if (line->more) line->read_id = read_id; /* rows between still wait in the store */
    return reading.entry;
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

/* No row could be made: it goes from memory; alerts and replies are not lost to a full disk. */
static int add_unstored(struct bot *bot, struct line *line, struct entry *entry, int status) {
    if (entry->row.class == MESSAGE_PROGRESS || line->count >= OUTBOX_UNSTORED) {
        if (entry->row.class != MESSAGE_PROGRESS)
            bot_log(bot, 0, "too much waits for %s while nothing can be stored: a message is lost",
                    line->channel->ops->name);
        entry_free(entry);
        return status;
    }
    entry->row.id = --bot->outbox->memory_ids;
    line_append(line, entry);
    return TB_OK;
}

static int add_piece(struct bot *bot, struct line *line, const struct outbox_message *message, const char *text,
                     bool last, int64_t *ret_id) {
    bool history = line->channel->traits.history;
    struct message_record row = {.channel = message->channel,
                                 .chat = message->chat,
                                 .sender = "",
                                 .class = message->class,
                                 .state = history ? MESSAGE_SENT : MESSAGE_QUEUED,
                                 .text = text,
                                 .image = last ? message->image : 0,
                                 .run = message->run,
                                 .key = message->key ? message->key : "",
                                 .service_id = "",
                                 .buttons = last && message->buttons ? message->buttons : "",
                                 .created_ms = clock_wall_ms(bot->ports.clock)};
    if (history) row.sent_ms = row.created_ms;
    struct entry *entry = entry_from(bot, &row);
    if (!entry) return TB_ENOMEM;
    int status = store_message_insert(bot->ports.store, &row, &entry->row.id);
    if (status < 0) return add_unstored(bot, line, entry, status);
    entry->row.rev = store_last_rev(bot->ports.store);
    *ret_id = entry->row.id;
    if (!history && (line->more || line->count >= OUTBOX_MEMORY) && bot->store_status == TB_OK) {
        line->more = true;
        entry_free(entry);
        return TB_OK;
    }
    line_append(line, entry);
    return TB_OK;
}

static int add_pieces(struct bot *bot, struct line *line, const struct outbox_message *message, int64_t *ret_id) {
    size_t max = line->channel->traits.text_max_bytes ? line->channel->traits.text_max_bytes : SIZE_MAX;
    const char *text = message->text ? message->text : "";
    size_t left = strlen(text);
    while (left > 0 && left > max && text[left - 1] == '\n')
        left--; /* no piece of nothing at the end */
    for (int piece = 1;; piece++) {
        size_t size = text_split(text, left, max);
        bool last = size == left || piece == PIECES_MAX;
        char *part = strndup(text, size);
        int status = part ? add_piece(bot, line, message, part, last, ret_id) : TB_ENOMEM;
        free(part);
        if (status < 0 || last) return status;
        size_t skip = size + (text[size] == '\n');
        text += skip;
        left -= skip;
    }
}

int outbox_add(struct bot *bot, const struct outbox_message *message, int64_t *ret_id) {
    struct channel *channel = bot_channel(bot, message->channel);
    if (!channel) return TB_ENOTFOUND;
    struct line *line = line_of(bot, channel, message->chat);
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
    int status = add_pieces(bot, line, message, &id);
    if (ret_id && status == TB_OK) *ret_id = id;
    return status;
}

struct outbox_count outbox_count(const struct bot *bot, const char *channel) {
    struct outbox_count count = {0};
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        if (channel && strcmp(line->channel->ops->name, channel) != 0) continue;
        count.sending += line->current != NULL;
        count.queued += (int64_t)line->count - (line->current != NULL);
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
