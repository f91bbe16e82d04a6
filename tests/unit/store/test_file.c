/*
 * test_file.c: the database as a file: newer, older, foreign, damaged, not writable, full; readers beside the writer.
 */
#include "fixture.h"
#include "schema.h"
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

static void path_of(const struct fixture *fixture, const char *name, char path[200]) {
    snprintf(path, 200, "%s/%s", fixture->dir, name);
}

static void run_sql(const struct fixture *fixture, const char *sql) {
    char path[200];
    sqlite3 *db;
    path_of(fixture, "trainbot.db", path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void closed(struct fixture *fixture) {
    store_close(fixture->store);
    fixture->store = NULL;
}

static int open_fails(struct fixture *fixture, const char *says) {
    char why[300] = "";
    int r = store_open(fixture->dir, &fixture->store, why, sizeof why);
    assert_true(r < 0);
    assert_null(fixture->store); /* untouched */
    if (!strstr(why, says)) fail_msg("\"%s\" does not say \"%s\"", why, says);
    assert_null(strchr(why, '\n'));
    return r;
}

static void test_newer(void **state) {
    struct fixture *fixture = *state;
    closed(fixture);
    run_sql(fixture, "PRAGMA user_version=2");
    assert_int_equal(open_fails(fixture, "made by a newer trainbot"), TB_ENEWER);
    run_sql(fixture, "PRAGMA user_version=1");
    fixture_reopen(fixture);
}

static void test_foreign(void **state) {
    struct fixture *fixture = *state;
    closed(fixture);
    run_sql(fixture, "PRAGMA application_id=1");
    assert_int_equal(open_fails(fixture, "another program"), TB_EINVAL);
}

static void test_too_old(void **state) {
    struct fixture *fixture = *state;
    closed(fixture);
    run_sql(fixture, "PRAGMA user_version=0");
    assert_int_equal(open_fails(fixture, "too old"), TB_EINVAL);
}

static void overwrite(const struct fixture *fixture, off_t at, size_t size) {
    char path[200], garbage[4096];
    path_of(fixture, "trainbot.db", path);
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, garbage, size, at), size);
    close(fd);
}

static void test_not_a_database(void **state) {
    struct fixture *fixture = *state;
    closed(fixture);
    overwrite(fixture, 0, 100);
    assert_int_equal(open_fails(fixture, "damaged"), TB_EINVAL);
}

static void test_schema_page_damaged(void **state) {
    struct fixture *fixture = *state;
    closed(fixture);
    overwrite(fixture, 100, 3996);
    assert_int_equal(open_fails(fixture, "damaged"), TB_EINVAL);
}

static bool any_cols(void *user, const char *const *cols, size_t count) {
    (void)user, (void)cols, (void)count;
    return true;
}
static bool any_row(void *user, const struct store_row *row) {
    (void)row;
    ++*(int64_t *)user;
    return true;
}

/* Pages in the middle of the file overwritten: an error, never wrong numbers or a crash. */
static void test_rows_damaged(void **state) {
    struct fixture *fixture = *state;
    int64_t run = fixture_run(fixture->store);
    for (int64_t step = 1; step <= 20000; step++)
        assert_ok(fixture_log(fixture->store, run, false, "loss", step, 1));
    closed(fixture);
    run_sql(fixture, "UPDATE part SET data = zeroblob(length(data) - 3)");
    fixture_reopen(fixture);
    int64_t rows = 0;
    assert_int_equal(store_rows_read(fixture->store, run, 0, any_cols, any_row, &rows), TB_EINVAL);
    assert_int_equal(rows, 0);
    closed(fixture);
    run_sql(fixture, "UPDATE chunk SET steps = x'ff'; UPDATE tail SET data = x'0102030405060708090a'");
    fixture_reopen(fixture);
    assert_int_equal(store_rows_read(fixture->store, run, 0, any_cols, any_row, &rows), TB_EINVAL);
    assert_int_equal(store_rows_rewind(fixture->store, run, 10), TB_EINVAL);
    assert_int_equal(store_commit(fixture->store), TB_EINVAL);
    assert_ok(store_set(fixture->store, "still", "usable"));
    assert_ok(store_commit(fixture->store));
}

static void test_missing_directory(void **state) {
    (void)state;
    struct store *store = NULL;
    char why[300];
    assert_int_equal(store_open("/nonexistent/dir", &store, why, sizeof why), TB_ENOTFOUND);
    assert_non_null(strstr(why, "/nonexistent/dir/trainbot.db cannot be opened: No such file"));
    char name[5000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = 0;
    assert_int_equal(store_open(name, &store, why, sizeof why), TB_ERANGE);
    struct store_reader *reader = NULL;
    assert_true(store_reader_open("/nonexistent/dir", &reader) < 0);
    assert_null(reader);
}

static void test_mode(void **state) {
    struct fixture *fixture = *state;
    char path[200];
    struct stat file;
    assert_ok(store_set(fixture->store, "a", "b"));
    assert_ok(store_commit(fixture->store));
    static const char *const names[] = {"trainbot.db", "trainbot.db-wal", "trainbot.db-shm"};
    for (size_t i = 0; i < 3; i++) {
        path_of(fixture, names[i], path);
        assert_int_equal(stat(path, &file), 0);
        assert_int_equal(file.st_mode & 0777, 0600);
    }
}

static const struct migration made_up[] = {
    {1, "CREATE TABLE fresh(a); INSERT INTO fresh SELECT value FROM pair"},
    {2, "DROP TABLE pair"},
    {3, "CREATE TABLE broken(a); NOT SQL"},
};

static int64_t integer(struct db *db, const char *sql) {
    sqlite3_stmt *statement;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL) != SQLITE_OK) return -1;
    if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

/* From version 1 to 3 of a made-up future: both steps done, a whole copy of version 1 kept. */
static void test_migration(void **state) {
    struct fixture *fixture = *state;
    char path[200], copy[200], why[300];
    assert_ok(store_set(fixture->store, "key", "42"));
    closed(fixture);
    path_of(fixture, "trainbot.db", path);
    path_of(fixture, "trainbot.db.v1", copy);
    struct db db = {0};
    assert_int_equal(sqlite3_open(path, &db.handle), SQLITE_OK);
    assert_ok(schema_prepare(&db, path, 3, made_up, 2, why, sizeof why));
    assert_int_equal(integer(&db, "SELECT a FROM fresh"), 42);
    assert_int_equal(integer(&db, "PRAGMA user_version"), 3);
    assert_int_equal(integer(&db, "SELECT count(*) FROM pair"), -1);
    db_close(&db);
    assert_int_equal(open_fails(fixture, "newer"), TB_ENEWER);
    assert_int_equal(sqlite3_open(copy, &db.handle), SQLITE_OK);
    assert_int_equal(integer(&db, "SELECT value FROM pair"), 42);
    assert_int_equal(integer(&db, "PRAGMA user_version"), 1);
    db_close(&db);
}

/* A step that fails leaves the version before it, and says so. */
static void test_migration_fails(void **state) {
    struct fixture *fixture = *state;
    char path[200], why[300];
    closed(fixture);
    path_of(fixture, "trainbot.db", path);
    struct db db = {0};
    assert_int_equal(sqlite3_open(path, &db.handle), SQLITE_OK);
    assert_true(schema_prepare(&db, path, 4, made_up, 3, why, sizeof why) < 0);
    assert_non_null(strstr(why, "cannot be brought up to date"));
    assert_int_equal(integer(&db, "PRAGMA user_version"), 3);
    assert_int_equal(integer(&db, "SELECT count(*) FROM broken"), -1);
    db_close(&db);
}

static int64_t rows_of(struct store *store, int64_t run) {
    int64_t rows = 0;
    assert_ok(store_rows_read(store, run, INT64_MIN, any_cols, any_row, &rows));
    return rows;
}

/* Fills until a write or the commit fails; every turn that was committed stays, nothing of the one that failed. */
static int64_t fill(struct store *store, int64_t run, int64_t step, int *ret_error) {
    static double values[100 * 8];
    static const char *const cols[8] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    int64_t steps[100], t_ms[100] = {0};
    double epochs[100] = {0};
    for (int turn = 0; turn < 5000; turn++) {
        int r = TB_OK;
        for (int i = 0; i < 3 && r >= 0; i++) {
            for (int k = 0; k < 100; k++)
                steps[k] = step + i * 100 + k;
            struct wire_rows rows = {cols, 8, 100, steps, t_ms, epochs, values};
            r = store_rows_append(store, run, false, &rows);
        }
        int commit = store_commit(store);
        if (r < 0) assert_int_equal(commit, r);
        if (commit < 0) {
            *ret_error = commit;
            return step;
        }
        step += 300;
    }
    fail_msg("it never became full");
    return 0;
}

static void full_and_on(struct fixture *fixture, struct store *store, void (*make_room)(struct store *)) {
    int64_t run = fixture_run(store);
    assert_ok(store_commit(store));
    int error = 0;
    int64_t step = fill(store, run, 0, &error);
    assert_int_equal(error, TB_EFULL);
    assert_int_equal(rows_of(store, run), step);
    assert_false(store_is_dirty(store));
    assert_ok(store_commit(store)); /* it was told once */
    int again = 0;
    assert_int_equal(fill(store, run, step, &again) % 300, 0);
    assert_int_equal(again, TB_EFULL);
    step = rows_of(store, run);
    make_room(store);
    assert_ok(fixture_log(store, run, false, "a", step, 1));
    assert_ok(store_commit(store));
    assert_int_equal(rows_of(store, run), step + 1);
    (void)fixture;
}

static void raise_page_limit(struct store *store) {
    assert_ok(db_exec(&store->db, "PRAGMA max_page_count=100000"));
}

static void test_full_by_page_limit(void **state) {
    struct fixture *fixture = *state;
    assert_ok(db_exec(&fixture->store->db, "PRAGMA max_page_count=600"));
    full_and_on(fixture, fixture->store, raise_page_limit);
}

static char ballast[300];
static void remove_ballast(struct store *store) {
    (void)store;
    assert_int_equal(unlink(ballast), 0);
}

/* A real file system that is full: a tmpfs of 4 MiB, where mounting is allowed. */
static void test_full_disk(void **state) {
    struct fixture *fixture = *state;
    char dir[200];
    path_of(fixture, "disk", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("none", dir, "tmpfs", 0, "size=4m") != 0) {
        rmdir(dir);
        print_message("cannot mount a tmpfs here; the page limit stands for it\n");
        skip();
    }
    snprintf(ballast, sizeof ballast, "%s/ballast", dir);
    static const char zeros[1 << 20];
    int fd = open(ballast, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, zeros, sizeof zeros), sizeof zeros);
    close(fd);
    struct store *store = NULL;
    char why[300];
    assert_ok(store_open(dir, &store, why, sizeof why));
    full_and_on(fixture, store, remove_ballast);
    store_close(store);
    store = NULL;
    fd = open(ballast, O_CREAT | O_WRONLY, 0600); /* full to the last byte: opening is refused or works, no crash */
    while (write(fd, zeros, sizeof zeros) > 0)
        ;
    close(fd);
    int r = store_open(dir, &store, why, sizeof why);
    assert_true(r == TB_OK || r == TB_EFULL);
    store_close(store);
    assert_int_equal(umount(dir), 0);
    assert_int_equal(rmdir(dir), 0);
}

/* After a failed write the rest of the turn is refused with the same error. */
static void test_turn_fails_as_a_whole(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    assert_ok(store_commit(store));
    assert_ok(db_exec(&store->db, "PRAGMA max_page_count=60"));
    assert_ok(store_set(store, "before", "x"));
    char *big = calloc(1, 400000);
    memset(big, 'y', 399999);
    assert_int_equal(store_set(store, "big", big), TB_EFULL);
    free(big);
    assert_int_equal(store_set(store, "after", "x"), TB_EFULL);
    assert_true(store_is_dirty(store));
    assert_int_equal(store_commit(store), TB_EFULL);
    char *value = NULL;
    assert_int_equal(store_get(store, "before", &value), TB_ENOTFOUND);
    assert_ok(store_set(store, "next turn", "x"));
    assert_ok(store_commit(store));
}

/* Another process that holds the write lock: busy, and the turn can be tried again. */
static void test_locked(void **state) {
    struct fixture *fixture = *state;
    char path[200];
    sqlite3 *other;
    path_of(fixture, "trainbot.db", path);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_set(fixture->store, "a", "b"), TB_EBUSY);
    assert_int_equal(store_commit(fixture->store), TB_EBUSY);
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    assert_ok(store_set(fixture->store, "a", "b"));
    assert_ok(store_commit(fixture->store));
}

/* A reader sees a moment, the writer goes on meanwhile; the log is folded back by the pool. */
static void test_reader_and_checkpoint(void **state) {
    struct fixture *fixture = *state;
    struct store *store = fixture->store;
    struct store_reader *reader;
    int64_t run = fixture_run(store), rows = 0;
    assert_ok(store_commit(store));
    assert_ok(store_reader_open(fixture->dir, &reader));
    assert_false(store_wants_checkpoint(store));
    int64_t step = 0;
    while (!store_wants_checkpoint(store)) {
        assert_true(++step < 100000);
        assert_ok(fixture_log(store, run, false, "loss", step, 1));
        assert_ok(store_commit(store));
    }
    assert_ok(fixture_log(store, run, false, "loss", step + 1, 1)); /* not committed */
    assert_ok(store_reader_rows(reader, run, 0, any_cols, any_row, &rows));
    assert_int_equal(rows, step);
    assert_ok(store_commit(store));
    assert_ok(store_reader_checkpoint(reader));
    assert_ok(store_set(store, "a", "b"));
    assert_ok(store_commit(store));
    assert_false(store_wants_checkpoint(store));
    rows = 0;
    assert_ok(store_reader_rows(reader, run, 0, any_cols, any_row, &rows));
    assert_int_equal(rows, step + 1);
    store_reader_close(reader);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        T(test_newer),
        T(test_foreign),
        T(test_too_old),
        T(test_not_a_database),
        T(test_schema_page_damaged),
        T(test_rows_damaged),
        T(test_missing_directory),
        T(test_mode),
        T(test_migration),
        T(test_migration_fails),
        T(test_full_by_page_limit),
        T(test_full_disk),
        T(test_turn_fails_as_a_whole),
        T(test_locked),
        T(test_reader_and_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
