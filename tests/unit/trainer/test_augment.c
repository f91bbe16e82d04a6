/* test_augment.c: an augmented image against the method in float64 and, to the bit, against its whole numbers done
 * plainly; what is drawn stays in its ranges and depends on seed and place alone. */
#include "augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIDE = 28, IMAGE = SIDE * SIDE };

static void image_fill(uint8_t *pixels, int count, unsigned seed) {
    for (int i = 0; i < count; i++)
        pixels[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
}

static int clamp(int value, int high) {
    return value < 0 ? 0 : value > high ? high : value;
}

/* Bilinear at (x, y), the border pixel going on; in float64. */
static double sample(const uint8_t *pixels, int height, int width, double x, double y) {
    x = fmin(fmax(x, 0), width - 1);
    y = fmin(fmax(y, 0), height - 1);
    int left = (int)floor(x), top = (int)floor(y), right = clamp(left + 1, width - 1), low = clamp(top + 1, height - 1);
    double fx = x - left, fy = y - top;
    return (1 - fy) * ((1 - fx) * pixels[top * width + left] + fx * pixels[top * width + right]) +
           fy * ((1 - fx) * pixels[low * width + left] + fx * pixels[low * width + right]);
}

/* The method as Keras writes it: turn, shift, zoom as matrices on (row, column), about the middle. */
static void reference(const uint8_t *pixels, int height, int width, const double how[5], double *out) {
    double c = cos(how[0]), s = sin(how[0]), my = (height - 1) / 2.0, mx = (width - 1) / 2.0;
    for (int row = 0; row < height; row++)
        for (int column = 0; column < width; column++) {
            double zoomed_y = how[4] * (row - my) + how[2], zoomed_x = how[3] * (column - mx) + how[1];
            double y = c * zoomed_y - s * zoomed_x + my, x = s * zoomed_y + c * zoomed_x + mx;
            out[row * width + column] = sample(pixels, height, width, x, y);
        }
}

/* A slope of 255 between neighbours makes a 1/256 step of the weights one grey level, in both directions; the rounding
 * is half of one more. */
static void method(void **state) {
    (void)state;
    static const double how[][5] = {
        {0, 0, 0, 1, 1},       {0.1745, 2.8, -2.8, 1.1, 0.9}, {-0.1745, -2.8, 2.8, 0.9, 1.1}, {0.05, 0.5, 0.25, 1, 1},
        {0, 0, 0, 0.95, 1.05}, {-0.12, 1.3, 0, 1.02, 1},      {1.5708, 0, 0, 1.0, 1.0},       {0, 100, -100, 1, 1}};
    static const int sizes[][2] = {{28, 28}, {5, 9}, {1, 7}, {56, 14}, {1, 1}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
            static uint8_t pixels[AUGMENT_PIXELS_MAX], got[AUGMENT_PIXELS_MAX];
            static double wanted[AUGMENT_PIXELS_MAX];
            int height = sizes[k][0], width = sizes[k][1];
            const double *h = how[i];
            image_fill(pixels, height * width, (unsigned)i + 1);
            const struct augment_map map = augment_compose(h[0], h[1], h[2], h[3], h[4], height, width);
            augment_apply(&map, pixels, height, width, got);
            reference(pixels, height, width, h, wanted);
            for (int p = 0; p < height * width; p++)
                assert_true(fabs(got[p] - wanted[p]) <= 3);
        }
}

/* Every instruction set must give what plain arithmetic gives. */
static void whole_numbers(void **state) {
    (void)state;
    uint8_t pixels[IMAGE], got[IMAGE];
    for (int64_t place = 0; place < 500; place++) {
        image_fill(pixels, IMAGE, (unsigned)place);
        const struct augment_map m = augment_draw(9, place, SIDE, SIDE);
        augment_apply(&m, pixels, SIDE, SIDE, got);
        for (int i = 0; i < IMAGE; i++) {
            int x = clamp(m.x0 + m.xx * (i % SIDE) + m.xy * (i / SIDE), (SIDE - 1) << 16);
            int y = clamp(m.y0 + m.yx * (i % SIDE) + m.yy * (i / SIDE), (SIDE - 1) << 16);
            int left = x >> 16, top = y >> 16, right = clamp(left + 1, SIDE - 1), low = clamp(top + 1, SIDE - 1);
            int fx = x >> 8 & 255, fy = y >> 8 & 255;
            int upper = pixels[top * SIDE + left] * (256 - fx) + pixels[top * SIDE + right] * fx;
            int lower = pixels[low * SIDE + left] * (256 - fx) + pixels[low * SIDE + right] * fx;
            assert_int_equal(got[i], (upper * (256 - fy) + lower * fy + 32768) >> 16);
        }
    }
}

static void exact_cases(void **state) {
    (void)state;
    uint8_t pixels[IMAGE], got[IMAGE];
    image_fill(pixels, IMAGE, 5);
    struct augment_map map = augment_compose(0, 0, 0, 1, 1, SIDE, SIDE);
    augment_apply(&map, pixels, SIDE, SIDE, got);
    assert_memory_equal(got, pixels, IMAGE);
    map = augment_compose(0, 2, -1, 1, 1, SIDE, SIDE); /* looks two to the right and one up */
    augment_apply(&map, pixels, SIDE, SIDE, got);
    for (int i = 0; i < IMAGE; i++)
        assert_int_equal(got[i], pixels[clamp(i / SIDE - 1, SIDE - 1) * SIDE + clamp(i % SIDE + 2, SIDE - 1)]);
    memset(pixels, 255, sizeof pixels); /* nothing dark comes in at the border */
    map = augment_draw(1, 1, SIDE, SIDE);
    augment_apply(&map, pixels, SIDE, SIDE, got);
    assert_memory_equal(got, pixels, IMAGE);
}

/* Turn, zoom and shift are taken back out of the map: inside their ranges, and reaching near both ends of each. */
static void ranges(void **state) {
    (void)state;
    double low[5] = {9, 9, 9, 9, 9}, high[5] = {-9, -9, -9, -9, -9};
    for (int64_t place = 0; place < 4000; place++) {
        const struct augment_map m = augment_draw(4, place, SIDE, SIDE);
        double xx = m.xx / 65536.0, yx = m.yx / 65536.0, xy = m.xy / 65536.0, yy = m.yy / 65536.0, middle = 13.5;
        double turn = atan2(-yx, xx), c = cos(turn), s = sin(turn);
        double dx = m.x0 / 65536.0 - middle + (xx + xy) * middle, dy = m.y0 / 65536.0 - middle + (yx + yy) * middle;
        double got[5] = {turn * 180 / M_PI / 10, (hypot(xx, yx) - 1) / 0.1, (hypot(xy, yy) - 1) / 0.1,
                         (c * dx - s * dy) / 2.8, (s * dx + c * dy) / 2.8}; /* each in [-1, 1] */
        for (int i = 0; i < 5; i++) {
            low[i] = fmin(low[i], got[i]);
            high[i] = fmax(high[i], got[i]);
        }
    }
    for (int i = 0; i < 5; i++) {
        assert_true(low[i] >= -1.001 && low[i] < -0.99);
        assert_true(high[i] <= 1.001 && high[i] > 0.99);
    }
}

static void seed_and_place(void **state) {
    (void)state;
    const struct augment_map one = augment_draw(1, 70000, SIDE, SIDE), again = augment_draw(1, 70000, SIDE, SIDE);
    const struct augment_map next = augment_draw(1, 70001, SIDE, SIDE), other = augment_draw(2, 70000, SIDE, SIDE);
    assert_memory_equal(&one, &again, sizeof one);
    assert_memory_not_equal(&one, &next, sizeof one);
    assert_memory_not_equal(&one, &other, sizeof one);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(method), cmocka_unit_test(whole_numbers),  cmocka_unit_test(exact_cases),
        cmocka_unit_test(ranges), cmocka_unit_test(seed_and_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
