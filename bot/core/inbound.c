/*
 * inbound.c: from a channel's message to a command. Always holds: a message is stored before it is understood, a second
 * delivery of it changes nothing, and "handled" is marked in the transaction that holds its effect and its reply.
 */
#include "outbox.h"
#include "pairing.h"
#include "requests.h"
#include "text.h"

#include <openssl/crypto.h>
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

/* One message on its way from a channel to its command. */
struct arrival {
    const struct inbound *inbound;
    char *text;     /* as it is stored */
    char code[9];   /* id of the live pairing code that it is; "" none */
    bool try, hint; /* of somebody unknown: counts as a wrong code; is answered */
    enum role role; /* of the sender, as of epoch */
    uint64_t epoch;
    int64_t id; /* its row; 0: known already, or not wanted */
};

static enum role role_now(struct bot *bot, const struct arrival *arrival) {
    if (arrival->epoch == bot->requests->roles_epoch) return arrival->role;
    return access_role(bot, arrival->inbound->channel, arrival->inbound->sender);
}

/* A group that was let in. */
static bool group_in(struct bot *bot, const struct inbound *inbound) {
    const struct session *session = session_find(bot, inbound->channel, inbound->chat);
    return (session && session->group) || access_group(bot, inbound->channel, inbound->chat);
}

static void handle(struct bot *bot, const struct arrival *arrival) {
    const struct inbound *inbound = arrival->inbound;
    struct asker asker = {.channel = inbound->channel,
                          .chat = inbound->chat,
                          .sender = inbound->sender,
                          .role = role_now(bot, arrival)};
    struct heard heard = {.asker = &asker, .sent_ms = inbound->sent_ms, .group = inbound->group};
    bool here = !inbound->group || group_in(bot, inbound); /* by now: it was stored while it might have been let in */
    if (asker.role != ROLE_NONE && here && !arrival->code[0]) {
        outbox_heard(bot, inbound->channel, inbound->chat, inbound->sent_ms);
        if (!session_open(bot, inbound->channel, inbound->chat, inbound->sender, inbound->group))
            bot_log(bot, 1, "too many conversations: %s is not told of runs", inbound->channel);
        request_begin_message(bot, &asker, inbound->text, inbound->size, arrival->id, inbound->service_id,
                              inbound->sent_ms);
        return;
    }
    handled_mark(bot, arrival->id, inbound->service_id, inbound->sent_ms);
    if (arrival->code[0])
        pairing_take(bot, &heard, arrival->code);
    else if (arrival->try)
        pairing_wrong(bot, &heard);
    if (arrival->hint && !arrival->code[0]) pairing_hint(bot, &heard);
}

/* ---- what is wanted at all ---- */

/* The id of the live code that a text is. */
static void find_code(struct bot *bot, struct arrival *arrival, bool *ret_looks) {
    char form[CODE_LINK + 1];
    struct codes codes;
    *ret_looks = bot->requests->codes_live && code_looks(arrival->inbound->text, arrival->inbound->size, form);
    if (!*ret_looks) return;
    codes_load(bot, &codes);
    *ret_looks = codes.count > 0;
    const struct code *code = codes_match(&codes, form, arrival->inbound->channel);
    if (code) snprintf(arrival->code, sizeof arrival->code, "%s", code->id);
    OPENSSL_cleanse(form, sizeof form);
}

/* Strangers leave nothing in the store, but for what gets an answer or counts as a wrong code: both are bounded.
 * Whoever pairs in this batch is no stranger for the rest of it. */
static bool wanted(struct bot *bot, struct arrival *arrival, bool *pairs) {
    const struct inbound *inbound = arrival->inbound;
    bool looks = false;
    arrival->epoch = bot->requests->roles_epoch;
    arrival->role = access_role(bot, inbound->channel, inbound->sender);
    if (inbound->group && arrival->role == ROLE_NONE && !*pairs) return false;
    find_code(bot, arrival, &looks);
    bool lets_in = arrival->code[0] && (!inbound->group || arrival->role >= ROLE_OPERATOR);
    *pairs = *pairs || lets_in;
    if (inbound->group) return *pairs || group_in(bot, inbound);
    if (arrival->role != ROLE_NONE || *pairs) return true;
    arrival->try = looks;
    arrival->hint = hint_take(bot, inbound->channel, inbound->sender);
    return arrival->try || arrival->hint;
}

/* ---- storing ---- */

#define KEY_GROUP "group" /* what a restart must know of a message, in its row's key: "group", "pair:ID", both */
#define KEY_CODE "pair:"

static int arrival_store(struct bot *bot, struct arrival *arrival) {
    const struct inbound *inbound = arrival->inbound;
    bool code = arrival->code[0] != '\0';
    char key[40];
    snprintf(key, sizeof key, "%s%s%s%s", inbound->group ? KEY_GROUP : "", inbound->group && code ? " " : "",
             code ? KEY_CODE : "", arrival->code);
    struct message_record record = {.channel = inbound->channel,
                                    .chat = inbound->chat,
                                    .sender = inbound->sender,
                                    .class = MESSAGE_INBOUND,
                                    .state = MESSAGE_NEW,
                                    .text = code ? "配对码 ***" : arrival->text,
                                    .key = key,
                                    .service_id = inbound->service_id ? inbound->service_id : "",
                                    .buttons = "",
                                    .created_ms = clock_wall_ms(bot->ports.clock),
                                    .sent_ms = inbound->sent_ms};
    int status = store_message_receive(bot->ports.store, &record, &arrival->id);
    if (status == TB_OK) handled_row(bot, arrival->id, false);
    return status == TB_EEXISTS ? TB_OK : status;
}

/* Everything that can fail without the store comes first: a batch of which a part was written must fail as a whole. */
static int arrivals_prepare(struct bot *bot, struct arrival *arrivals, const struct inbound *items, size_t count) {
    bool pairs = false;
    for (size_t i = 0; i < count; i++) {
        struct arrival arrival = {.inbound = &items[i]};
        if (!wanted(bot, &arrival, &pairs)) continue;
        arrivals[i] = arrival;
        arrivals[i].text = storable(items[i].text, items[i].size);
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
    for (size_t i = 0; arrivals && i < count; i++) {
        if (arrivals[i].text) OPENSSL_cleanse(arrivals[i].text, strlen(arrivals[i].text));
        free(arrivals[i].text);
    }
    free(arrivals);
}

/* Nothing was stored, or it was known: the stranger's turn is not used up. */
static void give_turns_back(struct bot *bot, const struct arrival *arrivals, size_t count, int status) {
    for (size_t i = 0; i < count; i++)
        if (arrivals[i].hint && (status < 0 || arrivals[i].id == 0))
            hint_give_back(bot, arrivals[i].inbound->channel, arrivals[i].inbound->sender);
}

/* mark_key: as bot_inbound_batch; commit: before the first is handled. */
static int take_in(struct bot *bot, const struct inbound *items, size_t count, const char *mark_key,
                   const char *mark_value, bool commit) {
    if (bot->leaving) return TB_EGONE; /* the next bot gets it */
    if (commit && bot->store_status < 0) return bot->store_status;
    struct arrival *arrivals = calloc(count ? count : 1, sizeof *arrivals);
    if (!arrivals) return TB_ENOMEM;
    int status = arrivals_prepare(bot, arrivals, items, count);
    if (status == TB_OK) status = arrivals_store(bot, arrivals, count);
    if (status == TB_OK && mark_key) status = store_set(bot->ports.store, mark_key, mark_value);
    if (status == TB_OK && commit) status = bot_commit(bot);
    give_turns_back(bot, arrivals, count, status);
    for (size_t i = 0; status == TB_OK && i < count; i++)
        if (arrivals[i].id > 0) handle(bot, &arrivals[i]);
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
    char *channel, *chat, *sender, *service_id, *text, *key;
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
    free(kept->key);
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
                          .text = strdup(message->text),
                          .key = strdup(message->key)};
    list->failed = !kept->channel || !kept->chat || !kept->sender || !kept->service_id || !kept->text || !kept->key;
    if (list->failed)
        kept_free(kept);
    else
        list->count++;
    return !list->failed;
}

/* As handle() had it before the restart; whether somebody unknown is answered is found out anew. */
static void handle_kept(struct bot *bot, const struct kept *kept) {
    struct inbound inbound = {.channel = kept->channel,
                              .chat = kept->chat,
                              .sender = kept->sender,
                              .service_id = kept->service_id,
                              .text = kept->text,
                              .size = strlen(kept->text),
                              .sent_ms = kept->sent_ms,
                              .group = strncmp(kept->key, KEY_GROUP, strlen(KEY_GROUP)) == 0};
    struct arrival arrival = {.inbound = &inbound, .id = kept->id};
    const char *code = strstr(kept->key, KEY_CODE);
    bool pairs = false;
    handled_row(bot, kept->id, true);
    if (!wanted(bot, &arrival, &pairs)) arrival.hint = arrival.try = false;
    if (code) snprintf(arrival.code, sizeof arrival.code, "%s", code + strlen(KEY_CODE));
    handle(bot, &arrival);
}

int commands_load(struct bot *bot) {
    struct codes codes;
    int status = owners_load(bot);
    if (status == TB_OK) status = sessions_load(bot);
    struct kept_list list = {0};
    if (status == TB_OK) status = store_messages_unhandled(bot->ports.store, keep_one, &list);
    if (status == TB_OK && list.failed) status = TB_ENOMEM;
    codes_load(bot, &codes);
    for (size_t i = 0; i < list.count; i++) {
        if (status == TB_OK) handle_kept(bot, &list.items[i]);
        kept_free(&list.items[i]);
    }
    free(list.items);
    return status;
}

int commands_create(struct bot *bot) {
    int status = sessions_create(bot);
    if (status < 0) return status;
    bot->requests = calloc(1, sizeof *bot->requests);
    if (bot->requests) bot->requests->codes_due_ms = INT64_MAX;
    return bot->requests ? TB_OK : TB_ENOMEM;
}
