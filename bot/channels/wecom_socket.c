/*
 * wecom_socket.c: see wecom_socket.h. The context is made with the first connection, as its TLS part takes 50 to 90 ms.
 * Always holds: `wsi` is the one connection that counts; callbacks of another are answered with an end.
 */
#include "wecom_socket.h"
#include "service_url.h"
#include "wecom_codec.h"
#include <libwebsockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
#define ADDRESSES_MAX 8
#define ANNOUNCED_MAX (16u << 20) /* a frame that says to be longer ends the connection */
#define DRAIN_BEGIN 1             /* turns to the context's end … */
#define DRAIN_CLOSE 5             /* … to its second end … */
#define DRAIN_END 9               /* … to the end of all */

struct wecom_socket {
    uv_loop_t *loop;
    struct wecom_socket_events events;
    char *url, *ca_file, *proxy;
    struct service_url parts; /* points into url */
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws *wsi;
    bool inside; /* a callback of wsi is running */
    bool failed; /* a write within it did not go */
    uv_getaddrinfo_t lookup;
    bool looking, busy; /* a lookup is under way; a connection is wanted, or there */
    unsigned tries;     /* picks among several addresses */
    char *message;      /* pieces so far */
    size_t size, room;
    bool skipping; /* the rest of a message that is not taken */
    char *out;     /* LWS_PRE + a frame */
    size_t out_room;
    uv_idle_t spin; /* keeps the loop turning while it drains */
    uv_check_t drain;
    int turns, handles;
    void (*stopped)(void *user);
    void *stopped_user;
};

/* ---- what comes ---- */

static void end_message(struct wecom_socket *socket, const char *why) {
    char *message = socket->message;
    size_t size = socket->size;
    bool skipped = socket->skipping;
    socket->message = NULL;
    socket->size = socket->room = 0;
    socket->skipping = false;
    if (skipped || why)
        socket->events.received(socket->events.user, NULL, 0, why ? why : "a frame longer than 1 MiB");
    else if (message)
        socket->events.received(socket->events.user, message, size, NULL);
    free(message);
}

static void take_piece(struct wecom_socket *socket, const char *bytes, size_t size) {
    if (size > WECOM_FRAME_MAX - socket->size) socket->skipping = true;
    if (!socket->skipping && (!socket->message || socket->size + size > socket->room)) {
        size_t room = (socket->size + size) * 2 + 512;
        char *grown = realloc(socket->message, room);
        if (grown) {
            socket->message = grown;
            socket->room = room;
        } else {
            socket->skipping = true;
        }
    }
    if (socket->skipping) {
        free(socket->message);
        socket->message = NULL;
        socket->size = socket->room = 0;
        return;
    }
    if (size) memcpy(socket->message + socket->size, bytes, size);
    socket->size += size;
}

static void on_receive(struct wecom_socket *socket, struct lws *wsi, const char *bytes, size_t size) {
    if (lws_remaining_packet_payload(wsi) > ANNOUNCED_MAX) { /* all that follows would be taken for its rest */
        socket->failed = true;
        return;
    }
    take_piece(socket, bytes, size);
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi)) return;
    end_message(socket, lws_frame_is_binary(wsi) ? "a binary frame" : NULL);
}

static void forget_connection(struct wecom_socket *socket) {
    socket->wsi = NULL;
    free(socket->message);
    socket->message = NULL;
    socket->size = socket->room = 0;
    socket->skipping = false;
}

/* Told once, whichever way libwebsockets says it. */
static void on_end(struct wecom_socket *socket, const char *why) {
    forget_connection(socket);
    if (!socket->busy) return;
    socket->busy = false;
    socket->tries++;
    socket->events.closed(socket->events.user, why);
}

static void on_established(struct wecom_socket *socket, struct lws *wsi) {
    int fd = (int)lws_get_socket_fd(wsi);
    /* Small frames leave at once, as the web server's do. */
    if (fd >= 0) (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    socket->events.opened(socket->events.user);
}

/* libwebsockets says why a certificate is not good only to its log: kept for the reason that is told, and not repeated
 * there at every try. One line, loop thread only; other lines of its log go where they went. */
static char certificate_fault[100];

static void on_log(int level, const char *line) {
    const char *fault = strstr(line, "SSL error: ");
    if (!fault) {
        lwsl_emit_stderr(level, line);
        return;
    }
    size_t size = strcspn(fault + 11, "(\n");
    while (size > 0 && fault[10 + size] == ' ')
        size--;
    snprintf(certificate_fault, sizeof certificate_fault, "%.*s", (int)size, fault + 11);
}

/* What libwebsockets calls it, where we have no better words. */
static void word_failure(const char *in, size_t in_size, char *why, size_t size) {
    if (certificate_fault[0])
        snprintf(why, size, "the certificate is not trusted: %s", certificate_fault);
    else if (in_size >= 15 && memcmp(in, "HS: ws upgrade ", 15) == 0)
        snprintf(why, size, "what answers there is no such gateway");
    else if (in_size >= 10 && memcmp(in, "closed bef", 10) == 0)
        snprintf(why, size, "the connection is refused, or ended at once");
    else
        snprintf(why, size, "no connection%s%.*s", in_size ? ": " : "", (int)(in_size < 120 ? in_size : 120), in);
    certificate_fault[0] = 0;
}

static void dispatch(struct wecom_socket *socket, struct lws *wsi, enum lws_callback_reasons reason, void *in,
                     size_t size) {
    char why[160];
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        on_established(socket, wsi);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        on_receive(socket, wsi, in, size);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        socket->events.writable(socket->events.user);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        word_failure(in ? in : "", size, why, sizeof why);
        on_end(socket, why);
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        on_end(socket, "the connection ended");
        break;
    default:
        break;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
    struct lws_context *context = lws_get_context(wsi);
    struct wecom_socket *socket = context ? lws_context_user(context) : NULL;
    (void)user;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        if (!socket || socket->wsi != wsi) return -1;
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
        if (!socket || socket->wsi != wsi) return 0;
        break;
    default:
        return 0;
    }
    socket->inside = true;
    socket->failed = false;
    dispatch(socket, wsi, reason, in, size);
    socket->inside = false;
    return socket->failed || socket->wsi != wsi ? -1 : 0;
}

/* ---- the context ---- */

static const struct lws_protocols protocols[] = {
    {.name = "wecom", .callback = on_event, .rx_buffer_size = 65536},
    {0},
};
/* The protocol has a heartbeat of its own. */
static const uint32_t no_retries[] = {1000};
static const lws_retry_bo_t idle_policy = {.retry_ms_table = no_retries, .retry_ms_table_count = 1, .conceal_count = 1};

static int create_vhost(struct wecom_socket *socket) {
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.vhost_name = "wecom";
    info.protocols = protocols;
    info.retry_and_idle_policy = &idle_policy;
    info.timeout_secs = 30;
    info.http_proxy_address = ":0"; /* none: without it the environment's would be taken */
    if (socket->parts.secure) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
        info.client_ssl_ca_filepath = socket->ca_file[0] ? socket->ca_file : SYSTEM_CA;
        info.ssl_client_options_set = (long)(SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1);
    }
    socket->vhost = lws_create_vhost(socket->context, &info);
    return socket->vhost ? TB_OK : TB_EINVAL;
}

static int create_context(struct wecom_socket *socket) {
    void *loops[1] = {socket->loop};
    struct lws_context_creation_info info = {0};
    lws_set_log_level(LLL_ERR, on_log);
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (socket->parts.secure) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.foreign_loops = loops;
    info.fd_limit_per_thread = 64;
    info.user = socket;
    socket->context = lws_create_context(&info);
    if (!socket->context) return TB_ENOMEM;
    return create_vhost(socket);
}

static void destroy_context(struct wecom_socket *socket) {
    struct lws_context *context = socket->context;
    socket->context = NULL;
    socket->vhost = NULL;
    if (context) lws_context_destroy(context);
}

/* ---- connecting ---- */

static bool address_text(const struct addrinfo *list, unsigned pick, char *text, size_t size) {
    const struct addrinfo *known[ADDRESSES_MAX];
    unsigned count = 0;
    for (; list && count < ADDRESSES_MAX; list = list->ai_next)
        if (list->ai_family == AF_INET || list->ai_family == AF_INET6) known[count++] = list;
    if (count == 0) return false;
    const struct addrinfo *address = known[pick % count];
    return getnameinfo(address->ai_addr, address->ai_addrlen, text, (socklen_t)size, NULL, 0, NI_NUMERICHOST) == 0;
}

static bool uses_proxy(const struct wecom_socket *socket) {
    return socket->proxy[0] && !socket->parts.loopback;
}

static void connect_to(struct wecom_socket *socket, const char *address) {
    char host[300], proxy[100];
    const struct service_url *parts = &socket->parts;
    struct lws_client_connect_info info = {0};
    bool six = strchr(parts->host, ':') != NULL, own_port = parts->port == (parts->secure ? 443 : 80);
    snprintf(host, sizeof host, six ? "[%s]" : "%s", parts->host);
    if (!own_port) snprintf(host + strlen(host), sizeof host - strlen(host), ":%d", parts->port);
    if (uses_proxy(socket)) {
        struct service_url gate;
        (void)service_url_parse(socket->proxy, &gate); /* checked when it was made */
        snprintf(proxy, sizeof proxy, "%s:%d", address, gate.port);
        lws_set_proxy(socket->vhost, proxy);
        address = parts->host; /* the proxy resolves it */
    }
    info.context = socket->context;
    info.vhost = socket->vhost;
    info.address = address;
    info.port = parts->port;
    info.path = parts->path[0] ? parts->path : "/";
    info.host = host;
    info.alpn = "http/1.1";
    info.local_protocol_name = protocols[0].name;
    info.ssl_connection = parts->secure ? LCCSCF_USE_SSL : 0;
    info.retry_and_idle_policy = &idle_policy;
    info.pwsi = &socket->wsi;
    if (!lws_client_connect_via_info(&info)) on_end(socket, "no connection");
}

static void spin(uv_idle_t *idle) {
    (void)idle;
}

static void on_lookup(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list) {
    struct wecom_socket *socket = lookup->data;
    char address[64];
    bool found = status == 0 && address_text(list, socket->tries, address, sizeof address);
    uv_freeaddrinfo(list);
    socket->looking = false;
    if (socket->stopped) uv_idle_start(&socket->spin, spin);
    if (!socket->busy) return; /* dropped meanwhile */
    if (!found)
        on_end(socket, "its name cannot be resolved");
    else
        connect_to(socket, address);
}

static int begin_lookup(struct wecom_socket *socket) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    const char *host = socket->parts.host;
    struct service_url gate;
    if (uses_proxy(socket) && service_url_parse(socket->proxy, &gate)) {
        host = gate.host;
        hints.ai_family = AF_INET; /* libwebsockets takes "address:port" for it */
    }
    socket->lookup.data = socket;
    int status = uv_getaddrinfo(socket->loop, &socket->lookup, on_lookup, host, NULL, &hints);
    socket->looking = status == 0;
    return status;
}

void wecom_socket_connect(struct wecom_socket *socket) {
    socket->busy = true;
    if (!socket->context && create_context(socket) < 0) {
        on_end(socket, "TLS or the WebSocket could not be set up: check ca_file");
        return;
    }
    if (!socket->looking && begin_lookup(socket) < 0) on_end(socket, "its name cannot be resolved");
}

void wecom_socket_drop(struct wecom_socket *socket) {
    struct lws *wsi = socket->wsi;
    socket->busy = false;
    forget_connection(socket);
    /* From within its own callback it ends by that callback's answer. */
    if (wsi && !socket->inside) lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

/* ---- what goes ---- */

void wecom_socket_want_write(struct wecom_socket *socket) {
    if (socket->wsi) lws_callback_on_writable(socket->wsi);
}

bool wecom_socket_write(struct wecom_socket *socket, const char *bytes, size_t size) {
    if (socket->out_room < LWS_PRE + size) {
        char *grown = malloc(LWS_PRE + size + 1024);
        if (!grown) {
            socket->failed = true;
            return false;
        }
        free(socket->out);
        socket->out = grown;
        socket->out_room = LWS_PRE + size + 1024;
    }
    memcpy(socket->out + LWS_PRE, bytes, size);
    /* What the kernel does not take at once libwebsockets keeps a copy of. */
    int written = lws_write(socket->wsi, (unsigned char *)socket->out + LWS_PRE, size, LWS_WRITE_TEXT);
    OPENSSL_cleanse(socket->out + LWS_PRE, size); /* the first frame holds the secret */
    if (size > 65536) {
        free(socket->out);
        socket->out = NULL;
        socket->out_room = 0;
    }
    socket->failed = written < 0;
    return written >= 0;
}

/* ---- its life ---- */

static void socket_free(struct wecom_socket *socket) {
    free(socket->url);
    free(socket->ca_file);
    free(socket->proxy);
    free(socket->message);
    free(socket->out);
    free(socket);
}

int wecom_socket_create(uv_loop_t *loop, const char *url, const char *ca_file, const char *proxy,
                        const struct wecom_socket_events *events, struct wecom_socket **ret_socket) {
    struct wecom_socket *socket = calloc(1, sizeof *socket);
    struct service_url gate;
    bool bare = proxy[0] && !strstr(proxy, "://");
    if (!socket) return TB_ENOMEM;
    socket->loop = loop;
    socket->events = *events;
    socket->url = strdup(url);
    socket->ca_file = strdup(ca_file);
    if (asprintf(&socket->proxy, "%s%s", bare ? "http://" : "", proxy) < 0) socket->proxy = NULL;
    bool good = socket->url && socket->ca_file && socket->proxy;
    int status = good ? TB_OK : TB_ENOMEM;
    if (good && !service_url_parse(socket->url, &socket->parts)) status = TB_EINVAL;
    if (good && proxy[0] && (!service_url_parse(socket->proxy, &gate) || strcmp(gate.scheme, "http") != 0))
        status = TB_EINVAL;
    if (status < 0) {
        socket_free(socket);
        return status;
    }
    uv_idle_init(loop, &socket->spin);
    uv_check_init(loop, &socket->drain);
    socket->spin.data = socket->drain.data = socket;
    *ret_socket = socket;
    return TB_OK;
}

static void drain_closed(uv_handle_t *handle) {
    struct wecom_socket *socket = handle->data;
    void (*stopped)(void *) = socket->stopped;
    void *user = socket->stopped_user;
    if (--socket->handles > 0) return;
    socket_free(socket);
    stopped(user);
}

/* libwebsockets 4.1.6 closes its event pipe's descriptor twice: when its context ends, and in the closing of the
 * handle. What was opened in between would be lost; so it ends right before the loop closes handles, in a check handle.
 */
static void drain_turn(uv_check_t *check) {
    struct wecom_socket *socket = check->data;
    if (socket->looking) return; /* the pool's answer comes first */
    socket->turns++;
    if (socket->turns == DRAIN_BEGIN && socket->context) lws_context_destroy(socket->context);
    if (socket->turns == DRAIN_CLOSE) destroy_context(socket);
    if (socket->turns < DRAIN_END) return;
    socket->handles = 2;
    uv_close((uv_handle_t *)&socket->spin, drain_closed);
    uv_close((uv_handle_t *)&socket->drain, drain_closed);
}

void wecom_socket_stop(struct wecom_socket *socket, void (*closed)(void *user), void *user) {
    socket->stopped = closed;
    socket->stopped_user = user;
    if (socket->looking) (void)uv_cancel((uv_req_t *)&socket->lookup);
    wecom_socket_drop(socket);
    if (!socket->looking) uv_idle_start(&socket->spin, spin); /* a name may take seconds */
    uv_check_start(&socket->drain, drain_turn);
}
