/*
 * trainer_socket.h: /trainer, where trainers on other machines connect: the same frames as on the Unix socket, one a
 * text message, both ways. Frames to the trainer wait in a bounded queue; one that does not read is cut off.
 */
#ifndef TRAINBOT_TRAINER_SOCKET_H
#define TRAINBOT_TRAINER_SOCKET_H

#include <libwebsockets.h>
#include <stdbool.h>
#include <stddef.h>

#define REMOTE_QUEUE_BYTES (4u << 20)

struct remote;
struct http_server;

int remote_open(struct http_server *server, struct lws *wsi, struct remote **ret_remote);
/* Negative: close the connection. */
int remote_receive(struct remote *remote, const char *bytes, size_t size, bool first, bool final);
int remote_writable(struct remote *remote);
void remote_closed(struct remote *remote);

#endif
