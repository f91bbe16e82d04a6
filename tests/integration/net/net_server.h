/*
 * net_server.h: a web server that misbehaves as told, on the test's own loop. The path of a request names what happens
 * (the table in net_server.c); `on_accept` what happens before a byte is read.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

enum net_accept { NET_READ, NET_CLOSE, NET_RESET, NET_SILENT };

struct net_conn;

struct net_server {
    uv_tcp_t listener;
    int port;
    enum net_accept on_accept;
    size_t accepted, requests, open; /* connections taken, requests read to their end, connections now */
    struct net_conn *conns;
    char last[4096]; /* the head of the last request and the begin of its body */
};

void net_server_start(struct net_server *server, uv_loop_t *loop);
void net_server_drop(struct net_server *server);           /* closes every connection, as a restart would */
void net_server_stop(struct net_server *server);           /* drops, and closes the listener */
size_t net_server_unread(const struct net_server *server); /* bytes that wait in the kernel, of all connections */
/* "http://127.0.0.1:port/path", valid until the 8th next call. */
const char *net_server_url(const struct net_server *server, const char *path);

#endif
