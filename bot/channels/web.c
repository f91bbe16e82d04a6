/*
 * web.c: the channel "web" (see web.h). The store keeps the conversation, so a message counts as sent once it is
 * stored; pages are only told to look.
 */
#include "web.h"
#include "commands.h"
#include "outbox.h"
#include <stdio.h>
#include <stdlib.h>

struct web {
    struct channel channel; /* first: core hands it back */
    struct http_server *server;
    bool nudged; /* something was sent in this turn */
};

static struct web *web_of(struct channel *channel) {
    return (struct web *)channel;
}

static int web_start(struct channel *channel, char *why, size_t why_size) {
    if (!session_get(channel->bot, "web", WEB_CHAT)) {
        snprintf(why, why_size, "out of memory");
        return TB_ENOMEM;
    }
    return http_server_start(web_of(channel)->server, why, why_size);
}

static void web_send(struct channel *channel, const struct outgoing *message) {
    struct http_server *server = web_of(channel)->server;
    const struct sent sent = {.status = SENT_OK};
    if (channel->bot->store_status != TB_OK) http_server_unsaved(server, message);
    web_of(channel)->nudged = true;
    outbox_done(channel->bot, message->message, &sent);
}

/* One look into the store for all that left in this turn. */
static void web_flush(struct channel *channel) {
    if (!web_of(channel)->nudged) return;
    web_of(channel)->nudged = false;
    http_server_nudge(web_of(channel)->server);
}

static void web_typing(struct channel *channel, const char *chat, bool on) {
    (void)chat;
    if (on) http_server_typing(web_of(channel)->server);
}

static void web_logout(struct channel *channel, const char *chat) {
    (void)chat;
    http_server_logout(web_of(channel)->server);
}

static void web_describe(const struct channel *channel, enum lang lang, char *text, size_t size) {
    const struct web *web = (const struct web *)channel;
    struct http_counts counts = http_server_counts(web->server);
    snprintf(text, size, lang == LANG_ZH ? "端口 %d,打开的页面 %lld,远程训练 %lld" : "port %d, pages %lld, remote trainers %lld",
             http_server_port(web->server), (long long)counts.pages, (long long)counts.trainers);
}

static void web_stop(struct channel *channel, void (*closed)(void *user), void *user) {
    http_server_stop(web_of(channel)->server, closed, user);
}

static const struct channel_ops ops = {
    .name = "web",
    .start = web_start,
    .send = web_send,
    .flush = web_flush,
    .typing = web_typing,
    .logout = web_logout,
    .describe = web_describe,
    .stop = web_stop,
};

int web_create(const struct http_options *options, struct channel **ret_channel) {
    struct web *web = calloc(1, sizeof(*web));
    if (!web) return TB_ENOMEM;
    web->channel.ops = &ops;
    web->channel.traits = (struct channel_traits){
        .edit = true, .image = true, .buttons = true, .history = true, .idempotent = true, .text_max_bytes = 65536};
    struct http_options with_channel = *options;
    with_channel.channel = &web->channel;
    int result = http_server_create(&with_channel, &web->server);
    if (result < 0) {
        free(web);
        return result;
    }
    *ret_channel = &web->channel;
    return TB_OK;
}

void web_free(struct channel *channel) {
    if (!channel) return;
    http_server_free(web_of(channel)->server);
    free(channel);
}

int web_port(const struct channel *channel) {
    return http_server_port(((const struct web *)channel)->server);
}

void web_link(const struct channel *channel, char *text, size_t size) {
    http_server_link(((const struct web *)channel)->server, text, size);
}

void web_live_rows(struct channel *channel, const struct run *run, const struct wire_rows *rows, bool progress) {
    http_server_rows(web_of(channel)->server, run, rows, progress);
}

void web_live_run(struct channel *channel, const struct run *run) {
    http_server_run(web_of(channel)->server, run);
}
