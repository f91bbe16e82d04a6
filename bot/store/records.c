/*
 * records.c: what happened to a run (events, changed parameters, results, pictures) and the audit's lines.
 *
 * Each table is written once and read in the order of its ids; nothing here is changed later.
 */
#include "db.h"

static int done(int64_t n) {
    return n < 0 ? (int)n : TB_OK;
}

static int64_t no_limit(int64_t limit) {
    return limit > 0 ? limit : -1;
}

struct event_reading {
    store_event_cb *cb;
    void *user;
};

int store_event_add(struct store *store, const struct event_record *event) {
    return store_write(store, EVENT_INSERT, NULL, "iiitt", event->run, event->t_ms, event->step, event->kind,
                       event->text);
}

static bool event_row(void *user, sqlite3_stmt *row) {
    const struct event_reading *reading = user;
    return reading->cb(reading->user, &(struct event_record){
                                          .id = sqlite3_column_int64(row, 0),
                                          .run = sqlite3_column_int64(row, 1),
                                          .t_ms = sqlite3_column_int64(row, 2),
                                          .step = sqlite3_column_int64(row, 3),
                                          .kind = column_string(row, 4),
                                          .text = column_string(row, 5),
                                      });
}

int store_events(struct store *store, int64_t run, store_event_cb *cb, void *user) {
    struct event_reading reading = {cb, user};
    return done(db_query(&store->db, EVENT_LIST, event_row, &reading, "i", run));
}

struct change_reading {
    store_param_change_cb *cb;
    void *user;
};

int store_param_change_add(struct store *store, const struct param_change_record *change) {
    return store_write(store, CHANGE_INSERT, NULL, "iiitttt", change->run, change->t_ms, change->step, change->name,
                       change->old_value, change->new_value, change->by);
}

static bool change_row(void *user, sqlite3_stmt *row) {
    const struct change_reading *reading = user;
    return reading->cb(reading->user, &(struct param_change_record){
                                          .run = sqlite3_column_int64(row, 0),
                                          .t_ms = sqlite3_column_int64(row, 1),
                                          .step = sqlite3_column_int64(row, 2),
                                          .name = column_string(row, 3),
                                          .old_value = column_string(row, 4),
                                          .new_value = column_string(row, 5),
                                          .by = column_string(row, 6),
                                      });
}

int store_param_changes(struct store *store, int64_t run, store_param_change_cb *cb, void *user) {
    struct change_reading reading = {cb, user};
    return done(db_query(&store->db, CHANGE_LIST, change_row, &reading, "i", run));
}

struct result_reading {
    store_result_cb *cb;
    void *user;
};

int store_result_add(struct store *store, const struct result_record *result) {
    return store_write(store, RESULT_INSERT, NULL, "iiitti", result->run, result->t_ms, result->step, result->command,
                       result->text, result->image);
}

static bool result_row(void *user, sqlite3_stmt *row) {
    const struct result_reading *reading = user;
    return reading->cb(reading->user, &(struct result_record){
                                          .id = sqlite3_column_int64(row, 0),
                                          .run = sqlite3_column_int64(row, 1),
                                          .t_ms = sqlite3_column_int64(row, 2),
                                          .step = sqlite3_column_int64(row, 3),
                                          .command = column_string(row, 4),
                                          .text = column_string(row, 5),
                                          .image = sqlite3_column_int64(row, 6),
                                      });
}

int store_results(struct store *store, int64_t run, int64_t limit, store_result_cb *cb, void *user) {
    struct result_reading reading = {cb, user};
    if (run == 0) return done(db_query(&store->db, RESULT_LIST_ALL, result_row, &reading, "i", no_limit(limit)));
    return done(db_query(&store->db, RESULT_LIST, result_row, &reading, "ii", run, no_limit(limit)));
}

struct image_reading {
    store_image_cb *cb;
    void *user;
};

int store_image_add(struct store *store, const struct image_record *image, int64_t *ret_id) {
    int r = store_write(store, IMAGE_INSERT, NULL, "iittt", image->run, image->t_ms, image->title, image->mime,
                        image->path);
    if (r >= 0) *ret_id = store_last_id(store);
    return r;
}

static bool image_row(void *user, sqlite3_stmt *row) {
    const struct image_reading *reading = user;
    return reading->cb(reading->user, &(struct image_record){
                                          .id = sqlite3_column_int64(row, 0),
                                          .run = sqlite3_column_int64(row, 1),
                                          .t_ms = sqlite3_column_int64(row, 2),
                                          .title = column_string(row, 3),
                                          .mime = column_string(row, 4),
                                          .path = column_string(row, 5),
                                      });
}

int store_image(struct store *store, int64_t id, store_image_cb *cb, void *user) {
    struct image_reading reading = {cb, user};
    int64_t n = db_query(&store->db, IMAGE_BY_ID, image_row, &reading, "i", id);
    return n == 0 ? TB_ENOTFOUND : done(n);
}

struct audit_reading {
    store_audit_cb *cb;
    void *user;
};

int store_audit_add(struct store *store, const struct audit_record *audit) {
    return store_write(store, AUDIT_INSERT, NULL, "ittti", audit->t_ms, audit->who, audit->what, audit->outcome,
                       audit->run);
}

static bool audit_row(void *user, sqlite3_stmt *row) {
    const struct audit_reading *reading = user;
    return reading->cb(reading->user, &(struct audit_record){
                                          .t_ms = sqlite3_column_int64(row, 0),
                                          .who = column_string(row, 1),
                                          .what = column_string(row, 2),
                                          .outcome = column_string(row, 3),
                                          .run = sqlite3_column_int64(row, 4),
                                      });
}

int store_audits(struct store *store, int64_t limit, store_audit_cb *cb, void *user) {
    struct audit_reading reading = {cb, user};
    return done(db_query(&store->db, AUDIT_LIST, audit_row, &reading, "i", no_limit(limit)));
}
