/*
 * From tb_progress to the bytes in the bot's socket, at 100 rows/s with a metrics row before each progress row, and
 * what the sender thread costs meanwhile and while the training says nothing. The bot's side is a thread of this
 * program.
 */
#include "trainbot.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ROWS 1000

static uint64_t sent_ns[ROWS + 1], took_ns[ROWS];
static int listener, taken;

static uint64_t ns_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *bot(void *user) {
    static char bytes[1 << 16];
    int fd = accept(listener, NULL, NULL);
    (void)user;
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes - 1)) > 0;) {
        uint64_t now = ns_now();
        bytes[n] = 0;
        if (strstr(bytes, "\"hello\"")) dprintf(fd, "{\"type\":\"welcome\",\"run\":\"1\",\"ack\":0}\n");
        for (char *at = bytes; (at = strstr(at, "\"progress\"")); at++) {
            char *step = strstr(at, "\"step\":");
            long i = step ? strtol(step + 7, NULL, 10) : 0;
            if (i > 0 && i <= ROWS && taken < ROWS)
                took_ns[taken++] = now - __atomic_load_n(&sent_ns[i], __ATOMIC_ACQUIRE);
        }
        char *seq = NULL;
        for (char *at = bytes; (at = strstr(at, "\"seq\":")); at++)
            seq = at;
        if (seq) dprintf(fd, "{\"type\":\"ack\",\"seq\":%llu}\n", strtoull(seq + 6, NULL, 10));
    }
    return NULL;
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static long switches(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

int main(void) {
    char dir[] = "/tmp/bench-latency-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pthread_t thread;
    if (!mkdtemp(dir)) return 1;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4) < 0) return 1;
    setenv("TRAINBOT_SOCKET", address.sun_path, 1);
    setenv("TRAINBOT_RUN_DIR", dir, 1);
    if (pthread_create(&thread, NULL, bot, NULL) != 0) return 1;
    struct tb_run *run = tb_open(NULL);
    if (tb_wait_welcome(run, 5000) < 0) return 1;
    for (int step = 1; step <= ROWS; step++) {
        usleep(10000);
        TB_LOG(run, step, {"loss", 1.0 / step}, {"acc", 0.5});
        __atomic_store_n(&sent_ns[step], ns_now(), __ATOMIC_RELEASE);
        TB_PROGRESS(run, step, {"loss", 1.0 / step});
    }
    sleep(1);
    long before = switches();
    sleep(5);
    printf("idle_wakeups %.1f per_s\n", (double)(switches() - before) / 5);
    tb_close(run, "finished");
    pthread_join(thread, NULL);
    if (taken == 0) return 1;
    qsort(took_ns, (size_t)taken, sizeof *took_ns, compare);
    printf("progress_to_socket_p50 %.3f ms\n", (double)took_ns[taken / 2] / 1e6);
    printf("progress_to_socket_p99 %.3f ms\n", (double)took_ns[taken * 99 / 100] / 1e6);
    unlink(address.sun_path);
    return rmdir(dir) < 0;
}
