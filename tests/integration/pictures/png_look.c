/* png_look.c: see png_look.h. */
#include "png_look.h"

#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COLOURS_MAX 4096
#define FILE_MAX (1 << 20)

static int colours_count(const uint8_t *rgb, size_t pixels) {
    static uint8_t seen[1 << 21]; /* a bit for each colour */
    int count = 0;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < pixels && count < COLOURS_MAX; i++) {
        uint32_t colour = (uint32_t)(rgb[3 * i] << 16 | rgb[3 * i + 1] << 8 | rgb[3 * i + 2]);
        bool known = seen[colour / 8] >> colour % 8 & 1;
        seen[colour / 8] |= (uint8_t)(1u << colour % 8);
        count += !known;
    }
    return count;
}

void png_look(const void *png, size_t size, struct look *ret_look) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, png, size)) fail_msg("not a PNG: %s", image.message);
    image.format = PNG_FORMAT_RGB;
    uint8_t *rgb = malloc(PNG_IMAGE_SIZE(image));
    assert_non_null(rgb);
    if (!png_image_finish_read(&image, NULL, rgb, 0, NULL)) fail_msg("a damaged PNG: %s", image.message);
    size_t pixels = (size_t)image.width * image.height, white = 0;
    *ret_look = (struct look){.width = (int)image.width, .height = (int)image.height, .size = size, .content = 7};
    for (size_t i = 0; i < pixels; i++)
        white += rgb[3 * i] == 255 && rgb[3 * i + 1] == 255 && rgb[3 * i + 2] == 255;
    for (size_t i = 0; i < 3 * pixels; i++)
        ret_look->content = (ret_look->content ^ rgb[i]) * UINT64_C(1099511628211);
    ret_look->paper = (double)white / (double)pixels;
    ret_look->colours = colours_count(rgb, pixels);
    free(rgb);
}

void png_look_file(const char *path, struct look *ret_look) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("%s: not there", path);
    uint8_t *bytes = malloc(FILE_MAX);
    assert_non_null(bytes);
    size_t size = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    png_look(bytes, size, ret_look);
    free(bytes);
}

void png_good(const char *what, const struct look *look) {
    bool fits = look->width >= 200 && look->width <= 800 && look->height >= 100 && look->height <= 1600;
    if (!fits) fail_msg("%s: %d x %d pixels", what, look->width, look->height);
    if (look->size > 200000) fail_msg("%s: %zu bytes", what, look->size);
    if (look->colours < 3) fail_msg("%s: %d colours", what, look->colours);
    if (look->paper > 0.97) fail_msg("%s: nothing is drawn on it", what);
}
