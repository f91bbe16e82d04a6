/*
 * fixture.c: see fixture.h. The folder lies in TMPDIR or /tmp.
 */
#include "fixture.h"
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <unistd.h>
#include <cmocka.h>

int fixture_setup(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    const char *base = getenv("TMPDIR");
    snprintf(fixture->dir, sizeof fixture->dir, "%s/store-XXXXXX", base && strlen(base) < 40 ? base : "/tmp");
    assert_non_null(mkdtemp(fixture->dir));
    char why[300];
    assert_ok(store_open(fixture->dir, &fixture->store, why, sizeof why));
    assert_string_equal(why, "");
    *state = fixture;
    return 0;
}

int fixture_teardown(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    DIR *dir = opendir(fixture->dir);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir) closedir(dir);
    rmdir(fixture->dir);
    free(fixture);
    return 0;
}

void fixture_reopen(struct fixture *fixture) {
    store_close(fixture->store);
    fixture->store = NULL;
    char why[300];
    assert_ok(store_open(fixture->dir, &fixture->store, why, sizeof why));
}

struct run_record fixture_record(void) {
    return (struct run_record){
        .instance = "",
        .name = "cnn",
        .trainer = "",
        .state = "running",
        .host = "",
        .checkpoint = "",
        .started_by = "",
        .hello = "",
        .params = "{}",
        .metrics = "{}",
        .extra = "{}",
    };
}

int64_t fixture_run(struct store *store) {
    struct run_record record = fixture_record();
    int64_t id = 0;
    assert_ok(store_run_insert(store, &record, &id));
    assert_true(id > 0);
    return id;
}

int fixture_log(struct store *store, int64_t run, bool progress, const char *name, int64_t step, double value) {
    double epoch = wire_absent();
    int64_t t_ms = step * 10;
    struct wire_rows rows = {.cols = &name,
                             .cols_count = 1,
                             .rows_count = 1,
                             .steps = &step,
                             .t_ms = &t_ms,
                             .epochs = &epoch,
                             .values = &value};
    return store_rows_append(store, run, progress, &rows);
}

uint64_t random_next(struct random *random) {
    uint64_t z = random->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound) {
    return random_next(random) % bound;
}
