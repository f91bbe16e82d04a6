/* See net_calls.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "net_calls.h"
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void on_closed(void *user) {
    struct net_fixture *net = user;
    net->closed++;
    uv_stop(&net->loop);
}

void net_begin(struct net_fixture *net) {
    memset(net, 0, sizeof *net);
    signal(SIGPIPE, SIG_IGN); /* for the server, which libuv writes for */
    assert_int_equal(uv_loop_init(&net->loop), 0);
    net_server_start(&net->server, &net->loop);
    struct http_client_options options = {.loop = &net->loop};
    assert_int_equal(http_client_create(&options, &net->client), TB_OK);
}

void net_close_client(struct net_fixture *net) {
    size_t before = net->closed;
    http_client_close(net->client, on_closed, net);
    net->client = NULL;
    assert_int_equal(net->closed, before); /* from the loop, never at once */
    while (net->closed == before)
        uv_run(&net->loop, UV_RUN_ONCE);
}

void net_end(struct net_fixture *net) {
    if (net->client) net_close_client(net);
    net_server_stop(&net->server);
    uv_run(&net->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&net->loop), 0);
}

void net_keep(void *user, const struct http_answer *answer) {
    struct net_kept *kept = user;
    kept->answers++;
    uv_stop(kept->loop);
    kept->reached = answer->reached;
    kept->status = answer->status;
    kept->size = answer->size;
    kept->timed_out = answer->timed_out;
    kept->too_large = answer->too_large;
    kept->has_header = answer->header != NULL;
    assert_int_equal(answer->body[answer->size], 0);
    snprintf(kept->body, sizeof kept->body, "%s", answer->body);
    snprintf(kept->header, sizeof kept->header, "%s", answer->header ? answer->header : "");
    snprintf(kept->why, sizeof kept->why, "%s", answer->why);
    assert_null(strchr(kept->why, '/')); /* no address, no path */
    assert_null(strstr(kept->why, "127.0"));
    assert_int_equal(answer->status != 0, answer->reached == HTTP_ANSWERED);
}

void net_start(struct net_fixture *net, struct http_call_options options, struct net_kept *kept) {
    memset(kept, 0, sizeof *kept);
    kept->loop = &net->loop;
    if (!options.timeout_ms) options.timeout_ms = 60000;
    assert_int_equal(http_call_start(net->client, &options, net_keep, kept, &kept->call), TB_OK);
    assert_int_equal(kept->answers, 0);
}

void net_wait(struct net_fixture *net, const struct net_kept *kept) {
    while (!kept->answers)
        uv_run(&net->loop, UV_RUN_ONCE);
    assert_int_equal(kept->answers, 1);
}

struct net_kept net_call(struct net_fixture *net, struct http_call_options options) {
    struct net_kept kept;
    net_start(net, options, &kept);
    net_wait(net, &kept);
    return kept;
}

struct net_kept net_get(struct net_fixture *net, const char *path) {
    return net_call(net, (struct http_call_options){.url = net_server_url(&net->server, path)});
}

size_t net_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}
