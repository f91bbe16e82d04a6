/*
 * api.c: which path answers to which methods, to whom, with what bound on the body: one row each. Everything below
 * /api/ but the swap of the token wants to know who asks before it says whether a thing exists.
 *
 * To add a path: a route in web_url.h, a row here, its handler.
 */
#include "http_internal.h"
#include "page.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void api_page(struct http_request *request) {
    const struct page_file *file = page_file(request->file);
    if (!file) {
        http_error(request, 404, "there is no such page");
        return;
    }
    http_header(request, "etag:", "\"%s\"", file->etag);
    http_header(request, "cache-control:", "no-cache");
    char quoted[48];
    snprintf(quoted, sizeof(quoted), "\"%s\"", file->etag);
    if (strcmp(request->etag, quoted) == 0)
        http_reply_fixed(request, 304, NULL, "", 0);
    else
        http_reply_fixed(request, 200, file->mime, (const char *)file->bytes, file->size);
}

static void api_health(struct http_request *request) {
    http_reply_fixed(request, 200, "text/plain; charset=utf-8", "ok\n", 3);
}

struct api_row {
    bool get, post, open;
    size_t body_max;
    void (*serve)(struct http_request *request);
};
static const struct api_row rows[ROUTES] = {
    [ROUTE_PAGE] = {true, false, true, 0, api_page},
    [ROUTE_HEALTH] = {true, false, true, 0, api_health},
    [ROUTE_METRICS] = {true, false, false, 0, api_metrics},
    [ROUTE_SESSION] = {false, true, true, HTTP_SESSION_BODY_MAX, api_session},
    [ROUTE_LOGOUT] = {false, true, false, HTTP_SESSION_BODY_MAX, api_logout},
    [ROUTE_RUNS] = {true, false, false, 0, api_runs},
    [ROUTE_RUN] = {true, false, false, 0, api_run},
    [ROUTE_CSV] = {true, false, false, 0, api_csv},
    [ROUTE_PLOT_PNG] = {true, false, false, 0, api_plot},
    [ROUTE_PLOT_SVG] = {true, false, false, 0, api_plot},
    [ROUTE_SERIES] = {true, false, false, 0, api_series},
    [ROUTE_IMAGE] = {true, false, false, 0, api_image},
    [ROUTE_COMMAND] = {false, true, false, HTTP_BODY_MAX, api_command},
    [ROUTE_HISTORY] = {true, false, false, 0, api_history},
    [ROUTE_CHANNELS] = {true, false, false, 0, api_channels},
};

static int refuse(struct http_request *request, int status, const char *why) {
    http_error(request, status, "%s", why);
    return status;
}

static int refuse_stranger(struct http_request *request) {
    struct http_server *server = request->server;
    server->counts.refused++;
    int wait_s = web_wrong_count(&server->wrong, request->peer, http_mono_ms(server));
    if (wait_s) {
        http_header(request, "retry-after:", "%d", wait_s);
        return refuse(request, 429, "too many wrong tokens, wait a minute");
    }
    http_header(request, "www-authenticate:", "Bearer");
    return refuse(request, 401, "not allowed");
}

int api_precheck(struct http_request *request) {
    const struct api_row *row = &rows[request->path.route];
    if (!row->open && request->path.route != ROUTE_NONE && request->access == ACCESS_NONE)
        return refuse_stranger(request);
    if (!row->serve) return refuse(request, 404, "there is no such path");
    bool get = request->method == METHOD_GET || request->method == METHOD_HEAD;
    if (!((get && row->get) || (request->method == METHOD_POST && row->post))) {
        http_header(request, "allow:", "%s", row->get ? "GET, HEAD" : "POST");
        return refuse(request, 405, "this path does not answer to this method");
    }
    request->body_max = row->body_max;
    if (request->body_expected > row->body_max) return refuse(request, 413, "the body is too large");
    return 0;
}

void api_serve(struct http_request *request) {
    rows[request->path.route].serve(request);
}
