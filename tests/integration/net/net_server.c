/* See net_server.h. */
#include "net_server.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>

#define REQUEST_MAX (1u << 20)
#define WAVE 65536

struct net_conn {
    uv_tcp_t tcp;
    struct net_server *server;
    struct net_conn *previous, *next;
    char *in;
    size_t in_size, requests;
    uint64_t left; /* bytes of an endless answer still to be sent */
    bool chunked;
    const char *wave; /* what it is made of */
    size_t wave_size;
};

struct net_write {
    uv_write_t write;
    struct net_conn *conn;
    char *copy;
};

static char letters[WAVE], chunk[WAVE + 32], header_lines[WAVE];
static size_t chunk_size;

static void gone(uv_handle_t *handle) {
    struct net_conn *conn = handle->data;
    free(conn->in);
    free(conn);
}

static void forget(struct net_conn *conn) {
    if (conn->previous)
        conn->previous->next = conn->next;
    else
        conn->server->conns = conn->next;
    if (conn->next) conn->next->previous = conn->previous;
    conn->server->open--;
}

static void finish(struct net_conn *conn) {
    if (uv_is_closing((uv_handle_t *)&conn->tcp)) return;
    forget(conn);
    uv_close((uv_handle_t *)&conn->tcp, gone);
}

static void reset(struct net_conn *conn) {
    if (uv_is_closing((uv_handle_t *)&conn->tcp)) return;
    forget(conn);
    if (uv_tcp_close_reset(&conn->tcp, gone) < 0) uv_close((uv_handle_t *)&conn->tcp, gone);
}

static void wave(struct net_conn *conn);

static void written(uv_write_t *write, int status) {
    struct net_write *it = (struct net_write *)write;
    struct net_conn *conn = it->conn;
    bool more = !it->copy && status == 0;
    free(it->copy);
    free(it);
    if (more && !uv_is_closing((uv_handle_t *)&conn->tcp)) wave(conn);
}

static void send_bytes(struct net_conn *conn, const char *bytes, size_t size, bool keep) {
    struct net_write *it = calloc(1, sizeof *it);
    it->conn = conn;
    it->copy = keep ? NULL : memcpy(malloc(size + 1), bytes, size);
    uv_buf_t buffer = uv_buf_init(keep ? (char *)(size_t)bytes : it->copy, (unsigned)size);
    if (uv_write(&it->write, (uv_stream_t *)&conn->tcp, &buffer, 1, written) < 0) {
        free(it->copy);
        free(it);
    }
}

static void say(struct net_conn *conn, const char *text) {
    send_bytes(conn, text, strlen(text), false);
}

/* The next piece of an answer that goes on and on; static bytes, so that the server's memory stays small as well. */
static void wave(struct net_conn *conn) {
    if (conn->left == 0) return;
    size_t size = conn->wave_size < conn->left ? conn->wave_size : (size_t)conn->left;
    conn->left -= size;
    send_bytes(conn, conn->wave, size, true);
}

static void begin_wave(struct net_conn *conn, const char *head, const char *bytes, size_t size, uint64_t total) {
    say(conn, head);
    conn->wave = bytes;
    conn->wave_size = size;
    conn->left = total;
    wave(conn);
}

static void hello(struct net_conn *conn) {
    say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Said: twice \r\n\r\nhello");
}

static void shut(uv_shutdown_t *request, int status) {
    struct net_conn *conn = request->data;
    (void)status;
    free(request);
    finish(conn);
}

/* Closes behind what is written. */
static void end(struct net_conn *conn) {
    uv_shutdown_t *request = calloc(1, sizeof *request);
    request->data = conn;
    if (uv_shutdown(request, (uv_stream_t *)&conn->tcp, shut) < 0) free(request);
}

static void echo(struct net_conn *conn, const char *request, size_t size) {
    char head[128];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    say(conn, head);
    send_bytes(conn, request, size, false);
}

static void status(struct net_conn *conn, int code) {
    char text[256];
    snprintf(text, sizeof text,
             "HTTP/1.1 %d Word\r\nContent-Type: text/html\r\nContent-Length: 11\r\nLocation: /ok\r\n\r\n<p>oops</p>",
             code);
    say(conn, text);
}

/* The plain answers: text, then open or closed. */
static const struct {
    const char *path, *text;
    enum { OPEN, END, RESET } then;
} answers[] = {
    {"/close", "", END},
    {"/reset", "", RESET},
    {"/hang", "", OPEN},
    {"/half", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", END},
    {"/half-hang", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789", OPEN},
    {"/half-header", "HTTP/1.1 200 OK\r\nContent-Le", END},
    {"/only-status", "HTTP/1.1 200 OK\r\n", END},
    {"/only-interim", "HTTP/1.1 100 Continue\r\n\r\n", END},
    {"/interim-hang", "HTTP/1.1 102 Processing\r\n\r\n", OPEN},
    {"/switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", OPEN},
    {"/half-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", END},
    {"/chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: v\r\n\r\n",
     OPEN},
    {"/bad-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", OPEN},
    {"/continue", "HTTP/1.1 100 Continue\r\nX-Said: once\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
     OPEN},
    {"/204", "HTTP/1.1 204 No Content\r\n\r\n", OPEN},
    {"/gzip", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x01", OPEN},
    {"/to-the-end", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", END},
    {"/then-close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", END},
    {"/garbage", "SSH-2.0-nothing\r\nhello\r\n", END},
    {"/negative", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", END},
};

static bool plain(struct net_conn *conn, const char *path) {
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].path, path) != 0) continue;
        if (answers[i].text[0]) say(conn, answers[i].text);
        if (answers[i].then == END) end(conn);
        if (answers[i].then == RESET) reset(conn);
        return true;
    }
    return false;
}

#define MIB ((uint64_t)1 << 20)

static void serve(struct net_conn *conn, const char *path, size_t size) {
    int code;
    if (plain(conn, path)) return;
    if (sscanf(path, "/status/%d", &code) == 1)
        status(conn, code);
    else if (strcmp(path, "/echo") == 0)
        echo(conn, conn->in, size);
    else if (strcmp(path, "/second-breaks") == 0 && conn->requests == 2)
        finish(conn);
    else if (strcmp(path, "/second-resets") == 0 && conn->requests == 2)
        reset(conn);
    else if (strcmp(path, "/huge") == 0)
        begin_wave(conn, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", letters, WAVE, 100 * MIB);
    else if (strcmp(path, "/huge-chunked") == 0)
        begin_wave(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, chunk_size, 100 * MIB);
    else if (strcmp(path, "/huge-refused") == 0)
        begin_wave(conn, "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n", chunk, chunk_size, 100 * MIB);
    else if (strcmp(path, "/header-line") == 0)
        begin_wave(conn, "HTTP/1.1 200 OK\r\nX-Long: ", letters, WAVE, 100 * MIB);
    else if (strcmp(path, "/header-lines") == 0)
        begin_wave(conn, "HTTP/1.1 200 OK\r\n", header_lines, WAVE, 100 * MIB);
    else
        hello(conn);
}

/* One whole request in `in`? Its size, else 0. */
static size_t whole(const struct net_conn *conn) {
    const char *body = strstr(conn->in, "\r\n\r\n"), *length = strcasestr(conn->in, "\r\nContent-Length:");
    if (!body) return 0;
    size_t head = (size_t)(body - conn->in) + 4;
    size_t rest = length && length < body ? strtoul(length + 17, NULL, 10) : 0;
    return head + rest <= conn->in_size ? head + rest : 0;
}

static void take_requests(struct net_conn *conn) {
    for (size_t size; !uv_is_closing((uv_handle_t *)&conn->tcp) && (size = whole(conn));) {
        char path[256] = "";
        sscanf(conn->in, "%*s %255s", path);
        conn->requests++;
        conn->server->requests++;
        snprintf(conn->server->last, sizeof conn->server->last, "%.*s", (int)(size < 4095 ? size : 4095), conn->in);
        serve(conn, path, size);
        conn->in_size -= size;
        memmove(conn->in, conn->in + size, conn->in_size + 1);
    }
}

static void alloc(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
    static char room[WAVE];
    (void)handle, (void)size;
    *buffer = uv_buf_init(room, sizeof room);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
    struct net_conn *conn = stream->data;
    if (size < 0) {
        finish(conn);
        return;
    }
    if (conn->in_size == 0 && size > 11 && memcmp(buffer->base, "POST /early", 11) == 0) {
        /* answers by the head alone, and leaves the rest unread */
        static const char refusal[] = "HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
        uv_buf_t said = uv_buf_init((char *)(size_t)refusal, sizeof refusal - 1);
        if (uv_try_write(stream, &said, 1) != (int)said.len) abort();
        uv_read_stop(stream);
        end(conn);
        return;
    }
    if (conn->in_size + (size_t)size > REQUEST_MAX) abort();
    conn->in = realloc(conn->in, conn->in_size + (size_t)size + 1);
    memcpy(conn->in + conn->in_size, buffer->base, (size_t)size);
    conn->in_size += (size_t)size;
    conn->in[conn->in_size] = 0;
    take_requests(conn);
}

static void on_connection(uv_stream_t *listener, int error) {
    struct net_server *server = listener->data;
    struct net_conn *conn = calloc(1, sizeof *conn);
    if (error < 0 || uv_tcp_init(listener->loop, &conn->tcp) < 0) abort();
    conn->tcp.data = conn;
    conn->server = server;
    conn->next = server->conns;
    if (conn->next) conn->next->previous = conn;
    server->conns = conn;
    server->open++;
    if (uv_accept(listener, (uv_stream_t *)&conn->tcp) < 0) abort();
    server->accepted++;
    if (server->on_accept == NET_READ) {
        uv_tcp_nodelay(&conn->tcp, 1);
        uv_read_start((uv_stream_t *)&conn->tcp, alloc, on_read);
    }
    if (server->on_accept == NET_CLOSE) finish(conn);
    if (server->on_accept == NET_RESET) reset(conn);
}

static void fill(void) {
    memset(letters, 'a', sizeof letters);
    chunk_size = (size_t)snprintf(chunk, sizeof chunk, "%x\r\n", WAVE - 16);
    memset(chunk + chunk_size, 'b', WAVE - 16);
    memcpy(chunk + chunk_size + WAVE - 16, "\r\n", 2);
    chunk_size += WAVE - 16 + 2;
    for (size_t at = 0; at < sizeof header_lines; at += 16)
        memcpy(header_lines + at, "X-Header: abcd\r\n", 16);
}

void net_server_start(struct net_server *server, uv_loop_t *loop) {
    struct sockaddr_in address;
    int size = sizeof address;
    fill();
    memset(server, 0, sizeof *server);
    uv_ip4_addr("127.0.0.1", 0, &address);
    if (uv_tcp_init(loop, &server->listener) < 0 ||
        uv_tcp_bind(&server->listener, (struct sockaddr *)&address, 0) < 0 ||
        uv_listen((uv_stream_t *)&server->listener, 128, on_connection) < 0 ||
        uv_tcp_getsockname(&server->listener, (struct sockaddr *)&address, &size) < 0)
        abort();
    server->listener.data = server;
    server->port = ntohs(address.sin_port);
}

void net_server_drop(struct net_server *server) {
    while (server->conns)
        finish(server->conns);
}

void net_server_stop(struct net_server *server) {
    net_server_drop(server);
    uv_close((uv_handle_t *)&server->listener, NULL);
}

size_t net_server_unread(const struct net_server *server) {
    size_t sum = 0;
    for (const struct net_conn *conn = server->conns; conn; conn = conn->next) {
        int fd = -1, size = 0;
        uv_fileno((const uv_handle_t *)&conn->tcp, &fd);
        if (fd >= 0 && ioctl(fd, FIONREAD, &size) == 0) sum += (size_t)size;
    }
    return sum;
}

const char *net_server_url(const struct net_server *server, const char *path) {
    static char texts[8][256];
    static size_t next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "http://127.0.0.1:%d%s", server->port, path);
    return text;
}
