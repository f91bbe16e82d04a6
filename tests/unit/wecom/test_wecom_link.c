/*
 * The connection to the gateway against a peer written by hand on the same loop: what it makes of a gateway that is not
 * there, silent, no gateway, refusing, taken over, deaf, babbling; and that at whatever moment it is stopped, the loop
 * can be closed. How well it speaks is for the stand-in's end-to-end tests.
 */
#include "wecom_link.h"
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SPEED "40" /* all waits that many times shorter */

enum manner { SILENT, NOT_FOUND, HANGS_UP, SILENT_SOCKET, WRONG_SECRET, GOOD, DEAF, BABBLES, TAKES_OVER, EARLY, DIES };

struct peer {
    uv_tcp_t tcp;
    struct world *world;
    char *in;
    size_t size;
    bool upgraded;
};
struct world {
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_timer_t limit;
    enum manner manner;
    int port, connections, subscriptions, pings, callbacks, odd, states[5];
    enum wecom_link_state last;
    char why[200], callback[300];
    struct wecom_link *link;
    struct secret secret;
    int done_after; /* stop when this many states of `last` came; 0: only by hand */
    bool stopped, over_time;
    int fates[4], fate_total;
};

/* ---- the peer ---- */

static void peer_closed(uv_handle_t *handle) {
    struct peer *peer = handle->data;
    free(peer->in);
    free(peer);
}

static void peer_end(struct peer *peer) {
    if (!uv_is_closing((uv_handle_t *)&peer->tcp)) uv_close((uv_handle_t *)&peer->tcp, peer_closed);
}

struct writing {
    uv_write_t request;
    char *bytes;
};
static void written(uv_write_t *request, int status) {
    struct writing *writing = (struct writing *)request;
    (void)status;
    free(writing->bytes);
    free(writing);
}

static void put(struct peer *peer, const char *bytes, size_t size) {
    struct writing *writing = malloc(sizeof *writing);
    writing->bytes = malloc(size);
    memcpy(writing->bytes, bytes, size);
    uv_buf_t buf = uv_buf_init(writing->bytes, (unsigned)size);
    if (uv_is_closing((uv_handle_t *)&peer->tcp) ||
        uv_write(&writing->request, (uv_stream_t *)&peer->tcp, &buf, 1, written) < 0)
        written(&writing->request, 0);
}

/* A frame; opcode 1 text, 2 binary. */
static void put_frame(struct peer *peer, int opcode, const char *bytes, size_t size) {
    char head[10] = {(char)(0x80 | opcode)};
    size_t length = 2;
    if (size < 126) {
        head[1] = (char)size;
    } else {
        head[1] = 127;
        for (int i = 0; i < 8; i++)
            head[2 + i] = (char)((uint64_t)size >> (56 - 8 * i));
        length = 10;
    }
    put(peer, head, length);
    put(peer, bytes, size);
}

static void put_text(struct peer *peer, const char *text) {
    put_frame(peer, 1, text, strlen(text));
}

static void accept_upgrade(struct peer *peer) {
    unsigned char digest[SHA_DIGEST_LENGTH];
    char key[128] = "", reply[300], accept[64];
    const char *at = strcasestr(peer->in, "sec-websocket-key:");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 18, " %80s", key), 1);
    assert_null(strcasestr(peer->in, "sec-websocket-protocol"));
    strcat(key, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    SHA1((const unsigned char *)key, strlen(key), digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof digest);
    int size = snprintf(reply, sizeof reply,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: %s\r\n\r\n",
                        accept);
    put(peer, reply, (size_t)size);
    peer->upgraded = true;
}

#define CALLBACK                                                                                                       \
    "{\"cmd\":\"aibot_msg_callback\",\"headers\":{\"req_id\":\"CB1\"},\"body\":{\"msgid\":\"m1\",\"from\":{"           \
    "\"userid\":"                                                                                                      \
    "\"u\"},\"msgtype\":\"text\",\"text\":{\"content\":\"hi\"}}}"

static void babble(struct peer *peer) {
    char *big = malloc(2u << 20);
    memset(big, 'x', 2u << 20);
    put_frame(peer, 1, big, 2u << 20);
    put_frame(peer, 2, "\x00\x01", 2);
    put_text(peer, "not JSON");
    put_text(peer, "not JSON either");
    put_text(peer, "{\"headers\":{\"req_id\":\"nobody\"},\"errcode\":0}");
    put_text(peer, "{\"cmd\":\"aibot_of_2030\"}");
    put_text(peer, "");
    put_text(peer, CALLBACK);
    free(big);
}

static void take_text(struct peer *peer, const char *text) {
    struct world *world = peer->world;
    char id[128] = "", reply[300];
    const char *at = strstr(text, "\"req_id\":\"");
    assert_non_null(at);
    assert_int_equal(sscanf(at + 10, "%100[^\"]", id), 1);
    bool subscribes = strstr(text, "aibot_subscribe") != NULL, pings = strstr(text, "\"ping\"") != NULL;
    world->subscriptions += subscribes;
    world->pings += pings;
    if (subscribes) assert_non_null(strstr(text, "s3cr3t"));
    if (world->manner == SILENT_SOCKET || (world->manner == DEAF && !subscribes)) return;
    if (subscribes && world->manner == EARLY) put_text(peer, CALLBACK);
    bool wrong = subscribes && world->manner == WRONG_SECRET;
    snprintf(reply, sizeof reply, "{\"headers\":{\"req_id\":\"%s\"},\"errcode\":%d,\"errmsg\":\"x\"}", id,
             wrong ? 853000 : 0);
    put_text(peer, reply);
    if (subscribes && world->manner == BABBLES) babble(peer);
    if (subscribes && world->manner == TAKES_OVER) setenv("TRAINBOT_TEST_SPEED", "1000", 1); /* for the ten minutes */
    if (subscribes && world->manner == TAKES_OVER)
        put_text(peer, "{\"cmd\":\"aibot_event_callback\",\"headers\":{\"req_id\":\"d\"},\"body\":{\"msgid\":\"E\","
                       "\"msgtype\":\"event\",\"event\":{\"eventtype\":\"disconnected_event\"}}}");
    if (!subscribes && !pings && world->manner == DIES) peer_end(peer);
}

/* One masked frame below 64 KiB. Returns its length, 0: not whole yet. */
static size_t take_frame(struct peer *peer) {
    const unsigned char *in = (const unsigned char *)peer->in;
    if (peer->size < 6) return 0;
    size_t length = in[1] & 127u, head = 2;
    if (length == 126) {
        length = (size_t)in[2] << 8 | in[3];
        head = 4;
    }
    if (peer->size < head + 4 + length) return 0;
    char *text = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(in[head + 4 + i] ^ in[head + i % 4]);
    text[length] = 0;
    if ((in[0] & 15) == 1) take_text(peer, text);
    free(text);
    return head + 4 + length;
}

static void take_bytes(struct peer *peer) {
    struct world *world = peer->world;
    static const char html[] = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    if (!peer->upgraded) {
        if (!strstr(peer->in, "\r\n\r\n") || world->manner == SILENT) return;
        if (world->manner == NOT_FOUND)
            put(peer, html, sizeof html - 1);
        else if (world->manner == HANGS_UP)
            peer_end(peer);
        else
            accept_upgrade(peer);
        peer->size = 0;
        return;
    }
    for (size_t used; (used = take_frame(peer)) > 0;) {
        memmove(peer->in, peer->in + used, peer->size - used);
        peer->size -= used;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct peer *peer = handle->data;
    (void)suggested;
    peer->in = realloc(peer->in, peer->size + 65537);
    *buf = uv_buf_init(peer->in + peer->size, 65536);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf) {
    struct peer *peer = stream->data;
    (void)buf;
    if (count < 0) {
        peer_end(peer);
        return;
    }
    peer->size += (size_t)count;
    peer->in[peer->size] = 0;
    take_bytes(peer);
}

static void on_peer(uv_stream_t *listener, int status) {
    struct world *world = listener->data;
    struct peer *peer = calloc(1, sizeof *peer);
    assert_int_equal(status, 0);
    peer->world = world;
    uv_tcp_init(&world->loop, &peer->tcp);
    peer->tcp.data = peer;
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&peer->tcp), 0);
    uv_read_start((uv_stream_t *)&peer->tcp, on_alloc, on_read);
    world->connections++;
}

/* ---- the link's side ---- */

static void link_stopped(void *user) {
    struct world *world = user;
    world->stopped = true;
    uv_stop(&world->loop);
}

static void on_state(void *user, enum wecom_link_state state, const char *why) {
    struct world *world = user;
    world->states[state]++;
    world->last = state;
    snprintf(world->why, sizeof world->why, "%s", why);
    uv_stop(&world->loop);
}

static void on_callback(void *user, const struct wecom_frame *frame) {
    struct world *world = user;
    world->callbacks++;
    snprintf(world->callback, sizeof world->callback, "%s", frame->text ? frame->text : "");
    uv_stop(&world->loop);
}

static void on_odd(void *user, const char *what) {
    struct world *world = user;
    (void)what;
    world->odd++;
}

static void on_fate(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct world *world = user;
    (void)ack;
    world->fates[fate]++;
    world->fate_total++;
    uv_stop(&world->loop);
}

static void on_limit(uv_timer_t *timer) {
    struct world *world = timer->data;
    world->over_time = true;
    uv_stop(&world->loop);
}

static void run_until(struct world *world, const int *what, int count) {
    uv_timer_start(&world->limit, on_limit, 20000, 0);
    while (*what < count && !world->over_time)
        uv_run(&world->loop, UV_RUN_DEFAULT);
    if (world->over_time)
        fail_msg("no more than %d of %d; last state %d: %s", *what, count, (int)world->last, world->why);
}

static void world_open(struct world *world, enum manner manner, const char *scheme, const char *host) {
    struct sockaddr_in address;
    char url[100];
    int size = sizeof address;
    *world = (struct world){.manner = manner};
    assert_int_equal(uv_loop_init(&world->loop), 0);
    uv_timer_init(&world->loop, &world->limit);
    uv_tcp_init(&world->loop, &world->listener);
    world->limit.data = world->listener.data = world;
    uv_ip4_addr("127.0.0.1", 0, &address);
    assert_int_equal(uv_tcp_bind(&world->listener, (struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&world->listener, 16, on_peer), 0);
    uv_tcp_getsockname(&world->listener, (struct sockaddr *)&address, &size);
    world->port = ntohs(address.sin_port);
    snprintf(url, sizeof url, "%s://%s:%d", scheme, host, world->port);
    assert_int_equal(secret_set(&world->secret, "s3cr3t", 6), TB_OK);
    struct wecom_link_options options = {
        .loop = &world->loop,
        .url = url,
        .bot_id = "aibX7Kq",
        .ca_file = "",
        .proxy = "",
        .secret = &world->secret,
        .events = {.state = on_state, .callback = on_callback, .odd = on_odd, .user = world}};
    assert_int_equal(wecom_link_create(&options, &world->link), TB_OK);
    wecom_link_open(world->link);
}

static void end_handle(uv_handle_t *handle, void *user) {
    struct world *world = user;
    if (uv_is_closing(handle)) return;
    uv_close(handle,
             handle == (uv_handle_t *)&world->listener || handle == (uv_handle_t *)&world->limit ? NULL : peer_closed);
}

/* Stops the link wherever it is; then the peer's handles are all that the loop still has. */
static void world_close(struct world *world) {
    wecom_link_stop(world->link, link_stopped, world);
    while (!world->stopped)
        uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_walk(&world->loop, end_handle, world);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    secret_clear(&world->secret);
}

/* ---- the tests ---- */

static void test_good(void **state) {
    struct world world;
    (void)state;
    world_open(&world, GOOD, "ws", "127.0.0.1");
    run_until(&world, &world.states[WECOM_LINK_READY], 1);
    assert_true(wecom_link_ready(world.link));
    assert_true(wecom_link_since_ms(world.link) > 0);
    struct wecom_out out = {.req_id = "r",
                            .text = strdup("{\"cmd\":\"x\",\"headers\":{\"req_id\":\"r\"}}"),
                            .wants_ack = true,
                            .done = on_fate,
                            .user = &world};
    assert_int_equal(wecom_link_send(world.link, &out), TB_OK);
    run_until(&world, &world.fate_total, 1);
    assert_int_equal(world.fates[WECOM_ACKED], 1);
    while (world.pings < 4) /* heartbeats are answered: the connection stays */
        uv_run(&world.loop, UV_RUN_ONCE);
    assert_int_equal(world.connections, 1);
    assert_int_equal(world.subscriptions, 1);
    world_close(&world);
}

static void test_losses(void **state) {
    static const struct {
        enum manner manner;
        const char *why;
    } rows[] = {{SILENT, "in time"},
                {NOT_FOUND, ""},
                {HANGS_UP, ""},
                {SILENT_SOCKET, "does not answer the subscription"},
                {DEAF, "heartbeat"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world world;
        world_open(&world, rows[i].manner, "ws", "127.0.0.1");
        run_until(&world, &world.states[WECOM_LINK_DOWN], 2);
        if (!strstr(world.why, rows[i].why)) fail_msg("%zu: %s", i, world.why);
        assert_true(world.connections >= 2);
        world.manner = GOOD; /* it comes back by itself */
        int ready = world.states[WECOM_LINK_READY];
        run_until(&world, &world.states[WECOM_LINK_READY], ready + 1);
        world_close(&world);
    }
}

static void test_absent(void **state) {
    struct world world;
    (void)state;
    world_open(&world, GOOD, "ws", "127.0.0.1");
    uv_close((uv_handle_t *)&world.listener, NULL); /* nobody listens */
    run_until(&world, &world.states[WECOM_LINK_DOWN], 3);
    assert_int_equal(world.connections, 0);
    world_close(&world);
}

static void test_refused(void **state) {
    struct world world;
    (void)state;
    world_open(&world, WRONG_SECRET, "ws", "127.0.0.1");
    run_until(&world, &world.states[WECOM_LINK_REFUSED], 1);
    assert_int_equal(world.subscriptions, 5);
    assert_int_equal(world.states[WECOM_LINK_DOWN], 4);
    world.manner = GOOD;
    wecom_link_open(world.link); /* a person asks for it */
    run_until(&world, &world.states[WECOM_LINK_READY], 1);
    assert_int_equal(world.subscriptions, 6);
    world_close(&world);
}

static void test_taken_over(void **state) {
    struct world world;
    (void)state;
    world_open(&world, TAKES_OVER, "ws", "127.0.0.1");
    run_until(&world, &world.states[WECOM_LINK_TAKEN], 1);
    setenv("TRAINBOT_TEST_SPEED", SPEED, 1);
    assert_false(wecom_link_ready(world.link));
    assert_int_equal(world.connections, 1);
    world.manner = GOOD;
    run_until(&world, &world.states[WECOM_LINK_READY], 2); /* after ten minutes, quickened */
    assert_int_equal(world.connections, 2);
    world_close(&world);
}

static void test_babble(void **state) {
    struct world world;
    (void)state;
    world_open(&world, BABBLES, "ws", "127.0.0.1");
    run_until(&world, &world.callbacks, 1); /* what comes after is still understood */
    assert_string_equal(world.callback, "hi");
    assert_int_equal(world.odd, 3); /* too long, binary, no JSON: each once */
    assert_int_equal(world.connections, 1);
    world_close(&world);
    world_open(&world, EARLY, "ws", "127.0.0.1");
    run_until(&world, &world.callbacks, 1);
    run_until(&world, &world.states[WECOM_LINK_READY], 1);
    world_close(&world);
}

static void test_pending(void **state) {
    struct world world;
    (void)state;
    world_open(&world, DIES, "ws", "127.0.0.1");
    run_until(&world, &world.states[WECOM_LINK_READY], 1);
    for (int i = 0; i < 2; i++) { /* the second waits for the first one's acknowledgement */
        struct wecom_out out = {.req_id = "r",
                                .text = strdup("{\"cmd\":\"x\",\"headers\":{\"req_id\":\"r\"}}"),
                                .wants_ack = true,
                                .done = on_fate,
                                .user = &world};
        assert_int_equal(wecom_link_send(world.link, &out), TB_OK);
    }
    world.manner = SILENT_SOCKET;
    run_until(&world, &world.fate_total, 1);
    assert_int_equal(world.fates[WECOM_UNANSWERED], 1); /* in time, by the clock of acknowledgements */
    world.manner = DIES;
    run_until(&world, &world.fate_total, 2);
    struct wecom_out late = {.req_id = "l", .text = strdup("{}"), .wants_ack = true, .done = on_fate, .user = &world};
    run_until(&world, &world.states[WECOM_LINK_DOWN], 1);
    assert_int_equal(wecom_link_send(world.link, &late), TB_EGONE);
    world_close(&world);
}

/* The loop can be closed whatever was going on: turns of the loop are counted out from the first to the subscription.
 */
static void test_stops(void **state) {
    static const char *const schemes[] = {"ws", "wss"};
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int turns = 0; turns < 25; turns++) {
            struct world world;
            world_open(&world, turns % 2 ? GOOD : SILENT, schemes[i], hosts[turns % 3 == 0]);
            for (int turn = 0; turn < turns; turn++)
                uv_run(&world.loop, UV_RUN_NOWAIT);
            world_close(&world);
        }
}

static void test_tls_to_plain(void **state) {
    struct world world;
    (void)state;
    world_open(&world, NOT_FOUND, "wss", "localhost"); /* no TLS there: its bytes are never taken for an answer */
    run_until(&world, &world.states[WECOM_LINK_DOWN], 2);
    assert_int_equal(world.subscriptions, 0);
    world_close(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_losses),     cmocka_unit_test(test_absent),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_taken_over), cmocka_unit_test(test_babble),
        cmocka_unit_test(test_pending), cmocka_unit_test(test_stops),      cmocka_unit_test(test_tls_to_plain),
    };
    setenv("TRAINBOT_TEST_SPEED", SPEED, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
