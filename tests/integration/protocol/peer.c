/* peer.c: see peer.h. */
#include "peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void peer_listen(struct peer *p) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", p->path);
    unlink(p->path);
    p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(p->listener >= 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(p->listener, 8), 0);
}

void peer_init(struct peer *p) {
    memset(p, 0, sizeof *p);
    strcpy(p->dir, "/tmp/publisher-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/s", p->dir);
    static unsigned char seen[PEER_STEPS];
    memset(seen, 0, sizeof seen);
    p->seen = seen;
    p->fd = p->listener = -1;
    p->ack = true;
    setenv("TRAINBOT_SOCKET", p->path, 1);
    setenv("TRAINBOT_RUN_DIR", p->dir, 1);
    setenv("TRAINBOT_RUN", "7", 1);
    unsetenv("TRAINBOT_SPOOL_MB");
    unsetenv("RANK");
    peer_listen(p);
}

void peer_hang_up(struct peer *p) {
    if (p->fd >= 0) close(p->fd);
    p->fd = -1;
    wire_reader_release(&p->reader);
}

void peer_die(struct peer *p) {
    peer_hang_up(p);
    if (p->listener >= 0) close(p->listener);
    p->listener = -1;
    unlink(p->path);
}

void peer_release(struct peer *p) {
    char spool[128];
    peer_die(p);
    snprintf(spool, sizeof spool, "%s/spool", p->dir);
    unlink(spool);
    assert_int_equal(rmdir(p->dir), 0); /* nothing else may lie there */
}

void peer_send(struct peer *p, const char *line) {
    if (p->fd >= 0) (void)!send(p->fd, line, strlen(line), MSG_NOSIGNAL);
}

static void take_rows(struct peer *p, const struct wire_rows *rows) {
    for (size_t i = 0; i < rows->rows_count; i++) {
        int64_t step = rows->steps[i];
        if (step >= 0 && step < PEER_STEPS) p->seen[step]++;
        if (rows->t_ms[i] < p->last_t_ms) fail_msg("t_ms went back at step %lld", (long long)step);
        p->last_t_ms = rows->t_ms[i];
        p->last_step = step;
        p->rows++;
    }
}

static void take_new(struct peer *p, const struct wire_frame *f) {
    p->kinds[f->kind]++;
    switch (f->kind) {
    case WIRE_METRICS:
        take_rows(p, &f->u.metrics);
        break;
    case WIRE_PROGRESS:
        p->progress_rows++;
        break;
    case WIRE_EVENT:
        p->events[f->u.event.kind]++;
        p->dropped += (uint64_t)f->u.event.dropped;
        break;
    case WIRE_CHUNK:
        assert_int_equal(f->u.chunk.offset, p->picture_size);
        assert_true(p->picture_size + f->u.chunk.size <= sizeof p->picture);
        memcpy(p->picture + p->picture_size, f->u.chunk.data, f->u.chunk.size);
        p->picture_size += f->u.chunk.size;
        break;
    case WIRE_BYE:
        snprintf(p->status, sizeof p->status, "%s", f->u.bye.status);
        break;
    default:
        break;
    }
}

static void greet(struct peer *p, const struct wire_frame *f) {
    char welcome[2048];
    p->hellos++;
    p->after_hello = true;
    p->next_seq = f->u.hello.next_seq;
    assert_true(p->next_seq <= p->acked + 1 || p->acked == 0); /* what it says is acknowledged, we acknowledged */
    snprintf(p->instance, sizeof p->instance, "%s", f->u.hello.instance);
    if (p->last_seq == 0) p->last_seq = 1;
    snprintf(welcome, sizeof welcome, "{\"type\":\"welcome\",\"run\":\"7\",\"params\":%s,\"ack\":%llu}\n",
             p->welcome_params ? p->welcome_params : "{}", (unsigned long long)p->acked);
    peer_send(p, welcome);
}

static bool on_line(void *user, const char *line, size_t size) {
    struct peer *p = user;
    struct wire_frame f;
    struct wire_fault fault;
    assert_non_null(line);
    if (wire_decode(line, size, &f, &fault) < 0)
        fail_msg("the publisher sent %.*s: %s %s", (int)size, line, fault.code, fault.why);
    snprintf(p->last[f.kind], sizeof p->last[0], "%.*s", (int)size, line);
    if (f.kind == WIRE_HELLO) {
        assert_int_equal(f.seq, 1);
        greet(p, &f);
    } else if (f.kind == WIRE_HEARTBEAT) {
        p->heartbeats++;
    } else if (f.kind == WIRE_ERROR) {
        p->faults++;
    } else {
        assert_true(f.seq > 1);
        if (f.seq > p->last_seq + 1) p->holes++;
        if (f.seq > p->last_seq) {
            p->last_seq = f.seq;
            take_new(p, &f);
        }
    }
    wire_frame_clear(&f);
    return true;
}

static void acknowledge(struct peer *p) {
    char line[64];
    if (!p->ack || p->last_seq <= p->acked || p->fd < 0) return;
    p->acked = p->last_seq;
    snprintf(line, sizeof line, "{\"type\":\"ack\",\"seq\":%llu}\n", (unsigned long long)p->acked);
    peer_send(p, line);
}

static void read_some(struct peer *p) {
    char bytes[65536];
    ssize_t n = recv(p->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (n > 0) {
        assert_int_equal(wire_reader_feed(&p->reader, bytes, (size_t)n, on_line, p), 0);
        acknowledge(p);
    } else if (n == 0) {
        peer_hang_up(p);
    }
}

bool peer_run(struct peer *p, bool (*done)(const struct peer *, int64_t), int64_t n, int ms) {
    int64_t until = now_ms() + ms;
    for (;;) {
        if (done && done(p, n)) return true;
        int64_t left = until - now_ms();
        if (left <= 0) return false;
        struct pollfd fds[2] = {{.fd = p->listener, .events = POLLIN}, {.fd = p->fd, .events = POLLIN}};
        poll(fds, 2, (int)left);
        if (p->fd < 0 && p->listener >= 0) p->fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
        if (p->fd >= 0) read_some(p);
    }
}

int64_t peer_spool_size(const struct peer *p) {
    char path[128];
    struct stat status;
    snprintf(path, sizeof path, "%s/spool", p->dir);
    return stat(path, &status) < 0 ? -1 : (int64_t)status.st_size;
}

int peer_import_spool(struct peer *p) {
    char path[128], *line = NULL;
    size_t room = 0;
    int lines = 0;
    snprintf(path, sizeof path, "%s/spool", p->dir);
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    for (ssize_t n; (n = getline(&line, &room, file)) > 0; lines++) {
        assert_int_equal(line[n - 1], '\n'); /* no torn end */
        on_line(p, line, (size_t)n - 1);
        if (lines == 0) assert_int_equal(p->hellos > 0, 1); /* hello stands first */
    }
    free(line);
    fclose(file);
    return lines;
}

bool peer_has_rows(const struct peer *p, int64_t n) {
    return p->rows >= (uint64_t)n;
}

bool peer_has_bye(const struct peer *p, int64_t n) {
    (void)n;
    return p->status[0] != 0;
}

bool peer_has_kind(const struct peer *p, int64_t n) {
    return p->kinds[n / 1000] >= (uint64_t)(n % 1000);
}

bool peer_has_hello(const struct peer *p, int64_t n) {
    return p->hellos >= (uint64_t)n;
}

void peer_assert_steps(const struct peer *p, int64_t steps) {
    for (int64_t step = 1; step <= steps; step++)
        if (p->seen[step] != 1) fail_msg("step %lld came %d times", (long long)step, p->seen[step]);
    assert_int_equal(p->rows, steps);
    assert_int_equal(p->holes, 0);
}
