/*
 * inbound.c: from a channel's message to a command. Always holds: a message is stored before it is understood, a second
 * delivery of it changes nothing, and "handled" is marked in the transaction that holds its effect and its reply.
 */
#include "requests.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What may be stored of any bytes: UTF-8, repaired and cut. Caller frees; NULL: out of memory. */
static char *storable(const char *text, size_t size) {
    size_t room = PARSE_TEXT_MAX + 64;
    char *copy = malloc(room), *raw = strndup(text, size < PARSE_TEXT_MAX + 1 ? size : PARSE_TEXT_MAX + 1);
    if (copy && raw) {
        struct words words;
        words_init(&words, copy, room);
        words_add_foreign(&words, raw, PARSE_TEXT_MAX);
    }
    free(raw);
    return copy;
}

static void handle(struct bot *bot, const struct inbound *inbound, int64_t message) {
    enum role role = access_role(bot, inbound->channel, inbound->sender);
    struct asker asker = {.channel = inbound->channel, .chat = inbound->chat, .sender = inbound->sender, .role = role};
    if (role != ROLE_NONE) {
        struct session *session = session_open(bot, inbound->channel, inbound->chat, inbound->sender, inbound->group);
        if (!session) bot_log(bot, 1, "too many conversations: %s is not told of runs", inbound->channel);
        request_begin_message(bot, &asker, inbound->text, inbound->size, message, inbound->service_id,
                              inbound->sent_ms);
        return;
    }
    struct message_record record = {.id = message,
                                    .state = MESSAGE_HANDLED,
                                    .service_id = inbound->service_id,
                                    .sent_ms = inbound->sent_ms};
    int status = store_message_state(bot->ports.store, &record, false);
    if (status < 0) bot_log(bot, 0, "a message could not be marked handled: %s", tb_error_text(status));
    if (!inbound->group) pairing_try(bot, &asker, inbound->text, inbound->size);
}

static bool group_unknown(struct bot *bot, const struct inbound *inbound) {
    return inbound->group && !access_group(bot, inbound->channel, inbound->chat);
}

/* ---- storing ---- */

/* One message on its way from a channel to its command. */
struct arrival {
    const struct inbound *inbound;
    char *text; /* as it is stored */
    int64_t id; /* its row; 0: known already, or not wanted */
};

static int arrival_store(struct bot *bot, struct arrival *arrival) {
    const struct inbound *inbound = arrival->inbound;
    struct message_record record = {.channel = inbound->channel,
                                    .chat = inbound->chat,
                                    .sender = inbound->sender,
                                    .class = MESSAGE_INBOUND,
                                    .state = MESSAGE_NEW,
                                    .text = arrival->text,
                                    .key = "",
                                    .service_id = inbound->service_id ? inbound->service_id : "",
                                    .buttons = "",
                                    .created_ms = clock_wall_ms(bot->ports.clock),
                                    .sent_ms = inbound->sent_ms};
    int status = store_message_receive(bot->ports.store, &record, &arrival->id);
    return status == TB_EEXISTS ? TB_OK : status;
}

/* Everything that can fail without the store comes first: a batch of which a part was written must fail as a whole. */
static int arrivals_prepare(struct bot *bot, struct arrival *arrivals, const struct inbound *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (group_unknown(bot, &items[i])) continue;
        arrivals[i] = (struct arrival){.inbound = &items[i], .text = storable(items[i].text, items[i].size)};
        if (!arrivals[i].text) return TB_ENOMEM;
    }
    return TB_OK;
}

static int arrivals_store(struct bot *bot, struct arrival *arrivals, size_t count) {
    int status = TB_OK;
    for (size_t i = 0; i < count && status == TB_OK; i++)
        if (arrivals[i].inbound) status = arrival_store(bot, &arrivals[i]);
    return status;
}

static void arrivals_free(struct arrival *arrivals, size_t count) {
    for (size_t i = 0; arrivals && i < count; i++)
        free(arrivals[i].text);
    free(arrivals);
}

/* mark_key: as bot_inbound_batch; commit: before the first is handled. */
static int take_in(struct bot *bot, const struct inbound *items, size_t count, const char *mark_key,
                   const char *mark_value, bool commit) {
    if (bot->leaving) return TB_EGONE; /* the next bot gets it */
    if (commit && bot->store_status < 0) return bot->store_status;
    struct arrival *arrivals = calloc(count ? count : 1, sizeof *arrivals);
    int status = arrivals ? arrivals_prepare(bot, arrivals, items, count) : TB_ENOMEM;
    if (status == TB_OK) status = arrivals_store(bot, arrivals, count);
    if (status == TB_OK && mark_key) status = store_set(bot->ports.store, mark_key, mark_value);
    if (status == TB_OK && commit) status = bot_commit(bot);
    for (size_t i = 0; status == TB_OK && i < count; i++)
        if (arrivals[i].id > 0) handle(bot, arrivals[i].inbound, arrivals[i].id);
    arrivals_free(arrivals, count);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    return status;
}

int bot_inbound(struct bot *bot, const struct inbound *inbound) {
    return take_in(bot, inbound, 1, NULL, NULL, false);
}

int bot_inbound_batch(struct bot *bot, const struct inbound *items, size_t count, const char *mark_key,
                      const char *mark_value) {
    return take_in(bot, items, count, mark_key, mark_value, true);
}

/* ---- after a restart ---- */

struct kept {
    char *channel, *chat, *sender, *service_id, *text;
    int64_t id, sent_ms;
};
struct kept_list {
    struct kept *items;
    size_t count;
    bool failed;
};

static void kept_free(struct kept *kept) {
    free(kept->channel);
    free(kept->chat);
    free(kept->sender);
    free(kept->service_id);
    free(kept->text);
}

static bool keep_one(void *user, const struct message_record *message) {
    struct kept_list *list = user;
    struct kept *grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    list->failed = !grown;
    if (!grown) return false;
    list->items = grown;
    struct kept *kept = &grown[list->count];
    *kept = (struct kept){.id = message->id,
                          .sent_ms = message->sent_ms > 0 ? message->sent_ms : message->created_ms,
                          .channel = strdup(message->channel),
                          .chat = strdup(message->chat),
                          .sender = strdup(message->sender),
                          .service_id = strdup(message->service_id),
                          .text = strdup(message->text)};
    list->failed = !kept->channel || !kept->chat || !kept->sender || !kept->service_id || !kept->text;
    if (list->failed)
        kept_free(kept);
    else
        list->count++;
    return !list->failed;
}

int commands_load(struct bot *bot) {
    int status = owners_load(bot);
    if (status == TB_OK) status = sessions_load(bot);
    struct kept_list list = {0};
    if (status == TB_OK) status = store_messages_unhandled(bot->ports.store, keep_one, &list);
    if (status == TB_OK && list.failed) status = TB_ENOMEM;
    for (size_t i = 0; i < list.count; i++) {
        struct kept *kept = &list.items[i];
        struct inbound inbound = {.channel = kept->channel,
                                  .chat = kept->chat,
                                  .sender = kept->sender,
                                  .service_id = kept->service_id,
                                  .text = kept->text,
                                  .size = strlen(kept->text),
                                  .sent_ms = kept->sent_ms};
        if (status == TB_OK) handle(bot, &inbound, kept->id);
        kept_free(kept);
    }
    free(list.items);
    return status;
}

int commands_create(struct bot *bot) {
    int status = sessions_create(bot);
    if (status < 0) return status;
    bot->requests = calloc(1, sizeof *bot->requests);
    return bot->requests ? TB_OK : TB_ENOMEM;
}
