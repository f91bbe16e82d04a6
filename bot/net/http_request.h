/*
 * http_request.h: one HTTP request on its way through the server, and the ways a handler answers it: at once, later
 * (http_wait), or piece by piece as fast as the client reads (http_stream). The server's own header: handlers in
 * api*.c.
 *
 * A request lives until its answer is written or its connection is gone; in the second case `cancel` tells the job,
 * which must forget the request. Every handler ends in exactly one of http_reply, http_error, http_wait, http_stream.
 */
#ifndef TRAINBOT_HTTP_REQUEST_H
#define TRAINBOT_HTTP_REQUEST_H

#include "http_server.h"
#include "json_out.h"
#include "web_auth.h"
#include "web_url.h"
#include <libwebsockets.h>

enum http_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };
enum http_access { ACCESS_NONE, ACCESS_COOKIE, ACCESS_BEARER };

#define HTTP_HEADERS_MAX 6

struct http_request {
    struct http_server *server;
    struct lws *wsi;
    enum http_method method;
    enum http_access access;
    struct web_path path;
    struct web_query query;
    char file[64]; /* ROUTE_PAGE: the path */
    char etag[48]; /* If-None-Match; "" none */
    char peer[48];
    bool tls;

    char *body;
    size_t body_size, body_max, body_expected;
    bool body_done;

    int status; /* 0: not answered yet */
    const char *type;
    struct {
        const char *name;
        char value[300];
    } headers[HTTP_HEADERS_MAX];
    size_t headers_count;
    char *out;             /* owned; what is to be written */
    const char *out_fixed; /* instead of out: static bytes */
    size_t out_size, out_sent;
    bool chunked, ended, head_sent;

    void (*more)(void *job); /* the client has taken what there was */
    void (*cancel)(void *job);
    void *job;
};

/* Takes bytes (malloc'ed). type: a Content-Type. */
void http_reply(struct http_request *request, int status, const char *type, char *bytes, size_t size);
void http_reply_fixed(struct http_request *request, int status, const char *type, const char *bytes, size_t size);
/* Takes what was written; 500 when it failed. */
void http_reply_json(struct http_request *request, int status, struct json_out *out);
void http_error(struct http_request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Before the reply; at most HTTP_HEADERS_MAX. name is static, value is copied. */
void http_header(struct http_request *request, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The answer comes later from `job`. */
void http_wait(struct http_request *request, void *job, void (*cancel)(void *job));
/* 200 with a body of unknown length: more(job) asks for the next piece, now and each time the client has taken the last
 * one; answer with http_stream_push, then http_stream_end after the last. */
void http_stream(struct http_request *request, const char *type, void *job, void (*more)(void *job),
                 void (*cancel)(void *job));
void http_stream_push(struct http_request *request, char *bytes, size_t size); /* takes bytes */
void http_stream_end(struct http_request *request);
/* The stream cannot go on: the connection breaks, so that the client knows that something is missing. */
void http_stream_break(struct http_request *request);

#endif
