/* test_canvas.c: pictures: clipping, enlarged pixels, discs, letters in either script and direction, and a PNG that a
 * reader gives back pixel for pixel. */
#include "canvas.h"
#include "font.h"

#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t at(const struct canvas *canvas, int x, int y) {
    const uint8_t *p = canvas->rgb + (y * canvas->width + x) * 3;
    return (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
}

static void fills_are_clipped(void **state) {
    (void)state;
    struct canvas c;
    assert_int_equal(canvas_init(&c, 10, 5, 0x010203), 0);
    canvas_fill(&c, -5, -5, 7, 7, 0xff0000);
    canvas_fill(&c, 8, 4, 100, 100, 0x00ff00);
    canvas_fill(&c, 100, 100, 5, 5, 0x0000ff);
    assert_int_equal(at(&c, 0, 0), 0xff0000);
    assert_int_equal(at(&c, 1, 1), 0xff0000);
    assert_int_equal(at(&c, 2, 1), 0x010203);
    assert_int_equal(at(&c, 8, 4), 0x00ff00);
    assert_int_equal(at(&c, 7, 4), 0x010203);
    canvas_release(&c);
    assert_int_equal(canvas_init(&c, 0, 5, 0), -1);
    assert_int_equal(canvas_init(&c, CANVAS_SIDE_MAX + 1, 5, 0), -1);
}

static void grey_is_enlarged(void **state) {
    (void)state;
    struct canvas c;
    const uint8_t pixels[4] = {0, 100, 200, 255};
    assert_int_equal(canvas_init(&c, 6, 6, 0xff0000), 0);
    canvas_grey(&c, 0, 0, pixels, 2, 2, 3);
    assert_int_equal(at(&c, 2, 2), 0x000000);
    assert_int_equal(at(&c, 3, 2), 0x646464);
    assert_int_equal(at(&c, 0, 3), 0xc8c8c8);
    assert_int_equal(at(&c, 5, 5), 0xffffff);
    canvas_release(&c);
}

/* Columns from `left` to before `right` that hold another colour than white. */
static int columns_inked(const struct canvas *c, int left, int right) {
    int count = 0;
    for (int x = left; x < right; x++) {
        bool inked = false;
        for (int y = 0; y < c->height; y++)
            inked = inked || at(c, x, y) != 0xffffff;
        count += inked;
    }
    return count;
}

static void text_stands_where_asked(void **state) {
    (void)state;
    struct canvas c;
    int width = font_width("H");
    const struct font_glyph *glyph = font_glyph('H');
    assert_true(width > 8 && width < 20);
    assert_int_equal(canvas_init(&c, 100, FONT_LINE, 0xffffff), 0);
    canvas_text(&c, 10, 0, 80, ALIGN_LEFT, "H", 0x000000);
    assert_int_equal(columns_inked(&c, 0, 100), glyph->width);
    assert_int_equal(columns_inked(&c, 10 + glyph->left, 10 + glyph->left + glyph->width), glyph->width);
    canvas_fill(&c, 0, 0, 100, FONT_LINE, 0xffffff);
    canvas_text(&c, 10, 0, 80, ALIGN_RIGHT, "H", 0x000000);
    assert_int_equal(columns_inked(&c, 90 - width, 90), glyph->width);
    canvas_fill(&c, 0, 0, 100, FONT_LINE, 0xffffff);
    canvas_text(&c, 10, 0, 80, ALIGN_CENTRE, "H", 0x000000);
    assert_int_equal(columns_inked(&c, 50 - width / 2 - 1, 50 + width / 2 + 1), glyph->width);
    canvas_release(&c);
}

static void long_text_is_cut_whole(void **state) {
    (void)state;
    struct canvas c, d;
    int three = font_width("abc"), room = three + font_width("d") - 1;
    assert_int_equal(canvas_init(&c, 200, FONT_LINE, 0xffffff), 0);
    assert_int_equal(canvas_init(&d, 200, FONT_LINE, 0xffffff), 0);
    canvas_text(&c, 5, 0, room, ALIGN_LEFT, "abcd and far too long", 0x000000);
    canvas_text(&d, 5, 0, 190, ALIGN_LEFT, "abc", 0x000000);
    assert_memory_equal(c.rgb, d.rgb, 200 * FONT_LINE * 3);
    canvas_text(&c, -50, -10, 4000, ALIGN_LEFT, "beyond every edge, 凉鞋 and more than the width of it", 0x000000);
    canvas_release(&c);
    canvas_release(&d);
}

/* Upwards is the same ink, turned to the left. */
static void text_turns(void **state) {
    (void)state;
    struct canvas across, up;
    int length = font_width("Bag 包");
    assert_int_equal(canvas_init(&across, length, FONT_LINE, 0xffffff), 0);
    assert_int_equal(canvas_init(&up, FONT_LINE, length, 0xffffff), 0);
    canvas_text(&across, 0, 0, length, ALIGN_LEFT, "Bag 包", 0x0b5fa5);
    canvas_text_up(&up, 0, length - 1, length, "Bag 包", 0x0b5fa5);
    for (int y = 0; y < FONT_LINE; y++)
        for (int x = 0; x < length; x++)
            assert_int_equal(at(&across, x, y), at(&up, y, length - 1 - x));
    assert_true(columns_inked(&across, 0, length) > length / 2);
    canvas_release(&across);
    canvas_release(&up);
}

static void discs_are_round(void **state) {
    (void)state;
    struct canvas c;
    assert_int_equal(canvas_init(&c, 41, 41, 0xffffff), 0);
    canvas_disc(&c, 20, 20, 10, 0x112233);
    assert_int_equal(at(&c, 20, 20), 0x112233);
    assert_int_equal(at(&c, 20, 11), 0x112233);
    assert_int_equal(at(&c, 20, 9), 0xffffff);
    assert_int_equal(at(&c, 12, 12), 0xffffff); /* the corner of its square */
    canvas_disc(&c, -3, 50, 20, 0x445566);      /* beyond the edge */
    assert_int_equal(canvas_mix(0x000000, 0xff8040, 0.5), 0x804020);
    assert_int_equal(canvas_mix(0x123456, 0xff8040, -1), 0x123456);
    assert_int_equal(canvas_mix(0x123456, 0xff8040, 7), 0xff8040);
    canvas_release(&c);
}

static void every_label_has_glyphs(void **state) {
    (void)state;
    const struct font_glyph *unknown = font_glyph('?');
    const char *text =
        "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle boot is loss 0123456789 %:.→·"
        "T恤裤子套头衫连衣裙外套凉鞋衬衫运动鞋包短靴认成其实是损失";
    for (uint32_t code; *text != '\0';) {
        text = font_next(text, &code);
        assert_ptr_not_equal(font_glyph(code), unknown);
        assert_int_equal(font_glyph(code)->code, code);
    }
    assert_ptr_equal(font_glyph('\n'), unknown);
    assert_ptr_equal(font_glyph(0x10ffff), unknown);
    for (size_t i = 1; i < font_glyphs_count; i++)
        assert_true(font_glyphs[i - 1].code < font_glyphs[i].code);
    for (size_t i = 0; i < font_glyphs_count; i++) { /* as much ink as its box, and inside the line */
        const struct font_glyph *glyph = &font_glyphs[i];
        assert_int_equal(strlen(glyph->ink), (glyph->width * glyph->height + 1) / 2);
        assert_true(glyph->top + glyph->height <= FONT_LINE);
        for (int y = 0; y < glyph->height; y++)
            for (int x = 0; x < glyph->width; x++)
                assert_in_range(font_ink(glyph, x, y), 0, FONT_LEVELS - 1);
    }
}

static void broken_utf8_is_survived(void **state) {
    (void)state;
    uint32_t code;
    const char cut[] = "\xe5\x87", lone[] = "\x89z", wild[] = "\xff\xfe\xc3";
    assert_string_equal(font_next(cut, &code), "");
    assert_int_equal(code, 0xfffd);
    assert_string_equal(font_next(lone, &code), "z");
    assert_int_equal(code, 0xfffd);
    assert_true(font_width(wild) > 0);
    assert_int_equal(font_width(""), 0);
}

static void png_reads_back(void **state) {
    (void)state;
    struct canvas c;
    assert_int_equal(canvas_init(&c, 33, 17, 0xffffff), 0);
    canvas_text(&c, 1, -5, 31, ALIGN_LEFT, "Bag 8", 0x1a7f37);
    uint8_t *png;
    size_t size;
    assert_int_equal(canvas_png(&c, &png, &size), 0);
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, png, size));
    assert_int_equal(image.width, 33);
    assert_int_equal(image.height, 17);
    image.format = PNG_FORMAT_RGB;
    uint8_t *back = malloc(PNG_IMAGE_SIZE(image));
    assert_true(png_image_finish_read(&image, NULL, back, 0, NULL));
    assert_memory_equal(back, c.rgb, 33 * 17 * 3);
    free(back);
    free(png);
    canvas_release(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_are_clipped),
        cmocka_unit_test(grey_is_enlarged),
        cmocka_unit_test(text_stands_where_asked),
        cmocka_unit_test(long_text_is_cut_whole),
        cmocka_unit_test(text_turns),
        cmocka_unit_test(discs_are_round),
        cmocka_unit_test(every_label_has_glyphs),
        cmocka_unit_test(broken_utf8_is_survived),
        cmocka_unit_test(png_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
