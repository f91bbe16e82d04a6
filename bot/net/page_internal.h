/*
 * page_internal.h: one connected page, shared by page_socket.c (what it says and gets) and pages.c (what is told to
 * all).
 */
#ifndef TRAINBOT_PAGE_INTERNAL_H
#define TRAINBOT_PAGE_INTERNAL_H

#include "http_internal.h"
#include "page_packet.h"
#include "web_body.h"

#define PAGE_ANSWERS_MAX 64 /* waiting answers to what the page said; beyond it is not read from */

struct queued {
    struct packet *packet;
    struct queued *next;
};
struct queue {
    struct queued *first, **last;
    size_t count, bytes;
};

struct page {
    struct http_server *server;
    struct lws *wsi;
    bool by_cookie, closing, closed_told;
    bool following;  /* messages are wanted from `rev` on */
    bool synced_due; /* say so once rev has caught up */
    int64_t rev;
    bool all;
    int64_t watched[WEB_WATCH_MAX];
    size_t watched_count;
    struct queue answers; /* never dropped; reading pauses at the bound */
    struct queue backlog; /* messages up to rev, read from the store and not yet sent: a few */
    struct queue rows;    /* dropped beyond PAGE_ROWS_BYTES */
    bool lagging;
    int64_t runs[PAGE_RUNS_MAX]; /* ids with news */
    size_t runs_count;
    char *partial; /* a message that arrives in pieces */
    size_t partial_size;
    bool skipping;
    struct page *next, **link;
};

/* false: out of memory; the packet is unreferenced then. */
bool queue_push(struct queue *queue, struct packet *packet);
struct packet *queue_pop(struct queue *queue); /* NULL: empty */
void queue_clear(struct queue *queue);

/* The next message packet above *rev for a page that follows; sets *rev. NULL: none (or an error, logged). backlog: the
 * page's own, for what was read ahead from the store. */
struct packet *pages_next_message(struct http_server *server, int64_t *rev, struct queue *backlog);
/* A run in memory as it is now; NULL: it is gone. */
struct packet *pages_run_packet(struct http_server *server, int64_t id);
/* The newest revision; asked from the store once, then known from what is sent. */
int64_t pages_head(struct http_server *server);

#endif
