/*
 * web.h: the channel "web": the page's conversation. The server (net/http_server.h) carries it; this adaptor gives it
 * the shape of a channel. All pages of one bot share one chat, "token", and the person there is the owner.
 *
 * Loop thread only.
 */
#ifndef TRAINBOT_WEB_H
#define TRAINBOT_WEB_H

#include "channel.h"
#include "http_server.h"

/* Options as for the server; options->channel is filled here. Give it to bot_add_channel, then start it through its
 * ops as every channel; free it with web_free after stop's closed(). TB_ENOMEM. */
MUST_USE int web_create(const struct http_options *options, struct channel **ret_channel);
void web_free(struct channel *channel); /* NULL is fine */

int web_port(const struct channel *channel);
/* The link with its token, for the owner's terminal only. */
void web_link(const struct channel *channel, char *text, size_t size);

/* For struct bot_ports: live_rows and live_run hand on to these. */
void web_live_rows(struct channel *channel, const struct run *run, const struct wire_rows *rows, bool progress);
void web_live_run(struct channel *channel, const struct run *run);

#endif
