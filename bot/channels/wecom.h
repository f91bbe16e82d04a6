/*
 * wecom.h: the channel "wecom": a WeCom (企业微信) AI bot over its long connection, a WebSocket that this side opens:
 * subscribe, heartbeat, one stream message updated in place after a command, then pushes; buttons as template cards in
 * one-to-one chats. A second subscriber takes the connection over: then a person must say who goes on. Loop thread
 * only.
 *
 * Files: wecom_codec (JSON ↔ structs, pure), wecom_link (the WebSocket and its frames' life), wecom (the channel).
 */
#ifndef TRAINBOT_WECOM_H
#define TRAINBOT_WECOM_H

#include "channel.h"
#include <uv.h>

struct wecom_options {
    uv_loop_t *loop;
    const char *url; /* wss://openws.work.weixin.qq.com */
    const char *bot_id;
    const char *secret_file;     /* 0600 */
    const char *ca_file, *proxy; /* "" none */
    int64_t report_every_ms;     /* between pushes of progress where no message can be updated */
};
/* Strings are copied. Freed by the time stop's closed() is called. TB_OK, TB_ENOMEM. */
MUST_USE int wecom_create(const struct wecom_options *options, struct channel **ret_channel);

#endif
