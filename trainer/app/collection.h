/*
 * collection.h: data sets that have a name. A name stands wherever a data folder may ("--data mnist"); a folder that is
 * called like one is written ./mnist. What a collection consists of is known to the byte, so that what a mirror sent
 * can be checked.
 */
#ifndef TRAINER_COLLECTION_H
#define TRAINER_COLLECTION_H

#include <stddef.h>
#include <stdint.h>

#define COLLECTION_FILES_MAX 4
#define COLLECTION_MIRRORS_MAX 8
#define COLLECTION_PATH_MAX 4096

struct collection_file {
    const char *name;
    int64_t size;
    const char *sha256; /* hexadecimal */
};

struct collection {
    const char *name;
    const char *system;                          /* a package's folder, used where there is no own one; NULL: none */
    const char *hint;                            /* how to get it */
    const char *mirrors[COLLECTION_MIRRORS_MAX]; /* of `files`, in the order they are tried; none: nothing to fetch */
    struct collection_file files[COLLECTION_FILES_MAX]; /* up to the first without a name */
};

/* Static storage; *ret_count of them. */
const struct collection *collections(size_t *ret_count);
const struct collection *collection_find(const char *name); /* NULL: no such name */

/* The user's own folder of it, $XDG_DATA_HOME/trainbot/NAME (~/.local/share/trainbot/NAME), there or not. 0, or -1 with
 * one line in `error` (APP_ERROR_SIZE): the environment names no home. `path` holds COLLECTION_PATH_MAX. */
__attribute__((warn_unused_result)) int collection_home(const struct collection *collection, char *path, char *error);
/* Where it is read from: the user's own folder where that is, else the package's. Same results. */
__attribute__((warn_unused_result)) int collection_folder(const struct collection *collection, char *path, char *error);

#endif
