/*
 * outbox_moved.c: what waits for a conversation whose id changed, or that is not let in any more. Rows keep their order
 * and their class; a row cannot change its conversation, so that each gets a successor and is superseded in the same
 * transaction.
 */
#include "outbox_moved.h"
#include "outbox_state.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

struct moving {
    struct bot *bot;
    const char *channel, *to;    /* to NULL: nowhere */
    struct message_record *rows; /* copies, oldest first */
    size_t count, room;
    bool failed;
};

static void row_release(struct message_record *row) {
    free((char *)(uintptr_t)row->text);
    free((char *)(uintptr_t)row->key);
    free((char *)(uintptr_t)row->buttons);
}

static bool copy_row(void *user, const struct message_record *message) {
    struct moving *moving = user;
    if (moving->count == moving->room) {
        size_t room = moving->room ? 2 * moving->room : 64;
        struct message_record *grown = realloc(moving->rows, room * sizeof *grown);
        moving->failed = !grown;
        if (!grown) return false;
        moving->rows = grown;
        moving->room = room;
    }
    struct message_record *row = &moving->rows[moving->count++];
    *row = *message;
    row->channel = row->chat = row->sender = row->service_id = "";
    row->text = strdup(message->text);
    row->key = strdup(message->key);
    row->buttons = strdup(message->buttons);
    moving->failed = !row->text || !row->key || !row->buttons;
    return !moving->failed;
}

static struct line *line_at(struct bot *bot, const char *channel, const char *chat) {
    for (struct line *line = bot->outbox->lines; line; line = line->next)
        if (strcmp(line->channel->ops->name, channel) == 0 && strcmp(line->chat, chat) == 0) return line;
    return NULL;
}

static struct entry *entry_at(struct line *line, int64_t id) {
    for (struct entry *entry = line ? line->first : NULL; entry; entry = entry->next)
        if (entry->row.id == id) return entry;
    return NULL;
}

static int queue_anew(struct moving *moving, const struct message_record *row) {
    if (!moving->to) return TB_OK;
    struct outbox_message message = {.channel = moving->channel,
                                     .chat = moving->to,
                                     .class = row->class,
                                     .text = row->text,
                                     .image = row->image,
                                     .run = row->run,
                                     .key = row->key,
                                     .buttons = row->buttons[0] ? row->buttons : NULL};
    return outbox_add(moving->bot, &message, NULL);
}

/* What has no row (the store failed when it was said) goes along as well. */
static int move_unstored(struct moving *moving, struct line *line) {
    int status = TB_OK;
    for (struct entry *entry = line ? line->first : NULL, *next; entry && status == TB_OK; entry = next) {
        next = entry->next;
        if (entry->under_way || entry->row.id > 0) continue;
        status = queue_anew(moving, entry_row(line, entry));
        if (status == TB_OK) line_remove(line, entry);
    }
    return status;
}

static int move_row(struct moving *moving, struct line *line, struct message_record *row) {
    struct entry *entry = entry_at(line, row->id);
    if (entry && entry->under_way) return TB_OK;
    int status = queue_anew(moving, row);
    if (status < 0) return status;
    row->state = MESSAGE_SUPERSEDED;
    status = store_message_state(moving->bot->ports.store, row, true);
    if (status == TB_OK && entry) line_remove(line, entry);
    return status;
}

static int move_all(struct bot *bot, const char *channel, const char *from, const char *to, bool *ret_more) {
    struct moving moving = {.bot = bot, .channel = channel, .to = to};
    struct line *line = line_at(bot, channel, from);
    int status = store_messages_waiting(bot->ports.store, channel, from, 0, 0, copy_row, &moving);
    if (status == TB_OK && moving.failed) status = TB_ENOMEM;
    for (size_t i = 0; i < moving.count && status == TB_OK; i++)
        status = move_row(&moving, line, &moving.rows[i]);
    if (status == TB_OK) status = move_unstored(&moving, line);
    if (status == TB_OK && line) {
        line_forget_idle(line);
        line->more = line->aside = false;
        *ret_more = line->count > 0;
    }
    for (size_t i = 0; i < moving.count; i++)
        row_release(&moving.rows[i]);
    free(moving.rows);
    return status;
}

int outbox_chat_moved(struct bot *bot, const char *channel, const char *from, const char *to, bool *ret_more) {
    return move_all(bot, channel, from, to, ret_more);
}

int outbox_chat_dropped(struct bot *bot, const char *channel, const char *chat) {
    bool more = false;
    struct line *line = line_at(bot, channel, chat);
    for (struct entry *entry = merge_next(line ? line->first : NULL); entry; entry = merge_next(entry->next))
        entry->dropped = true;
    return move_all(bot, channel, chat, NULL, &more);
}
