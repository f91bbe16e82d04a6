/*
 * web_url.c: see web_url.h.
 */
#include "web_url.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool parse_id(const char *text, size_t size, int64_t *ret_id) {
    if (!size || size > 18 || text[0] == '0') return false;
    int64_t id = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        id = id * 10 + (text[i] - '0');
    }
    *ret_id = id;
    return true;
}

static struct web_path run_path(const char *rest) {
    static const struct {
        const char *name;
        enum web_route route;
    } parts[] = {
        {"", ROUTE_RUN},
        {"/metrics.csv", ROUTE_CSV},
        {"/plot.png", ROUTE_PLOT_PNG},
        {"/plot.svg", ROUTE_PLOT_SVG},
        {"/series.json", ROUTE_SERIES},
    };
    struct web_path path = {ROUTE_UNKNOWN_API, 0};
    size_t digits = strcspn(rest, "/");
    int64_t id;
    if (!parse_id(rest, digits, &id)) return path;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strcmp(rest + digits, parts[i].name) == 0) {
            path.route = parts[i].route;
            path.id = id;
        }
    }
    return path;
}

struct web_path web_path_parse(const char *path) {
    static const struct {
        const char *path;
        enum web_route route;
    } fixed[] = {
        {"/healthz", ROUTE_HEALTH},      {"/metrics", ROUTE_METRICS},     {"/api/session", ROUTE_SESSION},
        {"/api/logout", ROUTE_LOGOUT},   {"/api/runs", ROUTE_RUNS},       {"/api/channels", ROUTE_CHANNELS},
        {"/api/command", ROUTE_COMMAND}, {"/api/history", ROUTE_HISTORY},
    };
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (strcmp(path, fixed[i].path) == 0) return (struct web_path){fixed[i].route, 0};
    if (strncmp(path, "/api/runs/", 10) == 0) return run_path(path + 10);
    struct web_path image = {ROUTE_IMAGE, 0};
    if (strncmp(path, "/api/images/", 12) == 0 && parse_id(path + 12, strlen(path + 12), &image.id)) return image;
    if (strncmp(path, "/api/", 5) == 0 || strcmp(path, "/api") == 0) return (struct web_path){ROUTE_UNKNOWN_API, 0};
    return (struct web_path){path[0] == '/' ? ROUTE_PAGE : ROUTE_NONE, 0};
}

void web_query_init(struct web_query *query) {
    memset(query, 0, sizeof(*query));
    query->points = 400;
    query->limit = -1;
}

static bool take_metrics(struct web_query *query, const char *value, char *why, size_t why_size) {
    while (*value) {
        size_t size = strcspn(value, ",");
        if (size >= WEB_NAME_SIZE || (size && query->metrics_count == WEB_METRICS_MAX)) {
            snprintf(why, why_size, "metrics: at most %d names of at most %d bytes", WEB_METRICS_MAX,
                     WEB_NAME_SIZE - 1);
            return false;
        }
        if (size) {
            memcpy(query->metrics[query->metrics_count], value, size);
            query->metrics[query->metrics_count++][size] = 0;
        }
        value += size + (value[size] == ',');
    }
    return true;
}

static bool take_int(const char *name, const char *value, int64_t low, int64_t high, int64_t *ret_value, char *why,
                     size_t why_size) {
    char *end = NULL;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (errno == ERANGE || !*value || *end || isspace((unsigned char)*value) || number < low || number > high) {
        snprintf(why, why_size, "%s: a whole number from %lld to %lld", name, (long long)low, (long long)high);
        return false;
    }
    *ret_value = number;
    return true;
}

bool web_query_take(struct web_query *query, const char *piece, char *why, size_t why_size) {
    const char *equals = strchr(piece, '=');
    const char *value = equals ? equals + 1 : "";
    char name[16] = "";
    size_t size = equals ? (size_t)(equals - piece) : strlen(piece);
    if (size >= sizeof(name)) return true;
    memcpy(name, piece, size);
    int64_t number = 0;
    if (strcmp(name, "metrics") == 0 || strcmp(name, "metric") == 0) return take_metrics(query, value, why, why_size);
    if (strcmp(name, "width") == 0 || strcmp(name, "height") == 0) {
        if (!take_int(name, value, 100, 4000, &number, why, why_size)) return false;
        *(name[0] == 'w' ? &query->width : &query->height) = (int)number;
        return true;
    }
    if (strcmp(name, "points") == 0) return take_int(name, value, 1, 4000, &query->points, why, why_size);
    if (strcmp(name, "after") == 0) return take_int(name, value, 0, INT64_MAX, &query->after, why, why_size);
    if (strcmp(name, "before") == 0) return take_int(name, value, 0, INT64_MAX, &query->before, why, why_size);
    if (strcmp(name, "limit") == 0) return take_int(name, value, 1, 100000, &query->limit, why, why_size);
    if (strcmp(name, "dark") == 0) query->dark = *value && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
    if (strcmp(name, "lang") == 0 && (strcmp(value, "zh") == 0 || strcmp(value, "en") == 0))
        snprintf(query->lang, sizeof(query->lang), "%s", value);
    return true;
}

bool web_host_name(const char *host, char *name, size_t size) {
    const char *end, *rest;
    if (host[0] == '[') {
        host++;
        end = strchr(host, ']');
        if (!end) return false;
        rest = end + 1;
    } else {
        end = host + strcspn(host, ":");
        rest = end;
    }
    size_t length = (size_t)(end - host);
    if (!length || length >= size) return false;
    if (*rest == ':')
        for (rest++; isdigit((unsigned char)*rest); rest++)
            ;
    if (*rest) return false;
    for (size_t i = 0; i < length; i++) {
        if (!isgraph((unsigned char)host[i]) || strchr("/@?#,\\", host[i])) return false;
        name[i] = (char)tolower((unsigned char)host[i]);
    }
    name[length] = 0;
    return true;
}

/* Of an address in numbers only: "127.0.0.1.example" is a name. */
static bool is_loopback(const char *ip) {
    struct in_addr address;
    return strcmp(ip, "::1") == 0 || (inet_pton(AF_INET, ip, &address) == 1 && strncmp(ip, "127.", 4) == 0);
}

bool web_host_allowed(const char *host, const char *local_ip, const char *names) {
    char name[256];
    if (!web_host_name(host, name, sizeof(name))) return false;
    if (strncmp(local_ip, "::ffff:", 7) == 0 && strchr(local_ip, '.')) local_ip += 7;
    if (strcmp(name, local_ip) == 0) return true;
    if (is_loopback(local_ip) && (strcmp(name, "localhost") == 0 || is_loopback(name))) return true;
    while (names && *names) {
        names += strspn(names, ", ");
        size_t size = strcspn(names, ", ");
        if (size && strlen(name) == size && strncasecmp(name, names, size) == 0) return true;
        names += size;
    }
    return false;
}

bool web_origin_matches(const char *origin, const char *host, bool tls) {
    const char *scheme = tls ? "https://" : "http://";
    return strncasecmp(origin, scheme, strlen(scheme)) == 0 && strcasecmp(origin + strlen(scheme), host) == 0;
}

bool web_cookie_value(const char *header, const char *name, char *value, size_t size) {
    size_t name_size = strlen(name);
    while (*header) {
        header += strspn(header, "; ");
        size_t length = strcspn(header, ";");
        if (length > name_size && strncmp(header, name, name_size) == 0 && header[name_size] == '=') {
            length -= name_size + 1;
            if (length >= size) return false;
            memcpy(value, header + name_size + 1, length);
            value[length] = 0;
            return true;
        }
        header += length;
    }
    return false;
}

const char *web_bearer(const char *header) {
    if (strncasecmp(header, "Bearer ", 7) != 0) return NULL;
    return header + 7 + strspn(header + 7, " ");
}

bool web_listen_parse(const char *text, char *host, size_t host_size, int *ret_port, char *why, size_t why_size) {
    const char *colon = strrchr(text, ':');
    const char *begin = text, *end = colon;
    if (colon && text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
        begin++;
        end--;
    }
    char *rest = NULL;
    long port = colon ? strtol(colon + 1, &rest, 10) : -1;
    bool number = colon && isdigit((unsigned char)colon[1]) && !*rest && port <= 65535;
    size_t size = colon && end > begin ? (size_t)(end - begin) : 0;
    if (!number || !size || size >= host_size || (begin == text && memchr(text, ':', size))) {
        snprintf(why, why_size, "listen=%.80s: an address and a port from 0 to 65535 is wanted, like 127.0.0.1:8080",
                 text);
        return false;
    }
    memcpy(host, begin, size);
    host[size] = 0;
    *ret_port = (int)port;
    return true;
}
