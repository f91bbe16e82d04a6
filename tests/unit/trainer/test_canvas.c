/* test_canvas.c: pictures: clipping, enlarged pixels, letters, and a PNG that a reader gives back pixel for pixel. */
#include "canvas.h"
#include "font.h"

#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
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

static void text_is_centred(void **state) {
    (void)state;
    struct canvas c;
    assert_int_equal(canvas_init(&c, 15, 7, 0xffffff), 0);
    canvas_text(&c, 0, 0, 15, "T", 1, 0x000000); /* its bar spans the glyph: x 5 to 9 */
    assert_int_equal(at(&c, 4, 0), 0xffffff);
    for (int x = 5; x < 10; x++)
        assert_int_equal(at(&c, x, 0), 0x000000);
    assert_int_equal(at(&c, 10, 0), 0xffffff);
    assert_int_equal(at(&c, 7, 6), 0x000000);
    canvas_text(&c, 0, 0, 15, "far too long for it", 1, 0x000000);
    canvas_release(&c);
}

static void every_label_has_glyphs(void **state) {
    (void)state;
    const uint8_t *unknown = font_glyph('?');
    for (const char *p = "T-shirt/top Trouser Ankle boot is 0123456789 %:."; *p != '\0'; p++)
        assert_ptr_not_equal(font_glyph(*p), unknown);
    assert_ptr_equal(font_glyph('a'), font_glyph('A'));
    assert_ptr_equal(font_glyph('\n'), unknown);
    for (int a = 'A'; a <= 'Z'; a++) /* no two letters look the same */
        for (int b = a + 1; b <= 'Z'; b++)
            assert_memory_not_equal(font_glyph((char)a), font_glyph((char)b), FONT_HEIGHT);
}

static void png_reads_back(void **state) {
    (void)state;
    struct canvas c;
    assert_int_equal(canvas_init(&c, 33, 17, 0xffffff), 0);
    canvas_text(&c, 1, 1, 31, "Bag 8", 1, 0x1a7f37);
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
        cmocka_unit_test(fills_are_clipped),      cmocka_unit_test(grey_is_enlarged), cmocka_unit_test(text_is_centred),
        cmocka_unit_test(every_label_has_glyphs), cmocka_unit_test(png_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
