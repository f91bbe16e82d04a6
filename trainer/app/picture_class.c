/* picture_class.c: hardest, confusion: where a classifier errs on its test set. */
#include "picture.h"
#include "pictures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HARDEST_DEFAULT 16
#define CONFUSIONS_TOLD 3

/* ---- hardest ---- */

struct hard {
    int64_t index;
    double loss; /* NaN counts as infinite */
    int predicted, truth;
};

/* The largest loss first; of equal ones the earlier image. */
static int by_loss(const void *a, const void *b) {
    const struct hard *left = a, *right = b;
    if (left->loss != right->loss) return left->loss < right->loss ? 1 : -1;
    return (left->index > right->index) - (left->index < right->index);
}

/* Losses and predictions of the whole test set. 0, or an engine_error; the caller frees *ret_list. */
static int hard_list(struct trainer *t, struct hard **ret_list) {
    int64_t count = t->data.test.count;
    const struct batch batch = ask_batch(t, count);
    float *losses = malloc((size_t)count * sizeof *losses);
    uint8_t *predictions = malloc((size_t)count);
    struct hard *list = malloc((size_t)count * sizeof *list);
    int rc = losses == NULL || predictions == NULL || list == NULL
                 ? ENGINE_ENOMEM
                 : engine_losses(t->engine, &batch, losses, predictions);
    for (int64_t i = 0; rc == 0 && i < count; i++)
        list[i] = (struct hard){.index = i,
                                .loss = isnan(losses[i]) ? INFINITY : (double)losses[i],
                                .predicted = predictions[i],
                                .truth = batch.labels[i]};
    free(losses);
    free(predictions);
    if (rc != 0) {
        free(list);
        return rc;
    }
    *ret_list = list;
    return 0;
}

static void hardest_write(const struct trainer *t, const struct hard *list, int64_t count, bool zh,
                          struct answer *answer) {
    const char *const *names = ask_names(t, zh);
    char all[32];
    number_grouped(t->data.test.count, all, sizeof all);
    answer_add(answer,
               zh ? "%s 张测试图里最难的 %lld 张(第 %lld 步)" : "of %s test images the %lld hardest (step %lld)", all,
               (long long)count, (long long)t->step);
    for (int64_t i = 0; i < count; i++) {
        const char *predicted = names[list[i].predicted], *truth = names[list[i].truth];
        if (list[i].predicted == list[i].truth)
            answer_add(answer, zh ? "\n%lld. %s ✓,损失 %.2f" : "\n%lld. %s ✓, loss %.2f", (long long)i + 1, truth,
                       list[i].loss);
        else
            answer_add(answer, zh ? "\n%lld. ✗ 认成%s,其实是%s,损失 %.2f" : "\n%lld. ✗ predicted %s, is %s, loss %.2f",
                       (long long)i + 1, predicted, truth, list[i].loss);
    }
    snprintf(answer->title, sizeof answer->title, zh ? "最难的 %lld 张" : "the %lld hardest", (long long)count);
}

static int hardest_draw(const struct trainer *t, const struct hard *list, int count, bool zh,
                        struct canvas *ret_canvas) {
    const struct data_set *set = &t->data.test;
    const char *const *names = ask_names(t, zh);
    struct tile *tile_list = calloc((size_t)count, sizeof *tile_list);
    if (tile_list == NULL) return -1;
    for (int i = 0; i < count; i++) {
        bool right = list[i].predicted == list[i].truth;
        struct tile *tile = &tile_list[i];
        *tile = (struct tile){.pixels = set->pixels + list[i].index * set->width * set->height,
                              .frame = right ? COLOUR_RIGHT : COLOUR_WRONG,
                              .colours = {right ? COLOUR_RIGHT : COLOUR_WRONG, COLOUR_INK, COLOUR_MUTED}};
        snprintf(tile->lines[0], TILE_TEXT_SIZE, "%s", names[list[i].predicted]);
        snprintf(tile->lines[1], TILE_TEXT_SIZE, zh ? "是%s" : "is %s", names[list[i].truth]);
        snprintf(tile->lines[2], TILE_TEXT_SIZE, zh ? "损失 %.2f" : "loss %.2f", list[i].loss);
    }
    struct tiles tiles = {.tiles = tile_list,
                          .count = count,
                          .width = (int)set->width,
                          .height = (int)set->height,
                          .frame = 4,
                          .lines = 3};
    tiles_fit_text(&tiles);
    int rc = tiles_picture(&tiles, ret_canvas);
    free(tile_list);
    return rc;
}

int hardest(struct trainer *t, const char *args, struct answer *ret_answer) {
    int64_t most = t->data.test.count < ASK_IMAGES_MAX ? t->data.test.count : ASK_IMAGES_MAX;
    struct ask_number images = {.en = "the number of images",
                                .zh = "张数",
                                .low = 1,
                                .high = most,
                                .value = most < HARDEST_DEFAULT ? most : HARDEST_DEFAULT};
    bool zh;
    if (ask_read(args, &images, 1, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    struct hard *list;
    int rc = hard_list(t, &list);
    if (rc != 0) return ask_failed(rc, zh, ret_answer);
    qsort(list, (size_t)t->data.test.count, sizeof *list, by_loss);
    hardest_write(t, list, images.value, zh, ret_answer);
    struct canvas canvas;
    answer_picture(ret_answer, hardest_draw(t, list, (int)images.value, zh, &canvas), &canvas, zh);
    free(list);
    return 0;
}

/* ---- confusion ---- */

#define CLASSES_MAX 64

/* The largest cell off the diagonal that is not `told` yet; -1: none is above 0. */
static int confusion_largest(const int64_t *counts, int classes, const bool *told) {
    int best = -1;
    for (int i = 0; i < classes * classes; i++)
        if (i / classes != i % classes && !told[i] && counts[i] > 0 && (best < 0 || counts[i] > counts[best])) best = i;
    return best;
}

static void confusion_write(const struct trainer *t, const int64_t *counts, int classes, bool zh,
                            struct answer *answer) {
    const char *const *names = ask_names(t, zh);
    bool told[CLASSES_MAX * CLASSES_MAX] = {false};
    int64_t right = 0;
    char all[32];
    for (int c = 0; c < classes; c++)
        right += counts[c * classes + c];
    number_grouped(t->data.test.count, all, sizeof all);
    answer_add(answer, zh ? "测试准确率 %.4f(%s 张,第 %lld 步)" : "test accuracy %.4f (%s images, step %lld)",
               (double)right / (double)t->data.test.count, all, (long long)t->step);
    for (int i = 0; i < CONFUSIONS_TOLD; i++) {
        int cell = confusion_largest(counts, classes, told);
        if (cell < 0) break;
        int64_t row = 0;
        for (int c = 0; c < classes; c++)
            row += counts[cell / classes * classes + c];
        told[cell] = true;
        const char *label = names[cell / classes], *predicted = names[cell % classes];
        double share = 100 * (double)counts[cell] / (double)row;
        if (zh)
            answer_add(answer, "\n%s被认成%s:%lld 张(%s的 %.1f %%)", label, predicted, (long long)counts[cell], label,
                       share);
        else
            answer_add(answer, "\n%s taken for %s: %lld (%.1f %% of that class)", label, predicted,
                       (long long)counts[cell], share);
    }
    snprintf(answer->title, sizeof answer->title, zh ? "混淆矩阵,第 %lld 步" : "confusion, step %lld",
             (long long)t->step);
}

int confusion(struct trainer *t, const char *args, struct answer *ret_answer) {
    bool zh;
    if (ask_read(args, NULL, 0, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    struct hard *list;
    int64_t counts[CLASSES_MAX * CLASSES_MAX] = {0};
    int classes = (int)t->model->classes;
    int rc = classes > CLASSES_MAX ? ENGINE_EMODEL : hard_list(t, &list);
    if (rc != 0) return ask_failed(rc, zh, ret_answer);
    for (int64_t i = 0; i < t->data.test.count; i++)
        counts[list[i].truth * classes + list[i].predicted]++;
    free(list);
    confusion_write(t, counts, classes, zh, ret_answer);
    struct canvas canvas;
    answer_picture(ret_answer, confusion_picture(counts, classes, ask_names(t, zh), zh, &canvas), &canvas, zh);
    return 0;
}
