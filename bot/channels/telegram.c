/* The channel "telegram": its life and its operations. See telegram.h and telegram_state.h. */
#include "telegram.h"
#include "service_url.h"
#include "telegram_state.h"
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAVE_MS 3000      /* so long a goodbye may take … */
#define LEAVE_QUIET_MS 300 /* … and so long nothing more may follow it */
#define EDIT_PRIVATE_MS 3000
#define EDIT_GROUP_MS 6000

static struct telegram *telegram_of(struct channel *channel) {
    return (struct telegram *)channel;
}

/* ---- on and off ---- */

void telegram_begin(struct telegram *telegram) {
    telegram->phase = TELEGRAM_GREET;
    telegram->era++;
    telegram->failures = 0;
    telegram->leaving_chat[0] = 0;
    channel_set_state(&telegram->channel, CHANNEL_CONNECTING, NULL);
    uv_timer_start(&telegram->timers[TELEGRAM_FLOW], telegram_flow_timer, 0, 0);
}

void telegram_quiet(struct telegram *telegram) {
    telegram->phase = TELEGRAM_QUIET;
    telegram_call_cancel(telegram, telegram->flow);
    telegram->flow = NULL;
    for (int i = 0; telegram->timers_open && i < TELEGRAM_TIMERS; i++)
        uv_timer_stop(&telegram->timers[i]);
    telegram_batch_free(telegram->batch); /* not confirmed: it comes again */
    telegram->batch = NULL;
    telegram_asks_free(telegram);
}

void telegram_token_refused(struct telegram *telegram, int code) {
    char why[sizeof telegram->channel.why];
    if (telegram->phase == TELEGRAM_QUIET && !telegram->leaving_chat[0]) return;
    telegram_quiet(telegram);
    telegram->leaving_chat[0] = 0;
    snprintf(
        why, sizeof why,
        code == 401
            ? "the token is not valid any more (401): get one from @BotFather into token_file, then: login telegram"
            : "the token is not one of the service's (404): check token_file and base_url, then: login telegram");
    channel_set_state(&telegram->channel, CHANNEL_LOGGED_OUT, why);
}

/* Reads the token anew, as a person may have put another one into the file. */
static int read_token(struct telegram *telegram, char *why, size_t why_size) {
    char reason[160] = "";
    int status = secret_read(&telegram->token, telegram->token_file, reason, sizeof reason);
    if (status == TB_OK && !telegram_token_valid(secret_reveal(&telegram->token))) {
        secret_clear(&telegram->token);
        status = TB_EINVAL;
        snprintf(reason, sizeof reason, "what token_file holds is not a bot's token (123456:ABC…)");
    }
    if (status < 0) snprintf(why, why_size, "%s; get the token from @BotFather into it", reason);
    return status;
}

/* ---- logging out ---- */

static void leave_done(struct telegram *telegram) {
    telegram->leaving_chat[0] = 0;
    uv_timer_stop(&telegram->timers[TELEGRAM_LEAVE]);
    channel_set_state(&telegram->channel, CHANNEL_LOGGED_OUT,
                      "logged out by command; to connect again: login telegram");
}

static void leave_timer(uv_timer_t *timer) {
    struct telegram *telegram = timer->data;
    int64_t left_ms = telegram->leave_until_ms - telegram_mono_ms(telegram);
    if (left_ms > 0 && telegram_sending_to(telegram, telegram->leaving_chat))
        uv_timer_start(timer, leave_timer, (uint64_t)left_ms, 0);
    else
        leave_done(telegram);
}

void telegram_left(struct telegram *telegram) {
    int64_t left_ms = telegram->leave_until_ms - telegram_mono_ms(telegram), quiet_ms = service_ms(LEAVE_QUIET_MS);
    if (quiet_ms > left_ms) quiet_ms = left_ms > 0 ? left_ms : 0;
    uv_timer_start(&telegram->timers[TELEGRAM_LEAVE], leave_timer, (uint64_t)quiet_ms, 0);
}

static void telegram_logout(struct channel *channel, const char *chat) {
    struct telegram *telegram = telegram_of(channel);
    if (telegram->phase == TELEGRAM_QUIET) return;
    telegram_quiet(telegram);
    snprintf(telegram->leaving_chat, sizeof telegram->leaving_chat, "%s", chat && chat[0] ? chat : "-");
    telegram->leave_until_ms = telegram_mono_ms(telegram) + service_ms(LEAVE_MS);
    uv_timer_start(&telegram->timers[TELEGRAM_LEAVE], leave_timer, (uint64_t)service_ms(LEAVE_MS), 0);
}

static int telegram_login(struct channel *channel, char *why, size_t why_size) {
    struct telegram *telegram = telegram_of(channel);
    if (telegram->phase != TELEGRAM_QUIET) return TB_OK;
    int status = read_token(telegram, why, why_size);
    if (status < 0) return status;
    if (telegram->leaving_chat[0]) leave_done(telegram);
    telegram->me = (struct telegram_me){0};
    telegram->offset = 0;
    telegram_begin(telegram);
    return TB_OK;
}

/* ---- start and stop ---- */

static int telegram_start(struct channel *channel, char *why, size_t why_size) {
    struct telegram *telegram = telegram_of(channel);
    char reason[200] = "";
    if (!service_url_base(telegram->base_url, NULL, reason, sizeof reason)) {
        snprintf(why, why_size, "base_url: %s", reason);
        return TB_EINVAL;
    }
    struct http_client_options options = {.loop = telegram->loop,
                                          .ca_file = telegram->ca_file,
                                          .proxy = telegram->proxy};
    int status = http_client_create(&options, &telegram->client);
    if (status == TB_OK) status = telegram_buttons_load(telegram);
    if (status < 0) {
        snprintf(why, why_size, "%s", tb_error_text(status));
        return status;
    }
    for (int i = 0; i < TELEGRAM_TIMERS; i++) {
        uv_timer_init(telegram->loop, &telegram->timers[i]);
        telegram->timers[i].data = telegram;
    }
    telegram->timers_open = true;
    if (read_token(telegram, reason, sizeof reason) < 0) /* 登录 reads it again */
        channel_set_state(channel, CHANNEL_LOGGED_OUT, reason);
    else
        telegram_begin(telegram);
    return TB_OK;
}

static void telegram_free(struct telegram *telegram) {
    telegram_calls_free(telegram);
    telegram_sends_free(telegram);
    telegram_batch_free(telegram->batch);
    telegram_asks_free(telegram);
    secret_clear(&telegram->token);
    OPENSSL_cleanse(telegram->key, sizeof telegram->key);
    free(telegram->base_url);
    free(telegram->token_file);
    free(telegram->ca_file);
    free(telegram->proxy);
    free(telegram);
}

static void part_closed(void *user) {
    struct telegram *telegram = user;
    if (--telegram->parts_open > 0) return;
    void (*closed)(void *) = telegram->closed;
    void *closed_user = telegram->closed_user;
    telegram_free(telegram);
    closed(closed_user);
}

static void timer_closed(uv_handle_t *handle) {
    part_closed(handle->data);
}

static void telegram_stop(struct channel *channel, void (*closed)(void *user), void *user) {
    struct telegram *telegram = telegram_of(channel);
    telegram_quiet(telegram);
    telegram->leaving_chat[0] = 0;
    telegram->closed = closed;
    telegram->closed_user = user;
    telegram->parts_open = 1 + (telegram->timers_open ? TELEGRAM_TIMERS : 0);
    for (int i = 0; telegram->timers_open && i < TELEGRAM_TIMERS; i++)
        uv_close((uv_handle_t *)&telegram->timers[i], timer_closed);
    http_client_close(telegram->client, part_closed, telegram);
}

/* ---- small ones ---- */

static bool telegram_invite(const struct channel *channel, const char *code, char *text, size_t size) {
    const struct telegram *telegram = (const struct telegram *)channel;
    if (!telegram->me.id) return false;
    int length = snprintf(text, size, "https://t.me/%s?start=%s", telegram->me.username, code);
    return length > 0 && (size_t)length < size;
}

static bool telegram_is_group(const struct channel *channel, const char *chat) {
    (void)channel;
    return chat[0] == '-';
}

static void telegram_describe(const struct channel *channel, enum lang lang, char *text, size_t size) {
    const struct telegram *telegram = (const struct telegram *)channel;
    (void)lang;
    snprintf(text, size, "%s%s", telegram->me.id ? "@" : "", telegram->me.username);
}

static const struct channel_ops telegram_ops = {
    .name = "telegram",
    .start = telegram_start,
    .send = telegram_send,
    .typing = telegram_typing,
    .logout = telegram_logout,
    .login = telegram_login,
    .invite = telegram_invite,
    .is_group = telegram_is_group,
    .describe = telegram_describe,
    .stop = telegram_stop,
};

static int64_t at_least(int64_t ms, int64_t least_ms) {
    return service_ms(ms > least_ms ? ms : least_ms);
}

int telegram_create(const struct telegram_options *options, struct channel **ret_channel) {
    struct telegram *telegram = calloc(1, sizeof *telegram);
    if (!telegram) return TB_ENOMEM;
    telegram->channel.ops = &telegram_ops;
    telegram->channel.state = CHANNEL_CONNECTING;
    telegram->channel.traits = (struct channel_traits){
        .edit = true,
        .image = true,
        .buttons = true,
        .text_max_units = 4000,
        .caption = true,
        .caption_max_units = 1024,
        /* one message a second in a chat, twenty a minute in a group; the service itself bears short bursts */
        .pace = {.burst = 5,
                 .refill_ms = service_ms(1000),
                 .progress_every_ms = at_least(options->report_every_ms, EDIT_PRIVATE_MS)},
        .group_pace = {.burst = 10,
                       .refill_ms = service_ms(3000),
                       .progress_every_ms = at_least(options->report_every_ms, EDIT_GROUP_MS)}};
    telegram->loop = options->loop;
    telegram->limit = 100;
    telegram->base_url = strdup(options->base_url);
    telegram->token_file = strdup(options->token_file);
    telegram->ca_file = strdup(options->ca_file ? options->ca_file : "");
    telegram->proxy = strdup(options->proxy ? options->proxy : "");
    if (!telegram->base_url || !telegram->token_file || !telegram->ca_file || !telegram->proxy) {
        telegram_free(telegram);
        return TB_ENOMEM;
    }
    *ret_channel = &telegram->channel;
    return TB_OK;
}
