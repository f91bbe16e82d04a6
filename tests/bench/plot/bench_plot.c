/*
 * bench_plot.c: a picture of a run with 1,000,000 points of two metrics, through the real store, the real plotter and
 * the real helper: cold (the helper starts), warm (median, fastest, slowest of 20), bytes, and the share that is
 * reading.
 */
#include "plot_samples.h"
#include "plotter_uv.h"
#include "wire.h"

#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POINTS 1000000
#define ROWS 1000 /* per frame */
#define WARM 20

static void die(const char *what, int error) {
    fprintf(stderr, "bench_plot: %s: %d\n", what, error);
    exit(1);
}

static double now_ms(void) {
    return (double)uv_hrtime() / 1e6;
}

static int64_t fill(const char *state_dir) {
    static double values[ROWS * 2], epochs[ROWS];
    static int64_t steps[ROWS], times[ROWS];
    const char *const cols[] = {"loss", "accuracy"};
    struct run_record record = {.instance = "00000000000000000000000000000001",
                                .name = "cnn",
                                .trainer = "cnn",
                                .state = "running",
                                .exit_code = -1,
                                .host = "",
                                .checkpoint = "",
                                .started_by = "",
                                .hello = "",
                                .params = "{}",
                                .metrics = "{}",
                                .extra = "{}"};
    struct store *store = NULL;
    char why[256] = "";
    int64_t run = 0;
    int error = store_open(state_dir, &store, why, sizeof why);
    if (error != TB_OK) die(why, error);
    error = store_run_insert(store, &record, &run);
    for (int64_t step = 0; error == TB_OK && step < POINTS;) {
        for (size_t i = 0; i < ROWS; i++) {
            steps[i] = ++step;
            times[i] = 1700000000000 + step;
            epochs[i] = wire_absent();
            values[2 * i] = plot_sample_loss(step, POINTS);
            values[2 * i + 1] = plot_sample_accuracy(step, POINTS);
        }
        struct wire_rows rows = {cols, 2, ROWS, steps, times, epochs, values};
        error = store_rows_append(store, run, false, &rows);
        if (error == TB_OK && step % 100000 == 0) error = store_commit(store);
    }
    if (error != TB_OK) die("the store does not take the rows", error);
    store_close(store);
    return run;
}

struct waiting {
    bool there;
    size_t bytes;
};

static void on_done(void *user, int status, const uint8_t *bytes, size_t size, const char *why) {
    struct waiting *waiting = user;
    (void)bytes;
    if (status != TB_OK) die(why, status);
    waiting->there = true;
    waiting->bytes = size;
}

static double draw(uv_loop_t *loop, struct plotter *plotter, int64_t run, size_t *ret_bytes) {
    struct plot_mark marks[2] = {{300000, "lr 0.01 → 0.001"}, {550000, "lr 0.001 → 0.0005"}};
    struct plot_request request = {.run = run, .title = "cnn #1", .lang = LANG_ZH, .marks = marks, .marks_count = 2};
    struct waiting waiting = {0};
    double start = now_ms();
    int error = plotter_draw(plotter, &request, on_done, &waiting);
    if (error != TB_OK) die("draw", error);
    while (!waiting.there)
        uv_run(loop, UV_RUN_ONCE);
    *ret_bytes = waiting.bytes;
    return now_ms() - start;
}

static double read_ms(const char *state_dir, int64_t run) {
    struct store_reader *reader = NULL;
    struct store_bucket *buckets = calloc(682, sizeof *buckets);
    size_t count = 0;
    double start = now_ms();
    int error = store_reader_open(state_dir, &reader);
    if (error == TB_OK) error = store_reader_series(reader, run, "loss", 682, buckets, &count);
    if (error == TB_OK) error = store_reader_series(reader, run, "accuracy", 682, buckets, &count);
    if (error != TB_OK || count < 300) die("read", error);
    store_reader_close(reader);
    free(buckets);
    return now_ms() - start;
}

static int by_size(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw) {
    (void)stat, (void)type, (void)ftw;
    return remove(path);
}

int main(int argc, char **argv) {
    char state_dir[] = "/tmp/bench-plot-XXXXXX";
    double warm[WARM];
    size_t bytes = 0;
    uv_loop_t loop;
    struct plotter *plotter = NULL;
    signal(SIGPIPE, SIG_IGN);
    if (argc != 2) die("usage: bench_plot PATH-OF-trainbot-plot", argc);
    if (!mkdtemp(state_dir)) die("mkdtemp", 0);
    int64_t run = fill(state_dir);
    uv_loop_init(&loop);
    if (plotter_create(&loop, argv[1], state_dir, &plotter) != TB_OK) die("create", 0);
    double cold = draw(&loop, plotter, run, &bytes);
    for (int i = 0; i < WARM; i++)
        warm[i] = draw(&loop, plotter, run, &bytes);
    qsort(warm, WARM, sizeof warm[0], by_size);
    printf("plot_1m_cold %.1f ms\nplot_1m_warm_median %.1f ms\nplot_1m_warm_fastest %.1f ms\nplot_1m_warm_slowest %.1f "
           "ms\n",
           cold, warm[WARM / 2], warm[0], warm[WARM - 1]);
    printf("plot_1m_read %.1f ms\nplot_1m_size %zu bytes\n", read_ms(state_dir, run), bytes);
    plotter_close(plotter, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    nftw(state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
