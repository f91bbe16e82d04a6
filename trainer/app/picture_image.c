/* picture_image.c: filters, reconstructions, samples, and what comes by itself: images that the network holds or makes.
 */
#include "picture.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILTERS_SHOWN 64
#define PAIRS_DEFAULT 8
#define SAMPLES_DEFAULT 36
#define SHOWN_PAIRS 12
#define SHOWN_BESIDE 6 /* pairs above samples, and rows of as many of these */
#define SHOWN_SEED 1
#define RULE 3 /* pixels of the line between the two */

/* ---- filters ---- */

struct filter_set {
    int64_t count, height, width;
    float *values; /* owned */
    uint8_t *grey; /* owned: 128 is 0 */
};

static void filter_set_free(struct filter_set *set) {
    free(set->values);
    free(set->grey);
}

/* Each by its own largest weight. */
static void filters_scale(struct filter_set *set, int64_t shown) {
    int64_t pixels = set->height * set->width;
    for (int64_t i = 0; i < shown; i++) {
        const float *from = set->values + i * pixels;
        double largest = 1e-30;
        for (int64_t p = 0; p < pixels; p++)
            largest = fmax(largest, fabs((double)from[p]));
        for (int64_t p = 0; p < pixels; p++)
            set->grey[i * pixels + p] = (uint8_t)(128 + lround(127 * (double)from[p] / largest));
    }
}

static int filters_read(struct engine *engine, struct filter_set *set) {
    int rc = engine_filters(engine, &set->count, &set->height, &set->width, NULL);
    if (rc != 0) return rc;
    size_t all = (size_t)(set->count * set->height * set->width);
    set->values = malloc(all * sizeof *set->values);
    set->grey = malloc(all);
    if (set->values == NULL || set->grey == NULL) return ENGINE_ENOMEM;
    return engine_filters(engine, &set->count, &set->height, &set->width, set->values);
}

static void filters_write(const struct trainer *t, const struct filter_set *set, int64_t shown, bool zh,
                          struct answer *answer) {
    double low = set->values[0], high = set->values[0];
    for (int64_t i = 1; i < set->count * set->height * set->width; i++) {
        low = fmin(low, (double)set->values[i]);
        high = fmax(high, (double)set->values[i]);
    }
    long long height = (long long)set->height, width = (long long)set->width, step = (long long)t->step;
    answer_add(answer, zh ? "第一层的 %lld 个 %lld×%lld 滤波器" : "the first layer's %lld filters of %lld×%lld",
               (long long)set->count, height, width);
    if (shown < set->count) answer_add(answer, zh ? ",画出前 %lld 个" : ", the first %lld shown", (long long)shown);
    answer_add(answer,
               zh ? "(第 %lld 步)\n权重从 %.3g 到 %.3g。橙色为正,蓝色为负,白色是 0;每个按自己的最大值上色。"
                  : " (step %lld)\nweights from %.3g to %.3g: orange above 0, blue below, white is 0; each by its own "
                    "largest",
               step, low, high);
    snprintf(answer->title, sizeof answer->title, zh ? "第一层的滤波器,第 %lld 步" : "first layer's filters, step %lld",
             step);
}

static int filters_draw(const struct trainer *t, const struct filter_set *set, int shown, bool zh,
                        struct canvas *ret_canvas) {
    uint32_t palette[256];
    palette_signed(palette);
    bool named = t->model->classifier && set->count == t->model->classes; /* softmax: one image for each class */
    struct tile *list = calloc((size_t)shown, sizeof *list);
    if (list == NULL) return -1;
    for (int i = 0; i < shown; i++) {
        list[i] = (struct tile){.pixels = set->grey + i * set->height * set->width,
                                .frame = 0x8c959fu,
                                .colours = {COLOUR_INK}};
        if (named) snprintf(list[i].lines[0], TILE_TEXT_SIZE, "%s", ask_names(t, zh)[i]);
    }
    struct tiles tiles = {.tiles = list,
                          .count = shown,
                          .width = (int)set->width,
                          .height = (int)set->height,
                          .frame = 1,
                          .lines = named ? 1 : 0,
                          .palette = palette};
    named ? tiles_fit_text(&tiles) : tiles_fit_square(&tiles);
    int rc = tiles_picture(&tiles, ret_canvas);
    free(list);
    return rc;
}

int filters(struct trainer *t, const char *args, struct answer *ret_answer) {
    bool zh;
    if (ask_read(args, NULL, 0, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    struct filter_set set = {0};
    int rc = filters_read(t->engine, &set);
    if (rc == 0) {
        int64_t shown = set.count < FILTERS_SHOWN ? set.count : FILTERS_SHOWN;
        filters_scale(&set, shown);
        filters_write(t, &set, shown, zh, ret_answer);
        struct canvas canvas;
        answer_picture(ret_answer, filters_draw(t, &set, (int)shown, zh, &canvas), &canvas, zh);
    }
    filter_set_free(&set);
    return rc == 0 ? 0 : ask_failed(rc, zh, ret_answer);
}

/* ---- images that the network makes ---- */

/* Tiles of images in one piece of memory. */
struct made {
    uint8_t *pixels; /* owned: count × height × width */
    struct tile *list;
    struct tiles tiles;
    double error; /* of reconstructions: mean square a pixel */
};

static void made_free(struct made *made) {
    free(made->pixels);
    free(made->list);
}

/* A pixel that is no number is black. */
static uint8_t pixel_byte(float value) {
    if (!(value > 0)) return 0;
    return value < 1 ? (uint8_t)lroundf(value * 255) : 255;
}

static int made_alloc(const struct trainer *t, int64_t count, struct made *made, float **ret_images) {
    size_t pixels = (size_t)(t->model->height * t->model->width);
    *made = (struct made){.pixels = malloc((size_t)count * pixels), .list = calloc((size_t)count, sizeof *made->list)};
    *ret_images = malloc((size_t)count * pixels * sizeof **ret_images);
    made->tiles = (struct tiles){.tiles = made->list,
                                 .count = (int)count,
                                 .width = (int)t->model->width,
                                 .height = (int)t->model->height};
    return made->pixels == NULL || made->list == NULL || *ret_images == NULL ? ENGINE_ENOMEM : 0;
}

static int pairs_make(struct trainer *t, int64_t count, struct made *made) {
    float *images;
    int64_t pixels = t->model->height * t->model->width;
    const struct batch batch = ask_batch(t, count);
    int rc = made_alloc(t, count, made, &images);
    if (rc == 0) rc = engine_reconstruct(t->engine, &batch, images);
    double error = 0;
    for (int64_t i = 0; rc == 0 && i < count * pixels; i++) {
        double off = (double)images[i] - batch.pixels[i] / 255.0;
        error += off * off;
        made->pixels[i] = pixel_byte(images[i]);
    }
    for (int64_t i = 0; rc == 0 && i < count; i++) {
        made->list[i].pixels = batch.pixels + i * pixels;
        made->list[i].below = made->pixels + i * pixels;
    }
    made->error = error / (double)(count * pixels);
    free(images);
    return rc;
}

static int samples_make(struct trainer *t, uint64_t seed, int64_t count, struct made *made) {
    float *images;
    int64_t pixels = t->model->height * t->model->width;
    int rc = made_alloc(t, count, made, &images);
    if (rc == 0) rc = engine_sample(t->engine, seed, count, images);
    for (int64_t i = 0; rc == 0 && i < count * pixels; i++)
        made->pixels[i] = pixel_byte(images[i]);
    for (int64_t i = 0; rc == 0 && i < count; i++)
        made->list[i].pixels = made->pixels + i * pixels;
    free(images);
    return rc;
}

int reconstructions(struct trainer *t, const char *args, struct answer *ret_answer) {
    int64_t most = t->data.test.count < ASK_IMAGES_MAX ? t->data.test.count : ASK_IMAGES_MAX;
    struct ask_number images = {.en = "the number of images",
                                .zh = "张数",
                                .low = 1,
                                .high = most,
                                .value = most < PAIRS_DEFAULT ? most : PAIRS_DEFAULT};
    bool zh;
    if (ask_read(args, &images, 1, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    struct made made;
    int rc = pairs_make(t, images.value, &made);
    if (rc == 0) {
        long long count = (long long)images.value, step = (long long)t->step;
        answer_add(ret_answer,
                   zh ? "%lld 张测试图:上面是原图,下面是还原(第 %lld 步)\n每像素均方误差 %.4g"
                      : "%lld test images: the original above, what comes back below (step %lld)\nmean squared error "
                        "per pixel %.4g",
                   count, step, made.error);
        snprintf(ret_answer->title, sizeof ret_answer->title,
                 zh ? "原图和还原,第 %lld 步" : "reconstructions, step %lld", step);
        int columns = (int)count < 4 ? (int)count : count <= 16 ? 4 : count <= 36 ? 6 : 10;
        tiles_fit(&made.tiles, columns < 2 ? 2 : columns);
        made.tiles.columns = columns;
        struct canvas canvas;
        answer_picture(ret_answer, tiles_picture(&made.tiles, &canvas), &canvas, zh);
    }
    made_free(&made);
    return rc == 0 ? 0 : ask_failed(rc, zh, ret_answer);
}

int samples(struct trainer *t, const char *args, struct answer *ret_answer) {
    struct ask_number numbers[] = {
        {.en = "the number of images", .zh = "张数", .low = 1, .high = ASK_IMAGES_MAX, .value = SAMPLES_DEFAULT},
        {.en = "the seed", .zh = "种子", .low = 0, .high = ASK_SEED_MAX, .value = SHOWN_SEED}};
    bool zh;
    if (ask_read(args, numbers, 2, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    struct made made;
    int rc = samples_make(t, (uint64_t)numbers[1].value, numbers[0].value, &made);
    if (rc == 0) {
        long long count = (long long)numbers[0].value, seed = (long long)numbers[1].value, step = (long long)t->step;
        answer_add(ret_answer,
                   zh ? "%lld 张新图(第 %lld 步,种子 %lld)\n同一个种子以后再看,就知道变了多少。"
                      : "%lld new images (step %lld, seed %lld)\nask for the same seed later to compare",
                   count, step, seed);
        snprintf(ret_answer->title, sizeof ret_answer->title,
                 zh ? "新图,第 %lld 步,种子 %lld" : "new images, step %lld, seed %lld", step, seed);
        tiles_fit_square(&made.tiles);
        struct canvas canvas;
        answer_picture(ret_answer, tiles_picture(&made.tiles, &canvas), &canvas, zh);
    }
    made_free(&made);
    return rc == 0 ? 0 : ask_failed(rc, zh, ret_answer);
}

/* ---- what comes by itself ---- */

bool pictures_shows(const struct model_info *model) {
    return model->reconstructs || model->samples_images;
}

/* The two blocks, one above the other; either may be missing. */
static int blocks_draw(struct made *pairs, struct made *fresh, struct canvas *ret_canvas) {
    int upper_width = 0, upper = 0, lower_width = 0, lower = 0;
    if (pairs->tiles.count > 0) tiles_size(&pairs->tiles, &upper_width, &upper);
    if (fresh->tiles.count > 0) tiles_size(&fresh->tiles, &lower_width, &lower);
    int width = upper_width > lower_width ? upper_width : lower_width;
    int between = upper > 0 && lower > 0 ? RULE + 2 * PICTURE_GAP : 0;
    if (canvas_init(ret_canvas, width, upper + between + lower, COLOUR_PAPER) != 0) return -1;
    if (upper > 0) tiles_draw(&pairs->tiles, ret_canvas, 0, 0);
    if (between > 0)
        canvas_fill(ret_canvas, PICTURE_GAP, upper + PICTURE_GAP, width - 2 * PICTURE_GAP, RULE, COLOUR_MUTED);
    if (lower > 0) tiles_draw(&fresh->tiles, ret_canvas, 0, upper + between);
    return 0;
}

static int blocks_make(struct trainer *t, struct made *pairs, struct made *fresh) {
    bool both = t->model->reconstructs && t->model->samples_images;
    int64_t count = both ? SHOWN_BESIDE : SHOWN_PAIRS;
    if (count > t->data.test.count) count = t->data.test.count;
    int rc = t->model->reconstructs ? pairs_make(t, count, pairs) : 0;
    if (rc == 0 && t->model->samples_images)
        rc = samples_make(t, SHOWN_SEED, both ? 4 * SHOWN_BESIDE : SAMPLES_DEFAULT, fresh);
    if (rc != 0) return rc;
    if (t->model->reconstructs) tiles_fit(&pairs->tiles, SHOWN_BESIDE);
    if (t->model->samples_images) tiles_fit(&fresh->tiles, SHOWN_BESIDE);
    return 0;
}

void pictures_show(struct trainer *t) {
    if (!pictures_shows(t->model) || t->run == NULL || !engine_is_finite(t->engine)) return;
    struct made pairs = {0}, fresh = {0};
    struct canvas canvas;
    uint8_t *png = NULL;
    size_t size = 0;
    char title[160];
    int rc = blocks_make(t, &pairs, &fresh);
    if (rc == 0) rc = blocks_draw(&pairs, &fresh, &canvas);
    if (rc == 0) {
        rc = canvas_png(&canvas, &png, &size);
        canvas_release(&canvas);
    }
    snprintf(title, sizeof title, "%s at step %lld: %s%s%s", t->model->name, (long long)t->step,
             t->model->reconstructs ? "originals above, what comes back below" : "",
             t->model->reconstructs && t->model->samples_images ? "; under them " : "",
             t->model->samples_images ? "new images" : "");
    if (rc == 0) rc = tb_image(t->run, title, "image/png", png, size);
    if (rc != 0) say_line("the picture of step %lld could not be made or sent", (long long)t->step);
    free(png);
    made_free(&pairs);
    made_free(&fresh);
}
