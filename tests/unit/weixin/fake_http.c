#include "fake_http.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

uv_loop_t fake_loop;
size_t fake_started;
static struct http_call *calls;

struct http_client {
    uv_timer_t timer; /* only to be closed */
    void (*closed)(void *user);
    void *user;
};

int http_client_create(const struct http_client_options *options, struct http_client **ret_client) {
    struct http_client *client = calloc(1, sizeof *client);
    if (!client) return TB_ENOMEM;
    uv_timer_init(options->loop, &client->timer);
    client->timer.data = client;
    *ret_client = client;
    return TB_OK;
}

static void call_free(struct http_call *call) {
    for (struct http_call **at = &calls; *at; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            break;
        }
    free(call->url);
    free(call->body);
    free(call->headers);
    free(call);
}

static void client_closed(uv_handle_t *handle) {
    struct http_client *client = handle->data;
    client->closed(client->user);
    free(client);
}

void http_client_close(struct http_client *client, void (*closed)(void *user), void *user) {
    if (!client) {
        closed(user);
        return;
    }
    for (struct http_call *call = calls, *next; call; call = next) {
        next = call->next;
        if (call->client == client) call_free(call);
    }
    client->closed = closed;
    client->user = user;
    uv_close((uv_handle_t *)&client->timer, client_closed);
}

int http_call_start(struct http_client *client, const struct http_call_options *options, http_done *done, void *user,
                    struct http_call **ret_call) {
    struct http_call *call = calloc(1, sizeof *call), **at = &calls;
    char headers[4096] = "";
    for (size_t i = 0; options->headers && options->headers[i]; i++) {
        size_t n = strlen(headers);
        snprintf(headers + n, sizeof headers - n, "%s\n", options->headers[i]);
    }
    if (options->content_type) {
        size_t n = strlen(headers);
        snprintf(headers + n, sizeof headers - n, "Content-Type: %s\n", options->content_type);
    }
    *call = (struct http_call){.client = client,
                               .url = strdup(options->url),
                               .body = malloc(options->body_size + 1),
                               .headers = strdup(headers),
                               .body_size = options->body_size,
                               .post = options->post,
                               .once = options->once,
                               .timeout_ms = options->timeout_ms,
                               .done = done,
                               .user = user};
    if (options->body_size) memcpy(call->body, options->body, options->body_size);
    call->body[options->body_size] = 0;
    while (*at)
        at = &(*at)->next;
    *at = call;
    fake_started++;
    if (ret_call) *ret_call = call;
    return TB_OK;
}

void http_call_cancel(struct http_call *call) {
    if (call) call_free(call);
}

struct http_call *fake_open(const char *part) {
    for (struct http_call *call = calls; call; call = call->next)
        if (strstr(call->url, part)) return call;
    return NULL;
}

size_t fake_open_count(void) {
    size_t count = 0;
    for (struct http_call *call = calls; call; call = call->next)
        count++;
    return count;
}

static const char *waited_for;

static void on_tick(uv_timer_t *timer) {
    if (uv_now(&fake_loop) > *(const uint64_t *)timer->data) fail_msg("waited 10 s for %s", waited_for);
}

/* Runs the loop until it is there. The tick keeps one round from waiting beyond that for a timer that is not meant. */
static void run_until(bool (*there)(const void *what), const void *what, const char *name) {
    uv_timer_t tick;
    uint64_t until_ms = (uv_update_time(&fake_loop), uv_now(&fake_loop)) + 10000;
    waited_for = name;
    uv_timer_init(&fake_loop, &tick);
    tick.data = &until_ms;
    uv_timer_start(&tick, on_tick, 1, 1);
    while (!there(what))
        uv_run(&fake_loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&fake_loop, UV_RUN_NOWAIT);
}

static bool is_open(const void *part) {
    return fake_open(part) != NULL;
}
static bool is_set(const void *flag) {
    return *(const bool *)flag;
}

struct http_call *fake_wait(const char *part) {
    run_until(is_open, part, part);
    return fake_open(part);
}
void fake_until(const bool *flag, const char *what) {
    run_until(is_set, flag, what);
}
void fake_turn(void) {
    uv_run(&fake_loop, UV_RUN_NOWAIT);
}

static void end(struct http_call *call, const struct http_answer *answer) {
    http_done *done = call->done;
    void *user = call->user;
    call_free(call); /* as the real one: it is gone when its callback runs */
    done(user, answer);
}

void fake_answer_header(struct http_call *call, int status, const char *body, const char *header) {
    char why[32] = "";
    if (status < 200 || status > 299) snprintf(why, sizeof why, "HTTP %d", status);
    struct http_answer answer = {
        .reached = HTTP_ANSWERED, .status = status, .body = body, .size = strlen(body), .header = header, .why = why};
    end(call, &answer);
}

void fake_answer(struct http_call *call, int status, const char *body) {
    fake_answer_header(call, status, body, NULL);
}

void fake_fail(struct http_call *call, enum http_reached reached, bool timed_out, const char *why) {
    struct http_answer answer = {.reached = reached, .body = "", .timed_out = timed_out, .why = why};
    end(call, &answer);
}
