/* net_calls.h: a client and a server on one loop, and calls whose answers are kept. */
#ifndef NET_CALLS_H
#define NET_CALLS_H

#include "http_client.h"
#include "net_server.h"

struct net_fixture {
    uv_loop_t loop;
    struct net_server server;
    struct http_client *client;
    size_t closed; /* clients that said so */
};

struct net_kept { /* an answer, copied */
    struct http_call *call;
    uv_loop_t *loop; /* to be stopped at the answer: a turn that got it from a timer would go on to wait for sockets */
    int answers;     /* how often done was called */
    enum http_reached reached;
    int status;
    size_t size;
    char body[4096], header[256], why[128];
    bool has_header, timed_out, too_large;
};

void net_begin(struct net_fixture *net);
/* Closes client and server and the loop; fails where something stays behind. */
void net_end(struct net_fixture *net);
void net_close_client(struct net_fixture *net); /* and waits for it */
http_done net_keep;                             /* user: a struct net_kept */
/* A call with a time limit of a minute, if none is given. */
void net_start(struct net_fixture *net, struct http_call_options options, struct net_kept *kept);
void net_wait(struct net_fixture *net, const struct net_kept *kept); /* until it is answered */
struct net_kept net_call(struct net_fixture *net, struct http_call_options options);
struct net_kept net_get(struct net_fixture *net, const char *path);
size_t net_descriptors(void); /* open ones of this process */

#endif
