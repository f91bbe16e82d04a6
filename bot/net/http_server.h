/*
 * http_server.h: the daemon's HTTP and WebSocket server: the page, the API, the page's live socket, and remote
 * trainers. It joins the host's libuv loop through libwebsockets and never runs or stops that loop. It speaks for one
 * channel
 * ("web"): what it needs of the bot it takes from that channel's `bot`, which must be set before http_server_start.
 *
 * Loop thread only; slow queries run in libuv's pool on store connections of their own.
 *
 * Paths (details in api.c's table; bodies and errors are JSON, errors are {"error":"one line"}):
 *   /  /app.js  /style.css …           the page; no secret in it, open
 *   /healthz                           open; "ok"
 *   POST /api/session {"token":"…"}    swaps the token of the page's link for a cookie
 *   POST /api/logout                   ends every cookie's session
 *   /api/…, /metrics                   bearer token or cookie
 *   /ws                                bearer token or cookie (then Origin is required): see page_socket.h
 *   /trainer                           bearer trainer token: wire frames in text messages, both ways
 */
#ifndef TRAINBOT_HTTP_SERVER_H
#define TRAINBOT_HTTP_SERVER_H

#include "channel.h"
#include "run.h"
#include <uv.h>

#define WEB_CHAT "token" /* all pages of one bot share this chat; its person is the owner */

struct http_server;

/* All strings are copied. */
struct http_options {
    uv_loop_t *loop;
    const char *listen;             /* "127.0.0.1:8080", "[::1]:0", "0.0.0.0:8080"; port 0: a free one */
    const char *token_file;         /* made with 32 random bytes, mode 0600, when missing */
    const char *tls_cert, *tls_key; /* PEM files; NULL or "": plain HTTP */
    const char *trainer_token_file; /* NULL or "": no remote trainers */
    const char *state_dir;          /* for readers of the store and for pictures */
    const char *hosts;              /* further Host names that are served, separated by commas; NULL none */
    struct channel *channel;        /* borrowed while the server lives */
};

/* Allocates only. TB_ENOMEM. */
MUST_USE int http_server_create(const struct http_options *options, struct http_server **ret_server);
/* Reads or makes the token file, binds and listens. Negative: `why` says in one line what is wrong and what would be
 * right. The certificate is loaded on the loop's next turn, so that the bot is ready before it. */
MUST_USE int http_server_start(struct http_server *server, char *why, size_t why_size);
/* Closes the listener and all connections; closed() comes from the loop once every handle is closed. */
void http_server_stop(struct http_server *server, void (*closed)(void *user), void *user);
/* After closed(), or when it was never started. NULL is fine. */
void http_server_free(struct http_server *server);

/* The port that is bound, for port 0; 0 before start. */
int http_server_port(const struct http_server *server);
/* "http://127.0.0.1:8080/#t=TOKEN": the link that opens the page. Holds the secret: for the owner's terminal only. */
void http_server_link(const struct http_server *server, char *text, size_t size);

/* Something committed in the conversation is newer than the pages know. */
void http_server_nudge(struct http_server *server);
/* A message that the store could not take: it is shown to the pages that are here, and lost for others. */
void http_server_unsaved(struct http_server *server, const struct outgoing *message);
/* A run's newest rows, and a run's new state; what the pages see at once. */
void http_server_rows(struct http_server *server, const struct run *run, const struct wire_rows *rows, bool progress);
void http_server_run(struct http_server *server, const struct run *run);
/* A slow answer is being made. */
void http_server_typing(struct http_server *server);
/* Every cookie given so far is void; pages that came by cookie are closed. The link's token stays good. */
void http_server_logout(struct http_server *server);

struct http_counts {
    int64_t requests, refused; /* refused: wrong tokens, hosts, origins */
    int64_t pages, trainers;   /* connected now */
    int64_t rows, values;      /* taken from trainers in this bot's life */
    int64_t dropped;           /* live packets left out for slow pages */
};
struct http_counts http_server_counts(const struct http_server *server);

#endif
