/*
 * config_table.h: every configuration key, once. X(section, key, TYPE, field, default, min, max, doc)
 * Sections: bot, channel console, channel web, access; [trainer NAME] and [person NAME] have rows of their own, with the
 * field in their struct. Types: TEXT, PATH, LANG, STYLE, INT (min..max), BOOL, SWITCH (true, false or auto), NAME, UIDS,
 * LISTEN, SECRET (a file that only its owner may read), IDENTITY, IDENTITIES, ARGV, ZONE, PERIOD (90s 30m 2h, kept as
 * milliseconds; min and max in seconds), BASE (a service's address; checked as a whole in config_value.c).
 */
#ifndef TRAINBOT_CONFIG_TABLE_H
#define TRAINBOT_CONFIG_TABLE_H

#define CONFIG_BOT(X)                                                                                                  \
    X("bot", state_dir, PATH, settings.state_dir, "", 0, 0,                                                            \
      "where runs, database and sockets are kept (default $XDG_STATE_HOME/trainbot, as root /var/lib/trainbot)")       \
    X("bot", language, LANG, settings.language, "zh", 0, 0, "zh or en: for what is not an answer; answers follow the command's language") \
    X("bot", default_trainer, NAME, settings.default_trainer, "cnn", 0, 0, "the [trainer NAME] that a bare start begins") \
    X("bot", max_running, INT, settings.max_running, "1", 1, 1000, "trainings at once")                               \
    X("bot", timezone, ZONE, settings.timezone, "", 0, 0, "for display, as in Asia/Shanghai (default: the system's)")   \
    X("bot", trainer_uids, UIDS, settings.trainer_uids, "", 0, 0, "further user ids whose trainers may connect, with commas") \
    X("bot", progress_style, STYLE, settings.progress_style, "card", 0, 0, "card, or classic: Iter 1280, Minibatch Loss= 0.512345, …")
#define CONFIG_CONSOLE(X)                                                                                              \
    X("channel console", enabled, BOOL, console.enabled, "true", 0, 0, "trainbot send, trainbot chat, and the terminal that the bot runs in")
#define CONFIG_WEB(X)                                                                                                  \
    X("channel web", enabled, BOOL, web.enabled, "true", 0, 0, "the page and the HTTP API")                            \
    X("channel web", listen, LISTEN, web.listen, "127.0.0.1:8080", 0, 0, "address:port; 0.0.0.0:8080 for the whole network; port 0 takes a free one") \
    X("channel web", token_file, SECRET, web.token_file, "", 0, 0, "the page's secret; made when missing (default STATE_DIR/web.token)") \
    X("channel web", tls_cert, PATH, web.tls_cert, "", 0, 0, "PEM certificate chain: the page is then served over https") \
    X("channel web", tls_key, PATH, web.tls_key, "", 0, 0, "PEM private key of tls_cert")                              \
    X("channel web", trainer_token_file, SECRET, web.trainer_token_file, "", 0, 0, "secret of remote trainers at /trainer; off unless set") \
    X("channel web", hosts, TEXT, web.hosts, "", 0, 0, "further host names under which the page may be reached, with commas")
#define CONFIG_WEIXIN(X)                                                                                               \
    X("channel weixin", enabled, BOOL, weixin.enabled, "true", 0, 0, "personal WeChat; nothing happens until trainbot login weixin was scanned") \
    X("channel weixin", base_url, BASE, weixin.base_url, "https://ilinkai.weixin.qq.com", 0, 0, "the service's address for a login; afterwards the one that the login named") \
    X("channel weixin", cdn_base_url, BASE, weixin.cdn_base_url, "https://novac2c.cdn.weixin.qq.com/c2c", 0, 0, "where pictures go") \
    X("channel weixin", client_version, TEXT, weixin.client_version, "2.4.9", 0, 0, "what the phone's app takes us for; raise it when the app asks for an upgrade") \
    X("channel weixin", budget, INT, weixin.budget, "10", 1, 1000, "messages that may follow each message from a person within 24 hours") \
    X("channel weixin", reserve, INT, weixin.reserve, "3", 0, 999, "of these, kept for alerts and answers; progress never uses them") \
    X("channel weixin", report_every, PERIOD, weixin.report_every_ms, "", 60, 604800, "progress at this interval, as in 30m (default: at 10, 25, 50 and 75 %)") \
    X("channel weixin", ca_file, PATH, weixin.ca_file, "", 0, 0, "PEM certificates to trust instead of the system's")  \
    X("channel weixin", proxy, TEXT, weixin.proxy, "", 0, 0, "as in http://proxy.example:3128 or socks5h://127.0.0.1:1080")
#define CONFIG_WECOM(X)                                                                                                \
    X("channel wecom", enabled, SWITCH, wecom.enabled, "auto", 0, 0, "WeCom AI bot over its long connection; auto: where bot_id is set") \
    X("channel wecom", url, BASE, wecom.url, "wss://openws.work.weixin.qq.com", 0, 0, "the gateway; a private deployment has its own") \
    X("channel wecom", bot_id, TEXT, wecom.bot_id, "", 0, 0, "of the bot's long-connection API mode")                   \
    X("channel wecom", secret_file, SECRET, wecom.secret_file, "", 0, 0, "the file with the bot's secret, readable by its owner only") \
    X("channel wecom", report_every, PERIOD, wecom.report_every_ms, "", 10, 604800, "between progress messages where none can be updated in place (default 10m)") \
    X("channel wecom", ca_file, PATH, wecom.ca_file, "", 0, 0, "PEM certificates to trust instead of the system's")    \
    X("channel wecom", proxy, TEXT, wecom.proxy, "", 0, 0, "as in http://proxy.example:3128")
#define CONFIG_TELEGRAM(X)                                                                                             \
    X("channel telegram", enabled, SWITCH, telegram.enabled, "auto", 0, 0, "Telegram bot; auto: where token_file is set") \
    X("channel telegram", base_url, BASE, telegram.base_url, "https://api.telegram.org", 0, 0, "the Bot API, or a Bot API server of your own") \
    X("channel telegram", token_file, SECRET, telegram.token_file, "", 0, 0, "the file with the bot's token from @BotFather, readable by its owner only") \
    X("channel telegram", report_every, PERIOD, telegram.report_every_ms, "", 3, 604800, "the progress message changes at most this often (default 3s, in groups 6s)") \
    X("channel telegram", ca_file, PATH, telegram.ca_file, "", 0, 0, "PEM certificates to trust instead of the system's") \
    X("channel telegram", proxy, TEXT, telegram.proxy, "", 0, 0, "as in http://proxy.example:3128 or socks5h://127.0.0.1:1080")
#define CONFIG_ACCESS(X)                                                                                               \
    X("access", owner, IDENTITY, settings.owner, "", 0, 0, "channel:id of the owner, as in weixin:ID")                 \
    X("access", operators, IDENTITIES, settings.operators, "", 0, 0, "may start, steer and stop; channel:id with commas") \
    X("access", viewers, IDENTITIES, settings.viewers, "", 0, 0, "may look; channel:id with commas")                   \
    X("access", groups, IDENTITIES, settings.groups, "", 0, 0, "group chats the bot answers in; channel:id with commas")
#define CONFIG_PERSON(X)                                                                                               \
    X("person", channels, IDENTITIES, identities, "", 0, 0, "channel:id with commas: one person; alerts fall back in this order")
/* env.NAME and param.NAME stand beside these. */
#define CONFIG_TRAINER(X)                                                                                              \
    X("trainer", command, ARGV, command, "", 0, 0,                                                                     \
      "program and arguments: POSIX quotes, no shell; {param} of declared parameters, {run} {run_dir} {checkpoint}, {{")  \
    X("trainer", resume_args, ARGV, resume_args, "", 0, 0, "appended for start … from N; empty: this trainer cannot go on") \
    X("trainer", describe, ARGV, describe, "", 0, 0, "a command that prints its parameters and commands as JSON")      \
    X("trainer", directory, PATH, directory, "", 0, 0, "working directory (default: the run's own)")                   \
    X("trainer", launcher, LAUNCHER, name, "local", 0, 0, "local: a process of this machine")                      \
    X("trainer", stop_timeout_s, INT, stop_timeout_s, "60", 1, 86400, "no sign of life for this long after a stop: SIGTERM, 10 s later SIGKILL")

#endif
