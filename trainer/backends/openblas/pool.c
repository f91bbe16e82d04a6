/*
 * pool.c: max pools that stand on their own, not behind a convolution. Windows may overlap.
 */
#include <string.h>

#include "cpu.h"

static void forward_window(const struct pool *pool, const float *x, float *y, uint8_t *winner) {
    memcpy(y, x, (size_t)pool->c * sizeof(float));
    memset(winner, 0, (size_t)pool->c);
    for (int64_t row = 0; row < pool->size; row++) {
        for (int64_t column = 0; column < pool->size; column++) {
            const float *from = x + (row * pool->w + column) * pool->c;
            for (int64_t c = 0; c < pool->c; c++) {
                bool more = (from[c] > y[c]) | (from[c] != from[c]); /* NaN wins */
                y[c] = more ? from[c] : y[c];
                winner[c] = more ? (uint8_t)(row * pool->size + column) : winner[c];
            }
        }
    }
}

void cpu_pool_forward(struct backend *backend, const struct pool *pool, const float *x, float *y, uint8_t *winner) {
    struct cpu *cpu = (struct cpu *)backend;
    int64_t out_h = pool_out_h(pool), out_w = pool_out_w(pool);
#pragma omp parallel for schedule(static) num_threads(cpu->threads)
    for (int64_t i = 0; i < pool->n; i++) {
        const float *image = x + i * pool->h * pool->w * pool->c;
        for (int64_t cell = 0; cell < out_h * out_w; cell++) {
            int64_t row = cell / out_w * pool->stride, column = cell % out_w * pool->stride;
            int64_t out = (i * out_h * out_w + cell) * pool->c;
            forward_window(pool, image + (row * pool->w + column) * pool->c, y + out, winner + out);
        }
    }
}

void cpu_pool_backward(struct backend *backend, const struct pool *pool, const uint8_t *winner, const float *dy,
                       float *dx) {
    struct cpu *cpu = (struct cpu *)backend;
    int64_t out_h = pool_out_h(pool), out_w = pool_out_w(pool), size = pool->h * pool->w * pool->c;
#pragma omp parallel for schedule(static) num_threads(cpu->threads)
    for (int64_t i = 0; i < pool->n; i++) {
        float *image = dx + i * size;
        memset(image, 0, (size_t)size * sizeof(float));
        for (int64_t cell = 0; cell < out_h * out_w; cell++) {
            int64_t out = (i * out_h * out_w + cell) * pool->c;
            for (int64_t c = 0; c < pool->c; c++) {
                int64_t row = cell / out_w * pool->stride + winner[out + c] / pool->size;
                int64_t column = cell % out_w * pool->stride + winner[out + c] % pool->size;
                image[(row * pool->w + column) * pool->c + c] += dy[out + c];
            }
        }
    }
}
