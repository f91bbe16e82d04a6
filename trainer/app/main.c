/*
 * main.c: trainbot-train, the reference trainer. Chooses what the command line asks for and turns results into exit
 * statuses: 0 finished or stopped, 1 failed, 2 bad usage or input.
 */
#include "bench.h"
#include "commands.h"
#include "describe.h"
#include "ripple.h"
#include "trainer.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int help_print(void) {
    char names[256] = "";
    size_t count, length = 0;
    const struct model_info *table = models(&count);
    for (size_t i = 0; i < count && length < sizeof names; i++)
        length += (size_t)snprintf(names + length, sizeof names - length, "%s%s", i > 0 ? ", " : "", table[i].name);
    if (length < sizeof names) snprintf(names + length, sizeof names - length, ", " RIPPLE_NAME);
    options_help(stdout, names, engine_backends());
    return EXIT_GOOD;
}

/* The data decides how large a batch may be; without any, MNIST's size stands in unless a folder was named. */
static int describe_print(const struct options *options, char *error) {
    struct trainer trainer = {.shelf = {.lock = -1}};
    const struct tb_command *commands;
    int64_t samples = data_peek_count(options->data != NULL ? options->data : DATA_DEFAULT_DIR, error);
    if (samples < 0 && options->data != NULL) return EXIT_USAGE;
    int rc = trainer_declare(&trainer, options, samples > 0 ? samples : 60000, error);
    if (rc != EXIT_GOOD) return rc;
    size_t count = trainer_commands(trainer.model, &commands);
    char *text = describe(trainer.params, trainer.params_count, commands, count);
    if (text == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory");
        return EXIT_FAILED;
    }
    puts(text);
    free(text);
    return EXIT_GOOD;
}

static int train_or_use(const struct options *options, char *error) {
    static struct trainer trainer; /* too large for a stack */
    int rc = trainer_prepare(&trainer, options, error);
    if (rc == EXIT_GOOD && options->action == ACTION_BENCH)
        rc = bench(&trainer, error);
    else if (rc == EXIT_GOOD && options->action == ACTION_CALL)
        rc = command_call(&trainer, error);
    else if (rc == EXIT_GOOD) {
        asks_catch_signals();
        rc = trainer_run(&trainer); /* says itself what was wrong */
        *error = '\0';
    }
    trainer_release(&trainer);
    return rc;
}

/* libgomp's threads spin at barriers for milliseconds, and a core that another program needs just then makes every step
 * wait for it (measured: 3,200 samples/s fall to 600 beside a compiler; with a short spin they do not, and nothing is
 * lost on a quiet machine). The length is read before main, so the program starts itself again once; a user's own
 * choice stands. */
static void calm_threads(char *argv[]) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "2000", 1) == 0) execv("/proc/self/exe", argv);
}

/* "data ...": the program beside this one that can speak to the network; argv[0] is "data". */
static int data_run(char *argv[]) {
    static const char name[] = "trainbot-fetch";
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof name);
    while (length > 0 && path[length - 1] != '/')
        length--;
    if (length > 0) {
        memcpy(path + length, name, sizeof name);
        execv(path, argv);
    }
    say_line("cannot run %s: %s", length > 0 ? path : name, strerror(errno));
    return EXIT_FAILED;
}

int main(int argc, char *argv[]) {
    if (argc > 1 && strcmp(argv[1], "data") == 0) return data_run(argv + 1);
    calm_threads(argv);
    struct options options;
    char error[APP_ERROR_SIZE] = "";
    int rc = EXIT_USAGE;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (options_parse(argc, argv, &options, error) == 0) {
        switch (options.action) {
        case ACTION_HELP:
            rc = help_print();
            break;
        case ACTION_VERSION:
            rc = puts("trainbot-train " TRAINBOT_VERSION) < 0;
            break;
        case ACTION_DESCRIBE:
            rc = ripple_meant(&options) ? ripple_main(&options, error) : describe_print(&options, error);
            break;
        default:
            rc = ripple_meant(&options) ? ripple_main(&options, error) : train_or_use(&options, error);
            break;
        }
    }
    if (rc != EXIT_GOOD && *error != '\0') say_line("%s", error);
    bool answer = rc == EXIT_GOOD && (options.action != ACTION_TRAIN || options.print_metrics);
    if (answer && (fflush(stdout) != 0 || ferror(stdout))) {
        say_line("cannot write to standard output: %s", strerror(errno));
        return EXIT_FAILED;
    }
    return rc;
}
