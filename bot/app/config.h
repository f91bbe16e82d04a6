/*
 * config.h: the configuration file, and --set, as settings. One table (config_table.h) names every key with its type,
 * default, bounds and meaning; the reader, its error lines, and the sample file's test come from it.
 *
 * Format: [section name], key=value split at the first '=', comments only at the start of a line (# or ;), lines up to
 * 16 KiB, no continuation, no expansion; an empty value means the default. Unknown or repeated keys and bad values are
 * errors that name file, line, key and what would be right.
 */
#ifndef TRAINBOT_CONFIG_H
#define TRAINBOT_CONFIG_H

#include "settings.h"
#include "error.h"
#include <stdio.h>

#define CONFIG_LINE_MAX 16384

/* [channel web] */
struct web_settings {
    bool enabled;
    char *listen, *token_file, *tls_cert, *tls_key, *trainer_token_file, *hosts;
};
/* [channel console] */
struct console_settings {
    bool enabled;
};

enum config_switch { SWITCH_AUTO, SWITCH_OFF, SWITCH_ON };
/* [channel weixin] */
struct weixin_settings {
    bool enabled;
    char *base_url, *cdn_base_url, *client_version, *ca_file, *proxy;
    int64_t budget, reserve, report_every_ms; /* report_every_ms 0: the channel's own way */
};
/* [channel wecom] */
struct wecom_settings {
    enum config_switch enabled; /* after config_finish on or off */
    char *url, *bot_id, *secret_file, *ca_file, *proxy;
    int64_t report_every_ms;
};
/* [channel telegram] */
struct telegram_settings {
    enum config_switch enabled; /* after config_finish on or off */
    char *base_url, *token_file, *ca_file, *proxy;
    int64_t report_every_ms;
};

struct config {
    struct settings settings;
    struct web_settings web;
    struct console_settings console;
    struct weixin_settings weixin;
    struct wecom_settings wecom;
    struct telegram_settings telegram;
    struct config_seen *seen; /* keys met so far */
    size_t seen_count;
};

/* Where errors go: one line each. */
struct config_report {
    FILE *out;
    int errors;
};

struct config *config_create(void); /* defaults; NULL: out of memory */
void config_free(struct config *config);

/* Reads a file's text / one --set word into the config; errors are counted in the report. `name` stands in the lines. */
void config_read(struct config *config, const char *name, const char *text, size_t size, struct config_report *report);
void config_set(struct config *config, const char *word, struct config_report *report);
/* Checks what only the whole can tell (default_trainer exists, a token file is not readable by others, …) and fills
 * defaults that depend on the environment. */
void config_finish(struct config *config, struct config_report *report);
/* Reads `path` (NULL: none given; the built-in defaults with trainer cnn), then sets. Returns NULL when there were
 * errors, all of them reported. */
struct config *config_load(const char *path, char *const *sets, size_t sets_count, struct config_report *report);

/* --lan: the page listens on all addresses, its port kept. */
void config_lan(struct config *config);

/* The table as a sample file / as README rows. */
void config_print_sample(FILE *out);

#endif
