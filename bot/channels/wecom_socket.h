/*
 * wecom_socket.h: one WebSocket to a gateway, by libwebsockets on the bot's loop: names resolved by libuv's pool, TLS
 * checked against the name, whole text messages out and in. Says what happens, decides nothing. Loop thread only.
 *
 * Ending takes turns of the loop, as with the web server: the context is destroyed, its handles close, it is destroyed
 * again; then uv_loop_close finds nothing left.
 */
#ifndef TRAINBOT_WECOM_SOCKET_H
#define TRAINBOT_WECOM_SOCKET_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct wecom_socket;

struct wecom_socket_events {
    void (*opened)(void *user);
    void (*writable)(void *user); /* one wecom_socket_write is due */
    /* A whole text message, bytes may be changed; NULL and 0: one that was no text, or too long (why says which). */
    void (*received)(void *user, char *bytes, size_t size, const char *why);
    void (*closed)(void *user, const char *why); /* also when it could not be opened; not after wecom_socket_drop */
    void *user;
};
/* url: checked by service_url_base before. ca_file: "" the system's certificates. proxy: "" none. All copied. */
MUST_USE int wecom_socket_create(uv_loop_t *loop, const char *url, const char *ca_file, const char *proxy,
                                 const struct wecom_socket_events *events, struct wecom_socket **ret_socket);
/* Begins to connect; opened or closed follows, closed possibly from inside. Not while connecting or connected. */
void wecom_socket_connect(struct wecom_socket *socket);
/* writable() follows soon; nothing where there is no connection. */
void wecom_socket_want_write(struct wecom_socket *socket);
/* Only from writable(), once. False: the connection is broken, closed follows. */
bool wecom_socket_write(struct wecom_socket *socket, const char *bytes, size_t size);
/* Ends the connection, or the try, at once; no event follows. */
void wecom_socket_drop(struct wecom_socket *socket);
/* Frees it; closed() is called from the loop when nothing of it is left there. */
void wecom_socket_stop(struct wecom_socket *socket, void (*closed)(void *user), void *user);

#endif
