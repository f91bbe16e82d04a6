/*
 * schema.h: the tables, their version, and the way from an older version to this one.
 */
#ifndef TRAINBOT_STORE_SCHEMA_H
#define TRAINBOT_STORE_SCHEMA_H

#include "db.h"

#define SCHEMA_VERSION 1
#define SCHEMA_APPLICATION 0x74726264 /* "trbd": tells our files from any other SQLite file */

/* Brings a file from version `from` to `from` + 1. */
struct migration {
    int from;
    const char *sql;
};

/* Makes the tables in an empty file, or migrates an older one step by step to `version`, after a copy of it was made
 * beside it as PATH.vN. TB_ENEWER, TB_EINVAL (not ours, damaged) or another code, with one line in `why`. */
MUST_USE int schema_prepare(struct db *db, const char *path, int version, const struct migration *migrations,
                            size_t count, char *why, size_t why_size);

#endif
