/*
 * channels.h: the channels that the configuration turns on, made and given to the bot: the one place that names them.
 */
#ifndef TRAINBOT_CHANNELS_H
#define TRAINBOT_CHANNELS_H

#include "bot.h"
#include "config.h"
#include <uv.h>

/* The bot owns them; they end through their stop operation. ret_web: the page's, NULL where it is off; untouched on
 * failure. TB_OK, TB_ENOMEM. */
MUST_USE int channels_create(const struct config *config, uv_loop_t *loop, struct bot *bot, struct channel **ret_web);
/* Starts them all. The console and the page are how a person at this machine reaches the bot: without them it does not
 * run, and `why` names the section. A chat service that does not start is said in the log, and the bot goes on. */
MUST_USE int channels_start(struct bot *bot, char *why, size_t why_size);

struct weixin_options;
/* The section [channel weixin] as the channel takes it; borrows the configuration's strings. */
void channels_weixin_options(const struct config *config, uv_loop_t *loop, struct weixin_options *ret_options);

#endif
