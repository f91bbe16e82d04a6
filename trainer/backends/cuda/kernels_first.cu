/*
 * kernels_first.cu: the first convolution of an image network: one channel in, filters of 3 × 3 or 5 × 5, a max pool of
 * 2 × 2 behind. A library has nothing to work with there: 9 or 25 products a filter, and an output many times the
 * input.
 *
 * A lane is a filter, a warp a row of cells. The image lies in shared memory; the forward pass keeps the pixels under a
 * cell's four windows in registers and slides them along the row, so the output before the pool is never stored. The
 * gradient of the filters takes of each cell only the window that won: a quarter of the products, and no gradient in
 * full size either.
 */
#include "launch.cuh"

#define FILTERS 32
#define WARPS 7
#define TILE_FLOATS_MAX 4096
#define BLOCKS_OF_WEIGHTS 512

struct first {
    struct conv conv;
    int64_t out_h, out_w;
    int rows, pitch; /* of the padded image in shared memory */
};

static struct first first_of(const struct conv *conv) {
    struct first f;
    f.conv = *conv;
    f.out_h = conv_out_h(conv);
    f.out_w = conv_out_w(conv);
    f.rows = (int)(conv->h + 2 * conv->pad);
    f.pitch = (int)(conv->w + 2 * conv->pad);
    /* Lanes that read different places of one 2 × 2 window must not meet in a bank. */
    while (f.pitch % 32 < 2 || f.pitch % 32 > 30) {
        f.pitch++;
    }
    return f;
}

extern "C" bool kernels_first_fits(const struct conv *conv) {
    bool shape = conv->c == 1 && conv->stride == 1 && conv->pool == 2 && conv->kh == conv->kw &&
                 (conv->kh == 3 || conv->kh == 5) && conv->h + 2 * conv->pad <= 128 && conv->w + 2 * conv->pad <= 128;
    if (!shape || conv_out_h(conv) < 1 || conv_out_w(conv) < 1) return false;
    struct first f = first_of(conv);
    return f.rows * f.pitch <= TILE_FLOATS_MAX;
}

/* The padded image of the block into shared memory; all threads call. */
static __device__ void load_image(const struct first &f, const float *x, float *tile) {
    int h = (int)f.conv.h, w = (int)f.conv.w, pad = (int)f.conv.pad;
    int thread = (int)(threadIdx.y * blockDim.x + threadIdx.x), threads = (int)(blockDim.x * blockDim.y);
    for (int i = thread; i < f.rows * f.pitch; i += threads) {
        int row = i / f.pitch - pad, column = i % f.pitch - pad;
        bool inside = row >= 0 && row < h && column >= 0 && column < w;
        tile[i] = inside ? x[row * w + column] : 0.0f;
    }
}

/* The four windows of a cell: sums[row × 2 + column] */
template <int SIZE>
static __device__ void four_windows(const float patch[SIZE + 1][SIZE + 1], const float *w, float *sums) {
    for (int i = 0; i < 4; i++) {
        sums[i] = 0;
    }
#pragma unroll
    for (int r = 0; r < SIZE; r++) {
#pragma unroll
        for (int s = 0; s < SIZE; s++) {
            sums[0] += patch[r][s] * w[r * SIZE + s];
            sums[1] += patch[r][s + 1] * w[r * SIZE + s];
            sums[2] += patch[r + 1][s] * w[r * SIZE + s];
            sums[3] += patch[r + 1][s + 1] * w[r * SIZE + s];
        }
    }
}

template <int SIZE>
static __device__ void finish_cell(const struct first &f, const float *sums, float bias, float *y, uint8_t *winner) {
    float best = sums[0];
    uint8_t place = 0;
#pragma unroll
    for (int i = 1; i < 4; i++) {
        if (element_wins(sums[i], best)) {
            best = sums[i];
            place = (uint8_t)i;
        }
    }
    *y = element_activate(f.conv.activation, best + bias);
    *winner = place;
}

/* Grid: images, rows of cells by WARPS, filters by FILTERS. */
template <int SIZE>
static __global__ void first_forward(struct first f, const float *x, const float *w, const float *bias, float *y,
                                     uint8_t *winner) {
    DYNAMIC_SHARED(float, tile);
    int64_t k = (int64_t)blockIdx.z * FILTERS + threadIdx.x, row = (int64_t)blockIdx.y * WARPS + threadIdx.y;
    bool filter = k < f.conv.k;
    float weights[SIZE * SIZE], patch[SIZE + 1][SIZE + 1], sums[4];
#pragma unroll
    for (int i = 0; i < SIZE * SIZE; i++) {
        weights[i] = filter ? w[k * SIZE * SIZE + i] : 0.0f;
    }
    float shift = filter && bias != NULL ? bias[k] : 0.0f;
    for (int64_t image = blockIdx.x; image < f.conv.n; image += gridDim.x) {
        __syncthreads();
        load_image(f, x + image * f.conv.h * f.conv.w, tile);
        __syncthreads();
        const float *from = tile + 2 * row * f.pitch;
        int64_t at = (image * f.out_h + row) * f.out_w * f.conv.k + k;
        for (int cell = 0; cell < (int)f.out_w && row < f.out_h; cell++, at += f.conv.k) {
#pragma unroll
            for (int r = 0; r <= SIZE; r++) {
#pragma unroll
                for (int s = 0; s <= SIZE; s++) {
                    bool slides = cell > 0 && s + 2 <= SIZE;
                    patch[r][s] = slides ? patch[r][s + 2 <= SIZE ? s + 2 : s] : from[r * f.pitch + 2 * cell + s];
                }
            }
            four_windows<SIZE>(patch, weights, sums);
            if (filter) finish_cell<SIZE>(f, sums, shift, y + at, winner + at);
        }
    }
}

template <int SIZE>
static void launch_forward(cudaStream_t stream, const struct first &f, const float *x, const float *w,
                           const float *bias, float *y, uint8_t *winner) {
    dim3 grid((unsigned)(f.conv.n > 65535 ? 65535 : f.conv.n), (unsigned)((f.out_h + WARPS - 1) / WARPS),
              (unsigned)((f.conv.k + FILTERS - 1) / FILTERS));
    size_t shared = (size_t)(f.rows * f.pitch) * sizeof(float);
    LAUNCH(first_forward<SIZE>, grid, dim3(FILTERS, WARPS), shared, stream, f, x, w, bias, y, winner);
}

extern "C" void kernels_first_forward(cudaStream_t stream, const struct conv *conv, const float *x, const float *w,
                                      const float *bias, float *y, uint8_t *winner) {
    if (conv->kh == 3) {
        launch_forward<3>(stream, first_of(conv), x, w, bias, y, winner);
    } else {
        launch_forward<5>(stream, first_of(conv), x, w, bias, y, winner);
    }
}

/* ---- gradients of filters and bias ---- */

/* A unit is as many rows of an image as a block has warps. */
static __host__ __device__ int64_t groups_of(int64_t out_h) {
    return (out_h + WARPS - 1) / WARPS;
}

static int64_t weight_blocks(const struct conv *conv) {
    int64_t units = conv->n * groups_of(conv_out_h(conv));
    return units < BLOCKS_OF_WEIGHTS ? units : BLOCKS_OF_WEIGHTS;
}

extern "C" size_t kernels_first_scratch(const struct conv *conv) {
    return (size_t)(weight_blocks(conv) * (conv->kh * conv->kw + 1) * conv->k) * sizeof(float);
}

/* One row of cells into the lane's sums; the last of them is the bias. */
template <int SIZE>
static __device__ void add_row(const struct first &f, const float *tile, int row, int64_t at, const float *y,
                               const uint8_t *winner, const float *dy, float *sums) {
#pragma unroll 4 /* loads of several cells at once: there are few warps to hide them behind */
    for (int cell = 0; cell < (int)f.out_w; cell++, at += f.conv.k) {
        float slope = dy[at];
        if (f.conv.activation.kind != ACTIVATION_NONE) slope = element_back(f.conv.activation, y[at], slope);
        int place = winner[at];
        const float *from = tile + (2 * row + place / 2) * f.pitch + 2 * cell + place % 2;
#pragma unroll
        for (int i = 0; i < SIZE * SIZE; i++) {
            sums[i] += slope * from[i / SIZE * f.pitch + i % SIZE];
        }
        sums[SIZE * SIZE] += slope;
    }
}

/* parts (blocks, SIZE × SIZE + 1, k). Grid: units, filters by FILTERS. */
template <int SIZE>
static __global__ void first_weights(struct first f, const float *x, const float *y, const uint8_t *winner,
                                     const float *dy, float *parts) {
    DYNAMIC_SHARED(float, tile);
    __shared__ float room[WARPS][FILTERS];
    constexpr int COUNT = SIZE * SIZE + 1;
    int64_t k = (int64_t)blockIdx.y * FILTERS + threadIdx.x;
    bool filter = k < f.conv.k;
    float sums[COUNT];
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        sums[i] = 0;
    }
    int64_t groups = groups_of(f.out_h);
    for (int64_t unit = blockIdx.x; unit < f.conv.n * groups; unit += gridDim.x) {
        int64_t image = unit / groups, row = unit % groups * WARPS + threadIdx.y;
        __syncthreads();
        load_image(f, x + image * f.conv.h * f.conv.w, tile);
        __syncthreads();
        if (row < f.out_h && filter) {
            int64_t at = (image * f.out_h + row) * f.out_w * f.conv.k + k;
            add_row<SIZE>(f, tile, (int)row, at, y, winner, dy, sums);
        }
    }
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        __syncthreads();
        room[threadIdx.y][threadIdx.x] = sums[i];
        __syncthreads();
        if (threadIdx.y == 0 && filter) {
            float total = 0;
            for (int warp = 0; warp < WARPS; warp++) {
                total += room[warp][threadIdx.x];
            }
            parts[((int64_t)blockIdx.x * COUNT + i) * f.conv.k + k] = total;
        }
    }
}

/* Element i of (count, k): the parts in order, a warp's lanes sharing them. */
static __global__ void first_totals(int64_t blocks, int64_t count, int64_t filters, const float *parts, float *dw,
                                    float *dbias) {
    __shared__ float room[8][32];
    int64_t i = (int64_t)blockIdx.x * 32 + threadIdx.x, all = count * filters;
    float sum = 0;
    for (int64_t block = threadIdx.y; block < blocks && i < all; block += 8) {
        sum += parts[block * all + i];
    }
    room[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || i >= all) return;
    sum = 0;
    for (int lane = 0; lane < 8; lane++) {
        sum += room[lane][threadIdx.x];
    }
    int64_t place = i / filters, k = i % filters;
    if (place < count - 1) {
        dw[k * (count - 1) + place] = sum;
    } else if (dbias != NULL) {
        dbias[k] = sum;
    }
}

template <int SIZE>
static void launch_weights(cudaStream_t stream, const struct first &f, const float *x, const float *y,
                           const uint8_t *winner, const float *dy, float *dw, float *dbias, float *parts) {
    int64_t blocks = weight_blocks(&f.conv), count = SIZE * SIZE + 1;
    dim3 grid((unsigned)blocks, (unsigned)((f.conv.k + FILTERS - 1) / FILTERS));
    size_t shared = (size_t)(f.rows * f.pitch) * sizeof(float);
    LAUNCH(first_weights<SIZE>, grid, dim3(FILTERS, WARPS), shared, stream, f, x, y, winner, dy, parts);
    LAUNCH(first_totals, (unsigned)((count * f.conv.k + 31) / 32), dim3(32, 8), 0, stream, blocks, count, f.conv.k,
           parts, dw, dbias);
}

extern "C" void kernels_first_weights(cudaStream_t stream, const struct conv *conv, const float *x, const float *y,
                                      const uint8_t *winner, const float *dy, float *dw, float *dbias, void *scratch) {
    if (conv->kh == 3) {
        launch_weights<3>(stream, first_of(conv), x, y, winner, dy, dw, dbias, (float *)scratch);
    } else {
        launch_weights<5>(stream, first_of(conv), x, y, winner, dy, dw, dbias, (float *)scratch);
    }
}
