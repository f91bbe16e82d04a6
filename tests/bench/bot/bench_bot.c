/*
 * What the daemon costs and how fast it is, against the real program: start, idle memory and wake-ups, 1,000 attached
 * trainers, durable ingestion on one core, and the time from tb_progress to the text on a page's WebSocket with 100
 * trainers at 100 rows a second. Prints "name value unit". usage: bench_bot FOLDER_WITH_PROGRAMS [start|attach|ingest|latency]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <trainbot.h>
#include <unistd.h>

#define TRAINERS 100
#define ROWS_PER_S 100
#define SLOTS 20
#define LATENCY_SECONDS 10
#define TOTAL_STEPS 1000000000

static char dir[40], state[48], token[128];
static int port;
static pid_t bot;
static const char *bin;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    if (bot > 0) kill(bot, SIGKILL);
    exit(1);
}

static void print(const char *name, double value, const char *unit) {
    printf("%s %.6g %s\n", name, value, unit);
    fflush(stdout);
}

/* Starts the bot on a fresh state directory, on one core when asked; reads port and token from its greeting. */
static void bot_start(int core) {
    char program[512], set_state[80], line[512];
    int out[2];
    snprintf(dir, sizeof dir, "/tmp/tb-bench-XXXXXX");
    if (!mkdtemp(dir) || pipe(out) < 0) die("scratch");
    snprintf(state, sizeof state, "%s/s", dir);
    snprintf(set_state, sizeof set_state, "bot.state_dir=%s", state);
    snprintf(program, sizeof program, "%s/trainbot", bin);
    int64_t begin = now_ns();
    bot = fork();
    if (bot == 0) {
        cpu_set_t cores;
        CPU_ZERO(&cores);
        CPU_SET((size_t)(core < 0 ? 0 : core), &cores);
        if (core >= 0) sched_setaffinity(0, sizeof cores, &cores);
        dup2(out[1], 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        execl(program, "trainbot", "--config", "/dev/null", "--set", set_state, "--set", "channel web.listen=127.0.0.1:0", "serve", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *greeting = fdopen(out[0], "r");
    const char *at = NULL;
    while (greeting && !at && fgets(line, sizeof line, greeting))
        at = strstr(line, "http://127.0.0.1:");
    if (!at || sscanf(at, "http://127.0.0.1:%d/#t=%127s", &port, token) != 2) die("the bot's greeting");
    print("start_to_ready", (double)(now_ns() - begin) / 1e6, "ms");
}

static void bot_stop(void) {
    char command[128];
    kill(bot, SIGTERM);
    waitpid(bot, NULL, 0);
    bot = 0;
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0) perror("rm");
}

static long status_kb(const char *field) {
    char path[64], line[256];
    long kb = -1;
    snprintf(path, sizeof path, "/proc/%d/status", (int)bot);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0) sscanf(line + strlen(field), ": %ld", &kb);
    if (file) fclose(file);
    return kb;
}

static double cpu_s(void) {
    char path[64], text[1024];
    unsigned long user = 0, system_time = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)bot);
    FILE *file = fopen(path, "r");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[size] = 0;
    if (file) fclose(file);
    char *end = strrchr(text, ')');
    if (end) sscanf(end + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system_time);
    return (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK);
}

static void pause_s(double seconds) {
    struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

static int connect_unix(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/trainer.sock", state);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("trainer.sock");
    return fd;
}

static void write_all(int fd, const char *bytes, size_t size) {
    for (size_t sent = 0; sent < size;) {
        ssize_t count = write(fd, bytes + sent, size - sent);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) die("write");
        sent += (size_t)count;
    }
}

static void hello(int fd, int number) {
    char text[512];
    int size = snprintf(text, sizeof text,
                        "{\"type\":\"hello\",\"v\":1,\"instance\":\"%032x\",\"name\":\"bench%d\",\"pid\":%d,\"host\":\"here\",\"total_steps\":0,"
                        "\"batch\":1,\"params\":[],\"commands\":[],\"next_seq\":1}\n",
                        number + 1, number, (int)getpid());
    write_all(fd, text, (size_t)size);
}

/* ---- start, idle, attach ---- */

static void bench_start(void) {
    for (int i = 0; i < 5; i++) {
        bot_start(-1);
        if (i < 4) bot_stop();
    }
    pause_s(2);
    print("idle_rss", (double)status_kb("VmRSS") / 1024, "MiB");
    long before = status_kb("voluntary_ctxt_switches");
    pause_s(10);
    print("idle_wakeups_in_10_s", (double)(status_kb("voluntary_ctxt_switches") - before), "count");
    bot_stop();
}

static void bench_attach(void) {
    static int fds[1000];
    bot_start(-1);
    int64_t begin = now_ns();
    for (int i = 0; i < 1000; i++) {
        fds[i] = connect_unix();
        hello(fds[i], i);
    }
    int welcomed = 0;
    for (int i = 0; i < 1000; i++) {
        char text[4096];
        if (read(fds[i], text, sizeof text) > 0 && memmem(text, sizeof text, "welcome", 7)) welcomed++;
    }
    print("attached_trainers", welcomed, "count");
    print("attach_1000", (double)(now_ns() - begin) / 1e6, "ms");
    print("rss_with_1000_trainers", (double)status_kb("VmRSS") / 1024, "MiB");
    for (int i = 0; i < 1000; i++)
        close(fds[i]);
    bot_stop();
}

/* ---- ingest ---- */

#define FRAME_ROWS 400
#define FRAME_COLS 4
#define FRAMES 2500

static void bench_ingest(void) {
    bot_start(0);
    int fd = connect_unix();
    hello(fd, 0);
    static char frame[1 << 17], answers[1 << 16];
    int64_t begin = now_ns(), step = 0;
    double begin_cpu = cpu_s();
    long acked = 0;
    for (int i = 1; i <= FRAMES || acked < FRAMES;) {
        struct pollfd poll_fd = {.fd = fd, .events = (short)(POLLIN | (i <= FRAMES ? POLLOUT : 0))};
        if (poll(&poll_fd, 1, 10000) <= 0) die("no acknowledgement within 10 s");
        if (poll_fd.revents & POLLIN) {
            ssize_t count = read(fd, answers, sizeof answers - 1);
            if (count <= 0) die("the bot closed the link");
            answers[count] = 0;
            for (char *at = answers; (at = strstr(at, "\"seq\":")); at += 6)
                acked = strtol(at + 6, NULL, 10);
        } else if (i <= FRAMES) {
            size_t size = (size_t)snprintf(frame, sizeof frame, "{\"type\":\"metrics\",\"seq\":%d,\"cols\":[\"loss\",\"acc\",\"grad_norm\",\"lr\"],\"rows\":[", i);
            for (int row = 0; row < FRAME_ROWS; row++) {
                step++;
                size += (size_t)snprintf(frame + size, sizeof frame - size, "%s[%lld,%lld,null,%.7g,%.7g,%.7g,0.001]", row ? "," : "", (long long)step,
                                         1700000000000LL + (long long)step, 1.0 / (double)step, 1 - 1.0 / (double)step, 0.37 * (double)(step % 91));
            }
            size += (size_t)snprintf(frame + size, sizeof frame - size, "]}\n");
            write_all(fd, frame, size);
            i++;
        }
    }
    double seconds = (double)(now_ns() - begin) / 1e9, points = (double)FRAMES * FRAME_ROWS * FRAME_COLS;
    print("ingest_points", points, "count");
    print("ingest_durable", points / seconds, "points/s");
    print("ingest_per_cpu_second", points / (cpu_s() - begin_cpu), "points/s");
    print("ingest_rss", (double)status_kb("VmRSS") / 1024, "MiB");
    close(fd);
    bot_stop();
}

/* ---- latency ---- */

static struct tb_run *runs[TRAINERS];
static _Atomic int64_t logged_ns[TRAINERS][ROWS_PER_S * (LATENCY_SECONDS + 5) + 2];
static _Atomic int trainers_done;
static double text_ms[TRAINERS * ROWS_PER_S * (LATENCY_SECONDS + 5)], rows_ms[TRAINERS * ROWS_PER_S * (LATENCY_SECONDS + 5)];
static size_t text_count, rows_count;

static void *train(void *unused) {
    (void)unused;
    int64_t tick = now_ns();
    /* Trainers do not step in unison: SLOTS groups, one after the other, share each row's interval. */
    for (int turn = 0; turn < ROWS_PER_S * LATENCY_SECONDS * SLOTS; turn++) {
        int step = turn / SLOTS + 1, slot = turn % SLOTS;
        for (int i = slot; i < TRAINERS; i += SLOTS) {
            atomic_store(&logged_ns[i][step], now_ns());
            TB_PROGRESS(runs[i], step, {"loss", 1.0 / step}, {"acc", step * 1e-4});
        }
        tick += 1000000000 / ROWS_PER_S / SLOTS;
        struct timespec until = {tick / 1000000000, tick % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
    atomic_store(&trainers_done, 1);
    return NULL;
}

static int websocket(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char text[1024];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) die("the page's port");
    int size = snprintf(text, sizeof text,
                        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer %s\r\n\r\n", port, token);
    write_all(fd, text, (size_t)size);
    size_t have = 0;
    while (have < sizeof text - 1 && !memmem(text, have, "\r\n\r\n", 4)) /* a byte at a time: frames may follow at once */
        if (read(fd, text + have, 1) == 1) have++;
        else die("the WebSocket's answer");
    if (!memmem(text, have, " 101 ", 5)) die("the WebSocket was refused");
    return fd;
}

static int run_index(long id) {
    for (int i = 0; i < TRAINERS; i++)
        if (tb_run_id(runs[i]) == id) return i;
    return -1;
}

static void note(double *list, size_t *count, int run, long step, int64_t now) {
    if (run < 0 || step < 1 || step > ROWS_PER_S * LATENCY_SECONDS) return;
    int64_t then = atomic_load(&logged_ns[run][step]);
    if (then) list[(*count)++] = (double)(now - then) / 1e6;
}

/* A message with the progress text ("970/1000000000"), or a packet of rows. */
static void take(const char *text, int64_t now) {
    const char *run = strstr(text, "\"run\":\""), *total;
    if (!run) return;
    int index = run_index(strtol(run + 7, NULL, 10));
    if (strstr(text, "\"class\":\"progress\"") && (total = strstr(text, "/1000000000"))) {
        const char *digits = total;
        while (digits > text && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        note(text_ms, &text_count, index, strtol(digits, NULL, 10), now);
    } else if (strstr(text, "\"type\":\"rows\"") && strstr(text, "\"progress\":true")) {
        const char *row = strstr(text, "\"rows\":[[");
        if (row) note(rows_ms, &rows_count, index, strtol(row + 9, NULL, 10), now);
    }
}

static void listen_to(int fd) {
    static unsigned char bytes[1 << 22];
    size_t have = 0;
    int64_t last = now_ns();
    while (!atomic_load(&trainers_done) || now_ns() - last < 500000000) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (poll(&poll_fd, 1, 100) <= 0) continue;
        ssize_t count = read(fd, bytes + have, sizeof bytes - have);
        if (count <= 0) die("the WebSocket closed");
        have += (size_t)count;
        int64_t now = last = now_ns();
        size_t at = 0;
        while (have - at >= 2) {
            size_t size = bytes[at + 1] & 127, head = 2;
            if (size == 126) {
                if (have - at < 4) break;
                size = ((size_t)bytes[at + 2] << 8) | bytes[at + 3];
                head = 4;
            } else if (size == 127) {
                if (have - at < 10) break;
                size = 0;
                for (int i = 0; i < 8; i++)
                    size = size << 8 | bytes[at + 2 + (size_t)i];
                head = 10;
            }
            if (have - at < head + size) break;
            static char text[1 << 20];
            if ((bytes[at] & 15) == 1 && size < sizeof text) {
                memcpy(text, bytes + at + head, size);
                text[size] = 0;
                take(text, now);
            }
            at += head + size;
        }
        memmove(bytes, bytes + at, have - at);
        have -= at;
    }
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static void percentiles(const char *name, double *list, size_t count) {
    char label[64];
    qsort(list, count, sizeof *list, by_value);
    snprintf(label, sizeof label, "%s_seen", name);
    print(label, (double)count, "count");
    if (!count) return;
    snprintf(label, sizeof label, "%s_p50", name);
    print(label, list[count / 2], "ms");
    snprintf(label, sizeof label, "%s_p99", name);
    print(label, list[count * 99 / 100], "ms");
}

static void bench_latency(void) {
    char path[128];
    bot_start(-1);
    snprintf(path, sizeof path, "%s/trainer.sock", state);
    setenv("TRAINBOT_SOCKET", path, 1);
    for (int i = 0; i < TRAINERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "bench%d", i);
        runs[i] = tb_open(&(struct tb_options){.name = name, .total_steps = TOTAL_STEPS, .batch = 1});
        if (tb_wait_welcome(runs[i], 10000) < 0) die("no welcome");
    }
    int fd = websocket();
    pthread_t thread;
    double begin_cpu = cpu_s();
    if (pthread_create(&thread, NULL, train, NULL) != 0) die("thread");
    listen_to(fd);
    pthread_join(thread, NULL);
    print("trainers", TRAINERS, "count");
    print("rows_each", ROWS_PER_S, "rows/s");
    percentiles("progress_text", text_ms, text_count);
    percentiles("progress_row", rows_ms, rows_count);
    print("bot_cpu", 100 * (cpu_s() - begin_cpu) / LATENCY_SECONDS, "%");
    print("bot_rss", (double)status_kb("VmRSS") / 1024, "MiB");
    for (int i = 0; i < TRAINERS; i++)
        tb_close(runs[i], "finished");
    close(fd);
    bot_stop();
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: bench_bot FOLDER_WITH_PROGRAMS [start|attach|ingest|latency]\n");
        return 2;
    }
    bin = argv[1];
    const char *only = argc > 2 ? argv[2] : "";
    signal(SIGPIPE, SIG_IGN);
    if (!only[0] || strcmp(only, "start") == 0) bench_start();
    if (!only[0] || strcmp(only, "attach") == 0) bench_attach();
    if (!only[0] || strcmp(only, "ingest") == 0) bench_ingest();
    if (!only[0] || strcmp(only, "latency") == 0) bench_latency();
    return 0;
}
