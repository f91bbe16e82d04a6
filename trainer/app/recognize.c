/* recognize.c: see recognize.h. One evaluation gives the probabilities; text and picture are both written from the same
 * list of guesses. */
#include "recognize.h"
#include "picture.h"

#include <stdio.h>
#include <stdlib.h>

#define FRAME 4

struct guess {
    int predicted, truth;
    double probability;
};

static int guesses_make(struct trainer *t, int64_t count, struct guess *guesses) {
    double metrics[ENGINE_METRICS_MAX];
    int64_t classes = t->model->classes;
    float *probabilities = calloc((size_t)(count * classes), sizeof *probabilities);
    const struct batch batch = ask_batch(t, count);
    int rc = probabilities == NULL ? ENGINE_ENOMEM : engine_evaluate(t->engine, &batch, metrics, probabilities);
    for (int64_t i = 0; rc == 0 && i < count; i++) {
        const float *p = probabilities + i * classes;
        int best = 0;
        for (int c = 1; c < classes; c++)
            if (p[c] > p[best]) best = c;
        guesses[i] = (struct guess){best, t->data.test.labels[i], (double)p[best]};
    }
    free(probabilities);
    return rc;
}

static void text_write(const struct trainer *t, const struct guess *guesses, int64_t count, bool zh,
                       struct answer *answer) {
    const char *const *names = ask_names(t, zh);
    int64_t right = 0;
    for (int64_t i = 0; i < count; i++)
        right += guesses[i].predicted == guesses[i].truth;
    if (zh)
        answer_add(answer, "%lld 张对了 %lld 张(第 %lld 步)", (long long)count, (long long)right, (long long)t->step);
    else
        answer_add(answer, "%lld of %lld right (step %lld)", (long long)right, (long long)count, (long long)t->step);
    for (int64_t i = 0; i < count; i++) {
        const char *predicted = names[guesses[i].predicted], *truth = names[guesses[i].truth];
        if (guesses[i].predicted == guesses[i].truth)
            answer_add(answer, "\n%lld. %s ✓ %.0f %%", (long long)i + 1, truth, 100 * guesses[i].probability);
        else
            answer_add(answer, zh ? "\n%lld. ✗ 认成%s(%.0f %%),其实是%s" : "\n%lld. ✗ predicted %s (%.0f %%), is %s",
                       (long long)i + 1, predicted, 100 * guesses[i].probability, truth);
    }
    snprintf(answer->title, sizeof answer->title, zh ? "%lld 张对了 %lld 张" : "%lld of %lld right",
             (long long)(zh ? count : right), (long long)(zh ? right : count));
}

static int picture_draw(const struct trainer *t, const struct guess *guesses, int count, bool zh,
                        struct canvas *ret_canvas) {
    const struct data_set *set = &t->data.test;
    const char *const *names = ask_names(t, zh);
    struct tile *list = calloc((size_t)count, sizeof *list);
    if (list == NULL) return -1;
    for (int i = 0; i < count; i++) {
        bool right = guesses[i].predicted == guesses[i].truth;
        struct tile *tile = &list[i];
        *tile = (struct tile){.pixels = set->pixels + (int64_t)i * set->width * set->height,
                              .frame = right ? COLOUR_RIGHT : COLOUR_WRONG,
                              .colours = {right ? COLOUR_RIGHT : COLOUR_WRONG, COLOUR_MUTED}};
        snprintf(tile->lines[0], TILE_TEXT_SIZE, "%s", names[guesses[i].predicted]);
        if (!right) snprintf(tile->lines[1], TILE_TEXT_SIZE, zh ? "是%s" : "is %s", names[guesses[i].truth]);
    }
    struct tiles tiles = {.tiles = list,
                          .count = count,
                          .width = (int)set->width,
                          .height = (int)set->height,
                          .frame = FRAME,
                          .lines = 2};
    tiles_fit_text(&tiles);
    int rc = tiles_picture(&tiles, ret_canvas);
    free(list);
    return rc;
}

int recognize(struct trainer *t, const char *args, struct answer *ret_answer) {
    int64_t most = t->data.test.count < ASK_IMAGES_MAX ? t->data.test.count : ASK_IMAGES_MAX;
    struct ask_number images = {.en = "the number of images",
                                .zh = "张数",
                                .low = 1,
                                .high = most,
                                .value = most < RECOGNIZE_DEFAULT ? most : RECOGNIZE_DEFAULT};
    bool zh;
    if (ask_read(args, &images, 1, &zh, ret_answer) != 0 || !ask_finite(t, zh, ret_answer)) return -1;
    struct guess guesses[ASK_IMAGES_MAX];
    int rc = guesses_make(t, images.value, guesses);
    if (rc != 0) return ask_failed(rc, zh, ret_answer);
    text_write(t, guesses, images.value, zh, ret_answer);
    struct canvas canvas;
    answer_picture(ret_answer, picture_draw(t, guesses, (int)images.value, zh, &canvas), &canvas, zh);
    return 0;
}
