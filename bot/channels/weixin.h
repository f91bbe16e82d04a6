/*
 * weixin.h: the channel "weixin": personal WeChat through Tencent's bot interface (iLink). Who scanned the login code
 * is the owner; chats are one to one; about ten messages may follow each message from a person (traits.budget). Loop
 * thread only.
 *
 * Files: weixin_codec (JSON ↔ structs, pure), weixin_account (credentials in STATE_DIR/weixin/account.json, 0600),
 * weixin_login (the QR code's state machine, also used by `trainbot login weixin`), weixin_media (encrypted pictures),
 * weixin (the channel).
 */
#ifndef TRAINBOT_WEIXIN_H
#define TRAINBOT_WEIXIN_H

#include "channel.h"
#include <uv.h>

struct weixin_options {
    uv_loop_t *loop;
    const char *state_dir;       /* weixin/account.json lies below */
    const char *base_url;        /* API; the account's own goes before it once logged in */
    const char *cdn_base_url;    /* pictures */
    const char *client_version;  /* "2.4.9" */
    const char *ca_file, *proxy; /* "" none */
    int64_t budget, reserve;     /* sends after an inbound message; of those kept from progress */
    int64_t report_every_ms;     /* 0: digests at milestones */
    enum lang lang;              /* of what the login says; the channel itself asks the bot's settings */
};
/* Strings are copied. Freed by the time stop's closed() is called. TB_OK, TB_ENOMEM. Without an account the channel is
 * LOGGED_OUT until one appears (`trainbot login weixin` may run beside the bot: the file is watched). */
MUST_USE int weixin_create(const struct weixin_options *options, struct channel **ret_channel);

#endif
