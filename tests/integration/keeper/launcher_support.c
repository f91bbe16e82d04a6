/* Runs the loop until a thing has happened; a deadline of 30 s fails the test. */
#include "launcher_support.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEADLINE_NS 30000000000U

struct bench bench;

static void on_started(void *user, int64_t run, int64_t pid) {
    (void)user;
    bench.heard[run].started++;
    bench.heard[run].pid = pid;
}

static void on_ended(void *user, int64_t run, const struct process_end *end) {
    (void)user;
    struct heard *heard = &bench.heard[run];
    heard->ended++;
    heard->exit_code = end->exit_code;
    heard->signal = end->signal;
    heard->oom = end->oom;
    heard->not_started = end->not_started;
    heard->lines_count = end->lines_count;
    for (size_t i = 0; i < end->lines_count; i++) {
        assert_true(strlen(end->lines[i]) <= 400);
        strcpy(heard->lines[i], end->lines[i]);
    }
    heard->ended_at_ns = uv_hrtime();
}

static void on_lost(void *user, int64_t run) {
    (void)user;
    bench.heard[run].lost++;
}

void bench_open(void) {
    char keeper[4096];
    snprintf(keeper, sizeof keeper, "%s/trainbot-keeper", getenv("TRAINBOT_BIN"));
    struct launcher_events events = {.started = on_started, .ended = on_ended, .lost = on_lost};
    assert_int_equal(uv_loop_init(&bench.loop), 0);
    assert_int_equal(launcher_create(&bench.loop, keeper, &events, &bench.launcher), TB_OK);
}

static void on_closed(void *user) {
    *(bool *)user = true;
}

void bench_close(void) {
    bool closed = false;
    launcher_close(bench.launcher, on_closed, &closed);
    assert_false(closed);
    uv_run(&bench.loop, UV_RUN_DEFAULT);
    assert_true(closed);
    assert_int_equal(uv_loop_close(&bench.loop), 0);
}

int bench_setup(void **state) {
    (void)state;
    memset(&bench, 0, sizeof bench);
    snprintf(bench.dir, sizeof bench.dir, "/tmp/launcher-test-XXXXXX");
    assert_non_null(mkdtemp(bench.dir));
    bench_open();
    return 0;
}

int bench_teardown(void **state) {
    (void)state;
    bench_close();
    char command[400];
    /* a keeper that is told last may still be writing its exit file */
    snprintf(command, sizeof command, "timeout 20 sh -c 'until rm -rf %s 2>/dev/null; do sleep 0.01; done'", bench.dir);
    return system(command);
}

const char *bench_run_dir(int64_t run) {
    static char dirs[8][400];
    static unsigned next;
    char *dir = dirs[next++ % 8];
    snprintf(dir, sizeof dirs[0], "%s/%d", bench.dir, (int)run);
    if (mkdir(dir, 0700) < 0) assert_int_equal(errno, EEXIST);
    return dir;
}

void bench_start(int64_t run, char *const *argv) {
    char *env[] = {(char *)(uintptr_t) "TRAINBOT_RUN=7", NULL};
    struct launch launch = {.run = run, .argv = argv, .env = env, .run_dir = bench_run_dir(run)};
    char why[256];
    int status = launcher_start(bench.launcher, &launch, why, sizeof why);
    if (status != TB_OK) print_error("%s\n", why);
    assert_int_equal(status, TB_OK);
}

void bench_shell(int64_t run, const char *script) {
    char *argv[] = {(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)script, NULL};
    bench_start(run, argv);
}

static void tick(uv_timer_t *timer) {
    (void)timer;
}

void bench_wait(bool (*thing)(int64_t run), int64_t run) {
    uint64_t deadline = uv_hrtime() + DEADLINE_NS;
    uv_timer_t timer;
    uv_timer_init(&bench.loop, &timer);
    uv_timer_start(&timer, tick, 10, 10); /* for the things that are not told: files, processes */
    while (!thing(run) && uv_hrtime() < deadline)
        uv_run(&bench.loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&bench.loop, UV_RUN_NOWAIT);
    assert_true(thing(run));
}

bool was_started(int64_t run) {
    return bench.heard[run].started > 0;
}

bool was_ended(int64_t run) {
    return bench.heard[run].ended > 0;
}

bool was_lost(int64_t run) {
    return bench.heard[run].lost > 0;
}

static bool file_has(int64_t run, const char *name, off_t size) {
    char path[500];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", bench_run_dir(run), name);
    return stat(path, &st) == 0 && st.st_size >= size;
}

bool has_exit_file(int64_t run) {
    return file_has(run, "exit", 1);
}

bool printed(int64_t run) {
    return file_has(run, "output.log", 1);
}

char *read_whole(int64_t run, const char *name, size_t *ret_size) {
    char path[500];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", bench_run_dir(run), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *text = malloc((size_t)st.st_size + 1);
    assert_non_null(text);
    size_t size = 0;
    for (ssize_t n; size < (size_t)st.st_size && (n = read(fd, text + size, (size_t)st.st_size - size)) > 0;)
        size += (size_t)n;
    close(fd);
    text[size] = '\0';
    if (ret_size) *ret_size = size;
    return text;
}

int64_t keeper_pid(int64_t run) {
    char *text = read_whole(run, "keeper", NULL);
    char *line = strstr(text, "\nkeeper ");
    int64_t pid = line ? atoll(line + 8) : 0;
    free(text);
    return pid;
}

bool process_lives(int64_t pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    char *name_end = strrchr(text, ')');
    return name_end && name_end[2] != 'Z' && name_end[2] != 'X';
}
