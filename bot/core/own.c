/* own.c: see own.h. */
#include "own.h"
#include "command.h"
#include "parse.h"

#include <stdio.h>
#include <string.h>

static const char language[] = "[zh|en]";

const struct run_command *own_find(const struct run *run, const char *word) {
    for (size_t i = 0; run && i < run->commands_count; i++) {
        const struct run_command *command = &run->commands[i];
        if (parse_same(command->name, word)) return command;
        for (char **zh = command->zh; zh && *zh; zh++)
            if (parse_same(*zh, word)) return command;
    }
    return NULL;
}

const char *own_word(const struct run_command *command, enum lang lang) {
    if (lang != LANG_ZH) return command->name;
    bool ignored;
    const struct command *ours = command_find(command->name, &ignored);
    return command->zh && command->zh[0] ? command->zh[0] : ours ? ours->zh[0] : command->name;
}

bool own_speaks(const struct run_command *command) {
    size_t length = command->args ? strlen(command->args) : 0, tail = sizeof language - 1;
    return length >= tail && strcmp(command->args + length - tail, language) == 0;
}

void own_usage(struct words *words, const struct run_command *command, enum lang lang) {
    words_add_foreign(words, own_word(command, lang), 100);
    const char *args = command->args ? command->args : "";
    size_t length = strlen(args) - (own_speaks(command) ? sizeof language - 1 : 0);
    while (length > 0 && args[length - 1] == ' ')
        length--;
    char shown[100];
    snprintf(shown, sizeof shown, "%.*s", (int)(length < 99 ? length : 99), args);
    if (!shown[0]) return;
    words_add(words, " ");
    words_add_foreign(words, shown, sizeof shown);
}

size_t own_list(struct words *words, const struct run *run, bool all, enum lang lang) {
    size_t count = 0;
    bool ignored;
    for (size_t i = 0; run && i < run->commands_count; i++) {
        if (!all && command_find(run->commands[i].name, &ignored)) continue;
        words_add(words, "%s", count++ ? " · " : "");
        own_usage(words, &run->commands[i], lang);
    }
    return count;
}

void own_near(struct near *near, const struct run *run) {
    for (size_t i = 0; run && i < run->commands_count; i++) {
        near_try(near, run->commands[i].name);
        for (char **zh = run->commands[i].zh; zh && *zh; zh++)
            near_try(near, *zh);
    }
}

/* "4 en": it ends with a language. */
static bool tells_language(const char *text, size_t length) {
    const char *word = text + length - 2;
    return length >= 2 && (strncmp(word, "zh", 2) == 0 || strncmp(word, "en", 2) == 0) &&
           (length == 2 || word[-1] == ' ');
}

void own_speak(const struct run_command *command, enum lang lang, char *args, size_t size) {
    size_t length = strlen(args);
    if (!own_speaks(command) || tells_language(args, length)) return;
    snprintf(args + length, size - length, "%s%s", length > 0 ? " " : "", lang == LANG_ZH ? "zh" : "en");
}

const char *own_said(const struct run *run, const char *line, enum lang lang, char *out, size_t size) {
    char name[100];
    size_t length = strlen(line), first = strcspn(line, " ");
    struct words words;
    words_init(&words, out, size);
    snprintf(name, sizeof name, "%.*s", (int)(first < 99 ? first : 99), line);
    bool zh;
    const struct command *ours = command_find(name, &zh);
    const struct run_command *command = own_find(run, name);
    bool speaks = ours || (command && own_speaks(command));
    bool told = length >= first + 3 && (strcmp(line + length - 3, " zh") == 0 || strcmp(line + length - 3, " en") == 0);
    if (speaks && told) length -= 3;
    const char *word = ours ? (lang == LANG_ZH ? ours->zh[0] : ours->en[0]) : command ? own_word(command, lang) : name;
    words_add_foreign(&words, word, sizeof name);
    char rest[100];
    snprintf(rest, sizeof rest, "%.*s", (int)(length - first < 99 ? length - first : 99), line + first);
    words_add_foreign(&words, rest, 60);
    return out;
}
