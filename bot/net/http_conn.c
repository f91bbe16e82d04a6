/*
 * http_conn.c: connections as libwebsockets calls us about them: heads are checked, bodies gathered up to their bound,
 * answers written a piece each time the socket takes one, upgrades handed to the page's or the trainer's socket.
 *
 * HTTP/1.1 only, and one request a connection: libwebsockets 4.1 loses the body of a POST that arrives while it is
 * still putting the answer before it to rest (the client then waits for ever).
 */
#include "http_internal.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_READER_S 60

bool http_conn_header(struct lws *wsi, enum lws_token_indexes token, char *text, size_t size) {
    text[0] = 0;
    int length = lws_hdr_total_length(wsi, token);
    if (length <= 0) return true;
    return (size_t)length < size && lws_hdr_copy(wsi, text, (int)size, token) >= 0;
}

static void address_of(struct lws *wsi, bool local, char *text, size_t size) {
    struct sockaddr_storage storage = {0};
    socklen_t length = sizeof(storage);
    int fd = lws_get_socket_fd(wsi);
    text[0] = 0;
    int result = local ? getsockname(fd, (struct sockaddr *)&storage, &length)
                       : getpeername(fd, (struct sockaddr *)&storage, &length);
    if (result < 0) return;
    if (storage.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&storage)->sin6_addr, text, (socklen_t)size);
    else
        inet_ntop(AF_INET, &((struct sockaddr_in *)&storage)->sin_addr, text, (socklen_t)size);
}

/* ---- who may ---- */

static enum http_access access_of(struct http_server *server, struct lws *wsi) {
    char text[1024];
    if (http_conn_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text)) && text[0]) {
        const char *bearer = web_bearer(text);
        return bearer && web_token_matches(&server->token, bearer) ? ACCESS_BEARER : ACCESS_NONE;
    }
    char cookies[2048], value[WEB_SESSION_SIZE];
    if (http_conn_header(wsi, WSI_TOKEN_HTTP_COOKIE, cookies, sizeof(cookies)) &&
        web_cookie_value(cookies, server->cookie_name, value, sizeof(value)) &&
        web_session_valid(&server->token, http_generation(server), http_wall_ms(server) / 1000, value))
        return ACCESS_COOKIE;
    return ACCESS_NONE;
}

int http_conn_admit(struct http_server *server, struct lws *wsi, bool change, enum http_access *ret_access, char *why,
                    size_t why_size) {
    char host[300], origin[400], local[48];
    address_of(wsi, true, local, sizeof(local));
    if (!http_conn_header(wsi, WSI_TOKEN_HOST, host, sizeof(host)) || !host[0]) {
        snprintf(why, why_size, "a Host header is wanted");
        return 400;
    }
    if (!web_host_allowed(host, local, server->hosts)) {
        snprintf(why, why_size, "this host name is not served here");
        return 403;
    }
    bool fits = http_conn_header(wsi, WSI_TOKEN_ORIGIN, origin, sizeof(origin));
    if (!fits || (origin[0] && !web_origin_matches(origin, host, server->tls_cert != NULL))) {
        snprintf(why, why_size, "requests from other sites are refused");
        return 403;
    }
    *ret_access = access_of(server, wsi);
    if (*ret_access == ACCESS_COOKIE && change && !origin[0]) {
        snprintf(why, why_size, "an Origin header is wanted along with the cookie");
        return 403;
    }
    return 0;
}

/* ---- the head of a request ---- */

static void take_query(struct http_request *request, char *why, size_t why_size) {
    char piece[1024];
    web_query_init(&request->query);
    for (int i = 0; !why[0]; i++) {
        if (lws_hdr_fragment_length(request->wsi, WSI_TOKEN_HTTP_URI_ARGS, i) >= (int)sizeof(piece)) {
            snprintf(why, why_size, "the query is too long");
            return;
        }
        if (lws_hdr_copy_fragment(request->wsi, piece, sizeof(piece), WSI_TOKEN_HTTP_URI_ARGS, i) < 0) return;
        web_query_take(&request->query, piece, why, why_size);
    }
}

static enum http_method take_method(struct lws *wsi) {
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI)) return METHOD_GET;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI)) return METHOD_POST;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI)) return METHOD_HEAD;
    return METHOD_OTHER;
}

/* The announced body's size; -1: none announced, -2: malformed or chunked. */
static int64_t take_length(struct lws *wsi) {
    char text[32];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0 ||
        !http_conn_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof(text)))
        return -2;
    size_t digits = strspn(text, "0123456789");
    if (!text[0]) return lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 ? -2 : -1;
    return text[digits] || digits > 15 ? -2 : strtoll(text, NULL, 10);
}

/* Takes the head; answers at once what needs no body. */
static void request_begin_head(struct http_request *request, const char *path) {
    struct http_server *server = request->server;
    char why[200] = "";
    request->method = take_method(request->wsi);
    request->path = web_path_parse(path);
    snprintf(request->file, sizeof(request->file), "%s", path);
    address_of(request->wsi, false, request->peer, sizeof(request->peer));
    request->tls = server->tls_cert != NULL;
    if (!http_conn_header(request->wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, request->etag, sizeof(request->etag)))
        request->etag[0] = 0;
    server->counts.requests++;
    int64_t length = take_length(request->wsi);
    if (length == -2 || (length > 0 && request->method != METHOD_POST)) {
        http_error(request, 400, "a body belongs to POST and needs a Content-Length");
        return;
    }
    request->body_expected = length > 0 ? (size_t)length : 0;
    if (request->path.route != ROUTE_HEALTH) {
        int refused =
            http_conn_admit(server, request->wsi, request->method == METHOD_POST, &request->access, why, sizeof(why));
        if (refused) {
            server->counts.refused++;
            http_error(request, refused, "%s", why);
            return;
        }
    }
    if (api_precheck(request)) return;
    take_query(request, why, sizeof(why));
    if (why[0]) {
        http_error(request, 400, "%s", why);
        return;
    }
    if (request->method == METHOD_POST && length < 0) {
        http_error(request, 411, "a Content-Length is wanted");
        return;
    }
    if (!request->body_expected && request->method != METHOD_POST) api_serve(request);
}

static void request_free(struct http_conn *conn) {
    struct http_request *request = conn->request;
    if (!request) return;
    conn->request = NULL;
    if (request->cancel) request->cancel(request->job);
    free(request->body);
    free(request->out);
    free(request);
}

static int conn_http(struct http_server *server, struct lws *wsi, struct http_conn *conn, const char *path) {
    request_free(conn);
    struct http_request *request = calloc(1, sizeof(*request));
    if (!request) return -1;
    request->server = server;
    request->wsi = wsi;
    conn->request = request;
    request_begin_head(request, path);
    if (!request->status) /* answers have their own bounds (the command's 10 s); bodies are bounded by lws */
        lws_set_timeout(wsi, request->body_expected ? PENDING_TIMEOUT_HTTP_CONTENT : NO_PENDING_TIMEOUT, 20);
    return 0;
}

static int conn_body(struct http_conn *conn, const char *bytes, size_t size) {
    struct http_request *request = conn->request;
    if (!request || request->status || !size)
        return 0; /* answered already: what still comes is let fall, the connection closes after the answer */
    if (size > request->body_max - request->body_size) return -1;
    if (!request->body) {
        request->body = malloc(request->body_expected + 1);
        if (!request->body) return -1;
    }
    if (size > request->body_expected - request->body_size) return -1;
    memcpy(request->body + request->body_size, bytes, size);
    request->body_size += size;
    request->body[request->body_size] = 0;
    return 0;
}

static void conn_body_done(struct http_conn *conn) {
    struct http_request *request = conn->request;
    if (!request || request->status || request->body_done) return;
    request->body_done = true;
    api_serve(request);
}

/* ---- the answer ---- */

static const char *const always[][2] = {
    {"x-content-type-options:", "nosniff"},
    {"x-frame-options:", "DENY"},
    {"referrer-policy:", "no-referrer"},
    {"cross-origin-resource-policy:", "same-origin"},
    {"cross-origin-opener-policy:", "same-origin"},
};
#define PAGE_POLICY                                                                                                    \
    "default-src 'self'; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; "         \
    "form-action 'none'; frame-ancestors 'none'"
/* A picture that a trainer sent is data, even when it is SVG. */
#define DATA_POLICY "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"

static int add_header(struct lws *wsi, const char *name, const char *value, unsigned char **p, unsigned char *end) {
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name, (const unsigned char *)value,
                                       (int)strlen(value), p, end);
}

static int write_head(struct http_request *request) {
    struct lws *wsi = request->wsi;
    unsigned char *begin = request->server->piece + LWS_PRE, *p = begin, *end = begin + 4096;
    bool page = request->path.route == ROUTE_PAGE;
    int bad = lws_add_http_header_status(wsi, (unsigned)request->status, &p, end);
    if (request->type) bad |= add_header(wsi, "content-type:", request->type, &p, end);
    bad |= add_header(wsi, "content-security-policy:", page ? PAGE_POLICY : DATA_POLICY, &p, end);
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        bad |= add_header(wsi, always[i][0], always[i][1], &p, end);
    bool cached = false;
    for (size_t i = 0; i < request->headers_count; i++) {
        cached |= strcmp(request->headers[i].name, "cache-control:") == 0;
        bad |= add_header(wsi, request->headers[i].name, request->headers[i].value, &p, end);
    }
    if (!cached) bad |= add_header(wsi, "cache-control:", "no-store", &p, end);
    if (request->chunked)
        bad |= add_header(wsi, "transfer-encoding:", "chunked", &p, end);
    else if (request->status != 304)
        bad |= lws_add_http_header_content_length(wsi, request->out_size, &p, end);
    bad |= add_header(wsi, "connection:", "close", &p, end);
    bad |= lws_finalize_http_header(wsi, &p, end);
    if (bad) return -1;
    size_t size = (size_t)(p - begin);
    request->head_sent = true;
    return lws_write(wsi, begin, size, LWS_WRITE_HTTP_HEADERS) == (int)size ? 0 : -1;
}

/* One piece of the body, in a chunk's frame where the length was not known. */
static int write_piece(struct http_request *request) {
    unsigned char *begin = request->server->piece + LWS_PRE, *p = begin;
    size_t left = request->out_size - request->out_sent;
    size_t size = left < HTTP_PIECE_BYTES - 32 ? left : HTTP_PIECE_BYTES - 32;
    const char *from = request->out_fixed ? request->out_fixed : request->out;
    if (request->chunked) p += sprintf((char *)p, "%zx\r\n", size);
    memcpy(p, from + request->out_sent, size);
    p += size;
    if (request->chunked) {
        memcpy(p, "\r\n", 2);
        p += 2;
    }
    request->out_sent += size;
    size_t total = (size_t)(p - begin);
    return lws_write(request->wsi, begin, total, LWS_WRITE_HTTP) == (int)total ? 0 : -1;
}

static int write_last_chunk(struct http_request *request) {
    unsigned char *begin = request->server->piece + LWS_PRE;
    memcpy(begin, "0\r\n\r\n", 5);
    request->chunked = false;
    return lws_write(request->wsi, begin, 5, LWS_WRITE_HTTP) == 5 ? 0 : -1;
}

static int conn_finish(struct http_conn *conn) {
    struct http_request *request = conn->request;
    struct lws *wsi = request->wsi;
    if (lws_partial_buffered(wsi)) {
        lws_callback_on_writable(wsi);
        return 0;
    }
    request_free(conn);
    return -1;
}

static int conn_write(struct http_conn *conn) {
    struct http_request *request = conn->request;
    if (!request || !request->status) return 0;
    struct lws *wsi = request->wsi;
    lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, SLOW_READER_S);
    bool bodyless = request->method == METHOD_HEAD || request->status == 304;
    int result = 0;
    if (!request->head_sent)
        result = write_head(request);
    else if (!bodyless && request->out_sent < request->out_size)
        result = write_piece(request);
    else if (!request->ended) {
        free(request->out);
        request->out = NULL;
        request->out_size = request->out_sent = 0;
        request->more(request->job);
        return 0;
    } else if (request->chunked && !bodyless)
        result = write_last_chunk(request);
    else
        return conn_finish(conn);
    if (result < 0) return -1;
    lws_callback_on_writable(wsi);
    return 0;
}

/* ---- upgrades ---- */

/* Answers a refused upgrade; positive: libwebsockets ends the transaction. */
static int refuse_upgrade(struct http_server *server, struct lws *wsi, int status, const char *why) {
    unsigned char *begin = server->piece + LWS_PRE, *p = begin, *end = begin + 2048;
    char body[400];
    int size = snprintf(body, sizeof(body), "{\"error\":\"%s\"}\n", why);
    server->counts.refused++;
    if (lws_add_http_header_status(wsi, (unsigned)status, &p, end) ||
        add_header(wsi, "content-type:", "application/json; charset=utf-8", &p, end) ||
        add_header(wsi, "connection:", "close", &p, end) ||
        lws_add_http_header_content_length(wsi, (lws_filepos_t)size, &p, end) || lws_finalize_http_header(wsi, &p, end))
        return -1;
    memcpy(p, body, (size_t)size);
    p += size;
    if (lws_write(wsi, begin, (size_t)(p - begin), LWS_WRITE_HTTP_HEADERS) < 0) return -1;
    return 1;
}

static int refuse_wrong_token(struct http_server *server, struct lws *wsi) {
    char peer[48];
    address_of(wsi, false, peer, sizeof(peer));
    int wait_s = web_wrong_count(&server->wrong, peer, http_mono_ms(server));
    return refuse_upgrade(server, wsi, wait_s ? 429 : 401,
                          wait_s ? "too many wrong tokens, wait a minute" : "not allowed");
}

static int conn_upgrade(struct http_server *server, struct lws *wsi, const char *what) {
    char path[64], why[200], text[1024];
    enum http_access access = ACCESS_NONE;
    bool get = http_conn_header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path)) && path[0];
    bool page = get && strcmp(path, "/ws") == 0, trainer = get && strcmp(path, "/trainer") == 0;
    if (strcasecmp(what, "websocket") != 0 || (!page && !trainer) || (trainer && !server->remote_allowed))
        return refuse_upgrade(server, wsi, 404, "there is no socket here");
    int refused = http_conn_admit(server, wsi, page, &access, why, sizeof(why));
    if (refused) return refuse_upgrade(server, wsi, refused, why);
    if (page) return access == ACCESS_NONE ? refuse_wrong_token(server, wsi) : 0;
    const char *bearer =
        http_conn_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text, sizeof(text)) ? web_bearer(text) : NULL;
    return bearer && web_token_matches(&server->trainer_token, bearer) ? 0 : refuse_wrong_token(server, wsi);
}

/* The head is still there for the last time: note what the connection becomes. */
static int conn_filter(struct http_server *server, struct lws *wsi, struct http_conn *conn) {
    char path[64], why[200];
    if (!http_conn_header(wsi, WSI_TOKEN_GET_URI, path, sizeof(path))) return -1;
    conn->kind = strcmp(path, "/trainer") == 0 ? CONN_TRAINER : CONN_PAGE;
    return conn->kind == CONN_PAGE && http_conn_admit(server, wsi, true, &conn->access, why, sizeof(why)) ? -1 : 0;
}

static int socket_receive(struct http_conn *conn, struct lws *wsi, const char *bytes, size_t size) {
    bool first = lws_is_first_fragment(wsi);
    bool final = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    if (conn->page) return page_receive(conn->page, bytes, size, first, final);
    if (conn->remote) return remote_receive(conn->remote, bytes, size, first, final);
    return -1;
}

static int socket_event(struct http_server *server, struct lws *wsi, struct http_conn *conn,
                        enum lws_callback_reasons reason, const char *bytes, size_t size) {
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        if (conn->kind == CONN_TRAINER) return remote_open(server, wsi, &conn->remote);
        return page_open(server, wsi, conn->access == ACCESS_COOKIE, &conn->page);
    case LWS_CALLBACK_RECEIVE:
        return socket_receive(conn, wsi, bytes, size);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return conn->page ? page_writable(conn->page) : conn->remote ? remote_writable(conn->remote) : 0;
    default: /* LWS_CALLBACK_CLOSED */
        if (conn->page) page_closed(conn->page);
        if (conn->remote) remote_closed(conn->remote);
        conn->page = NULL;
        conn->remote = NULL;
        return 0;
    }
}

/* What may still come between the server's stop and its context's end. */
static bool begins_anew(enum lws_callback_reasons reason) {
    return reason == LWS_CALLBACK_HTTP || reason == LWS_CALLBACK_HTTP_BODY ||
           reason == LWS_CALLBACK_HTTP_BODY_COMPLETION || reason == LWS_CALLBACK_HTTP_CONFIRM_UPGRADE ||
           reason == LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION || reason == LWS_CALLBACK_RECEIVE;
}

int http_conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct http_conn *conn = user;
    struct http_server *server = lws_context_user(lws_get_context(wsi));
    if (server->stopping && begins_anew(reason)) return -1;
    switch (reason) {
    case LWS_CALLBACK_WSI_CREATE:
        server->connections++;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        server->connections--;
        return 0;
    case LWS_CALLBACK_HTTP:
        return conn_http(server, wsi, conn, in);
    case LWS_CALLBACK_HTTP_BODY:
        return conn_body(conn, in, size);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        conn_body_done(conn);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return conn_write(conn);
    case LWS_CALLBACK_CLOSED_HTTP:
    case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
        if (conn) request_free(conn);
        return 0;
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return conn_upgrade(server, wsi, in);
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return conn_filter(server, wsi, conn);
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
        return conn ? socket_event(server, wsi, conn, reason, in, size) : 0;
    case LWS_CALLBACK_RAW_ADOPT: /* CONNECT and what is not HTTP */
    case LWS_CALLBACK_RAW_RX:
        return -1;
    default:
        return 0;
    }
}
