/* Decoding and encoding of metrics frames on one core: points (one value of one row) a second. */
#include "wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* "on one core": others on the machine do not count */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* cols values a row, rows rows a frame, as a training logs them: floats made wider. */
static void measure(const char *name, size_t cols_count, size_t rows_count) {
    static const char *const cols[] = {"loss", "acc", "grad_norm", "lr", "a", "b", "c", "d"};
    static int64_t steps[512], t_ms[512];
    static double values[512 * 8];
    struct wire_rows rows = {.cols = cols,
                             .cols_count = cols_count,
                             .rows_count = rows_count,
                             .steps = steps,
                             .t_ms = t_ms,
                             .values = values};
    struct wire_buf buf = {0};
    for (size_t i = 0; i < rows_count; i++) {
        steps[i] = 100000 + (int64_t)i;
        t_ms[i] = 1700000000000 + (int64_t)i;
        for (size_t k = 0; k < cols_count; k++)
            values[i * cols_count + k] = (double)(float)(1 / (1 + sqrt((double)(i * 8 + k))));
    }
    size_t points = 0;
    double began = now(), took;
    do {
        buf.size = 0;
        if (wire_encode_rows(7, &rows, 0, &buf) != (int)rows_count) exit(1);
        points += cols_count * rows_count;
        took = now() - began;
    } while (took < 0.5);
    printf("wire_encode_%s %.0f points/s\n", name, (double)points / took);
    points = 0;
    began = now();
    do {
        struct wire_frame frame;
        struct wire_fault fault;
        if (wire_decode(buf.bytes, buf.size - 1, &frame, &fault) < 0) exit(1);
        points += frame.u.metrics.cols_count * frame.u.metrics.rows_count;
        wire_frame_clear(&frame);
        took = now() - began;
    } while (took < 0.5);
    printf("wire_decode_%s %.0f points/s\n", name, (double)points / took);
    wire_buf_release(&buf);
}

int main(void) {
    measure("2x1", 2, 1); /* a row at a time */
    measure("2x10", 2, 10);
    measure("8x100", 8, 100); /* batches, as after a pause */
    return 0;
}
