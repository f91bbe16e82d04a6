/* mirror.c: see mirror.h. One request a connection. */
#include "mirror.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static bool is(const char *way, const char *name) {
    return strcmp(way, name) == 0;
}

static long long send_all(int fd, const uint8_t *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = send(fd, bytes + done, size - done, MSG_NOSIGNAL);
        if (n <= 0) break;
        done += (size_t)n;
    }
    return (long long)done;
}

static void send_text(int fd, const char *text) {
    send_all(fd, (const uint8_t *)text, strlen(text));
}

static void body_send(struct mirror *m, int fd, const char *way, const struct mirror_file *file, long long from) {
    char head[256];
    bool ranged = from >= 0 && strstr(way, "plain") == NULL;
    size_t start = ranged ? (size_t)from : 0;
    if (start >= file->size) {
        send_text(fd, "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    size_t left = file->size - start, extra = is(way, "long") ? 5 : 0;
    uint8_t *bytes = calloc(1, left + extra);
    memcpy(bytes, file->bytes + start, left);
    if (is(way, "wrong")) bytes[left / 2] ^= 1;
    size_t told = is(way, "shifted") ? start + 1 : start;
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n", ranged ? "206 Partial Content" : "200 OK",
             left + extra);
    send_text(fd, head);
    snprintf(head, sizeof head, "Content-Range: bytes %zu-%zu/%zu\r\n", told, file->size - 1, file->size);
    if (ranged) send_text(fd, head);
    send_text(fd, "Connection: close\r\n\r\n");
    bool cut = strncmp(way, "cut", 3) == 0 && atomic_fetch_sub(&m->cuts, 1) > 0;
    atomic_fetch_add(&m->sent, send_all(fd, bytes, cut ? left / 2 : left + extra));
    free(bytes);
}

static void answer(struct mirror *m, int fd) {
    char request[4096] = "", way[32], name[64];
    size_t size = 0;
    while (strstr(request, "\r\n\r\n") == NULL && size + 1 < sizeof request) {
        ssize_t n = recv(fd, request + size, sizeof request - 1 - size, 0);
        if (n <= 0) return;
        request[size += (size_t)n] = '\0';
    }
    atomic_fetch_add(&m->requests, 1);
    if (sscanf(request, "GET /%31[^/]/%63s ", way, name) != 2) return;
    const char *range = strcasestr(request, "\r\nrange: bytes=");
    long long from = range != NULL ? strtoll(range + strlen("\r\nrange: bytes="), NULL, 10) : -1;
    atomic_store(&m->last_from, from);
    if (is(way, "mute")) return;
    for (int i = 0; i < MIRROR_FILES_MAX && !is(way, "missing") && !is(way, "moved"); i++)
        if (m->files[i].name != NULL && is(name, m->files[i].name)) {
            body_send(m, fd, way, &m->files[i], from);
            return;
        }
    send_text(fd, is(way, "moved") ? "HTTP/1.1 302 Found\r\nLocation: /good/x\r\nContent-Length: 0\r\n\r\n"
                                   : "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot here\n");
}

static void *serve(void *argument) {
    struct mirror *m = argument;
    int fd;
    while ((fd = accept(m->listener, NULL, NULL)) >= 0) {
        answer(m, fd);
        close(fd);
    }
    return NULL;
}

void mirror_start(struct mirror *m, const struct mirror_file *files) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    *m = (struct mirror){.files = files, .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(m->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(m->listener, 16), 0);
    assert_int_equal(getsockname(m->listener, (struct sockaddr *)&address, &length), 0);
    m->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&m->thread, NULL, serve, m), 0);
}

void mirror_stop(struct mirror *m) {
    shutdown(m->listener, SHUT_RDWR);
    pthread_join(m->thread, NULL);
    close(m->listener);
}

const char *mirror_url(const struct mirror *m, const char *way) {
    static char texts[8][128];
    static int at;
    char *text = texts[at++ % 8];
    snprintf(text, sizeof texts[0], "http://127.0.0.1:%d/%s", m->port, way);
    return text;
}
