/*
 * fetch.h: a collection's files from its mirrors into a folder. Each file is written beside its place as NAME.part,
 * checked against its SHA-256, and only then renamed; what was cut off goes on where it was, also by the next command.
 * Whatever stands under a file's name afterwards is the published file.
 */
#ifndef TRAINER_FETCH_H
#define TRAINER_FETCH_H

#include <stdbool.h>
#include <stdio.h>

#include "collection.h"

struct fetch {
    const struct collection *collection;
    const char *folder;         /* made where it is missing */
    const char *const *mirrors; /* in the order they are tried; the collection's own where mirrors_count is 0 */
    size_t mirrors_count;
    FILE *out;      /* one line for each file */
    FILE *progress; /* a line that renews itself; NULL: none */
};

/* 0: all files are there and right. -1 with one line in `error` (APP_ERROR_SIZE). Blocks; one thread. */
__attribute__((warn_unused_result)) int fetch_run(const struct fetch *fetch, char *error);

#endif
