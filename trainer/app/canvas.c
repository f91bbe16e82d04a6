/* canvas.c: see canvas.h. PNG is libpng's simplified API, which needs no setjmp. */
#include "canvas.h"
#include "font.h"

#include <png.h>
#include <stdlib.h>
#include <string.h>

int canvas_init(struct canvas *canvas, int width, int height, uint32_t colour) {
    *canvas = (struct canvas){0};
    if (width < 1 || height < 1 || width > CANVAS_SIDE_MAX || height > CANVAS_SIDE_MAX) return -1;
    canvas->rgb = malloc((size_t)width * (size_t)height * 3);
    if (canvas->rgb == NULL) return -1;
    canvas->width = width;
    canvas->height = height;
    canvas_fill(canvas, 0, 0, width, height, colour);
    return 0;
}

void canvas_release(struct canvas *canvas) {
    free(canvas->rgb);
    *canvas = (struct canvas){0};
}

void canvas_fill(struct canvas *canvas, int x, int y, int width, int height, uint32_t colour) {
    int right = x + width < canvas->width ? x + width : canvas->width;
    int bottom = y + height < canvas->height ? y + height : canvas->height;
    for (int row = y > 0 ? y : 0; row < bottom; row++) {
        for (int column = x > 0 ? x : 0; column < right; column++) {
            uint8_t *p = canvas->rgb + ((size_t)row * (size_t)canvas->width + (size_t)column) * 3;
            p[0] = (uint8_t)(colour >> 16);
            p[1] = (uint8_t)(colour >> 8);
            p[2] = (uint8_t)colour;
        }
    }
}

void canvas_grey(struct canvas *canvas, int x, int y, const uint8_t *pixels, int width, int height, int scale) {
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++)
            canvas_fill(canvas, x + column * scale, y + row * scale, scale, scale,
                        0x010101u * pixels[row * width + column]);
}

static void glyph_draw(struct canvas *canvas, int x, int y, char letter, int scale, uint32_t colour) {
    const uint8_t *rows = font_glyph(letter);
    for (int row = 0; row < FONT_HEIGHT; row++)
        for (int column = 0; column < FONT_WIDTH; column++)
            if (rows[row] >> (FONT_WIDTH - 1 - column) & 1)
                canvas_fill(canvas, x + column * scale, y + row * scale, scale, scale, colour);
}

void canvas_text(struct canvas *canvas, int x, int y, int width, const char *text, int scale, uint32_t colour) {
    int advance = (FONT_WIDTH + 1) * scale, room = (width + scale) / advance;
    int length = (int)strnlen(text, 256);
    if (length > room) length = room;
    int left = x + (width - (length * advance - scale)) / 2;
    for (int i = 0; i < length; i++)
        glyph_draw(canvas, left + i * advance, y, text[i], scale, colour);
}

int canvas_png(const struct canvas *canvas, uint8_t **ret_png, size_t *ret_size) {
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB};
    image.width = (png_uint_32)canvas->width;
    image.height = (png_uint_32)canvas->height;
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image), size = room;
    uint8_t *png = malloc(room);
    if (png == NULL || !png_image_write_to_memory(&image, png, &size, 0, canvas->rgb, 0, NULL)) {
        png_image_free(&image);
        free(png);
        return -1;
    }
    uint8_t *fitted = realloc(png, size);
    *ret_png = fitted != NULL ? fitted : png;
    *ret_size = size;
    return 0;
}
