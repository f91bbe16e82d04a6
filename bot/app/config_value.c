/*
 * One key's text into its field: see config_value.h. The rows come from config_table.h; a type is a function, and says
 * in its error what would be right.
 */
#include "config_value.h"
#include "argv.h"
#include "config_table.h"
#include "text.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum value_type { TEXT, PATH, LANG, STYLE, INT, BOOL, NAME, UIDS, LISTEN, SECRET, IDENTITY, IDENTITIES, ARGV, ZONE, LAUNCHER };

struct row {
    const char *section, *key;
    enum value_type type;
    size_t offset;        /* of the field in its struct */
    const char *standard; /* the default, as text */
    int64_t min, max;
    const char *doc;
};

#define ROW(owner, section, key, type, field, standard, min, max, doc) {section, #key, type, offsetof(owner, field), standard, min, max, doc},
#define CONFIG_ROW(...) ROW(struct config, __VA_ARGS__)
#define TRAINER_ROW(...) ROW(struct trainer_settings, __VA_ARGS__)
#define PERSON_ROW(...) ROW(struct person_settings, __VA_ARGS__)

static const struct row config_rows[] = {CONFIG_BOT(CONFIG_ROW) CONFIG_CONSOLE(CONFIG_ROW) CONFIG_WEB(CONFIG_ROW) CONFIG_ACCESS(CONFIG_ROW)};
static const struct row trainer_rows[] = {CONFIG_TRAINER(TRAINER_ROW)};
static const struct row person_rows[] = {CONFIG_PERSON(PERSON_ROW)};
#define COUNT(rows) (sizeof(rows) / sizeof *(rows))

/* ---- types ---- */

static int wrong(char *why, size_t why_size, const char *value, const char *right) {
    snprintf(why, why_size, "\"%.60s\" is not right; %s", value, right);
    return TB_EINVAL;
}

static int set_integer(int64_t *field, const struct row *row, const char *value, char *why, size_t why_size) {
    char *end = NULL, right[96];
    errno = 0;
    long long number = strtoll(value, &end, 10);
    snprintf(right, sizeof right, "a whole number from %lld to %lld is, as in %s", (long long)row->min, (long long)row->max, row->standard);
    if (end == value || *end || errno || number < row->min || number > row->max) return wrong(why, why_size, value, right);
    *field = number;
    return TB_OK;
}

static int set_bool(bool *field, const char *value, char *why, size_t why_size) {
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(value, yes[i]) == 0) return *field = true, TB_OK;
        if (strcmp(value, no[i]) == 0) return *field = false, TB_OK;
    }
    return wrong(why, why_size, value, "true or false is");
}

static bool good_name(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > 64) return false;
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c < 0x80 && !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", *c)) return false;
    return true;
}

static int set_listen(char **field, const char *value, char *why, size_t why_size) {
    const char *colon = strrchr(value, ':');
    char *end = NULL;
    long port = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
    bool digits = colon && strspn(colon + 1, "0123456789") == strlen(colon + 1);
    if (!colon || colon == value || !end || *end || !digits) return wrong(why, why_size, value, "address:port is, as in 127.0.0.1:8080");
    if (port < 0 || port > 65535) return wrong(why, why_size, value, "a port is from 0 (a free one) to 65535");
    return text_set(field, value);
}

/* A file with a secret: where it exists, it is a file that only its owner can read. */
static int set_secret(char **field, const char *value, char *why, size_t why_size) {
    struct stat info;
    if (stat(value, &info) == 0) {
        if (!S_ISREG(info.st_mode)) return wrong(why, why_size, value, "a plain file is");
        if (info.st_mode & 077) {
            snprintf(why, why_size, "%s can be read by others (mode %03o); right would be: chmod 600 %s", value, (unsigned)info.st_mode & 0777, value);
            return TB_EACCESS;
        }
        if (access(value, R_OK) != 0) {
            snprintf(why, why_size, "%s: %s", value, strerror(errno));
            return TB_EACCESS;
        }
    } else if (errno != ENOENT && errno != ENOTDIR) {
        snprintf(why, why_size, "%s: %s", value, strerror(errno));
        return TB_EACCESS;
    }
    return text_set(field, value);
}

static int set_identity(struct identity *field, const char *value, char *why, size_t why_size) {
    const char *colon = strchr(value, ':');
    if (!colon || colon == value || !colon[1]) return wrong(why, why_size, value, "channel:id is, as in telegram:123456");
    struct identity found = {.channel = strndup(value, (size_t)(colon - value)), .id = strdup(colon + 1)};
    if (!found.channel || !found.id) {
        free(found.channel);
        free(found.id);
        return TB_ENOMEM;
    }
    free(field->channel);
    free(field->id);
    *field = found;
    return TB_OK;
}

/* Calls take() for each comma-separated, trimmed piece. */
static int each_piece(const char *value, int (*take)(void *user, const char *piece, char *why, size_t why_size), void *user, char *why, size_t why_size) {
    char *copy = strdup(value), *rest = NULL;
    int status = copy ? TB_OK : TB_ENOMEM;
    for (char *piece = copy ? strtok_r(copy, ",", &rest) : NULL; piece && status == TB_OK; piece = strtok_r(NULL, ",", &rest)) {
        piece += strspn(piece, " \t");
        size_t length = strlen(piece);
        while (length && (piece[length - 1] == ' ' || piece[length - 1] == '\t'))
            piece[--length] = 0;
        status = take(user, piece, why, why_size);
    }
    free(copy);
    return status;
}

struct identities {
    struct identity *items;
    size_t count;
};

static void identities_free(struct identity *items, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(items[i].channel);
        free(items[i].id);
    }
    free(items);
}

static int add_identity(void *user, const char *piece, char *why, size_t why_size) {
    struct identities *list = user;
    struct identity *grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    list->items = grown;
    grown[list->count] = (struct identity){0};
    int status = set_identity(&grown[list->count], piece, why, why_size);
    if (status == TB_OK) list->count++;
    return status;
}

static int set_identities(struct identity **items, size_t *count, const char *value, char *why, size_t why_size) {
    struct identities list = {0};
    int status = each_piece(value, add_identity, &list, why, why_size);
    if (status < 0) {
        identities_free(list.items, list.count);
        return status;
    }
    identities_free(*items, *count);
    *items = list.items;
    *count = list.count;
    return TB_OK;
}

static int add_uid(void *user, const char *piece, char *why, size_t why_size) {
    struct settings *settings = user;
    char *end = NULL;
    errno = 0;
    unsigned long long uid = strtoull(piece, &end, 10);
    if (end == piece || *end || errno || piece[0] == '-' || uid > UINT32_MAX) return wrong(why, why_size, piece, "user ids are whole numbers, as in 1000,1001");
    uint32_t *grown = realloc(settings->trainer_uids, (settings->trainer_uids_count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    settings->trainer_uids = grown;
    grown[settings->trainer_uids_count++] = (uint32_t)uid;
    return TB_OK;
}

static int set_argv(char ***field, const char *value, char *why, size_t why_size) {
    char **argv = NULL;
    if (value[0]) {
        int status = argv_parse(value, &argv, why, why_size);
        if (status < 0) return status;
    }
    argv_free(*field);
    *field = argv;
    return TB_OK;
}

static int set_zone(char **field, const char *value, char *why, size_t why_size) {
    char path[512];
    if (value[0] == '/' || strstr(value, "..") || strlen(value) > 100) return wrong(why, why_size, value, "a zone's name is, as in Asia/Shanghai");
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", value);
    bool plain = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") >= 3 && strpbrk(value, "0123456789");
    if (access("/usr/share/zoneinfo", F_OK) == 0 && access(path, F_OK) != 0 && !plain && strcmp(value, "UTC") != 0)
        return wrong(why, why_size, value, "a zone's name is, as in Asia/Shanghai");
    return text_set(field, value);
}

/* The count that belongs to a list of the config. */
static size_t *count_of(struct config *config, const struct row *row) {
    if (strcmp(row->key, "operators") == 0) return &config->settings.operators_count;
    if (strcmp(row->key, "viewers") == 0) return &config->settings.viewers_count;
    return &config->settings.groups_count;
}

static int set_field(struct config *config, void *base, const struct row *row, const char *value, char *why, size_t why_size) {
    void *field = (char *)base + row->offset;
    switch (row->type) {
    case TEXT:
    case PATH:
        return text_set(field, value);
    case LANG:
        if (strcmp(value, "zh") && strcmp(value, "en")) return wrong(why, why_size, value, "zh or en is");
        *(enum lang *)field = value[0] == 'z' ? LANG_ZH : LANG_EN;
        return TB_OK;
    case STYLE:
        if (strcmp(value, "card") && strcmp(value, "classic")) return wrong(why, why_size, value, "card or classic is");
        *(enum progress_style *)field = value[1] == 'a' ? STYLE_CARD : STYLE_CLASSIC;
        return TB_OK;
    case INT:
        return set_integer(field, row, value, why, why_size);
    case BOOL:
        return set_bool(field, value, why, why_size);
    case NAME:
        return good_name(value) ? text_set(field, value) : wrong(why, why_size, value, "a name of letters, digits, _ and - is");
    case UIDS:
        config->settings.trainer_uids_count = 0;
        return each_piece(value, add_uid, &config->settings, why, why_size);
    case LISTEN:
        return set_listen(field, value, why, why_size);
    case SECRET:
        return set_secret(field, value, why, why_size);
    case IDENTITY:
        return set_identity(field, value, why, why_size);
    case IDENTITIES:
        if (base != config) return set_identities(field, &((struct person_settings *)base)->count, value, why, why_size);
        return set_identities(field, count_of(config, row), value, why, why_size);
    case ARGV:
        return set_argv(field, value, why, why_size);
    case ZONE:
        return set_zone(field, value, why, why_size);
    case LAUNCHER:
        return strcmp(value, "local") == 0 ? TB_OK : wrong(why, why_size, value, "local is");
    }
    return TB_EINVAL;
}

/* An empty value: the default, where that is nothing. */
static int clear_field(struct config *config, void *base, const struct row *row) {
    void *field = (char *)base + row->offset;
    struct identity *one = field;
    char why[1];
    switch (row->type) {
    case IDENTITY:
        free(one->channel);
        free(one->id);
        *one = (struct identity){0};
        return TB_OK;
    case IDENTITIES:
        return set_field(config, base, row, "", why, sizeof why);
    case UIDS:
        config->settings.trainer_uids_count = 0;
        return TB_OK;
    case ARGV:
        return set_argv(field, "", why, sizeof why);
    default:
        return text_set(field, "");
    }
}

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
        if (channel) snprintf(why, why_size, "there is no channel \"%s\" in this version; there are console and web", section + 8);
        else snprintf(why, why_size, "there is no such section; there are bot, channel NAME, access, person NAME, trainer NAME");
        return TB_ENOTFOUND;
    }
    if (!good_name(name)) return wrong(why, why_size, name, "a name of letters, digits, _ and - is");
    if (trainer ? trainer_of(config, name) != NULL : person_of(config, name) != NULL) return TB_OK;
    return trainer ? add_trainer(config, name) : add_person(config, name);
}

/* env.NAME= and param.NAME=: the list takes or replaces the pair. */
static int set_named(struct named_text **items, size_t *count, const char *name, const char *value, char *why, size_t why_size) {
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

int config_value(struct config *config, const char *section, const char *key, const char *value, char *why, size_t why_size) {
    struct trainer_settings *trainer = strncmp(section, "trainer ", 8) == 0 ? trainer_of(config, section + 8) : NULL;
    struct person_settings *person = strncmp(section, "person ", 7) == 0 ? person_of(config, section + 7) : NULL;
    if (trainer && strncmp(key, "env.", 4) == 0) return set_named(&trainer->env, &trainer->env_count, key + 4, value, why, why_size);
    if (trainer && strncmp(key, "param.", 6) == 0) return set_named(&trainer->params, &trainer->params_count, key + 6, value, why, why_size);
    const struct row *rows = trainer ? trainer_rows : person ? person_rows : config_rows;
    size_t count = trainer ? COUNT(trainer_rows) : person ? COUNT(person_rows) : COUNT(config_rows);
    const char *within = trainer || person ? NULL : section;
    const struct row *row = row_of(rows, count, within, key);
    if (!row) return unknown_key(rows, count, within, why, why_size);
    void *base = trainer ? (void *)trainer : person ? (void *)person : (void *)config;
    if (!value[0]) value = row->standard;
    int status = value[0] ? set_field(config, base, row, value, why, why_size) : clear_field(config, base, row);
    if (status == TB_ENOMEM) snprintf(why, why_size, "%s", tb_error_text(status));
    /* A vector that is wrong is not missing as well: one mistake, one line. */
    if (status < 0 && row->type == ARGV && trainer && !*(char ***)(void *)((char *)base + row->offset)) {
        char unused[8];
        (void)!argv_parse("?", (char ***)(void *)((char *)base + row->offset), unused, sizeof unused);
    }
    return status;
}

/* ---- all of it ---- */

int config_defaults(struct config *config) {
    char why[256];
    for (size_t i = 0; i < COUNT(config_rows); i++) {
        const struct row *row = &config_rows[i];
        bool text = row->type == TEXT || row->type == PATH || row->type == SECRET || row->type == ZONE;
        if (!row->standard[0] && !text) continue;
        int status = row->standard[0] ? set_field(config, config, row, row->standard, why, sizeof why)
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
    char *texts[] = {settings->state_dir, settings->default_trainer, settings->timezone, config->web.listen, config->web.token_file,
                     config->web.tls_cert, config->web.tls_key, config->web.trainer_token_file, config->web.hosts};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
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
    if (!trainer->command) report_line(report, section, "command", "missing; it names the program to start, as in command=python3 train.py --lr {lr}");
    check_vector(report, section, "command", trainer->command);
    check_vector(report, section, "resume_args", trainer->resume_args);
    check_vector(report, section, "describe", trainer->describe);
    for (size_t i = 0; i < trainer->params_count; i++)
        if (trainer->params[i].text[0] == '-' && strpbrk(trainer->params[i].text, "0123456789") == NULL)
            report_line(report, section, trainer->params[i].name, "a value that begins with - could be taken for an option");
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
            report_line(report, "bot", "state_dir", "no HOME in the environment; set it, as in state_dir=/var/lib/trainbot");
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

void config_checks(struct config *config, struct config_report *report) {
    struct settings *settings = &config->settings;
    check_state_dir(config, report);
    for (size_t i = 0; i < settings->trainers_count; i++)
        check_trainer(report, &settings->trainers[i]);
    if (settings->trainers_count && !settings_trainer(settings, settings->default_trainer)) {
        char text[256];
        snprintf(text, sizeof text, "there is no [trainer %s]; the first one is [trainer %s]", settings->default_trainer, settings->trainers[0].name);
        report_line(report, "bot", "default_trainer", text);
    }
    if (config->web.tls_cert[0] && !config->web.tls_key[0]) report_line(report, "channel web", "tls_key", "missing beside tls_cert");
    if (config->web.tls_key[0] && !config->web.tls_cert[0]) report_line(report, "channel web", "tls_cert", "missing beside tls_key");
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
