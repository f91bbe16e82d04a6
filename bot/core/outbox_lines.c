/*
 * What waits to leave: rows in the store, and of each conversation the oldest in memory; and what is known of the
 * conversation itself: its budget, and whether it is closed. Always holds: the memory of a conversation is bounded
 * whatever waits for it; a conversation with nothing waiting and nothing to remember is let go.
 */
#include "command.h"
#include "outbox_state.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "line/"

/* ---- entries ---- */

void entry_free(struct entry *entry) {
    if (!entry) return;
    char *texts[] = {entry->text,       entry->key,       entry->buttons, entry->service_id,  entry->image_path,
                     entry->image_mime, entry->next_text, entry->path,    entry->next_buttons};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    free(entry);
}

static bool copy_image(void *user, const struct image_record *image) {
    struct entry *entry = user;
    if (text_set(&entry->image_path, image->path) < 0 || text_set(&entry->image_mime, image->mime) < 0)
        entry->row.image = 0;
    return false;
}

struct entry *entry_from(struct bot *bot, const struct message_record *row) {
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry) return NULL;
    entry->row = *row;
    if (text_set(&entry->text, row->text) < 0 || text_set(&entry->key, row->key) < 0 ||
        text_set(&entry->buttons, row->buttons) < 0 || text_set(&entry->service_id, row->service_id) < 0) {
        entry_free(entry);
        return NULL;
    }
    if (row->image && store_image(bot->ports.store, row->image, copy_image, entry) < 0) entry->row.image = 0;
    bool zh = bot->ports.settings->language == LANG_ZH;
    if (row->image && !entry->row.image && !entry->text[0] && /* no service takes a message of nothing */
        text_set(&entry->text, zh ? "(图和它的训练一起删掉了。)" : "(The picture was deleted with its run.)") < 0) {
        entry_free(entry);
        return NULL;
    }
    int64_t wait_ms = row->next_try_ms - outbox_wall(bot);
    bool waits = row->next_try_ms > 0 && wait_ms > 0 && wait_ms <= OUTBOX_WAIT_MAX_MS; /* else the clock was set */
    if (waits) entry->due_mono_ms = outbox_now(bot) + wait_ms;
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

void line_append(struct line *line, struct entry *entry) {
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

void line_forget_beyond(struct line *line) {
    for (struct entry *entry; (entry = line->beyond);) {
        line->beyond = entry->next;
        entry_free(entry);
    }
}

void line_take_beyond(struct line *line) {
    struct entry *oldest = NULL;
    for (struct entry *entry; (entry = line->beyond);) {
        line->beyond = entry->next;
        entry->next = oldest;
        oldest = entry;
    }
    for (struct entry *entry; (entry = oldest);) {
        oldest = entry->next;
        entry->next = NULL;
        line_append(line, entry);
    }
}

struct entry *line_take_idle(struct line *line, int64_t run, const char *key) {
    for (struct entry **at = &line->idle; *at; at = &(*at)->next) {
        struct entry *entry = *at;
        if (entry->row.run != run || strcmp(entry->key, key) != 0) continue;
        *at = entry->next;
        entry->next = NULL;
        line->idle_count--;
        return entry;
    }
    return NULL;
}

/* ---- conversations ---- */

struct budget_rules line_rules(const struct line *line) {
    const struct channel_traits *traits = &line->channel->traits;
    return (struct budget_rules){traits->budget, traits->reserve, traits->window_ms};
}

char *line_key(const char *channel, const char *chat) {
    return text_print(PREFIX "%s:%s", channel, chat);
}

/* Whether the store has to know of it: a budget that counts, or a door that is shut. */
static bool worth_keeping(const struct bot *bot, const struct line *line) {
    struct budget_rules rules = line_rules(line);
    if (line->closed || line->held_until_ms > outbox_wall(bot)) return true;
    if (rules.budget <= 0 || line->budget.heard_ms == 0) return false;
    return rules.window_ms <= 0 || budget_until_ms(&line->budget, &rules, outbox_wall(bot)) > 0;
}

void line_keep(struct bot *bot, struct line *line) {
    line->unsaved = true;
    if (bot->store_status < 0) return; /* outbox_store_works writes it */
    char value[100], *key = line_key(line->channel->ops->name, line->chat);
    snprintf(value, sizeof value, "%lld %lld %d %lld %lld", (long long)line->budget.left,
             (long long)line->budget.heard_ms, line->closed, (long long)line->told_window_ms,
             (long long)line->held_until_ms);
    int status = key ? store_set(bot->ports.store, key, worth_keeping(bot, line) ? value : NULL) : TB_ENOMEM;
    if (status < 0) bot_log(bot, 1, "a conversation's budget was not kept: %s", tb_error_text(status));
    free(key);
}

static void take_kept(struct line *line, const char *value) {
    long long left, heard_ms, told_ms, held_ms = 0;
    int closed;
    if (sscanf(value, "%lld %lld %d %lld %lld", &left, &heard_ms, &closed, &told_ms, &held_ms) < 4) return;
    line->budget = (struct budget){left > 0 ? left : 0, heard_ms};
    line->closed = closed != 0;
    line->told_window_ms = told_ms;
    line->held_until_ms = held_ms;
}

static size_t name_place(const char *chat) {
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *chat; chat++)
        hash = (hash ^ (unsigned char)*chat) * 16777619u;
    return (hash ^ hash >> 16) % OUTBOX_NAMED;
}

static void name_forget(struct outbox *outbox, const struct line *line) {
    struct line **at = &outbox->named[name_place(line->chat)];
    while (*at != line)
        at = &(*at)->next_named;
    *at = line->next_named;
}

struct line *outbox_line_known(const struct bot *bot, const struct channel *channel, const char *chat) {
    for (struct line *line = bot->outbox->named[name_place(chat)]; line; line = line->next_named)
        if (line->channel == channel && strcmp(line->chat, chat) == 0) return line;
    return NULL;
}

static void line_free(struct line *line) {
    for (struct entry *entry = line->first; entry;) {
        struct entry *next = entry->next;
        entry_free(entry);
        entry = next;
    }
    line_forget_idle(line);
    line_forget_beyond(line);
    free(line->lent);
    free(line->chat);
    free(line);
}

static struct line *line_create(struct bot *bot, struct channel *channel, const char *chat) {
    struct line *line = calloc(1, sizeof *line);
    if (!line) return NULL;
    line->channel = channel;
    line->chat = strdup(chat);
    if (!line->chat) {
        free(line);
        return NULL;
    }
    line->tokens = (double)line_pace(line)->burst;
    line->tokens_ms = outbox_now(bot);
    line->last_send_ms = line->last_progress_ms = INT64_MIN / 2;
    line->next = bot->outbox->lines;
    bot->outbox->lines = line;
    bot->outbox->lines_count++;
    struct line **place = &bot->outbox->named[name_place(chat)];
    line->next_named = *place;
    *place = line;
    return line;
}

struct line *outbox_line(struct bot *bot, struct channel *channel, const char *chat) {
    struct line *line = outbox_line_known(bot, channel, chat);
    if (line || !(line = line_create(bot, channel, chat))) return line;
    if (channel->traits.history) return line;
    char *value = NULL, *key = line_key(channel->ops->name, chat);
    int status = key ? store_get(bot->ports.store, key, &value) : TB_ENOMEM;
    if (status == TB_OK) take_kept(line, value);
    free(value);
    free(key);
    return line;
}

/* Nothing waits, its pace is fresh again, and nobody there hears of runs. What it may still send stands in the store.
 */
static bool to_be_let_go(struct bot *bot, const struct line *line, int64_t now) {
    if (line->first || line->more || line->aside || line->unsaved) return false;
    const struct channel_pace *pace = line_pace(line);
    int64_t quiet_ms = line->channel->traits.min_gap_ms + pace->burst * pace->refill_ms;
    if (line->last_send_ms + quiet_ms > now) return false;
    return !session_find(bot, line->channel->ops->name, line->chat);
}

void lines_sweep(struct bot *bot) {
    struct outbox *outbox = bot->outbox;
    int64_t now = outbox_now(bot);
    if (outbox->sweep_at < OUTBOX_LINES) outbox->sweep_at = OUTBOX_LINES;
    if (outbox->lines_count <= outbox->sweep_at) return;
    for (struct line **at = &outbox->lines; *at;) {
        struct line *line = *at;
        if (!to_be_let_go(bot, line, now)) {
            at = &line->next;
            continue;
        }
        *at = line->next;
        outbox->lines_count--;
        name_forget(outbox, line);
        if (line->budget.heard_ms && !worth_keeping(bot, line)) line_keep(bot, line); /* takes it out of the store */
        line_free(line);
    }
    outbox->sweep_at = 2 * outbox->lines_count > OUTBOX_LINES ? 2 * outbox->lines_count : OUTBOX_LINES;
}

void lines_free(struct bot *bot) {
    for (struct line *line = bot->outbox->lines; line;) {
        struct line *next = line->next;
        line_free(line);
        line = next;
    }
    bot->outbox->lines = bot->outbox->sending = NULL;
    memset(bot->outbox->named, 0, sizeof bot->outbox->named);
}

/* ---- from the store ---- */

struct reading {
    struct bot *bot;
    struct line *line;
    size_t seen, spare; /* rows read; entries in memory that others may pass */
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

static bool row_spare(const struct line *line, const struct message_record *row) {
    const struct entry entry = {.row = *row, .key = (char *)(uintptr_t)row->key};
    return entry_spare(line, &entry);
}

static size_t count_spare(const struct line *line) {
    size_t count = 0;
    for (const struct entry *entry = line->first; entry; entry = entry->next)
        count += entry_spare(line, entry);
    return count;
}

static bool refill_row(void *user, const struct message_record *row) {
    struct reading *reading = user;
    struct line *line = reading->line;
    if (line->count >= OUTBOX_MEMORY) {
        line->more = true;
        return false;
    }
    reading->seen++;
    bool known = in_memory(line, row->id), spare = !known && row_spare(line, row);
    if (spare && reading->spare >= OUTBOX_SPARE) line->aside = known = true;
    if (!known) {
        reading->spare += spare;
        return take_row(reading, line, row);
    }
    if (row->id > line->read_id) line->read_id = row->id;
    return true;
}

/* False: that was all, or it failed. */
static bool read_next(struct bot *bot, struct line *line) {
    struct reading reading = {.bot = bot, .line = line, .spare = count_spare(line)};
    line->more = false;
    int status = store_messages_waiting(bot->ports.store, line->channel->ops->name, line->chat, line->read_id,
                                        OUTBOX_MEMORY + 1, refill_row, &reading);
    if (status == TB_OK) status = reading.status;
    if (status < 0 || reading.seen > OUTBOX_MEMORY) line->more = true;
    return status == TB_OK && line->more;
}

static bool aside_row(void *user, const struct message_record *row) {
    struct reading *reading = user;
    struct line *line = reading->line;
    if (row->id > line->read_id) return false; /* read when its turn comes */
    if (!row_spare(line, row) || in_memory(line, row->id)) return true;
    line->aside = reading->spare >= OUTBOX_SPARE;
    if (line->aside) return false;
    reading->spare++;
    return take_row(reading, line, row);
}

static void take_aside(struct bot *bot, struct line *line) {
    struct reading reading = {.bot = bot, .line = line, .spare = count_spare(line)};
    line->aside = false;
    int status =
        store_messages_waiting(bot->ports.store, line->channel->ops->name, line->chat, 0, 0, aside_row, &reading);
    if (status < 0 || reading.status < 0) line->aside = true;
}

/* The newest spare ones make room; their rows say all there is. */
static void put_aside(struct line *line) {
    size_t spare = 0;
    for (struct entry *entry = line->first, *next; entry; entry = next) {
        next = entry->next;
        if (!entry_spare(line, entry) || ++spare <= OUTBOX_SPARE) continue;
        if (entry->under_way || !entry->durable || entry->from_memory || entry->row.id <= 0) continue;
        line_remove(line, entry);
        line->aside = true;
    }
}

void line_refill(struct bot *bot, struct line *line) {
    if (line->beyond || bot->store_status < 0) return; /* the store holds what is not durable */
    if (line->aside && line->count < OUTBOX_REFILL) take_aside(bot, line);
    if (line->count >= OUTBOX_MEMORY) put_aside(line);
    while (line->more && line->count < OUTBOX_MEMORY &&
           (line->count < OUTBOX_REFILL || line->count - count_spare(line) < OUTBOX_REFILL))
        if (!read_next(bot, line)) return;
}

/* A progress text that may have left already is not worth saying twice. */
static bool let_go(struct reading *reading, struct line *line, const struct message_record *row) {
    if (row->state != MESSAGE_SENDING || row->class != MESSAGE_PROGRESS || line->channel->traits.idempotent)
        return false;
    struct entry gone = {.row = *row};
    digests_sent(reading->bot, line, &gone);
    outbox_unnoted(reading->bot, row->id, row->created_ms);
    return true;
}

static bool load_message(void *user, const struct message_record *row) {
    struct reading *reading = user;
    struct channel *channel = bot_channel(reading->bot, row->channel);
    if (!channel) return true; /* the channel is off for now: its rows wait */
    struct line *line = outbox_line(reading->bot, channel, row->chat);
    if (!line) {
        reading->status = TB_ENOMEM;
        return false;
    }
    if (let_go(reading, line, row)) return true;
    line->more = line->more || line->count >= OUTBOX_MEMORY;
    return line->more || take_row(reading, line, row);
}

/* What was under way in one message was marked in one transaction: the service may know it as that message. */
static void find_groups(struct line *line) {
    int64_t last = 0;
    for (const struct entry *entry = line->first; entry; entry = entry->next)
        if (entry->row.state == MESSAGE_SENDING) last = entry->row.id;
    for (struct entry *entry = line->first; entry; entry = entry->next)
        if (entry->row.state == MESSAGE_SENDING) entry->group_last = last;
}

static bool load_line(void *user, const char *key, const char *value) {
    struct reading *reading = user;
    key += strlen(PREFIX);
    const char *colon = strchr(key, ':');
    char *name = colon ? strndup(key, (size_t)(colon - key)) : NULL;
    struct channel *channel = name ? bot_channel(reading->bot, name) : NULL;
    free(name);
    if (!channel || channel->traits.history) return true;
    struct line *line = line_create(reading->bot, channel, colon + 1); /* keys come once, and before the rows */
    if (!line)
        reading->status = TB_ENOMEM;
    else
        take_kept(line, value);
    return line != NULL;
}

int lines_load(struct bot *bot) {
    struct reading reading = {.bot = bot};
    int status = store_pairs(bot->ports.store, PREFIX, load_line, &reading);
    if (status == TB_OK) status = reading.status;
    if (status == TB_OK) status = store_messages_open(bot->ports.store, NULL, load_message, &reading);
    for (struct line *line = bot->outbox->lines; line; line = line->next) {
        find_groups(line);
        line->durable_read_id = line->read_id;
    }
    return status < 0 ? status : reading.status;
}

/* ---- for 通道 ---- */

void outbox_lines(const struct bot *bot, const char *channel, outbox_line_cb *cb, void *user) {
    int64_t now_ms = outbox_wall(bot);
    for (const struct line *line = bot->outbox->lines; line; line = line->next) {
        if (strcmp(line->channel->ops->name, channel) != 0) continue;
        struct budget_rules rules = line_rules(line);
        struct outbox_line_view view = {.chat = line->chat,
                                        .queued = (int64_t)line->count,
                                        .sent = line->sent,
                                        .failed = line->failed,
                                        .left = -1,
                                        .closed = line->closed};
        if (rules.budget > 0) {
            view.left = line->closed ? 0 : budget_left(&line->budget, &rules, now_ms);
            view.until_ms = budget_until_ms(&line->budget, &rules, now_ms);
            view.closed = line->closed || view.left == 0;
        }
        if (!cb(user, &view)) return;
    }
}
