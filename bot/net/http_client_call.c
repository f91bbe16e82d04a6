/*
 * A call's set-up: every option of libcurl that it runs with stands here, beside the callbacks that count what is sent
 * and cap what is taken in. See http_client.h.
 */
#include "http_client_state.h"
#include "service_url.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define CONNECT_MS 10000L
#define ANSWER_MAX (4u << 20)
#define ANSWER_LIMIT (1u << 30)  /* what answer_max can be at most */
#define HEADERS_MAX (128u << 10) /* bytes of all headers of an answer, interim ones and trailers included */
#define NAMES_KEPT_S 300L        /* of a resolved name */
/* Idle connections older than this are not used again: services and routers drop them after a minute, often without a
 * word, and a message that is sent into such a one ends uncertain. */
#define IDLE_S 50L
#define KEEPALIVE_IDLE_S 30L
#define KEEPALIVE_GAP_S 15L

/* Before each time that libcurl writes the request: the second time is a repetition after a connection broke. */
static int before_send(void *user, char *ip, char *local_ip, int port, int local_port) {
    struct http_call *call = user;
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    call->sends++;
    if (!call->once || call->sends == 1) return CURL_PREREQFUNC_OK;
    call->is_broken = true;
    return CURL_PREREQFUNC_ABORT;
}

/* Not inherited by the trainers that the bot starts; and a repetition that is not wanted gets no new connection. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    struct http_call *call = user;
    (void)purpose;
    if (call->once && call->sends > 0) {
        call->is_broken = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Room for `more` bytes and the zero behind them; more than the limit never stands in memory. */
static bool grow(struct http_call *call, size_t more) {
    size_t need = call->size + more + 1, room = call->room ? call->room : 1024;
    if (need <= call->room) return true;
    while (room < need)
        room *= 2;
    if (room > call->answer_max + 1) room = call->answer_max + 1;
    char *body = realloc(call->body, room);
    if (!body) return false;
    call->body = body;
    call->room = room;
    return true;
}

static size_t take_body(char *bytes, size_t size, size_t count, void *user) {
    struct http_call *call = user;
    size *= count;
    call->is_too_large = size > call->answer_max - call->size;
    if (call->is_too_large) return 0;
    call->is_out_of_memory = !grow(call, size);
    if (call->is_out_of_memory) return size ? 0 : 1;
    memcpy(call->body + call->size, bytes, size);
    call->size += size;
    call->body[call->size] = 0;
    return size;
}

static bool is_blank(const char *line, size_t size) {
    return (size == 2 && memcmp(line, "\r\n", 2) == 0) || (size == 1 && *line == '\n');
}

/* libcurl calls an answer done whose header broke off in the middle, so the blank line is looked for here. An announced
 * size over the limit ends the call there and then; CURLOPT_MAXFILESIZE would do so before the headers behind it. */
static size_t take_header(char *bytes, size_t size, size_t count, void *user) {
    struct http_call *call = user;
    curl_off_t length = -1;
    size *= count;
    call->header_bytes += size;
    call->is_header_too_large = call->header_bytes > HEADERS_MAX;
    if (call->is_header_too_large) return 0;
    if (size >= 5 && memcmp(bytes, "HTTP/", 5) == 0) call->has_header = false;
    if (call->has_header || !is_blank(bytes, size)) return size;
    call->has_header = true;
    curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    call->is_too_large = length > (curl_off_t)call->answer_max;
    return call->is_too_large ? 0 : size;
}

/* NULL is fine. No byte that would end the line or the text. */
static bool is_one_line(const char *text) {
    for (; text && *text; text++)
        if ((unsigned char)*text < ' ' && *text != '\t') return false;
    return true;
}

static bool is_header(const char *line) {
    size_t name = strcspn(line, ":");
    return name > 0 && line[name] == ':' && strcspn(line, " \t;") > name && is_one_line(line);
}

static bool add_header(struct http_call *call, const char *line) {
    struct curl_slist *list = curl_slist_append(call->headers, line);
    if (list) call->headers = list;
    return list != NULL;
}

static int set_headers(struct http_call *call, const struct http_call_options *options) {
    char line[512];
    for (const char *const *header = options->headers; header && *header; header++) {
        if (!is_header(*header)) return TB_EINVAL;
        if (strncasecmp(*header, "Expect:", 7) == 0) continue;
        if (!add_header(call, *header)) return TB_ENOMEM;
    }
    /* "Expect: 100-continue" would cost a round trip; a body's type is libcurl's guess unless it is taken out. */
    if (!add_header(call, "Expect:")) return TB_ENOMEM;
    if (options->post && !options->parts_count) {
        const char *type = options->content_type ? options->content_type : "";
        if (!is_one_line(type) || strlen(type) > sizeof line - 32) return TB_EINVAL;
        strcpy(line, "Content-Type: ");
        strcat(line, type);
        if (!add_header(call, *type ? line : "Content-Type:")) return TB_ENOMEM;
    }
    return curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK ? TB_OK : TB_ENOMEM;
}

static int set_parts(struct http_call *call, const struct http_part *parts, size_t count) {
    call->mime = curl_mime_init(call->easy);
    if (!call->mime) return TB_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!is_one_line(parts[i].name) || !is_one_line(parts[i].filename) || !is_one_line(parts[i].content_type))
            return TB_EINVAL;
        curl_mimepart *part = curl_mime_addpart(call->mime);
        if (!part || curl_mime_name(part, parts[i].name) != CURLE_OK ||
            curl_mime_data(part, parts[i].size ? parts[i].bytes : "", parts[i].size) != CURLE_OK ||
            curl_mime_filename(part, parts[i].filename) != CURLE_OK ||
            curl_mime_type(part, parts[i].content_type) != CURLE_OK)
            return TB_ENOMEM;
    }
    return curl_easy_setopt(call->easy, CURLOPT_MIMEPOST, call->mime) == CURLE_OK ? TB_OK : TB_ENOMEM;
}

static int set_body(struct http_call *call, const struct http_call_options *options) {
    bool ok;
    if (!options->post)
        ok = curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    else if (options->parts_count)
        return set_parts(call, options->parts, options->parts_count);
    else
        ok = curl_easy_setopt(call->easy, CURLOPT_POST, 1L) == CURLE_OK &&
             curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body_size) == CURLE_OK &&
             curl_easy_setopt(call->easy, CURLOPT_COPYPOSTFIELDS, options->body_size ? options->body : "") == CURLE_OK;
    return ok ? TB_OK : TB_ENOMEM;
}

static long as_long(int64_t ms) {
    return ms > INT_MAX ? INT_MAX : (long)ms;
}

#define SET(option, value) (curl_easy_setopt(easy, option, value) == CURLE_OK)

static bool set_limits(struct http_call *call, const struct http_call_options *options) {
    CURL *easy = call->easy;
    int64_t connect_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_MS;
    return SET(CURLOPT_TIMEOUT_MS, as_long(options->timeout_ms)) &&
           SET(CURLOPT_CONNECTTIMEOUT_MS, as_long(connect_ms)) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_QUICK_EXIT, 1L) && /* a cancelled call does not wait for the resolver's thread */
           SET(CURLOPT_DNS_CACHE_TIMEOUT, NAMES_KEPT_S) && SET(CURLOPT_MAXAGE_CONN, IDLE_S) &&
           SET(CURLOPT_TCP_NODELAY, 1L) && SET(CURLOPT_TCP_KEEPALIVE, 1L) &&
           SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S) && SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_GAP_S);
}

/* CApath goes: the system's would be trusted beside ca_file, and libcurl keeps a loaded bundle only without it. */
static bool set_trust(const struct http_client *client, CURL *easy) {
    if (client->ca_file && (!SET(CURLOPT_CAINFO, client->ca_file) || !SET(CURLOPT_PROXY_CAINFO, client->ca_file)))
        return false;
    return SET(CURLOPT_CAPATH, NULL) && SET(CURLOPT_PROXY_CAPATH, NULL) && SET(CURLOPT_SSL_VERIFYPEER, 1L) &&
           SET(CURLOPT_SSL_VERIFYHOST, 2L) && SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) &&
           SET(CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

/* "" for CURLOPT_PROXY and CURLOPT_NOPROXY: not the environment's either. */
static bool set_way(const struct http_client *client, CURL *easy, const struct service_url *url) {
    const char *proxy = client->proxy && !url->loopback ? client->proxy : "";
    return SET(CURLOPT_PROXY, proxy) && SET(CURLOPT_NOPROXY, "") && SET(CURLOPT_PROTOCOLS_STR, "http,https") &&
           SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(CURLOPT_FOLLOWLOCATION, 0L) &&
           SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) && SET(CURLOPT_PATH_AS_IS, 1L) &&
           SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L) && SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) &&
           SET(CURLOPT_USERAGENT, client->user_agent);
}

static bool set_callbacks(struct http_call *call) {
    CURL *easy = call->easy;
    return SET(CURLOPT_PRIVATE, call) && SET(CURLOPT_WRITEFUNCTION, take_body) && SET(CURLOPT_WRITEDATA, call) &&
           SET(CURLOPT_HEADERFUNCTION, take_header) && SET(CURLOPT_HEADERDATA, call) &&
           SET(CURLOPT_PREREQFUNCTION, before_send) && SET(CURLOPT_PREREQDATA, call) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, open_socket) && SET(CURLOPT_OPENSOCKETDATA, call);
}

int http_call_prepare(struct http_call *call, const struct http_call_options *options) {
    struct service_url url;
    if (!service_url_parse(options->url, &url) || url.scheme[0] != 'h' || options->timeout_ms <= 0) return TB_EINVAL;
    call->once = options->once;
    call->answer_max = options->answer_max ? options->answer_max : ANSWER_MAX;
    if (call->answer_max > ANSWER_LIMIT) call->answer_max = ANSWER_LIMIT;
    call->easy = curl_easy_init();
    if (!call->easy) return TB_ENOMEM;
    if (options->header && !(call->header = strdup(options->header))) return TB_ENOMEM;
    CURL *easy = call->easy;
    if (!SET(CURLOPT_URL, options->url) || !set_callbacks(call) || !set_limits(call, options) ||
        !set_trust(call->client, easy) || !set_way(call->client, easy, &url))
        return TB_ENOMEM;
    int result = set_headers(call, options);
    return result == TB_OK ? set_body(call, options) : result;
}
