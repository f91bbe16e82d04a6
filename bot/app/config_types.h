/*
 * config_types.h: the types of config_table.h's rows: how a text becomes a field, and what is said when it cannot.
 */
#ifndef TRAINBOT_CONFIG_TYPES_H
#define TRAINBOT_CONFIG_TYPES_H

#include "config.h"

enum value_type {
    TEXT,
    PATH,
    LANG,
    STYLE,
    INT,
    BOOL,
    SWITCH,
    NAME,
    UIDS,
    LISTEN,
    SECRET,
    IDENTITY,
    IDENTITIES,
    ARGV,
    ZONE,
    LAUNCHER,
    PERIOD,
    BASE
};

struct row {
    const char *section, *key;
    enum value_type type;
    size_t offset;        /* of the field in its struct */
    const char *standard; /* the default, as text */
    int64_t min, max;
    const char *doc;
};

/* "VALUE is not right; RIGHT" into why; TB_EINVAL. `right` goes on after "…; ". */
int wrong(char *why, size_t why_size, const char *value, const char *right);
/* A name of a trainer or a person: letters, digits, _ and -, at most 64 bytes; beyond ASCII anything. */
bool good_name(const char *name);
/* The value, or for an empty one the row's default, into the field at row->offset of base (the config itself, or one of
 * its trainers or persons). TB_OK, TB_EINVAL, TB_EACCESS or TB_ENOMEM with `why`. */
MUST_USE int field_set(struct config *config, void *base, const struct row *row, const char *value, char *why,
                       size_t why_size);
void identities_free(struct identity *items, size_t count);

#endif
