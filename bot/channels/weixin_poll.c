/*
 * weixin_poll.c: what persons write: msg/notifystart once, then getupdates after getupdates, each with the cursor that
 * the last one gave. Always holds: one request at a time; a batch and its cursor are stored in one transaction before
 * the next poll; no wait is shorter for a service that fails.
 */
#include "service_url.h"
#include "weixin_state.h"
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_MS 35000     /* of a poll where the service gives no hint … */
#define HOLD_MORE_MS 5000 /* … and how much longer we wait: hanging up first can lose a message */
#define HOLD_MOST_MS 600000
#define FAILED_MS 2000
#define FAILED_THIRD_MS 30000
#define KEEP_MS 1000
#define QUICK_MS 1000 /* an answer within this was not held … */
#define QUICK_LEAST_MS 50
#define QUICK_MOST 3 /* … if it was empty, so many in a row are answered by asking at once … */
#define RUSH_MOST 30 /* … and so many with messages */
#define DEAD_FIRST_MS 60000
#define DEAD_MS 3600000
#define ANSWER_MAX (4u << 20)

static void ask(struct weixin *weixin);
static void notify(struct weixin *weixin);
static void take_batch(struct weixin *weixin);

static void on_timer(uv_timer_t *timer) {
    struct weixin *weixin = timer->data;
    if (weixin->poll.phase == WEIXIN_KEEP)
        take_batch(weixin);
    else if (!weixin->poll.cursor)
        weixin_poll_begin(weixin);
    else if (weixin->poll.dead > 0)
        notify(weixin); /* it sometimes wakes a token */
    else
        ask(weixin);
}

static void pause_for(struct weixin *weixin, enum weixin_phase phase, int64_t ms) {
    weixin->poll.phase = phase;
    uv_timer_start(&weixin->poll.timer, on_timer, (uint64_t)service_ms(ms), 0);
}

/* ---- how it went ---- */

static void up(struct weixin *weixin) {
    weixin->poll.failures = weixin->poll.in_a_row = weixin->poll.dead = 0;
    channel_set_state(&weixin->channel, CHANNEL_UP, NULL);
}

static void failed(struct weixin *weixin, const char *why) {
    struct weixin_polling *poll = &weixin->poll;
    poll->in_a_row++;
    poll->failures = poll->failures % 3 + 1;
    if (poll->in_a_row >= 2 && poll->dead == 0) channel_set_state(&weixin->channel, CHANNEL_DOWN, why);
    if (poll->dead > 0)
        pause_for(weixin, WEIXIN_PAUSE, DEAD_FIRST_MS); /* the look told us nothing */
    else
        pause_for(weixin, WEIXIN_PAUSE, poll->failures == 3 ? FAILED_THIRD_MS : FAILED_MS);
}

void weixin_poll_dead(struct weixin *weixin) {
    struct weixin_polling *poll = &weixin->poll;
    if (!weixin->bound || poll->phase == WEIXIN_IDLE) return;
    if (poll->phase == WEIXIN_KEEP) return;                    /* what it brought is stored first */
    if (poll->dead > 0 && poll->phase == WEIXIN_PAUSE) return; /* known */
    http_call_cancel(poll->call);
    poll->call = NULL;
    poll->dead++;
    channel_set_state(&weixin->channel, CHANNEL_LOGGED_OUT,
                      weixin_zh(weixin)
                          ? "微信的登录失效了(或被别处登录顶掉),要重新扫码:trainbot login weixin"
                          : "the WeChat login is not valid any more (or another one took its place); scan "
                            "again: trainbot login weixin");
    pause_for(weixin, WEIXIN_PAUSE, poll->dead == 1 ? DEAD_FIRST_MS : DEAD_MS);
}

static bool at_once(int64_t took_ms) {
    int64_t quick_ms = service_ms(QUICK_MS);
    return took_ms <= (quick_ms > QUICK_LEAST_MS ? quick_ms : QUICK_LEAST_MS);
}

/* The next poll: at once, but where a service that has nothing to say says so without end, or hands out messages
 * without end, or one again and again. */
static void ask_next(struct weixin *weixin) {
    if (weixin->poll.quick >= QUICK_MOST || weixin->poll.rush > RUSH_MOST)
        pause_for(weixin, WEIXIN_PAUSE, KEEP_MS);
    else
        ask(weixin);
}

/* Empty, but good. */
static void empty(struct weixin *weixin, bool held) {
    up(weixin);
    weixin->poll.quick = held ? 0 : weixin->poll.quick + 1;
    weixin->poll.rush = 0;
    ask_next(weixin);
}

/* ---- a batch ---- */

static bool print_known(const struct weixin_polling *poll, uint64_t print) {
    for (size_t i = 0; print && i < WEIXIN_PRINTS_MAX; i++)
        if (poll->prints[i] == print) return true;
    return false;
}

/* The same message sometimes comes again under another id, or without one. */
static bool said_before(const struct weixin_polling *poll, size_t index) {
    const struct weixin_message *messages = poll->batch.messages;
    uint64_t print = weixin_message_print(&messages[index]);
    for (size_t i = 0; print && i < index; i++)
        if (weixin_message_print(&messages[i]) == print) return true;
    return print_known(poll, print);
}

static void keep_prints(struct weixin_polling *poll) {
    for (size_t i = 0; i < poll->batch.count; i++) {
        uint64_t print = weixin_message_print(&poll->batch.messages[i]);
        if (print && !print_known(poll, print)) poll->prints[poll->prints_at++ % WEIXIN_PRINTS_MAX] = print;
    }
}

static void load_prints(struct weixin *weixin) {
    struct weixin_polling *poll = &weixin->poll;
    char *key = weixin_key(weixin, "seen"), *value = NULL;
    memset(poll->prints, 0, sizeof poll->prints);
    poll->prints_at = 0;
    if (key && store_get(weixin->channel.bot->ports.store, key, &value) == TB_OK)
        for (char *at = value, *end = NULL; *at && poll->prints_at < WEIXIN_PRINTS_MAX; at = end) {
            uint64_t print = strtoull(at, &end, 16);
            if (end == at) break;
            poll->prints[poll->prints_at++] = print;
        }
    free(value);
    free(key);
}

/* As keep_prints will leave them, the oldest first. */
static int store_prints(struct weixin *weixin) {
    struct weixin_polling after = weixin->poll;
    char text[WEIXIN_PRINTS_MAX * 17 + 1], *key = weixin_key(weixin, "seen");
    size_t n = 0;
    keep_prints(&after);
    text[0] = 0;
    for (size_t i = 0; i < WEIXIN_PRINTS_MAX; i++) {
        uint64_t print = after.prints[(after.prints_at + i) % WEIXIN_PRINTS_MAX];
        if (print) n += (size_t)snprintf(text + n, sizeof text - n, "%016llx ", (unsigned long long)print);
    }
    int status = key ? store_set(weixin->channel.bot->ports.store, key, text) : TB_ENOMEM;
    free(key);
    return status;
}

/* Tokens, prints, messages and the cursor are one transaction, which bot_inbound_batch commits. */
static int store_batch(struct weixin *weixin, struct inbound *items, char (*identities)[WEIXIN_IDENTITY_MAX]) {
    struct weixin_polling *poll = &weixin->poll;
    struct bot *bot = weixin->channel.bot;
    int64_t now_ms = clock_wall_ms(bot->ports.clock);
    int status = poll->batch.count > 0 ? store_prints(weixin) : TB_OK;
    size_t count = 0;
    for (size_t i = 0; i < poll->batch.count && status == TB_OK; i++) {
        const struct weixin_message *message = &poll->batch.messages[i];
        int64_t sent_ms = weixin_time_ms(message->create_time_ms, now_ms);
        if (message->context_token)
            status = weixin_context_put(weixin, message->from, message->context_token, sent_ms ? sent_ms : now_ms);
        if (said_before(poll, i)) continue;
        weixin_message_identity(message, identities[count]);
        items[count] = (struct inbound){.channel = "weixin",
                                        .chat = message->from,
                                        .sender = message->from,
                                        .service_id = identities[count],
                                        .text = message->text,
                                        .size = message->size,
                                        .sent_ms = sent_ms};
        count++;
    }
    char *key = weixin_key(weixin, "cursor");
    if (!key) status = TB_ENOMEM;
    if (status == TB_OK)
        status = bot_inbound_batch(bot, items, count, poll->batch.cursor ? key : NULL, poll->batch.cursor);
    free(key);
    return status;
}

static void take_batch(struct weixin *weixin) {
    struct weixin_polling *poll = &weixin->poll;
    size_t room = poll->batch.count ? poll->batch.count : 1;
    struct inbound *items = calloc(room, sizeof *items);
    char(*identities)[WEIXIN_IDENTITY_MAX] = calloc(room, sizeof *identities);
    int status = items && identities ? store_batch(weixin, items, identities) : TB_ENOMEM;
    free(items);
    free(identities);
    if (weixin->poll.phase == WEIXIN_IDLE) return; /* a command in it ended the polling */
    if (status < 0) {
        if (poll->phase != WEIXIN_KEEP)
            bot_log(weixin->channel.bot, 0, "weixin: %zu messages wait until the store works: %s", poll->batch.count,
                    tb_error_text(status));
        pause_for(weixin, WEIXIN_KEEP, KEEP_MS);
        return;
    }
    keep_prints(poll);
    if (poll->batch.cursor) {
        free(poll->cursor);
        poll->cursor = poll->batch.cursor;
        poll->batch.cursor = NULL;
    }
    weixin_updates_clear(&poll->batch);
    ask_next(weixin);
}

/* ---- getupdates ---- */

static void take_updates(struct weixin *weixin, const struct http_answer *answer, int64_t took_ms) {
    struct weixin_polling *poll = &weixin->poll;
    struct weixin_updates updates;
    struct weixin_odd odd = {{0}};
    char why[200];
    int status = weixin_decode_updates(answer->body, answer->size, &updates, &odd);
    if (odd.text[0]) weixin_note_odd(weixin, "getupdates", odd.text);
    if (status < 0) {
        snprintf(why, sizeof why, "getupdates: %s", odd.text[0] ? odd.text : tb_error_text(status));
        failed(weixin, why);
        return;
    }
    if (updates.verdict.code != 0) {
        snprintf(why, sizeof why, "getupdates: %lld %s", (long long)updates.verdict.code, updates.verdict.errmsg);
        bool dead = updates.verdict.code == WEIXIN_CODE_DEAD;
        weixin_updates_clear(&updates);
        if (dead)
            weixin_poll_dead(weixin);
        else
            failed(weixin, why);
        return;
    }
    if (updates.timeout_ms > 0) poll->hint_ms = updates.timeout_ms < HOLD_MOST_MS ? updates.timeout_ms : HOLD_MOST_MS;
    bool moved = updates.cursor && strcmp(updates.cursor, poll->cursor) != 0;
    if (updates.count == 0 && !moved) {
        weixin_updates_clear(&updates);
        empty(weixin, !at_once(took_ms));
        return;
    }
    up(weixin);
    poll->quick = updates.count == 0 && at_once(took_ms) ? poll->quick + 1 : 0;
    poll->rush = updates.count > 0 && at_once(took_ms) ? poll->rush + 1 : 0;
    poll->batch = updates;
    take_batch(weixin);
}

/* An edge in front of the service ended a held request: nothing came, and later polls end by themselves before it does.
 */
static void edge_ended(struct weixin *weixin, int64_t took_ms) {
    struct weixin_polling *poll = &weixin->poll;
    if (took_ms < service_ms(1000)) {
        up(weixin);
        pause_for(weixin, WEIXIN_PAUSE, KEEP_MS);
        return;
    }
    int64_t edge_ms = took_ms * 7 / 8;
    if (poll->edge_ms == 0 || edge_ms < poll->edge_ms) poll->edge_ms = edge_ms;
    empty(weixin, true);
}

static void on_updates(void *user, const struct http_answer *answer) {
    struct weixin *weixin = user;
    int64_t took_ms = (int64_t)uv_now(weixin->loop) - weixin->poll.begun_ms;
    weixin->poll.call = NULL;
    if (answer->timed_out && answer->reached != HTTP_NOT_SENT)
        empty(weixin, true);
    else if (answer->reached != HTTP_ANSWERED)
        failed(weixin, answer->why);
    else if (answer->status == 524)
        edge_ended(weixin, took_ms);
    else if (answer->status == 401)
        weixin_poll_dead(weixin);
    else if (answer->status < 200 || answer->status > 299 || answer->too_large) {
        if (answer->too_large) weixin_note_odd(weixin, "getupdates", "body: too large");
        failed(weixin, answer->why[0] ? answer->why : "getupdates: an answer that is too large");
    } else
        take_updates(weixin, answer, took_ms);
}

static int64_t poll_limit_ms(const struct weixin_polling *poll) {
    int64_t more_ms = service_ms(HOLD_MORE_MS), hold_ms = poll->hint_ms > 0 ? poll->hint_ms : service_ms(HOLD_MS);
    int64_t limit_ms = hold_ms + (more_ms < 500 ? 500 : more_ms);
    return poll->edge_ms > 0 && poll->edge_ms < limit_ms ? poll->edge_ms : limit_ms;
}

static void ask(struct weixin *weixin) {
    struct weixin_polling *poll = &weixin->poll;
    struct weixin_request request = {.path = "getupdates",
                                     .body = weixin_encode_poll(weixin->client_version, poll->cursor),
                                     .timeout_ms = poll_limit_ms(poll),
                                     .answer_max = ANSWER_MAX};
    poll->phase = WEIXIN_ASK;
    poll->begun_ms = (int64_t)uv_now(weixin->loop);
    int status = weixin_request_start(&weixin->api, &request, on_updates, weixin, &poll->call);
    if (status < 0) failed(weixin, tb_error_text(status));
}

/* ---- begin and end ---- */

/* Its failures do not matter; that it is answered well shows that the service is there. */
static void on_notified(void *user, const struct http_answer *answer) {
    struct weixin *weixin = user;
    struct weixin_verdict verdict;
    struct weixin_odd odd = {{0}};
    weixin->poll.call = NULL;
    bool good = answer->reached == HTTP_ANSWERED && answer->status >= 200 && answer->status < 300;
    if (good && weixin_decode_verdict(answer->body, answer->size, &verdict, &odd) < 0) {
        weixin_note_odd(weixin, "msg/notifystart", odd.text);
        good = false;
    }
    if (good && verdict.code == 0 && weixin->poll.dead == 0) up(weixin);
    ask(weixin);
}

static void notify(struct weixin *weixin) {
    struct weixin_request request = {.path = "msg/notifystart",
                                     .body = weixin_encode_notify(weixin->client_version),
                                     .timeout_ms = weixin_limit_ms(WEIXIN_SMALL_MS)};
    weixin->poll.phase = WEIXIN_NOTIFY;
    if (weixin_request_start(&weixin->api, &request, on_notified, weixin, &weixin->poll.call) < 0) ask(weixin);
}

void weixin_poll_begin(struct weixin *weixin) {
    struct weixin_polling *poll = &weixin->poll;
    char *key = weixin_key(weixin, "cursor"), *cursor = NULL;
    poll->failures = poll->in_a_row = poll->dead = poll->quick = poll->rush = 0;
    poll->hint_ms = poll->edge_ms = 0;
    int status = key ? store_get(weixin->channel.bot->ports.store, key, &cursor) : TB_ENOMEM;
    if (status == TB_ENOTFOUND) cursor = strdup("");
    free(key);
    free(poll->cursor);
    poll->cursor = cursor;
    load_prints(weixin);
    if (cursor) {
        notify(weixin);
        return;
    }
    /* without the cursor a poll could bring old messages: the store is asked again first */
    bot_log(weixin->channel.bot, 0, "weixin: the cursor cannot be read: %s", tb_error_text(status));
    pause_for(weixin, WEIXIN_PAUSE, FAILED_MS);
}

void weixin_poll_end(struct weixin *weixin) {
    struct weixin_polling *poll = &weixin->poll;
    http_call_cancel(poll->call);
    poll->call = NULL;
    uv_timer_stop(&poll->timer);
    weixin_updates_clear(&poll->batch);
    free(poll->cursor);
    poll->cursor = NULL;
    poll->phase = WEIXIN_IDLE;
}

void weixin_poll_now(struct weixin *weixin) {
    if (weixin->poll.phase != WEIXIN_PAUSE) return;
    uv_timer_stop(&weixin->poll.timer);
    on_timer(&weixin->poll.timer);
}
