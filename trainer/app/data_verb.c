/* data_verb.c: see data_verb.h. */
#include "data_verb.h"
#include "collection.h"
#include "data.h"
#include "download.h"
#include "fetch.h"
#include "number.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GOOD = 0, FAILED = 1, USAGE = 2 };

static int complain(int status, const char *error) {
    fprintf(stderr, "trainbot-train: %s\n", error);
    return status;
}

static void collection_tell(const struct collection *collection) {
    char folder[COLLECTION_PATH_MAX], error[APP_ERROR_SIZE], train[32], test[32];
    struct stat info;
    struct data data;
    if (collection_folder(collection, folder, error) != 0) {
        printf("%s: %s\n", collection->name, error);
    } else if (stat(folder, &info) != 0) {
        printf("%s: not there; %s\n", collection->name, collection->hint);
    } else if (data_load(folder, &data, error) != 0) {
        printf("%s: %s\n", collection->name, error);
    } else {
        printf("%s: %s training and %s test images in %s\n", collection->name,
               number_grouped(data.train.count, train, sizeof train),
               number_grouped(data.test.count, test, sizeof test), folder);
        data_release(&data);
    }
}

static int list(int argc, char *const argv[]) {
    size_t count;
    const struct collection *table = collections(&count);
    (void)argv;
    if (argc > 1) return complain(USAGE, "usage: " DATA_VERB_USAGE);
    for (size_t i = 0; i < count; i++)
        collection_tell(&table[i]);
    return fflush(stdout) == 0 ? GOOD : complain(FAILED, "cannot write to standard output");
}

struct wish {
    const char *name, *folder, *mirrors[COLLECTION_MIRRORS_MAX];
    size_t mirrors_count;
};

/* The value of --NAME VALUE or --NAME=VALUE; NULL: another option, or no value. */
static const char *value_of(const char *name, int argc, char *const argv[], int *at) {
    size_t length = strlen(name);
    if (strncmp(argv[*at], name, length) != 0) return NULL;
    const char *value = NULL;
    if (argv[*at][length] == '=')
        value = argv[*at] + length + 1;
    else if (argv[*at][length] == '\0' && *at + 1 < argc)
        value = argv[++*at];
    return value != NULL && *value != '\0' ? value : NULL;
}

static int wish_read(int argc, char *const argv[], struct wish *wish, char *error) {
    for (int i = 1; i < argc; i++) {
        const char *folder = value_of("--dir", argc, argv, &i), *mirror = NULL;
        if (folder == NULL) mirror = value_of("--mirror", argc, argv, &i);
        if (folder != NULL) {
            wish->folder = folder;
        } else if (mirror != NULL) {
            if (wish->mirrors_count == COLLECTION_MIRRORS_MAX || !download_allowed(mirror, error)) return -1;
            wish->mirrors[wish->mirrors_count++] = mirror;
        } else if (*argv[i] == '-' || wish->name != NULL) {
            snprintf(error, APP_ERROR_SIZE, "\"%.60s\" does not belong here; usage: " DATA_VERB_USAGE, argv[i]);
            return -1;
        } else {
            wish->name = argv[i];
        }
    }
    snprintf(error, APP_ERROR_SIZE, "usage: " DATA_VERB_USAGE);
    return wish->name != NULL ? 0 : -1;
}

static int fetch(int argc, char *const argv[]) {
    char error[APP_ERROR_SIZE] = "more than 8 mirrors", folder[COLLECTION_PATH_MAX];
    struct wish wish = {0};
    if (wish_read(argc, argv, &wish, error) != 0) return complain(USAGE, error);
    const struct collection *collection = collection_find(wish.name);
    if (collection == NULL) {
        snprintf(error, sizeof error, "no data set \"%.60s\" is known here; \"trainbot-train data list\" names them",
                 wish.name);
        return complain(USAGE, error);
    }
    if (collection->files[0].name == NULL) {
        snprintf(error, sizeof error, "%s is not fetched from a mirror: %s", collection->name, collection->hint);
        return complain(USAGE, error);
    }
    if (wish.folder != NULL)
        snprintf(folder, sizeof folder, "%s", wish.folder);
    else if (collection_home(collection, folder, error) != 0)
        return complain(USAGE, error);
    const struct fetch order = {.collection = collection,
                                .folder = folder,
                                .mirrors = wish.mirrors,
                                .mirrors_count = wish.mirrors_count,
                                .out = stdout,
                                .progress = isatty(STDERR_FILENO) ? stderr : NULL};
    if (fetch_run(&order, error) != 0) return complain(FAILED, error);
    printf("train on it with: trainbot-train --data %s\n", wish.folder != NULL ? folder : collection->name);
    return GOOD;
}

int data_verb(int argc, char *const argv[]) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && strcmp(argv[1], "list") == 0) return list(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "fetch") == 0) return fetch(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        puts("usage: " DATA_VERB_USAGE);
        return GOOD;
    }
    return complain(USAGE, "usage: " DATA_VERB_USAGE);
}
