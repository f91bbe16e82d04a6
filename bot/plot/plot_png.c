/*
 * plot_png.c: one pass counts colours in 32^3 cells (runs of one colour are counted at once), the 256 fullest cells
 * become the palette with the mean colour of their pixels, every other cell takes the nearest of these; a second pass
 * writes indices. No filter: for palette pictures filters only hurt.
 */
#include "plot_png.h"

#include <png.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CELLS 32768
#define COLOURS 256

struct cell {
    uint64_t count, r, g, b;
};

struct palette {
    struct cell cells[CELLS];
    uint16_t used[CELLS]; /* cells that occur, fullest first after sorting */
    size_t used_count;
    uint8_t index[CELLS];
    png_color colours[COLOURS];
    size_t colours_count;
};

static size_t cell_of(uint32_t pixel) {
    return (pixel >> 19 & 31) << 10 | (pixel >> 11 & 31) << 5 | (pixel >> 3 & 31);
}

static void count_run(struct palette *palette, uint32_t pixel, uint64_t length) {
    struct cell *cell = &palette->cells[cell_of(pixel)];
    if (cell->count == 0) palette->used[palette->used_count++] = (uint16_t)cell_of(pixel);
    cell->count += length;
    cell->r += length * (pixel >> 16 & 255);
    cell->g += length * (pixel >> 8 & 255);
    cell->b += length * (pixel & 255);
}

static void count_colours(struct palette *palette, const uint32_t *pixels, int width, int height, size_t stride) {
    for (int y = 0; y < height; y++) {
        const uint32_t *row = pixels + (size_t)y * stride;
        for (int x = 0, from = 0; x < width; from = x) {
            while (x < width && row[x] == row[from])
                x++;
            count_run(palette, row[from], (uint64_t)(x - from));
        }
    }
}

static int fuller(const void *a, const void *b, void *cells) {
    const struct cell *of = cells, *left = &of[*(const uint16_t *)a], *right = &of[*(const uint16_t *)b];
    return left->count < right->count ? 1 : left->count > right->count ? -1 : 0;
}

static uint8_t nearest(const struct palette *palette, png_color colour) {
    size_t best = 0;
    int least = 1 << 30;
    for (size_t i = 0; i < palette->colours_count; i++) {
        int r = palette->colours[i].red - colour.red, g = palette->colours[i].green - colour.green;
        int b = palette->colours[i].blue - colour.blue, distance = 2 * r * r + 4 * g * g + 3 * b * b;
        if (distance >= least) continue;
        least = distance;
        best = i;
    }
    return (uint8_t)best;
}

static void choose_colours(struct palette *palette) {
    qsort_r(palette->used, palette->used_count, sizeof palette->used[0], fuller, palette->cells);
    for (size_t i = 0; i < palette->used_count; i++) {
        const struct cell *cell = &palette->cells[palette->used[i]];
        uint64_t half = cell->count / 2;
        png_color mean = {(png_byte)((cell->r + half) / cell->count), (png_byte)((cell->g + half) / cell->count),
                          (png_byte)((cell->b + half) / cell->count)};
        if (i < COLOURS) {
            palette->colours[i] = mean;
            palette->colours_count = i + 1;
            palette->index[palette->used[i]] = (uint8_t)i;
        } else {
            palette->index[palette->used[i]] = nearest(palette, mean);
        }
    }
}

struct output {
    uint8_t *bytes;
    size_t size, room;
};

static void append(png_structp png, png_bytep bytes, size_t size) {
    struct output *output = png_get_io_ptr(png);
    if (output->size + size > output->room) {
        size_t room = (output->size + size) * 2;
        uint8_t *more = realloc(output->bytes, room);
        if (!more) png_error(png, "out of memory"); /* does not return */
        output->bytes = more;
        output->room = room;
    }
    memcpy(output->bytes + output->size, bytes, size);
    output->size += size;
}

static void flush_nothing(png_structp png) {
    (void)png;
}

static void write_rows(png_structp png, const struct palette *palette, const uint32_t *pixels, int width, int height,
                       size_t stride, uint8_t *line) {
    for (int y = 0; y < height; y++) {
        const uint32_t *row = pixels + (size_t)y * stride;
        for (int x = 0; x < width; x++)
            line[x] = palette->index[cell_of(row[x])];
        png_write_row(png, line);
    }
}

int plot_png_write(const uint32_t *pixels, int width, int height, size_t stride, uint8_t **ret_bytes,
                   size_t *ret_size) {
    struct palette *palette = calloc(1, sizeof *palette);
    uint8_t *line = malloc((size_t)width);
    struct output output = {.room = 64 * 1024, .bytes = malloc(64 * 1024)};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    volatile int error = TB_ENOMEM;
    if (!palette || !line || !output.bytes || !info) goto out;
    count_colours(palette, pixels, width, height, stride);
    choose_colours(palette);
    error = TB_EIO;
    if (setjmp(png_jmpbuf(png))) goto out; /* libpng's way to fail */
    png_set_write_fn(png, &output, append, flush_nothing);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(png, info, palette->colours, (int)palette->colours_count);
    png_set_filter(png, 0, PNG_FILTER_NONE);
    png_set_compression_level(png, 2);
    png_write_info(png, info);
    write_rows(png, palette, pixels, width, height, stride, line);
    png_write_end(png, NULL);
    *ret_bytes = output.bytes;
    *ret_size = output.size;
    output.bytes = NULL;
    error = TB_OK;
out:
    png_destroy_write_struct(&png, &info);
    free(output.bytes);
    free(line);
    free(palette);
    return error;
}
