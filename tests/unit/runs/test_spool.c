/* Spools: what is taken, what is left alone, in what shares, and what waits for them. */
#include "stage.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include <cmocka.h>

#define A "0123456789abcdef0123456789abcdef"
#define B "fedcba9876543210fedcba9876543210"

static char *text;
static size_t used, room;

static void add(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add(const char *format, ...) {
    va_list args;
    if (room - used < 4096) {
        room = room * 2 + 65536;
        text = realloc(text, room);
        assert_non_null(text);
    }
    va_start(args, format);
    used += (size_t)vsnprintf(text + used, room - used, format, args);
    va_end(args);
}

static void add_hello(const char *instance) {
    add("{\"type\":\"hello\",\"seq\":1,\"v\":1,\"instance\":\"%s\",\"name\":\"cnn\",\"pid\":7,\"host\":\"box\","
        "\"params\":[],"
        "\"commands\":[],\"next_seq\":2}\n",
        instance);
}
static void add_step(uint64_t seq, int64_t step) {
    add("{\"type\":\"metrics\",\"seq\":%llu,\"step\":%lld,\"t_ms\":%lld,\"values\":{\"loss\":0.5}}\n",
        (unsigned long long)seq, (long long)step, 1700000000000LL + (long long)step);
}
static void put(struct stage *s, const char *path) {
    stage_write(s, path, text);
    used = 0;
}

static int setup(void **state) {
    used = 0;
    return stage_setup(state);
}
static int teardown(void **state) {
    free(text);
    text = NULL;
    used = room = 0;
    return stage_teardown(state);
}

static void turns(struct stage *s, int count) {
    while (count-- > 0)
        stage_turn(s);
}

static void test_at_hello(void **state) {
    struct stage *s = *state;
    int64_t run = stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_step(s, peer, 1, "\"loss\":1");
    stage_step(s, peer, 2, "\"loss\":1");
    stage_turn(s);
    stage_gone(s, peer);
    add_hello(A);
    for (int i = 1; i <= 10; i++)
        add_step((uint64_t)i + 1, i); /* the first two were taken already */
    add("{\"type\":\"event\",\"seq\":12,\"kind\":\"note\",\"step\":10,\"text\":\"from the spool\"}\n");
    add("not a line of ours\n");
    add("{\"type\":\"metrics\",\"seq\":13,\"step\":11,\"t_ms\":17"); /* torn */
    put(s, "runs/1/spool");
    peer = stage_hello(s, 0, A, "1");
    assert_int_equal(stage_acked(peer), 12); /* the welcome counts it */
    stage_turn(s);
    assert_int_equal(stage_rows(s, run), 10);
    assert_int_equal(stage_told(&s->talk, "from the spool"), 1);
    assert_true(stage_exists(s, "runs/1/spool")); /* the trainer's, as long as it lives */
    peer->seq = 12;
    stage_step(s, peer, 11, "\"loss\":1");
    stage_turn(s);
    assert_int_equal(stage_rows(s, run), 11);
    assert_int_equal(stage_told(&s->talk, "from the spool"), 1);
}

static void test_foreign(void **state) {
    struct stage *s = *state;
    int64_t run = stage_start(s);
    add_hello(B);
    add_step(2, 100);
    add_hello(A);
    add_step(2, 1);
    put(s, "runs/1/spool");
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_turn(s);
    assert_int_equal(stage_rows(s, run), 1);
    assert_int_equal(stage_row(s, run).step, 1);
    stage_gone(s, peer);
    struct process_end end = {.exit_code = 0, .ended_ms = s->wall_ms};
    runs_process_ended(s->bot, run, &end);
    turns(s, 3);
    assert_string_equal(stage_row(s, run).state, "finished");
    assert_true(stage_exists(s, "runs/1/spool")); /* somebody else's lines are not ours to remove */
}

/* Killed and ended while no bot was there: the last rows stand before the end is told, then the file goes. */
static void test_ended_run(void **state) {
    struct stage *s = *state;
    int64_t run = stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    add_hello(A);
    for (int i = 2; i <= 40; i++)
        add_step((uint64_t)i + 1, i);
    put(s, "runs/1/spool");
    stage_restart(s);
    struct process_end end = {.exit_code = 3, .ended_ms = s->wall_ms};
    runs_process_ended(s->bot, run, &end);
    turns(s, 3);
    assert_string_equal(stage_row(s, run).state, "failed");
    assert_int_equal(stage_row(s, run).step, 40);
    assert_int_equal(stage_rows(s, run), 40);
    assert_int_equal(stage_told(&s->talk, "at step 40"), 1);
    assert_false(stage_exists(s, "runs/1/spool"));
}

/* Large: read in shares, the loop goes on in between, welcome and end wait. */
static void test_large(void **state) {
    struct stage *s = *state;
    enum { STEPS = 200000 };
    int64_t run = stage_start(s);
    struct stage_peer *other = stage_hello(s, 1, B, NULL);
    add_hello(A);
    for (int i = 1; i <= STEPS; i++)
        add_step((uint64_t)i + 1, i);
    put(s, "runs/1/spool");
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    assert_false(stage_was_sent(peer, "welcome"));
    assert_int_equal(bot_next_ms(s->bot), 0);
    stage_turn(s);
    stage_step(s, other, 1, "\"loss\":1"); /* others are served meanwhile */
    stage_turn(s);
    assert_int_equal(stage_acked(other), 2);
    assert_false(stage_was_sent(peer, "welcome"));
    uint64_t partly = stage_row(s, run).ack;
    assert_in_range(partly, 2, STEPS); /* each share is committed with its ack */
    stage_restart(s);
    turns(s, 1);
    assert_int_equal(stage_told(&s->talk, "#1 cnn started"), 0);
    peer = stage_hello(s, 0, A, "1"); /* it tries anew, while the next bot reads on */
    for (int i = 0; i < 50 && !stage_was_sent(peer, "welcome"); i++)
        stage_turn(s);
    assert_int_equal(stage_acked(peer), STEPS + 1);
    stage_turn(s);
    assert_int_equal(stage_rows(s, run), STEPS);
    assert_int_equal(stage_row(s, run).step, STEPS);
    assert_string_equal(stage_row(s, run).state, "running");
}

static void test_large_at_the_end(void **state) {
    struct stage *s = *state;
    enum { STEPS = 120000 };
    int64_t run = stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_turn(s);
    add_hello(A);
    for (int i = 1; i <= STEPS; i++)
        add_step((uint64_t)i + 1, i);
    put(s, "runs/1/spool");
    stage_gone(s, peer);
    struct process_end end = {.exit_code = 0, .ended_ms = s->wall_ms};
    runs_process_ended(s->bot, run, &end);
    stage_turn(s);
    assert_int_equal(stage_told(&s->talk, "#1 finished"), 0);
    turns(s, 30);
    assert_int_equal(stage_told(&s->talk, "#1 finished"), 1);
    assert_int_equal(stage_rows(s, run), STEPS);
    assert_false(stage_exists(s, "runs/1/spool"));
}

/* Started by hand, ran and ended while there was no bot at all. */
static void test_found(void **state) {
    struct stage *s = *state;
    add_hello(A);
    for (int i = 1; i <= 5; i++)
        add_step((uint64_t)i + 1, i);
    add("{\"type\":\"bye\",\"seq\":7,\"status\":\"finished\"}\n");
    put(s, "spool/" A);
    add_hello(B);
    add_step(2, 1);
    put(s, "spool/" B); /* this one was killed: no goodbye */
    stage_write(s, "spool/not-an-instance", "x");
    stage_restart(s);
    turns(s, 5);
    bool first_is_a = strcmp(runs_find(s->bot, 1)->instance, A) == 0;
    int64_t a = first_is_a ? 1 : 2, b = first_is_a ? 2 : 1;
    assert_string_equal(stage_row(s, a).state, "finished");
    assert_int_equal(stage_rows(s, a), 5);
    assert_string_equal(stage_row(s, b).state, "lost");
    assert_int_equal(stage_rows(s, b), 1);
    assert_int_equal(stage_told(&s->talk, "finished"), 1);
    assert_false(stage_exists(s, "spool/" A));
    assert_false(stage_exists(s, "spool/" B));
    int told = s->talk.count;
    stage_restart(s);
    turns(s, 5);
    assert_int_equal(s->talk.count, told);
    assert_int_equal(runs_newest(s->bot), 2);
}

/* Its writer lives: the file is locked, and the trainer comes by itself. */
static void test_found_but_alive(void **state) {
    struct stage *s = *state;
    char path[200];
    add_hello(A);
    add_step(2, 1);
    put(s, "spool/" A);
    snprintf(path, sizeof path, "%s/spool/" A, s->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    stage_restart(s);
    turns(s, 5);
    assert_int_equal(runs_newest(s->bot), 0);
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    assert_int_equal(stage_acked(peer), 2);
    assert_int_equal(stage_rows(s, 1), 1);
    stage_gone(s, peer);
    stage_pass(s, 62000);
    assert_string_equal(stage_row(s, 1).state, "lost");
    assert_true(stage_exists(s, "spool/" A));
    close(fd);
}

/* A run that we knew, by hand: its goodbye stands in the spool. */
static void test_goodbye_in_the_spool(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_step(s, peer, 1, "\"loss\":1");
    stage_turn(s);
    add_hello(A);
    add_step(3, 2);
    add("{\"type\":\"bye\",\"seq\":4,\"status\":\"stopped\"}\n");
    put(s, "spool/" A);
    stage_restart(s);
    turns(s, 5);
    assert_string_equal(stage_row(s, 1).state, "stopped");
    assert_int_equal(stage_rows(s, 1), 2);
    assert_int_equal(stage_told(&s->talk, "#1 stopped"), 1);
    assert_false(stage_exists(s, "spool/" A));
}

/* An answer in the spool meets the control that asked. */
static void test_answer_in_the_spool(void **state) {
    struct stage *s = *state;
    struct stage_peer *peer = stage_hello(s, 0, A, NULL);
    stage_turn(s);
    stage_say(s, "lr 0.5");
    char id[64];
    snprintf(id, sizeof id, "%s", stage_control(peer, "set"));
    add_hello(A);
    add("{\"type\":\"applied\",\"seq\":2,\"id\":\"%s\",\"step\":9,\"old\":{\"lr\":0.1},\"new\":{\"lr\":0.5}}\n", id);
    add("{\"type\":\"bye\",\"seq\":3,\"status\":\"finished\"}\n");
    put(s, "spool/" A);
    stage_restart(s);
    turns(s, 5);
    assert_int_equal(stage_told(&s->talk, "lr 0.1 → 0.5"), 1);
}

static void test_store_fails_in_the_middle(void **state) {
    struct stage *s = *state;
    int64_t run = stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, A, "1");
    stage_turn(s);
    stage_gone(s, peer);
    add_hello(A);
    for (int i = 1; i <= 300; i++)
        add_step((uint64_t)i + 1, i);
    add("{\"type\":\"event\",\"seq\":302,\"kind\":\"note\",\"step\":300,\"text\":\"once from the spool\"}\n");
    put(s, "runs/1/spool");
    stage_commit_fails = -1;
    struct process_end end = {.exit_code = 0, .ended_ms = s->wall_ms};
    runs_process_ended(s->bot, run, &end);
    stage_pass(s, 12000);
    assert_true(bot_next_ms(s->bot) > s->mono_ms); /* waiting, not spinning */
    stage_commit_fails = 0;
    stage_pass(s, 12000);
    assert_string_equal(stage_row(s, run).state, "finished");
    assert_int_equal(stage_rows(s, run), 300);
    assert_int_equal(stage_told(&s->talk, "once from the spool"), 1);
    assert_int_equal(stage_told(&s->talk, "#1 finished"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_at_hello),
        TEST(test_foreign),
        TEST(test_ended_run),
        TEST(test_large),
        TEST(test_large_at_the_end),
        TEST(test_found),
        TEST(test_found_but_alive),
        TEST(test_goodbye_in_the_spool),
        TEST(test_answer_in_the_spool),
        TEST(test_store_fails_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
