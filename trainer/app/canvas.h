/*
 * canvas.h: an RGB picture in memory: rectangles, enlarged grey images, text, and out as PNG. Everything drawn is
 * clipped to the canvas. Not thread-safe; one canvas, one thread.
 */
#ifndef TRAINER_CANVAS_H
#define TRAINER_CANVAS_H

#include <stddef.h>
#include <stdint.h>

#define CANVAS_SIDE_MAX 8192

struct canvas {
    int width, height; /* pixels */
    uint8_t *rgb;      /* owned: height × width × 3 */
};

/* 0 and one colour (0xRRGGBB) everywhere, or -1: no memory, a side outside 1..CANVAS_SIDE_MAX. canvas_release frees. */
__attribute__((warn_unused_result)) int canvas_init(struct canvas *canvas, int width, int height, uint32_t colour);
void canvas_release(struct canvas *canvas);

void canvas_fill(struct canvas *canvas, int x, int y, int width, int height, uint32_t colour);
/* `pixels`: height × width grey values; each becomes a square of `scale` pixels. */
void canvas_grey(struct canvas *canvas, int x, int y, const uint8_t *pixels, int width, int height, int scale);
/* Centred in `width`, cut where it is longer. `scale` is the size of one font pixel. */
void canvas_text(struct canvas *canvas, int x, int y, int width, const char *text, int scale, uint32_t colour);

/* The picture as PNG; caller frees *ret_png. 0 or -1 (no memory). */
__attribute__((warn_unused_result)) int canvas_png(const struct canvas *canvas, uint8_t **ret_png, size_t *ret_size);

#endif
