/*
 * Any bytes as an address. What is taken must be read the same way by libcurl, which connects: another host behind the
 * same text would be a way around the list of domains. What is allowed must be secure and below a domain, or loopback.
 */
#include "service_url.h"
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const domains[] = {"weixin.qq.com", "a.b", NULL};

static bool ends(const char *text, const char *with) {
    size_t size = strlen(text), length = strlen(with);
    return size >= length && strcmp(text + size - length, with) == 0;
}

static void same_to_libcurl(const char *text, const struct service_url *url) {
    CURLU *parsed = curl_url();
    char *host = NULL, *port = NULL, *user = NULL, plain[300] = "";
    if (!parsed) abort();
    if (url->scheme[0] == 'w') { /* libcurl of this age knows no ws */
        curl_url_cleanup(parsed);
        return;
    }
    if (curl_url_set(parsed, CURLUPART_URL, text, 0) != CURLUE_OK) abort();
    if (curl_url_get(parsed, CURLUPART_USER, &user, 0) == CURLUE_OK) abort();
    if (curl_url_get(parsed, CURLUPART_HOST, &host, 0) != CURLUE_OK) abort();
    if (curl_url_get(parsed, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK) abort();
    if (atoi(port) != url->port) abort();
    if (host[0] == '[') { /* the same address in any spelling */
        unsigned char theirs[16], ours[16];
        snprintf(plain, sizeof plain, "%.*s", (int)strcspn(host + 1, "]"), host + 1);
        if (inet_pton(AF_INET6, plain, theirs) != 1 || inet_pton(AF_INET6, url->host, ours) != 1) abort();
        if (memcmp(theirs, ours, 16) != 0) abort();
    } else if (strcasecmp(host, url->host) != 0) {
        abort();
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parsed);
}

static void check_parsed(const char *text, const struct service_url *url) {
    char *joined = service_url_join(text, "x");
    struct service_url again;
    if (url->port < 1 || url->port > 65535 || !url->host[0] || strpbrk(url->host, "@/\\%#?[] ")) abort();
    if (url->secure != (strcmp(url->scheme, "https") == 0 || strcmp(url->scheme, "wss") == 0)) abort();
    if (url->path < text || url->path > text + strlen(text) || (*url->path && *url->path != '/')) abort();
    if (!joined || (strlen(joined) <= 4096 && !service_url_parse(joined, &again))) abort();
    if (strlen(joined) <= 4096 && (strcmp(again.host, url->host) != 0 || again.port != url->port)) abort();
    free(joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = strndup((const char *)data, size), why[64];
    struct service_url url = {0};
    if (!text) abort();
    bool ok = service_url_parse(text, &url), base = service_url_base(text, domains, why, sizeof why);
    for (int loopback = 0; loopback < 2; loopback++) {
        bool allowed = service_url_allowed(text, domains, loopback);
        bool below = strcmp(url.host, "a.b") == 0 || strcmp(url.host, "weixin.qq.com") == 0 || ends(url.host, ".a.b") ||
                     ends(url.host, ".weixin.qq.com");
        if (allowed != (ok && ((url.secure && below) || (loopback && url.loopback)))) abort();
        if (base && !service_url_allowed(text, domains, true)) abort();
    }
    if (ok) same_to_libcurl(text, &url);
    if (ok) check_parsed(text, &url);
    char *escaped = service_url_escape(text);
    if (!escaped || strpbrk(escaped, " /?#&=+\n") || strlen(escaped) < strlen(text)) abort();
    free(escaped);
    free(text);
    return 0;
}
