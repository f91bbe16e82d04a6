/*
 * What tb_log costs the training thread, with the bot there, absent, stopped (SIGSTOP) and restarting: each call is
 * timed with the processor's counter, with a short pause between calls as between steps. The bot is a child that
 * acknowledges. With the argument `quiet` it only logs: run it under strace to see that the training thread makes no
 * system call.
 */
#include "trainbot.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CALLS 200000

static uint64_t ns_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#if defined __x86_64__
static uint64_t ticks(void) {
    return __builtin_ia32_rdtsc();
}
#else
#define ticks ns_now
#endif

/* A bot in little: takes what comes, acknowledges the last seq. `live_ms`: dies and comes back so often; 0: stays. */
static void bot(const char *path, int live_ms) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = -1;
        unlink(path);
        if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4) < 0) _exit(1);
        uint64_t until = ns_now() + (live_ms ? (uint64_t)live_ms * 1000000u : UINT64_MAX / 2), last = 1;
        static char bytes[1 << 18];
        while (ns_now() < until) {
            struct pollfd p = {.fd = fd < 0 ? listener : fd, .events = POLLIN};
            if (poll(&p, 1, live_ms ? live_ms : -1) <= 0) continue;
            if (fd < 0) {
                fd = accept(listener, NULL, NULL);
                continue;
            }
            ssize_t n = read(fd, bytes, sizeof bytes - 1);
            if (n <= 0) {
                close(fd);
                fd = -1;
                continue;
            }
            bytes[n] = 0;
            if (strstr(bytes, "\"hello\""))
                dprintf(fd, "{\"type\":\"welcome\",\"run\":\"1\",\"ack\":%llu}\n", (unsigned long long)last - 1);
            for (char *at = bytes; (at = strstr(at, "\"seq\":")); at += 6)
                last = strtoull(at + 6, NULL, 10);
            dprintf(fd, "{\"type\":\"ack\",\"seq\":%llu}\n", (unsigned long long)last);
        }
        if (fd >= 0) close(fd);
        close(listener);
        unlink(path);
        usleep((useconds_t)live_ms * 1000);
    }
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double ns_per_tick;

static void calibrate(void) {
    uint64_t t = ticks(), n = ns_now();
    while (ns_now() - n < 50000000)
        continue;
    ns_per_tick = (double)(ns_now() - n) / (double)(ticks() - t);
}

static void measure(const char *name, struct tb_run *run) {
    static uint64_t took[CALLS];
    uint64_t empty = UINT64_MAX;
    for (int i = 0; i < 1000; i++) { /* what timing itself costs */
        uint64_t a = ticks(), b = ticks();
        if (b - a < empty) empty = b - a;
    }
    for (int64_t step = 1; step <= CALLS; step++) {
        uint64_t from = ticks();
        TB_LOG(run, step, {"loss", 1.0 / (double)step}, {"acc", 0.5});
        took[step - 1] = ticks() - from - empty;
        for (uint64_t wait = ticks() + (uint64_t)(20000 / ns_per_tick); ticks() < wait;)
            continue; /* a step of 20 us */
    }
    qsort(took, CALLS, sizeof *took, compare);
    printf("tb_log_%s_median %.0f ns\n", name, (double)took[CALLS / 2] * ns_per_tick);
    printf("tb_log_%s_p99 %.0f ns\n", name, (double)took[CALLS / 100 * 99] * ns_per_tick);
    printf("tb_log_%s_p999 %.0f ns\n", name, (double)took[CALLS / 1000 * 999] * ns_per_tick);
    printf("tb_log_%s_dropped %llu rows\n", name, (unsigned long long)tb_dropped(run));
}

static void with_bot(const char *name, const char *path, int live_ms, bool stop) {
    pid_t child = live_ms >= 0 ? fork() : 0;
    if (live_ms >= 0 && child == 0) bot(path, live_ms);
    struct tb_run *run = tb_open(NULL);
    if (live_ms >= 0) tb_wait_welcome(run, 2000);
    if (stop) kill(child, SIGSTOP);
    measure(name, run);
    tb_close(run, "finished");
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

int main(int argc, char **argv) {
    char dir[] = "/tmp/bench-tb-log-XXXXXX", path[64], command[64];
    if (!mkdtemp(dir)) return 1;
    snprintf(path, sizeof path, "%s/s", dir);
    setenv("TRAINBOT_SOCKET", path, 1);
    setenv("TRAINBOT_RUN_DIR", dir, 1);
    calibrate();
    if (argc > 1 && strcmp(argv[1], "quiet") == 0) {
        struct tb_run *run = tb_open(NULL);
        (void)!write(2, "begin\n", 6);
        for (int64_t step = 1; step <= 20000; step++)
            TB_LOG(run, step, {"loss", 1.0 / (double)step}, {"acc", 0.5});
        (void)!write(2, "end\n", 4);
        tb_close(run, "finished");
    } else {
        with_bot("present", path, 0, false);
        with_bot("absent", path, -1, false);
        with_bot("stopped", path, 0, true);
        with_bot("restarting", path, 200, false);
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}
