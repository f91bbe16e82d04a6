/*
 * page_socket.h: /ws, the page's live line. JSON objects in text messages, one each.
 *
 * From the page:
 *   {"type":"say","text":"…","id":"…"}   a chat message; id is the page's own and makes a repetition harmless
 *   {"type":"since","rev":N}             the conversation from here on: first what is newer than N, then
 *                                        {"type":"synced","rev":M}, then live. Without it: what comes from now on
 *   {"type":"watch","runs":["7"]|"all"}  whose rows are wanted; "all" to begin with
 * To the page:
 *   {"type":"hello","rev":N,"lang":"zh","version":"…","now_ms":…}
 *   {"type":"message","id","rev","dir":"in"|"out","class":"reply"|"alert"|"image"|"progress"|"inbound","text",
 *    "image":"/api/images/1"|null,"buttons":[…],"run":"7"|null,"t_ms","say":"…"|null}
 *                                        a message, or its newer version (same id, higher rev: it was edited); say is
 *                                        the page's own id of an inbound message
 *   {"type":"said","id":"…"}             the text is stored and will be answered
 *   {"type":"refused","id":"…","error":"…"}  it is not stored; say it again later
 *   {"type":"run","run":{…}}             as in /api/runs; at most one per run and 100 ms
 *   {"type":"rows","run":"7","progress":false,"cols":[…],"rows":[[step,t_ms,epoch,v…],…]}; null: absent
 *   {"type":"lagging"}                   rows were left out because the page reads slowly: fetch the curve again
 *   {"type":"typing"}                    a slow answer is being made
 *   {"type":"logout"}                    the cookie is void; the line closes
 *   {"type":"error","error":"…"}         what was sent is not understood
 *
 * A packet is encoded once for all pages. What a page has not read yet is bounded: messages are read from the store by
 * the page's own position, runs are sent as they are when their turn comes, rows beyond PAGE_ROWS_BYTES are dropped.
 */
#ifndef TRAINBOT_PAGE_SOCKET_H
#define TRAINBOT_PAGE_SOCKET_H

#include "run.h"
#include "store.h"
#include <libwebsockets.h>

#define PAGE_MESSAGE_MAX 65536       /* bytes of one message from a page */
#define PAGE_ROWS_BYTES (256u << 10) /* of rows waiting for one page */
#define PAGE_RUNS_MAX 256            /* runs with news waiting for one page */
#define PAGE_WRITES_MAX 256     /* packets in one writable callback */
#define PAGE_RECENT_MAX 512           /* encoded messages kept for all pages */

struct page;
struct http_server;
struct packet;
struct recent {
    struct packet *packet;
    int64_t id, rev;
};
/* All pages, and what is encoded once for them. */
struct pages {
    struct page *first;
    int64_t rev;  /* newest revision that was looked at */
    int64_t base; /* recent holds everything above this */
    bool rev_known;
    struct recent recent[PAGE_RECENT_MAX];
    size_t recent_count;
    int64_t changed[PAGE_RUNS_MAX]; /* runs with news that nobody was told of yet */
    size_t changed_count;
    int64_t runs_told_ms;
};

int page_open(struct http_server *server, struct lws *wsi, bool by_cookie, struct page **ret_page);
/* Negative: close the connection. */
int page_receive(struct page *page, const char *bytes, size_t size, bool first, bool final);
int page_writable(struct page *page);
void page_closed(struct page *page);

void pages_nudge(struct http_server *server);     /* the store is read on the loop's next turn, after the commit */
void pages_nudge_due(struct http_server *server); /* at once: what is new is committed */
/* A message that the store could not take: told to those who are here, without a revision. */
void pages_unsaved(struct http_server *server, const struct message_record *message);
void pages_rows(struct http_server *server, const struct run *run, const struct wire_rows *rows, bool progress);
void pages_run(struct http_server *server, const struct run *run);
void pages_typing(struct http_server *server);
void pages_logout(struct http_server *server);
void pages_runs_due(struct http_server *server);
void pages_forget(struct http_server *server); /* nobody is here: frees what is kept for pages */

#endif
