/*
 * http_client.h: HTTP requests to chat services, on the loop: libcurl's multi interface driven by libuv, connections
 * kept and used again, every answer with a size limit and every call with a time limit. TLS 1.2 and newer, peer and
 * host verified; redirects are not followed; no request is ever logged. Loop thread only; nothing blocks (the first TLS
 * connection of a client reads the CA bundle, some 50 ms, so connect after "ready").
 *
 * Source: libcurl's multi_socket interface, curl.se/libcurl/c/libcurl-multi.html.
 */
#ifndef TRAINBOT_HTTP_CLIENT_H
#define TRAINBOT_HTTP_CLIENT_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct http_client;
struct http_call;

struct http_client_options {
    uv_loop_t *loop;
    const char *ca_file;    /* PEM instead of the system's; NULL or "": the system's */
    const char *proxy;      /* as curl takes it ("http://host:port", "socks5h://…"); NULL or "": none, whatever the
                               environment says; loopback addresses are never asked through it */
    const char *user_agent; /* NULL: "trainbot/VERSION" */
};
/* Strings are copied. TB_OK, TB_ENOMEM. */
MUST_USE int http_client_create(const struct http_client_options *options, struct http_client **ret_client);
/* Open calls end without their callback; closed() follows from the loop (also when there was nothing to close), and the
 * client is freed by then. NULL client: closed() is called at once. */
void http_client_close(struct http_client *client, void (*closed)(void *user), void *user);

struct http_part { /* of a multipart/form-data body */
    const char *name;
    const void *bytes;
    size_t size;
    const char *filename, *content_type; /* NULL: a plain field */
};

struct http_call_options {
    const char *url;            /* http or https */
    bool post;                  /* else GET */
    const char *const *headers; /* "Name: value", NULL-terminated; NULL none. "Expect:" is left out always */
    const char *content_type;   /* of body; NULL: none is sent */
    const void *body;
    size_t body_size;
    const struct http_part *parts; /* instead of body */
    size_t parts_count;
    int64_t timeout_ms;         /* of the whole call; > 0 */
    int64_t connect_timeout_ms; /* 0: 10,000 */
    size_t answer_max;  /* bytes, at most 1 GiB; 0: 4 MiB. More: the call ends ANSWERED with the status, `too_large`,
                                   no body. Headers of more than 128 KiB: UNCERTAIN */
    const char *header; /* name of one answer header to hand out; NULL none */
    bool once;          /* a message: the request must not reach the service twice. Where libcurl would send it
                           again by itself (a kept connection that broke), the call ends UNCERTAIN instead */
};

enum http_reached {
    HTTP_NOT_SENT,  /* the request certainly did not arrive: no address, no connection, no TLS */
    HTTP_UNCERTAIN, /* some of it was sent, and no whole answer came */
    HTTP_ANSWERED   /* a whole answer: see status */
};

struct http_answer {
    enum http_reached reached;
    int status;       /* 0 where nothing was answered */
    const char *body; /* zero-terminated, any bytes; "" where empty. Borrowed until the callback returns */
    size_t size;
    const char *header; /* value of options.header; NULL: not there */
    bool timed_out, too_large;
    const char *why; /* one line in plain words, no URL, no secret: "connection refused", "HTTP 502" …; "" for 2xx */
};
typedef void http_done(void *user, const struct http_answer *answer);

/* Begins a call; everything in options is copied or consumed before it returns. done is called exactly once from the
 * loop, never from inside http_call_start, unless the call is cancelled or the client closed. TB_OK, TB_ENOMEM,
 * TB_EINVAL (a URL that is none, a header with a line break). ret_call (may be NULL) is valid until done. */
MUST_USE int http_call_start(struct http_client *client, const struct http_call_options *options, http_done *done,
                             void *user, struct http_call **ret_call);
/* Ends it without its callback; the connection is dropped. NULL is fine. */
void http_call_cancel(struct http_call *call);

#endif
