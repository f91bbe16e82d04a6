/*
 * config_table.h: every configuration key, once. X(section, key, TYPE, field, default, min, max, doc)
 * Sections: bot, channel console, channel web, access; [trainer NAME] and [person NAME] have rows of their own, with the
 * field in their struct. Types: TEXT, PATH, LANG, STYLE, INT (min..max), BOOL, NAME, UIDS, LISTEN, SECRET (a file that
 * only its owner may read), IDENTITY, IDENTITIES, ARGV, ZONE.
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
