/* ripple_picture.c: see ripple_picture.h. */
#include "ripple_picture.h"
#include "picture.h"

#include <math.h>

double ripple_clip(const float *u, int64_t size) {
    double sum = 0;
    for (int64_t i = 0; i < size * size; i++)
        sum += fabs((double)u[i]);
    double clip = 6 * sum / (double)(size * size);
    return clip > 1e-12 ? clip : 1e-12;
}

/* Mean over the square of `block` × `block` points at (x, y), as far as there are any. */
static double mean(const float *u, int64_t size, int64_t x, int64_t y, int64_t block) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = y; i < y + block && i < size; i++)
        for (int64_t j = x; j < x + block && j < size; j++, count++)
            sum += (double)u[i * size + j];
    return sum / (double)count;
}

int ripple_picture(const float *u, int64_t size, double clip, struct canvas *ret_canvas) {
    uint32_t palette[256];
    const int64_t block = (size + PICTURE_WIDTH - 1) / PICTURE_WIDTH, side = (size + block - 1) / block;
    const int scale = side <= PICTURE_WIDTH / 2 ? (int)(PICTURE_WIDTH / side) : 1;
    if (canvas_init(ret_canvas, (int)side * scale, (int)side * scale, COLOUR_PAPER) != 0) return -1;
    palette_signed(palette);
    for (int64_t y = 0; y < side; y++)
        for (int64_t x = 0; x < side; x++) {
            double share = mean(u, size, x * block, y * block, block) / clip;
            share = share < -1 ? -1 : share > 1 ? 1 : share;
            /* the root brings out what is faint */
            long index = 128 + lrint(copysign(sqrt(fabs(share)), share) * 127);
            canvas_fill(ret_canvas, (int)x * scale, (int)y * scale, scale, scale, palette[isnan(share) ? 128 : index]);
        }
    return 0;
}
