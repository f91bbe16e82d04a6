/*
 * http_request.c: the ways to answer a request (see http_request.h). Nothing is written here: answers are noted and the
 * connection asks for its turn; http_conn.c writes them when the socket takes them.
 */
#include "http_internal.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON "application/json; charset=utf-8"

static void answer(struct http_request *request, int status, const char *type) {
    request->status = status;
    request->type = type;
    request->job = NULL;
    request->cancel = NULL;
    lws_callback_on_writable(request->wsi);
}

void http_reply(struct http_request *request, int status, const char *type, char *bytes, size_t size) {
    request->out = bytes;
    request->out_size = size;
    request->ended = true;
    answer(request, status, type);
}

void http_reply_fixed(struct http_request *request, int status, const char *type, const char *bytes, size_t size) {
    request->out_fixed = bytes;
    request->out_size = size;
    request->ended = true;
    answer(request, status, type);
}

void http_reply_json(struct http_request *request, int status, struct json_out *out) {
    size_t size = 0;
    char *bytes = json_out_take(out, &size);
    if (!bytes) {
        static const char memory[] = "{\"error\":\"out of memory\"}\n";
        http_reply_fixed(request, 500, TYPE_JSON, memory, sizeof(memory) - 1);
        return;
    }
    http_reply(request, status, TYPE_JSON, bytes, size);
}

void http_error(struct http_request *request, int status, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct json_out out = {0};
    json_open(&out, '{');
    json_key(&out, "error");
    json_string(&out, text);
    json_close(&out, '}');
    json_text(&out, "\n");
    http_reply_json(request, status, &out);
}

void http_header(struct http_request *request, const char *name, const char *format, ...) {
    if (request->headers_count == HTTP_HEADERS_MAX) return;
    va_list args;
    va_start(args, format);
    request->headers[request->headers_count].name = name;
    vsnprintf(request->headers[request->headers_count].value, sizeof(request->headers[0].value), format, args);
    va_end(args);
    request->headers_count++;
}

void http_wait(struct http_request *request, void *job, void (*cancel)(void *job)) {
    request->job = job;
    request->cancel = cancel;
}

void http_stream(struct http_request *request, const char *type, void *job, void (*more)(void *job),
                 void (*cancel)(void *job)) {
    request->status = 200;
    request->type = type;
    request->chunked = true;
    request->job = job;
    request->more = more;
    request->cancel = cancel;
    lws_callback_on_writable(request->wsi);
    more(job);
}

void http_stream_push(struct http_request *request, char *bytes, size_t size) {
    free(request->out);
    request->out = bytes;
    request->out_size = size;
    request->out_sent = 0;
    lws_callback_on_writable(request->wsi);
}

void http_stream_end(struct http_request *request) {
    request->ended = true;
    request->job = NULL;
    request->cancel = NULL;
    lws_callback_on_writable(request->wsi);
}

void http_stream_break(struct http_request *request) {
    request->job = NULL;
    request->cancel = NULL;
    lws_set_timeout(request->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}
