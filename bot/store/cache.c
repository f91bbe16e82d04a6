/*
 * cache.c: the writer's memory of runs, bounded: when it is full it is dropped as a whole and fills again.
 */
#include "cache.h"
#include <stdlib.h>
#include <string.h>

void series_list_release(struct series_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].name);
    free(list->at);
    *list = (struct series_list){0};
}

int series_find(const struct series_list *list, bool progress, const char *name, size_t hint) {
    const struct series *at = list->at;
    if (hint < list->count && at[hint].progress == progress && strcmp(at[hint].name, name) == 0) return (int)hint;
    for (size_t i = 0; i < list->count; i++)
        if (at[i].progress == progress && strcmp(at[i].name, name) == 0) return (int)i;
    return -1;
}

int series_list_add(struct series_list *list, bool progress, const char *name) {
    if (list->count == TABLE_SLOTS) return TB_ERANGE;
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 8;
        struct series *at = realloc(list->at, room * sizeof *at);
        if (!at) return TB_ENOMEM;
        list->at = at;
        list->room = room;
    }
    char *copy = strdup(name);
    if (!copy) return TB_ENOMEM;
    int twin = series_find(list, !progress, name, 0);
    if (twin >= 0) list->at[twin].twin = (int)list->count;
    list->at[list->count++] = (struct series){copy, progress, twin};
    return TB_OK;
}

struct listing {
    struct series_list *list;
    int error;
};

static bool listing_row(void *user, sqlite3_stmt *row) {
    struct listing *listing = user;
    if (sqlite3_column_int64(row, 0) != (int64_t)listing->list->count)
        listing->error = TB_EINVAL; /* slots have no holes */
    else
        listing->error = series_list_add(listing->list, sqlite3_column_int64(row, 1) != 0, column_string(row, 2));
    return listing->error >= 0;
}

int series_list_read(struct db *db, int64_t run, struct series_list *ret_list) {
    struct series_list list = {0};
    struct listing listing = {&list, TB_OK};
    int64_t n = db_query(db, SERIES_LIST, listing_row, &listing, "i", run);
    int r = n < 0 ? (int)n : listing.error;
    if (r < 0) {
        series_list_release(&list);
        return r;
    }
    *ret_list = list;
    return TB_OK;
}

static struct cached_run **bucket(struct store *store, int64_t run) {
    return &store->runs[(uint64_t)run % CACHE_BUCKETS];
}

static void cached_free(struct cached_run *cached) {
    series_list_release(&cached->series);
    free(cached);
}

void cache_clear(struct store *store) {
    for (size_t b = 0; b < CACHE_BUCKETS; b++)
        while (store->runs[b]) {
            struct cached_run *cached = store->runs[b];
            store->runs[b] = cached->next;
            cached_free(cached);
        }
    store->runs_count = 0;
}

void cache_forget(struct store *store, int64_t run) {
    for (struct cached_run **at = bucket(store, run); *at; at = &(*at)->next)
        if ((*at)->run == run) {
            struct cached_run *cached = *at;
            *at = cached->next;
            cached_free(cached);
            store->runs_count--;
            return;
        }
}

int cache_run(struct store *store, int64_t run, struct cached_run **ret_cached) {
    for (struct cached_run *at = *bucket(store, run); at; at = at->next)
        if (at->run == run) {
            *ret_cached = at;
            return TB_OK;
        }
    if (store->runs_count >= CACHE_RUNS_MAX) cache_clear(store);
    struct cached_run *cached = calloc(1, sizeof *cached);
    if (!cached) return TB_ENOMEM;
    cached->run = run;
    cached->next = *bucket(store, run);
    *bucket(store, run) = cached;
    store->runs_count++;
    *ret_cached = cached;
    return TB_OK;
}
