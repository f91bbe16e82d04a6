/*
 * kernels_direct.cu: convolutions as they are written down, for shapes that cuDNN refuses. Not fast, always right.
 */
#include "launch.cuh"

struct direct {
    struct conv conv;
    int64_t rows, columns; /* of the output before the pool */
};

static struct direct direct_of(const struct conv *conv) {
    struct direct direct = {*conv, conv_rows(conv), conv_columns(conv)};
    return direct;
}

static __global__ void direct_forward(struct direct d, const float *x, const float *w, float *raw) {
    const struct conv g = d.conv;
    EACH(i, g.n * d.rows * d.columns * g.k) {
        int64_t k = i % g.k, place = i / g.k, column = place % d.columns, row = place / d.columns % d.rows;
        int64_t image = place / d.columns / d.rows;
        float sum = 0;
        for (int64_t r = 0; r < g.kh; r++) {
            int64_t h = row * g.stride + r - g.pad;
            for (int64_t s = 0; s < g.kw && h >= 0 && h < g.h; s++) {
                int64_t at = column * g.stride + s - g.pad;
                for (int64_t c = 0; c < g.c && at >= 0 && at < g.w; c++) {
                    sum += x[((image * g.h + h) * g.w + at) * g.c + c] * w[((k * g.kh + r) * g.kw + s) * g.c + c];
                }
            }
        }
        raw[i] = sum;
    }
}

extern "C" void kernels_direct_forward(cudaStream_t stream, const struct conv *conv, const float *x, const float *w,
                                       float *raw) {
    struct direct d = direct_of(conv);
    LAUNCH(direct_forward, blocks_for(conv->n * d.rows * d.columns * conv->k), THREADS, 0, stream, d, x, w, raw);
}

static __global__ void direct_data(struct direct d, const float *full, const float *w, float *dx) {
    const struct conv g = d.conv;
    EACH(i, g.n * g.h * g.w * g.c) {
        int64_t c = i % g.c, place = i / g.c, column = place % g.w, row = place / g.w % g.h;
        int64_t image = place / g.w / g.h;
        float sum = 0;
        for (int64_t r = 0; r < g.kh; r++) {
            int64_t down = row + g.pad - r, h = down / g.stride;
            if (down < 0 || down % g.stride != 0 || h >= d.rows) continue;
            for (int64_t s = 0; s < g.kw; s++) {
                int64_t right = column + g.pad - s, at = right / g.stride;
                if (right < 0 || right % g.stride != 0 || at >= d.columns) continue;
                for (int64_t k = 0; k < g.k; k++) {
                    sum += full[((image * d.rows + h) * d.columns + at) * g.k + k] *
                           w[((k * g.kh + r) * g.kw + s) * g.c + c];
                }
            }
        }
        dx[i] = sum;
    }
}

extern "C" void kernels_direct_data(cudaStream_t stream, const struct conv *conv, const float *full, const float *w,
                                    float *dx) {
    struct direct d = direct_of(conv);
    LAUNCH(direct_data, blocks_for(conv->n * conv->h * conv->w * conv->c), THREADS, 0, stream, d, full, w, dx);
}

/* A block for each weight; its threads share the places. */
static __global__ void direct_weights(struct direct d, const float *x, const float *full, float *dw) {
    __shared__ float room[THREADS];
    const struct conv g = d.conv;
    int64_t weights = g.k * g.kh * g.kw * g.c, places = g.n * d.rows * d.columns;
    for (int64_t i = blockIdx.x; i < weights; i += gridDim.x) {
        int64_t c = i % g.c, s = i / g.c % g.kw, r = i / g.c / g.kw % g.kh, k = i / g.c / g.kw / g.kh;
        float sum = 0;
        for (int64_t place = threadIdx.x; place < places; place += THREADS) {
            int64_t at = place % d.columns * g.stride + s - g.pad;
            int64_t h = place / d.columns % d.rows * g.stride + r - g.pad, image = place / d.columns / d.rows;
            if (h < 0 || h >= g.h || at < 0 || at >= g.w) continue;
            sum += full[place * g.k + k] * x[((image * g.h + h) * g.w + at) * g.c + c];
        }
        sum = block_sum(sum, room);
        if (threadIdx.x == 0) dw[i] = sum;
    }
}

extern "C" void kernels_direct_weights(cudaStream_t stream, const struct conv *conv, const float *x, const float *full,
                                       float *dw) {
    int64_t weights = conv->k * conv->kh * conv->kw * conv->c;
    unsigned blocks = (unsigned)(weights > 65535 ? 65535 : weights);
    LAUNCH(direct_weights, blocks, THREADS, 0, stream, direct_of(conv), x, full, dw);
}
