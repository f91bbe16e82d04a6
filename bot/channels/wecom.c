/*
 * wecom.c: the channel's life and state; see wecom.h, and wecom_internal.h for who does what. That one host runs one
 * instance per bot_id is held by the lock on the state directory; what another host does is told by the gateway.
 */
#include "wecom_internal.h"
#include "service_url.h"
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX 20000
#define GOODBYE_MS 3000
#define STOP_MS 1000 /* for the ends of open streams */
#define GROUP_KEY "wecom/group/"

enum lang wecom_lang(const struct wecom *wecom) {
    return wecom->channel.bot->ports.settings->language;
}

const char *wecom_say(const struct wecom *wecom, const char *zh, const char *en) {
    return wecom_lang(wecom) == LANG_ZH ? zh : en;
}

void wecom_log_refusal(struct wecom *wecom, const char *what, const struct wecom_frame *ack) {
    char line[200];
    const char *secret = secret_reveal(&wecom->secret);
    wecom_one_line(ack->errmsg, line, sizeof line);
    /* A gateway that repeats the secret must not bring it into the log. */
    if (secret[0] && strstr(ack->errmsg, secret)) snprintf(line, sizeof line, "***");
    bot_log(wecom->channel.bot, 1, "wecom: %s was refused: errcode %lld: %s", what, (long long)ack->errcode, line);
}

/* ---- chats ---- */

struct wecom_chat *wecom_chat_of_id(struct wecom *wecom, const char *id) {
    return wecom_chat_get(&wecom->chats, id);
}

bool wecom_is_group_chat(struct wecom *wecom, struct wecom_chat *chat) {
    char key[sizeof GROUP_KEY + WECOM_ID_MAX], *value = NULL;
    if (chat->group_known) return chat->group;
    snprintf(key, sizeof key, GROUP_KEY "%s", chat->id);
    chat->group = chat->group_noted = store_get(wecom->channel.bot->ports.store, key, &value) == TB_OK;
    chat->group_known = true;
    free(value);
    return chat->group;
}

static bool is_group(const struct channel *channel, const char *id) {
    struct wecom *wecom = (struct wecom *)(uintptr_t)channel; /* what is looked up is remembered */
    struct wecom_chat *chat = wecom_chat_of_id(wecom, id);
    return chat && wecom_is_group_chat(wecom, chat);
}

/* ---- what is due ---- */

static void finish_stop(struct wecom *wecom);

static void on_timer(uv_timer_t *timer) {
    struct wecom *wecom = timer->data;
    int64_t now_ms = wecom_mono_ms();
    if (wecom->stopping) {
        if (wecom->stop_due_ms <= now_ms || !wecom->endings) finish_stop(wecom);
        return;
    }
    if (wecom->kept_due_ms <= now_ms) wecom_retry_kept(wecom);
    wecom_finish_due(wecom, now_ms);
    for (struct wecom_job *job = wecom->jobs, *next; job; job = next) {
        next = job->next;
        if (wecom_upload_due(job->upload) <= now_ms) wecom_upload_again(job);
    }
    if (wecom->goodbye_due_ms <= now_ms) {
        wecom->goodbye_due_ms = INT64_MAX;
        free(wecom->goodbye_chat);
        wecom->goodbye_chat = NULL;
        wecom_link_shut(wecom->link);
        channel_set_state(&wecom->channel, CHANNEL_LOGGED_OUT,
                          wecom_say(wecom, "已退出;发\"登录 wecom\"再连上",
                                    "logged out; \"login wecom\" connects again"));
    }
    wecom_rearm(wecom);
}

static int64_t earlier(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void wecom_rearm(struct wecom *wecom) {
    int64_t due_ms = earlier(wecom->kept_due_ms, wecom->goodbye_due_ms), now_ms = wecom_mono_ms();
    if (!wecom->timer_made || uv_is_closing((uv_handle_t *)&wecom->timer)) return;
    if (wecom->stopping) {
        due_ms = wecom->endings ? wecom->stop_due_ms : now_ms;
    } else {
        for (const struct wecom_chat *chat = wecom->chats.first; chat; chat = chat->next)
            due_ms = earlier(due_ms, wecom_stream_due(chat));
        for (const struct wecom_job *job = wecom->jobs; job; job = job->next)
            due_ms = earlier(due_ms, wecom_upload_due(job->upload));
    }
    uv_update_time(wecom->loop);
    if (due_ms == INT64_MAX)
        uv_timer_stop(&wecom->timer);
    else
        uv_timer_start(&wecom->timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

/* ---- the link's state ---- */

/* The link's reasons as a person reads them. */
static void word_reason(const struct wecom *wecom, const char *why, char *text, size_t size) {
    static const struct {
        const char *en, *zh;
    } rows[] = {
        {"its name cannot be resolved", "网关地址解析不了"},
        {"the gateway cannot be reached in time", "连接网关超时"},
        {"the gateway answers no heartbeat", "网关不回应心跳"},
        {"the gateway does not answer the subscription", "网关不回应订阅"},
        {"the gateway refuses the subscription", "网关拒绝订阅"},
        {"the connection ended", "连接断了"},
        {"the certificate is not trusted", "网关的证书不可信"},
        {"what answers there is no such gateway", "那个地址上的不是企业微信网关"},
        {"the connection is refused, or ended at once", "网关拒绝连接,或一连就断"},
        {"no connection", "连不上网关"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t length = strlen(rows[i].en);
        if (strncmp(why, rows[i].en, length) != 0) continue;
        snprintf(text, size, "%s%s", wecom_say(wecom, rows[i].zh, rows[i].en), why + length);
        return;
    }
    snprintf(text, size, "%s%s", wecom_say(wecom, "连不上网关:", "no connection: "), why);
}

static void on_state(void *user, enum wecom_link_state state, const char *why) {
    struct wecom *wecom = user;
    char text[200];
    if (wecom->stopping) return;
    switch (state) {
    case WECOM_LINK_READY:
        channel_set_state(&wecom->channel, CHANNEL_UP, NULL);
        wecom_try_endings(wecom);
        break;
    case WECOM_LINK_DOWN:
        word_reason(wecom, why, text, sizeof text);
        channel_set_state(&wecom->channel, CHANNEL_DOWN, text);
        break;
    case WECOM_LINK_REFUSED:
        channel_set_state(
            &wecom->channel, CHANNEL_LOGGED_OUT,
            wecom_say(wecom, "网关不认 bot_id 或 secret(853000):改好配置或 secret_file,再发\"登录 wecom\"",
                      "the gateway refuses bot_id or secret (853000): correct them, then \"login wecom\""));
        break;
    case WECOM_LINK_TAKEN:
        channel_set_state(
            &wecom->channel, CHANNEL_LOGGED_OUT,
            wecom_say(wecom, "另一个程序在用这个机器人(another instance is using this bot):停掉它,再发\"登录 wecom\"",
                      "another instance is using this bot: stop it, then \"login wecom\""));
        break;
    }
    wecom_rearm(wecom);
}

static void on_callback(void *user, const struct wecom_frame *frame) {
    struct wecom *wecom = user;
    if (!wecom->stopping) wecom_take(wecom, frame);
}

static void on_odd(void *user, const char *what) {
    struct wecom *wecom = user;
    bot_log(wecom->channel.bot, 1, "wecom: ignored from the gateway: %s (said once)", what);
}

/* ---- the channel ---- */

static int check_options(const struct wecom *wecom, char *why, size_t why_size) {
    char reason[300] = "";
    if (!wecom->bot_id[0]) {
        snprintf(why, why_size, "bot_id is missing");
        return TB_EINVAL;
    }
    if (!service_url_base(wecom->url, NULL, reason, sizeof reason) || wecom->url[0] != 'w') {
        snprintf(why, why_size, "url=%s: %s", wecom->url, reason[0] ? reason : "wss://… is wanted");
        return TB_EINVAL;
    }
    if (wecom->ca_file[0] && access(wecom->ca_file, R_OK) < 0) {
        snprintf(why, why_size, "ca_file=%s cannot be read: %s", wecom->ca_file, strerror(errno));
        return TB_EIO;
    }
    return TB_OK;
}

static int wecom_start(struct channel *channel, char *why, size_t why_size) {
    struct wecom *wecom = (struct wecom *)channel;
    struct wecom_link_options options = {
        .loop = wecom->loop,
        .url = wecom->url,
        .bot_id = wecom->bot_id,
        .ca_file = wecom->ca_file,
        .proxy = wecom->proxy,
        .secret = &wecom->secret,
        .events = {.state = on_state, .callback = on_callback, .odd = on_odd, .user = wecom}};
    int status = check_options(wecom, why, why_size);
    if (status == TB_OK) status = secret_read(&wecom->secret, wecom->secret_file, why, why_size);
    if (status < 0) return status;
    status = wecom_link_create(&options, &wecom->link);
    if (status < 0) {
        snprintf(why, why_size, "%s",
                 status == TB_EINVAL ? "proxy: like http://proxy.example:3128" : tb_error_text(status));
        return status;
    }
    uv_timer_init(wecom->loop, &wecom->timer);
    wecom->timer.data = wecom;
    wecom->timer_made = true;
    wecom_link_open(wecom->link);
    return TB_OK;
}

static void wecom_logout(struct channel *channel, const char *chat) {
    struct wecom *wecom = (struct wecom *)channel;
    bool ready = wecom->link && wecom_link_ready(wecom->link);
    if (!wecom->link) return;
    free(wecom->goodbye_chat);
    wecom->goodbye_chat = strdup(chat);
    wecom_finish_all(wecom);
    wecom->goodbye_due_ms = ready ? wecom_mono_ms() + service_ms(GOODBYE_MS) : 0;
    wecom_rearm(wecom);
}

static int wecom_login(struct channel *channel, char *why, size_t why_size) {
    struct wecom *wecom = (struct wecom *)channel;
    if (!wecom->link) {
        snprintf(why, why_size, "%s",
                 wecom_say(wecom, "这个通道没有启动,看日志", "the channel did not start, see the log"));
        return TB_EINVAL;
    }
    if (wecom_link_ready(wecom->link) && wecom->goodbye_due_ms == INT64_MAX) return TB_OK;
    int status = secret_read(&wecom->secret, wecom->secret_file, why, why_size); /* it may have been replaced */
    if (status < 0) return status;
    wecom->goodbye_due_ms = INT64_MAX;
    if (wecom_link_ready(wecom->link)) return TB_OK;
    channel_set_state(channel, CHANNEL_CONNECTING, NULL);
    wecom_link_open(wecom->link);
    return TB_OK;
}

static void wecom_describe(const struct channel *channel, enum lang lang, char *text, size_t size) {
    const struct wecom *wecom = (const struct wecom *)channel;
    bool zh = lang == LANG_ZH, cut = strlen(wecom->bot_id) > 6;
    int64_t since_ms = wecom->link ? wecom_link_since_ms(wecom->link) : 0;
    int length = snprintf(text, size, zh ? "机器人 %.6s%s" : "bot %.6s%s", wecom->bot_id, cut ? "…" : "");
    if (since_ms <= 0 || length < 0 || (size_t)length >= size) return;
    long long minutes = (long long)((wecom_mono_ms() - since_ms) / 60000);
    if (minutes == 0) return; /* "connected", which stands before it, says it */
    snprintf(text + length, size - (size_t)length, zh ? ",连上 %lld 分钟" : ", connected for %lld min", minutes);
}

/* ---- the end ---- */

static void wecom_free(struct wecom *wecom) {
    while (wecom->jobs)
        wecom_job_free(wecom->jobs);
    wecom_forget_endings(wecom);
    wecom_forget_kept(wecom);
    wecom_chats_clear(&wecom->chats);
    secret_clear(&wecom->secret);
    OPENSSL_cleanse(wecom->nonce, sizeof wecom->nonce);
    free(wecom->goodbye_chat);
    free(wecom->url);
    free(wecom->bot_id);
    free(wecom->secret_file);
    free(wecom->ca_file);
    free(wecom->proxy);
    free(wecom);
}

static void all_closed(struct wecom *wecom) {
    void (*closed)(void *) = wecom->closed;
    void *user = wecom->closed_user;
    wecom_free(wecom);
    closed(user);
}

static void timer_closed(uv_handle_t *handle) {
    all_closed(handle->data);
}

static void link_closed(void *user) {
    struct wecom *wecom = user;
    wecom->link = NULL;
    uv_close((uv_handle_t *)&wecom->timer, timer_closed);
}

static void finish_stop(struct wecom *wecom) {
    wecom->stop_due_ms = INT64_MAX;
    uv_timer_stop(&wecom->timer);
    wecom_link_stop(wecom->link, link_closed, wecom);
}

static void wecom_stop(struct channel *channel, void (*closed)(void *user), void *user) {
    struct wecom *wecom = (struct wecom *)channel;
    wecom->closed = closed;
    wecom->closed_user = user;
    if (!wecom->link) {
        wecom->stopping = true;
        all_closed(wecom);
        return;
    }
    wecom_finish_all(wecom);
    wecom->stopping = true;
    bool wait = wecom->endings && wecom_link_ready(wecom->link);
    wecom->stop_due_ms = wecom_mono_ms() + (wait ? service_ms(STOP_MS) : 0);
    wecom_rearm(wecom);
}

static const struct channel_ops wecom_ops = {.name = WECOM_NAME,
                                             .start = wecom_start,
                                             .send = wecom_send,
                                             .logout = wecom_logout,
                                             .login = wecom_login,
                                             .is_group = is_group,
                                             .describe = wecom_describe,
                                             .stop = wecom_stop};

static bool copy(char **to, const char *from) {
    *to = strdup(from ? from : "");
    return *to != NULL;
}

int wecom_create(const struct wecom_options *options, struct channel **ret_channel) {
    struct wecom *wecom = calloc(1, sizeof *wecom);
    if (!wecom) return TB_ENOMEM;
    wecom->channel.ops = &wecom_ops;
    wecom->channel.traits = (struct channel_traits){
        .edit = true,
        .image = true,
        .buttons = true,
        .text_max_bytes = TEXT_MAX,
        .pace = {.burst = 20, .refill_ms = service_ms(3000), .progress_every_ms = service_ms(3000)},
        .group_pace = {.burst = 20, .refill_ms = service_ms(3000), .progress_every_ms = service_ms(3000)}};
    wecom->channel.state = CHANNEL_CONNECTING;
    wecom->loop = options->loop;
    wecom->report_every_ms = options->report_every_ms;
    wecom->kept_last = &wecom->kept;
    wecom->kept_due_ms = wecom->goodbye_due_ms = wecom->stop_due_ms = INT64_MAX;
    if (!copy(&wecom->url, options->url) || !copy(&wecom->bot_id, options->bot_id) ||
        !copy(&wecom->secret_file, options->secret_file) || !copy(&wecom->ca_file, options->ca_file) ||
        !copy(&wecom->proxy, options->proxy)) {
        wecom_free(wecom);
        return TB_ENOMEM;
    }
    *ret_channel = &wecom->channel;
    return TB_OK;
}
