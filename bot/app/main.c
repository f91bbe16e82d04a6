/*
 * The program trainbot: reads its options, then hands over to a verb. Options stand before or after the verb; after the
 * first word of a text everything is text, and -- ends options.
 */
#include "app.h"
#include "text.h"
#include <libgen.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb {
    const char *name, *words, *help;
    int (*run)(const struct app_options *options);
    bool takes_text; /* after its first word everything is text */
} verbs[] = {
    {"serve", "", "run the bot (what happens without a verb)", serve_main, false},
    {"send", "TEXT...", "one chat command to the running bot; prints the answers until its outcome is known", send_main, true},
    {"chat", "", "talk with the running bot", chat_main, false},
    {"login", "CHANNEL", "the way into a channel (web, weixin, wecom, telegram): a link, a QR code, or a code to send", login_main, false},
    {"check-config", "", "read the configuration and say what is wrong", check_config_main, false},
};
#define VERBS (sizeof verbs / sizeof *verbs)

static void print_help(FILE *out) {
    fprintf(out, "trainbot " TRAINBOT_VERSION ": run neural-network training from a chat\n\nusage: trainbot [options] [verb]\n\n");
    for (size_t i = 0; i < VERBS; i++)
        fprintf(out, "  %-13s %-8s %s\n", verbs[i].name, verbs[i].words, verbs[i].help);
    fprintf(out, "\noptions\n"
                 "  --config FILE            the configuration (else ~/.config/trainbot/trainbot.conf, /etc/trainbot/trainbot.conf)\n"
                 "  --set \"SECTION.KEY=VAL\"  one key over the configuration, as in --set \"bot.max_running=2\"; repeatable\n"
                 "  --log-level LEVEL        error, warning, info (default) or debug; the log goes to stderr\n"
                 "  --lan                    serve: reachable in the local network, with a QR code\n"
                 "  --timeout S              send: give up after S seconds\n"
                 "  --version, --help\n\n"
                 "send's exit codes: 0 done, 1 refused, 2 no bot, 3 the time passed\n");
}

static const struct verb *verb_named(const char *name) {
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    return NULL;
}

static int log_level(const char *name) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

static int usage(const char *word, const char *why) {
    fprintf(stderr, "trainbot: %s: %s; trainbot --help shows what there is\n", word, why);
    return -1;
}

/* --name VALUE or --name=VALUE; NULL: this argument is not that option. Missing values give "". */
static const char *option_value(const char *name, int argc, char **argv, int *at) {
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) != 0) return NULL;
    if (argv[*at][length] == '=') return argv[*at] + length + 1;
    if (argv[*at][length] != 0) return NULL;
    return *at + 1 < argc ? argv[++*at] : "";
}

static int take_option(struct app_options *options, int argc, char **argv, int *at) {
    const char *value, *word = argv[*at];
    if (strcmp(word, "--lan") == 0) {
        options->lan = true;
    } else if ((value = option_value("--config", argc, argv, at))) {
        if (!value[0]) return usage(word, "needs a file");
        options->config_path = value;
    } else if ((value = option_value("--set", argc, argv, at))) {
        if (!value[0]) return usage(word, "needs SECTION.KEY=VALUE");
        options->sets[options->sets_count++] = (char *)(uintptr_t)value;
    } else if ((value = option_value("--log-level", argc, argv, at))) {
        options->log_level = log_level(value);
        if (options->log_level < 0) return usage(word, "error, warning, info or debug");
    } else if ((value = option_value("--timeout", argc, argv, at))) {
        char *end = NULL;
        options->timeout_s = strtoll(value, &end, 10);
        if (end == value || *end || options->timeout_s < 1 || options->timeout_s > 86400)
            return usage(word, "seconds, from 1 to 86400");
    } else {
        return usage(word, "there is no such option");
    }
    return 0;
}

static int parse(struct app_options *options, int argc, char **argv) {
    const struct verb *verb = NULL;
    bool text = false;
    for (int i = 1; i < argc; i++) {
        if (!text && strcmp(argv[i], "--") == 0) {
            text = true;
        } else if (!text && argv[i][0] == '-' && argv[i][1]) {
            if (take_option(options, argc, argv, &i) < 0) return -1;
        } else if (!options->verb) {
            options->verb = argv[i];
            verb = verb_named(argv[i]);
            if (!verb) return usage(argv[i], "there is no such verb");
        } else {
            options->words[options->words_count++] = argv[i];
            text = text || verb->takes_text;
        }
    }
    return 0;
}

const char *app_bin_dir(void) {
    static char path[PATH_MAX];
    if (path[0]) return path;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) return "";
    path[length] = 0;
    char *slash = strrchr(path, '/');
    if (slash) *slash = 0;
    return path;
}

/* The first configuration that exists; NULL none. Caller frees. */
static char *usual_config(void) {
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *paths[] = {xdg && xdg[0] == '/' ? text_print("%s/trainbot/trainbot.conf", xdg) : NULL,
                     home && home[0] == '/' ? text_print("%s/.config/trainbot/trainbot.conf", home) : NULL,
                     strdup("/etc/trainbot/trainbot.conf")};
    char *found = NULL;
    for (size_t i = 0; i < 3; i++) {
        if (!found && paths[i] && access(paths[i], F_OK) == 0) found = paths[i];
        else free(paths[i]);
    }
    return found;
}

/* A program named without a slash is first looked for beside trainbot itself. */
static void resolve_program(char **argv) {
    if (!argv || strchr(argv[0], '/')) return;
    char *path = text_print("%s/%s", app_bin_dir(), argv[0]);
    if (path && access(path, X_OK) == 0) {
        free(argv[0]);
        argv[0] = path;
    } else {
        free(path);
    }
}

struct config *app_config(const struct app_options *options) {
    struct config_report report = {.out = stderr};
    char *usual = options->config_path ? NULL : usual_config();
    struct config *config = config_load(options->config_path ? options->config_path : usual, options->sets, options->sets_count, &report);
    free(usual);
    if (!config) {
        if (report.errors == 0) fprintf(stderr, "trainbot: out of memory\n");
        return NULL;
    }
    for (size_t i = 0; i < config->settings.trainers_count; i++) {
        resolve_program(config->settings.trainers[i].command);
        resolve_program(config->settings.trainers[i].describe);
    }
    return config;
}

int check_config_main(const struct app_options *options) {
    struct config *config = app_config(options);
    if (!config) return EXIT_REFUSED;
    printf("the configuration is good: %zu trainers, state in %s\n", config->settings.trainers_count, config->settings.state_dir);
    config_free(config);
    return EXIT_DONE;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (verb_named(argv[i]) && verb_named(argv[i])->takes_text) break;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return print_help(stdout), EXIT_DONE;
        if (strcmp(argv[i], "--version") == 0) return printf("trainbot " TRAINBOT_VERSION "\n"), EXIT_DONE;
    }
    struct app_options options = {.log_level = 2, .sets = calloc((size_t)argc + 1, sizeof(char *)), .words = calloc((size_t)argc + 1, sizeof(char *))};
    int code = EXIT_USAGE;
    if (options.sets && options.words && parse(&options, argc, argv) == 0)
        code = verb_named(options.verb ? options.verb : "serve")->run(&options);
    free(options.sets);
    free(options.words);
    return code;
}
