/*
 * http_server.c: the server's life: it binds and listens itself (so that an address in use is told in one line, and
 * port 0 and IPv6 behave), gives accepted sockets to libwebsockets, and ends so that the host's loop can be closed.
 *
 * Ending takes turns of the loop: the context closes its connections, their handles close, the context is destroyed a
 * second time, its own handles close; only then is closed() called. A check handle counts these turns, an idle one
 * keeps them coming.
 */
#include "http_internal.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FDS_MAX 1000  /* keeps libwebsockets' tables small, whatever RLIMIT_NOFILE is */
#define DRAIN_CLOSE 4 /* turns from the context's end to its second end … */
#define DRAIN_END 8   /* … to the end of all */

static const struct lws_protocols protocols[] = {
    {.name = "trainbot",
     .callback = http_conn_callback,
     .per_session_data_size = sizeof(struct http_conn),
     .rx_buffer_size = 65536},
    {0},
};
/* A page that is gone without a word is noticed after 25 + 15 s. */
static const uint32_t no_retries[] = {1000};
static const lws_retry_bo_t idle_policy = {
    .retry_ms_table = no_retries,
    .retry_ms_table_count = 1,
    .conceal_count = 1,
    .secs_since_valid_ping = 25,
    .secs_since_valid_hangup = 40,
};

static bool copy_option(char **to, const char *from) {
    if (!from || !*from) return true;
    *to = strdup(from);
    return *to != NULL;
}

int http_server_create(const struct http_options *options, struct http_server **ret_server) {
    struct http_server *server = calloc(1, sizeof(*server));
    if (!server) return TB_ENOMEM;
    server->loop = options->loop;
    server->channel = options->channel;
    server->listen_fd = -1;
    if (!copy_option(&server->listen, options->listen ? options->listen : "127.0.0.1:8080") ||
        !copy_option(&server->token_file, options->token_file) || !copy_option(&server->tls_cert, options->tls_cert) ||
        !copy_option(&server->tls_key, options->tls_key) || !copy_option(&server->state_dir, options->state_dir) ||
        !copy_option(&server->trainer_token_file, options->trainer_token_file) ||
        !copy_option(&server->hosts, options->hosts)) {
        http_server_free(server);
        return TB_ENOMEM;
    }
    *ret_server = server;
    return TB_OK;
}

void http_server_free(struct http_server *server) {
    if (!server) return;
    web_token_clear(&server->token);
    web_token_clear(&server->trainer_token);
    free(server->listen);
    free(server->token_file);
    free(server->tls_cert);
    free(server->tls_key);
    free(server->trainer_token_file);
    free(server->state_dir);
    free(server->hosts);
    free(server);
}

/* ---- listening ---- */

static int bind_socket(struct http_server *server, const struct addrinfo *address, int port) {
    struct sockaddr_storage storage = {0};
    socklen_t size = address->ai_addrlen;
    int one = 1;
    memcpy(&storage, address->ai_addr, size);
    if (storage.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&storage)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&storage)->sin_port = htons((uint16_t)port);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&storage, size) < 0 || listen(fd, 256) < 0 ||
        getsockname(fd, (struct sockaddr *)&storage, &size) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    server->port = ntohs(storage.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&storage)->sin6_port
                                                       : ((struct sockaddr_in *)&storage)->sin_port);
    server->listen_fd = fd;
    return 0;
}

static int open_listener(struct http_server *server, char *why, size_t why_size) {
    int port = 0;
    if (!web_listen_parse(server->listen, server->listen_host, sizeof(server->listen_host), &port, why, why_size))
        return TB_EINVAL;
    const char *host = strcmp(server->listen_host, "localhost") == 0 ? "127.0.0.1" : server->listen_host;
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM}, *address = NULL;
    if (getaddrinfo(host, NULL, &hints, &address) != 0) {
        snprintf(why, why_size, "listen=%s: an address in numbers is wanted, like 127.0.0.1:8080", server->listen);
        return TB_EINVAL;
    }
    int result = bind_socket(server, address, port);
    freeaddrinfo(address);
    if (result == 0) return TB_OK;
    snprintf(why, why_size, "listen=%s: %s%s", server->listen, strerror(-result),
             result == -EADDRINUSE ? " (is another trainbot running? another port or port 0 would do)" : "");
    return TB_EIO;
}

static void accept_ready(uv_poll_t *poll, int status, int events) {
    struct http_server *server = poll->data;
    (void)events;
    for (int i = 0; status >= 0 && i < 16; i++) {
        int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        /* Small packets leave at once; held back for an acknowledgement they came 13 ms late (measured, on loopback).
         */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        if (server->connections >= HTTP_CONNECTIONS_MAX || !lws_adopt_socket_vhost(server->vhost, fd)) {
            if (server->connections >= HTTP_CONNECTIONS_MAX) close(fd);
            return;
        }
    }
}

/* ---- the context ---- */

static int create_vhost(struct http_server *server) {
    struct lws_context_creation_info info = {0};
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.vhost_name = "trainbot";
    info.protocols = protocols;
    info.keepalive_timeout = 75;
    info.timeout_secs = 20;
    info.retry_and_idle_policy = &idle_policy;
    info.alpn = "http/1.1";
    if (server->tls_cert) {
        info.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
        info.ssl_cert_filepath = server->tls_cert;
        info.ssl_private_key_filepath = server->tls_key;
    }
    server->vhost = lws_create_vhost(server->context, &info);
    return server->vhost ? TB_OK : TB_EINVAL;
}

static int create_context(struct http_server *server) {
    void *loops[1] = {server->loop};
    struct lws_context_creation_info info = {0};
    lws_set_log_level(LLL_ERR, NULL);
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    if (server->tls_cert) info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    info.foreign_loops = loops;
    info.fd_limit_per_thread = FDS_MAX;
    info.max_http_header_pool = 256;
    info.timeout_secs = 20;
    info.user = server;
    server->context = lws_create_context(&info);
    return server->context ? TB_OK : TB_ENOMEM;
}

static int begin_serving(struct http_server *server) {
    int result = create_context(server);
    if (result >= 0) result = create_vhost(server);
    if (result >= 0) uv_poll_start(&server->accept_poll, UV_READABLE, accept_ready);
    return result;
}

static void tls_due(uv_timer_t *timer) {
    struct http_server *server = timer->data;
    if (!server->stopping && begin_serving(server) < 0)
        bot_log(http_bot(server), 0,
                "web: tls_cert=%s and tls_key=%s cannot be used: a certificate and its key in PEM "
                "are wanted",
                server->tls_cert, server->tls_key);
}

static int check_tls(const struct http_server *server, char *why, size_t why_size) {
    const char *files[] = {server->tls_cert, server->tls_key};
    if (!server->tls_cert != !server->tls_key) {
        snprintf(why, why_size, "tls_cert and tls_key are wanted together");
        return TB_EINVAL;
    }
    for (size_t i = 0; server->tls_cert && i < 2; i++) {
        if (access(files[i], R_OK) < 0) {
            snprintf(why, why_size, "%s=%s cannot be read: %s", i ? "tls_key" : "tls_cert", files[i], strerror(errno));
            return TB_EIO;
        }
    }
    return TB_OK;
}

static int load_secrets(struct http_server *server, char *why, size_t why_size) {
    if (!server->token_file) {
        snprintf(why, why_size, "token_file is missing");
        return TB_EINVAL;
    }
    int result = web_token_load(server->token_file, true, &server->token, why, why_size);
    if (result >= 0 && server->trainer_token_file) {
        result = web_token_load(server->trainer_token_file, false, &server->trainer_token, why, why_size);
        server->remote_allowed = result >= 0;
    }
    return result;
}

static void init_handles(struct http_server *server) {
    uv_poll_init(server->loop, &server->accept_poll, server->listen_fd);
    uv_timer_init(server->loop, &server->tls_timer);
    uv_timer_init(server->loop, &server->runs_timer);
    uv_timer_init(server->loop, &server->nudge_timer);
    uv_idle_init(server->loop, &server->spin);
    uv_check_init(server->loop, &server->drain);
    server->accept_poll.data = server;
    server->tls_timer.data = server;
    server->runs_timer.data = server;
    server->nudge_timer.data = server;
    server->spin.data = server;
    server->drain.data = server;
    server->started = true;
}

int http_server_start(struct http_server *server, char *why, size_t why_size) {
    int result = check_tls(server, why, why_size);
    if (result >= 0) result = load_secrets(server, why, why_size);
    if (result >= 0) result = open_listener(server, why, why_size);
    if (result < 0) return result;
    snprintf(server->cookie_name, sizeof(server->cookie_name), "trainbot_%d", server->port);
    init_handles(server);
    if (server->tls_cert) {
        uv_timer_start(&server->tls_timer, tls_due, 0, 0);
        return TB_OK;
    }
    result = begin_serving(server);
    if (result < 0) snprintf(why, why_size, "the server could not be set up: %s", tb_error_text(result));
    return result;
}

/* ---- the end ---- */

static void handle_closed(uv_handle_t *handle) {
    struct http_server *server = handle->data;
    if (--server->own_handles > 0) return;
    close(server->listen_fd);
    server->listen_fd = -1;
    server->started = false;
    server->closed(server->closed_user);
}

static void close_own(struct http_server *server) {
    uv_handle_t *handles[] = {(uv_handle_t *)&server->accept_poll, (uv_handle_t *)&server->tls_timer,
                              (uv_handle_t *)&server->runs_timer,  (uv_handle_t *)&server->nudge_timer,
                              (uv_handle_t *)&server->spin,        (uv_handle_t *)&server->drain};
    server->own_handles = (int)(sizeof(handles) / sizeof(handles[0]));
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++)
        uv_close(handles[i], handle_closed);
}

static void spin(uv_idle_t *idle) {
    (void)idle;
}

/* libwebsockets 4.1.6 closes its event pipe's descriptor twice: when its context ends, and in the closing of the
 * handle. What was opened in between would be lost; so it ends right before the loop closes handles, in a check handle.
 */
static void drain_turn(uv_check_t *check) {
    struct http_server *server = check->data;
    if (!server->draining) {
        server->draining = true;
        if (server->context) lws_context_destroy(server->context);
    }
    if (server->handles > 0) return; /* calls and work in the pool end first */
    server->drain_turns++;
    if (server->drain_turns == DRAIN_CLOSE && server->context) {
        struct lws_context *context = server->context;
        server->context = NULL;
        lws_context_destroy(context);
    }
    if (server->drain_turns == DRAIN_END) close_own(server);
}

void http_server_stop(struct http_server *server, void (*closed)(void *user), void *user) {
    server->closed = closed;
    server->closed_user = user;
    if (!server->started) {
        closed(user);
        return;
    }
    server->stopping = true;
    uv_poll_stop(&server->accept_poll);
    uv_timer_stop(&server->tls_timer);
    uv_timer_stop(&server->runs_timer);
    uv_timer_stop(&server->nudge_timer);
    uv_idle_start(&server->spin, spin);
    uv_check_start(&server->drain, drain_turn);
}

/* ---- what the bot tells and asks ---- */

int http_server_port(const struct http_server *server) {
    return server->port;
}

void http_server_link(const struct http_server *server, char *text, size_t size) {
    const char *host = server->listen_host;
    bool any = strcmp(host, "0.0.0.0") == 0, six = strchr(host, ':') != NULL;
    if (any || strcmp(host, "::") == 0) {
        host = any ? "127.0.0.1" : "::1";
        six = !any;
    }
    snprintf(text, size, "%s://%s%s%s:%d/#t=%s", server->tls_cert ? "https" : "http", six ? "[" : "", host,
             six ? "]" : "", server->port, server->token.text);
}

void http_server_runs_due(uv_timer_t *timer) {
    pages_runs_due(timer->data);
}

void http_server_nudge_due(uv_timer_t *timer) {
    pages_nudge_due(timer->data);
}

void http_server_nudge(struct http_server *server) {
    pages_nudge_due(server);
}

void http_server_unsaved(struct http_server *server, const struct outgoing *message) {
    const struct message_record record = {
        .id = message->message,
        .class = (enum message_class)message->message_class,
        .text = message->text,
        .buttons = message->buttons,
        .run = message->run,
        .created_ms = message->created_ms,
    };
    pages_unsaved(server, &record);
}

void http_server_rows(struct http_server *server, const struct run *run, const struct wire_rows *rows, bool progress) {
    server->counts.rows += (int64_t)rows->rows_count;
    server->counts.values += (int64_t)(rows->rows_count * rows->cols_count);
    if (server->pages.first && !server->stopping) pages_rows(server, run, rows, progress);
}

void http_server_run(struct http_server *server, const struct run *run) {
    pages_run(server, run);
}

void http_server_typing(struct http_server *server) {
    pages_typing(server);
}

struct http_counts http_server_counts(const struct http_server *server) {
    return server->counts;
}
