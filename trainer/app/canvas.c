/* canvas.c: see canvas.h. PNG is libpng's simplified API, which needs no setjmp. */
#include "canvas.h"
#include "font.h"

#include <math.h>
#include <png.h>
#include <stdbool.h>
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

uint32_t canvas_mix(uint32_t a, uint32_t b, double share) {
    share = share > 0 ? share < 1 ? share : 1 : 0;
    uint32_t mixed = 0;
    for (int shift = 0; shift <= 16; shift += 8) {
        double from = a >> shift & 0xff, to = b >> shift & 0xff;
        mixed |= (uint32_t)lround(from + (to - from) * share) << shift;
    }
    return mixed;
}

/* Ink over what is there. */
static void dot(struct canvas *canvas, int x, int y, double share, uint32_t colour) {
    if (x < 0 || y < 0 || x >= canvas->width || y >= canvas->height || share <= 0) return;
    uint8_t *p = canvas->rgb + ((size_t)y * (size_t)canvas->width + (size_t)x) * 3;
    uint32_t mixed = canvas_mix((uint32_t)(p[0] << 16 | p[1] << 8 | p[2]), colour, share);
    p[0] = (uint8_t)(mixed >> 16);
    p[1] = (uint8_t)(mixed >> 8);
    p[2] = (uint8_t)mixed;
}

void canvas_disc(struct canvas *canvas, double x, double y, double radius, uint32_t colour) {
    for (int row = (int)floor(y - radius); row <= (int)ceil(y + radius); row++)
        for (int column = (int)floor(x - radius); column <= (int)ceil(x + radius); column++)
            dot(canvas, column, row, radius + 0.5 - hypot(column - x, row - y), colour);
}

/* How many bytes of `text` fit into `width` pixels, and how wide they are. */
static const char *text_fit(const char *text, int width, int *ret_width) {
    uint32_t code;
    *ret_width = 0;
    while (*text != '\0') {
        const char *next = font_next(text, &code);
        int advance = font_glyph(code)->advance;
        if (*ret_width + advance > width) break;
        *ret_width += advance;
        text = next;
    }
    return text;
}

/* The letters from (x, y) on: along the row, or up the column. */
static void text_draw(struct canvas *canvas, int x, int y, const char *text, const char *end, bool up,
                      uint32_t colour) {
    uint32_t code;
    for (int pen = 0; text < end;) {
        text = font_next(text, &code);
        const struct font_glyph *glyph = font_glyph(code);
        for (int row = 0; row < glyph->height; row++) {
            for (int column = 0; column < glyph->width; column++) {
                double share = font_ink(glyph, column, row) / (double)(FONT_LEVELS - 1);
                int along = pen + glyph->left + column, across = glyph->top + row;
                dot(canvas, up ? x + across : x + along, up ? y - along : y + across, share, colour);
            }
        }
        pen += glyph->advance;
    }
}

void canvas_text(struct canvas *canvas, int x, int y, int width, enum canvas_align align, const char *text,
                 uint32_t colour) {
    int taken;
    const char *end = text_fit(text, width, &taken);
    int spare = align == ALIGN_LEFT ? 0 : align == ALIGN_CENTRE ? (width - taken) / 2 : width - taken;
    text_draw(canvas, x + spare, y, text, end, false, colour);
}

void canvas_text_up(struct canvas *canvas, int x, int y, int height, const char *text, uint32_t colour) {
    int taken;
    const char *end = text_fit(text, height, &taken);
    text_draw(canvas, x, y, text, end, true, colour);
}

static int png_write(const struct canvas *canvas, png_uint_32 flags, uint8_t **ret_png, size_t *ret_size) {
    png_image image = {.version = PNG_IMAGE_VERSION, .format = PNG_FORMAT_RGB, .flags = flags};
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

int canvas_png(const struct canvas *canvas, uint8_t **ret_png, size_t *ret_size) {
    uint8_t *filtered, *plain;
    size_t filtered_size, plain_size;
    if (png_write(canvas, 0, &filtered, &filtered_size) != 0) return -1;
    /* Flat areas pack better as they are than as differences, which the "fast" way leaves out. */
    if (png_write(canvas, PNG_IMAGE_FLAG_FAST, &plain, &plain_size) != 0) plain = NULL;
    bool flat = plain != NULL && plain_size < filtered_size;
    *ret_png = flat ? plain : filtered;
    *ret_size = flat ? plain_size : filtered_size;
    free(flat ? filtered : plain);
    return 0;
}
