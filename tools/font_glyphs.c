/*
 * font_glyphs.c: writes the letters that the trainer's pictures need as a C table (see trainer/app/font.h), rasterised
 * once while building, so that the trainer needs no font and no font library where it runs.
 *
 * usage: font_glyphs FILE. Debian's fonts-wqy-microhei gives the letters; without it fontconfig's next best.
 */
#include <pango/pangocairo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EM 24    /* pixels */
#define LINE 28  /* rows of a line */
#define BASE 22  /* its baseline */
#define LEVELS 8 /* of grey; two pixels are one letter */
#define COLUMNS 104

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
static const char chinese[] = "T恤裤子套头衫连衣裙外凉鞋衬运动包短靴认成其实是损失原图还误差→…·×";

static int grey(const unsigned char *rows, int stride, int x, int y) {
    return (rows[y * stride + x] * (LEVELS - 1) + 127) / 255;
}

static int row_has(const unsigned char *rows, int stride, int width, int y) {
    for (int x = 0; x < width; x++)
        if (grey(rows, stride, x, y)) return 1;
    return 0;
}

static int column_has(const unsigned char *rows, int stride, int x) {
    for (int y = 0; y < LINE; y++)
        if (grey(rows, stride, x, y)) return 1;
    return 0;
}

static void print_pixels(const unsigned char *rows, int stride, int left, int top, int width, int height) {
    int half = -1, printed = 0, total = width * height;
    for (int i = 0; i < total + total % 2; i++) {
        int level = i < total ? grey(rows, stride, left + i % width, top + i / width) : 0;
        if (half < 0) {
            half = level;
            continue;
        }
        if (printed % COLUMNS == 0) printf("%s\n     \"", printed ? "\"" : "");
        putchar(alphabet[half * LEVELS + level]);
        printed++;
        half = -1;
    }
    printf("%s},\n", total ? "\"" : " \"\"");
}

static void print_glyph(const char *character) {
    enum { SIDE = 2 * EM };
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, SIDE, LINE);
    cairo_t *cairo = cairo_create(surface);
    PangoLayout *layout = pango_cairo_create_layout(cairo);
    PangoFontDescription *font = pango_font_description_from_string("WenQuanYi Micro Hei");
    pango_font_description_set_absolute_size(font, EM * PANGO_SCALE);
    pango_layout_set_font_description(layout, font);
    pango_layout_set_text(layout, character, -1);
    PangoRectangle logical;
    pango_layout_get_pixel_extents(layout, NULL, &logical);
    cairo_move_to(cairo, 4, BASE - (double)pango_layout_get_baseline(layout) / PANGO_SCALE);
    pango_cairo_show_layout(cairo, layout);
    cairo_surface_flush(surface);
    const unsigned char *rows = cairo_image_surface_get_data(surface);
    int stride = cairo_image_surface_get_stride(surface), left = 0, right = SIDE, top = 0, bottom = LINE;
    while (top < bottom && !row_has(rows, stride, SIDE, top))
        top++;
    while (bottom > top && !row_has(rows, stride, SIDE, bottom - 1))
        bottom--;
    while (top < bottom && left < right && !column_has(rows, stride, left))
        left++;
    while (top < bottom && right > left && !column_has(rows, stride, right - 1))
        right--;
    int width = top < bottom ? right - left : 0, height = bottom - top;
    unsigned code = g_utf8_get_char(character);
    printf("    {0x%04x, %d, %d, %d, %d, %d,%s", code, logical.width, width ? left - 4 : 0, height ? top : 0, width,
           height, "");
    print_pixels(rows, stride, left, top, width, height);
    if (pango_layout_get_unknown_glyphs_count(layout) > 0) fprintf(stderr, "no glyph for %s\n", character);
    pango_font_description_free(font);
    g_object_unref(layout);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
}

static int by_code(const void *a, const void *b) {
    return (int)*(const unsigned *)a - (int)*(const unsigned *)b;
}

int main(int argc, char **argv) {
    if (argc != 2 || freopen(argv[1], "w", stdout) == NULL) {
        fprintf(stderr, "usage: font_glyphs FILE\n");
        return 2;
    }
    unsigned codes[256];
    size_t count = 0;
    for (unsigned code = ' '; code <= '~'; code++)
        codes[count++] = code;
    for (const char *at = chinese; *at; at = g_utf8_next_char(at))
        if (g_utf8_get_char(at) > '~') codes[count++] = g_utf8_get_char(at);
    qsort(codes, count, sizeof *codes, by_code);
    printf("/* Made by tools/font_glyphs.c. */\n#include \"font.h\"\n\nconst struct font_glyph font_glyphs[] = {\n");
    for (size_t i = 0; i < count; i++) {
        char character[8] = "";
        if (i > 0 && codes[i] == codes[i - 1]) continue;
        g_unichar_to_utf8(codes[i], character);
        print_glyph(character);
    }
    printf("};\nconst size_t font_glyphs_count = sizeof font_glyphs / sizeof *font_glyphs;\n");
    return fflush(stdout) == 0 ? 0 : 1;
}
