/*
 * What is told of a call, for each way that it can go: did the request certainly not arrive, is it uncertain, or is
 * there a whole answer. A message is sent again, or not, by this word, so each case stands here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "net_calls.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct net_fixture net;

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

static const struct {
    const char *path;
    int64_t timeout_ms;
    enum http_reached reached;
    int status;
    const char *body, *why;
} cases[] = {
    {"/ok", 0, HTTP_ANSWERED, 200, "hello", ""},
    {"/204", 0, HTTP_ANSWERED, 204, "", ""},
    {"/chunked", 0, HTTP_ANSWERED, 200, "hello", ""},
    {"/continue", 0, HTTP_ANSWERED, 200, "hello", ""},
    {"/to-the-end", 0, HTTP_ANSWERED, 200, "hello", ""},
    {"/gzip", 0, HTTP_ANSWERED, 200, "\x1f\x8b\x08\x01", ""}, /* not asked for, not unpacked */
    {"/status/302", 0, HTTP_ANSWERED, 302, "<p>oops</p>", "HTTP 302"},
    {"/status/401", 0, HTTP_ANSWERED, 401, "<p>oops</p>", "HTTP 401"},
    {"/status/407", 0, HTTP_ANSWERED, 407, "<p>oops</p>", "HTTP 407"},
    {"/status/417", 0, HTTP_ANSWERED, 417, "<p>oops</p>", "HTTP 417"},
    {"/status/429", 0, HTTP_ANSWERED, 429, "<p>oops</p>", "HTTP 429"},
    {"/status/500", 0, HTTP_ANSWERED, 500, "<p>oops</p>", "HTTP 500"},
    {"/status/502", 0, HTTP_ANSWERED, 502, "<p>oops</p>", "HTTP 502"},
    {"/status/524", 0, HTTP_ANSWERED, 524, "<p>oops</p>", "HTTP 524"},
    {"/close", 0, HTTP_UNCERTAIN, 0, "", "the connection was closed without an answer"},
    {"/reset", 0, HTTP_UNCERTAIN, 0, "", "the connection broke"},
    {"/half", 0, HTTP_UNCERTAIN, 0, "", "the answer broke off"},
    {"/half-chunk", 0, HTTP_UNCERTAIN, 0, "", "the answer broke off"},
    {"/half-header", 0, HTTP_UNCERTAIN, 0, "", "the answer broke off"},
    {"/only-status", 0, HTTP_UNCERTAIN, 0, "", "the answer broke off"},
    {"/only-interim", 0, HTTP_UNCERTAIN, 0, "", NULL},
    {"/interim-hang", 150, HTTP_UNCERTAIN, 0, "", "no answer in time"},
    {"/switch", 300, HTTP_UNCERTAIN, 0, "", NULL},
    {"/bad-chunk", 0, HTTP_UNCERTAIN, 0, "", NULL},
    {"/garbage", 0, HTTP_UNCERTAIN, 0, "", "what came back is not HTTP"},
    {"/negative", 0, HTTP_UNCERTAIN, 0, "", NULL},
    {"/header-lines", 0, HTTP_UNCERTAIN, 0, "", "the answer's header is too long"},
    {"/header-line", 0, HTTP_UNCERTAIN, 0, "", "out of memory, or a header line of the answer without end"},
    {"/hang", 150, HTTP_UNCERTAIN, 0, "", "no answer in time"},
    {"/half-hang", 150, HTTP_UNCERTAIN, 0, "", "no answer in time"},
};

static void each_way(bool post, bool once) {
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_call_options options = {.url = net_server_url(&net.server, cases[i].path),
                                            .post = post,
                                            .body = "text",
                                            .body_size = 4,
                                            .timeout_ms = cases[i].timeout_ms,
                                            .once = once};
        net_server_drop(&net.server);
        struct net_kept kept = net_call(&net, options);
        if (kept.reached != cases[i].reached) print_error("%s: %d, %s\n", cases[i].path, kept.reached, kept.why);
        assert_int_equal(kept.reached, cases[i].reached);
        assert_int_equal(kept.status, cases[i].status);
        assert_string_equal(kept.body, cases[i].body);
        if (cases[i].why) assert_string_equal(kept.why, cases[i].why);
        assert_int_equal(kept.why[0] == 0, kept.status / 100 == 2);
        if (cases[i].why) assert_int_equal(kept.timed_out, cases[i].timeout_ms > 0);
        assert_false(kept.too_large);
    }
}

static void test_get(void **state) {
    (void)state;
    each_way(false, false);
}
static void test_post(void **state) {
    (void)state;
    each_way(true, false);
}
static void test_post_once(void **state) {
    (void)state;
    each_way(true, true);
    assert_int_equal(net.server.requests, sizeof cases / sizeof *cases); /* none arrived twice */
}

/* Taken, and closed before a byte was read: the request may have left all the same, so nobody knows. A reset before
 * libcurl has seen the connection is no connection. */
static void test_closed_before_reading(void **state) {
    (void)state;
    net.server.on_accept = NET_CLOSE;
    struct net_kept kept = net_get(&net, "/ok");
    assert_int_equal(kept.reached, HTTP_UNCERTAIN);
    assert_false(kept.timed_out);
    net.server.on_accept = NET_RESET;
    kept = net_get(&net, "/ok");
    assert_int_equal(kept.reached, HTTP_NOT_SENT);
    assert_false(kept.timed_out);
}

/* Sent, and not even read. */
static void test_not_read(void **state) {
    (void)state;
    net.server.on_accept = NET_SILENT;
    struct http_call_options options = {.url = net_server_url(&net.server, "/ok"), .timeout_ms = 100};
    struct net_kept kept = net_call(&net, options);
    assert_int_equal(kept.reached, HTTP_UNCERTAIN);
    assert_true(kept.timed_out);
    net_server_drop(&net.server);
    options.timeout_ms = 60000;
    net_start(&net, options, &kept);
    while (!net_server_unread(&net.server))
        uv_run(&net.loop, UV_RUN_NOWAIT);
    net_server_drop(&net.server); /* with bytes unread: the kernel sends a reset */
    net_wait(&net, &kept);
    assert_int_equal(kept.reached, HTTP_UNCERTAIN);
    assert_string_equal(kept.why, "the connection broke");
}

/* A whole answer, and a reset behind it because the body was not wanted. */
static void test_answer_before_reset(void **state) {
    (void)state;
    size_t size = 4 << 20;
    char *body = calloc(1, size);
    struct http_call_options options = {.url = net_server_url(&net.server, "/early"),
                                        .post = true,
                                        .body = body,
                                        .body_size = size};
    struct net_kept kept = net_call(&net, options);
    assert_int_equal(kept.reached, HTTP_ANSWERED);
    assert_int_equal(kept.status, 413);
    free(body);
}

static int bound_socket(struct sockaddr_in *address) {
    socklen_t size = sizeof *address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &size), 0);
    return fd;
}

static void test_refused(void **state) {
    (void)state;
    struct sockaddr_in address;
    int fd = bound_socket(&address); /* bound, so that nobody else gets it; not listening */
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    struct net_kept kept = net_call(&net, (struct http_call_options){.url = url});
    assert_int_equal(kept.reached, HTTP_NOT_SENT);
    assert_string_equal(kept.why, "connection refused");
    assert_false(kept.timed_out);
    close(fd);
}

/* A listener whose queue is full does not answer: a connection that is never made. */
static void test_connect_time(void **state) {
    (void)state;
    struct sockaddr_in address;
    int listener = bound_socket(&address), waiting[4];
    assert_int_equal(listen(listener, 0), 0);
    for (size_t i = 0; i < 4; i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int result = connect(waiting[i], (struct sockaddr *)&address, sizeof address);
        assert_true(result == 0 || errno == EINPROGRESS);
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    struct http_call_options by_connect = {.url = url, .connect_timeout_ms = 150},
                             by_call = {.url = url, .timeout_ms = 150};
    for (int i = 0; i < 2; i++) {
        struct net_kept kept = net_call(&net, i ? by_call : by_connect);
        assert_int_equal(kept.reached, HTTP_NOT_SENT);
        assert_true(kept.timed_out);
        assert_string_equal(kept.why, "no connection in time");
    }
    for (size_t i = 0; i < 4; i++)
        close(waiting[i]);
    close(listener);
}

/* Far more than the limit: its begin is dropped, and memory stays small. */
static void test_huge(void **state) {
    (void)state;
    static const char *paths[] = {"/huge", "/huge-chunked", "/huge-refused"};
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (size_t i = 0; i < 3; i++) {
        struct http_call_options options = {.url = net_server_url(&net.server, paths[i]), .answer_max = 1 << 20};
        struct net_kept kept = net_call(&net, options);
        assert_int_equal(kept.reached, HTTP_ANSWERED);
        assert_int_equal(kept.status, i == 2 ? 500 : 200);
        assert_true(kept.too_large);
        assert_false(kept.timed_out);
        assert_int_equal(kept.size, 0);
        assert_string_equal(kept.why, "the answer is too large");
    }
    getrusage(RUSAGE_SELF, &after);
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 24 << 10); /* KiB */
}

static void test_limit_exact(void **state) {
    (void)state;
    struct http_call_options options = {.url = net_server_url(&net.server, "/ok"), .answer_max = 5};
    struct net_kept kept = net_call(&net, options);
    assert_int_equal(kept.size, 5);
    options.url = net_server_url(&net.server, "/chunked");
    assert_int_equal(net_call(&net, options).size, 5);
    options.answer_max = 4;
    assert_true(net_call(&net, options).too_large);
    options.url = net_server_url(&net.server, "/ok");
    assert_true(net_call(&net, options).too_large);
    options.answer_max = SIZE_MAX;
    assert_int_equal(net_call(&net, options).size, 5);
}

/* Calls one after another share one connection; one that the server closed meanwhile is not used. */
static void test_kept_connection(void **state) {
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(net_get(&net, "/ok").status, 200);
    assert_int_equal(net.server.accepted, 1);
    net_server_drop(&net.server);
    while (net.server.open)
        uv_run(&net.loop, UV_RUN_ONCE);
    uv_run(&net.loop, UV_RUN_NOWAIT); /* the sockets really close */
    struct http_call_options options = {
        .url = net_server_url(&net.server, "/ok"), .post = true, .body = "x", .body_size = 1, .once = true};
    struct net_kept kept = net_call(&net, options);
    assert_int_equal(kept.reached, HTTP_ANSWERED);
    assert_int_equal(net.server.accepted, 2);
    assert_int_equal(net_get(&net, "/then-close").status, 200);
    assert_int_equal(net_get(&net, "/ok").status, 200);
}

/* The kept connection breaks when the second request is read: libcurl sends it again, unless `once`. */
static void test_once(void **state) {
    (void)state;
    static const char *paths[] = {"/second-breaks", "/second-resets"};
    for (size_t i = 0; i < 2; i++) {
        net_server_drop(&net.server);
        struct http_call_options options = {.url = net_server_url(&net.server, paths[i]),
                                            .post = true,
                                            .body = "x",
                                            .body_size = 1};
        size_t before = net.server.requests;
        assert_int_equal(net_call(&net, options).status, 200);
        struct net_kept kept = net_call(&net, options);
        assert_int_equal(kept.status, 200);                /* it worked, but … */
        assert_int_equal(net.server.requests, before + 3); /* … it arrived twice */
        options.once = true;
        size_t accepted = net.server.accepted;
        kept = net_call(&net, options);
        assert_int_equal(kept.reached, HTTP_UNCERTAIN);
        assert_string_equal(kept.why, "the connection broke before an answer came");
        assert_int_equal(net.server.requests, before + 4);
        assert_int_equal(net.server.accepted, accepted); /* and no connection was made in vain */
        assert_int_equal(net_call(&net, options).status, 200);
    }
}

/* The repetition may find another kept connection, and must not leave there either. */
static void test_once_other_connection(void **state) {
    (void)state;
    struct net_kept both[2];
    struct http_call_options options = {
        .url = net_server_url(&net.server, "/second-breaks"), .post = true, .body = "x", .body_size = 1, .once = true};
    net_start(&net, options, &both[0]);
    net_start(&net, options, &both[1]);
    net_wait(&net, &both[0]);
    net_wait(&net, &both[1]);
    assert_int_equal(net.server.accepted, 2);
    size_t before = net.server.requests;
    assert_int_equal(net_call(&net, options).reached, HTTP_UNCERTAIN);
    assert_int_equal(net.server.requests, before + 1);
}

static void test_headers(void **state) {
    (void)state;
    static const char *const headers[] = {"X-One: 1", "Authorization: Bearer abc", "expect: 100-continue", NULL};
    struct http_call_options options = {.url = net_server_url(&net.server, "/echo?a=b/../c"),
                                        .post = true,
                                        .headers = headers,
                                        .content_type = "application/json",
                                        .body = "{\"a\":\0 1}",
                                        .body_size = 9};
    options.url = net_server_url(&net.server, "/echo");
    struct net_kept kept = net_call(&net, options);
    assert_non_null(strstr(kept.body, "POST /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(kept.body, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(kept.body, "\r\nAuthorization: Bearer abc\r\n"));
    assert_non_null(strstr(kept.body, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(kept.body, "\r\nUser-Agent: trainbot/"));
    assert_non_null(strstr(kept.body, "\r\nContent-Length: 9\r\n"));
    assert_null(strcasestr(kept.body, "\r\nExpect"));
    assert_null(strcasestr(kept.body, "\r\nAccept-Encoding"));
    assert_null(strcasestr(kept.body, "\r\nUpgrade"));
    assert_null(strcasestr(kept.body, "\r\nCookie"));
    options.content_type = NULL;
    options.headers = NULL;
    kept = net_call(&net, options);
    assert_null(strcasestr(kept.body, "\r\nContent-Type"));
    options.body_size = 0;
    options.body = NULL;
    kept = net_call(&net, options);
    assert_non_null(strstr(kept.body, "\r\nContent-Length: 0\r\n"));
}

/* A large body has no round trip before it, and is copied before the start returns. */
static void test_large_body(void **state) {
    (void)state;
    size_t size = 500000;
    char *body = malloc(size);
    memset(body, 'q', size);
    struct http_call_options options = {.url = net_server_url(&net.server, "/ok"),
                                        .post = true,
                                        .body = body,
                                        .body_size = size};
    struct net_kept kept;
    net_start(&net, options, &kept);
    memset(body, 0, size);
    free(body);
    net_wait(&net, &kept);
    assert_int_equal(kept.status, 200);
    assert_non_null(strstr(net.server.last, "\r\n\r\nqqqq"));
    assert_null(strcasestr(net.server.last, "expect"));
}

static void test_answer_header(void **state) {
    (void)state;
    struct http_call_options options = {.url = net_server_url(&net.server, "/ok"), .header = "x-said"};
    struct net_kept kept = net_call(&net, options);
    assert_string_equal(kept.header, "twice");
    options.header = "X-Not";
    assert_false(net_call(&net, options).has_header);
    options.url = net_server_url(&net.server, "/continue"); /* only the interim answer has it */
    options.header = "X-Said";
    assert_false(net_call(&net, options).has_header);
    options.url = net_server_url(&net.server, "/status/302");
    options.header = "Location";
    assert_string_equal(net_call(&net, options).header, "/ok");
}

static void test_parts(void **state) {
    (void)state;
    char bytes[] = "\x89PNG";
    struct http_part parts[] = {
        {.name = "chat_id", .bytes = "42", .size = 2},
        {.name = "photo", .bytes = bytes, .size = 4, .filename = "a\"b.png", .content_type = "image/png"},
        {.name = "empty"}};
    struct http_call_options options = {.url = net_server_url(&net.server, "/echo"),
                                        .post = true,
                                        .parts = parts,
                                        .parts_count = 3};
    struct net_kept kept;
    net_start(&net, options, &kept);
    memset(bytes, 0, sizeof bytes);
    net_wait(&net, &kept);
    assert_int_equal(kept.status, 200);
    assert_non_null(strstr(kept.body, "Content-Type: multipart/form-data; boundary="));
    assert_non_null(strstr(kept.body, "name=\"chat_id\"\r\n\r\n42\r\n"));
    assert_non_null(
        strstr(kept.body, "name=\"photo\"; filename=\"a%22b.png\"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n"));
    assert_non_null(strstr(kept.body, "name=\"empty\"\r\n\r\n\r\n"));
    assert_null(strcasestr(kept.body, "expect"));
    parts[1].content_type = "image/png\r\nX: y";
    options.timeout_ms = 1000;
    assert_int_equal(http_call_start(net.client, &options, net_keep, NULL, NULL), TB_EINVAL);
}

static void test_bad_options(void **state) {
    (void)state;
    static const char *const urls[] = {"",
                                       "nothing",
                                       "ftp://127.0.0.1/",
                                       "file:///etc/passwd",
                                       "ws://127.0.0.1/",
                                       "http://a@127.0.0.1/",
                                       "http://127.0.0.1/a b",
                                       "http://127.0.0.1:0/",
                                       "http:///"};
    static const char *const bad_headers[] = {"X: a\r\nY: b", "X: a\nY: b", "no colon", ": empty", "X y: 1", "X;: 1"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct http_call_options options = {.url = urls[i], .timeout_ms = 1000};
        assert_int_equal(http_call_start(net.client, &options, net_keep, NULL, NULL), TB_EINVAL);
    }
    for (size_t i = 0; i < sizeof bad_headers / sizeof *bad_headers; i++) {
        const char *const headers[] = {bad_headers[i], NULL};
        struct http_call_options options = {.url = net_server_url(&net.server, "/ok"),
                                            .headers = headers,
                                            .timeout_ms = 1000};
        assert_int_equal(http_call_start(net.client, &options, net_keep, NULL, NULL), TB_EINVAL);
    }
    struct http_call_options type = {.url = net_server_url(&net.server, "/ok"), .timeout_ms = 1000, .post = true};
    type.content_type = "a\r\nX: y";
    assert_int_equal(http_call_start(net.client, &type, net_keep, NULL, NULL), TB_EINVAL);
    type = (struct http_call_options){.url = net_server_url(&net.server, "/ok")};
    assert_int_equal(http_call_start(net.client, &type, net_keep, NULL, NULL), TB_EINVAL);
    assert_int_equal(net.server.requests, 0);
}

/* Nothing of the environment counts, and this machine's addresses are never asked through a configured proxy. */
static void test_proxies(void **state) {
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    assert_int_equal(net_get(&net, "/ok").status, 200);
    setenv("no_proxy", "*", 1);
    net_close_client(&net);
    char proxy[64];
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", net.server.port);
    struct http_client_options options = {.loop = &net.loop, .proxy = proxy, .user_agent = "me/1"};
    assert_int_equal(http_client_create(&options, &net.client), TB_OK);
    assert_int_equal(net_get(&net, "/ok").status, 200);
    assert_non_null(strstr(net.server.last, "GET /ok HTTP/1.1"));
    assert_non_null(strstr(net.server.last, "User-Agent: me/1\r\n"));
    struct net_kept kept = net_call(&net, (struct http_call_options){.url = "http://service.invalid/ok"});
    assert_int_equal(kept.status, 200); /* asked the proxy, whatever no_proxy says */
    assert_non_null(strstr(net.server.last, "GET http://service.invalid/ok HTTP/1.1"));
    kept = net_call(&net, (struct http_call_options){.url = "https://service.invalid/status/407"});
    assert_int_equal(kept.reached, HTTP_NOT_SENT); /* no tunnel */
    assert_non_null(strstr(net.server.last, "CONNECT service.invalid:443"));
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("no_proxy");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_post, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_post_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_closed_before_reading, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answer_before_reset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_connect_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_huge, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_limit_exact, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_kept_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_once_other_connection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large_body, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answer_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_proxies, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
