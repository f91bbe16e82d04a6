/*
 * outbox_pieces.c: one message as rows within a service's limits: long texts in pieces, a picture beside its text where
 * it cannot carry it. Always holds: no piece cuts a UTF-8 sequence, and the pieces stand in the order they are read.
 */
#include "outbox_state.h"
#include "text.h"
#include "words.h"
#include <stdlib.h>
#include <string.h>

#define PIECES_MAX 64

/* Bytes of the character at text, one where there is none, and its UTF-16 code units. */
static size_t character(const char *text, size_t size, size_t *ret_units) {
    uint32_t code = 0;
    size_t length = utf8_next(text, size, &code);
    *ret_units = length > 0 && code > 0xffff ? 2 : 1;
    return length > 0 ? length : 1;
}

size_t text_units(const char *text, size_t size) {
    size_t units = 0;
    for (size_t at = 0, more; at < size; units += more)
        at += character(text + at, size - at, &more);
    return units;
}

bool text_fits(const char *text, size_t size, size_t max_bytes, size_t max_units) {
    return (!max_bytes || size <= max_bytes) && (!max_units || text_units(text, size) <= max_units);
}

size_t text_split(const char *text, size_t size, size_t max_bytes, size_t max_units) {
    size_t end = 0, units = 0, line_end = 0;
    while (end < size) {
        size_t more, length = character(text + end, size - end, &more);
        if (text[end] == '\n') line_end = end;
        bool fits = (!max_bytes || end + length <= max_bytes) && (!max_units || units + more <= max_units);
        if (!fits && end > 0) return 2 * line_end >= end ? line_end : end;
        end += length;
        units += more;
        if (!fits) return end; /* not even one character fits: it leaves whole */
    }
    return size;
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

static int add_row(struct bot *bot, struct line *line, const struct message_record *row, int64_t *ret_id) {
    bool history = line->channel->traits.history;
    struct entry *entry = entry_from(bot, row);
    if (!entry) return TB_ENOMEM;
    int status = store_message_insert(bot->ports.store, row, &entry->row.id);
    if (status < 0) return add_unstored(bot, line, entry, status);
    entry->row.rev = store_last_rev(bot->ports.store);
    *ret_id = entry->row.id;
    if (!history && (line->more || line->count >= OUTBOX_MEMORY) && bot->store_status == TB_OK) {
        line->more = true;
        entry->next = line->beyond; /* until its row is durable */
        line->beyond = entry;
        return TB_OK;
    }
    int64_t read_id = line->read_id;
    line_append(line, entry);
    if (line->more) line->read_id = read_id; /* rows between still wait in the store */
    return TB_OK;
}

static int add_piece(struct bot *bot, struct line *line, const struct outbox_message *message, const char *text,
                     int64_t image, bool buttons, int64_t *ret_id) {
    bool history = line->channel->traits.history;
    struct message_record row = {.channel = message->channel,
                                 .chat = message->chat,
                                 .sender = "",
                                 .class = message->class,
                                 .state = history ? MESSAGE_SENT : MESSAGE_QUEUED,
                                 .text = text,
                                 .image = image,
                                 .run = message->run,
                                 .key = message->key ? message->key : "",
                                 .service_id = "",
                                 .buttons = buttons && message->buttons ? message->buttons : "",
                                 .created_ms = outbox_wall(bot)};
    if (history) row.sent_ms = row.created_ms;
    return add_row(bot, line, &row, ret_id);
}

struct limits {
    size_t bytes, units; /* SIZE_MAX none */
};

/* On channels with a budget alerts leave room for the line that says what is left. */
static struct limits limits_of(const struct line *line, const struct outbox_message *message) {
    const struct channel_traits *traits = &line->channel->traits;
    struct limits limits = {traits->text_max_bytes, traits->text_max_units};
    if (traits->budget <= 0 || (message->class != MESSAGE_ALERT && message->class != MESSAGE_PROGRESS)) return limits;
    if (limits.units > 4 * OUTBOX_LEFT_LINE) limits.units -= OUTBOX_LEFT_LINE;
    if (limits.bytes > 12 * OUTBOX_LEFT_LINE) limits.bytes -= 3 * OUTBOX_LEFT_LINE;
    return limits;
}

/* carried: a picture that the only piece carries. */
static int add_text(struct bot *bot, struct line *line, const struct outbox_message *message, const char *text,
                    size_t left, int64_t carried, int64_t *ret_id) {
    struct limits max = limits_of(line, message);
    while (left > 0 && text[left - 1] == '\n' && !text_fits(text, left, max.bytes, max.units))
        left--; /* no piece of nothing at the end */
    for (int piece = 1;; piece++) {
        size_t size = text_split(text, left, max.bytes, max.units);
        bool last = size == left || piece == PIECES_MAX;
        char *part = strndup(text, size);
        int status = part ? add_piece(bot, line, message, part, last ? carried : 0, last, ret_id) : TB_ENOMEM;
        free(part);
        if (status < 0 || last) return status;
        size_t skip = size + (text[size] == '\n');
        text += skip;
        left -= skip;
    }
}

/* Whether the picture and all of the text are one message. */
static bool carries(const struct line *line, const char *text, size_t size) {
    const struct channel_traits *traits = &line->channel->traits;
    if (traits->history) return true; /* it keeps rows, and shows a row as one */
    return traits->caption && text_fits(text, size, traits->text_max_bytes, traits->text_max_units) &&
           text_fits(text, size, 0, traits->caption_max_units);
}

int pieces_add(struct bot *bot, struct line *line, const struct outbox_message *message, int64_t *ret_id) {
    const char *text = message->text ? message->text : "";
    size_t size = strlen(text);
    if (!message->image) return add_text(bot, line, message, text, size, 0, ret_id);
    if (size == 0) return add_piece(bot, line, message, "", message->image, true, ret_id);
    if (carries(line, text, size)) return add_text(bot, line, message, text, size, message->image, ret_id);
    int status = add_text(bot, line, message, text, size, 0, ret_id);
    return status < 0 ? status : add_piece(bot, line, message, "", message->image, false, ret_id);
}
