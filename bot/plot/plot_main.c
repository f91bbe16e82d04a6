/*
 * plot_main.c: trainbot-plot: requests on standard input, pictures on standard output, one after the other. It leaves
 * at the end of input, after a minute without a request, and at the first byte that is not in the format; it opens no
 * files but fonts and starts nothing; the kernel limits its memory, the daemon its time.
 *
 *   trainbot-plot [--idle-ms N]
 */
#include "plot_draw.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TRAINBOT_CLANG_SANITIZED 1
#endif
#endif
#ifndef TRAINBOT_CLANG_SANITIZED
#define TRAINBOT_CLANG_SANITIZED 0
#endif

#define IDLE_MS 60000
#define MEMORY_MAX (UINT64_C(1) << 30)
#define FILES_MAX 64

enum { LEAVE_GOOD = 0, LEAVE_USAGE = 2, LEAVE_FORMAT = 3, LEAVE_MEMORY = 4, LEAVE_BROKEN = 5 };

/* 1: all read; 0: end of input or idle before the first byte; -1: cut in the middle or failed. */
static int read_all(uint8_t *bytes, size_t size, int wait_ms) {
    for (size_t used = 0; used < size;) {
        struct pollfd poll_in = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&poll_in, 1, wait_ms);
        if (ready < 0 && errno == EINTR) continue;
        if (ready == 0) return used == 0 ? 0 : -1;
        ssize_t got = ready < 0 ? -1 : read(STDIN_FILENO, bytes + used, size - used);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (got < 0) return -1;
        if (got == 0) return used == 0 ? 0 : -1;
        used += (size_t)got;
    }
    return 1;
}

static bool write_all(const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t put = write(STDOUT_FILENO, bytes, size);
        if (put < 0 && errno == EAGAIN) {
            struct pollfd poll_out = {.fd = STDOUT_FILENO, .events = POLLOUT};
            if (poll(&poll_out, 1, -1) < 0 && errno != EINTR) return false;
            continue;
        }
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        bytes += put;
        size -= (size_t)put;
    }
    return true;
}

static uint32_t microseconds_since(const struct timespec *start) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((now.tv_sec - start->tv_sec) * 1000000 + (now.tv_nsec - start->tv_nsec) / 1000);
}

static int answer(const struct plot_job *job) {
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    uint8_t *picture = NULL, head[PLOT_ANSWER_HEAD];
    size_t size = 0;
    struct plot_answer answer = {.id = job->id};
    int error = plot_draw(job, &picture, &size, &answer.unknown_glyphs);
    if (error == TB_OK && size > PLOT_ANSWER_MAX) error = TB_ERANGE;
    answer.status = (uint32_t)-error;
    answer.size = error == TB_OK ? (uint32_t)size : 0;
    answer.draw_us = microseconds_since(&start);
    plot_answer_encode(&answer, head);
    bool good = write_all(head, sizeof head) && write_all(picture, answer.size);
    free(picture);
    return good ? LEAVE_GOOD : LEAVE_BROKEN;
}

/* One request; *ret_more false: there is none. */
static int serve(int idle_ms, bool *ret_more) {
    uint8_t head[PLOT_REQUEST_HEAD];
    size_t size;
    int got = read_all(head, sizeof head, idle_ms);
    *ret_more = got != 0;
    if (got <= 0) return got < 0 ? LEAVE_FORMAT : LEAVE_GOOD;
    if (plot_request_head(head, &size) != TB_OK) return LEAVE_FORMAT;
    uint8_t *body = malloc(size + 1);
    if (!body) return LEAVE_MEMORY;
    struct plot_job job = {0};
    got = read_all(body, size, idle_ms);
    int error = size > 0 && got == 1 ? plot_job_decode(body, size, &job) : TB_EINVAL;
    free(body);
    if (error != TB_OK) return error == TB_ENOMEM ? LEAVE_MEMORY : LEAVE_FORMAT;
    int leave = answer(&job);
    plot_job_release(&job);
    return leave;
}

static void limit(void) {
    struct rlimit none = {0, 0}, files = {FILES_MAX, FILES_MAX};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
    (void)setrlimit(RLIMIT_NOFILE, &files);
#if !TRAINBOT_CLANG_SANITIZED && !defined(__SANITIZE_ADDRESS__) &&                                                     \
    !defined(__SANITIZE_THREAD__) /* their shadow memory is terabytes */
    struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};
    (void)setrlimit(RLIMIT_AS, &memory);
#endif
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

#if TRAINBOT_CLANG_SANITIZED || defined(__SANITIZE_ADDRESS__)
/* Fontconfig's caches live as long as the process and are not ours to free. */
const char *__lsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void) {
    return "leak:libfontconfig\n";
}
#endif

#if TRAINBOT_CLANG_SANITIZED || defined(__SANITIZE_THREAD__)
/* Our code has one thread; pango looks for fonts in its own, behind GLib's locks, which the sanitizer cannot see. */
const char *__tsan_default_options(void);
__attribute__((visibility("default"))) const char *__tsan_default_options(void) {
    return "ignore_noninstrumented_modules=1";
}
#endif

int main(int argc, char **argv) {
    long idle_ms = IDLE_MS;
    if (argc == 3 && strcmp(argv[1], "--idle-ms") == 0) {
        char *end;
        idle_ms = strtol(argv[2], &end, 10);
        if (*end || end == argv[2] || idle_ms < 1 || idle_ms > 86400000) argc = 0;
    } else if (argc != 1) {
        argc = 0;
    }
    if (argc == 0) {
        fprintf(stderr,
                "usage: trainbot-plot [--idle-ms N]\nDraws plots for trainbot; not meant to be called by hand.\n");
        return LEAVE_USAGE;
    }
    limit();
    bool more = true;
    int leave = LEAVE_GOOD;
    while (more && leave == LEAVE_GOOD)
        leave = serve((int)idle_ms, &more);
    return leave;
}
