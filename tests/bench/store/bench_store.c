/*
 * bench_store.c: what the store takes in and gives out: prints `name value unit` lines.
 *
 * One thread; where a name says pool, a second one folds the log back. "durable" figures include a commit every turn;
 * "wire" figures begin with the bytes of the frames. The database lies in a folder of its own under TMPDIR (or the
 * first argument) and is removed.
 */
#include "store.h"
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[200];
static struct store *store;
static const char *const cols[8] = {"loss", "acc", "lr", "gnorm", "speed", "val_loss", "val_acc", "mem"};

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int r, const char *what) {
    if (r >= 0) return;
    fprintf(stderr, "%s failed: %d\n", what, r);
    exit(1);
}

static long rss_kib(void) {
    char line[200];
    long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "VmRSS: %ld", &kib) == 1) break;
    if (file) fclose(file);
    return kib;
}

static void folder_clear(void) {
    DIR *folder = opendir(dir);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder) closedir(folder);
}

static int64_t run_make(void) {
    struct run_record record = {.instance = "",
                                .name = "bench",
                                .trainer = "",
                                .state = "running",
                                .host = "",
                                .checkpoint = "",
                                .started_by = "",
                                .hello = "{}",
                                .params = "{\"lr\":0.001}",
                                .metrics = "{\"loss\":0.41}",
                                .extra = "{}"};
    int64_t id = 0;
    must(store_run_insert(store, &record, &id), "run");
    return id;
}

#define ROWS_MAX 512
struct frame {
    int64_t steps[ROWS_MAX], t_ms[ROWS_MAX];
    double epochs[ROWS_MAX], values[ROWS_MAX * 8];
    struct wire_rows rows;
};

static void frame_fill(struct frame *frame, int64_t step, size_t rows, size_t cols_count) {
    for (size_t r = 0; r < rows; r++) {
        frame->steps[r] = step + (int64_t)r;
        frame->t_ms[r] = 1700000000000 + frame->steps[r] * 3;
        frame->epochs[r] = (double)frame->steps[r] / 937;
        for (size_t c = 0; c < cols_count; c++)
            frame->values[r * cols_count + c] = sin((double)(frame->steps[r] + (int64_t)c) * 0.001) + 1;
    }
    frame->rows = (struct wire_rows){cols, cols_count, rows, frame->steps, frame->t_ms, frame->epochs, frame->values};
}

/* `per_turn` frames a commit. */
static void bench_append(const char *name, size_t rows, size_t cols_count, int64_t total_rows, int per_turn) {
    struct frame *frame = calloc(1, sizeof *frame);
    int64_t run = run_make();
    double spent = 0, cpu = 0, worst = 0;
    int64_t step = 1;
    for (int frames = 1; step <= total_rows; frames++, step += (int64_t)rows) {
        frame_fill(frame, step, rows, cols_count);
        double begin = now_s(), cpu_begin = cpu_s();
        must(store_rows_append(store, run, false, &frame->rows), "append");
        if (frames % per_turn == 0) must(store_commit(store), "commit");
        double took = now_s() - begin;
        spent += took;
        cpu += cpu_s() - cpu_begin;
        if (took > worst) worst = took;
    }
    must(store_commit(store), "commit");
    double points = (double)(step - 1) * (double)cols_count;
    printf("store_append_%s %.0f points/s\n", name, points / spent);
    printf("store_append_%s_cpu %.0f points/cpu-s\n", name, points / cpu);
    printf("store_append_%s_worst_call %.2f ms\n", name, worst * 1e3);
    free(frame);
}

/* Frames as they come off a socket: lines → structs → rows → committed. */
static void bench_wire(size_t rows, size_t cols_count, int lines_count, int repeats) {
    struct frame *frame = calloc(1, sizeof *frame);
    struct wire_buf *lines = calloc((size_t)lines_count, sizeof *lines);
    int64_t step = 1, run = run_make();
    size_t bytes = 0;
    for (int i = 0; i < lines_count; i++, step += (int64_t)rows) {
        frame_fill(frame, step, rows, cols_count);
        struct wire_frame out = {.kind = WIRE_METRICS, .seq = (uint64_t)i + 1, .u.metrics = frame->rows};
        must(wire_encode(&out, &lines[i]), "encode");
        bytes += lines[i].size;
    }
    double decode = 0, keep = 0, begin = now_s();
    int64_t points = 0;
    for (int repeat = 0; repeat < repeats; repeat++)
        for (int i = 0; i < lines_count; i++) {
            struct wire_frame in;
            struct wire_fault fault;
            double start = now_s();
            must(wire_decode(lines[i].bytes, lines[i].size - 1, &in, &fault), "decode");
            decode += now_s() - start;
            int64_t shift = (int64_t)repeat * lines_count * (int64_t)rows;
            int64_t steps[ROWS_MAX];
            for (size_t r = 0; r < rows; r++)
                steps[r] = in.u.metrics.steps[r] + shift;
            in.u.metrics.steps = steps;
            start = now_s();
            must(store_rows_append(store, run, false, &in.u.metrics), "append");
            if (i % 4 == 3) must(store_commit(store), "commit");
            keep += now_s() - start;
            wire_frame_clear(&in);
            points += (int64_t)(rows * cols_count);
        }
    must(store_commit(store), "commit");
    double took = now_s() - begin;
    printf("store_wire_to_durable %.0f points/s\n", (double)points / took);
    printf("store_wire_decode_share %.0f %%\n", 100 * decode / took);
    printf("store_wire_store_share %.0f %%\n", 100 * keep / took);
    printf("store_wire_bytes_per_point %.1f bytes\n",
           (double)bytes / ((double)rows * (double)cols_count * lines_count));
    for (int i = 0; i < lines_count; i++)
        wire_buf_release(&lines[i]);
    free(lines);
    free(frame);
}

/* ---- many trainers ---- */

/* Folds the log back when asked to, as the pool of the bot does. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool asked, ending;
} folder = {.mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static void *folder_main(void *user) {
    struct store_reader *reader;
    (void)user;
    must(store_reader_open(dir, &reader), "reader");
    pthread_mutex_lock(&folder.mutex);
    while (!folder.ending) {
        if (!folder.asked) {
            pthread_cond_wait(&folder.wake, &folder.mutex);
            continue;
        }
        pthread_mutex_unlock(&folder.mutex);
        must(store_reader_checkpoint(reader), "checkpoint");
        pthread_mutex_lock(&folder.mutex);
        folder.asked = false;
    }
    pthread_mutex_unlock(&folder.mutex);
    store_reader_close(reader);
    return NULL;
}

static void folder_ask(bool end) {
    pthread_mutex_lock(&folder.mutex);
    folder.asked = true;
    folder.ending = end;
    pthread_cond_signal(&folder.wake);
    pthread_mutex_unlock(&folder.mutex);
}

static int double_compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* A metrics row, a progress row and the run's own row of each trainer, then a commit. */
static void trainers_turn(struct frame *frame, const int64_t *runs, int trainers, int turn) {
    for (int i = 0; i < trainers; i++) {
        frame_fill(frame, turn, 1, 4);
        must(store_rows_append(store, runs[i], false, &frame->rows), "append");
        frame_fill(frame, turn, 1, 2);
        must(store_rows_append(store, runs[i], true, &frame->rows), "append");
        struct run_record record = {.id = runs[i],
                                    .instance = "0123456789abcdef0123456789abcdef",
                                    .name = "bench",
                                    .trainer = "",
                                    .state = "running",
                                    .step = turn,
                                    .host = "host",
                                    .checkpoint = "",
                                    .started_by = "",
                                    .hello = "{}",
                                    .params = "{\"lr\":0.001}",
                                    .metrics = "{\"loss\":0.41}",
                                    .extra = "{}"};
        must(store_run_update(store, &record), "update");
    }
    must(store_commit(store), "commit");
}

/* pause_ms: between turns, as a loop that waits for its trainers. */
static void bench_trainers(int trainers, int turns, int pause_ms, bool pool) {
    struct frame *frame = calloc(1, sizeof *frame);
    int64_t *runs = calloc((size_t)trainers, sizeof *runs);
    double *took = calloc((size_t)turns, sizeof *took), sum = 0;
    for (int i = 0; i < trainers; i++)
        runs[i] = run_make();
    must(store_commit(store), "commit");
    pthread_t thread;
    folder.ending = folder.asked = false;
    if (pool && pthread_create(&thread, NULL, folder_main, NULL) != 0) exit(1);
    double cpu = cpu_s();
    for (int turn = 0; turn < turns; turn++) {
        double start = now_s();
        trainers_turn(frame, runs, trainers, turn + 1);
        if (pool && store_wants_checkpoint(store)) folder_ask(false);
        sum += took[turn] = now_s() - start;
        struct timespec pause = {0, pause_ms * 1000000L};
        if (pause_ms) nanosleep(&pause, NULL);
    }
    cpu = cpu_s() - cpu;
    if (pool) {
        folder_ask(true);
        pthread_join(thread, NULL);
    }
    qsort(took, (size_t)turns, sizeof *took, double_compare);
    const char *how = pool ? "pool" : "alone";
    printf("store_%d_trainers_%s_turn_p50 %.2f ms\n", trainers, how, took[turns / 2] * 1e3);
    printf("store_%d_trainers_%s_turn_p99 %.2f ms\n", trainers, how, took[turns * 99 / 100] * 1e3);
    printf("store_%d_trainers_%s_turn_worst %.2f ms\n", trainers, how, took[turns - 1] * 1e3);
    printf("store_%d_trainers_%s_turn_cpu %.2f ms\n", trainers, how, cpu / turns * 1e3);
    printf("store_%d_trainers_%s_rows %.0f rows/s\n", trainers, how, (double)trainers * turns * 2 / sum);
    free(took);
    free(runs);
    free(frame);
}

static bool cols_count(void *user, const char *const *names, size_t count) {
    (void)names;
    *(size_t *)user = count;
    return true;
}

static int64_t rows_seen;
static double rows_sum;
static bool row_seen(void *user, const struct store_row *row) {
    rows_seen++;
    for (size_t c = 0; c < *(size_t *)user; c++)
        rows_sum += row->values[c];
    return true;
}

static void bench_read(int64_t run, int64_t rows) {
    struct store_reader *reader;
    struct store_bucket *buckets = calloc(4096, sizeof *buckets);
    static const size_t counts[] = {390, 1170, 4096};
    size_t count;
    must(store_reader_open(dir, &reader), "reader");
    for (size_t i = 0; i < 3; i++) {
        double best = 1e9, first = 0;
        for (int repeat = 0; repeat < 5; repeat++) {
            double begin = now_s();
            must(store_reader_series(reader, run, "loss", counts[i], buckets, &count), "series");
            double took = now_s() - begin;
            if (repeat == 0) first = took;
            if (took < best) best = took;
        }
        printf("store_series_%lldk_rows_%zu_buckets %.2f ms\n", (long long)rows / 1000, counts[i], best * 1e3);
        printf("store_series_%lldk_rows_%zu_buckets_first %.2f ms\n", (long long)rows / 1000, counts[i], first * 1e3);
    }
    size_t given = 0;
    rows_seen = 0;
    double begin = now_s();
    must(store_reader_rows(reader, run, 0, cols_count, row_seen, &given), "rows");
    double took = now_s() - begin;
    printf("store_rows_read %.0f rows/s\n", (double)rows_seen / took);
    printf("store_rows_read_columns %zu columns\n", given);
    if (rows_seen != rows) must(-1, "rows are missing; reading");
    store_reader_close(reader);
    free(buckets);
}

static void bench_long_run(int64_t rows) {
    struct frame *frame = calloc(1, sizeof *frame);
    int64_t run = run_make();
    for (int64_t step = 1; step <= rows; step += 250) {
        frame_fill(frame, step, 250, 4);
        must(store_rows_append(store, run, false, &frame->rows), "append");
        if (step % 1000 == 1) must(store_commit(store), "commit");
    }
    must(store_commit(store), "commit");
    bench_read(run, rows);
    double begin = now_s();
    must(store_run_delete(store, run), "delete");
    must(store_commit(store), "commit");
    printf("store_delete_%lldk_rows %.1f ms\n", (long long)rows / 1000, (now_s() - begin) * 1e3);
    free(frame);
}

/* A bot that was killed leaves a long log; how long does the next one take to open it? */
static void bench_open_after_kill(void) {
    char why[300];
    store_close(store);
    store = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        struct frame *frame = calloc(1, sizeof *frame);
        must(store_open(dir, &store, why, sizeof why), "open");
        int64_t run = run_make();
        for (int turn = 0; turn < 330; turn++) {
            frame_fill(frame, turn * 500 + 1, 500, 8);
            must(store_rows_append(store, run, false, &frame->rows), "append");
            must(store_commit(store), "commit");
        }
        kill(getpid(), SIGKILL);
    }
    waitpid(pid, NULL, 0);
    char path[300];
    struct stat file = {0};
    snprintf(path, sizeof path, "%s/trainbot.db-wal", dir);
    must(stat(path, &file), "stat");
    double begin = now_s();
    must(store_open(dir, &store, why, sizeof why), why);
    printf("store_open_after_kill %.2f ms\n", (now_s() - begin) * 1e3);
    printf("store_open_after_kill_log %.1f MiB\n", (double)file.st_size / 1048576);
}

static void reopen(void) {
    char why[300];
    store_close(store);
    store = NULL;
    long before = rss_kib();
    double begin = now_s();
    must(store_open(dir, &store, why, sizeof why), why);
    printf("store_open %.2f ms\n", (now_s() - begin) * 1e3);
    printf("store_open_rss %ld KiB\n", rss_kib() - before);
}

int main(int argc, char **argv) {
    const char *base = argc > 1 ? argv[1] : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(dir, sizeof dir, "%s/bench-store-XXXXXX", base);
    if (!mkdtemp(dir)) {
        perror(dir);
        return 1;
    }
    char why[300];
    int r = store_open(dir, &store, why, sizeof why);
    must(r, why);
    bench_append("500x8", 500, 8, 500000, 1);
    bench_append("100x4", 100, 4, 400000, 4);
    bench_append("1x4", 1, 4, 200000, 100);
    bench_append("1x4_commit_each", 1, 4, 50000, 1);
    bench_wire(250, 4, 40, 25);
    bench_trainers(100, 400, 8, false);
    bench_trainers(100, 400, 8, true);
    bench_trainers(1000, 60, 100, true);
    bench_long_run(500000);
    bench_long_run(1000000);
    printf("store_rss_after_load %ld KiB\n", rss_kib());
    bench_open_after_kill();
    reopen();
    printf("store_rss %ld KiB\n", rss_kib());
    store_close(store);
    struct stat file;
    char path[300];
    snprintf(path, sizeof path, "%s/trainbot.db", dir);
    if (stat(path, &file) == 0) printf("store_file %.1f MiB\n", (double)file.st_size / 1048576);
    folder_clear();
    rmdir(dir);
    return rows_sum > 0 ? 0 : 1;
}
