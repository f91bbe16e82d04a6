/* One type a function: see config_types.h. Always holds: a value that is refused leaves its field as it was. */
#include "config_types.h"
#include "argv.h"
#include "text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int wrong(char *why, size_t why_size, const char *value, const char *right) {
    snprintf(why, why_size, "\"%.60s\" is not right; %s", value, right);
    return TB_EINVAL;
}

static int set_integer(int64_t *field, const struct row *row, const char *value, char *why, size_t why_size) {
    char *end = NULL, right[96];
    errno = 0;
    long long number = strtoll(value, &end, 10);
    snprintf(right, sizeof right, "a whole number from %lld to %lld is, as in %s", (long long)row->min,
             (long long)row->max, row->standard);
    if (end == value || *end || errno || number < row->min || number > row->max)
        return wrong(why, why_size, value, right);
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

static int set_switch(enum config_switch *field, const char *value, char *why, size_t why_size) {
    bool on = false;
    if (strcmp(value, "auto") == 0) return *field = SWITCH_AUTO, TB_OK;
    if (set_bool(&on, value, why, why_size) < 0) return wrong(why, why_size, value, "true, false or auto is");
    *field = on ? SWITCH_ON : SWITCH_OFF;
    return TB_OK;
}

/* 90 (seconds) 90s 30m 2h 1d; the row's bounds are seconds, the field is milliseconds. */
static int set_period(int64_t *field, const struct row *row, const char *value, char *why, size_t why_size) {
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    char *end = NULL, right[120];
    errno = 0;
    long long number = strtoll(value, &end, 10);
    const char *unit = end != value && *end ? strchr(units, *end) : NULL;
    bool good = end != value && !errno && number >= 0 && number <= 604800 && (!*end || (unit && !end[1]));
    int64_t period_s = good ? number * (unit ? seconds[unit - units] : 1) : 0;
    snprintf(right, sizeof right, "a time from %llds to %lldd is, as in 90s, 30m or 2h", (long long)row->min,
             (long long)row->max / 86400);
    if (!good || period_s < row->min || period_s > row->max) return wrong(why, why_size, value, right);
    *field = period_s * 1000;
    return TB_OK;
}

bool good_name(const char *name) {
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
    if (!colon || colon == value || !end || *end || !digits)
        return wrong(why, why_size, value, "address:port is, as in 127.0.0.1:8080");
    if (port < 0 || port > 65535) return wrong(why, why_size, value, "a port is from 0 (a free one) to 65535");
    return text_set(field, value);
}

/* A file with a secret: where it exists, it is a file that only its owner can read. */
static int set_secret(char **field, const char *value, char *why, size_t why_size) {
    struct stat info;
    if (stat(value, &info) == 0) {
        if (!S_ISREG(info.st_mode)) return wrong(why, why_size, value, "a plain file is");
        if (info.st_mode & 077) {
            snprintf(why, why_size, "%s can be read by others (mode %03o); right would be: chmod 600 %s", value,
                     (unsigned)info.st_mode & 0777, value);
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
    if (!colon || colon == value || !colon[1])
        return wrong(why, why_size, value, "channel:id is, as in telegram:123456");
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
static int each_piece(const char *value, int (*take)(void *user, const char *piece, char *why, size_t why_size),
                      void *user, char *why, size_t why_size) {
    char *copy = strdup(value), *rest = NULL;
    int status = copy ? TB_OK : TB_ENOMEM;
    for (char *piece = copy ? strtok_r(copy, ",", &rest) : NULL; piece && status == TB_OK;
         piece = strtok_r(NULL, ",", &rest)) {
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

void identities_free(struct identity *items, size_t count) {
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
    if (end == piece || *end || errno || piece[0] == '-' || uid > UINT32_MAX)
        return wrong(why, why_size, piece, "user ids are whole numbers, as in 1000,1001");
    uint32_t *grown = realloc(settings->trainer_uids, (settings->trainer_uids_count + 1) * sizeof *grown);
    if (!grown) return TB_ENOMEM;
    settings->trainer_uids = grown;
    grown[settings->trainer_uids_count++] = (uint32_t)uid;
    return TB_OK;
}

static int set_uids(struct settings *settings, const char *value, char *why, size_t why_size) {
    struct settings list = {0};
    int status = each_piece(value, add_uid, &list, why, why_size);
    if (status < 0) {
        free(list.trainer_uids);
        return status;
    }
    free(settings->trainer_uids);
    settings->trainer_uids = list.trainer_uids;
    settings->trainer_uids_count = list.trainer_uids_count;
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
    if (value[0] == '/' || strstr(value, "..") || strlen(value) > 100)
        return wrong(why, why_size, value, "a zone's name is, as in Asia/Shanghai");
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", value);
    bool plain =
        strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") >= 3 && strpbrk(value, "0123456789");
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

static int set_field(struct config *config, void *base, const struct row *row, const char *value, char *why,
                     size_t why_size) {
    void *field = (char *)base + row->offset;
    switch (row->type) {
    case TEXT:
    case PATH:
    case BASE:
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
    case SWITCH:
        return set_switch(field, value, why, why_size);
    case PERIOD:
        return set_period(field, row, value, why, why_size);
    case NAME:
        return good_name(value) ? text_set(field, value)
                                : wrong(why, why_size, value, "a name of letters, digits, _ and - is");
    case UIDS:
        return set_uids(&config->settings, value, why, why_size);
    case LISTEN:
        return set_listen(field, value, why, why_size);
    case SECRET:
        return set_secret(field, value, why, why_size);
    case IDENTITY:
        return set_identity(field, value, why, why_size);
    case IDENTITIES:
        if (base != config)
            return set_identities(field, &((struct person_settings *)base)->count, value, why, why_size);
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
    case PERIOD:
        *(int64_t *)field = 0;
        return TB_OK;
    default:
        return text_set(field, "");
    }
}

int field_set(struct config *config, void *base, const struct row *row, const char *value, char *why, size_t why_size) {
    if (!value[0]) value = row->standard;
    if (!value[0]) return clear_field(config, base, row);
    return set_field(config, base, row, value, why, why_size);
}
