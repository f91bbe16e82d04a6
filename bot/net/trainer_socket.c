/*
 * trainer_socket.c: one trainer on another machine (see trainer_socket.h). Frames are decoded here and handed to runs;
 * what runs answers is queued and sent as the socket takes it.
 */
#include "http_internal.h"
#include "page_internal.h"
#include "runs.h"
#include <stdlib.h>
#include <string.h>

struct remote {
    struct trainer_conn conn; /* first: runs hands it back */
    struct http_server *server;
    struct lws *wsi;
    struct queue queue;
    char *line;
    size_t size;
    bool too_long, closing;
};

static int remote_send(struct trainer_conn *conn, const struct wire_frame *frame) {
    struct remote *remote = (struct remote *)conn;
    struct wire_buf buf = {0};
    struct json_out out = {0};
    if (remote->closing) return TB_EGONE;
    int result = wire_encode(frame, &buf);
    if (result >= 0 && buf.size) json_raw(&out, buf.bytes, buf.size - 1);
    wire_buf_release(&buf);
    struct packet *packet = result >= 0 ? packet_take(&out) : NULL;
    json_out_release(&out);
    bool fits = packet && remote->queue.bytes + packet->size <= REMOTE_QUEUE_BYTES;
    if (packet && !fits) packet_unref(packet);
    if (!fits || !queue_push(&remote->queue, packet)) {
        conn->ops->close(conn);
        return TB_EGONE;
    }
    lws_callback_on_writable(remote->wsi);
    return TB_OK;
}

static void remote_close(struct trainer_conn *conn) {
    struct remote *remote = (struct remote *)conn;
    remote->closing = true;
    lws_callback_on_writable(remote->wsi);
}

static const struct trainer_conn_ops remote_ops = {remote_send, remote_close};

int remote_open(struct http_server *server, struct lws *wsi, struct remote **ret_remote) {
    struct remote *remote = calloc(1, sizeof(*remote));
    if (!remote) return -1;
    remote->conn.ops = &remote_ops;
    remote->conn.remote = true;
    remote->server = server;
    remote->wsi = wsi;
    server->counts.trainers++;
    *ret_remote = remote;
    return 0;
}

void remote_closed(struct remote *remote) {
    remote->closing = true;
    remote->server->counts.trainers--;
    runs_disconnected(http_bot(remote->server), &remote->conn);
    queue_clear(&remote->queue);
    free(remote->line);
    free(remote);
}

static void remote_fault(struct remote *remote, const char *code, const char *why) {
    struct wire_frame frame = {.kind = WIRE_ERROR};
    frame.u.error.code = code;
    frame.u.error.why = why;
    if (remote_send(&remote->conn, &frame) < 0) remote->closing = true;
}

static int remote_line(struct remote *remote, const char *bytes, size_t size) {
    struct bot *bot = http_bot(remote->server);
    struct wire_frame frame;
    struct wire_fault fault;
    while (size && (bytes[size - 1] == '\n' || bytes[size - 1] == '\r'))
        size--;
    if (!size) return 0;
    if (wire_decode(bytes, size, &frame, &fault) < 0) {
        remote_fault(remote, fault.code, fault.why);
        return 0;
    }
    bool greeted = remote->conn.run != NULL;
    int result = runs_frame(bot, &remote->conn, &frame);
    wire_frame_clear(&frame);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    if (result < 0 && !greeted) remote_close(&remote->conn);
    return 0;
}

int remote_receive(struct remote *remote, const char *bytes, size_t size, bool first, bool final) {
    if (remote->closing) return 0;
    if (first) {
        remote->size = 0;
        remote->too_long = false;
    }
    if (first && final && size <= WIRE_FRAME_MAX) return remote_line(remote, bytes, size);
    if (!remote->line && !(remote->line = malloc(WIRE_FRAME_MAX))) return -1;
    if (remote->too_long || size > WIRE_FRAME_MAX - remote->size) {
        remote->too_long = true;
    } else {
        memcpy(remote->line + remote->size, bytes, size);
        remote->size += size;
    }
    if (!final) return 0;
    if (remote->too_long)
        remote_fault(remote, "too_long", "a frame is at most 64 KiB long");
    else
        remote_line(remote, remote->line, remote->size);
    return 0;
}

int remote_writable(struct remote *remote) {
    struct packet *packet = queue_pop(&remote->queue);
    if (!packet) return remote->closing ? -1 : 0;
    int written = lws_write(remote->wsi, packet->bytes, packet->size, LWS_WRITE_TEXT);
    bool ok = written >= (int)packet->size;
    packet_unref(packet);
    lws_callback_on_writable(remote->wsi);
    return ok ? 0 : -1;
}
