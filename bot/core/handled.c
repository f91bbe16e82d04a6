/*
 * handled.c: the mark "handled" on inbound messages. A message may be durable before the turn that carries it out is:
 * when that turn is rolled back, its answers have left from memory all the same, so that the mark is made up for as
 * soon as the store works, and the next bot does not carry it out again.
 */
#include "requests.h"
#include "codes.h"

#include <stdlib.h>
#include <string.h>

static void marks_clear(struct marks *marks) {
    for (size_t i = 0; i < marks->count; i++)
        free(marks->items[i].service_id);
    marks->count = 0;
}

void handled_free(struct requests *requests) {
    marks_clear(&requests->handled);
    marks_clear(&requests->unmarked);
}

static int set_mark(struct bot *bot, int64_t id, const char *service_id, int64_t sent_ms) {
    struct message_record record = {.id = id,
                                    .state = MESSAGE_HANDLED,
                                    .service_id = service_id ? service_id : "",
                                    .sent_ms = sent_ms};
    return store_message_state(bot->ports.store, &record, false);
}

void handled_mark(struct bot *bot, int64_t message, const char *service_id, int64_t sent_ms) {
    struct requests *requests = bot->requests;
    struct marks *marks = &requests->handled;
    int status = set_mark(bot, message, service_id, sent_ms);
    /* A row of this very turn goes with the turn, and its id may be given to another. */
    bool outlives = message <= requests->row_durable && marks->count < MARKS_MAX;
    char *copy = outlives ? strdup(service_id ? service_id : "") : NULL;
    if (copy) marks->items[marks->count++] = (struct mark){.id = message, .sent_ms = sent_ms, .service_id = copy};
    if (status < 0 && status != TB_ENOTFOUND && !copy)
        bot_log(bot, 0, "a message could not be marked handled: %s", tb_error_text(status));
}

void handled_row(struct bot *bot, int64_t message, bool durable) {
    struct requests *requests = bot->requests;
    if (message > requests->row_newest) requests->row_newest = message;
    if (durable && message > requests->row_durable) requests->row_durable = message;
}

void commands_committed(struct bot *bot) {
    marks_clear(&bot->requests->handled);
    bot->requests->row_durable = bot->requests->row_newest;
}

void commands_store_failed(struct bot *bot) {
    struct marks *from = &bot->requests->handled, *to = &bot->requests->unmarked;
    for (size_t i = 0; i < from->count; i++) {
        if (to->count < MARKS_MAX) {
            to->items[to->count++] = from->items[i];
            continue;
        }
        bot_log(bot, 0, "message %lld was handled, but that cannot be noted", (long long)from->items[i].id);
        free(from->items[i].service_id);
    }
    from->count = 0;
    bot->requests->row_newest = bot->requests->row_durable;
}

void commands_store_works(struct bot *bot) {
    struct marks marks = bot->requests->unmarked;
    bot->requests->unmarked.count = 0;
    for (size_t i = 0; i < marks.count; i++)
        handled_mark(bot, marks.items[i].id, marks.items[i].service_id, marks.items[i].sent_ms);
    marks_clear(&marks);
    struct codes codes;
    codes_load(bot, &codes); /* what was thought of them may have been rolled back */
}
