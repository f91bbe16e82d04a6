/*
 * cache.h: what the writer remembers of the runs it lately wrote to: their series, how long the tail is, the last
 * hello.
 *
 * Everything in it can be read again from the database; it is dropped on rollback and when it has grown to its bound.
 */
#ifndef TRAINBOT_STORE_CACHE_H
#define TRAINBOT_STORE_CACHE_H

#include "db.h"

#define CACHE_RUNS_MAX 2048

struct series {
    char *name; /* owned */
    bool progress;
    int twin; /* slot of the same name of the other kind; -1 none */
};

/* All series of a run, indexed by slot. Zero it to begin. */
struct series_list {
    struct series *at;
    size_t count, room;
};
void series_list_release(struct series_list *list);
MUST_USE int series_list_read(struct db *db, int64_t run, struct series_list *ret_list);
/* In memory only. TB_ERANGE when the run has all the series that it may have. */
MUST_USE int series_list_add(struct series_list *list, bool progress, const char *name);
/* Slot of a series or -1; looks at `hint` first. */
int series_find(const struct series_list *list, bool progress, const char *name, size_t hint);

struct cached_run {
    int64_t run;
    struct cached_run *next;
    bool metrics_known; /* the members below are read */
    struct series_list series;
    int64_t tail_next; /* count that the next append gets */
    int64_t tail_rows;
    uint64_t hello; /* hash of the stored hello; 0 unknown */
};

/* The run's entry, made when it is not there. Valid until the next cache_run or cache_clear. */
MUST_USE int cache_run(struct store *store, int64_t run, struct cached_run **ret_cached);
void cache_forget(struct store *store, int64_t run);
void cache_clear(struct store *store);

#endif
