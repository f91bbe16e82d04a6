/*
 * telegram.h: the channel "telegram": the Bot API by long polling. One progress message a run, edited in place; buttons
 * below it; pictures by sendPhoto; groups where the configuration or a paired person let the bot in. Loop thread only.
 *
 * Files: telegram_codec.h and its four sources (JSON ↔ structs, pure); telegram_state.h names those of the channel.
 */
#ifndef TRAINBOT_TELEGRAM_H
#define TRAINBOT_TELEGRAM_H

#include "channel.h"
#include <uv.h>

struct telegram_options {
    uv_loop_t *loop;
    const char *base_url;    /* https://api.telegram.org, or a Bot API server of one's own */
    const char *token_file;  /* 0600 */
    const char *ca_file, *proxy; /* "" none */
    int64_t report_every_ms; /* at least between two edits; never less than the service bears */
};
/* Strings are copied. Freed by the time stop's closed() is called. TB_OK, TB_ENOMEM. */
MUST_USE int telegram_create(const struct telegram_options *options, struct channel **ret_channel);

#endif
