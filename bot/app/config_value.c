/*
 * One key's text into its field: see config_value.h. The rows come from config_table.h; a type is a function, and says
 * in its error what would be right.
 */
#include "config_value.h"
#include "argv.h"
#include "config_table.h"
#include "config_types.h"
#include "service_url.h"
#include "text.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROW(owner, section, key, type, field, standard, min, max, doc)                                                 \
    {section, #key, type, offsetof(owner, field), standard, min, max, doc},
#define CONFIG_ROW(...) ROW(struct config, __VA_ARGS__)
#define TRAINER_ROW(...) ROW(struct trainer_settings, __VA_ARGS__)
#define PERSON_ROW(...) ROW(struct person_settings, __VA_ARGS__)

static const struct row config_rows[] = {CONFIG_BOT(CONFIG_ROW) CONFIG_CONSOLE(CONFIG_ROW) CONFIG_WEB(CONFIG_ROW)
                                             CONFIG_WEIXIN(CONFIG_ROW) CONFIG_WECOM(CONFIG_ROW)
                                                 CONFIG_TELEGRAM(CONFIG_ROW) CONFIG_ACCESS(CONFIG_ROW)};
static const struct row trainer_rows[] = {CONFIG_TRAINER(TRAINER_ROW)};
static const struct row person_rows[] = {CONFIG_PERSON(PERSON_ROW)};
#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* ---- sections ---- */

static struct trainer_settings *trainer_of(struct config *config, const char *name) {
    for (size_t i = 0; i < config->settings.trainers_count; i++)
        if (strcmp(config->settings.trainers[i].name, name) == 0) return &config->settings.trainers[i];
    return NULL;
}

static struct person_settings *person_of(struct config *config, const char *name) {
    for (size_t i = 0; i < config->settings.persons_count; i++)
        if (strcmp(config->settings.persons[i].name, name) == 0) return &config->settings.persons[i];
    return NULL;
}

static int add_trainer(struct config *config, const char *name) {
    struct settings *settings = &config->settings;
    struct trainer_settings *grown = realloc(settings->trainers, (settings->trainers_count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    settings->trainers = grown;
    grown[settings->trainers_count] = (struct trainer_settings){.name = strdup(name), .stop_timeout_s = 60};
    if (!grown[settings->trainers_count].name) return TB_ENOMEM;
    settings->trainers_count++;
    return TB_OK;
}

static int add_person(struct config *config, const char *name) {
    struct settings *settings = &config->settings;
    struct person_settings *grown = realloc(settings->persons, (settings->persons_count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    settings->persons = grown;
    grown[settings->persons_count] = (struct person_settings){.name = strdup(name)};
    if (!grown[settings->persons_count].name) return TB_ENOMEM;
    settings->persons_count++;
    return TB_OK;
}

int config_section(struct config *config, const char *section, char *why, size_t why_size) {
    for (size_t i = 0; i < COUNT(config_rows); i++)
        if (strcmp(config_rows[i].section, section) == 0) return TB_OK;
    bool trainer = strncmp(section, "trainer ", 8) == 0, person = strncmp(section, "person ", 7) == 0;
    const char *name = trainer ? section + 8 : person ? section + 7 : "";
    if (!trainer && !person) {
        bool channel = strncmp(section, "channel ", 8) == 0;
        if (channel)
            snprintf(why, why_size, "there is no channel \"%s\"; there are console, web, weixin, wecom and telegram",
                     section + 8);
        else
            snprintf(why, why_size,
                     "there is no such section; there are bot, channel NAME, access, person NAME, trainer NAME");
        return TB_ENOTFOUND;
    }
    if (!good_name(name)) return wrong(why, why_size, name, "a name of letters, digits, _ and - is");
    if (trainer ? trainer_of(config, name) != NULL : person_of(config, name) != NULL) return TB_OK;
    return trainer ? add_trainer(config, name) : add_person(config, name);
}

/* env.NAME= and param.NAME=: the list takes or replaces the pair. */
static int set_named(struct named_text **items, size_t *count, const char *name, const char *value, char *why,
                     size_t why_size) {
    if (!name[0] || strchr(name, '=')) return wrong(why, why_size, name, "env.NAME=value and param.NAME=value are");
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*items)[i].name, name) == 0) return text_set(&(*items)[i].text, value);
    struct named_text *grown = realloc(*items, (*count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    *items = grown;
    grown[*count] = (struct named_text){.name = strdup(name), .text = strdup(value)};
    if (!grown[*count].name || !grown[*count].text) return TB_ENOMEM;
    ++*count;
    return TB_OK;
}

static int unknown_key(const struct row *rows, size_t count, const char *section, char *why, size_t why_size) {
    size_t length = (size_t)snprintf(why, why_size, "there is no such key; there are");
    for (size_t i = 0; i < count; i++) {
        if (section && strcmp(rows[i].section, section) != 0) continue;
        if (length < why_size) length += (size_t)snprintf(why + length, why_size - length, " %s", rows[i].key);
    }
    return TB_ENOTFOUND;
}

static const struct row *row_of(const struct row *rows, size_t count, const char *section, const char *key) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].key, key) == 0 && (!section || strcmp(rows[i].section, section) == 0)) return &rows[i];
    return NULL;
}

int config_value(struct config *config, const char *section, const char *key, const char *value, char *why,
                 size_t why_size) {
    struct trainer_settings *trainer = strncmp(section, "trainer ", 8) == 0 ? trainer_of(config, section + 8) : NULL;
    struct person_settings *person = strncmp(section, "person ", 7) == 0 ? person_of(config, section + 7) : NULL;
    if (trainer && strncmp(key, "env.", 4) == 0)
        return set_named(&trainer->env, &trainer->env_count, key + 4, value, why, why_size);
    if (trainer && strncmp(key, "param.", 6) == 0)
        return set_named(&trainer->params, &trainer->params_count, key + 6, value, why, why_size);
    const struct row *rows = trainer ? trainer_rows : person ? person_rows : config_rows;
    size_t count = trainer ? COUNT(trainer_rows) : person ? COUNT(person_rows) : COUNT(config_rows);
    const char *within = trainer || person ? NULL : section;
    const struct row *row = row_of(rows, count, within, key);
    if (!row) return unknown_key(rows, count, within, why, why_size);
    void *base = trainer ? (void *)trainer : person ? (void *)person : (void *)config;
    int status = field_set(config, base, row, value, why, why_size);
    if (status == TB_ENOMEM) snprintf(why, why_size, "%s", tb_error_text(status));
    /* A vector that is wrong is not missing as well: one mistake, one line. */
    if (status < 0 && row->type == ARGV && trainer && !*(char ***)(void *)((char *)base + row->offset)) {
        char unused[8];
        (void)!argv_parse("?", (char ***)(void *)((char *)base + row->offset), unused, sizeof unused);
    }
    return status;
}

/* ---- all of it ---- */

/* Types whose field is one text, "" where nothing is set. */
static bool is_text(enum value_type type) {
    return type == TEXT || type == PATH || type == SECRET || type == ZONE || type == LISTEN || type == NAME ||
           type == BASE;
}

int config_defaults(struct config *config) {
    char why[256];
    for (size_t i = 0; i < COUNT(config_rows); i++) {
        const struct row *row = &config_rows[i];
        if (!row->standard[0] && !is_text(row->type)) continue;
        int status = row->standard[0] ? field_set(config, config, row, "", why, sizeof why)
                                      : text_set((char **)(void *)((char *)config + row->offset), "");
        if (status < 0) return status;
    }
    return TB_OK;
}

static void named_free(struct named_text *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(items[i].name);
        free(items[i].text);
    }
    free(items);
}

void config_release(struct config *config) {
    struct settings *settings = &config->settings;
    for (size_t i = 0; i < settings->trainers_count; i++) {
        struct trainer_settings *trainer = &settings->trainers[i];
        free(trainer->name);
        free(trainer->directory);
        argv_free(trainer->command);
        argv_free(trainer->resume_args);
        argv_free(trainer->describe);
        named_free(trainer->env, trainer->env_count);
        named_free(trainer->params, trainer->params_count);
    }
    free(settings->trainers);
    for (size_t i = 0; i < settings->persons_count; i++) {
        free(settings->persons[i].name);
        identities_free(settings->persons[i].identities, settings->persons[i].count);
    }
    free(settings->persons);
    identities_free(settings->operators, settings->operators_count);
    identities_free(settings->viewers, settings->viewers_count);
    identities_free(settings->groups, settings->groups_count);
    free(settings->owner.channel);
    free(settings->owner.id);
    free(settings->trainer_uids);
    for (size_t i = 0; i < COUNT(config_rows); i++)
        if (is_text(config_rows[i].type)) free(*(char **)(void *)((char *)config + config_rows[i].offset));
}

static void report_line(struct config_report *report, const char *section, const char *key, const char *text) {
    report->errors++;
    fprintf(report->out, "[%s] %s: %s\n", section, key, text);
}

/* Every placeholder must look like a declared parameter's name or be one of ours. */
static const char *any_param(void *user, const char *name) {
    (void)user;
    static const char *const forms = "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    bool ascii = strspn(name, forms) == strlen(name) && strlen(name) > 0 && strlen(name) <= 32;
    bool chinese = (unsigned char)name[0] >= 0x80;
    return ascii || chinese ? "1" : NULL;
}

static void check_vector(struct config_report *report, const char *section, const char *key, char **argv) {
    char **filled = NULL, why[256];
    if (argv && argv_fill(argv, any_param, NULL, &filled, why, sizeof why) < 0) report_line(report, section, key, why);
    argv_free(filled);
}

static void check_trainer(struct config_report *report, struct trainer_settings *trainer) {
    char section[96];
    snprintf(section, sizeof section, "trainer %s", trainer->name);
    if (trainer->directory && !trainer->directory[0]) { /* empty means the run's own */
        free(trainer->directory);
        trainer->directory = NULL;
    }
    if (!trainer->command)
        report_line(report, section, "command",
                    "missing; it names the program to start, as in command=python3 train.py --lr {lr}");
    check_vector(report, section, "command", trainer->command);
    check_vector(report, section, "resume_args", trainer->resume_args);
    check_vector(report, section, "describe", trainer->describe);
    for (size_t i = 0; i < trainer->params_count; i++)
        if (trainer->params[i].text[0] == '-' && strpbrk(trainer->params[i].text, "0123456789") == NULL)
            report_line(report, section, trainer->params[i].name,
                        "a value that begins with - could be taken for an option");
}

/* $XDG_STATE_HOME/trainbot, ~/.local/state/trainbot, as root /var/lib/trainbot */
static char *default_state_dir(void) {
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (xdg && xdg[0] == '/') return text_print("%s/trainbot", xdg);
    if (geteuid() == 0) return strdup("/var/lib/trainbot");
    return home && home[0] == '/' ? text_print("%s/.local/state/trainbot", home) : NULL;
}

static void check_state_dir(struct config *config, struct config_report *report) {
    struct settings *settings = &config->settings;
    if (!settings->state_dir[0]) {
        free(settings->state_dir);
        settings->state_dir = default_state_dir();
        if (!settings->state_dir) {
            settings->state_dir = strdup("");
            report_line(report, "bot", "state_dir",
                        "no HOME in the environment; set it, as in state_dir=/var/lib/trainbot");
        }
    } else if (settings->state_dir[0] != '/') {
        char *absolute = NULL, *cwd = getcwd(NULL, 0);
        if (cwd) absolute = text_print("%s/%s", cwd, settings->state_dir);
        free(cwd);
        if (absolute) {
            free(settings->state_dir);
            settings->state_dir = absolute;
        }
    }
    if (!config->web.token_file[0] && settings->state_dir[0]) {
        char *path = text_print("%s/web.token", settings->state_dir);
        if (path) {
            free(config->web.token_file);
            config->web.token_file = path;
        }
    }
}

static const char *const weixin_domains[] = {"weixin.qq.com", "wechat.com", NULL};

static void check_base(struct config_report *report, const char *section, const char *key, const char *value,
                       const char *const *domains, bool web_socket) {
    struct service_url url;
    char why[300] = "", text[600];
    if (service_url_base(value, domains, why, sizeof why) && service_url_parse(value, &url) &&
        (strncmp(url.scheme, "ws", 2) == 0) != web_socket)
        snprintf(why, sizeof why, "%s",
                 web_socket ? "wss:// is how it begins (ws:// for this machine)"
                            : "https:// is how it begins (http:// for this machine)");
    if (!why[0]) return;
    bool shows = !strchr(value, '@'); /* what stands before it may be a password */
    snprintf(text, sizeof text, "%s%.200s%s is not right; %s", shows ? "\"" : "", shows ? value : "it",
             shows ? "\"" : "", why);
    report_line(report, section, key, text);
}

/* A file that must be there; SECRET's own check has seen to its mode. */
static void check_there(struct config_report *report, const char *section, const char *key, const char *path,
                        const char *missing) {
    char text[512];
    if (!path[0])
        report_line(report, section, key, missing);
    else if (access(path, R_OK) != 0) {
        snprintf(text, sizeof text, "%.400s: %s", path, strerror(errno));
        report_line(report, section, key, text);
    }
}

static void check_services(struct config *config, struct config_report *report) {
    struct weixin_settings *weixin = &config->weixin;
    struct wecom_settings *wecom = &config->wecom;
    struct telegram_settings *telegram = &config->telegram;
    check_base(report, "channel weixin", "base_url", weixin->base_url, weixin_domains, false);
    check_base(report, "channel weixin", "cdn_base_url", weixin->cdn_base_url, weixin_domains, false);
    if (weixin->reserve >= weixin->budget)
        report_line(report, "channel weixin", "reserve", "must be less than budget, or no progress could ever leave");
    check_base(report, "channel wecom", "url", wecom->url, NULL, true);
    if (wecom->enabled == SWITCH_AUTO) wecom->enabled = wecom->bot_id[0] ? SWITCH_ON : SWITCH_OFF;
    if (wecom->enabled == SWITCH_ON) {
        if (!wecom->bot_id[0])
            report_line(report, "channel wecom", "bot_id",
                        "missing; the bot's settings in WeCom show it (API mode, long connection)");
        check_there(report, "channel wecom", "secret_file", wecom->secret_file,
                    "missing; put the bot's secret into a file, chmod 600, and name it here");
    }
    check_base(report, "channel telegram", "base_url", telegram->base_url, NULL, false);
    if (telegram->enabled == SWITCH_AUTO) telegram->enabled = telegram->token_file[0] ? SWITCH_ON : SWITCH_OFF;
    if (telegram->enabled == SWITCH_ON)
        check_there(report, "channel telegram", "token_file", telegram->token_file,
                    "missing; put the token that @BotFather gave into a file, chmod 600, and name it here");
    const char *files[] = {weixin->ca_file, wecom->ca_file, telegram->ca_file};
    const char *sections[] = {"channel weixin", "channel wecom", "channel telegram"};
    for (size_t i = 0; i < 3; i++)
        if (files[i][0]) check_there(report, sections[i], "ca_file", files[i], "");
}

void config_checks(struct config *config, struct config_report *report) {
    struct settings *settings = &config->settings;
    check_services(config, report);
    check_state_dir(config, report);
    for (size_t i = 0; i < settings->trainers_count; i++)
        check_trainer(report, &settings->trainers[i]);
    if (settings->trainers_count && !settings_trainer(settings, settings->default_trainer)) {
        char text[256];
        snprintf(text, sizeof text, "there is no [trainer %s]; the first one is [trainer %s]",
                 settings->default_trainer, settings->trainers[0].name);
        report_line(report, "bot", "default_trainer", text);
    }
    if (config->web.tls_cert[0] && !config->web.tls_key[0])
        report_line(report, "channel web", "tls_key", "missing beside tls_cert");
    if (config->web.tls_key[0] && !config->web.tls_cert[0])
        report_line(report, "channel web", "tls_cert", "missing beside tls_key");
    const char *files[] = {config->web.tls_cert, config->web.tls_key, config->web.trainer_token_file};
    const char *keys[] = {"tls_cert", "tls_key", "trainer_token_file"};
    for (size_t i = 0; i < 3; i++) {
        char text[512];
        if (!files[i][0] || access(files[i], R_OK) == 0) continue;
        snprintf(text, sizeof text, "%s: %s", files[i], strerror(errno));
        report_line(report, "channel web", keys[i], text);
    }
    if (settings->timezone && !settings->timezone[0]) {
        free(settings->timezone);
        settings->timezone = NULL;
    }
}

void config_lan(struct config *config) {
    const char *port = strrchr(config->web.listen, ':');
    char *listen = text_print("0.0.0.0%s", port ? port : ":8080");
    if (!listen) return;
    free(config->web.listen);
    config->web.listen = listen;
}

/* ---- the table for people ---- */

static void print_rows(FILE *out, const struct row *rows, size_t count) {
    const char *section = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].section, section) != 0) {
            section = rows[i].section;
            fprintf(out, "\n[%s]\n", section);
        }
        fprintf(out, "# %s\n#%s=%s\n", rows[i].doc, rows[i].key, rows[i].standard);
    }
}

void config_print_sample(FILE *out) {
    print_rows(out, config_rows, COUNT(config_rows));
    print_rows(out, person_rows, COUNT(person_rows));
    print_rows(out, trainer_rows, COUNT(trainer_rows));
}
