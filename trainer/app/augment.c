/* augment.c: see augment.h. The four neighbours of each pixel are first packed into one word. Then three loops over the
 * pixels: where each comes from, fetching its word, blending. The first and the last are plain C that the compiler
 * turns into vectors, once for each instruction set, and the processor at hand decides which one runs; the one between
 * them stays scalar, since many processors gather slower than they load. Whole numbers throughout: all agree. */
#include "augment.h"
#include "random.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#define STREAM 0xa54ff53a5f1d36f1u /* apart from the seed's other uses */
#define DRAWS 8                    /* numbers set aside for one sample; five are used */
#define ONE 65536.0

struct augment_map augment_compose(double turn, double shift_x, double shift_y, double zoom_x, double zoom_y,
                                   int64_t height, int64_t width) {
    double c = cos(turn), s = sin(turn), middle_x = ((double)width - 1) / 2, middle_y = ((double)height - 1) / 2;
    double xx = c * zoom_x, xy = s * zoom_y, yx = -s * zoom_x, yy = c * zoom_y;
    double x0 = c * shift_x + s * shift_y + middle_x - xx * middle_x - xy * middle_y;
    double y0 = c * shift_y - s * shift_x + middle_y - yx * middle_x - yy * middle_y;
    return (struct augment_map){.x0 = (int32_t)lrint(x0 * ONE),
                                .xx = (int32_t)lrint(xx * ONE),
                                .xy = (int32_t)lrint(xy * ONE),
                                .y0 = (int32_t)lrint(y0 * ONE),
                                .yx = (int32_t)lrint(yx * ONE),
                                .yy = (int32_t)lrint(yy * ONE)};
}

/* Uniform in [-1, 1). */
static double draw(uint64_t key, int64_t place, int which) {
    return 2 * (double)random_uniform(key, (uint64_t)place * DRAWS + (uint64_t)which) - 1;
}

struct augment_map augment_draw(uint64_t seed, int64_t place, int64_t height, int64_t width) {
    uint64_t key = random_mix(seed ^ STREAM);
    double turn = draw(key, place, 0) * AUGMENT_DEGREES * M_PI / 180;
    double shift_y = draw(key, place, 1) * AUGMENT_SHIFT * (double)height;
    double shift_x = draw(key, place, 2) * AUGMENT_SHIFT * (double)width;
    double zoom_y = 1 + draw(key, place, 3) * AUGMENT_ZOOM, zoom_x = 1 + draw(key, place, 4) * AUGMENT_ZOOM;
    return augment_compose(turn, shift_x, shift_y, zoom_x, zoom_y, height, width);
}

/* What the loops over the pixels share. */
struct work {
    uint32_t quads[AUGMENT_PIXELS_MAX];                            /* neighbours: itself, right, below, both */
    int32_t columns[AUGMENT_PIXELS_MAX], rows[AUGMENT_PIXELS_MAX]; /* of each pixel */
    int32_t width, count, last_x, last_y;                          /* last: the largest coordinate, 16.16 */
    uint32_t words[AUGMENT_PIXELS_MAX];                            /* index of its word, then the word itself */
    uint32_t weights[AUGMENT_PIXELS_MAX]; /* of the right neighbour, and × 256 that of the one below; each of 256 */
};

#define INLINE static inline __attribute__((always_inline))

/* Straight through the rows: what a last column has for its right neighbour counts 0 of 256, and so does what a last
 * row has below. */
INLINE void quads_pack(const uint8_t *restrict pixels, struct work *restrict w) {
    const int32_t width = w->width, count = w->count, full = count - width - 1;
    for (int32_t i = 0; i < full; i++)
        w->quads[i] = pixels[i] | (uint32_t)pixels[i + 1] << 8 | (uint32_t)pixels[i + width] << 16 |
                      (uint32_t)pixels[i + width + 1] << 24;
    for (int32_t i = full > 0 ? full : 0; i < count; i++)
        w->quads[i] = pixels[i] | (i + 1 < count ? (uint32_t)pixels[i + 1] << 8 : 0) |
                      (i + width < count ? (uint32_t)pixels[i + width] << 16 : 0);
}

INLINE void pixels_place(const struct augment_map *map, struct work *restrict w) {
    const struct augment_map m = *map;
    const int32_t last_x = w->last_x, last_y = w->last_y, width = w->width, count = w->count;
    for (int32_t i = 0; i < count; i++) {
        int32_t x = m.x0 + m.xx * w->columns[i] + m.xy * w->rows[i];
        int32_t y = m.y0 + m.yx * w->columns[i] + m.yy * w->rows[i];
        x = x < 0 ? 0 : x > last_x ? last_x : x;
        y = y < 0 ? 0 : y > last_y ? last_y : y;
        w->words[i] = (uint32_t)((y >> 16) * width + (x >> 16));
        w->weights[i] = ((uint32_t)x >> 8 & 255) | ((uint32_t)y & 0xff00);
    }
}

INLINE void pixels_blend(const struct work *restrict w, uint8_t *restrict to) {
    const int32_t count = w->count;
    for (int32_t i = 0; i < count; i++) {
        uint32_t word = w->words[i], right = w->weights[i] & 255, below = w->weights[i] >> 8;
        uint32_t upper = (word & 255) * (256 - right) + (word >> 8 & 255) * right;
        uint32_t lower = (word >> 16 & 255) * (256 - right) + (word >> 24) * right;
        to[i] = (uint8_t)((upper * (256 - below) + lower * below + 32768) >> 16);
    }
}

typedef void loops_function(const struct augment_map *map, const uint8_t *restrict pixels, struct work *restrict work,
                            uint8_t *restrict to);

static __attribute__((noinline)) void words_fetch(struct work *w) {
    for (int32_t i = 0; i < w->count; i++)
        w->words[i] = w->quads[w->words[i]];
}

#define LOOPS(name, attributes)                                                                                        \
    attributes static void loops_##name(const struct augment_map *map, const uint8_t *restrict pixels,                 \
                                        struct work *restrict work, uint8_t *restrict to) {                            \
        quads_pack(pixels, work);                                                                                      \
        pixels_place(map, work);                                                                                       \
        words_fetch(work);                                                                                             \
        pixels_blend(work, to);                                                                                        \
    }

LOOPS(plain, )
#ifdef __x86_64__
LOOPS(avx2, __attribute__((target("avx2"))))
LOOPS(avx512, __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,prefer-vector-width=512"))))

static loops_function *loops_choose(void) {
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        return loops_avx512;
    return __builtin_cpu_supports("avx2") ? loops_avx2 : loops_plain;
}
#else
static loops_function *loops_choose(void) {
    return loops_plain;
}
#endif

static void places_fill(struct work *work, int32_t height, int32_t width) {
    for (int32_t y = 0, i = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++, i++) {
            work->columns[i] = x;
            work->rows[i] = y;
        }
    work->width = width;
    work->count = height * width;
    work->last_x = (width - 1) << 16;
    work->last_y = (height - 1) << 16;
}

void augment_apply(const struct augment_map *map, const uint8_t *pixels, int64_t height, int64_t width,
                   uint8_t *ret_pixels) {
    static _Thread_local struct work work;
    assert(height > 0 && width > 0 && height * width <= AUGMENT_PIXELS_MAX);
    if (work.width != (int32_t)width || work.count != (int32_t)(height * width))
        places_fill(&work, (int32_t)height, (int32_t)width);
    loops_choose()(map, pixels, &work, ret_pixels);
}
