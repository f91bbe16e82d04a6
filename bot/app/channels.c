/* The registry of channels: see channels.h. To add one, make it here from its section of the configuration. */
#include "channels.h"
#include "console.h"
#include "telegram.h"
#include "web.h"
#include "wecom.h"
#include "weixin.h"
#include <string.h>

void channels_weixin_options(const struct config *config, uv_loop_t *loop, struct weixin_options *ret_options) {
    const struct weixin_settings *settings = &config->weixin;
    *ret_options = (struct weixin_options){.loop = loop,
                                           .state_dir = config->settings.state_dir,
                                           .base_url = settings->base_url,
                                           .cdn_base_url = settings->cdn_base_url,
                                           .client_version = settings->client_version,
                                           .ca_file = settings->ca_file,
                                           .proxy = settings->proxy,
                                           .budget = settings->budget,
                                           .reserve = settings->reserve,
                                           .report_every_ms = settings->report_every_ms,
                                           .lang = config->settings.language};
}

static int make_web(const struct config *config, uv_loop_t *loop, struct channel **ret_channel) {
    struct http_options options = {.loop = loop,
                                   .listen = config->web.listen,
                                   .token_file = config->web.token_file,
                                   .tls_cert = config->web.tls_cert,
                                   .tls_key = config->web.tls_key,
                                   .trainer_token_file = config->web.trainer_token_file,
                                   .state_dir = config->settings.state_dir,
                                   .hosts = config->web.hosts};
    return web_create(&options, ret_channel);
}

static int make_console(const struct config *config, uv_loop_t *loop, struct channel **ret_channel) {
    return console_create(loop, config->settings.state_dir, true, ret_channel);
}

static int make_weixin(const struct config *config, uv_loop_t *loop, struct channel **ret_channel) {
    struct weixin_options options;
    channels_weixin_options(config, loop, &options);
    return weixin_create(&options, ret_channel);
}

static int make_wecom(const struct config *config, uv_loop_t *loop, struct channel **ret_channel) {
    const struct wecom_settings *settings = &config->wecom;
    struct wecom_options options = {.loop = loop,
                                    .url = settings->url,
                                    .bot_id = settings->bot_id,
                                    .secret_file = settings->secret_file,
                                    .ca_file = settings->ca_file,
                                    .proxy = settings->proxy,
                                    .report_every_ms = settings->report_every_ms};
    return wecom_create(&options, ret_channel);
}

static int make_telegram(const struct config *config, uv_loop_t *loop, struct channel **ret_channel) {
    const struct telegram_settings *settings = &config->telegram;
    struct telegram_options options = {.loop = loop,
                                       .base_url = settings->base_url,
                                       .token_file = settings->token_file,
                                       .ca_file = settings->ca_file,
                                       .proxy = settings->proxy,
                                       .report_every_ms = settings->report_every_ms};
    return telegram_create(&options, ret_channel);
}

int channels_create(const struct config *config, uv_loop_t *loop, struct bot *bot, struct channel **ret_web) {
    const struct {
        bool enabled;
        int (*make)(const struct config *config, uv_loop_t *loop, struct channel **ret_channel);
    } rows[] = {
        {config->console.enabled, make_console},
        {config->web.enabled, make_web},
        {config->weixin.enabled, make_weixin},
        {config->wecom.enabled == SWITCH_ON, make_wecom},
        {config->telegram.enabled == SWITCH_ON, make_telegram},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct channel *channel = NULL;
        if (!rows[i].enabled) continue;
        int status = rows[i].make(config, loop, &channel);
        if (status < 0) return status;
        bot_add_channel(bot, channel);
        if (rows[i].make == make_web) *ret_web = channel;
    }
    return TB_OK;
}

int channels_start(struct bot *bot, char *why, size_t why_size) {
    for (struct channel *channel = bot->channels; channel; channel = channel->next) {
        char line[400] = "";
        int status = channel->ops->start(channel, line, sizeof line);
        if (status >= 0) continue;
        if (channel->traits.history) {
            snprintf(why, why_size, "[channel %s]: %s", channel->ops->name, line);
            return status;
        }
        bot_log(bot, 0, "[channel %s]: %s", channel->ops->name, line);
        channel_set_state(channel, CHANNEL_LOGGED_OUT, line);
    }
    return TB_OK;
}
