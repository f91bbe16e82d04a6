/* test_pictures.c: tiles, the confusion matrix and the map, drawn from made-up numbers and looked at pixel by pixel. */
#include "font.h"
#include "picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static uint32_t at(const struct canvas *c, int x, int y) {
    assert_in_range(x, 0, c->width - 1);
    assert_in_range(y, 0, c->height - 1);
    const uint8_t *p = c->rgb + (y * c->width + x) * 3;
    return (uint32_t)(p[0] << 16 | p[1] << 8 | p[2]);
}

static int64_t count_colour(const struct canvas *c, uint32_t colour) {
    int64_t count = 0;
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++)
            count += at(c, x, y) == colour;
    return count;
}

static void tiles_make(struct tiles *tiles, struct tile *list, int count, const uint8_t *pixels) {
    memset(list, 0, (size_t)count * sizeof *list);
    for (int i = 0; i < count; i++)
        list[i].pixels = pixels;
    *tiles = (struct tiles){.tiles = list, .count = count, .width = 28, .height = 28};
}

/* Whatever the number: whole factors, about as wide as a phone, near a square, nothing outside the canvas. */
static void tiles_fit_a_phone(void **state) {
    (void)state;
    static struct tile list[100];
    static uint8_t pixels[784];
    for (int count = 1; count <= 100; count++) {
        struct tiles tiles;
        int width, height;
        tiles_make(&tiles, list, count, pixels);
        tiles_fit_square(&tiles);
        tiles_size(&tiles, &width, &height);
        assert_in_range(width, PICTURE_WIDTH * 3 / 5, PICTURE_WIDTH);
        assert_true(height * 2 <= width * 3 && height * 5 >= width * 2);
        tiles.frame = 4;
        tiles.lines = 3;
        tiles_fit_text(&tiles);
        tiles_size(&tiles, &width, &height);
        assert_true(tiles.scale * 28 + 8 >= 132); /* a class's name has room */
        assert_in_range(width, 100, 1600);
        assert_in_range(height, 100, CANVAS_SIDE_MAX);
    }
}

static void tiles_stand_in_place(void **state) {
    (void)state;
    uint8_t white[784], grey[784];
    memset(white, 255, sizeof white);
    memset(grey, 100, sizeof grey);
    struct tile list[3];
    struct tiles tiles;
    tiles_make(&tiles, list, 3, grey);
    tiles.frame = 2;
    for (int i = 0; i < 3; i++) {
        list[i].below = white;
        list[i].frame = 0x123456;
    }
    tiles_fit(&tiles, 3);
    struct canvas c;
    assert_int_equal(tiles_picture(&tiles, &c), 0);
    int side = 28 * tiles.scale;
    assert_int_equal(at(&c, 0, 0), COLOUR_PAPER);
    assert_int_equal(at(&c, PICTURE_GAP, PICTURE_GAP), 0x123456);
    assert_int_equal(at(&c, PICTURE_GAP + 2, PICTURE_GAP + 2), 0x646464);
    assert_int_equal(at(&c, PICTURE_GAP + 2 + side - 1, PICTURE_GAP + 2 + side - 1), 0x646464);
    assert_int_equal(at(&c, PICTURE_GAP + 2 + side, PICTURE_GAP + 2), 0x123456);
    assert_int_equal(count_colour(&c, 0x646464), 3 * side * side);
    canvas_release(&c);
    uint32_t palette[256] = {[100] = 0xabcdef};
    tiles.palette = palette;
    assert_int_equal(tiles_picture(&tiles, &c), 0);
    assert_int_equal(count_colour(&c, 0xabcdef), 3 * side * side);
    canvas_release(&c);
}

static void zero_is_white(void **state) {
    (void)state;
    uint32_t palette[256];
    palette_signed(palette);
    assert_int_equal(palette[128], 0xf7f7f7);
    assert_true((palette[1] & 0xff) > (palette[1] >> 16));     /* blue below */
    assert_true((palette[255] >> 16) > (palette[255] & 0xff)); /* orange above */
}

/* Every cell's corner, and whether something is written in its middle. */
static void confusion_cells(void **state) {
    (void)state;
    int64_t counts[100] = {0};
    for (int i = 0; i < 10; i++)
        counts[i * 10 + i] = i == 9 ? 0 : 1000;
    counts[1] = 500; /* of class 0 a third is taken for 1 */
    counts[25] = 1;  /* of class 2 one in a thousand: a dot */
    struct canvas c;
    assert_int_equal(confusion_picture(counts, 10, names, false, &c), 0);
    assert_in_range(c.width, PICTURE_WIDTH - 40, PICTURE_WIDTH);
    int margin =
        font_width("T-shirt/top") > font_width("Ankle boot") ? font_width("T-shirt/top") : font_width("Ankle boot");
    int left = 2 * PICTURE_GAP + margin, side = (PICTURE_WIDTH - left - PICTURE_GAP) / 10;
    int top = c.height - PICTURE_GAP - 10 * side;
    uint32_t hit = at(&c, left, top + side), empty = at(&c, left + 2 * side, top);
    assert_true((hit & 0xff) > (hit >> 16));                          /* blue */
    assert_int_equal(at(&c, left + 9 * side, top + 9 * side), empty); /* no image of that class: no share */
    uint32_t missed = at(&c, left + side, top), rare = at(&c, left + 5 * side, top + 2 * side);
    assert_true((missed >> 16) > (missed & 0xff)); /* orange */
    assert_true(rare != empty && (rare >> 16) > (rare & 0xff));
    int inked = 0;
    for (int y = 0; y < side - 2; y++)
        for (int x = 0; x < side - 2; x++)
            inked += at(&c, left + side + x, top + y) != missed;
    assert_in_range(inked, 40, side * side / 2); /* "33" */
    canvas_release(&c);
}

static void confusion_of_any_names(void **state) {
    (void)state;
    static const char *const long_names[3] = {"a name that nobody would give to a class of images, ever", "", "包"};
    const int64_t counts[9] = {INT64_C(1) << 40, 1, 2, 0, 0, 0, 7, 7, 7};
    struct canvas c;
    assert_int_equal(confusion_picture(counts, 3, long_names, true, &c), 0);
    assert_in_range(c.width, 400, PICTURE_WIDTH);
    canvas_release(&c);
}

static void map_shows_every_class(void **state) {
    (void)state;
    enum { COUNT = 2000 };
    struct map_point *points = calloc(COUNT, sizeof *points);
    assert_non_null(points);
    for (int i = 0; i < COUNT; i++) /* ten heaps in a row, one far away point */
        points[i] = (struct map_point){.x = i % 10 * 10 + i / 10 % 7, .y = i / 10 % 13, .label = (uint8_t)(i % 10)};
    points[0].x = 1e9;
    struct canvas c;
    assert_int_equal(map_picture(points, COUNT, 10, names, &c), 0);
    assert_int_equal(c.width, PICTURE_WIDTH);
    assert_in_range(c.height, PICTURE_WIDTH, PICTURE_WIDTH * 3 / 2);
    for (int i = 0; i < COUNT; i++) { /* inside the panel, also the far one: the rest is not squeezed for it */
        assert_true(points[i].x >= 0 && points[i].x <= PICTURE_WIDTH);
        assert_true(points[i].y >= 0 && points[i].y <= PICTURE_WIDTH);
    }
    double least = 1e9, most = 0;
    for (int i = 0; i < COUNT; i++) {
        if (points[i].label == 0 && points[i].x < least) least = points[i].x;
        if (points[i].label == 9 && points[i].x > most) most = points[i].x;
    }
    assert_true(most - least > PICTURE_WIDTH * 0.9);
    assert_true(count_colour(&c, COLOUR_PAPER) > 100000);
    canvas_release(&c);
    free(points);
}

/* Near points are drawn over far ones, larger. */
static void map_has_depth(void **state) {
    (void)state;
    struct map_point points[400];
    for (int i = 0; i < 400; i++)
        points[i] = (struct map_point){.x = i % 20, .y = i / 20, .depth = i % 2 ? 5 : -5, .label = (uint8_t)(i % 2)};
    struct canvas c;
    assert_int_equal(map_picture(points, 400, 2, names, &c), 0);
    assert_true(points[0].depth < points[399].depth);
    int64_t near = 0, far = 0;
    for (int y = 0; y < PICTURE_WIDTH; y++)
        for (int x = 0; x < c.width; x++) {
            near += at(&c, x, y) == 0x3d9fd6u;
            far += at(&c, x, y) == canvas_mix(COLOUR_PAPER, 0x332288u, 0.45);
        }
    assert_true(near > 2 * far && far > 200);
    canvas_release(&c);
}

static void map_of_nothing(void **state) {
    (void)state;
    struct map_point one = {.x = 3, .y = 4, .label = 9};
    struct canvas c;
    assert_int_equal(map_picture(&one, 1, 10, names, &c), 0);
    canvas_release(&c);
    assert_int_equal(map_picture(&one, 0, 10, names, &c), -1);
    assert_int_equal(map_picture(&one, 1, 17, names, &c), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiles_fit_a_phone),      cmocka_unit_test(tiles_stand_in_place),
        cmocka_unit_test(zero_is_white),          cmocka_unit_test(confusion_cells),
        cmocka_unit_test(confusion_of_any_names), cmocka_unit_test(map_shows_every_class),
        cmocka_unit_test(map_has_depth),          cmocka_unit_test(map_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
