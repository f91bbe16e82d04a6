/*
 * The addresses of chat services. The parser takes one plain way to write a URL and refuses every other, so that no
 * second parser (curl's, libwebsockets') can read another host out of the same text. See service_url.h.
 */
#include "service_url.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_MAX 4096 /* bytes */
#define DIGITS "0123456789"
#define HOST_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-_."
#define UNRESERVED "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" DIGITS "-._~"

static const struct scheme {
    const char *name;
    int port;
    bool secure;
} schemes[] = {{"http", 80, false}, {"https", 443, true}, {"ws", 80, false}, {"wss", 443, true}};

/* Printable ASCII without what other parsers read in ways of their own: a backslash (browsers take it for "/"), "#". */
static bool is_plain(const char *text) {
    size_t size = strnlen(text, URL_MAX + 1);
    if (!size || size > URL_MAX) return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~' || text[i] == '\\' || text[i] == '#') return false;
    return true;
}

static const char *parse_scheme(const char *text, struct service_url *url) {
    size_t size = strcspn(text, ":");
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (strlen(schemes[i].name) != size || strncasecmp(text, schemes[i].name, size) != 0) continue;
        if (strncmp(text + size, "://", 3) != 0) return NULL;
        memcpy(url->scheme, schemes[i].name, size + 1);
        url->port = schemes[i].port;
        url->secure = schemes[i].secure;
        return text + size + 3;
    }
    return NULL;
}

static bool parse_ipv6(const char *text, size_t size, struct service_url *url) {
    char copy[INET6_ADDRSTRLEN] = "";
    struct in6_addr address;
    if (size >= sizeof copy) return false;
    memcpy(copy, text, size);
    if (inet_pton(AF_INET6, copy, &address) != 1) return false; /* zones ("%25eth0") fall here */
    if (!inet_ntop(AF_INET6, &address, url->host, sizeof url->host)) return false;
    url->loopback = IN6_IS_ADDR_LOOPBACK(&address);
    return true;
}

/* Whether some resolver would read this label as a number: 1, 0x7f. */
static bool is_numeric(const char *label) {
    if (strspn(label, DIGITS) == strlen(label)) return true;
    return label[0] == '0' && label[1] == 'x' && strspn(label + 2, DIGITS "abcdef") == strlen(label + 2);
}

static bool parse_name(const char *text, size_t size, struct service_url *url) {
    if (size == 0 || size > 253 || strspn(text, HOST_CHARS) < size) return false;
    for (size_t i = 0; i < size; i++)
        url->host[i] = (char)tolower((unsigned char)text[i]);
    url->host[size] = 0;
    const char *label = url->host;
    for (;;) {
        size_t length = strcspn(label, ".");
        if (length == 0 || length > 63) return false; /* "a..b", ".a", and "a.": one way to write a name */
        if (!label[length]) break;
        label += length + 1;
    }
    struct in_addr address;
    bool is_ipv4 = inet_pton(AF_INET, url->host, &address) == 1;
    if (!is_ipv4 && is_numeric(label)) return false; /* 127.1, 2130706433, 0x7f.1 are addresses to some */
    url->loopback = is_ipv4 ? ntohl(address.s_addr) >> 24 == 127 : strcmp(url->host, "localhost") == 0;
    return true;
}

static bool parse_port(const char *text, size_t size, struct service_url *url) {
    if (size == 0) return true;
    size_t digits = strspn(text + 1, DIGITS);
    if (*text != ':' || digits != size - 1 || digits < 1 || digits > 5) return false;
    long port = strtol(text + 1, NULL, 10);
    if (port < 1 || port > 65535) return false;
    url->port = (int)port;
    return true;
}

bool service_url_parse(const char *text, struct service_url *ret_url) {
    struct service_url url = {0};
    if (!text || !is_plain(text)) return false;
    const char *host = parse_scheme(text, &url);
    if (!host) return false;
    size_t size = strcspn(host, "/?"), host_size;
    if (host[size] == '?' || memchr(host, '@', size)) return false;
    if (*host == '[') {
        host_size = strcspn(host, "]") + 1;
        if (host_size > size || host[host_size - 1] != ']' || !parse_ipv6(host + 1, host_size - 2, &url)) return false;
    } else {
        host_size = strcspn(host, ":/");
        if (!parse_name(host, host_size, &url)) return false;
    }
    if (!parse_port(host + host_size, size - host_size, &url)) return false;
    url.path = host + size;
    *ret_url = url;
    return true;
}

static bool is_within(const char *host, const char *const *domains) {
    size_t size = strlen(host);
    for (; *domains; domains++) {
        size_t length = strlen(*domains);
        if (length == 0 || length > size || strcasecmp(host + size - length, *domains) != 0) continue;
        if (length == size || host[size - length - 1] == '.') return true;
    }
    return false;
}

bool service_url_allowed(const char *text, const char *const *domains, bool base_is_loopback) {
    struct service_url url;
    if (!service_url_parse(text, &url)) return false;
    return (base_is_loopback && url.loopback) || (url.secure && is_within(url.host, domains));
}

bool service_url_base(const char *text, const char *const *domains, char *why, size_t why_size) {
    struct service_url url;
    if (!service_url_parse(text, &url)) {
        snprintf(why, why_size, "a full address is, as in https://%s, without a user or password in it",
                 domains && *domains ? *domains : "api.example.org");
        return false;
    }
    if (url.loopback) return true;
    if (domains && !is_within(url.host, domains)) {
        int used = snprintf(why, why_size, "a host of the service is (");
        for (size_t i = 0; domains[i] && used >= 0 && (size_t)used < why_size; i++)
            used += snprintf(why + used, why_size - (size_t)used, "%s%s", i ? ", " : "", domains[i]);
        if (used >= 0 && (size_t)used < why_size)
            snprintf(why + used, why_size - (size_t)used, "), or an address of this machine");
        return false;
    }
    if (!url.secure) {
        snprintf(why, why_size, "%s://%s is; without encryption only this machine may be talked to",
                 url.scheme[0] == 'w' ? "wss" : "https", url.host);
        return false;
    }
    return true;
}

char *service_url_join(const char *base, const char *path) {
    size_t size = strlen(base);
    char *joined;
    while (size && base[size - 1] == '/')
        size--;
    path += strspn(path, "/");
    return asprintf(&joined, "%.*s/%s", (int)size, base, path) < 0 ? NULL : joined;
}

char *service_url_escape(const char *text) {
    static const char hex[] = "0123456789ABCDEF";
    char *escaped = malloc(strlen(text) * 3 + 1), *to = escaped;
    if (!escaped) return NULL;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (strchr(UNRESERVED, *text)) {
            *to++ = *text;
            continue;
        }
        *to++ = '%';
        *to++ = hex[byte >> 4];
        *to++ = hex[byte & 15];
    }
    *to = 0;
    return escaped;
}

int64_t service_ms(int64_t ms) {
    const char *text = getenv("TRAINBOT_TEST_SPEED");
    char *end = NULL;
    double speed = text && *text ? strtod(text, &end) : 1;
    if (ms <= 0 || !isfinite(speed) || speed <= 1 || (end && *end)) return ms;
    int64_t fast = (int64_t)((double)ms / speed);
    return fast < 1 ? 1 : fast; /* never 0: to timers and time limits that is "none" */
}
