/*
 * What comes in: getMe, the webhook, the menu of commands, then polling without end. See telegram_state.h. Always
 * holds: a poll never confirms what is not stored, since the offset it names was committed together with the messages
 * before it.
 */
#include "telegram_state.h"
#include "commands.h"
#include "service_url.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 50000
#define POLL_LIMIT 100
#define POLL_MARGIN_MS 10000 /* so much later than it promised, an answer is not waited for any more */
#define EMPTY_GAP_MS 300
#define RUSH_MOST 30 /* batches in a row that came at once; then each waits EMPTY_GAP_MS */
#define CONFLICT_MS 10000
#define CONFLICT_SAID_MS 3600000
#define MARK_MS 60000
#define KEEP_MS 1000
#define STALE_MS (6 * 86400000LL) /* after a week without updates the service may count anew */
#define PRESS_FRESH_MS 300000
#define MENU_MAX 100
#define MENU_TRIES 10
#define CALL_MS 30000

/* What one poll brought, until the store has it. */
struct telegram_batch {
    struct inbound *items;
    struct item {
        char chat[24], sender[24], id[72];
        char *text;
    } * owned;
    size_t count;
    int64_t next; /* offset */
};

static void flow_start(struct telegram *telegram);

static void flow_in(struct telegram *telegram, int64_t ms) {
    uv_timer_start(&telegram->timers[TELEGRAM_FLOW], telegram_flow_timer, (uint64_t)(ms > 0 ? ms : 0), 0);
}

/* The service could not be reached, or made no sense. wait_ms 0: the back-off. */
static void flow_failed(struct telegram *telegram, const char *why, int64_t wait_ms) {
    telegram->failures++;
    telegram->probing = true;
    if (telegram->failures >= 2) channel_set_state(&telegram->channel, CHANNEL_DOWN, why);
    flow_in(telegram, wait_ms > 0 ? wait_ms : telegram_backoff_ms(telegram->failures));
}

/* Errors that all methods share. True: dealt with. */
static bool flow_error(struct telegram *telegram, const struct telegram_reply *reply) {
    if (reply->reached == HTTP_ANSWERED && reply->code == 200) return false;
    if (reply->reached == HTTP_ANSWERED && (reply->code == 401 || reply->code == 404))
        telegram_token_refused(telegram, reply->code);
    else if (reply->reached == HTTP_ANSWERED && reply->code == 429 && reply->answer.retry_after_s > 0)
        flow_failed(telegram, reply->why, service_ms((reply->answer.retry_after_s + 1) * 1000));
    else
        flow_failed(telegram, reply->why, 0);
    return true;
}

/* ---- getMe, deleteWebhook ---- */

/* "OFFSET UPDATED_MS POLLED_MS" */
static void load_mark(struct telegram *telegram) {
    char key[64], *mark = NULL;
    int64_t offset = 0, updated_ms = 0, polled_ms = 0;
    snprintf(key, sizeof key, "telegram/offset/%" PRId64, telegram->me.id);
    if (store_get(telegram->channel.bot->ports.store, key, &mark) == TB_OK &&
        sscanf(mark, "%" SCNd64 " %" SCNd64 " %" SCNd64, &offset, &updated_ms, &polled_ms) != 3)
        offset = updated_ms = polled_ms = 0;
    free(mark);
    telegram->offset = offset;
    telegram->updated_ms = updated_ms;
    telegram->polled_ms = telegram->marked_ms = polled_ms;
}

static void on_me(struct telegram *telegram, void *user, const struct telegram_reply *reply) {
    const char *why = NULL;
    struct telegram_me me = {0};
    (void)user;
    telegram->flow = NULL;
    if (flow_error(telegram, reply)) return;
    if (telegram_me_decode(&reply->answer, &me, &why) < 0) {
        telegram_complain(telegram, "getMe", why);
        flow_failed(telegram, why, 0);
        return;
    }
    telegram->failures = 0;
    if (telegram->me.id != me.id || telegram->offset == 0) {
        telegram->me = me;
        load_mark(telegram);
    }
    telegram->me = me;
    channel_set_state(&telegram->channel, CHANNEL_UP, NULL);
    telegram->phase = TELEGRAM_WEBHOOK;
    telegram->menu_step = 0;
    telegram->menu_tries = 0;
    uv_timer_start(&telegram->timers[TELEGRAM_MENU], telegram_menu_timer, 0, 0);
    flow_start(telegram);
}

/* A webhook that is set makes every poll fail. That it cannot be removed is no reason not to poll. */
static void on_webhook(struct telegram *telegram, void *user, const struct telegram_reply *reply) {
    (void)user;
    telegram->flow = NULL;
    bool refused = reply->reached == HTTP_ANSWERED && reply->code == 400;
    if (!refused && flow_error(telegram, reply)) return;
    if (refused) bot_log(telegram->channel.bot, 1, "telegram: deleteWebhook: %s", reply->why);
    telegram->failures = 0;
    channel_set_state(&telegram->channel, CHANNEL_UP, NULL);
    telegram->phase = TELEGRAM_POLL;
    flow_start(telegram);
}

/* ---- the menu of commands ---- */

/* Bare "/start" is what every chat begins with and is answered with the help, so the menu does not offer it. */
static char *menu_json(enum lang lang) {
    struct telegram_command *commands = calloc(MENU_MAX, sizeof *commands);
    const char *name = NULL, *help = NULL;
    size_t count = 0;
    for (size_t i = 0; commands && count < MENU_MAX && commands_menu(i, lang, &name, &help); i++)
        if (strcmp(name, "start") != 0 && telegram_command_make(name, help, &commands[count])) count++;
    char *json = commands ? telegram_encode_commands(commands, count, lang == LANG_ZH ? "zh" : NULL) : NULL;
    free(commands);
    return json;
}

static void on_menu(struct telegram *telegram, void *user, const struct telegram_reply *reply) {
    (void)user;
    uv_timer_t *timer = &telegram->timers[TELEGRAM_MENU];
    if (telegram->phase == TELEGRAM_QUIET) return;
    bool answered = reply->reached == HTTP_ANSWERED, done = answered && reply->code == 200;
    bool refused = answered && reply->code < 500 && reply->code != 429;
    telegram->menu_tries++;
    if (done || refused || telegram->menu_tries >= MENU_TRIES) {
        if (!done) bot_log(telegram->channel.bot, 1, "telegram: the menu of commands could not be set: %s", reply->why);
        telegram->menu_step++;
        telegram->menu_tries = 0;
        uv_timer_start(timer, telegram_menu_timer, 0, 0);
        return;
    }
    int64_t wait_ms = answered && reply->code == 429 ? service_ms((reply->answer.retry_after_s + 1) * 1000)
                                                     : telegram_backoff_ms(telegram->menu_tries);
    uv_timer_start(timer, telegram_menu_timer, (uint64_t)wait_ms, 0);
}

void telegram_menu_timer(uv_timer_t *timer) {
    struct telegram *telegram = timer->data;
    if (telegram->phase == TELEGRAM_QUIET || telegram->menu_step > 1) return;
    struct telegram_request request = {.method = "setMyCommands",
                                       .json = menu_json(telegram->menu_step == 0 ? LANG_EN : LANG_ZH),
                                       .timeout_ms = CALL_MS};
    if (telegram_call(telegram, &request, on_menu, NULL, NULL) == TB_OK) return;
    telegram->menu_step = 2;
    bot_log(telegram->channel.bot, 1, "telegram: the menu of commands could not be set: out of memory");
}

/* ---- a batch ---- */

void telegram_batch_free(struct telegram_batch *batch) {
    if (!batch) return;
    for (size_t i = 0; batch->owned && i < batch->count; i++)
        free(batch->owned[i].text);
    free(batch->owned);
    free(batch->items);
    free(batch);
}

/* Takes text. Pointers into `owned` are set when the batch is given: it does not move before. */
static void batch_add(struct telegram_batch *batch, const struct telegram_update *update, char *text, const char *id,
                      int64_t sent_ms) {
    struct item *item = &batch->owned[batch->count];
    snprintf(item->chat, sizeof item->chat, "%" PRId64, update->chat);
    snprintf(item->sender, sizeof item->sender, "%" PRId64, update->from);
    snprintf(item->id, sizeof item->id, "%s", id);
    item->text = text;
    batch->items[batch->count++] = (struct inbound){.channel = "telegram",
                                                    .chat = item->chat,
                                                    .sender = item->sender,
                                                    .service_id = item->id,
                                                    .text = text,
                                                    .size = strlen(text),
                                                    .sent_ms = sent_ms,
                                                    .group = update->group};
}

static int take_message(struct telegram *telegram, struct telegram_batch *batch, const struct telegram_update *update) {
    bool zh = telegram->channel.bot->ports.settings->language == LANG_ZH;
    char *text = NULL, id[72];
    int status = telegram_heard(update, &telegram->me, zh ? "帮助" : "help", &text);
    if (!text) return status;
    snprintf(id, sizeof id, "%" PRId64 "/%" PRId64, update->chat, update->message);
    batch_add(batch, update, text, id, update->sent_ms);
    return TB_OK;
}

/* A press has no time of its own. After a pause of ours it may be as old as the last answered poll, and counts as that
 * old: a command too old to be carried out is asked for again rather than done by surprise. */
static int take_press(struct telegram *telegram, struct telegram_batch *batch, const struct telegram_update *update) {
    char text[TELEGRAM_DATA_MAX];
    if (!telegram_pressed(telegram, update, text, sizeof text)) return TB_OK;
    char *copy = strdup(text);
    if (!copy) return TB_ENOMEM;
    bool fresh = telegram->polled_ms == 0 || telegram_wall_ms(telegram) - telegram->polled_ms < PRESS_FRESH_MS;
    batch_add(batch, update, copy, update->query, fresh ? 0 : telegram->polled_ms);
    return TB_OK;
}

static int take_update(struct telegram *telegram, struct telegram_batch *batch, const struct telegram_update *update) {
    switch (update->kind) {
    case TELEGRAM_BAD:
        telegram_complain(telegram, "getUpdates", update->why);
        return TB_OK;
    case TELEGRAM_MESSAGE:
        return take_message(telegram, batch, update);
    case TELEGRAM_PRESS:
        return take_press(telegram, batch, update);
    case TELEGRAM_MOVED:
        telegram_moved(telegram, update->chat, update->moved_to);
        return TB_OK;
    case TELEGRAM_IGNORED:
        return TB_OK;
    }
    return TB_OK;
}

static struct telegram_batch *batch_of(struct telegram *telegram, const struct telegram_update *updates, size_t count) {
    struct telegram_batch *batch = calloc(1, sizeof *batch);
    if (!batch) return NULL;
    batch->items = calloc(count ? count : 1, sizeof *batch->items);
    batch->owned = calloc(count ? count : 1, sizeof *batch->owned);
    int status = batch->items && batch->owned ? TB_OK : TB_ENOMEM;
    for (size_t i = 0; i < count && status == TB_OK; i++)
        status = take_update(telegram, batch, &updates[i]);
    if (status == TB_OK) return batch;
    telegram_batch_free(batch);
    return NULL;
}

/* Gives the batch and the offset to the store, both or neither. */
static int mark_and_give(struct telegram *telegram, const struct telegram_batch *batch, int64_t offset) {
    char key[64], mark[80];
    snprintf(key, sizeof key, "telegram/offset/%" PRId64, telegram->me.id);
    snprintf(mark, sizeof mark, "%" PRId64 " %" PRId64 " %" PRId64, offset, telegram->updated_ms, telegram->polled_ms);
    return bot_inbound_batch(telegram->channel.bot, batch ? batch->items : NULL, batch ? batch->count : 0, key, mark);
}

/* The next poll. A service that hands out updates without end, or one again and again, is not asked without a pause. */
static void batch_stored(struct telegram *telegram, int64_t next) {
    int64_t took_ms = telegram_mono_ms(telegram) - telegram->poll_begun_ms;
    telegram->offset = next;
    telegram->marked_ms = telegram->polled_ms;
    telegram->phase = TELEGRAM_POLL;
    telegram->rush = took_ms < service_ms(EMPTY_GAP_MS) ? telegram->rush + 1 : 0;
    if (telegram->rush > RUSH_MOST)
        flow_in(telegram, service_ms(EMPTY_GAP_MS));
    else
        flow_start(telegram);
}

static void batch_give(struct telegram *telegram) {
    struct telegram_batch *batch = telegram->batch;
    int64_t era = telegram->era;
    telegram->updated_ms = telegram_wall_ms(telegram);
    telegram->batch = NULL; /* a message of it may be a logout, and one behind it a login */
    int status = mark_and_give(telegram, batch, batch->next);
    bool over = telegram->phase == TELEGRAM_QUIET || telegram->era != era;
    if (status == TB_OK) {
        telegram->store_complained = false;
        if (!over) batch_stored(telegram, batch->next);
        telegram_batch_free(batch);
        return;
    }
    if (!telegram->store_complained)
        bot_log(telegram->channel.bot, 1, "telegram: messages could not be stored: %s; tried again until they are",
                tb_error_text(status));
    telegram->store_complained = true;
    if (over) {
        telegram_batch_free(batch); /* not confirmed: it comes again */
        return;
    }
    telegram->batch = batch;
    telegram->phase = TELEGRAM_KEEP;
    flow_in(telegram, service_ms(KEEP_MS));
}

/* ---- polling ---- */

static void poll_conflict(struct telegram *telegram, const struct telegram_reply *reply) {
    if (strstr(reply->answer.description, "webhook")) {
        telegram->phase = TELEGRAM_WEBHOOK;
        flow_failed(telegram, "a webhook is set", 0);
        return;
    }
    static const char why[] = "another program polls with this token";
    int64_t now_ms = telegram_mono_ms(telegram);
    if (telegram->conflict_said_ms == 0 || now_ms - telegram->conflict_said_ms >= CONFLICT_SAID_MS) {
        bot_log(telegram->channel.bot, 1, "telegram: %s", why);
        telegram->conflict_said_ms = now_ms;
    }
    telegram->failures++;
    telegram->probing = false; /* the other program would only be cut off for a moment */
    channel_set_state(&telegram->channel, CHANNEL_DOWN, why);
    flow_in(telegram, service_ms(CONFLICT_MS) + telegram_backoff_ms(telegram->failures));
}

/* Nothing came. At most every 0.3 s, also where the service does not wait; that we listened is noted now and then. */
static void poll_empty(struct telegram *telegram) {
    int64_t wait_ms = telegram->poll_begun_ms + service_ms(EMPTY_GAP_MS) - telegram_mono_ms(telegram);
    if (telegram->polled_ms - telegram->marked_ms >= MARK_MS || telegram->polled_ms < telegram->marked_ms) {
        telegram->marked_ms = telegram->polled_ms;
        if (mark_and_give(telegram, NULL, telegram->offset) < 0)
            bot_log(telegram->channel.bot, 3, "telegram: the time of the last poll could not be noted");
    }
    if (telegram->phase == TELEGRAM_QUIET) return;
    if (wait_ms > 0)
        flow_in(telegram, wait_ms);
    else
        flow_start(telegram);
}

static void poll_answered(struct telegram *telegram, const struct telegram_update *updates, size_t count,
                          int64_t next) {
    struct telegram_batch *batch = NULL;
    if (count > 0 && next == 0) { /* nothing to go past it by */
        telegram_complain(telegram, "getUpdates", updates[0].why);
        flow_failed(telegram, "updates without a readable id", 0);
        return;
    }
    if (count > 0 && !(batch = batch_of(telegram, updates, count))) {
        flow_failed(telegram, tb_error_text(TB_ENOMEM), 0);
        return;
    }
    telegram->failures = 0;
    telegram->probing = false;
    telegram->limit = POLL_LIMIT;
    telegram->polled_ms = telegram_wall_ms(telegram);
    channel_set_state(&telegram->channel, CHANNEL_UP, NULL);
    if (!batch) {
        poll_empty(telegram);
        return;
    }
    batch->next = next;
    telegram->batch = batch;
    batch_give(telegram);
}

static void on_poll(struct telegram *telegram, void *user, const struct telegram_reply *reply) {
    struct telegram_update *updates = NULL;
    size_t count = 0;
    int64_t next = 0;
    const char *why = NULL;
    (void)user;
    telegram->flow = NULL;
    if (reply->too_large && telegram->limit > 1) telegram->limit /= 2;
    if (reply->reached == HTTP_ANSWERED && reply->code == 409) {
        poll_conflict(telegram, reply);
        return;
    }
    if (flow_error(telegram, reply)) return;
    if (telegram_updates_decode(&reply->answer, &updates, &count, &next, &why) < 0) {
        telegram_complain(telegram, "getUpdates", why);
        flow_failed(telegram, why, 0);
        return;
    }
    poll_answered(telegram, updates, count, next);
    free(updates);
}

/* ---- the flow ---- */

static void flow_start(struct telegram *telegram) {
    struct telegram_request request = {.timeout_ms = CALL_MS};
    telegram_done *done = on_me;
    if (telegram->phase == TELEGRAM_GREET) {
        request.method = "getMe";
        request.json = strdup("{}");
    } else if (telegram->phase == TELEGRAM_WEBHOOK) {
        request.method = "deleteWebhook";
        request.json = strdup("{\"drop_pending_updates\":false}");
        done = on_webhook;
    } else {
        bool stale = telegram_wall_ms(telegram) - telegram->updated_ms > STALE_MS;
        int64_t timeout_s = service_ms(POLL_MS) / 1000 > 0 ? service_ms(POLL_MS) / 1000 : 1;
        if (telegram->probing) timeout_s = 0;
        request.method = "getUpdates";
        request.json = telegram_encode_poll(stale ? 0 : telegram->offset, telegram->limit, timeout_s);
        request.timeout_ms = POLL_MS + POLL_MARGIN_MS;
        telegram->poll_begun_ms = telegram_mono_ms(telegram);
        done = on_poll;
    }
    if (telegram_call(telegram, &request, done, NULL, &telegram->flow) < 0)
        flow_failed(telegram, tb_error_text(TB_ENOMEM), 0);
}

void telegram_flow_timer(uv_timer_t *timer) {
    struct telegram *telegram = timer->data;
    if (telegram->phase == TELEGRAM_KEEP)
        batch_give(telegram);
    else if (telegram->phase != TELEGRAM_QUIET && !telegram->flow)
        flow_start(telegram);
}
