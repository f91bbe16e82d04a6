/*
 * weixin.c: personal WeChat as a channel: see weixin.h and weixin_state.h. Who is logged in stands in the account file;
 * it is watched, so that `trainbot login weixin` beside a running bot takes effect at once. Always holds: without an
 * account nothing is asked of the service; after stop nothing of ours is called any more.
 */
#include "commands.h"
#include "outbox.h"
#include "service_url.h"
#include "weixin_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_MS 86400000 /* what may be sent after a person's message */
#define GAP_MS 1500
#define TEXT_UNITS 1800 /* longer texts are said to be cut silently from about 2,000 on */
#define LOOK_MS 50      /* a file that changes is looked at when it has been quiet so long */
#define GOODBYE_MS 3000
#define NOTIFYSTOP_MS 1000

bool weixin_zh(const struct weixin *weixin) {
    return weixin->channel.bot->ports.settings->language == LANG_ZH;
}

static const char *not_logged_in(const struct weixin *weixin) {
    if (weixin->start_why[0]) return weixin->start_why;
    return weixin_zh(weixin) ? "请在这台机器上运行 trainbot login weixin" : "run trainbot login weixin on this machine";
}

void weixin_note_odd(struct weixin *weixin, const char *where, const char *odd) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a; an index in brackets does not make another kind */
    const char *const parts[] = {where, odd};
    for (size_t part = 0; part < 2; part++)
        for (const char *at = parts[part], *bracket = NULL; *at; at++) {
            if (*at == '[') bracket = at;
            if (*at == ']') bracket = NULL;
            if (!bracket) hash = (hash ^ (unsigned char)*at) * 1099511628211u;
        }
    for (size_t i = 0; i < weixin->odds_count; i++)
        if (weixin->odds[i] == hash) return;
    if (weixin->odds_count == WEIXIN_ODDS) return; /* more kinds than that are no news */
    weixin->odds[weixin->odds_count++] = hash;
    bool named = strncmp(odd, where, strlen(where)) == 0;
    bot_log(weixin->channel.bot, 1, "weixin: %s%s%s (said once)", named ? "" : where, named ? "" : ": ", odd);
}

/* ---- the end ---- */

static void weixin_free(void *user) {
    struct weixin *weixin = user;
    void (*closed)(void *) = weixin->closed;
    void *closed_user = weixin->closed_user;
    weixin_context_clear(weixin);
    weixin_account_clear(&weixin->account);
    free(weixin->api.base_url);
    char *texts[] = {weixin->state_dir,      weixin->base_url, weixin->cdn_base_url,
                     weixin->client_version, weixin->ca_file,  weixin->proxy};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    free(weixin);
    if (closed) closed(closed_user);
}

void weixin_released(void *user) {
    struct weixin *weixin = user;
    weixin->handles--;
    if (weixin->closing && weixin->handles == 0) http_client_close(weixin->api.client, weixin_free, weixin);
}

static void handle_closed(uv_handle_t *handle) {
    weixin_released(handle->data);
}

static void close_handles(struct weixin *weixin) {
    uv_handle_t *handles[] = {(uv_handle_t *)&weixin->watch, (uv_handle_t *)&weixin->look,
                              (uv_handle_t *)&weixin->goodbye, (uv_handle_t *)&weixin->poll.timer};
    weixin->closing = true;
    if (!weixin->api.client) { /* start did not come so far */
        weixin_free(weixin);
        return;
    }
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        uv_close(handles[i], handle_closed);
}

static void on_stopped(void *user, const struct http_answer *answer) {
    (void)answer; /* its failures do not matter */
    close_handles(user);
}

static void on_left(void *user, const struct http_answer *answer) {
    (void)user;
    (void)answer;
}

/* msg/notifystop goes out after the poll was cancelled. False: it could not be begun. */
static bool notify_stop(struct weixin *weixin, int64_t limit_ms, http_done *done) {
    struct weixin_request request = {.path = "msg/notifystop",
                                     .body = weixin_encode_notify(weixin->client_version),
                                     .timeout_ms = limit_ms};
    return weixin_request_start(&weixin->api, &request, done, weixin, NULL) == TB_OK;
}

static void weixin_stop(struct channel *channel, void (*closed)(void *user), void *user) {
    struct weixin *weixin = (struct weixin *)channel;
    bool told = weixin->bound && weixin->poll.phase != WEIXIN_IDLE && weixin->poll.dead == 0;
    weixin->stopping = true;
    weixin->closed = closed;
    weixin->closed_user = user;
    if (weixin->api.client) {
        uv_timer_stop(&weixin->look);
        uv_timer_stop(&weixin->goodbye);
        uv_fs_event_stop(&weixin->watch);
        weixin_poll_end(weixin);
    }
    weixin_send_end(weixin);
    weixin_typing_end(weixin);
    if (!told || !notify_stop(weixin, NOTIFYSTOP_MS, on_stopped)) close_handles(weixin);
}

/* ---- logout, login ---- */

static void unbind(struct weixin *weixin) {
    weixin_poll_end(weixin);
    weixin_typing_end(weixin);
    weixin_context_clear(weixin);
    weixin_account_clear(&weixin->account);
    weixin->bound = weixin->leaving = false;
    weixin->start_why[0] = 0;
}

static void finish_logout(struct weixin *weixin) {
    char why[300];
    uv_timer_stop(&weixin->goodbye);
    weixin_poll_end(weixin);
    (void)notify_stop(weixin, weixin_limit_ms(WEIXIN_SMALL_MS), on_left);
    if (weixin_account_forget(weixin->state_dir, why, sizeof why) < 0)
        bot_log(weixin->channel.bot, 0, "weixin: the account is still there: %s", why);
    weixin_store_sweep(weixin, true);
    if (channel_set_owner(&weixin->channel, NULL) < 0) bot_log(weixin->channel.bot, 0, "weixin: the owner stays");
    unbind(weixin);
    channel_set_state(&weixin->channel, CHANNEL_LOGGED_OUT, not_logged_in(weixin));
}

static void on_goodbye(uv_timer_t *timer) {
    finish_logout(timer->data);
}

static void weixin_logout(struct channel *channel, const char *chat) {
    struct weixin *weixin = (struct weixin *)channel;
    (void)chat;
    if (weixin->leaving || weixin->stopping) return;
    weixin->leaving = weixin->bound;
    if (weixin->bound)
        uv_timer_start(&weixin->goodbye, on_goodbye, (uint64_t)weixin_limit_ms(GOODBYE_MS), 0);
    else
        channel_set_state(channel, CHANNEL_LOGGED_OUT, not_logged_in(weixin));
}

/* The last message has left: no need to wait longer. Called when nothing is due any more in a turn. */
static void weixin_flush(struct channel *channel) {
    struct weixin *weixin = (struct weixin *)channel;
    if (!weixin->leaving || weixin->stopping || weixin->sends) return;
    struct outbox_count count = outbox_count(channel->bot, "weixin");
    if (count.queued == 0 && count.sending == 0) uv_timer_start(&weixin->goodbye, on_goodbye, 0, 0);
}

static int weixin_login(struct channel *channel, char *why, size_t why_size) {
    struct weixin *weixin = (struct weixin *)channel;
    if (!weixin->bound) {
        snprintf(why, why_size, "%s", not_logged_in(weixin));
        return TB_EACCESS;
    }
    weixin->leaving = false; /* a logout that waits for its last message */
    uv_timer_stop(&weixin->goodbye);
    weixin_poll_now(weixin);
    return TB_OK;
}

/* ---- the account ---- */

/* The account's own address goes before the configured one, where it is the service's. */
static int take_base(struct weixin *weixin) {
    const char *base = weixin->account.base_url;
    bool own = base[0] && service_url_allowed(base, weixin_domains, weixin->loopback);
    if (base[0] && !own) bot_log(weixin->channel.bot, 1, "weixin: baseurl is no address of the service; not used");
    char *copy = strdup(own ? base : weixin->base_url);
    if (!copy) return TB_ENOMEM;
    free(weixin->api.base_url);
    weixin->api.base_url = copy;
    return TB_OK;
}

static void begin(struct weixin *weixin) {
    struct bot *bot = weixin->channel.bot;
    weixin_store_sweep(weixin, false);
    if (weixin->account.user_id[0] && channel_set_owner(&weixin->channel, weixin->account.user_id) < 0)
        bot_log(bot, 0, "weixin: the owner could not be stored");
    if (take_base(weixin) < 0) {
        channel_set_state(&weixin->channel, CHANNEL_LOGGED_OUT, tb_error_text(TB_ENOMEM));
        return;
    }
    weixin_poll_begin(weixin);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user); /* what was written wants its commit */
}

/* Takes the account. */
static void adopt(struct weixin *weixin, struct weixin_account *account) {
    bool same = weixin->bound && strcmp(account->bot_id, weixin->account.bot_id) == 0;
    weixin_poll_end(weixin);
    weixin_typing_end(weixin);
    weixin_media_forget(weixin);
    if (!same) weixin_context_clear(weixin);
    weixin_account_clear(&weixin->account);
    weixin->account = *account;
    weixin->bound = true;
    weixin->logins++;
    weixin->leaving = false;
    weixin->start_why[0] = 0;
    uv_timer_stop(&weixin->goodbye);
    channel_set_state(&weixin->channel, CHANNEL_CONNECTING, NULL);
    begin(weixin);
}

static bool account_same(const struct weixin_account *a, const struct weixin_account *b) {
    const char *token = secret_reveal(&b->token);
    return a->saved_ms == b->saved_ms && strcmp(a->bot_id, b->bot_id) == 0 &&
           secret_equals(&a->token, token, strlen(token));
}

static void on_look(uv_timer_t *timer) {
    struct weixin *weixin = timer->data;
    struct weixin_account account = {.saved_ms = 0};
    char why[300];
    int status = weixin_account_load(weixin->state_dir, &account, why, sizeof why);
    if (status == TB_OK) {
        if (!weixin->bound || !account_same(&weixin->account, &account)) {
            adopt(weixin, &account);
            return;
        }
        weixin_account_clear(&account);
        if (weixin->poll.phase == WEIXIN_IDLE) begin(weixin); /* the first look */
    } else if (status == TB_ENOTFOUND && weixin->bound) {     /* taken away by hand */
        unbind(weixin);
        channel_set_state(&weixin->channel, CHANNEL_LOGGED_OUT, not_logged_in(weixin));
    } else if (status != TB_ENOTFOUND) {
        bot_log(weixin->channel.bot, 1, "weixin: %s", why);
        if (!weixin->bound) {
            snprintf(weixin->start_why, sizeof weixin->start_why, "%s", why);
            channel_set_state(&weixin->channel, CHANNEL_LOGGED_OUT, why);
        }
    }
}

static void on_watch(uv_fs_event_t *watch, const char *name, int events, int status) {
    struct weixin *weixin = watch->data;
    (void)events;
    (void)status;
    if (name && strcmp(name, WEIXIN_ACCOUNT_FILE) != 0) return;
    uv_timer_start(&weixin->look, on_look, LOOK_MS, 0);
}

/* ---- start ---- */

static int check(const struct weixin *weixin, uint32_t *ret_version, char *why, size_t why_size) {
    char right[200] = "";
    if (!weixin_version(weixin->client_version, ret_version)) {
        snprintf(why, why_size, "client_version=%.40s; right would be: 2.4.9", weixin->client_version);
        return TB_EINVAL;
    }
    if (!service_url_base(weixin->base_url, weixin_domains, right, sizeof right)) {
        snprintf(why, why_size, "base_url: %s", right);
        return TB_EINVAL;
    }
    if (!service_url_base(weixin->cdn_base_url, weixin_domains, right, sizeof right)) {
        snprintf(why, why_size, "cdn_base_url: %s", right);
        return TB_EINVAL;
    }
    return TB_OK;
}

static int weixin_start(struct channel *channel, char *why, size_t why_size) {
    struct weixin *weixin = (struct weixin *)channel;
    struct http_client_options http = {.loop = weixin->loop, .ca_file = weixin->ca_file, .proxy = weixin->proxy};
    uint32_t version = 0;
    int status = check(weixin, &version, why, why_size);
    if (status == TB_OK) status = weixin_account_folder(weixin->state_dir, why, why_size);
    if (status < 0) return status;
    snprintf(weixin->api.version, sizeof weixin->api.version, "%u", version);
    status = http_client_create(&http, &weixin->api.client);
    if (status < 0) {
        snprintf(why, why_size, "%s", tb_error_text(status));
        return status;
    }
    uv_timer_init(weixin->loop, &weixin->look);
    uv_timer_init(weixin->loop, &weixin->goodbye);
    uv_timer_init(weixin->loop, &weixin->poll.timer);
    uv_fs_event_init(weixin->loop, &weixin->watch);
    weixin->look.data = weixin->goodbye.data = weixin->poll.timer.data = weixin->watch.data = weixin;
    weixin->handles = 4;
    char *folder = NULL;
    if (asprintf(&folder, "%s/" WEIXIN_ACCOUNT_FOLDER, weixin->state_dir) < 0) folder = NULL;
    if (!folder || uv_fs_event_start(&weixin->watch, on_watch, folder, 0) < 0)
        bot_log(channel->bot, 1,
                "weixin: a new login takes effect only at the next start: its folder cannot be watched");
    free(folder);
    uv_timer_start(&weixin->look, on_look, 0, 0);
    if (!weixin->bound) snprintf(channel->why, sizeof channel->why, "%.199s", not_logged_in(weixin));
    return TB_OK;
}

static void weixin_describe(const struct channel *channel, enum lang lang, char *text, size_t size) {
    const struct weixin *weixin = (const struct weixin *)channel;
    text[0] = 0;
    if (!weixin->bound || !weixin->account.user_id[0]) return;
    snprintf(text, size, lang == LANG_ZH ? "扫码人 %.6s…" : "scanned by %.6s…", weixin->account.user_id);
}

static const struct channel_ops weixin_ops = {.name = "weixin",
                                              .start = weixin_start,
                                              .send = weixin_send,
                                              .flush = weixin_flush,
                                              .typing = weixin_type,
                                              .logout = weixin_logout,
                                              .login = weixin_login,
                                              .describe = weixin_describe,
                                              .stop = weixin_stop};

/* The account is read here already, so that the channel begins in the state it is in. */
static void first_state(struct weixin *weixin) {
    struct channel *channel = &weixin->channel;
    int status = weixin_account_load(weixin->state_dir, &weixin->account, weixin->start_why, sizeof weixin->start_why);
    weixin->bound = status == TB_OK;
    if (status == TB_OK || status == TB_ENOTFOUND) weixin->start_why[0] = 0;
    channel->state = weixin->bound ? CHANNEL_CONNECTING : CHANNEL_LOGGED_OUT;
}

int weixin_create(const struct weixin_options *options, struct channel **ret_channel) {
    struct weixin *weixin = calloc(1, sizeof *weixin);
    if (!weixin) return TB_ENOMEM;
    struct service_url base;
    weixin->channel.ops = &weixin_ops;
    weixin->channel.traits = (struct channel_traits){.image = true,
                                                     .text_max_units = TEXT_UNITS,
                                                     .min_gap_ms = service_ms(GAP_MS),
                                                     .pace = {.progress_every_ms = options->report_every_ms},
                                                     .budget = options->budget,
                                                     .reserve = options->reserve,
                                                     .window_ms = WINDOW_MS};
    weixin->loop = options->loop;
    weixin->state_dir = strdup(options->state_dir);
    weixin->base_url = strdup(options->base_url);
    weixin->cdn_base_url = strdup(options->cdn_base_url);
    weixin->client_version = strdup(options->client_version);
    weixin->ca_file = strdup(options->ca_file ? options->ca_file : "");
    weixin->proxy = strdup(options->proxy ? options->proxy : "");
    weixin->loopback = service_url_parse(options->base_url, &base) && base.loopback;
    weixin->api.token = &weixin->account.token;
    weixin->api.base_url = strdup(options->base_url);
    if (!weixin->state_dir || !weixin->base_url || !weixin->cdn_base_url || !weixin->client_version ||
        !weixin->ca_file || !weixin->proxy || !weixin->api.base_url) {
        weixin_free(weixin);
        return TB_ENOMEM;
    }
    first_state(weixin);
    *ret_channel = &weixin->channel;
    return TB_OK;
}
