/*
 * wecom_link.c: see wecom_link.h. One timer stands for the state's own wait (to try again, for the subscription's
 * answer, to the next heartbeat), one for the acknowledgements.
 */
#include "wecom_link.h"
#include "service_url.h"
#include "wecom_socket.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CONNECT_MS 15000 /* name, TCP, TLS, upgrade */
#define ACK_MS 5000
#define PING_MS 30000
#define PINGS_LOST 2
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 60000
#define STEADY_MS 10000 /* a connection that lasted so long begins the back-off anew */
#define REFUSED_MAX 5
#define TAKEN_MS (10 * 60 * 1000LL)
#define ODD_MAX 32 /* kinds of odd frames that are remembered as told */
#define SUBSCRIBE_ROOM 65536

enum phase { AWAY, WAITING, CONNECTING, SUBSCRIBING, READY };

struct wecom_link {
    struct wecom_link_events events;
    uv_loop_t *loop;
    char *bot_id;
    const struct secret *secret;
    struct wecom_socket *socket;
    struct wecom_frames *frames;
    enum phase phase;
    uv_timer_t timer, acks;
    char subscribe_id[WECOM_REQ_ID_MAX];
    int64_t tries;  /* since the last connection that lasted */
    int refused;    /* 853000 in a row */
    int unanswered; /* heartbeats */
    int64_t ready_ms;
    uint32_t ids;
    char odd[ODD_MAX][64];
    size_t odd_count;
    int handles;
    void (*stopped)(void *user);
    void *stopped_user;
};

int64_t wecom_mono_ms(void) {
    return (int64_t)(uv_hrtime() / 1000000);
}

static int64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void wecom_link_req_id(struct wecom_link *link, const char *cmd, char *req_id, size_t size) {
    uint32_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1) random = ++link->ids;
    snprintf(req_id, size, "%s_%lld_%08x", cmd, (long long)wall_ms(), random);
}

static void start_timer(uv_timer_t *timer, uv_timer_cb call, int64_t ms) {
    uv_update_time(timer->loop);
    uv_timer_start(timer, call, ms > 0 ? (uint64_t)ms : 0, 0);
}

/* The first 63 bytes of what is odd tell the kinds apart; none is told twice. */
static void odd(struct wecom_link *link, const char *what) {
    char kind[64];
    snprintf(kind, sizeof kind, "%.*s", (int)sizeof kind - 1, what);
    for (size_t i = 0; i < link->odd_count; i++)
        if (strcmp(link->odd[i], kind) == 0) return;
    if (link->odd_count == ODD_MAX) return;
    memcpy(link->odd[link->odd_count++], kind, sizeof kind);
    link->events.odd(link->events.user, what);
}

/* ---- losing it ---- */

static void on_retry(uv_timer_t *timer);

/* Ends what there is. Returns whether it was ready. */
static bool leave(struct wecom_link *link, enum phase phase) {
    bool was_ready = link->phase == READY;
    link->phase = phase;
    link->ready_ms = 0;
    wecom_socket_drop(link->socket);
    uv_timer_stop(&link->timer);
    uv_timer_stop(&link->acks);
    wecom_frames_fail(link->frames);
    return was_ready;
}

/* 1 s doubling up to a minute, a fifth more or less. */
static int64_t backoff_ms(const struct wecom_link *link) {
    int64_t ms = BACKOFF_FIRST_MS;
    uint16_t random = 0;
    for (int64_t i = 0; i < link->tries && ms < BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > BACKOFF_MAX_MS) ms = BACKOFF_MAX_MS;
    (void)!RAND_bytes((unsigned char *)&random, sizeof random);
    return service_ms(ms * (800 + random % 401) / 1000);
}

static void lose(struct wecom_link *link, const char *why) {
    /* A gateway that takes us in and lets go at once is not asked every second. */
    if (link->phase == READY && wecom_mono_ms() - link->ready_ms >= service_ms(STEADY_MS)) link->tries = 0;
    leave(link, WAITING);
    int64_t wait_ms = backoff_ms(link);
    link->tries++;
    start_timer(&link->timer, on_retry, wait_ms);
    link->events.state(link->events.user, WECOM_LINK_DOWN, why);
}

static void give_up(struct wecom_link *link, enum wecom_link_state state, const char *why) {
    leave(link, AWAY);
    if (state == WECOM_LINK_TAKEN) {
        link->phase = WAITING;
        start_timer(&link->timer, on_retry, service_ms(TAKEN_MS));
    }
    link->events.state(link->events.user, state, why);
}

/* ---- writing ---- */

static void on_acks_due(uv_timer_t *timer);

static void watch_acks(struct wecom_link *link) {
    int64_t now_ms = wecom_mono_ms(), due_ms = wecom_frames_expire(link->frames, now_ms);
    if (due_ms == INT64_MAX || link->phase != READY)
        uv_timer_stop(&link->acks);
    else
        start_timer(&link->acks, on_acks_due, due_ms - now_ms);
    if (link->phase == READY && wecom_frames_ready(link->frames)) wecom_socket_want_write(link->socket);
}

static void on_acks_due(uv_timer_t *timer) {
    watch_acks(timer->data);
}

static void write_subscription(struct wecom_link *link) {
    char *text = malloc(SUBSCRIBE_ROOM);
    int status = TB_ENOMEM;
    wecom_link_req_id(link, "aibot_subscribe", link->subscribe_id, sizeof link->subscribe_id);
    if (text)
        status =
            wecom_encode_subscribe(link->subscribe_id, link->bot_id, secret_reveal(link->secret), text, SUBSCRIBE_ROOM);
    if (status == TB_OK) (void)wecom_socket_write(link->socket, text, strlen(text));
    wecom_frames_free_text(text, SUBSCRIBE_ROOM);
}

static void on_writable(void *user) {
    struct wecom_link *link = user;
    size_t size = 0;
    if (link->phase == CONNECTING) {
        link->phase = SUBSCRIBING;
        write_subscription(link);
        return;
    }
    char *text =
        link->phase == READY ? wecom_frames_next(link->frames, wecom_mono_ms(), service_ms(ACK_MS), &size) : NULL;
    if (!text) return;
    bool written = wecom_socket_write(link->socket, text, size);
    wecom_frames_free_text(text, size);
    if (written) watch_acks(link);
}

int wecom_link_send(struct wecom_link *link, const struct wecom_out *out) {
    if (link->phase != READY || link->stopped) {
        free(out->text);
        return TB_EGONE;
    }
    int status = wecom_frames_add(link->frames, out);
    if (status == TB_OK) wecom_socket_want_write(link->socket);
    return status;
}

static void on_ping(uv_timer_t *timer) {
    struct wecom_link *link = timer->data;
    char req_id[WECOM_REQ_ID_MAX];
    if (link->unanswered >= PINGS_LOST) {
        lose(link, "the gateway answers no heartbeat");
        return;
    }
    wecom_link_req_id(link, "ping", req_id, sizeof req_id);
    struct wecom_out out = {.req_id = req_id, .text = wecom_encode_ping(req_id)};
    link->unanswered++;
    if (out.text && wecom_link_send(link, &out) < 0) odd(link, "a heartbeat could not be queued");
    start_timer(timer, on_ping, service_ms(PING_MS));
}

/* ---- connecting ---- */

static void on_silence(uv_timer_t *timer) {
    struct wecom_link *link = timer->data;
    lose(link, link->phase == SUBSCRIBING ? "the gateway does not answer the subscription"
                                          : "the gateway cannot be reached in time");
}

static void on_retry(uv_timer_t *timer) {
    struct wecom_link *link = timer->data;
    link->phase = CONNECTING;
    wecom_socket_connect(link->socket); /* may fail at once */
    if (link->phase == CONNECTING) start_timer(&link->timer, on_silence, service_ms(CONNECT_MS));
}

static void on_opened(void *user) {
    struct wecom_link *link = user;
    start_timer(&link->timer, on_silence, service_ms(ACK_MS));
    wecom_socket_want_write(link->socket);
}

static void on_closed(void *user, const char *why) {
    struct wecom_link *link = user;
    if (link->phase != AWAY && link->phase != WAITING) lose(link, why);
}

static void on_subscribed(struct wecom_link *link, const struct wecom_frame *ack) {
    enum wecom_verdict verdict = wecom_verdict(ack->errcode, ack->errmsg);
    char why[80];
    if (verdict == WECOM_DONE) {
        link->phase = READY;
        link->refused = link->unanswered = 0;
        link->ready_ms = wecom_mono_ms();
        start_timer(&link->timer, on_ping, service_ms(PING_MS));
        link->events.state(link->events.user, WECOM_LINK_READY, "");
        return;
    }
    snprintf(why, sizeof why, "the gateway refuses the subscription (%lld)", (long long)ack->errcode);
    if (verdict == WECOM_BAD_SECRET && ++link->refused >= REFUSED_MAX)
        give_up(link, WECOM_LINK_REFUSED, why);
    else
        lose(link, why); /* the gateway leaves the connection open: it is for us to end it */
}

/* ---- reading ---- */

static void on_ack(struct wecom_link *link, const struct wecom_frame *ack) {
    if (link->phase == SUBSCRIBING) {
        if (strcmp(ack->req_id, link->subscribe_id) == 0) on_subscribed(link, ack);
        return;
    }
    if (strncmp(ack->req_id, "ping_", 5) == 0) {
        link->unanswered = 0;
        return;
    }
    if (wecom_frames_ack(link->frames, ack) && link->phase == READY) watch_acks(link);
}

static void on_received(void *user, char *bytes, size_t size, const char *why) {
    struct wecom_link *link = user;
    struct wecom_frame frame;
    char text[160], field[120] = "";
    if (!bytes) {
        odd(link, why);
        return;
    }
    size = wecom_strip_controls(bytes, size);
    if (wecom_decode(bytes, size, &frame, field, sizeof field) < 0) {
        snprintf(text, sizeof text, "malformed frame: %s", field);
        odd(link, text);
        return;
    }
    if (frame.kind == WECOM_ACK)
        on_ack(link, &frame);
    else if (frame.kind == WECOM_EVENT && frame.event == WECOM_EVENT_DISCONNECTED)
        give_up(link, WECOM_LINK_TAKEN, "another instance is using this bot");
    else if (link->phase >= SUBSCRIBING && frame.kind != WECOM_UNKNOWN) /* it may come before the acknowledgement */
        link->events.callback(link->events.user, &frame);
    wecom_frame_clear(&frame);
}

/* ---- its life ---- */

static void link_free(struct wecom_link *link) {
    wecom_frames_free(link->frames);
    free(link->bot_id);
    free(link);
}

int wecom_link_create(const struct wecom_link_options *options, struct wecom_link **ret_link) {
    struct wecom_link *link = calloc(1, sizeof *link);
    if (!link) return TB_ENOMEM;
    struct wecom_socket_events events = {
        .opened = on_opened, .writable = on_writable, .received = on_received, .closed = on_closed, .user = link};
    link->events = options->events;
    link->loop = options->loop;
    link->secret = options->secret;
    link->bot_id = strdup(options->bot_id);
    link->frames = wecom_frames_create();
    int status = link->bot_id && link->frames ? TB_OK : TB_ENOMEM;
    if (status == TB_OK)
        status =
            wecom_socket_create(options->loop, options->url, options->ca_file, options->proxy, &events, &link->socket);
    if (status < 0) {
        link_free(link);
        return status;
    }
    uv_timer_init(link->loop, &link->timer);
    uv_timer_init(link->loop, &link->acks);
    link->timer.data = link->acks.data = link;
    *ret_link = link;
    return TB_OK;
}

void wecom_link_open(struct wecom_link *link) {
    if (link->stopped || link->phase > WAITING) return;
    link->tries = link->refused = 0;
    link->phase = WAITING;
    start_timer(&link->timer, on_retry, 0);
}

void wecom_link_shut(struct wecom_link *link) {
    leave(link, AWAY);
}

static void part_stopped(struct wecom_link *link) {
    if (--link->handles > 0) return;
    void (*stopped)(void *) = link->stopped;
    void *user = link->stopped_user;
    link_free(link);
    stopped(user);
}

static void handle_closed(uv_handle_t *handle) {
    part_stopped(handle->data);
}

static void socket_stopped(void *user) {
    part_stopped(user);
}

void wecom_link_stop(struct wecom_link *link, void (*closed)(void *user), void *user) {
    link->stopped = closed;
    link->stopped_user = user;
    link->phase = AWAY;
    link->handles = 3;
    uv_close((uv_handle_t *)&link->timer, handle_closed);
    uv_close((uv_handle_t *)&link->acks, handle_closed);
    wecom_socket_stop(link->socket, socket_stopped, link);
}

bool wecom_link_ready(const struct wecom_link *link) {
    return link->phase == READY && !link->stopped;
}

int64_t wecom_link_since_ms(const struct wecom_link *link) {
    return link->ready_ms;
}

bool wecom_link_idle(const struct wecom_link *link) {
    return wecom_frames_count(link->frames) == 0;
}
