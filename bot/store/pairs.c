/*
 * pairs.c: named texts: settings made in the chat, cursors of services, cached descriptions.
 */
#include "db.h"
#include <stdlib.h>
#include <string.h>

int store_set(struct store *store, const char *key, const char *value) {
    if (!value) return store_write(store, PAIR_DELETE, NULL, "t", key);
    return store_write(store, PAIR_SET, NULL, "tt", key, value);
}

struct getting {
    char *copy;
};

static bool get_row(void *user, sqlite3_stmt *row) {
    struct getting *getting = user;
    getting->copy = strdup(column_string(row, 0));
    return false;
}

int store_get(struct store *store, const char *key, char **ret_value) {
    struct getting getting = {NULL};
    int64_t n = db_query(&store->db, PAIR_GET, get_row, &getting, "t", key);
    if (n < 0) return (int)n;
    if (n == 0) return TB_ENOTFOUND;
    if (!getting.copy) return TB_ENOMEM;
    *ret_value = getting.copy;
    return TB_OK;
}

struct pair_reading {
    const char *prefix;
    size_t prefix_size;
    store_pair_cb *cb;
    void *user;
};

static bool pair_row(void *user, sqlite3_stmt *row) {
    const struct pair_reading *reading = user;
    const char *key = column_string(row, 0);
    if (strncmp(key, reading->prefix, reading->prefix_size) != 0) return false; /* sorted: none follows */
    return reading->cb(reading->user, key, column_string(row, 1));
}

int store_pairs(struct store *store, const char *prefix, store_pair_cb *cb, void *user) {
    struct pair_reading reading = {prefix, strlen(prefix), cb, user};
    int64_t n = db_query(&store->db, PAIR_LIST, pair_row, &reading, "t", prefix);
    return n < 0 ? (int)n : TB_OK;
}
