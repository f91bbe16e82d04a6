/*
 * pages.c: what is told to all pages, encoded once. Messages: the newest encoded ones are kept (an edited message only
 * as it is now); pages that are further behind read the store by their own position, so a slow or absent page costs no
 * memory. Runs: told at most every 100 ms each, as they are when their turn comes. Rows: handed on as they come.
 */
#include "page_internal.h"
#include "runs.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_MESSAGES 200 /* what a page without memory gets */
#define RUNS_EVERY_MS 100
#define PAGE_BACKLOG 32 /* messages read from the store at a time for a page that is behind */

static void wake_all(struct http_server *server) {
    for (struct page *page = server->pages.first; page; page = page->next)
        lws_callback_on_writable(page->wsi);
}

/* ---- the conversation ---- */

static void recent_add(struct pages *pages, const struct message_record *message, struct packet *packet) {
    size_t at = 0;
    while (at < pages->recent_count && pages->recent[at].id != message->id)
        at++;
    if (at == pages->recent_count && at == PAGE_RECENT_MAX) {
        at = 0;
        pages->base = pages->recent[0].rev;
    }
    if (at < pages->recent_count) {
        packet_unref(pages->recent[at].packet);
        pages->recent_count--;
        memmove(&pages->recent[at], &pages->recent[at + 1], (pages->recent_count - at) * sizeof(pages->recent[0]));
    }
    pages->recent[pages->recent_count++] = (struct recent){packet, message->id, message->rev};
}

static bool take_recent(void *user, const struct message_record *message) {
    struct http_server *server = user;
    struct packet *packet = packet_message(message);
    if (!packet)
        return false;
    recent_add(&server->pages, message, packet);
    server->pages.rev = message->rev;
    return true;
}

static bool take_rev(void *user, const struct message_record *message) {
    *(int64_t *)user = message->rev;
    return true;
}

static struct store *store_of(struct http_server *server) {
    return http_bot(server)->ports.store;
}

int64_t pages_head(struct http_server *server) {
    struct pages *pages = &server->pages;
    if (!pages->rev_known && store_history(store_of(server), "web", WEB_CHAT, 0, 1, take_rev, &pages->rev) >= 0) {
        pages->base = pages->rev;
        pages->rev_known = true;
    }
    return pages->rev;
}

/* Reads what is newer than the pages know; called when it is committed. */
static void refresh(struct http_server *server) {
    struct pages *pages = &server->pages;
    pages_head(server);
    if (pages->rev_known &&
        store_history(store_of(server), "web", WEB_CHAT, pages->rev, INT32_MAX, take_recent, server) < 0)
        bot_log(http_bot(server), 1, "web: the conversation cannot be read");
}

struct behind {
    struct queue *backlog;
    int64_t rev;
};

static bool take_behind(void *user, const struct message_record *message) {
    struct behind *behind = user;
    if (!queue_push(behind->backlog, packet_message(message)))
        return false;
    behind->rev = message->rev;
    return behind->backlog->count < PAGE_BACKLOG;
}

struct packet *pages_next_message(struct http_server *server, int64_t *rev, struct queue *backlog) {
    struct pages *pages = &server->pages;
    struct packet *packet = queue_pop(backlog);
    if (packet || *rev >= pages->rev)
        return packet;
    if (*rev >= pages->base) {
        for (size_t i = 0; i < pages->recent_count; i++) {
            if (pages->recent[i].rev > *rev) {
                *rev = pages->recent[i].rev;
                return packet_ref(pages->recent[i].packet);
            }
        }
        *rev = pages->rev;
        return NULL;
    }
    struct behind behind = {backlog, pages->rev};
    int64_t limit = *rev ? INT32_MAX : FIRST_MESSAGES;
    if (store_history(store_of(server), "web", WEB_CHAT, *rev, limit, take_behind, &behind) < 0)
        bot_log(http_bot(server), 1, "web: the conversation cannot be read");
    *rev = behind.rev;
    return queue_pop(backlog);
}

void pages_nudge(struct http_server *server) {
    if (!server->pages.first || !server->started || server->stopping)
        return;
    uv_timer_start(&server->nudge_timer, http_server_nudge_due, 0, 0);
}

void pages_nudge_due(struct http_server *server) {
    if (!server->pages.first || server->stopping)
        return;
    refresh(server);
    wake_all(server);
}

void pages_forget(struct http_server *server) {
    struct pages *pages = &server->pages;
    for (size_t i = 0; i < pages->recent_count; i++)
        packet_unref(pages->recent[i].packet);
    pages->recent_count = 0;
    pages->changed_count = 0;
    pages->rev_known = false;
}

void pages_unsaved(struct http_server *server, const struct message_record *message) {
    struct packet *packet = server->pages.first ? packet_message(message) : NULL;
    for (struct page *page = server->pages.first; packet && page; page = page->next)
        if (page->answers.count < PAGE_ANSWERS_MAX * 2 && queue_push(&page->answers, packet_ref(packet)))
            lws_callback_on_writable(page->wsi);
    packet_unref(packet);
}

/* ---- runs ---- */

struct packet *pages_run_packet(struct http_server *server, int64_t id) {
    for (const struct run *run = runs_first(http_bot(server)); run; run = run->next)
        if (run->id == id)
            return packet_run(run);
    return NULL;
}

static void run_due(struct page *page, int64_t id) {
    for (size_t i = 0; i < page->runs_count; i++)
        if (page->runs[i] == id)
            return;
    if (page->runs_count < PAGE_RUNS_MAX)
        page->runs[page->runs_count++] = id;
    else
        page->lagging = true;
}

void pages_runs_due(struct http_server *server) {
    struct pages *pages = &server->pages;
    for (size_t i = 0; i < pages->changed_count; i++)
        for (struct page *page = pages->first; page; page = page->next)
            run_due(page, pages->changed[i]);
    pages->changed_count = 0;
    pages->runs_told_ms = http_mono_ms(server);
    wake_all(server);
}

void pages_run(struct http_server *server, const struct run *run) {
    struct pages *pages = &server->pages;
    if (!pages->first || server->stopping)
        return;
    for (size_t i = 0; i < pages->changed_count; i++)
        if (pages->changed[i] == run->id)
            return;
    if (pages->changed_count == PAGE_RUNS_MAX)
        pages_runs_due(server);
    pages->changed[pages->changed_count++] = run->id;
    int64_t wait_ms = pages->runs_told_ms + RUNS_EVERY_MS - http_mono_ms(server);
    if (wait_ms <= 0)
        pages_runs_due(server);
    else if (!uv_is_active((uv_handle_t *)&server->runs_timer))
        uv_timer_start(&server->runs_timer, http_server_runs_due, (uint64_t)wait_ms, 0);
}

/* ---- rows ---- */

static bool page_wants(const struct page *page, int64_t run) {
    if (page->all)
        return true;
    for (size_t i = 0; i < page->watched_count; i++)
        if (page->watched[i] == run)
            return true;
    return false;
}

void pages_rows(struct http_server *server, const struct run *run, const struct wire_rows *rows, bool progress) {
    struct packet *packet = NULL;
    for (struct page *page = server->pages.first; page; page = page->next) {
        if (!page_wants(page, run->id))
            continue;
        if (!packet && !(packet = packet_rows(run, rows, progress)))
            return;
        bool fits = page->rows.bytes + packet->size <= PAGE_ROWS_BYTES;
        if (!fits || !queue_push(&page->rows, packet_ref(packet))) {
            page->lagging = true;
            server->counts.dropped++;
        }
        lws_callback_on_writable(page->wsi);
    }
    packet_unref(packet);
}

/* ---- the rest ---- */

void pages_typing(struct http_server *server) {
    struct packet *packet = server->pages.first ? packet_simple("typing", NULL, NULL) : NULL;
    for (struct page *page = server->pages.first; packet && page; page = page->next) {
        if (page->rows.bytes < PAGE_ROWS_BYTES && queue_push(&page->rows, packet_ref(packet)))
            lws_callback_on_writable(page->wsi);
    }
    packet_unref(packet);
}

void pages_logout(struct http_server *server) {
    for (struct page *page = server->pages.first; page; page = page->next)
        page->closing |= page->by_cookie;
    wake_all(server);
}

static bool list_message(void *user, const struct message_record *message) {
    struct json_out *out = user;
    message_json(out, message);
    return !out->failed;
}

void api_history(struct http_request *request) {
    struct http_server *server = request->server;
    struct json_out out = {0};
    int64_t limit = request->query.limit > 0 ? request->query.limit : FIRST_MESSAGES;
    json_open(&out, '{');
    json_key(&out, "messages");
    json_open(&out, '[');
    if (store_history(store_of(server), "web", WEB_CHAT, request->query.after, limit, list_message, &out) < 0) {
        json_out_release(&out);
        http_error(request, 503, "%s", tb_error_text(TB_ESTORE));
        return;
    }
    json_close(&out, ']');
    json_close(&out, '}');
    json_text(&out, "\n");
    http_reply_json(request, 200, &out);
}
