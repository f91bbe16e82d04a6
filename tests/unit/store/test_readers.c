/*
 * test_readers.c: readers in threads of their own beside the writer: each sees whole turns, and the writer is never
 * disturbed by them.
 */
#include "fixture.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define READERS 3
#define STEPS 30000
#define TURN 50 /* rows of one commit */

struct shared {
    const char *dir;
    int64_t run;
    atomic_bool done;
    atomic_llong committed;
};

struct seen {
    int64_t next;
    bool wrong;
};

static bool see_cols(void *user, const char *const *cols, size_t count) {
    struct seen *seen = user;
    seen->wrong |= count != 1 || strcmp(cols[0], "loss") != 0;
    return true;
}

static bool see_row(void *user, const struct store_row *row) {
    struct seen *seen = user;
    seen->wrong |= row->step != seen->next || row->values[0] != (double)row->step;
    seen->next++;
    return true;
}

/* NULL, or what was wrong. */
static const char *look(struct store_reader *reader, const struct shared *shared) {
    long long committed = atomic_load(&shared->committed);
    struct seen seen = {.next = 1};
    if (store_reader_rows(reader, shared->run, 0, see_cols, see_row, &seen) < 0) return "reading rows failed";
    if (seen.wrong) return "a row was wrong";
    if ((seen.next - 1) % TURN != 0) return "half a turn was seen";
    if (seen.next - 1 < committed) return "a committed row was not seen";
    struct store_bucket buckets[100];
    size_t count = 0;
    if (store_reader_series(reader, shared->run, "loss", 100, buckets, &count) < 0) return "reading the series failed";
    int64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        rows += buckets[i].count;
        if (buckets[i].min != (double)buckets[i].first_step || buckets[i].max != (double)buckets[i].last_step)
            return "a bucket was wrong";
    }
    if (rows < seen.next - 1) return "the series went back";
    return store_reader_checkpoint(reader) < 0 ? "the checkpoint failed" : NULL;
}

static void *reader_main(void *user) {
    struct shared *shared = user;
    struct store_reader *reader;
    if (store_reader_open(shared->dir, &reader) < 0) return (void *)(uintptr_t) "cannot open";
    const char *wrong = NULL;
    bool last = false;
    while (!wrong && !last) {
        last = atomic_load(&shared->done); /* once more after the end */
        wrong = look(reader, shared);
    }
    store_reader_close(reader);
    return (void *)(uintptr_t)wrong;
}

static void test_readers(void **state) {
    struct fixture *fixture = *state;
    struct shared shared = {.dir = fixture->dir, .run = fixture_run(fixture->store)};
    assert_ok(fixture_log(fixture->store, shared.run, false, "loss", 1, 1));
    for (int64_t step = 2; step <= TURN; step++)
        assert_ok(fixture_log(fixture->store, shared.run, false, "loss", step, (double)step));
    assert_ok(store_commit(fixture->store));
    pthread_t threads[READERS];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader_main, &shared), 0);
    for (int64_t step = TURN + 1; step <= STEPS; step++) {
        assert_ok(fixture_log(fixture->store, shared.run, false, "loss", step, (double)step));
        if (step % TURN == 0) {
            assert_ok(store_commit(fixture->store));
            atomic_store(&shared.committed, step);
        }
    }
    atomic_store(&shared.done, true);
    void *wrong[READERS] = {NULL};
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], &wrong[i]);
    for (int i = 0; i < READERS; i++)
        if (wrong[i]) fail_msg("reader %d: %s", i, (const char *)wrong[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_readers, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
