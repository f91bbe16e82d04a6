/*
 * canvas.h: an RGB picture in memory: rectangles, discs, enlarged grey images, text, and out as PNG. Everything drawn
 * is clipped to the canvas. Not thread-safe; one canvas, one thread.
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

enum canvas_align { ALIGN_LEFT, ALIGN_CENTRE, ALIGN_RIGHT };

/* 0 and one colour (0xRRGGBB) everywhere, or -1: no memory, a side outside 1..CANVAS_SIDE_MAX. canvas_release frees. */
__attribute__((warn_unused_result)) int canvas_init(struct canvas *canvas, int width, int height, uint32_t colour);
void canvas_release(struct canvas *canvas);

void canvas_fill(struct canvas *canvas, int x, int y, int width, int height, uint32_t colour);
/* A disc with a smooth edge around (x, y), in pixels and parts of them. */
void canvas_disc(struct canvas *canvas, double x, double y, double radius, uint32_t colour);
/* `pixels`: height × width grey values; each becomes a square of `scale` pixels. */
void canvas_grey(struct canvas *canvas, int x, int y, const uint8_t *pixels, int width, int height, int scale);
/* One line, UTF-8, FONT_LINE rows from y on, in the `width` pixels from x on; what is longer is cut after a whole
 * character. */
void canvas_text(struct canvas *canvas, int x, int y, int width, enum canvas_align align, const char *text,
                 uint32_t colour);
/* The same upwards: FONT_LINE columns from x on, beginning at the row `y`, at most `height` pixels long. */
void canvas_text_up(struct canvas *canvas, int x, int y, int height, const char *text, uint32_t colour);
/* From `a` (0) to `b` (1). */
uint32_t canvas_mix(uint32_t a, uint32_t b, double share);

/* The picture as PNG; caller frees *ret_png. 0 or -1 (no memory). */
__attribute__((warn_unused_result)) int canvas_png(const struct canvas *canvas, uint8_t **ret_png, size_t *ret_size);

#endif
