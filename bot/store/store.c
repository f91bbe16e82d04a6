/*
 * store.c: opens the database and keeps the turn's transaction.
 *
 * The write-ahead log makes readers and the writer independent of each other; it is folded back into the file every few
 * thousand pages and cut to a bounded size. The page cache is small on purpose: the bot shall be idle in 16 MiB.
 */
#include "cache.h"
#include "schema.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAITING_ROWS_MAX 4096 /* more plain rows than this do not wait for company */

#define PATH_SIZE 4096

_Static_assert(MESSAGE_INBOUND == 0 && MESSAGE_QUEUED == 0 && MESSAGE_SENDING == 1 && MESSAGE_SUPERSEDED == 4 &&
                   MESSAGE_NEW == 6,
               "statements.h and schema.c write these numbers out");

static const char writer_settings[] = "PRAGMA journal_mode=WAL;"
                                      "PRAGMA synchronous=NORMAL;"
                                      "PRAGMA cache_size=-1536;"
                                      "PRAGMA journal_size_limit=16777216;"
                                      "PRAGMA temp_store=MEMORY";
#define LOG_PAGES_WANTED 500 /* from here on a checkpoint is wanted of the pool */
#define LOG_PAGES_MAX 4000   /* from here on the commit does it */

static const char reader_settings[] = "PRAGMA query_only=1;"
                                      "PRAGMA cache_size=-512;"
                                      "PRAGMA temp_store=MEMORY";

static int path_make(const char *state_dir, char *path) {
    int size = snprintf(path, PATH_SIZE, "%s/trainbot.db", state_dir);
    return size < 0 || size >= PATH_SIZE ? TB_ERANGE : TB_OK;
}

/* The file is made by us first, so that nobody else can read it and an errno says why it cannot be made. */
static int file_make(const char *path, char *why, size_t why_size) {
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        return TB_OK;
    }
    int error = errno;
    snprintf(why, why_size, "%s cannot be opened: %s", path, strerror(error));
    if (error == ENOSPC || error == EDQUOT) return TB_EFULL;
    if (error == ENOENT || error == ENOTDIR) return TB_ENOTFOUND;
    return error == EACCES || error == EPERM || error == EROFS ? TB_EACCESS : TB_EIO;
}

/* SQLite keeps its old journal where shared memory cannot be mapped, and says so only when asked. */
static bool is_log_ahead(sqlite3 *handle) {
    sqlite3_stmt *statement = NULL;
    bool is_wal = false;
    if (sqlite3_prepare_v2(handle, "PRAGMA journal_mode", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        is_wal = strcmp(column_string(statement, 0), "wal") == 0;
    sqlite3_finalize(statement);
    return is_wal;
}

static int file_open(struct db *db, const char *path, char *why, size_t why_size) {
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(db->handle, 1000);
        rc = sqlite3_exec(db->handle, writer_settings, NULL, NULL, NULL);
    }
    int r = db->handle ? db_error(db, rc) : TB_ENOMEM;
    if (r >= 0 && !is_log_ahead(db->handle)) {
        snprintf(why, why_size, "%s: this file system cannot hold a write-ahead log (is it a network drive?)", path);
        return TB_EIO;
    }
    if (r == TB_EINVAL)
        snprintf(why, why_size, "%s is damaged or not a database: %s", path, sqlite3_errmsg(db->handle));
    else if (r < 0)
        snprintf(why, why_size, "%s cannot be opened: %s", path, sqlite3_errmsg(db->handle));
    return r;
}

/* Called after each commit, with the length of the log. What a checkpoint cannot do now it does another time. */
static int log_grew(void *user, sqlite3 *handle, const char *name, int pages) {
    struct store *store = user;
    store->log_pages = pages;
    if (pages < LOG_PAGES_MAX) store->log_limit = LOG_PAGES_MAX;
    if (pages < store->log_limit) return SQLITE_OK;
    sqlite3_wal_checkpoint_v2(handle, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    store->log_limit = pages + LOG_PAGES_MAX / 4; /* a reader that keeps the log from ending costs no fsync a commit */
    return SQLITE_OK;
}

bool store_wants_checkpoint(const struct store *store) {
    return store->log_pages >= LOG_PAGES_WANTED;
}

int store_open(const char *state_dir, struct store **ret_store, char *why, size_t why_size) {
    char path[PATH_SIZE];
    if (why_size) why[0] = 0;
    int r = path_make(state_dir, path);
    if (r < 0) {
        snprintf(why, why_size, "the state directory's path is too long");
        return r;
    }
    r = file_make(path, why, why_size);
    if (r < 0) return r;
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* its count of bytes takes a lock at every allocation */
    struct store *store = calloc(1, sizeof *store);
    if (!store) {
        snprintf(why, why_size, "out of memory");
        return TB_ENOMEM;
    }
    store->rev = -1;
    r = file_open(&store->db, path, why, why_size);
    if (r >= 0) r = schema_prepare(&store->db, path, SCHEMA_VERSION, NULL, 0, why, why_size);
    if (r < 0) {
        db_close(&store->db);
        free(store);
        return r;
    }
    sqlite3_wal_hook(store->db.handle, log_grew, store);
    *ret_store = store;
    return TB_OK;
}

void store_close(struct store *store) {
    if (!store) return;
    if (store_commit(store) < 0) store_rollback(store);
    cache_clear(store);
    bytes_release(&store->scratch);
    db_close(&store->db);
    free(store);
}

int store_begin(struct store *store) {
    if (store->failed < 0) return store->failed;
    store->urgent = true;
    if (store->dirty) return TB_OK;
    int r = db_exec(&store->db, "BEGIN IMMEDIATE");
    if (r < 0) return store_fail(store, r);
    store->dirty = true;
    return TB_OK;
}

int store_fail(struct store *store, int error) {
    if (error < 0) {
        store_rollback(store);
        store->failed = error;
    }
    return error;
}

int store_commit(struct store *store) {
    store->closes = 0;
    store->urgent = false;
    store->waiting_rows = 0;
    if (store->failed < 0) {
        int r = store->failed;
        store->failed = TB_OK;
        return r;
    }
    if (!store->dirty) return TB_OK;
    int r = db_exec(&store->db, "COMMIT");
    if (r < 0)
        store_rollback(store);
    else
        store->dirty = false;
    return r;
}

bool store_is_dirty(const struct store *store) {
    return store->dirty || store->failed < 0;
}

bool store_can_wait(const struct store *store) {
    return store->dirty && store->failed == TB_OK && !store->urgent && store->waiting_rows < WAITING_ROWS_MAX;
}

void store_rollback(struct store *store) {
    if (!sqlite3_get_autocommit(store->db.handle)) sqlite3_exec(store->db.handle, "ROLLBACK", NULL, NULL, NULL);
    store->dirty = store->urgent = false;
    store->failed = TB_OK;
    store->waiting_rows = 0;
    store->closes = 0;
    store->rev = -1;
    cache_clear(store); /* what it counted may be undone */
}

int store_reader_open(const char *state_dir, struct store_reader **ret_reader) {
    char path[PATH_SIZE];
    int r = path_make(state_dir, path);
    if (r < 0) return r;
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (!reader) return TB_ENOMEM;
    /* query_only keeps it from writing; a checkpoint needs the file to be writable. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(path, &reader->db.handle, flags, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_busy_timeout(reader->db.handle, 2000);
        rc = sqlite3_exec(reader->db.handle, reader_settings, NULL, NULL, NULL);
    }
    r = reader->db.handle ? db_error(&reader->db, rc) : TB_ENOMEM;
    if (r < 0) {
        store_reader_close(reader);
        return r;
    }
    *ret_reader = reader;
    return TB_OK;
}

void store_reader_close(struct store_reader *reader) {
    if (!reader) return;
    db_close(&reader->db);
    free(reader);
}

int store_reader_checkpoint(struct store_reader *reader) {
    int rc = sqlite3_wal_checkpoint_v2(reader->db.handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_BUSY) return TB_OK; /* somebody else is at it */
    return db_error(&reader->db, rc);
}
