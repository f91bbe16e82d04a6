/* peer.c: see peer.h. */
#include "peer.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

double peer_number(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItem(object, name);
    if (cJSON_IsNumber(item)) return item->valuedouble;
    if (!cJSON_IsString(item)) fail_msg("no number %s", name);
    return strcmp(item->valuestring, "nan") == 0 ? NAN : item->valuestring[0] == '-' ? -INFINITY : INFINITY;
}

const char *peer_text(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItem(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

void peer_open(struct peer *peer, const char *path) {
    *peer = (struct peer){.link = -1, .loss = NAN};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(peer->listener >= 0);
    assert_int_equal(bind(peer->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer->listener, 4), 0);
    strcpy(peer->path, path);
}

void peer_close(struct peer *peer) {
    cJSON_Delete(peer->frame);
    free(peer->bytes);
    if (peer->link >= 0) close(peer->link);
    if (peer->listener >= 0) close(peer->listener);
    *peer = (struct peer){.link = -1, .listener = -1};
}

void peer_send(struct peer *peer, const char *format, ...) {
    char line[4096];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    line[length++] = '\n';
    assert_int_equal(send(peer->link, line, (size_t)length, MSG_NOSIGNAL), length);
}

/* One complete line as JSON, or NULL: there is none yet. */
static cJSON *line_take(struct peer *peer) {
    char *newline = peer->size > 0 ? memchr(peer->bytes, '\n', peer->size) : NULL;
    if (newline == NULL) return NULL;
    size_t length = (size_t)(newline - peer->bytes);
    cJSON *frame = cJSON_ParseWithLength(peer->bytes, length);
    if (frame == NULL) fail_msg("not JSON: %.*s", (int)length, peer->bytes);
    peer->size -= length + 1;
    memmove(peer->bytes, newline + 1, peer->size);
    return frame;
}

static void receive(struct peer *peer) {
    struct pollfd fd = {peer->link, POLLIN, 0};
    if (poll(&fd, 1, 1000) <= 0) return;
    peer->bytes = realloc(peer->bytes, peer->size + 65536);
    assert_non_null(peer->bytes);
    ssize_t n = recv(peer->link, peer->bytes + peer->size, 65536, 0);
    if (n <= 0) fail_msg("the trainer hung up");
    peer->size += (size_t)n;
}

static void row_check(struct peer *peer, int64_t step) {
    if (step != peer->steps + 1) fail_msg("row of step %lld after %lld", (long long)step, (long long)peer->steps);
    peer->steps = step;
}

static double cell(const cJSON *item) {
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

static double first_number(const cJSON *values) {
    return values != NULL && values->child != NULL ? cell(values->child) : NAN;
}

static void metrics_take(struct peer *peer, const cJSON *frame) {
    const cJSON *cols = cJSON_GetObjectItem(frame, "cols"), *row;
    if (cols == NULL) {
        row_check(peer, (int64_t)peer_number(frame, "step"));
        peer->loss = first_number(cJSON_GetObjectItem(frame, "values"));
        return;
    }
    const char *first =
        cJSON_GetArrayItem(cols, 0)->valuestring; /* an adversarial model's is d_loss, the pond's energy */
    assert_true(strstr(first, "loss") != NULL || strcmp(first, "energy") == 0);
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(frame, "rows")) {
        row_check(peer, (int64_t)cell(cJSON_GetArrayItem(row, 0)));
        peer->loss = cell(cJSON_GetArrayItem(row, 3));
    }
}

/* Books one frame and acknowledges it. */
static void frame_take(struct peer *peer, const cJSON *frame) {
    const char *type = peer_text(frame, "type");
    if (strcmp(type, "metrics") == 0) metrics_take(peer, frame);
    if (strcmp(type, "progress") == 0) peer->progress++;
    const cJSON *rewind = cJSON_GetObjectItem(frame, "rewind");
    if (strcmp(type, "event") == 0 && rewind != NULL) peer->steps = peer->rewound_to = (int64_t)rewind->valuedouble;
    if (cJSON_GetObjectItem(frame, "seq") == NULL) return;
    char ack[80]; /* after its bye the trainer may be gone: an acknowledgement need not arrive */
    int length = snprintf(ack, sizeof ack, "{\"type\":\"ack\",\"seq\":%.0f}\n", peer_number(frame, "seq"));
    ssize_t sent = send(peer->link, ack, (size_t)length, MSG_NOSIGNAL);
    assert_true(sent == length || strcmp(type, "bye") == 0);
}

/* `begin`: when the waiting began, as all of it has one deadline. */
static cJSON *frame_next(struct peer *peer, const char *waited_for, time_t begin) {
    for (;;) {
        if (time(NULL) - begin > PROGRAM_DEADLINE_S) fail_msg("%s does not come", waited_for);
        cJSON *frame = line_take(peer);
        if (frame != NULL) {
            frame_take(peer, frame);
            return frame;
        }
        receive(peer);
    }
}

const cJSON *peer_wait(struct peer *peer, const char *type, const char *which) {
    time_t begin = time(NULL);
    for (;;) {
        cJSON_Delete(peer->frame);
        peer->frame = NULL;
        peer->frame = frame_next(peer, which != NULL ? which : type, begin);
        if (strcmp(peer_text(peer->frame, "type"), type) != 0) continue;
        const char *mark = peer_text(peer->frame, strcmp(type, "event") == 0 ? "kind" : "id");
        if (which == NULL || strcmp(mark, which) == 0) return peer->frame;
    }
}

void peer_wait_step(struct peer *peer, int64_t step) {
    time_t begin = time(NULL);
    while (peer->steps < step) {
        cJSON *frame = frame_next(peer, "a step", begin);
        cJSON_Delete(frame);
    }
}

void peer_welcome(struct peer *peer, const char *params) {
    struct pollfd fd = {peer->listener, POLLIN, 0};
    if (poll(&fd, 1, PROGRAM_DEADLINE_S * 1000) != 1) fail_msg("nobody connects");
    peer->link = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer->link >= 0);
    peer_wait(peer, "hello", NULL);
    peer_send(peer, "{\"type\":\"welcome\",\"run\":\"7\",\"params\":%s,\"ack\":0}", params);
}
