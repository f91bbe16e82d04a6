/*
 * The configuration reader: see config.h. Always holds: the first error never hides the next; nothing is half taken (a
 * bad value leaves its default); a line is split at its first '=' and its value is taken as it stands.
 */
#include "config.h"
#include "config_value.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct config_seen {
    char *section, *key;
};

struct config *config_create(void) {
    struct config *config = calloc(1, sizeof *config);
    if (!config || config_defaults(config) < 0) {
        config_free(config);
        return NULL;
    }
    return config;
}

void config_free(struct config *config) {
    if (!config) return;
    for (size_t i = 0; i < config->seen_count; i++) {
        free(config->seen[i].section);
        free(config->seen[i].key);
    }
    free(config->seen);
    config_release(config);
    free(config);
}

static void complain(struct config_report *report, const char *name, int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void complain(struct config_report *report, const char *name, int line, const char *format, ...) {
    va_list args;
    report->errors++;
    if (line > 0)
        fprintf(report->out, "%s:%d: ", name, line);
    else
        fprintf(report->out, "%s: ", name);
    va_start(args, format);
    vfprintf(report->out, format, args);
    va_end(args);
    fputc('\n', report->out);
}

/* False: this key stood before in the same source. */
static bool first_time(struct config *config, const char *section, const char *key) {
    for (size_t i = 0; i < config->seen_count; i++)
        if (strcmp(config->seen[i].section, section) == 0 && strcmp(config->seen[i].key, key) == 0) return false;
    struct config_seen *grown = realloc(config->seen, (config->seen_count + 1) * sizeof *grown);
    if (!grown) return true;
    config->seen = grown;
    struct config_seen *seen = &grown[config->seen_count];
    seen->section = strdup(section);
    seen->key = strdup(key);
    if (seen->section && seen->key) config->seen_count++;
    return true;
}

static void forget_seen(struct config *config) {
    for (size_t i = 0; i < config->seen_count; i++) {
        free(config->seen[i].section);
        free(config->seen[i].key);
    }
    config->seen_count = 0;
}

static void trim(char **text) {
    while (**text == ' ' || **text == '\t')
        ++*text;
    size_t length = strlen(*text);
    while (length && strchr(" \t\r", (*text)[length - 1]))
        (*text)[--length] = 0;
}

/* "[section name]" → "section name" with single blanks. */
static bool take_section(char *text, char *section, size_t size) {
    size_t length = strlen(text);
    if (length < 3 || text[length - 1] != ']') return false;
    text[length - 1] = 0;
    char *from = text + 1, *word, *rest = NULL;
    section[0] = 0;
    for (word = strtok_r(from, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (strlen(section) + strlen(word) + 2 > size) return false;
        if (section[0]) strcat(section, " ");
        strcat(section, word);
    }
    return section[0] != 0;
}

static void take_pair(struct config *config, const char *name, int line, const char *section, char *text,
                      struct config_report *report) {
    char why[512];
    char *equals = strchr(text, '=');
    if (!equals) {
        complain(report, name, line, "\"%.40s\": not key=value; comments begin with # or ;", text);
        return;
    }
    *equals = 0;
    char *key = text, *value = equals + 1;
    trim(&key);
    trim(&value);
    if (!section[0]) {
        complain(report, name, line, "%s: before the first [section]", key);
        return;
    }
    if (!first_time(config, section, key)) {
        complain(report, name, line, "[%s] %s: a second time", section, key);
        return;
    }
    if (config_value(config, section, key, value, why, sizeof why) < 0)
        complain(report, name, line, "[%s] %s: %s", section, key, why);
}

void config_read(struct config *config, const char *name, const char *text, size_t size, struct config_report *report) {
    char section[256] = "", why[512];
    int number = 0;
    for (size_t begin = 0; begin < size;) {
        const char *newline = memchr(text + begin, '\n', size - begin);
        size_t length = newline ? (size_t)(newline - (text + begin)) : size - begin;
        char *line = strndup(text + begin, length);
        size_t whole = length;
        begin += length + 1;
        number++;
        if (!line) return;
        char *body = line;
        if (number == 1 && strncmp(body, "\xef\xbb\xbf", 3) == 0) body += 3;
        if (whole > CONFIG_LINE_MAX)
            complain(report, name, number, "a line has at most %d bytes", CONFIG_LINE_MAX);
        else if (strlen(line) < whole)
            complain(report, name, number, "a zero byte");
        else if (trim(&body), body[0] == '[') {
            if (!take_section(body, section, sizeof section)) {
                complain(report, name, number, "%s: not a section; right would be [bot] or [trainer cnn]", body);
                snprintf(section, sizeof section, "?");
            } else if (config_section(config, section, why, sizeof why) < 0) {
                complain(report, name, number, "[%s]: %s", section, why);
                snprintf(section, sizeof section, "?");
            }
        } else if (body[0] && body[0] != '#' && body[0] != ';' && strcmp(section, "?") != 0) {
            take_pair(config, name, number, section, body, report);
        }
        free(line);
    }
}

void config_set(struct config *config, const char *word, struct config_report *report) {
    const char *equals = strchr(word, '=');
    const char *dot = NULL;
    /* section.key=value: the key begins after the first dot behind the section's name; names hold no dot */
    for (const char *at = word; equals && at < equals && !dot; at++)
        if (*at == '.') dot = at;
    char section[256], why[512];
    if (!dot || (size_t)(dot - word) >= sizeof section) {
        complain(report, "--set", 0, "\"%.60s\": right would be \"bot.max_running=2\" or \"trainer cnn.param.lr=0.01\"",
                 word);
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(dot - word), word);
    char *key = strndup(dot + 1, (size_t)(equals - dot - 1)), *value = strdup(equals + 1);
    if (key && value) {
        int status = config_section(config, section, why, sizeof why);
        if (status == TB_OK) status = config_value(config, section, key, value, why, sizeof why);
        if (status < 0) complain(report, "--set", 0, "[%s] %s: %s", section, key, why);
    }
    free(key);
    free(value);
}

void config_finish(struct config *config, struct config_report *report) {
    config_checks(config, report);
}

static char *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rbe");
    if (!file) return NULL;
    char *bytes = malloc(1 << 20);
    *ret_size = bytes ? fread(bytes, 1, 1 << 20, file) : 0;
    int failed = ferror(file);
    fclose(file);
    if (failed) {
        free(bytes);
        errno = EIO;
        return NULL;
    }
    return bytes;
}

struct config *config_load(const char *path, char *const *sets, size_t sets_count, struct config_report *report) {
    struct config *config = config_create();
    if (!config) return NULL;
    if (path) {
        size_t size = 0;
        char *text = read_file(path, &size);
        if (!text)
            complain(report, path, 0, "%s", strerror(errno));
        else if (size == 1 << 20)
            complain(report, path, 0, "longer than 1 MiB");
        else
            config_read(config, path, text, size, report);
        free(text);
    }
    forget_seen(config);
    for (size_t i = 0; i < sets_count; i++)
        config_set(config, sets[i], report);
    config_finish(config, report);
    if (!report->errors) return config;
    config_free(config);
    return NULL;
}
