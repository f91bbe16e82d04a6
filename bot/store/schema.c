/*
 * schema.c: the tables of the state directory's database.
 *
 * Each step of a migration is one transaction together with the new version, so a bot killed in between finds the file
 * at the one version or the other. A copy is made first and kept.
 */
#include "schema.h"
#include "db.h"
#include <stdio.h>
#include <string.h>

static const char schema_tables[] =
    "CREATE TABLE run(id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, name TEXT NOT NULL,"
    " trainer TEXT NOT NULL, state TEXT NOT NULL, step INTEGER NOT NULL, total_steps INTEGER NOT NULL,"
    " batch INTEGER NOT NULL, ack INTEGER NOT NULL, created_ms INTEGER NOT NULL, started_ms INTEGER NOT NULL,"
    " ended_ms INTEGER NOT NULL, exit_code INTEGER NOT NULL, exit_signal INTEGER NOT NULL, pid INTEGER NOT NULL,"
    " host TEXT NOT NULL, checkpoint TEXT NOT NULL, checkpoint_step INTEGER NOT NULL,"
    " checkpoint_bytes INTEGER NOT NULL, from_run INTEGER NOT NULL, started_by TEXT NOT NULL, params TEXT NOT NULL,"
    " metrics TEXT NOT NULL, extra TEXT NOT NULL);"
    "CREATE INDEX run_instance ON run(instance) WHERE instance <> '';"
    "CREATE TABLE hello(run INTEGER PRIMARY KEY, text TEXT NOT NULL);"

    /* Metrics: an append lies in tail under run << 32 | count; every few thousand rows are gathered into a chunk, whose
     * columns lie in part, and their pyramid in pyramid, under chunk << 10 | slot. Chunks of a run never overlap. */
    "CREATE TABLE series(run INTEGER NOT NULL, slot INTEGER NOT NULL, progress INTEGER NOT NULL, name TEXT NOT NULL,"
    " PRIMARY KEY(run, slot)) WITHOUT ROWID;"
    "CREATE TABLE tail(id INTEGER PRIMARY KEY, rows INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, first_step INTEGER NOT NULL,"
    " last_step INTEGER NOT NULL, rows INTEGER NOT NULL, steps BLOB NOT NULL, times BLOB NOT NULL, epochs BLOB);"
    "CREATE INDEX chunk_run ON chunk(run, last_step, first_step, rows);"
    "CREATE TABLE part(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE pyramid(id INTEGER PRIMARY KEY, own BLOB, collided BLOB);"

    "CREATE TABLE event(id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, t_ms INTEGER NOT NULL,"
    " step INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL);"
    "CREATE INDEX event_run ON event(run);"
    "CREATE TABLE param_change(id INTEGER PRIMARY KEY, run INTEGER NOT NULL, t_ms INTEGER NOT NULL,"
    " step INTEGER NOT NULL, name TEXT NOT NULL, old_value TEXT NOT NULL, new_value TEXT NOT NULL, author TEXT NOT "
    "NULL);"
    "CREATE INDEX param_change_run ON param_change(run);"
    "CREATE TABLE result(id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, t_ms INTEGER NOT NULL,"
    " step INTEGER NOT NULL, command TEXT NOT NULL, text TEXT NOT NULL, image INTEGER NOT NULL);"
    "CREATE INDEX result_run ON result(run);"
    "CREATE TABLE image(id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, t_ms INTEGER NOT NULL,"
    " title TEXT NOT NULL, mime TEXT NOT NULL, path TEXT NOT NULL);"
    "CREATE INDEX image_run ON image(run);"

    "CREATE TABLE message(id INTEGER PRIMARY KEY AUTOINCREMENT, rev INTEGER NOT NULL UNIQUE, channel TEXT NOT NULL,"
    " chat TEXT NOT NULL, sender TEXT NOT NULL, class INTEGER NOT NULL, state INTEGER NOT NULL, text TEXT NOT NULL,"
    " image INTEGER NOT NULL, run INTEGER NOT NULL, key TEXT NOT NULL, service_id TEXT NOT NULL,"
    " buttons TEXT NOT NULL, created_ms INTEGER NOT NULL, next_try_ms INTEGER NOT NULL, sent_ms INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX message_service ON message(channel, service_id) WHERE class = 0 AND service_id <> '';"
    "CREATE INDEX message_open ON message(channel, id) WHERE class <> 0 AND state <= 1;"
    "CREATE INDEX message_new ON message(id) WHERE class = 0 AND state = 6;"
    "CREATE INDEX message_history ON message(channel, chat, rev) WHERE state <> 4;"
    "CREATE INDEX message_key ON message(channel, chat, key) WHERE key <> '' AND state <> 4;"
    "CREATE INDEX message_run ON message(run) WHERE run <> 0;"
    "CREATE INDEX message_image ON message(image) WHERE image <> 0;"

    "CREATE TABLE pair(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, t_ms INTEGER NOT NULL, who TEXT NOT NULL,"
    " what TEXT NOT NULL, outcome TEXT NOT NULL, run INTEGER NOT NULL);";

static int read_integer(struct db *db, const char *sql, int64_t *ret_value) {
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    }
    int r = db_error(db, rc);
    sqlite3_finalize(statement);
    return r;
}

/* A failure's line. SQLite's own words are added: they name what it stumbled over. */
static int explain(const struct db *db, const char *path, const char *what, int error, char *why, size_t why_size) {
    if (error == TB_EINVAL)
        snprintf(why, why_size, "%s is damaged or not a database: %s", path, sqlite3_errmsg(db->handle));
    else
        snprintf(why, why_size, "%s: %s: %s", path, what, sqlite3_errmsg(db->handle));
    return error;
}

static int apply(struct db *db, const char *sql, int version) {
    char pragma[96];
    snprintf(pragma, sizeof pragma, "PRAGMA application_id=%d; PRAGMA user_version=%d", SCHEMA_APPLICATION, version);
    int r = db_exec(db, "BEGIN IMMEDIATE");
    if (r < 0) return r;
    r = db_exec(db, sql);
    if (r >= 0) r = db_exec(db, pragma);
    if (r >= 0) r = db_exec(db, "COMMIT");
    if (r < 0 && !sqlite3_get_autocommit(db->handle)) sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

/* The copy appears under its name only when it is whole. */
static int backup(struct db *db, const char *path, int64_t version) {
    char name[4096], part[4104];
    int size = snprintf(name, sizeof name, "%s.v%lld", path, (long long)version);
    if (size < 0 || (size_t)size >= sizeof name) return TB_ERANGE;
    snprintf(part, sizeof part, "%s.part", name);
    remove(part);
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "VACUUM INTO ?", -1, &statement, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_bind_text(statement, 1, part, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK) rc = sqlite3_step(statement);
    int r = db_error(db, rc);
    sqlite3_finalize(statement);
    if (r >= 0 && rename(part, name) != 0) r = TB_EIO;
    if (r < 0) remove(part);
    return r;
}

static const char *step_from(int64_t version, const struct migration *migrations, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (migrations[i].from == version) return migrations[i].sql;
    return NULL;
}

static bool can_migrate(int64_t from, int version, const struct migration *migrations, size_t count) {
    for (; from < version; from++)
        if (!step_from(from, migrations, count)) return false;
    return true;
}

static int migrate(struct db *db, int64_t from, int version, const struct migration *migrations, size_t count) {
    int r = TB_OK;
    for (; r >= 0 && from < version; from++)
        r = apply(db, step_from(from, migrations, count), (int)from + 1);
    return r;
}

int schema_prepare(struct db *db, const char *path, int version, const struct migration *migrations, size_t count,
                   char *why, size_t why_size) {
    int64_t found = 0, application = 0, tables = 0;
    int r = read_integer(db, "PRAGMA user_version", &found);
    if (r >= 0) r = read_integer(db, "PRAGMA application_id", &application);
    if (r >= 0) r = read_integer(db, "SELECT count(*) FROM sqlite_master", &tables);
    if (r < 0) return explain(db, path, "cannot be read", r, why, why_size);

    if (tables > 0 && application != SCHEMA_APPLICATION) {
        snprintf(why, why_size, "%s is the database of another program", path);
        return TB_EINVAL;
    }
    if (found > version) {
        snprintf(why, why_size, "%s was made by a newer trainbot (version %lld of its tables, this one knows %d)", path,
                 (long long)found, version);
        return TB_ENEWER;
    }
    if (tables == 0) {
        r = apply(db, schema_tables, version);
        return r < 0 ? explain(db, path, "its tables cannot be made", r, why, why_size) : TB_OK;
    }
    if (found == version) return TB_OK;
    if (!can_migrate(found, version, migrations, count)) {
        snprintf(why, why_size, "%s is of version %lld, too old for this trainbot (it needs %d)", path,
                 (long long)found, version);
        return TB_EINVAL;
    }
    r = backup(db, path, found);
    if (r < 0) return explain(db, path, "cannot be copied before it is brought up to date", r, why, why_size);
    r = migrate(db, found, version, migrations, count);
    return r < 0 ? explain(db, path, "cannot be brought up to date", r, why, why_size) : TB_OK;
}
