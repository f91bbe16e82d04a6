/* picture_latent.c: latent: where an autoencoder's codes of the test images lie. */
#include "picture.h"
#include "picture_project.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define DEEP_DIMS 3 /* codes of so many numbers: the third component is depth */

struct map {
    struct map_point *points; /* owned */
    int count, dims;
    double shares[3]; /* of the variance, of each component */
};

static bool all_finite(const float *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static int map_make(struct trainer *t, int64_t count, struct map *map) {
    int dims = (int)t->model->latent, components = dims < DEEP_DIMS ? dims : DEEP_DIMS;
    const struct batch batch = ask_batch(t, count);
    float *codes = malloc((size_t)(count * dims) * sizeof *codes);
    double *placed = malloc((size_t)(count * components) * sizeof *placed);
    *map = (struct map){.points = calloc((size_t)count, sizeof *map->points), .count = (int)count, .dims = dims};
    int rc = codes == NULL || placed == NULL || map->points == NULL ? ENGINE_ENOMEM
                                                                    : engine_encode(t->engine, &batch, codes);
    if (rc == 0 && !all_finite(codes, count * dims)) rc = ENGINE_ESTATE;
    if (rc == 0 && project(codes, count, dims, components, placed, map->shares) != 0) rc = ENGINE_ENOMEM;
    for (int64_t i = 0; rc == 0 && i < count; i++) {
        const double *p = placed + i * components;
        map->points[i] = (struct map_point){.x = p[0],
                                            .y = components > 1 ? p[1] : 0,
                                            .depth = dims == DEEP_DIMS ? p[2] : 0,
                                            .label = batch.labels[i]};
    }
    free(codes);
    free(placed);
    return rc;
}

static void map_write(const struct trainer *t, const struct map *map, bool zh, struct answer *answer) {
    char count[32];
    number_grouped(map->count, count, sizeof count);
    double flat = 100 * (map->shares[0] + map->shares[1]);
    const char *code =
        t->model->task == TASK_VARIATIONAL ? (zh ? "编码均值" : "means of their codes") : (zh ? "编码" : "their codes");
    answer_add(answer,
               zh ? "%s 张测试图的%s(每张 %d 个数,第 %lld 步)" : "%s test images as %s (%d numbers each, step %lld)",
               count, code, map->dims, (long long)t->step);
    answer_add(answer,
               zh ? "\n横竖是前两个主成分,占全部方差的 %.0f %%"
                  : "\nacross and up: the first two principal components, %.0f %% of all variance",
               flat);
    if (map->dims == DEEP_DIMS)
        answer_add(answer,
                   zh ? ";第三个(%.0f %%)是远近,大而深的点近"
                      : "; the third (%.0f %%) is depth: large dark points are near",
                   100 * map->shares[2]);
    snprintf(answer->title, sizeof answer->title, zh ? "潜空间,第 %lld 步" : "latent space, step %lld",
             (long long)t->step);
}

int latent(struct trainer *t, const char *args, struct answer *ret_answer) {
    bool zh;
    if (ask_read(args, NULL, 0, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    int64_t count = t->data.test.count < LATENT_IMAGES ? t->data.test.count : LATENT_IMAGES;
    struct map map;
    int rc = map_make(t, count, &map);
    if (rc == 0) {
        map_write(t, &map, zh, ret_answer);
        struct canvas canvas;
        int drawn = map_picture(map.points, map.count, DATA_CLASSES, ask_names(t, zh), &canvas);
        answer_picture(ret_answer, drawn, &canvas, zh);
    }
    free(map.points);
    return rc == 0 ? 0 : ask_failed(rc, zh, ret_answer);
}
