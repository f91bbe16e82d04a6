/*
 * What a call costs over the loopback: "name value unit" a line. The server is a plain thread that answers a kept
 * connection at once; `raw` is the same exchange by a blocking socket, so the difference is what the client adds.
 */
#include "http_client.h"
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CALLS 3000
#define BODY "{\"chat_id\":\"42\",\"text\":\"Iter 1280, Minibatch Loss= 0.512345, Training Accuracy= 0.87500\"}"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"ok\":true}"
#define IDLE_CALLS 50

static double now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static double cpu_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Answers each request that ends with its body's "}"; one that begins with GET never. */
static void *serve_one(void *user) {
    int fd = (int)(intptr_t)user;
    char text[4096];
    for (ssize_t size; (size = read(fd, text, sizeof text)) > 0;)
        if (text[size - 1] == '}' && write(fd, ANSWER, sizeof ANSWER - 1) < 0) break;
    close(fd);
    return NULL;
}

static void *serve(void *user) {
    int listener = (int)(intptr_t)user, one = 1;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
        pthread_t thread;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd) == 0) pthread_detach(thread);
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *times, size_t count) {
    qsort(times, count, sizeof *times, compare);
    printf("%s_median %.1f us\n%s_p99 %.1f us\n", name, times[count / 2], name, times[count * 99 / 100]);
}

static double times[CALLS];

static void bench_raw(const struct sockaddr_in *address) {
    static const char head[] = "POST /send HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\r\n" BODY;
    char text[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) abort();
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (size_t i = 0; i < CALLS; i++) {
        double begin = now_us();
        if (write(fd, head, sizeof head - 1) < 0 || read(fd, text, sizeof text) <= 0) abort();
        times[i] = now_us() - begin;
    }
    close(fd);
    print_times("raw_post", times, CALLS);
}

static uv_loop_t loop;
static bool answered;

static void on_answer(void *user, const struct http_answer *answer) {
    (void)user;
    if (answer->status != 200) {
        fprintf(stderr, "%s\n", answer->why);
        exit(1);
    }
    answered = true;
}

static void bench_client(struct http_client *client, struct http_call_options *options) {
    double cpu = cpu_us();
    for (size_t i = 0; i < CALLS; i++) {
        double begin = now_us();
        answered = false;
        if (http_call_start(client, options, on_answer, NULL, NULL) < 0) abort();
        while (!answered)
            uv_run(&loop, UV_RUN_ONCE);
        times[i] = now_us() - begin;
        if (i == 0) cpu = cpu_us(); /* the first makes the connection */
    }
    printf("client_post_cpu %.1f us\n", (cpu_us() - cpu) / (CALLS - 1));
    print_times("client_post", times, CALLS);
}

static double heap_kib(void) {
    struct mallinfo2 info = mallinfo2();
    return (double)(info.uordblks + info.hblkhd) / 1024;
}

static void on_closed(void *user) {
    *(bool *)user = true;
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pthread_t thread;
    if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
        pthread_create(&thread, NULL, serve, (void *)(intptr_t)listener) != 0 || uv_loop_init(&loop) < 0)
        return 1;
    pthread_detach(thread);
    bench_raw(&address);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/send", ntohs(address.sin_port));
    struct http_client_options options = {.loop = &loop};
    struct http_client *client, *second;
    double before = heap_kib();
    if (http_client_create(&options, &client) < 0) return 1;
    printf("client_first_heap %.1f KiB\n", heap_kib() - before); /* with what libcurl and OpenSSL set up once */
    before = heap_kib();
    if (http_client_create(&options, &second) < 0) return 1;
    printf("client_idle_heap %.1f KiB\n", heap_kib() - before);
    struct http_call_options post = {.url = url,
                                     .post = true,
                                     .content_type = "application/json",
                                     .body = BODY,
                                     .body_size = sizeof BODY - 1,
                                     .timeout_ms = 10000,
                                     .once = true};
    bench_client(client, &post);
    struct http_call_options poll = {.url = url, .timeout_ms = 60000};
    before = heap_kib();
    for (int i = 0; i < IDLE_CALLS; i++)
        if (http_call_start(client, &poll, on_answer, NULL, NULL) < 0) return 1;
    double until = now_us() + 300000;
    while (now_us() < until)
        uv_run(&loop, UV_RUN_NOWAIT);
    printf("call_waiting_heap %.1f KiB\n", (heap_kib() - before) / IDLE_CALLS);
    bool closed[2] = {false, false};
    http_client_close(client, on_closed, &closed[0]);
    http_client_close(second, on_closed, &closed[1]);
    uv_run(&loop, UV_RUN_DEFAULT);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("peak_resident %ld KiB\n", usage.ru_maxrss);
    return closed[0] && closed[1] && uv_loop_close(&loop) == 0 ? 0 : 1;
}
