/*
 * Delivery: whatever happens to the bot, every row that the ring took arrives once, over the socket or in the spool
 * file, and the program ends within two seconds.
 */
#include "peer.h"
#include "publisher/run.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct peer peer; /* big, and one test at a time */

static struct tb_run *open_run(void) {
    return tb_open(&(struct tb_options){.name = "test", .total_steps = 1000});
}

static void log_row(struct tb_run *run, int64_t step) {
    TB_LOG(run, step, {"loss", 1.0 / (double)step}, {"acc", step % 7 ? 0.5 : (double)NAN});
}

/* Faster than any training, but never so fast that the ring fills: that has a test of its own. */
static void log_paced(struct tb_run *run, int64_t from, int64_t to) {
    int64_t until = now_ms() + 30000;
    for (int64_t step = from; step <= to; step++) {
        while (run->ring.bytes && ring_position(&run->ring) - atomic_load(&run->ring.tail) > RING_LINES / 2 &&
               now_ms() < until)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        log_row(run, step);
    }
    assert_int_equal(tb_dropped(run), 0);
}

struct closing {
    struct tb_run *run;
    const char *status;
};

static void close_in_time(struct tb_run *run, const char *status) {
    int64_t began = now_ms();
    tb_close(run, status);
    int64_t took = now_ms() - began;
    if (took > 2000) fail_msg("tb_close took %lld ms", (long long)took);
}

static void *close_thread(void *user) {
    struct closing *c = user;
    close_in_time(c->run, c->status);
    return NULL;
}

/* Closing waits for acknowledgements, which this thread gives: so another thread closes. */
static void close_with_peer(struct tb_run *run, const char *status) {
    struct closing c = {run, status};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_thread, &c), 0);
    bool said = peer_run(&peer, peer_has_bye, 0, 5000);
    if (!said)
        fail_msg("no bye: %llu rows, last seq %llu, %llu hellos", (unsigned long long)peer.rows,
                 (unsigned long long)peer.last_seq, (unsigned long long)peer.hellos);
    pthread_join(thread, NULL);
    assert_string_equal(peer.status, status);
}

static void test_rows_arrive(void **state) {
    (void)state;
    peer_init(&peer);
    struct tb_run *run = open_run();
    assert_true(peer_run(&peer, peer_has_hello, 1, 5000));
    assert_int_equal(tb_wait_welcome(run, 5000), 0);
    assert_int_equal(tb_run_id(run), 7);
    tb_epoch(run, 0.5);
    log_paced(run, 1, 5000);
    TB_PROGRESS(run, 5000, {"loss", 0.25});
    tb_note(run, 5000, "hello");
    tb_epoch_end(run, 5000, 2, "epoch 2 of 3");
    tb_checkpoint(run, 5000, "/tmp/x", 123);
    close_with_peer(run, "finished");
    peer_assert_steps(&peer, 5000);
    assert_int_equal(peer.progress_rows, 1);
    assert_int_equal(peer.events[WIRE_EV_NOTE], 1);
    assert_int_equal(peer.events[WIRE_EV_EPOCH], 1);
    assert_int_equal(peer.events[WIRE_EV_CHECKPOINT], 1);
    assert_int_equal(peer.events[WIRE_EV_FINISHED], 1);
    assert_non_null(strstr(peer.last[WIRE_PROGRESS], "\"epoch\":0.5"));
    assert_int_equal(peer_spool_size(&peer), -1); /* all acknowledged: nothing is left behind */
    peer_release(&peer);
}

/* The bot hangs up, dies and comes back, with and without having acknowledged. */
static void test_bot_restarts(void **state) {
    (void)state;
    peer_init(&peer);
    struct tb_run *run = open_run();
    int64_t step = 0;
    for (int round = 0; round < 30; round++) {
        peer.ack = round % 3 != 1;
        log_paced(run, step + 1, step + 500);
        step += 500;
        if (round % 4 == 3) peer_die(&peer);
        peer_run(&peer, NULL, 0, round % 5 * 10);
        peer_hang_up(&peer);
        if (peer.listener < 0) peer_listen(&peer);
        if (round % 2) peer.acked = peer.last_seq; /* as if its acknowledgement had been lost with it */
    }
    peer.ack = true;
    close_with_peer(run, "finished");
    peer_assert_steps(&peer, step);
    assert_true(peer.hellos > 3);
    peer_release(&peer);
}

static void test_no_bot_spools(void **state) {
    (void)state;
    peer_init(&peer);
    peer_die(&peer);
    struct tb_run *run = open_run();
    log_paced(run, 1, 3000);
    tb_note(run, 3000, "nobody hears this yet");
    close_in_time(run, "stopped");
    assert_true(peer_spool_size(&peer) > 0);
    assert_true(peer_import_spool(&peer) > 3);
    peer_assert_steps(&peer, 3000);
    assert_string_equal(peer.status, "stopped");
    assert_int_equal(peer.events[WIRE_EV_NOTE], 1);
    peer_release(&peer);
}

static bool spooled(const struct peer *p, int64_t n) {
    return peer_spool_size(p) >= n;
}

static bool spool_gone(const struct peer *p, int64_t n) {
    (void)n;
    return peer_spool_size(p) < 0;
}

static void wait_spool(bool (*done)(const struct peer *, int64_t), int64_t n) {
    int64_t until = now_ms() + 5000;
    while (!done(&peer, n) && now_ms() < until)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_true(done(&peer, n));
}

static void test_spool_is_sent_when_the_bot_comes(void **state) {
    (void)state;
    peer_init(&peer);
    peer_die(&peer);
    struct tb_run *run = open_run();
    log_paced(run, 1, 20000);
    wait_spool(spooled, 400000);
    peer_listen(&peer);
    assert_true(peer_run(&peer, peer_has_rows, 20000, 10000));
    log_paced(run, 20001, 20100);
    assert_true(peer_run(&peer, peer_has_rows, 20100, 10000));
    peer_run(&peer, spool_gone, 0, 5000);
    assert_int_equal(peer_spool_size(&peer), -1); /* acknowledged: the file goes */
    close_with_peer(run, "finished");
    peer_assert_steps(&peer, 20100);
    peer_release(&peer);
}

/* Accepts, says welcome, and never reads again: as a bot under SIGSTOP. */
static void test_bot_stops_reading(void **state) {
    (void)state;
    peer_init(&peer);
    struct tb_run *run = open_run();
    assert_true(peer_run(&peer, peer_has_hello, 1, 5000));
    log_paced(run, 1, 60000); /* more than a socket holds */
    wait_spool(spooled, 1000);
    close_in_time(run, "finished");
    /* what the socket still held, and then the file: together everything */
    peer.ack = false;
    while (peer.fd >= 0)
        assert_false(peer_run(&peer, NULL, 0, 1));
    assert_true(peer_import_spool(&peer) > 1);
    peer_assert_steps(&peer, 60000);
    assert_string_equal(peer.status, "finished");
    peer_release(&peer);
}

/* A SIGKILL of the trainer takes at most what was in the ring: here nothing, as the sender had time. */
static void test_killed_trainer(void **state) {
    int ready[2];
    (void)state;
    peer_init(&peer);
    peer_die(&peer);
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct tb_run *run = open_run();
        log_paced(run, 1, 5000);
        while (peer_spool_size(&peer) < 0)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* twice what the sender ever sleeps */
        (void)!write(ready[1], "x", 1);
        pause();
    }
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    close(ready[0]);
    close(ready[1]);
    assert_true(peer_import_spool(&peer) > 1);
    peer_assert_steps(&peer, 5000);
    peer_release(&peer);
}

static void test_exit_without_close(void **state) {
    (void)state;
    peer_init(&peer);
    peer_die(&peer);
    pid_t child = fork();
    if (child == 0) {
        struct tb_run *run = open_run();
        for (int64_t step = 1; step <= 100; step++)
            log_row(run, step);
        exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(peer_import_spool(&peer) > 1);
    peer_assert_steps(&peer, 100);
    assert_string_equal(peer.status, ""); /* nobody said how it ended */
    peer_release(&peer);
}

static void test_no_place_for_a_spool(void **state) {
    (void)state;
    peer_init(&peer);
    peer_die(&peer);
    setenv("TRAINBOT_RUN_DIR", "/proc/nothing/here", 1);
    struct tb_run *run = open_run();
    log_paced(run, 1, 3000);
    peer_listen(&peer);
    assert_true(peer_run(&peer, peer_has_rows, 3000, 5000)); /* memory kept them */
    close_with_peer(run, "finished");
    peer_assert_steps(&peer, 3000);
    peer_release(&peer);
}

static void test_spool_is_bounded(void **state) {
    (void)state;
    peer_init(&peer);
    peer_die(&peer);
    setenv("TRAINBOT_SPOOL_MB", "1", 1);
    struct tb_run *run = open_run();
    for (int64_t step = 1; step <= 200000; step++) { /* some 8 MB */
        log_paced(run, step, step);
        if (step % 20000 == 0) tb_note(run, step, "an event is never thinned");
    }
    close_in_time(run, "finished");
    int64_t size = peer_spool_size(&peer);
    if (size > (1 << 20) + 65536) fail_msg("the spool has %lld bytes", (long long)size);
    assert_true(size > 900000);
    peer_import_spool(&peer);
    assert_int_equal(peer.events[WIRE_EV_NOTE], 10);
    assert_true(peer.events[WIRE_EV_GAP] > 1);
    assert_int_equal(peer.rows + peer.dropped, 200000); /* every row is there or told */
    assert_true(peer.last_step > 40000);                /* thinned, not cut off: unthinned it holds some 27,000 */
    assert_int_equal(peer.holes, 0);
    peer_release(&peer);
}

static void test_full_ring_is_told(void **state) {
    (void)state;
    peer_init(&peer);
    struct tb_run *run = open_run();
    assert_true(peer_run(&peer, peer_has_hello, 1, 5000));
    for (int64_t step = 1; step <= 1000000; step++)
        log_row(run, step); /* no training is so fast */
    uint64_t dropped = tb_dropped(run);
    assert_true(dropped > 0);
    peer_run(&peer, peer_has_rows, 1000000 - (int64_t)dropped, 10000);
    close_with_peer(run, "finished");
    assert_int_equal(peer.rows, 1000000 - dropped);
    assert_int_equal(peer.dropped, dropped);
    assert_true(peer.events[WIRE_EV_GAP] > 0);
    peer_release(&peer);
}

/* Random bytes, a line without end, frames of the wrong kind, acknowledgements of what was never sent. */
static void test_hostile_bot(void **state) {
    uint64_t x = 42;
    (void)state;
    peer_init(&peer);
    struct tb_run *run = open_run();
    for (int round = 0; round < 12; round++) {
        log_paced(run, round * 500 + 1, round * 500 + 500);
        int64_t until = now_ms() + 3000;
        while (peer.fd < 0 && now_ms() < until)
            peer_run(&peer, peer_has_hello, (int64_t)peer.hellos + 1, 100);
        char bytes[8192];
        for (size_t i = 0; i < sizeof bytes; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            bytes[i] = round % 3 == 0 ? (char)x : 'x';
            if (round % 3 == 1 && x % 50 == 0) bytes[i] = '\n';
        }
        for (int part = 0; part < 64 && peer.fd >= 0; part++)
            if (send(peer.fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) break;
        peer_send(&peer, "\n{\"type\":\"ack\",\"seq\":9007199254740991}\n{\"type\":\"hello\"}\n{\"type\":\"set\","
                         "\"id\":\"a\"}\n[]\n");
        peer_send(&peer, "{\"type\":\"welcome\",\"ack\":9007199254740991}\n{\"type\":\"error\",\"code\":\"x\"}\n");
        peer_run(&peer, NULL, 0, 20);
        peer_hang_up(&peer);
    }
    close_with_peer(run, "finished");
    peer_assert_steps(&peer, 6000);
    peer_release(&peer);
}

static void test_forked_child_is_inert(void **state) {
    int hold[2];
    (void)state;
    peer_init(&peer);
    struct tb_run *run = tb_open(
        &(struct tb_options){.name = "test",
                             .params = (const struct tb_param[]){{.name = "lr", .type = TB_FLOAT, .value = 0.5}},
                             .params_count = 1});
    assert_true(peer_run(&peer, peer_has_hello, 1, 5000));
    log_row(run, 1);
    assert_int_equal(pipe(hold), 0);
    pid_t child = fork();
    if (child == 0) {
        close(hold[1]);
        for (int64_t step = 1; step < 1000; step++)
            log_row(run, step);
        tb_note(run, 5, "from the child");
        bool good = tb_poll(run, 9) == 0 && tb_wait(run, 9, -1) == 0 && tb_image(run, "x", "image/png", "x", 1) < 0 &&
                    tb_wait_welcome(run, 1000) < 0 && tb_float(run, "lr") == 0.5;
        tb_close(run, "failed");
        char byte;
        (void)!read(hold[0], &byte, 1); /* lives on past its parent's run, as a data loader does */
        exit(good ? 0 : 1);
    }
    close(hold[0]);
    log_row(run, 2);
    close_with_peer(run, "finished");
    peer_assert_steps(&peer, 2);
    assert_int_equal(peer.events[WIRE_EV_NOTE], 0);
    int64_t until = now_ms() + 2000;
    while (peer.fd >= 0 && now_ms() < until)
        peer_run(&peer, NULL, 0, 5);
    assert_int_equal(peer.fd, -1); /* the child does not hold the connection open */
    close(hold[1]);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    peer_release(&peer);
}

static void test_other_ranks_and_no_socket_are_inert(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        peer_init(&peer);
        setenv(i ? "TRAINBOT_SOCKET" : "RANK", i ? "" : "1", 1);
        struct tb_run *run = tb_open(
            &(struct tb_options){.params = (const struct tb_param[]){{.name = "bs", .type = TB_INT, .value = 64}},
                                 .params_count = 1});
        assert_non_null(run);
        log_paced(run, 1, 100);
        tb_pause_self(run);
        assert_int_equal(tb_wait(run, 1, -1), 0);
        assert_int_equal(tb_int(run, "bs"), 64);
        close_in_time(run, "finished");
        assert_false(peer_run(&peer, peer_has_hello, 1, 50));
        assert_int_equal(peer_spool_size(&peer), -1);
        peer_release(&peer);
    }
    tb_close(NULL, "finished");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows_arrive),
                                       cmocka_unit_test(test_bot_restarts),
                                       cmocka_unit_test(test_no_bot_spools),
                                       cmocka_unit_test(test_spool_is_sent_when_the_bot_comes),
                                       cmocka_unit_test(test_bot_stops_reading),
                                       cmocka_unit_test(test_killed_trainer),
                                       cmocka_unit_test(test_exit_without_close),
                                       cmocka_unit_test(test_no_place_for_a_spool),
                                       cmocka_unit_test(test_spool_is_bounded),
                                       cmocka_unit_test(test_full_ring_is_told),
                                       cmocka_unit_test(test_hostile_bot),
                                       cmocka_unit_test(test_forked_child_is_inert),
                                       cmocka_unit_test(test_other_ranks_and_no_socket_are_inert)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
