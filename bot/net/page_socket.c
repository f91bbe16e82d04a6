/*
 * page_socket.c: one page's line (page_socket.h says what is spoken). Each time the socket takes a message, the most
 * urgent one waiting is sent: answers, then the conversation, then runs, then rows.
 */
#include "page_internal.h"
#include "settings.h"
#include "web_body.h"
#include <stdlib.h>
#include <string.h>

bool queue_push(struct queue *queue, struct packet *packet) {
    struct queued *queued = packet ? malloc(sizeof(*queued)) : NULL;
    if (!queued) {
        packet_unref(packet);
        return false;
    }
    queued->packet = packet;
    queued->next = NULL;
    if (!queue->first) queue->last = &queue->first;
    *queue->last = queued;
    queue->last = &queued->next;
    queue->count++;
    queue->bytes += packet->size;
    return true;
}

struct packet *queue_pop(struct queue *queue) {
    struct queued *queued = queue->first;
    if (!queued) return NULL;
    struct packet *packet = queued->packet;
    queue->first = queued->next;
    queue->count--;
    queue->bytes -= packet->size;
    free(queued);
    return packet;
}

void queue_clear(struct queue *queue) {
    for (struct packet *packet; (packet = queue_pop(queue));)
        packet_unref(packet);
}

/* ---- life ---- */

static struct packet *hello_packet(struct http_server *server) {
    struct json_out out = {0};
    const struct settings *settings = http_bot(server)->ports.settings;
    json_open(&out, '{');
    json_key(&out, "type");
    json_string(&out, "hello");
    json_key(&out, "rev");
    json_int(&out, pages_head(server));
    json_key(&out, "lang");
    json_string(&out, settings->language == LANG_ZH ? "zh" : "en");
    json_key(&out, "version");
    json_string(&out, TRAINBOT_VERSION);
    json_key(&out, "now_ms");
    json_int(&out, http_wall_ms(server));
    json_close(&out, '}');
    return packet_take(&out);
}

int page_open(struct http_server *server, struct lws *wsi, bool by_cookie, struct page **ret_page) {
    struct page *page = calloc(1, sizeof(*page));
    if (!page) return -1;
    page->server = server;
    page->wsi = wsi;
    page->by_cookie = by_cookie;
    page->all = true;
    page->following = true;
    page->rev = pages_head(server);
    if (!queue_push(&page->answers, hello_packet(server))) {
        free(page);
        return -1;
    }
    page->next = server->pages.first;
    page->link = &server->pages.first;
    if (page->next) page->next->link = &page->next;
    server->pages.first = page;
    server->counts.pages++;
    lws_callback_on_writable(wsi);
    *ret_page = page;
    return 0;
}

void page_closed(struct page *page) {
    *page->link = page->next;
    if (page->next) page->next->link = page->link;
    page->server->counts.pages--;
    if (!page->server->pages.first) pages_forget(page->server);
    queue_clear(&page->answers);
    queue_clear(&page->backlog);
    queue_clear(&page->rows);
    free(page->partial);
    free(page);
}

/* ---- what the page says ---- */

static int page_answer(struct page *page, struct packet *packet) {
    if (!queue_push(&page->answers, packet)) return -1;
    if (page->answers.count >= PAGE_ANSWERS_MAX) lws_rx_flow_control(page->wsi, 0);
    lws_callback_on_writable(page->wsi);
    return 0;
}

static struct packet *said_packet(const char *id, const char *error) {
    struct json_out out = {0};
    json_open(&out, '{');
    json_key(&out, "type");
    json_string(&out, error ? "refused" : "said");
    json_key(&out, "id");
    json_string(&out, id);
    if (error) {
        json_key(&out, "error");
        json_string(&out, error);
    }
    json_close(&out, '}');
    return packet_take(&out);
}

static int page_say(struct page *page, const struct web_say *say) {
    const struct inbound inbound = {
        .channel = "web",
        .chat = WEB_CHAT,
        .sender = WEB_CHAT,
        .service_id = say->id,
        .text = say->text,
        .size = strlen(say->text),
    };
    struct bot *bot = http_bot(page->server);
    int result = bot_inbound(bot, &inbound);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    pages_nudge(page->server);
    return page_answer(page, said_packet(say->id, result < 0 ? tb_error_text(result) : NULL));
}

static void page_since(struct page *page, int64_t rev) {
    int64_t head = pages_head(page->server);
    queue_clear(&page->backlog);
    page->rev = rev < head ? rev : head;
    page->following = true;
    page->synced_due = true;
    lws_callback_on_writable(page->wsi);
}

static void page_watch(struct page *page, const struct web_say *say) {
    page->all = say->all;
    page->watched_count = say->runs_count;
    memcpy(page->watched, say->runs, sizeof(page->watched));
}

static int page_message(struct page *page, const char *bytes, size_t size) {
    struct web_say say = {0};
    char why[200];
    if (!web_say_parse(bytes, size, &say, why, sizeof(why)))
        return page_answer(page, packet_simple("error", "error", why));
    int result = 0;
    if (say.kind == SAY_TEXT)
        result = page_say(page, &say);
    else if (say.kind == SAY_SINCE)
        page_since(page, say.rev);
    else
        page_watch(page, &say);
    web_say_release(&say);
    return result;
}

static int page_gather(struct page *page, const char *bytes, size_t size) {
    if (page->skipping || size > PAGE_MESSAGE_MAX - page->partial_size) {
        page->skipping = true;
        return 0;
    }
    char *more = realloc(page->partial, page->partial_size + size + 1);
    if (!more) return -1;
    page->partial = more;
    memcpy(more + page->partial_size, bytes, size);
    page->partial_size += size;
    return 0;
}

int page_receive(struct page *page, const char *bytes, size_t size, bool first, bool final) {
    if (first) {
        page->partial_size = 0;
        page->skipping = false;
    }
    if (first && final && size <= PAGE_MESSAGE_MAX) return page_message(page, bytes, size);
    if (page_gather(page, bytes, size) < 0) return -1;
    if (!final) return 0;
    int result = page->skipping ? page_answer(page, packet_simple("error", "error", "a message is at most 64 KiB long"))
                                : page_message(page, page->partial, page->partial_size);
    free(page->partial);
    page->partial = NULL;
    page->partial_size = 0;
    return result;
}

/* ---- what the page gets ---- */

static struct packet *next_run(struct page *page) {
    while (page->runs_count) {
        int64_t id = page->runs[0];
        memmove(page->runs, page->runs + 1, --page->runs_count * sizeof(page->runs[0]));
        struct packet *packet = pages_run_packet(page->server, id);
        if (packet) return packet;
    }
    return NULL;
}

static struct packet *next_packet(struct page *page) {
    if (page->closing) {
        page->closed_told = true;
        return packet_simple("logout", NULL, NULL);
    }
    struct packet *packet = queue_pop(&page->answers);
    if (packet) {
        if (page->answers.count == PAGE_ANSWERS_MAX / 2) lws_rx_flow_control(page->wsi, 1);
        return packet;
    }
    if (page->following && (packet = pages_next_message(page->server, &page->rev, &page->backlog))) return packet;
    if (page->synced_due) {
        struct json_out out = {0};
        page->synced_due = false;
        json_text(&out, "{\"type\":\"synced\",\"rev\":");
        json_int(&out, page->rev);
        json_close(&out, '}');
        return packet_take(&out);
    }
    if ((packet = next_run(page))) return packet;
    packet = queue_pop(&page->rows);
    if (!packet && page->lagging) {
        page->lagging = false;
        packet = packet_simple("lagging", NULL, NULL);
    }
    return packet;
}

/* Several packets a callback, as long as the socket takes them: with one each, a hundred runs' news would take a hundred
 * turns of the loop. */
int page_writable(struct page *page) {
    if (page->closed_told) return -1;
    for (int i = 0; i < PAGE_WRITES_MAX; i++) {
        struct packet *packet = next_packet(page);
        if (!packet) return 0;
        int written = lws_write(page->wsi, packet->bytes, packet->size, LWS_WRITE_TEXT);
        bool ok = written >= (int)packet->size;
        packet_unref(packet);
        if (!ok) return -1;
        if (lws_send_pipe_choked(page->wsi)) break;
    }
    lws_callback_on_writable(page->wsi);
    return 0;
}
