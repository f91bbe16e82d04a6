/*
 * The client's life: libcurl's sockets and its one timer on libuv, calls begun, ended and cancelled. libcurl is entered
 * only from the loop's callbacks, and people are called only when it has been left again, so that they may begin and
 * cancel calls or close the client as they like. See http_client.h.
 */
#include "http_client_state.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS_KEPT                                                                                               \
    4L /* idle ones a client; a channel needs one to poll with, one to send, one or two to upload */

struct http_watch {
    uv_poll_t poll;
    struct http_client *client;
    struct http_watch *previous, *next;
    curl_socket_t socket;
    int events; /* UV_READABLE, UV_WRITABLE */
};

static void client_free(struct http_client *client) {
    free(client->ca_file);
    free(client->proxy);
    free(client->user_agent);
    free(client);
    curl_global_cleanup();
}

static void handle_gone(struct http_client *client) {
    if (--client->handles > 0 || !client->is_closing) return;
    void (*closed)(void *user) = client->closed;
    void *user = client->closed_user;
    client_free(client);
    if (closed) closed(user);
}

static void call_free(struct http_call *call) {
    if (call->easy) curl_easy_cleanup(call->easy);
    curl_mime_free(call->mime);
    curl_slist_free_all(call->headers);
    free(call->header);
    free(call->body);
    free(call);
}

/* Out of the client's list and out of libcurl's hands. */
static void call_detach(struct http_call *call) {
    if (call->previous)
        call->previous->next = call->next;
    else
        call->client->calls = call->next;
    if (call->next) call->next->previous = call->previous;
    curl_multi_remove_handle(call->client->multi, call->easy);
}

static void call_finish(struct http_call *call, CURLcode code) {
    char why[64];
    struct http_answer answer;
    call->is_done = true;
    call_detach(call);
    http_call_conclude(call, code, &answer, why, sizeof why);
    if (call->done) call->done(call->user, &answer);
    call_free(call);
}

/* Tells the calls that ended. Any of them may close the client, whose memory lasts until the loop's next turn. */
static void finish_calls(struct http_client *client) {
    while (!client->is_closing) {
        int left;
        CURLMsg *message = curl_multi_info_read(client->multi, &left);
        if (!message) break;
        if (message->msg != CURLMSG_DONE) continue;
        char *private = NULL;
        CURLcode code = message->data.result; /* the message dies with the handle's removal */
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        call_finish((struct http_call *)(void *)private, code);
    }
}

static void drive(struct http_client *client, curl_socket_t socket, int what) {
    int running;
    curl_multi_socket_action(client->multi, socket, what, &running);
    finish_calls(client);
}

static void on_timer(uv_timer_t *timer) {
    drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl's timer. Never answered with libcurl at once: 0 ms is the loop's next turn. */
static int set_timer(CURLM *multi, long timeout_ms, void *user) {
    struct http_client *client = user;
    (void)multi;
    if (client->is_closing) return 0;
    if (timeout_ms < 0) {
        uv_timer_stop(&client->timer);
    } else {
        uv_update_time(client->loop); /* counted from now, not from the turn's begin */
        uv_timer_start(&client->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

static void on_socket(uv_poll_t *poll, int status, int events) {
    struct http_watch *watch = poll->data;
    struct http_client *client = watch->client;
    /* After an error libcurl is to read on: what came before a reset may be a whole answer. */
    if (status < 0) events = watch->events;
    int what = (status < 0 ? CURL_CSELECT_ERR : 0) | (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    drive(client, watch->socket, what);
    /* libuv stops a watch that failed. Where libcurl still wants it, it goes on; its memory lasts at least this turn.
     */
    if (status < 0 && !uv_is_closing((uv_handle_t *)poll)) uv_poll_start(poll, watch->events, on_socket);
}

static void watch_closed(uv_handle_t *handle) {
    struct http_watch *watch = handle->data;
    struct http_client *client = watch->client;
    free(watch);
    handle_gone(client);
}

static void watch_end(struct http_watch *watch) {
    if (watch->previous)
        watch->previous->next = watch->next;
    else
        watch->client->watches = watch->next;
    if (watch->next) watch->next->previous = watch->previous;
    uv_close((uv_handle_t *)&watch->poll, watch_closed);
}

static struct http_watch *watch_begin(struct http_client *client, curl_socket_t socket) {
    struct http_watch *watch = calloc(1, sizeof *watch);
    if (!watch) return NULL;
    if (uv_poll_init_socket(client->loop, &watch->poll, socket) < 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->client = client;
    watch->socket = socket;
    watch->next = client->watches;
    if (watch->next) watch->next->previous = watch;
    client->watches = watch;
    client->handles++;
    return watch;
}

static int set_watch(CURL *easy, curl_socket_t socket, int what, void *user, void *socket_user) {
    struct http_client *client = user;
    struct http_watch *watch = socket_user;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (watch) {
            curl_multi_assign(client->multi, socket, NULL);
            watch_end(watch);
        }
        return 0;
    }
    if (!watch) {
        watch = watch_begin(client, socket);
        if (!watch) return -1;
        curl_multi_assign(client->multi, socket, watch);
    }
    watch->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&watch->poll, watch->events, on_socket) < 0 ? -1 : 0;
}

static int copy(const char *text, const char *otherwise, char **ret_copy) {
    if (!text || !*text) text = otherwise;
    if (!text) return TB_OK;
    *ret_copy = strdup(text);
    return *ret_copy ? TB_OK : TB_ENOMEM;
}

/*
 * One connection for each call at a time, nothing multiplexed: where several calls share one (HTTP/2), a long poll's
 * stall or a lost packet holds a message back, and one break leaves all of them uncertain at once.
 */
static bool set_up_multi(struct http_client *client) {
    CURLM *multi = client->multi;
    return curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, set_watch) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT) == CURLM_OK;
}

int http_client_create(const struct http_client_options *options, struct http_client **ret_client) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return TB_ENOMEM;
    struct http_client *client = calloc(1, sizeof *client);
    if (!client) {
        curl_global_cleanup();
        return TB_ENOMEM;
    }
    client->loop = options->loop;
    client->multi = curl_multi_init();
    if (copy(options->ca_file, NULL, &client->ca_file) < 0 || copy(options->proxy, NULL, &client->proxy) < 0 ||
        copy(options->user_agent, "trainbot/" TRAINBOT_VERSION, &client->user_agent) < 0 || !client->multi ||
        !set_up_multi(client) || uv_timer_init(client->loop, &client->timer) < 0) {
        if (client->multi) curl_multi_cleanup(client->multi);
        client_free(client);
        return TB_ENOMEM;
    }
    client->timer.data = client;
    client->handles = 1;
    *ret_client = client;
    return TB_OK;
}

static void timer_closed(uv_handle_t *handle) {
    handle_gone(handle->data);
}

void http_client_close(struct http_client *client, void (*closed)(void *user), void *user) {
    if (!client) {
        if (closed) closed(user);
        return;
    }
    client->is_closing = true;
    client->closed = closed;
    client->closed_user = user;
    while (client->calls) {
        struct http_call *call = client->calls;
        call_detach(call);
        call_free(call);
    }
    curl_multi_cleanup(client->multi);
    while (client->watches)
        watch_end(client->watches);
    uv_close((uv_handle_t *)&client->timer, timer_closed);
}

int http_call_start(struct http_client *client, const struct http_call_options *options, http_done *done, void *user,
                    struct http_call **ret_call) {
    struct http_call *call = calloc(1, sizeof *call);
    if (!call) return TB_ENOMEM;
    call->client = client;
    call->done = done;
    call->user = user;
    int result = http_call_prepare(call, options);
    if (result == TB_OK && curl_multi_add_handle(client->multi, call->easy) != CURLM_OK) result = TB_ENOMEM;
    if (result < 0) {
        call_free(call);
        return result;
    }
    call->next = client->calls;
    if (call->next) call->next->previous = call;
    client->calls = call;
    if (ret_call) *ret_call = call;
    return TB_OK;
}

void http_call_cancel(struct http_call *call) {
    if (!call || call->is_done) return; /* done: from inside its own callback */
    call_detach(call);
    call_free(call);
}
