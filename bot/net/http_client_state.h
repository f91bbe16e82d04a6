/* http_client_state.h: what the client's own files share: the call, its set-up, and how its end is told. */
#ifndef TRAINBOT_HTTP_CLIENT_STATE_H
#define TRAINBOT_HTTP_CLIENT_STATE_H

#include "http_client.h"
#include <curl/curl.h>

struct http_watch;

struct http_client {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    char *ca_file, *proxy, *user_agent;
    struct http_call *calls;    /* the open ones */
    struct http_watch *watches; /* sockets that libcurl wants to be told of */
    size_t handles;             /* libuv handles whose closing is to be waited for */
    bool is_closing;
    void (*closed)(void *user);
    void *closed_user;
};

struct http_call {
    struct http_client *client;
    struct http_call *previous, *next;
    CURL *easy;
    struct curl_slist *headers;
    curl_mime *mime;
    char *header; /* name of the answer header to hand out; NULL none */
    char *body;
    size_t size, room, answer_max;
    size_t header_bytes; /* of all answer headers so far */
    bool has_header;     /* the blank line behind the last answer's header came */
    int sends;           /* how often libcurl was about to write the request */
    bool once;
    bool is_broken; /* once: libcurl wanted to send it again */
    bool is_too_large, is_header_too_large, is_out_of_memory;
    bool is_done; /* its callback runs */
    http_done *done;
    void *user;
};

/* Sets call->easy up, headers and body included. TB_OK, TB_ENOMEM, TB_EINVAL. */
MUST_USE int http_call_prepare(struct http_call *call, const struct http_call_options *options);
/* How the transfer ended. `why` is the caller's room for a text that the answer points to. */
void http_call_conclude(struct http_call *call, CURLcode code, struct http_answer *ret_answer, char *why,
                        size_t why_size);

#endif
