/*
 * db.h: what the store's files share: a connection with its prepared statements, and the writer's transaction.
 *
 * Every SQL text stands in statements.h; codes of SQLite become TB_E… here and nowhere else. A write that fails rolls
 * the whole turn back and every later write of that turn answers the same error, until store_commit has told it.
 */
#ifndef TRAINBOT_STORE_DB_H
#define TRAINBOT_STORE_DB_H

#include "store.h"
#include "statements.h"
#include "table.h"
#include <sqlite3.h>

struct db {
    sqlite3 *handle;
    sqlite3_stmt *cache[STATEMENTS];
};

/* The code of the connection's last failure as one of ours. */
int db_error(const struct db *db, int rc);
void db_close(struct db *db);

/* A bound statement, ready to step. `format` has a letter an argument: i int64_t, t const char * (NULL is ""),
 * b const void *, size_t. Texts and blobs are borrowed until statement_done. */
MUST_USE int statement_take(struct db *db, enum statement id, sqlite3_stmt **ret_statement, const char *format, ...);
void statement_done(struct db *db, enum statement id, sqlite3_stmt *statement);

/* Calls `row` for each row until it returns false. The count of rows given, or negative. */
typedef bool db_row_cb(void *user, sqlite3_stmt *statement);
MUST_USE int64_t db_query(struct db *db, enum statement id, db_row_cb *row, void *user, const char *format, ...);
/* One integer of one row; fallback where there is no row or NULL. */
MUST_USE int db_integer(struct db *db, enum statement id, int64_t fallback, int64_t *ret_value, const char *format,
                        ...);
/* Runs SQL that has no arguments (BEGIN, COMMIT, the schema). */
MUST_USE int db_exec(struct db *db, const char *sql);

const char *column_string(sqlite3_stmt *statement, int column); /* never NULL; borrowed until the next step */

/* ---- the writer ---- */

struct cached_run;
#define CACHE_BUCKETS 256

struct store {
    struct db db;
    bool dirty;
    bool urgent;           /* this turn wrote more than plain metrics rows */
    int64_t waiting_rows;  /* plain metrics rows in this turn */
    int failed;    /* why this turn was rolled back; TB_OK */
    int64_t rev;   /* highest given; -1 not read yet */
    int closes;    /* chunks closed in this turn */
    int log_pages; /* of the write-ahead log after the last commit */
    int log_limit; /* length at which the commit folds it back */
    struct cached_run *runs[CACHE_BUCKETS];
    size_t runs_count;
    struct bytes scratch; /* of the append that is under way */
};

struct store_reader {
    struct db db;
};

/* Opens the turn's transaction; every write begins with it. */
MUST_USE int store_begin(struct store *store);
/* Rolls the turn back when `error` is negative; returns `error`. For what must not happen half. */
int store_fail(struct store *store, int error);
/* One writing statement. *ret_changes (may be NULL): rows it touched. */
MUST_USE int store_write(struct store *store, enum statement id, int64_t *ret_changes, const char *format, ...);
static inline int64_t store_last_id(const struct store *store) {
    return sqlite3_last_insert_rowid(store->db.handle);
}

#endif
