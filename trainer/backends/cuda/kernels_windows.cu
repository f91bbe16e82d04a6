/*
 * kernels_windows.cu: into the library's arrangement and back, what follows a convolution, and max pools.
 *
 * Between (space, c) and (c, space) a tile of 32 × 32 goes through shared memory, so that both sides are read and
 * written along their rows; its 33rd column keeps the threads of a warp in different banks.
 */
#include <cuda_bf16.h>

#include "launch.cuh"

#define TILE 32
#define TILE_LANES 8
#define IMAGES_MAX 65535

static __device__ float to_float(float value) {
    return value;
}
static __device__ float to_float(__nv_bfloat16 value) {
    return __bfloat162float(value);
}
static __device__ void store(float *to, float value) {
    *to = value;
}
static __device__ void store(__nv_bfloat16 *to, float value) {
    *to = __float2bfloat16_rn(value);
}

static dim3 tiles_of(int64_t n, int64_t space, int64_t c) {
    return dim3((unsigned)((c + TILE - 1) / TILE), (unsigned)((space + TILE - 1) / TILE),
                (unsigned)(n > IMAGES_MAX ? IMAGES_MAX : n));
}

/* ---- between arrangements ---- */

template <typename FROM, typename TO> static __global__ void convert(int64_t count, const FROM *from, TO *to) {
    EACH(i, count) {
        store(&to[i], to_float(from[i]));
    }
}

/* to (n, b, a) = from (n, a, b) */
template <typename FROM, typename TO>
static __global__ void transpose(int64_t n, int64_t a, int64_t b, const FROM *from, TO *to) {
    __shared__ float tile[TILE][TILE + 1];
    int64_t b0 = (int64_t)blockIdx.x * TILE, a0 = (int64_t)blockIdx.y * TILE;
    for (int64_t image = blockIdx.z; image < n; image += gridDim.z) {
        __syncthreads();
        for (int64_t i = threadIdx.y; i < TILE && a0 + i < a; i += TILE_LANES) {
            if (b0 + threadIdx.x < b)
                tile[i][threadIdx.x] = to_float(from[(image * a + a0 + i) * b + b0 + threadIdx.x]);
        }
        __syncthreads();
        for (int64_t i = threadIdx.y; i < TILE && b0 + i < b; i += TILE_LANES) {
            if (a0 + threadIdx.x < a) store(&to[(image * b + b0 + i) * a + a0 + threadIdx.x], tile[threadIdx.x][i]);
        }
    }
}

template <typename FROM, typename TO>
static void rearrange(cudaStream_t stream, bool transposed, int64_t n, int64_t a, int64_t b, const FROM *from, TO *to) {
    if (transposed && a > 1 && b > 1) {
        LAUNCH(transpose, tiles_of(n, a, b), dim3(TILE, TILE_LANES), 0, stream, n, a, b, from, to);
    } else {
        LAUNCH(convert, blocks_for(n * a * b), THREADS, 0, stream, n * a * b, from, to);
    }
}

extern "C" void kernels_arrange(cudaStream_t stream, struct arrangement arrangement, int64_t n, int64_t space,
                                int64_t c, const float *from, void *to) {
    if (arrangement.bfloat16) {
        rearrange(stream, arrangement.channels_first, n, space, c, from, (__nv_bfloat16 *)to);
    } else {
        rearrange(stream, arrangement.channels_first, n, space, c, from, (float *)to);
    }
}

extern "C" void kernels_restore(cudaStream_t stream, struct arrangement arrangement, int64_t n, int64_t space,
                                int64_t c, const void *from, float *to) {
    int64_t a = arrangement.channels_first ? c : space, b = arrangement.channels_first ? space : c;
    if (arrangement.bfloat16) {
        rearrange(stream, arrangement.channels_first, n, a, b, (const __nv_bfloat16 *)from, to);
    } else {
        rearrange(stream, arrangement.channels_first, n, a, b, (const float *)from, to);
    }
}

/* ---- behind a convolution ---- */

/* Sizes of a convolution's output, and how its raw output is strided. */
struct output {
    int64_t n, rows, columns, k;      /* before the pool */
    int64_t out_h, out_w, pool;       /* after it */
    int64_t pixel_step, channel_step; /* of raw, within an image */
    struct activation activation;
};

static struct output output_of(const struct conv *conv, bool channels_first) {
    struct output o;
    o.n = conv->n;
    o.rows = conv_rows(conv);
    o.columns = conv_columns(conv);
    o.k = conv->k;
    o.out_h = conv_out_h(conv);
    o.out_w = conv_out_w(conv);
    o.pool = conv->pool;
    o.pixel_step = channels_first ? 1 : conv->k;
    o.channel_step = channels_first ? o.rows * o.columns : 1;
    o.activation = conv->activation;
    return o;
}

/* The largest raw value of a cell's window and where it is. */
template <typename T>
static __device__ float best_of(const struct output &o, const T *image, int64_t cell, int64_t k, uint8_t *ret_winner) {
    int64_t row = cell / o.out_w * o.pool, column = cell % o.out_w * o.pool;
    const T *from = image + (row * o.columns + column) * o.pixel_step + k * o.channel_step;
    float best = to_float(*from);
    uint8_t winner = 0;
    for (int64_t r = 0; r < o.pool; r++) {
        for (int64_t s = 0; s < o.pool; s++) {
            float value = to_float(from[(r * o.columns + s) * o.pixel_step]);
            if (!element_wins(value, best)) continue;
            best = value;
            winner = (uint8_t)(r * o.pool + s);
        }
    }
    *ret_winner = winner;
    return best;
}

template <typename T>
static __global__ void finish(struct output o, const T *raw, const float *bias, float *y, uint8_t *winner) {
    int64_t cells = o.out_h * o.out_w;
    EACH(i, o.n * cells * o.k) {
        int64_t k = i % o.k, cell = i / o.k % cells, image = i / o.k / cells;
        uint8_t place;
        float best = best_of(o, raw + image * o.rows * o.columns * o.k, cell, k, &place);
        y[i] = element_activate(o.activation, bias != NULL ? best + bias[k] : best);
        if (o.pool > 1) winner[i] = place;
    }
}

/* The same from (k, rows, columns): threads run along the cells to read, along the channels to write. */
template <typename T>
static __global__ void finish_tile(struct output o, const T *raw, const float *bias, float *y, uint8_t *winner) {
    __shared__ float tile[TILE][TILE + 1];
    __shared__ uint8_t places[TILE][TILE + 1];
    int64_t cells = o.out_h * o.out_w, k0 = (int64_t)blockIdx.x * TILE, cell0 = (int64_t)blockIdx.y * TILE;
    for (int64_t image = blockIdx.z; image < o.n; image += gridDim.z) {
        __syncthreads();
        for (int64_t i = threadIdx.y; i < TILE && k0 + i < o.k; i += TILE_LANES) {
            if (cell0 + threadIdx.x >= cells) continue;
            tile[i][threadIdx.x] = best_of(o, raw + image * o.rows * o.columns * o.k, cell0 + threadIdx.x, k0 + i,
                                           &places[i][threadIdx.x]);
        }
        __syncthreads();
        for (int64_t i = threadIdx.y; i < TILE && cell0 + i < cells; i += TILE_LANES) {
            int64_t k = k0 + threadIdx.x, at = (image * cells + cell0 + i) * o.k + k;
            if (k >= o.k) continue;
            float best = tile[threadIdx.x][i];
            y[at] = element_activate(o.activation, bias != NULL ? best + bias[k] : best);
            if (o.pool > 1) winner[at] = places[threadIdx.x][i];
        }
    }
}

template <typename T>
static void launch_finish(cudaStream_t stream, const struct conv *conv, bool channels_first, const T *raw,
                          const float *bias, float *y, uint8_t *winner) {
    struct output o = output_of(conv, channels_first);
    int64_t cells = o.out_h * o.out_w;
    if (channels_first) {
        LAUNCH(finish_tile, tiles_of(o.n, cells, o.k), dim3(TILE, TILE_LANES), 0, stream, o, raw, bias, y, winner);
    } else {
        LAUNCH(finish, blocks_for(o.n * cells * o.k), THREADS, 0, stream, o, raw, bias, y, winner);
    }
}

extern "C" void kernels_conv_finish(cudaStream_t stream, const struct conv *conv, struct arrangement arrangement,
                                    const void *raw, const float *bias, float *y, uint8_t *winner) {
    if (arrangement.bfloat16) {
        launch_finish(stream, conv, arrangement.channels_first, (const __nv_bfloat16 *)raw, bias, y, winner);
    } else {
        launch_finish(stream, conv, arrangement.channels_first, (const float *)raw, bias, y, winner);
    }
}

/* ---- the way back ---- */

static __device__ float masked(const struct output &o, const float *y, const float *dy, int64_t at) {
    return o.activation.kind == ACTIVATION_NONE ? dy[at] : element_back(o.activation, y[at], dy[at]);
}

/* A thread for each element of full (n, rows, columns, k). */
template <typename T>
static __global__ void spread(struct output o, const float *y, const uint8_t *winner, const float *dy, T *full) {
    EACH(i, o.n * o.rows * o.columns * o.k) {
        int64_t k = i % o.k, place = i / o.k, column = place % o.columns, row = place / o.columns % o.rows;
        int64_t image = place / o.columns / o.rows, cell_row = row / o.pool, cell_column = column / o.pool;
        float slope = 0;
        if (cell_row < o.out_h && cell_column < o.out_w) { /* else in no window */
            int64_t at = ((image * o.out_h + cell_row) * o.out_w + cell_column) * o.k + k;
            bool won = o.pool == 1 || winner[at] == row % o.pool * o.pool + column % o.pool;
            if (won) slope = masked(o, y, dy, at);
        }
        store(&full[i], slope);
    }
}

/* To (k, rows, columns). Rows and columns in no window are zeroed before. */
template <typename T>
static __global__ void spread_tile(struct output o, const float *y, const uint8_t *winner, const float *dy, T *full) {
    __shared__ float tile[TILE][TILE + 1];
    __shared__ uint8_t places[TILE][TILE + 1];
    int64_t cells = o.out_h * o.out_w, k0 = (int64_t)blockIdx.x * TILE, cell0 = (int64_t)blockIdx.y * TILE;
    for (int64_t image = blockIdx.z; image < o.n; image += gridDim.z) {
        __syncthreads();
        for (int64_t i = threadIdx.y; i < TILE && cell0 + i < cells; i += TILE_LANES) {
            int64_t at = (image * cells + cell0 + i) * o.k + k0 + threadIdx.x;
            if (k0 + threadIdx.x >= o.k) continue;
            tile[i][threadIdx.x] = masked(o, y, dy, at);
            places[i][threadIdx.x] = o.pool > 1 ? winner[at] : (uint8_t)0;
        }
        __syncthreads();
        int64_t cell = cell0 + threadIdx.x, row = cell / o.out_w * o.pool, column = cell % o.out_w * o.pool;
        for (int64_t i = threadIdx.y; i < TILE && k0 + i < o.k && cell < cells; i += TILE_LANES) {
            T *to = full + ((image * o.k + k0 + i) * o.rows + row) * o.columns + column;
            for (int64_t r = 0; r < o.pool; r++) {
                for (int64_t s = 0; s < o.pool; s++) {
                    bool won = places[threadIdx.x][i] == r * o.pool + s;
                    store(&to[r * o.columns + s], won ? tile[threadIdx.x][i] : 0.0f);
                }
            }
        }
    }
}

template <typename T>
static void launch_spread(cudaStream_t stream, const struct conv *conv, bool channels_first, const float *y,
                          const uint8_t *winner, const float *dy, T *full) {
    struct output o = output_of(conv, channels_first);
    int64_t count = o.n * o.rows * o.columns * o.k;
    if (!channels_first) {
        LAUNCH(spread, blocks_for(count), THREADS, 0, stream, o, y, winner, dy, full);
        return;
    }
    if (o.rows % o.pool != 0 || o.columns % o.pool != 0) {
        cudaMemsetAsync(full, 0, (size_t)count * sizeof *full, stream); /* its failure is the next launch's, too */
    }
    LAUNCH(spread_tile, tiles_of(o.n, o.out_h * o.out_w, o.k), dim3(TILE, TILE_LANES), 0, stream, o, y, winner, dy,
           full);
}

extern "C" void kernels_conv_spread(cudaStream_t stream, const struct conv *conv, struct arrangement arrangement,
                                    const float *y, const uint8_t *winner, const float *dy, void *full) {
    if (arrangement.bfloat16) {
        launch_spread(stream, conv, arrangement.channels_first, y, winner, dy, (__nv_bfloat16 *)full);
    } else {
        launch_spread(stream, conv, arrangement.channels_first, y, winner, dy, (float *)full);
    }
}

/* ---- max pools on their own ---- */

static __global__ void pool_forward(struct pool p, int64_t out_h, int64_t out_w, const float *x, float *y,
                                    uint8_t *winner) {
    int64_t cells = out_h * out_w;
    EACH(i, p.n * cells * p.c) {
        int64_t c = i % p.c, cell = i / p.c % cells, image = i / p.c / cells;
        int64_t row = cell / out_w * p.stride, column = cell % out_w * p.stride;
        const float *from = x + ((image * p.h + row) * p.w + column) * p.c + c;
        float best = *from;
        uint8_t place = 0;
        for (int64_t r = 0; r < p.size; r++) {
            for (int64_t s = 0; s < p.size; s++) {
                float value = from[(r * p.w + s) * p.c];
                if (!element_wins(value, best)) continue;
                best = value;
                place = (uint8_t)(r * p.size + s);
            }
        }
        y[i] = best;
        winner[i] = place;
    }
}

extern "C" void kernels_pool_forward(cudaStream_t stream, const struct pool *pool, const float *x, float *y,
                                     uint8_t *winner) {
    int64_t out_h = pool_out_h(pool), out_w = pool_out_w(pool), count = pool->n * out_h * out_w * pool->c;
    LAUNCH(pool_forward, blocks_for(count), THREADS, 0, stream, *pool, out_h, out_w, x, y, winner);
}

/* A thread for each element of dx asks the windows that reach it: they may overlap, yet nothing is added twice at once.
 */
static __global__ void pool_backward(struct pool p, int64_t out_h, int64_t out_w, const uint8_t *winner,
                                     const float *dy, float *dx) {
    EACH(i, p.n * p.h * p.w * p.c) {
        int64_t c = i % p.c, pixel = i / p.c % (p.h * p.w), image = i / p.c / (p.h * p.w);
        int64_t row0, row1, column0, column1;
        element_windows(pixel / p.w, p.size, p.stride, out_h, &row0, &row1);
        element_windows(pixel % p.w, p.size, p.stride, out_w, &column0, &column1);
        float sum = 0;
        for (int64_t row = row0; row < row1; row++) {
            for (int64_t column = column0; column < column1; column++) {
                int64_t cell = row * out_w + column, at = (image * out_h * out_w + cell) * p.c + c;
                if (element_winner_pixel(cell, out_w, p.stride, p.size, p.w, winner[at]) == pixel) sum += dy[at];
            }
        }
        dx[i] = sum;
    }
}

extern "C" void kernels_pool_backward(cudaStream_t stream, const struct pool *pool, const uint8_t *winner,
                                      const float *dy, float *dx) {
    int64_t count = pool->n * pool->h * pool->w * pool->c;
    LAUNCH(pool_backward, blocks_for(count), THREADS, 0, stream, *pool, pool_out_h(pool), pool_out_w(pool), winner, dy,
           dx);
}
