/*
 * runs.c: the rows of the table run.
 *
 * A run is written at almost every turn while it trains, its hello (up to 64 KiB) once; so the hello lies apart and is
 * written only when its hash differs from that of the last one written.
 */
#include "cache.h"
#include "metrics.h"
#include <stdint.h>
#include <string.h>

static uint64_t hash_of(const char *text) {
    uint64_t hash = 0x9e3779b97f4a7c15u;
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = 0;
        memcpy(&word, text + i, size - i < 8 ? size - i : 8);
        hash = (hash ^ word) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    hash = (hash ^ size) * 0xc4ceb9fe1a85ec53u;
    return hash | 1; /* 0 stands for unknown */
}

static int hello_write(struct store *store, int64_t run, const char *hello) {
    const char *text = hello ? hello : "";
    struct cached_run *cached;
    int r = cache_run(store, run, &cached);
    if (r < 0) return store_fail(store, r);
    uint64_t hash = hash_of(text);
    if (cached->hello == hash) return TB_OK;
    r = store_write(store, RUN_HELLO, NULL, "it", run, text);
    if (r >= 0) cached->hello = hash;
    return r;
}

#define RUN_FORMAT                                                                                                     \
    "ttttiiiiiiiiii"                                                                                                   \
    "tt"                                                                                                               \
    "iii"                                                                                                              \
    "tttt"
#define RUN_VALUES(r)                                                                                                  \
    (r)->instance, (r)->name, (r)->trainer, (r)->state, (r)->step, (r)->total_steps, (r)->batch, (int64_t)(r)->ack,    \
        (r)->created_ms, (r)->started_ms, (r)->ended_ms, (r)->exit_code, (r)->exit_signal, (r)->pid, (r)->host,        \
        (r)->checkpoint, (r)->checkpoint_step, (r)->checkpoint_bytes, (r)->from_run, (r)->started_by, (r)->params,     \
        (r)->metrics, (r)->extra

int store_run_insert(struct store *store, const struct run_record *record, int64_t *ret_id) {
    int r = store_write(store, RUN_INSERT, NULL, RUN_FORMAT, RUN_VALUES(record));
    if (r < 0) return r;
    int64_t id = store_last_id(store);
    r = hello_write(store, id, record->hello);
    if (r >= 0) *ret_id = id;
    return r;
}

int store_run_update(struct store *store, const struct run_record *record) {
    int64_t changes;
    int r = store_write(store, RUN_UPDATE, &changes, RUN_FORMAT "i", RUN_VALUES(record), record->id);
    if (r < 0) return r;
    return changes ? hello_write(store, record->id, record->hello) : TB_ENOTFOUND;
}

int store_run_advance(struct store *store, int64_t id, uint64_t ack, int64_t step) {
    int64_t changes;
    int r = store_write(store, RUN_ADVANCE, &changes, "iii", (int64_t)ack, step, id);
    if (r < 0) return r;
    return changes ? TB_OK : TB_ENOTFOUND;
}

struct run_reading {
    store_run_cb *cb;
    void *user;
};

static bool run_row(void *user, sqlite3_stmt *row) {
    const struct run_reading *reading = user;
    struct run_record record = {
        .id = sqlite3_column_int64(row, 0),
        .instance = column_string(row, 1),
        .name = column_string(row, 2),
        .trainer = column_string(row, 3),
        .state = column_string(row, 4),
        .step = sqlite3_column_int64(row, 5),
        .total_steps = sqlite3_column_int64(row, 6),
        .batch = sqlite3_column_int64(row, 7),
        .ack = (uint64_t)sqlite3_column_int64(row, 8),
        .created_ms = sqlite3_column_int64(row, 9),
        .started_ms = sqlite3_column_int64(row, 10),
        .ended_ms = sqlite3_column_int64(row, 11),
        .exit_code = sqlite3_column_int64(row, 12),
        .exit_signal = sqlite3_column_int64(row, 13),
        .pid = sqlite3_column_int64(row, 14),
        .host = column_string(row, 15),
        .checkpoint = column_string(row, 16),
        .checkpoint_step = sqlite3_column_int64(row, 17),
        .checkpoint_bytes = sqlite3_column_int64(row, 18),
        .from_run = sqlite3_column_int64(row, 19),
        .started_by = column_string(row, 20),
        .params = column_string(row, 21),
        .metrics = column_string(row, 22),
        .extra = column_string(row, 23),
        .hello = column_string(row, 24),
    };
    return reading->cb(reading->user, &record);
}

int store_runs(struct store *store, int64_t before_id, int64_t limit, store_run_cb *cb, void *user) {
    int64_t below = before_id > 0 ? before_id : INT64_MAX;
    int64_t most = limit > 0 ? limit : -1;
    struct run_reading reading = {cb, user};
    int64_t n = db_query(&store->db, RUN_LIST, run_row, &reading, "ii", below, most);
    return n < 0 ? (int)n : TB_OK;
}

static int one_run(int64_t n) {
    if (n < 0) return (int)n;
    return n ? TB_OK : TB_ENOTFOUND;
}

int store_run(struct store *store, int64_t id, store_run_cb *cb, void *user) {
    struct run_reading reading = {cb, user};
    return one_run(db_query(&store->db, RUN_BY_ID, run_row, &reading, "i", id));
}

int store_run_by_instance(struct store *store, const char *instance, store_run_cb *cb, void *user) {
    if (!instance || !*instance) return TB_ENOTFOUND;
    struct run_reading reading = {cb, user};
    return one_run(db_query(&store->db, RUN_BY_INSTANCE, run_row, &reading, "t", instance));
}

int store_run_delete(struct store *store, int64_t id) {
    static const enum statement of_run[] = {MESSAGES_FORGET_IMAGE, MESSAGES_FORGET_RUN, HELLO_DELETE,  EVENTS_DELETE,
                                            CHANGES_DELETE,        RESULTS_DELETE,      IMAGES_DELETE, SERIES_DELETE};
    int64_t changes;
    int r = store_write(store, RUN_DELETE, &changes, "i", id);
    if (r < 0) return r;
    if (changes == 0) return TB_ENOTFOUND;
    cache_forget(store, id);
    r = metrics_delete(store, id);
    for (size_t i = 0; r >= 0 && i < sizeof of_run / sizeof *of_run; i++)
        r = store_write(store, of_run[i], NULL, "i", id);
    return r;
}
