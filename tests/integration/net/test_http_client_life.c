/*
 * The life of calls and clients: cancelled at every stage, closed with calls open, begun and cancelled from inside
 * callbacks, and a resolver that does not come back. Descriptors and the loop are counted at the end.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "net_calls.h"
#include <fcntl.h>
#include <netdb.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <unistd.h>

static struct net_fixture net;
static size_t descriptors;

static int set_up(void **state) {
    (void)state;
    net_begin(&net);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    net_end(&net);
    return 0;
}

/* The resolver of this program, libcurl's threads included: names that are not there, and one that takes its time. */
static sem_t resolver_entered, resolver_may_go;
static atomic_int resolving;

__attribute__((visibility("default"))) int getaddrinfo(const char *name, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **result) {
    (void)service, (void)hints, (void)result;
    atomic_fetch_add(&resolving, 1);
    if (strcmp(name, "slow.invalid") == 0) {
        sem_post(&resolver_entered);
        while (sem_wait(&resolver_may_go) < 0)
            ;
    }
    atomic_fetch_sub(&resolving, 1);
    return EAI_NONAME;
}

static size_t threads(void) {
    DIR *dir = opendir("/proc/self/task");
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void test_no_name(void **state) {
    (void)state;
    struct net_kept kept = net_call(&net, (struct http_call_options){.url = "http://nowhere.invalid/"});
    assert_int_equal(kept.reached, HTTP_NOT_SENT);
    assert_string_equal(kept.why, "the server's name was not found");
    assert_false(kept.timed_out);
}

/* The time limit holds while a name is looked up, and neither it, nor a cancel, nor the close waits for the resolver.
 */
static void test_slow_name(void **state) {
    (void)state;
    size_t before = threads();
    struct net_kept kept[2];
    struct http_call_options options = {.url = "http://slow.invalid/", .timeout_ms = 200};
    struct net_kept late = net_call(&net, options);
    assert_int_equal(late.reached, HTTP_NOT_SENT);
    assert_true(late.timed_out);
    options.timeout_ms = 60000;
    net_start(&net, options, &kept[0]);
    net_start(&net, options, &kept[1]);
    for (int entered = 0; entered < 3;) {
        uv_run(&net.loop, UV_RUN_NOWAIT);
        if (sem_trywait(&resolver_entered) == 0) entered++;
    }
    assert_int_equal(atomic_load(&resolving), 3);
    http_call_cancel(kept[0].call);
    assert_int_equal(atomic_load(&resolving), 3); /* still inside: nothing waited */
    assert_int_equal(net_get(&net, "/ok").status, 200);
    net_close_client(&net);
    assert_int_equal(atomic_load(&resolving), 3);
    assert_int_equal(kept[0].answers + kept[1].answers, 0);
    for (int i = 0; i < 3; i++)
        sem_post(&resolver_may_go);
    while (threads() > before) /* they clean up behind themselves */
        sched_yield();
}

static void turns(int count) {
    for (int i = 0; i < count; i++)
        uv_run(&net.loop, UV_RUN_NOWAIT);
}

/* Cancelled after so many turns of the loop: before it began, connecting, sent, half answered, … */
static void test_cancel_stages(void **state) {
    (void)state;
    static const char *const paths[] = {"/hang", "/half-hang", "/huge-chunked", "/ok"};
    for (size_t path = 0; path < 4; path++)
        for (int stage = 0; stage < 12; stage++) {
            struct net_kept kept;
            struct http_call_options options = {.url = net_server_url(&net.server, paths[path]),
                                                .post = stage % 2,
                                                .body = "x",
                                                .body_size = 1,
                                                .answer_max = 1u << 30};
            net_start(&net, options, &kept);
            for (int i = 0; i < stage && !kept.answers; i++)
                turns(1);
            if (!kept.answers) {
                http_call_cancel(kept.call);
                turns(3);
                assert_int_equal(kept.answers, 0);
            }
        }
    http_call_cancel(NULL);
    while (net.server.open > 4) /* dropped connections are gone at the server too; at most the kept ones stay */
        uv_run(&net.loop, UV_RUN_ONCE);
    assert_int_equal(net_get(&net, "/ok").status, 200);
}

static void test_close_stages(void **state) {
    (void)state;
    for (int stage = 0; stage < 12; stage++) {
        struct net_kept kept[4];
        static const char *const paths[] = {"/hang", "/half-hang", "/huge-chunked", "/ok"};
        struct http_client_options options = {.loop = &net.loop};
        if (!net.client) assert_int_equal(http_client_create(&options, &net.client), TB_OK);
        for (size_t i = 0; i < 4; i++)
            net_start(&net, (struct http_call_options){.url = net_server_url(&net.server, paths[i])}, &kept[i]);
        turns(stage);
        int answers[4];
        for (size_t i = 0; i < 4; i++)
            answers[i] = kept[i].answers;
        net_close_client(&net);
        turns(3);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(kept[i].answers, answers[i]);
    }
    http_client_close(NULL, NULL, NULL);
}

static void note(void *user) {
    ++*(int *)user;
    uv_stop(&net.loop);
}

static void test_close_none(void **state) {
    (void)state;
    int closed = 0;
    http_client_close(NULL, note, &closed);
    assert_int_equal(closed, 1);
}

/* What a callback does to its client and its siblings. */
static struct deed {
    enum { BEGIN, CANCEL_OTHER, CANCEL_SELF, CLOSE } what;
    struct http_call *self, *other;
    struct net_kept kept;
    int done, others, closed;
} deed;

static void do_deed(void *user, const struct http_answer *answer) {
    struct http_call_options options = {.url = net_server_url(&net.server, "/ok"), .timeout_ms = 60000};
    char first = answer->body[0];
    deed.done++;
    uv_stop(&net.loop);
    if (user != &deed) {
        deed.others++;
        return;
    }
    if (deed.what == BEGIN) {
        assert_int_equal(http_call_start(net.client, &options, net_keep, &deed.kept, NULL), TB_OK);
        assert_int_equal(deed.kept.answers, 0);
    }
    if (deed.what == CANCEL_OTHER) http_call_cancel(deed.other);
    if (deed.what == CANCEL_SELF) http_call_cancel(deed.self);
    if (deed.what == CLOSE) {
        http_client_close(net.client, note, &deed.closed);
        net.client = NULL;
    }
    assert_int_equal(answer->body[0], first); /* it is there until the return */
}

static void run_deed(int what, bool other_hangs) {
    memset(&deed, 0, sizeof deed);
    deed.what = what;
    deed.kept.loop = &net.loop;
    struct http_call_options options = {.url = net_server_url(&net.server, "/ok"), .timeout_ms = 60000};
    assert_int_equal(http_call_start(net.client, &options, do_deed, &deed, &deed.self), TB_OK);
    if (other_hangs) options.url = net_server_url(&net.server, "/hang");
    assert_int_equal(http_call_start(net.client, &options, do_deed, &net, &deed.other), TB_OK);
    while (!deed.done || (what == BEGIN && !deed.kept.answers) || (what == CLOSE && !deed.closed))
        uv_run(&net.loop, UV_RUN_ONCE);
    turns(3);
}

static void test_callbacks(void **state) {
    (void)state;
    for (int hangs = 0; hangs < 2; hangs++) {
        run_deed(BEGIN, hangs);
        assert_int_equal(deed.kept.status, 200);
        if (hangs) http_call_cancel(deed.other);
        run_deed(CANCEL_SELF, hangs);
        if (hangs) http_call_cancel(deed.other);
        run_deed(CANCEL_OTHER, true);
        assert_int_equal(deed.others, 0);
        run_deed(CLOSE, true);
        assert_int_equal(deed.others, 0);
        assert_int_equal(deed.done, 1);
        struct http_client_options options = {.loop = &net.loop};
        assert_int_equal(http_client_create(&options, &net.client), TB_OK);
    }
}

/* All that are done in the same turn: the first one's callback cancels the rest, whose ends libcurl has noted already.
 */
static struct http_call *herd[20];
static int herd_done;

static void cancel_herd(void *user, const struct http_answer *answer) {
    (void)answer;
    herd_done++;
    uv_stop(&net.loop);
    for (size_t i = 0; i < 20; i++)
        if (i != (size_t)(uintptr_t)user) http_call_cancel(herd[i]);
}

static void test_cancel_finished(void **state) {
    (void)state;
    struct http_call_options options = {.url = "http://127.0.0.1:1/", .timeout_ms = 60000};
    herd_done = 0;
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(http_call_start(net.client, &options, cancel_herd, (void *)(uintptr_t)i, &herd[i]), TB_OK);
    while (!herd_done)
        uv_run(&net.loop, UV_RUN_ONCE);
    turns(5);
    assert_int_equal(herd_done, 1);
}

/* Trainers that the bot starts do not inherit its connections. */
static void test_not_inherited(void **state) {
    (void)state;
    struct net_kept kept;
    net_start(&net, (struct http_call_options){.url = net_server_url(&net.server, "/hang")}, &kept);
    while (!net.server.requests)
        uv_run(&net.loop, UV_RUN_ONCE);
    size_t sockets = 0;
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_storage peer;
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) < 0 || peer.ss_family != AF_INET) continue;
        sockets++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    }
    assert_int_equal(sockets, 2); /* both ends */
    http_call_cancel(kept.call);
}

/* Calls at once: each has a connection of its own, and what stays open after them is small. */
static void test_many(void **state) {
    (void)state;
    static struct net_kept kept[100];
    for (size_t i = 0; i < 100; i++)
        net_start(&net, (struct http_call_options){.url = net_server_url(&net.server, "/ok")}, &kept[i]);
    for (size_t i = 0; i < 100; i++) {
        net_wait(&net, &kept[i]);
        assert_int_equal(kept[i].status, 200);
    }
    assert_int_equal(net.server.requests, 100);
    while (net.server.open > 4)
        uv_run(&net.loop, UV_RUN_ONCE);
}

/* 3,000 calls with faults and cancels drawn by a fixed seed: none is told twice, none is forgotten, nothing is left. */
static void test_random_faults(void **state) {
    (void)state;
    static const char *const paths[] = {"/ok",           "/close", "/reset",   "/half",          "/chunked",
                                        "/204",          "/hang",  "/huge",    "/second-breaks", "/then-close",
                                        "/header-lines", "/early", "/garbage", "/half-hang",     "/second-resets",
                                        "/status/502"};
    static struct net_kept kept[16];
    unsigned seed = 20240607;
    bool open[16] = {false};
    size_t count = getenv("TRAINBOT_NET_CALLS") ? strtoul(getenv("TRAINBOT_NET_CALLS"), NULL, 10) : 3000;
    for (size_t n = 0; n < count; n++) {
        size_t i = (size_t)rand_r(&seed) % 16;
        if (open[i] && !kept[i].answers) http_call_cancel(kept[i].call);
        if (open[i]) assert_in_range(kept[i].answers, 0, 1);
        net.server.on_accept = rand_r(&seed) % 20 ? NET_READ : NET_CLOSE + (enum net_accept)(rand_r(&seed) % 3);
        struct http_call_options options = {.url = net_server_url(&net.server, paths[rand_r(&seed) % 16]),
                                            .post = rand_r(&seed) % 2,
                                            .body = "x",
                                            .body_size = 1,
                                            .once = rand_r(&seed) % 2,
                                            .timeout_ms = 1 + rand_r(&seed) % 60,
                                            .answer_max = 1 << 18};
        net_start(&net, options, &kept[i]);
        open[i] = true;
        turns(rand_r(&seed) % 8);
        if (rand_r(&seed) % 200 == 0) net_server_drop(&net.server);
    }
    for (size_t i = 0; i < 16; i++)
        if (open[i]) net_wait(&net, &kept[i]);
    net.server.on_accept = NET_READ;
    assert_int_equal(net_get(&net, "/ok").status, 200);
}

static int group_begin(void **state) {
    (void)state;
    sem_init(&resolver_entered, 0, 0);
    sem_init(&resolver_may_go, 0, 0);
    net_begin(&net); /* what the libraries open once and for all */
    assert_int_equal(net_get(&net, "/ok").status, 200);
    net_end(&net);
    descriptors = net_descriptors();
    return 0;
}

static int group_end(void **state) {
    (void)state;
    assert_int_equal(net_descriptors(), descriptors);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_stages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_close_stages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_callbacks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cancel_finished, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_inherited, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_random_faults, set_up, tear_down),
        cmocka_unit_test(test_close_none),
    };
    return cmocka_run_group_tests(tests, group_begin, group_end);
}
