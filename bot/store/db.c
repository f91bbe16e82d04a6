/*
 * db.c: a connection's statements, queries and errors.
 *
 * A statement is prepared once and kept. When it is asked for while it is still stepping (a callback that reads the
 * same thing again), a second one is prepared and thrown away after use.
 */
#include "db.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *const statement_sql[] = {
#define X(name, sql) sql,
    STORE_STATEMENTS(X)
#undef X
};

static bool no_space(const struct db *db) {
    int error = sqlite3_system_errno(db->handle);
    return error == ENOSPC || error == EDQUOT;
}

int db_error(const struct db *db, int rc) {
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return TB_OK;
    case SQLITE_NOMEM:
        return TB_ENOMEM;
    case SQLITE_FULL:
        return TB_EFULL;
    case SQLITE_IOERR:
        return no_space(db) ? TB_EFULL : TB_EIO;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TB_EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return TB_EINVAL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return TB_EACCESS;
    case SQLITE_CANTOPEN:
        if (no_space(db)) return TB_EFULL;
        return sqlite3_system_errno(db->handle) == EACCES ? TB_EACCESS : TB_EIO;
    case SQLITE_TOOBIG:
        return TB_ERANGE;
    default:
        return TB_ESTORE;
    }
}

void db_close(struct db *db) {
    for (size_t i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(db->cache[i]);
    sqlite3_close(db->handle);
    *db = (struct db){0};
}

static int statement_bind(sqlite3_stmt *statement, const char *format, va_list arguments) {
    int rc = SQLITE_OK;
    for (int i = 1; *format && rc == SQLITE_OK; format++, i++) {
        const char *text;
        const void *data;
        switch (*format) {
        case 'i':
            rc = sqlite3_bind_int64(statement, i, va_arg(arguments, int64_t));
            break;
        case 't':
            text = va_arg(arguments, const char *);
            rc = sqlite3_bind_text(statement, i, text ? text : "", -1, SQLITE_STATIC);
            break;
        case 'b':
            data = va_arg(arguments, const void *);
            rc = sqlite3_bind_blob64(statement, i, data, va_arg(arguments, size_t), SQLITE_STATIC);
            break;
        default:
            rc = SQLITE_MISUSE;
        }
    }
    return rc;
}

static int statement_vtake(struct db *db, enum statement id, sqlite3_stmt **ret_statement, const char *format,
                           va_list arguments) {
    sqlite3_stmt *statement = db->cache[id];
    if (!statement || sqlite3_stmt_busy(statement)) {
        unsigned flags = statement ? 0 : SQLITE_PREPARE_PERSISTENT;
        sqlite3_stmt *fresh = NULL;
        int rc = sqlite3_prepare_v3(db->handle, statement_sql[id], -1, flags, &fresh, NULL);
        if (rc != SQLITE_OK) return db_error(db, rc);
        if (!statement) db->cache[id] = fresh;
        statement = fresh;
    }
    int rc = statement_bind(statement, format, arguments);
    if (rc != SQLITE_OK) {
        statement_done(db, id, statement);
        return db_error(db, rc);
    }
    *ret_statement = statement;
    return TB_OK;
}

int statement_take(struct db *db, enum statement id, sqlite3_stmt **ret_statement, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int r = statement_vtake(db, id, ret_statement, format, arguments);
    va_end(arguments);
    return r;
}

void statement_done(struct db *db, enum statement id, sqlite3_stmt *statement) {
    if (statement == db->cache[id])
        sqlite3_reset(statement);
    else
        sqlite3_finalize(statement);
}

static int64_t query(struct db *db, enum statement id, db_row_cb *row, void *user, const char *format,
                     va_list arguments) {
    sqlite3_stmt *statement;
    int r = statement_vtake(db, id, &statement, format, arguments);
    if (r < 0) return r;
    int64_t count = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        count++;
        if (!row(user, statement)) break;
    }
    r = db_error(db, rc);
    statement_done(db, id, statement);
    return r < 0 ? r : count;
}

int64_t db_query(struct db *db, enum statement id, db_row_cb *row, void *user, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int64_t r = query(db, id, row, user, format, arguments);
    va_end(arguments);
    return r;
}

static bool integer_row(void *user, sqlite3_stmt *statement) {
    if (sqlite3_column_type(statement, 0) != SQLITE_NULL) *(int64_t *)user = sqlite3_column_int64(statement, 0);
    return false;
}

int db_integer(struct db *db, enum statement id, int64_t fallback, int64_t *ret_value, const char *format, ...) {
    int64_t value = fallback;
    va_list arguments;
    va_start(arguments, format);
    int64_t r = query(db, id, integer_row, &value, format, arguments);
    va_end(arguments);
    if (r < 0) return (int)r;
    *ret_value = value;
    return TB_OK;
}

int db_exec(struct db *db, const char *sql) {
    return db_error(db, sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

const char *column_string(sqlite3_stmt *statement, int column) {
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return text ? text : "";
}

int store_write(struct store *store, enum statement id, int64_t *ret_changes, const char *format, ...) {
    int r = store_begin(store);
    if (r < 0) return r;
    sqlite3_stmt *statement;
    va_list arguments;
    va_start(arguments, format);
    r = statement_vtake(&store->db, id, &statement, format, arguments);
    va_end(arguments);
    if (r < 0) return store_fail(store, r);
    int rc;
    do
        rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW);
    r = db_error(&store->db, rc);
    if (ret_changes) *ret_changes = sqlite3_changes64(store->db.handle);
    statement_done(&store->db, id, statement);
    return store_fail(store, r);
}
