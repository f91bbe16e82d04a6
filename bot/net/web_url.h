/*
 * web_url.h: what a request's line and headers mean: routes, queries, Host and Origin, cookies. Pure: bytes in, structs
 * out. Paths and query pieces come percent-decoded from libwebsockets.
 */
#ifndef TRAINBOT_WEB_URL_H
#define TRAINBOT_WEB_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum web_route {
    ROUTE_NONE, /* no such path */
    ROUTE_PAGE, /* a file of the page, by path */
    ROUTE_HEALTH,
    ROUTE_METRICS,
    ROUTE_SESSION,
    ROUTE_LOGOUT,
    ROUTE_RUNS,
    ROUTE_RUN,
    ROUTE_CSV,
    ROUTE_PLOT_PNG,
    ROUTE_PLOT_SVG,
    ROUTE_SERIES,
    ROUTE_IMAGE,
    ROUTE_COMMAND,
    ROUTE_HISTORY,
    ROUTE_CHANNELS,
    ROUTE_UNKNOWN_API, /* below /api/, but no such thing: told only to those who may */
    ROUTES
};
struct web_path {
    enum web_route route;
    int64_t id; /* the number in the path; 0 none */
};
struct web_path web_path_parse(const char *path);

#define WEB_METRICS_MAX 8
#define WEB_NAME_SIZE 72

/* Query parameters of all routes; those left out have their defaults. */
struct web_query {
    char metrics[WEB_METRICS_MAX][WEB_NAME_SIZE];
    size_t metrics_count;
    int width, height; /* 0: the plotter's own */
    bool dark;
    char lang[4]; /* "zh", "en", "" */
    int64_t points, after, before, limit;
};
void web_query_init(struct web_query *query);
/* One piece "name=value". false: `why` says what is wrong. Unknown names are ignored. */
bool web_query_take(struct web_query *query, const char *piece, char *why, size_t why_size);

/* "name:port", "1.2.3.4:80", "[::1]:80": the name without port and brackets, lower case. false: malformed. */
bool web_host_name(const char *host, char *name, size_t size);
/* Whether a Host header may be served on a connection that came in at local_ip: the address itself; names of this
 * machine's loopback when local_ip is one; the listed names (comma separated, may be NULL). Keeps foreign names that
 * were pointed at us (DNS rebinding) out. */
bool web_host_allowed(const char *host, const char *local_ip, const char *names);
/* Whether Origin ("https://host:port") is the site of the request's own Host. "null" is not. */
bool web_origin_matches(const char *origin, const char *host, bool tls);

/* The value of a cookie in a Cookie header. false: not there, or too long. */
bool web_cookie_value(const char *header, const char *name, char *value, size_t size);
/* The token of "Bearer TOKEN". NULL: another scheme. */
const char *web_bearer(const char *header);

/* "127.0.0.1:8080" → host and port. false: `why` names what would be right. */
bool web_listen_parse(const char *text, char *host, size_t host_size, int *ret_port, char *why, size_t why_size);

#endif
