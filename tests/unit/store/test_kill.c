/*
 * test_kill.c: a writer killed with SIGKILL at random moments: what it committed is there, exactly once; what it had
 * not committed is not there at all.
 */
#include "fixture.h"
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define ROUNDS 60

/* How many rows the turn that begins after `step` has: both sides know it. */
static int64_t turn_rows(int64_t step) {
    struct random random = {(uint64_t)step};
    return (int64_t)random_below(&random, random_below(&random, 10) == 0 ? 900 : 30) + 1;
}

static int turn_write(struct store *store, int64_t run, int64_t step) {
    char ack[32];
    int64_t end = step + turn_rows(step);
    int r = TB_OK;
    while (r >= 0 && step < end) {
        step++;
        r = fixture_log(store, run, false, "loss", step, (double)step / 2);
        if (r >= 0 && step % 10 == 0) r = fixture_log(store, run, true, "loss", step, (double)step);
    }
    snprintf(ack, sizeof ack, "%lld", (long long)step);
    if (r >= 0) r = store_set(store, "ack", ack);
    return r;
}

/* Writes turns for ever, and after each commit its last step into the pipe. */
static void writer(const char *dir, int64_t run, int64_t step, int pipe_fd) {
    struct store *store;
    char why[300];
    if (store_open(dir, &store, why, sizeof why) < 0) _exit(10);
    for (;;) {
        if (turn_write(store, run, step) < 0) _exit(11);
        step += turn_rows(step);
        if (store_commit(store) < 0) _exit(12);
        if (write(pipe_fd, &step, sizeof step) != sizeof step) _exit(13);
    }
}

/* Starts a writer, lets it commit some turns, kills it, and returns the last step that it said was committed. */
static int64_t kill_a_writer(const char *dir, int64_t run, int64_t step, struct random *random) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        writer(dir, run, step, ends[1]);
    }
    close(ends[1]);
    int64_t said = step;
    for (uint64_t turns = random_below(random, 40) + 1; turns > 0; turns--)
        assert_int_equal(read(ends[0], &said, sizeof said), sizeof said);
    struct timespec moment = {0, (long)random_below(random, 1500000)}; /* any moment of a turn */
    nanosleep(&moment, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    while (read(ends[0], &said, sizeof said) == sizeof said)
        ;
    close(ends[0]);
    return said;
}

struct reading {
    int64_t next;
};

static bool read_cols(void *user, const char *const *cols, size_t count) {
    (void)user;
    assert_true(count <= 2);
    if (count > 0) assert_string_equal(cols[0], "loss");
    if (count > 1) assert_string_equal(cols[1], "progress_loss");
    return true;
}

static bool read_row(void *user, const struct store_row *row) {
    struct reading *reading = user;
    assert_int_equal(row->step, reading->next);
    assert_true(row->values[0] == (double)row->step / 2);
    if (row->step % 10 == 0) assert_true(row->values[1] == (double)row->step);
    reading->next++;
    return true;
}

/* The last step that is there; fails when it is not the end of a turn. */
static int64_t check(const char *dir, int64_t run, int64_t begin, int64_t said) {
    struct store *store = NULL;
    char why[300];
    char *ack = NULL;
    struct reading reading = {1};
    assert_ok(store_open(dir, &store, why, sizeof why));
    assert_ok(store_rows_read(store, run, 0, read_cols, read_row, &reading));
    int64_t last = reading.next - 1;
    assert_true(last >= said);
    int64_t end = begin;
    while (end < last)
        end += turn_rows(end);
    assert_int_equal(end, last);
    assert_true(last == said || last == said + turn_rows(said)); /* at most the turn whose word got lost */
    assert_ok(store_get(store, "ack", &ack));                    /* what was written in the same turn */
    assert_int_equal(atoll(ack), last);
    free(ack);
    store_close(store);
    return last;
}

static void test_kill(void **state) {
    struct fixture *fixture = *state;
    struct random random = {(uint64_t)time(NULL)};
    print_message("seed %llu\n", (unsigned long long)random.state);
    int64_t run = fixture_run(fixture->store), step = 0;
    store_close(fixture->store);
    fixture->store = NULL;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t said = kill_a_writer(fixture->dir, run, step, &random);
        assert_true(said > step);
        step = check(fixture->dir, run, step, said);
    }
    assert_true(step > ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kill, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
