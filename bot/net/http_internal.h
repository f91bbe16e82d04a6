/*
 * http_internal.h: what the server's own files share: its state, and a connection as libwebsockets keeps it. Nobody
 * outside bot/net includes this.
 */
#ifndef TRAINBOT_HTTP_INTERNAL_H
#define TRAINBOT_HTTP_INTERNAL_H

#include "bot.h"
#include "http_request.h"
#include "page_socket.h"
#include "trainer_socket.h"

#define HTTP_CONNECTIONS_MAX 900
#define HTTP_PIECE_BYTES 65536
#define HTTP_BODY_MAX (2u << 20) /* of those who may */
#define HTTP_SESSION_BODY_MAX 1024

enum http_conn_kind { CONN_HTTP, CONN_PAGE, CONN_TRAINER };

/* libwebsockets' storage for each connection, zeroed by it. */
struct http_conn {
    enum http_conn_kind kind;
    enum http_access access;
    struct http_request *request;
    struct page *page;
    struct remote *remote;
};

struct http_server {
    uv_loop_t *loop;
    char *listen, *token_file, *tls_cert, *tls_key, *trainer_token_file, *state_dir, *hosts;
    struct channel *channel;

    struct web_token token, trainer_token;
    bool remote_allowed;
    int64_t generation; /* of cookies; raised by a logout */
    bool generation_known;
    char cookie_name[32];
    struct web_wrong wrong;

    int listen_fd, port;
    char listen_host[256];
    struct lws_context *context;
    struct lws_vhost *vhost;
    uv_poll_t accept_poll;
    uv_timer_t tls_timer, runs_timer, nudge_timer;
    uv_idle_t spin; /* keeps the loop turning while it drains */
    uv_check_t drain;
    int drain_turns, handles, own_handles, connections;
    bool started, stopping, draining; /* draining: the context was told to end */
    void (*closed)(void *user);
    void *closed_user;

    struct pages pages;
    struct remote *remotes;
    struct http_job *jobs; /* work that outlives its request until it is done */
    struct http_counts counts;
    unsigned char piece[LWS_PRE + HTTP_PIECE_BYTES + 16];
};

/* http_server.c */
void http_server_runs_due(uv_timer_t *timer);
void http_server_nudge_due(uv_timer_t *timer);

/* http_conn.c: libwebsockets' one callback. */
int http_conn_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);
/* Copies a header; "" when it is absent. false: too long. */
bool http_conn_header(struct lws *wsi, enum lws_token_indexes token, char *text, size_t size);
/* The checks every request and every upgrade goes through, in order: Host, Origin, then who it is. Returns 0, or the
 * status to refuse with and `why`. */
int http_conn_admit(struct http_server *server, struct lws *wsi, bool change, enum http_access *ret_access, char *why,
                    size_t why_size);

/* api.c */
int api_precheck(
    struct http_request *request); /* once the head is read: routes, methods, sizes; 0 or a status (answered) */
void api_serve(struct http_request *request); /* once the body is read */

/* api_*.c: handlers */
void api_channels(struct http_request *request);
void api_runs(struct http_request *request);
void api_run(struct http_request *request);
void api_csv(struct http_request *request);
void api_series(struct http_request *request);
void api_plot(struct http_request *request);
void api_image(struct http_request *request);
void api_command(struct http_request *request);
void api_history(struct http_request *request);
void api_metrics(struct http_request *request);
void api_session(struct http_request *request);
void api_logout(struct http_request *request);
/* A run that is in memory, as one JSON object. */
void api_run_json(struct json_out *out, const struct run *run);

/* api_session.c */
int64_t http_generation(struct http_server *server);

/* http_job.c: work in libuv's pool for a request that may go away meanwhile. */
struct http_job {
    uv_work_t work;
    struct http_server *server;
    struct http_request *request;          /* NULL: nobody waits any more */
    void (*run)(struct http_job *job);     /* in the pool */
    void (*done)(struct http_job *job);    /* on the loop; request is not NULL */
    void (*release)(struct http_job *job); /* frees what it holds, and itself */
    bool busy, stream;
    struct http_job *next, **link;
};
void http_job_begin(struct http_job *job, struct http_request *request); /* takes job; the request waits for it */
void http_job_stream(struct http_job *job, struct http_request *request, const char *type);
void http_job_end(struct http_job *job); /* from done: the request is answered, the job may be released */

static inline struct bot *http_bot(const struct http_server *server) {
    return server->channel->bot;
}
static inline int64_t http_mono_ms(const struct http_server *server) {
    return clock_mono_ms(http_bot(server)->ports.clock);
}
static inline int64_t http_wall_ms(const struct http_server *server) {
    return clock_wall_ms(http_bot(server)->ports.clock);
}

#endif
