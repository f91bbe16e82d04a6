/*
 * Trainers' connections on a Unix socket: see link.h. Always holds: a connection's struct lives until its close
 * callback; core hears of its end once, from the loop.
 */
#include "link.h"
#include "runs.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_BYTES 65536

struct peer {
    struct trainer_conn conn; /* first: core knows only this */
    uv_pipe_t pipe;
    struct trainer_link *link;
    struct wire_reader reader;
    unsigned bad_lines;
    bool closing;
    struct peer *next, **at;
};

struct trainer_link {
    uv_pipe_t listener;
    struct bot *bot;
    struct peer *peers;
    struct trainer_link_counts counts;
    char *path;
    bool closing;
    void (*closed)(void *user);
    void *closed_user;
    struct wire_buf out;    /* one frame at a time */
    char bytes[READ_BYTES]; /* libuv reads into it and we are done with it before the next read */
};

struct pending_write {
    uv_write_t request;
    char bytes[];
};

static void finish_close(struct trainer_link *link) {
    if (!link->closing || link->peers || !uv_is_closing((uv_handle_t *)&link->listener) || link->listener.data) return;
    void (*closed)(void *) = link->closed;
    void *user = link->closed_user;
    wire_buf_release(&link->out);
    free(link->path);
    free(link);
    if (closed) closed(user);
}

static void peer_closed(uv_handle_t *handle) {
    struct peer *peer = handle->data;
    struct trainer_link *link = peer->link;
    runs_disconnected(link->bot, &peer->conn); /* nothing to do where core was told already */
    *peer->at = peer->next;
    if (peer->next) peer->next->at = peer->at;
    link->counts.trainers--;
    wire_reader_release(&peer->reader);
    free(peer);
    finish_close(link);
}

static void peer_close(struct peer *peer) {
    if (peer->closing) return;
    peer->closing = true;
    runs_disconnected(peer->link->bot, &peer->conn);
    uv_close((uv_handle_t *)&peer->pipe, peer_closed);
}

/* Core asked for it, and must not be called back from inside its own call: it hears of the end from the loop. */
static void conn_close(struct trainer_conn *conn) {
    struct peer *peer = (struct peer *)conn;
    if (peer->closing) return;
    peer->closing = true;
    uv_close((uv_handle_t *)&peer->pipe, peer_closed);
}

static void write_done(uv_write_t *request, int status) {
    (void)status;
    free(request);
}

static int send_bytes(struct peer *peer, const char *bytes, size_t size) {
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes, (unsigned)size);
    size_t sent = 0;
    if (peer->pipe.write_queue_size == 0) {
        int count = uv_try_write((uv_stream_t *)&peer->pipe, &buf, 1);
        if (count >= 0)
            sent = (size_t)count;
        else if (count != UV_EAGAIN)
            return TB_EGONE;
    }
    if (sent == size) return TB_OK;
    if (peer->pipe.write_queue_size + size - sent > LINK_UNSENT_MAX) return TB_EGONE;
    struct pending_write *pending = malloc(sizeof *pending + size - sent);
    if (!pending) return TB_ENOMEM;
    memcpy(pending->bytes, bytes + sent, size - sent);
    buf = uv_buf_init(pending->bytes, (unsigned)(size - sent));
    if (uv_write(&pending->request, (uv_stream_t *)&peer->pipe, &buf, 1, write_done) < 0) {
        free(pending);
        return TB_EGONE;
    }
    return TB_OK;
}

static int conn_send(struct trainer_conn *conn, const struct wire_frame *frame) {
    struct peer *peer = (struct peer *)conn;
    if (peer->closing) return TB_EGONE;
    struct wire_buf *out = &peer->link->out;
    out->size = 0;
    if (wire_encode(frame, out) < 0) return TB_ENOMEM;
    int status = send_bytes(peer, out->bytes, out->size);
    if (status == TB_EGONE) bot_log(peer->link->bot, 1, "a trainer does not read what it is sent: dropped");
    if (status < 0) conn_close(conn);
    return status;
}

static const struct trainer_conn_ops peer_ops = {.send = conn_send, .close = conn_close};

static void refuse(struct peer *peer, const char *code, const char *why) {
    struct wire_frame frame = {.kind = WIRE_ERROR, .u.error = {.code = code, .why = why}};
    peer->link->counts.bad_lines++;
    if (conn_send(&peer->conn, &frame) < 0) return;
    if (++peer->bad_lines == 1) bot_log(peer->link->bot, 1, "a trainer sent a bad line: %s: %s", code, why);
    if (peer->bad_lines >= LINK_BAD_LINES_MAX) peer_close(peer);
}

static bool on_line(void *user, const char *line, size_t size) {
    struct peer *peer = user;
    struct trainer_link *link = peer->link;
    struct wire_frame frame;
    struct wire_fault fault;
    link->counts.lines++;
    if (!line) {
        refuse(peer, "too_long", "a line has at most 65536 bytes, its newline included");
    } else if (wire_decode(line, size, &frame, &fault) < 0) {
        refuse(peer, fault.code, fault.why);
        if (strcmp(fault.code, "bad_version") == 0) peer_close(peer);
    } else {
        int status = runs_frame(link->bot, &peer->conn, &frame);
        bool refused = status < 0 && frame.kind == WIRE_HELLO && !peer->conn.run;
        wire_frame_clear(&frame);
        if (refused) peer_close(peer);
    }
    return !peer->closing;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct peer *peer = handle->data;
    (void)suggested;
    *buf = uv_buf_init(peer->link->bytes, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    struct peer *peer = stream->data;
    if (count < 0) {
        peer_close(peer);
        return;
    }
    if (count > 0 && wire_reader_feed(&peer->reader, buf->base, (size_t)count, on_line, peer) < 0) peer_close(peer);
}

static bool allowed(const struct trainer_link *link, uv_pipe_t *pipe) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)pipe, &fd) < 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return false;
    if (peer.uid == geteuid() || peer.uid == 0) return true;
    const struct settings *settings = link->bot->ports.settings;
    for (size_t i = 0; i < settings->trainer_uids_count; i++)
        if (settings->trainer_uids[i] == peer.uid) return true;
    bot_log(link->bot, 1, "a trainer of uid %u was turned away: not in [bot] trainer_uids", peer.uid);
    return false;
}

static void on_connection(uv_stream_t *listener, int status) {
    struct trainer_link *link = (struct trainer_link *)((char *)listener - offsetof(struct trainer_link, listener));
    struct peer *peer = status < 0 || link->closing ? NULL : calloc(1, sizeof *peer);
    if (!peer || uv_pipe_init(listener->loop, &peer->pipe, 0) < 0) {
        free(peer);
        return;
    }
    peer->conn.ops = &peer_ops;
    peer->link = link;
    peer->pipe.data = peer;
    peer->next = link->peers;
    peer->at = &link->peers;
    if (peer->next) peer->next->at = &peer->next;
    link->peers = peer;
    link->counts.trainers++;
    bool good = uv_accept(listener, (uv_stream_t *)&peer->pipe) == 0 && allowed(link, &peer->pipe);
    if (good && link->counts.trainers > LINK_TRAINERS_MAX) {
        bot_log(link->bot, 1, "more than %d trainers: one was turned away", LINK_TRAINERS_MAX);
        good = false;
    }
    if (!good) link->counts.turned_away++;
    if (!good || uv_read_start((uv_stream_t *)&peer->pipe, on_alloc, on_read) < 0) peer_close(peer);
}

int trainer_link_create(uv_loop_t *loop, struct bot *bot, const char *path, struct trainer_link **ret_link, char *why,
                        size_t why_size) {
    if (strlen(path) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        snprintf(why, why_size, "%s: a socket's path has at most %zu bytes; choose a shorter state_dir", path,
                 sizeof((struct sockaddr_un *)0)->sun_path - 1);
        return TB_ERANGE;
    }
    struct trainer_link *link = calloc(1, sizeof *link);
    if (!link || !(link->path = strdup(path)) || uv_pipe_init(loop, &link->listener, 0) < 0) {
        if (link) free(link->path);
        free(link);
        return TB_ENOMEM;
    }
    link->bot = bot;
    link->listener.data = link;
    (void)unlink(path);
    mode_t mask = umask(0177);
    int status = uv_pipe_bind(&link->listener, path);
    umask(mask);
    if (status == 0) status = uv_listen((uv_stream_t *)&link->listener, 1024, on_connection);
    if (status < 0) {
        snprintf(why, why_size, "%s: %s", path, uv_strerror(status));
        trainer_link_close(link, NULL, NULL);
        return TB_EIO;
    }
    *ret_link = link;
    return TB_OK;
}

static void listener_closed(uv_handle_t *handle) {
    struct trainer_link *link = handle->data;
    handle->data = NULL;
    finish_close(link);
}

void trainer_link_close(struct trainer_link *link, void (*closed)(void *user), void *user) {
    if (!link) {
        if (closed) closed(user);
        return;
    }
    link->closing = true;
    link->closed = closed;
    link->closed_user = user;
    for (struct peer *peer = link->peers, *next; peer; peer = next) {
        next = peer->next;
        peer_close(peer);
    }
    uv_close((uv_handle_t *)&link->listener, listener_closed);
}

struct trainer_link_counts trainer_link_counts(const struct trainer_link *link) {
    return link->counts;
}
