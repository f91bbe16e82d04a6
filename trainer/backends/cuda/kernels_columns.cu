/*
 * kernels_columns.cu: sums down the columns of (rows, width), in two stages.
 *
 * A block has 32 columns (neighbours in memory) and LANES lanes of rows; the rows are cut into chunks, as many as
 * rows and width alone say, so that equal shapes give equal sums on every device. Where there is one chunk its sums
 * are the result.
 */
#include "launch.cuh"

#define COLUMNS 32
#define LANES 16
#define BLOCKS_WANTED 264
#define ROWS_AT_ONCE 256 /* up to this many are one chunk */

struct cut {
    int64_t chunks, rows_each;
    unsigned columns; /* blocks */
};

static struct cut cut_of(int64_t rows, int64_t width) {
    struct cut cut;
    int64_t columns = (width + COLUMNS - 1) / COLUMNS;
    int64_t most = BLOCKS_WANTED / columns, chunks = (rows + 4 * LANES - 1) / (4 * LANES);
    if (most < 1) most = 1;
    cut.chunks = rows <= ROWS_AT_ONCE ? 1 : chunks < most ? chunks : most;
    cut.rows_each = (rows + cut.chunks - 1) / cut.chunks;
    cut.columns = (unsigned)columns;
    return cut;
}

extern "C" size_t kernels_columns_scratch(int64_t rows, int64_t width) {
    /* two sums of each chunk, and the two means that batch normalisation takes back */
    return (size_t)(2 * cut_of(rows, width).chunks + 2) * (size_t)width * sizeof(double);
}

/* What a thread adds up, for each of its elements: two sums at most. */
struct slope_sums {
    struct activation activation;
    const float *y;
    float *dy;
    int64_t width;
    bool write;
    __device__ void add(int64_t row, int64_t column, float *first, float *) const {
        int64_t i = row * width + column;
        float slope = dy[i];
        if (activation.kind != ACTIVATION_NONE) slope = element_back(activation, y[i], slope);
        if (write) dy[i] = slope;
        *first += slope;
    }
};

struct moment_sums {
    const float *x;
    int64_t width;
    __device__ void add(int64_t row, int64_t column, double *first, double *second) const {
        double value = (double)x[row * width + column];
        *first += value;
        *second += value * value;
    }
};

struct product_sums {
    const float *x, *dy, *saved;
    int64_t width;
    __device__ void add(int64_t row, int64_t column, double *first, double *second) const {
        int64_t i = row * width + column;
        float normalised = (x[i] - saved[column]) * saved[width + column];
        *first += (double)dy[i];
        *second += (double)dy[i] * (double)normalised;
    }
};

/* parts (chunks, 2, width) */
template <typename T, typename SUMS>
static __global__ void column_parts(int64_t rows, int64_t width, int64_t rows_each, SUMS sums, int count, T *parts) {
    __shared__ T room[2][LANES][COLUMNS];
    int64_t column = (int64_t)blockIdx.x * COLUMNS + threadIdx.x;
    int64_t begin = (int64_t)blockIdx.y * rows_each, end = begin + rows_each < rows ? begin + rows_each : rows;
    T first = 0, second = 0;
    for (int64_t row = begin + threadIdx.y; row < end && column < width; row += LANES) {
        sums.add(row, column, &first, &second);
    }
    room[0][threadIdx.y][threadIdx.x] = first;
    room[1][threadIdx.y][threadIdx.x] = second;
    __syncthreads();
    if ((int)threadIdx.y < count && column < width) {
        T total = 0;
        for (int lane = 0; lane < LANES; lane++) {
            total += room[threadIdx.y][lane][threadIdx.x];
        }
        parts[((int64_t)blockIdx.y * count + threadIdx.y) * width + column] = total;
    }
}

/* One thread a column: its parts in order. */
template <typename T>
static __device__ T total_of(const T *parts, int64_t chunks, int count, int which, int64_t width, int64_t column) {
    T total = 0;
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        total += parts[(chunk * count + which) * width + column];
    }
    return total;
}

static __global__ void slope_totals(int64_t chunks, int64_t width, const float *parts, float *sums) {
    EACH(column, width) {
        sums[column] = total_of(parts, chunks, 1, 0, width, column);
    }
}

static __global__ void slope_elements(int64_t count, struct activation activation, const float *y, float *dy) {
    EACH(i, count) {
        dy[i] = element_back(activation, y[i], dy[i]);
    }
}

extern "C" void kernels_activation_backward(cudaStream_t stream, int64_t rows, int64_t width,
                                            struct activation activation, const float *y, float *dy, bool write,
                                            float *sums, void *scratch) {
    write = write && activation.kind != ACTIVATION_NONE;
    if (sums == NULL) {
        if (!write) return;
        LAUNCH(slope_elements, blocks_for(rows * width), THREADS, 0, stream, rows * width, activation, y, dy);
        return;
    }
    struct cut cut = cut_of(rows, width);
    struct slope_sums work = {activation, y, dy, width, write};
    float *parts = cut.chunks == 1 ? sums : (float *)scratch;
    LAUNCH(column_parts, dim3(cut.columns, (unsigned)cut.chunks), dim3(COLUMNS, LANES), 0, stream, rows, width,
           cut.rows_each, work, 1, parts);
    if (cut.chunks > 1) {
        LAUNCH(slope_totals, blocks_for(width), THREADS, 0, stream, cut.chunks, width, parts, sums);
    }
}

/* ---- batch normalisation ---- */

static __global__ void norm_totals(struct batch_norm norm, int64_t chunks, const double *parts, float *running_mean,
                                   float *running_variance, float *saved) {
    EACH(c, norm.channels) {
        double sum = total_of(parts, chunks, 2, 0, norm.channels, c);
        double squares = total_of(parts, chunks, 2, 1, norm.channels, c);
        struct element_norm made = element_norm_of(sum, squares, norm.rows, norm.epsilon);
        saved[c] = made.mean;
        saved[norm.channels + c] = made.inverse;
        running_mean[c] = element_running(running_mean[c], made.mean, norm.momentum);
        running_variance[c] = element_running(running_variance[c], made.unbiased, norm.momentum);
    }
}

static __global__ void normalise(int64_t count, int64_t channels, const float *x, const float *mean,
                                 const float *inverse, const float *scale, const float *shift, float *y) {
    EACH(i, count) {
        int64_t c = i % channels;
        y[i] = element_normalise(x[i], mean[c], inverse[c], scale[c], shift[c]);
    }
}

extern "C" void kernels_batch_norm_forward(cudaStream_t stream, const struct batch_norm *norm, const float *x,
                                           const float *scale, const float *shift, float *running_mean,
                                           float *running_variance, float *saved, float *y, void *scratch) {
    int64_t width = norm->channels, count = norm->rows * width;
    struct cut cut = cut_of(norm->rows, width);
    struct moment_sums work = {x, width};
    double *parts = (double *)scratch;
    LAUNCH(column_parts, dim3(cut.columns, (unsigned)cut.chunks), dim3(COLUMNS, LANES), 0, stream, norm->rows, width,
           cut.rows_each, work, 2, parts);
    LAUNCH(norm_totals, blocks_for(width), THREADS, 0, stream, *norm, cut.chunks, parts, running_mean, running_variance,
           saved);
    LAUNCH(normalise, blocks_for(count), THREADS, 0, stream, count, width, x, saved, saved + width, scale, shift, y);
}

static __global__ void normalise_running(struct batch_norm norm, const float *x, const float *scale, const float *shift,
                                         const float *mean, const float *variance, float *y) {
    EACH(i, norm.rows * norm.channels) {
        int64_t c = i % norm.channels;
        float inverse = (float)(1 / sqrt((double)variance[c] + norm.epsilon));
        y[i] = element_normalise(x[i], mean[c], inverse, scale[c], shift[c]);
    }
}

extern "C" void kernels_batch_norm_evaluate(cudaStream_t stream, const struct batch_norm *norm, const float *x,
                                            const float *scale, const float *shift, const float *mean,
                                            const float *variance, float *y) {
    LAUNCH(normalise_running, blocks_for(norm->rows * norm->channels), THREADS, 0, stream, *norm, x, scale, shift, mean,
           variance, y);
}

/* means (2, channels): of dy and of dy × normalised x */
static __global__ void product_totals(int64_t rows, int64_t channels, int64_t chunks, const double *parts,
                                      double *means, float *dscale, float *dshift) {
    EACH(c, channels) {
        double sum = total_of(parts, chunks, 2, 0, channels, c), product = total_of(parts, chunks, 2, 1, channels, c);
        means[c] = sum / (double)rows;
        means[channels + c] = product / (double)rows;
        if (dshift != NULL) dshift[c] = (float)sum;
        if (dscale != NULL) dscale[c] = (float)product;
    }
}

static __global__ void norm_back(int64_t count, int64_t channels, const float *x, const float *saved,
                                 const float *scale, const double *means, const float *dy, float *dx) {
    EACH(i, count) {
        int64_t c = i % channels;
        dx[i] = element_norm_back(x[i], saved[c], saved[channels + c], scale[c], dy[i], (float)means[c],
                                  (float)means[channels + c]);
    }
}

extern "C" void kernels_batch_norm_backward(cudaStream_t stream, const struct batch_norm *norm, const float *x,
                                            const float *scale, const float *saved, const float *dy, float *dx,
                                            float *dscale, float *dshift, void *scratch) {
    int64_t width = norm->channels, count = norm->rows * width;
    struct cut cut = cut_of(norm->rows, width);
    struct product_sums work = {x, dy, saved, width};
    double *parts = (double *)scratch, *means = parts + 2 * cut.chunks * width;
    LAUNCH(column_parts, dim3(cut.columns, (unsigned)cut.chunks), dim3(COLUMNS, LANES), 0, stream, norm->rows, width,
           cut.rows_each, work, 2, parts);
    LAUNCH(product_totals, blocks_for(width), THREADS, 0, stream, norm->rows, width, cut.chunks, parts, means, dscale,
           dshift);
    LAUNCH(norm_back, blocks_for(count), THREADS, 0, stream, count, width, x, saved, scale, means, dy, dx);
}
