/* download.c: see download.h. The range is asked for by hand (RFC 9110, 14): a server that knows none answers 200 with
 * the whole file, which is then taken from its start. */
#include "download.h"
#include "number.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_S 20L
#define SILENCE_S 30L
#define REDIRECTS_MAX 5L
#define TELL_S 0.2

struct transfer {
    const struct download *download;
    CURL *curl;
    int64_t from, at;    /* asked for from here; the next byte goes here */
    int64_t range_start; /* of Content-Range; -1: none */
    bool begun;          /* the body */
    int disk_error;      /* errno; 0: none */
    bool too_large, wrong_range;
    double started_s, told_s;
};

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool is_loopback(const char *host) {
    unsigned a, b, c, d;
    char rest;
    if (strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0) return true;
    return sscanf(host, "%3u.%3u.%3u.%3u%c", &a, &b, &c, &d, &rest) == 4 && a == 127;
}

/* 0 not usable, 1 https, 2 http to loopback. */
static int url_kind(const char *url) {
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL;
    int kind = 0;
    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        if (strcmp(scheme, "https") == 0)
            kind = 1;
        else if (strcmp(scheme, "http") == 0 && is_loopback(host))
            kind = 2;
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    return kind;
}

bool download_allowed(const char *url, char *error) {
    if (url_kind(url) != 0) return true;
    snprintf(error, APP_ERROR_SIZE, "\"%.200s\" is no https address (plain http is taken from this machine alone)",
             url);
    return false;
}

static size_t header_take(char *bytes, size_t size, size_t count, void *user) {
    struct transfer *t = user;
    char line[128];
    size_t length = size * count;
    snprintf(line, sizeof line, "%.*s", (int)(length < sizeof line ? length : sizeof line - 1), bytes);
    if (strncmp(line, "HTTP/", 5) == 0) t->range_start = -1; /* of an answer before this one */
    if (strncasecmp(line, "content-range:", 14) != 0) return length;
    if (sscanf(line + 14, " bytes %" SCNd64 "-", &t->range_start) != 1) t->range_start = -1;
    return length;
}

/* Where the body goes, once its status is known. False: nowhere. */
static bool body_begin(struct transfer *t) {
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    t->begun = true;
    if (status != 200 && status != 206) return false;
    t->wrong_range = status == 206 && t->range_start != t->from;
    if (t->wrong_range) return false;
    t->at = status == 206 ? t->from : 0;
    if (ftruncate(t->download->fd, t->at) == 0) return true;
    t->disk_error = errno;
    return false;
}

static size_t body_take(char *bytes, size_t size, size_t count, void *user) {
    struct transfer *t = user;
    size_t length = size * count, done = 0;
    if (!t->begun && !body_begin(t)) return 0;
    if (t->at + (int64_t)length > t->download->size_limit) {
        t->too_large = true;
        return 0;
    }
    while (done < length) {
        ssize_t n = pwrite(t->download->fd, bytes + done, length - done, (off_t)t->at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            t->disk_error = n < 0 ? errno : ENOSPC;
            return 0;
        }
        done += (size_t)n;
        t->at += n;
    }
    return length;
}

static int progress_tell(void *user, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up) {
    struct transfer *t = user;
    (void)down_total;
    (void)up_total;
    (void)up;
    double now = seconds_now();
    if (t->download->progress == NULL || !t->begun || now - t->told_s < TELL_S) return 0;
    t->told_s = now;
    t->download->progress(t->download->user, t->at, (double)down / (now - t->started_s + 1e-9));
    return 0;
}

static void transfer_setup(struct transfer *t, char *why) {
    CURL *c = t->curl;
    bool plain = url_kind(t->download->url) == 2;
    char range[32];
    curl_easy_setopt(c, CURLOPT_URL, t->download->url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, plain ? "http" : "https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, plain ? 0L : 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    if (plain) curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SILENCE_S);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "trainbot-train/" TRAINBOT_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, header_take);
    curl_easy_setopt(c, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, progress_tell);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    if (t->from == 0) return;
    snprintf(range, sizeof range, "%" PRId64 "-", t->from);
    curl_easy_setopt(c, CURLOPT_RANGE, range);
}

/* What became of it, in words where it is not done. */
static enum download_end transfer_judge(struct transfer *t, CURLcode rc, const char *why, char *error) {
    long status = 0;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    if (t->disk_error != 0) {
        snprintf(error, APP_ERROR_SIZE, "%s",
                 t->disk_error == ENOSPC || t->disk_error == EDQUOT ? "the disk is full" : strerror(t->disk_error));
        return DOWNLOAD_LOCAL;
    }
    if (t->too_large) {
        snprintf(error, APP_ERROR_SIZE, "it sends more than the %" PRId64 " bytes there are", t->download->size_limit);
        return DOWNLOAD_MISFIT;
    }
    if (t->wrong_range || status == 416) {
        snprintf(error, APP_ERROR_SIZE, "it has no part that goes on after %" PRId64 " bytes", t->from);
        return DOWNLOAD_MISFIT;
    }
    if (status != 0 && status != 200 && status != 206) {
        snprintf(error, APP_ERROR_SIZE, "it answers with status %ld", status);
        return DOWNLOAD_REFUSED;
    }
    if (rc == CURLE_OK && status != 0) return DOWNLOAD_DONE;
    snprintf(error, APP_ERROR_SIZE, "%.300s", *why != '\0' ? why : curl_easy_strerror(rc));
    return status != 0 ? DOWNLOAD_CUT : DOWNLOAD_REFUSED;
}

enum download_end download_run(const struct download *download, char *error) {
    char why[CURL_ERROR_SIZE] = "";
    off_t there = lseek(download->fd, 0, SEEK_END);
    struct transfer t = {.download = download, .from = there > 0 ? there : 0, .range_start = -1};
    if (!download_allowed(download->url, error)) return DOWNLOAD_REFUSED;
    t.curl = curl_easy_init();
    if (t.curl == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory");
        return DOWNLOAD_LOCAL;
    }
    t.started_s = seconds_now();
    transfer_setup(&t, why);
    CURLcode rc = curl_easy_perform(t.curl);
    if (rc == CURLE_OK && !t.begun) body_begin(&t); /* an empty body */
    enum download_end end = transfer_judge(&t, rc, why, error);
    curl_easy_cleanup(t.curl);
    return end;
}
