/*
 * service_url.h: the addresses of chat services: which ones may be talked to, and putting them together. Pure.
 */
#ifndef TRAINBOT_SERVICE_URL_H
#define TRAINBOT_SERVICE_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service_url {
    char scheme[8];  /* lower case: http https ws wss */
    char host[256];  /* lower case, without brackets; IPv6 in its shortest form */
    int port;        /* the scheme's own where none is given */
    const char *path; /* from the first "/" (points into the text given; "" none), with the query */
    bool secure;     /* https, wss */
    bool loopback;   /* 127.0.0.0/8, ::1, localhost */
};
/* False: not an absolute URL of these schemes, with user or password in it, longer than 4 KiB, with control characters
 * or blanks. Refused as well is what parsers read differently: anything but ASCII, a backslash, a fragment, a query
 * right behind the host (a "/" stands between), percent signs or a last dot in the host, IPv4 addresses other than in
 * four decimal parts, an empty port. ret_url untouched then. */
bool service_url_parse(const char *text, struct service_url *ret_url);
/* Whether an address that a service named (a redirect, an upload address) may be used: secure and at, or below, one of
 * `domains` (NULL-terminated: "weixin.qq.com" covers itself and "x.weixin.qq.com"). Where the configured base is loopback
 * (a test, a gateway on this machine), any loopback address is good as well. */
bool service_url_allowed(const char *text, const char *const *domains, bool base_is_loopback);
/* Whether `text` may be configured as a base: secure, or loopback. domains NULL: any host; else as above. `why` gets
 * what would be right. */
bool service_url_base(const char *text, const char *const *domains, char *why, size_t why_size);
/* base + exactly one "/" + path. Caller frees; NULL: out of memory. */
char *service_url_join(const char *base, const char *path);
/* Percent-encodes all but A-Z a-z 0-9 - . _ ~. Caller frees; NULL: out of memory. */
char *service_url_escape(const char *text);

/* How long a wait of a channel (heartbeat, pause, life of a stream, time limit of a poll) really is. The environment's
 * TRAINBOT_TEST_SPEED, a number ≥ 1, divides all of them: the tests' only way to see what takes an hour. */
int64_t service_ms(int64_t ms);

#endif
