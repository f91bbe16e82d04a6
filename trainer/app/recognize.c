/* recognize.c: see recognize.h. One evaluation gives the probabilities; text and picture are both written from the same
 * list of guesses. */
#include "recognize.h"
#include "canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCALE 5 /* screen pixels for one of the image's */
#define FRAME 4
#define TEXT_SCALE 2
#define LINE 18
#define GAP 8

#define COLOUR_PAPER 0xffffffu
#define COLOUR_RIGHT 0x1a7f37u
#define COLOUR_WRONG 0xcf222eu
#define COLOUR_TRUTH 0x57606au

struct guess {
    int predicted, truth;
    double probability;
};

static void answer_add(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void answer_add(struct answer *answer, const char *format, ...) {
    size_t length = strlen(answer->text);
    va_list args;
    va_start(args, format);
    vsnprintf(answer->text + length, sizeof answer->text - length, format, args);
    va_end(args);
}

static int guesses_make(struct trainer *t, int64_t count, struct guess *guesses) {
    double metrics[ENGINE_METRICS_MAX];
    int64_t classes = t->model->classes;
    float *probabilities = calloc((size_t)(count * classes), sizeof *probabilities);
    const struct batch batch = {.pixels = t->data.test.pixels, .labels = t->data.test.labels, .count = count};
    if (probabilities == NULL || engine_evaluate(t->engine, &batch, metrics, probabilities) != 0) {
        free(probabilities);
        return -1;
    }
    for (int64_t i = 0; i < count; i++) {
        const float *p = probabilities + i * classes;
        int best = 0;
        for (int c = 1; c < classes; c++)
            if (p[c] > p[best]) best = c;
        guesses[i] = (struct guess){best, t->data.test.labels[i], (double)p[best]};
    }
    free(probabilities);
    return 0;
}

static void text_write(const struct trainer *t, const struct guess *guesses, int64_t count, bool zh,
                       struct answer *answer) {
    const char *const *names = zh ? t->data.classes_zh : t->data.classes;
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
    snprintf(answer->title, sizeof answer->title, "%lld of %lld right", (long long)right, (long long)count);
}

/* Few columns for few images, so that labels stay readable on a phone. */
static int columns_for(int64_t count) {
    if (count <= 4) return (int)count;
    if (count <= 16) return 4;
    return count <= 30 ? 5 : count <= 60 ? 8 : 10;
}

static int picture_draw(const struct trainer *t, const struct guess *guesses, int64_t count, struct answer *answer) {
    const struct data_set *set = &t->data.test;
    int side = (int)set->width * SCALE + 2 * FRAME, height = side + 2 * LINE;
    int columns = columns_for(count), rows = ((int)count + columns - 1) / columns;
    struct canvas canvas;
    if (canvas_init(&canvas, columns * (side + GAP) + GAP, rows * (height + GAP) + GAP, COLOUR_PAPER) != 0) return -1;
    for (int i = 0; i < (int)count; i++) {
        int x = GAP + i % columns * (side + GAP), y = GAP + i / columns * (height + GAP);
        bool right = guesses[i].predicted == guesses[i].truth;
        uint32_t colour = right ? COLOUR_RIGHT : COLOUR_WRONG;
        canvas_fill(&canvas, x, y, side, side, colour);
        canvas_grey(&canvas, x + FRAME, y + FRAME, set->pixels + (int64_t)i * set->width * set->height, (int)set->width,
                    (int)set->height, SCALE);
        canvas_text(&canvas, x, y + side + 3, side, t->data.classes[guesses[i].predicted], TEXT_SCALE, colour);
        if (right) continue;
        char is[40];
        snprintf(is, sizeof is, "is %.30s", t->data.classes[guesses[i].truth]);
        if (strlen(is) > 12) snprintf(is, sizeof is, "%.30s", t->data.classes[guesses[i].truth]);
        canvas_text(&canvas, x, y + side + 3 + LINE, side, is, TEXT_SCALE, COLOUR_TRUTH);
    }
    int rc = canvas_png(&canvas, &answer->png, &answer->png_size);
    canvas_release(&canvas);
    return rc;
}

int recognize(struct trainer *t, const char *args, struct answer *ret_answer) {
    *ret_answer = (struct answer){0};
    int64_t count = RECOGNIZE_DEFAULT, most = t->data.test.count < RECOGNIZE_MAX ? t->data.test.count : RECOGNIZE_MAX;
    if (count > most) count = most;
    char word[32];
    size_t length = strlen(args);
    bool zh = length >= 2 && strcmp(args + length - 2, "zh") == 0;
    bool en = length >= 2 && strcmp(args + length - 2, "en") == 0;
    if (zh || en) length -= 2;
    snprintf(word, sizeof word, "%.*s", (int)(length < 31 ? length : 31), args);
    memmove(word, word + strspn(word, " "), strlen(word) + 1 - strspn(word, " "));
    word[strcspn(word, " ")] = '\0';
    if (*word != '\0' && !number_parse_int(word, 1, most, &count)) {
        answer_add(ret_answer, "recognize takes a number of images between 1 and %lld, not \"%s\"", (long long)most,
                   word);
        return -1;
    }
    if (!engine_is_finite(t->engine)) {
        answer_add(ret_answer, "the network's weights are not finite numbers, so it recognizes nothing");
        return -1;
    }
    struct guess guesses[RECOGNIZE_MAX];
    if (guesses_make(t, count, guesses) != 0) {
        answer_add(ret_answer, "not enough memory to recognize %lld images", (long long)count);
        return -1;
    }
    text_write(t, guesses, count, zh, ret_answer);
    if (picture_draw(t, guesses, count, ret_answer) != 0) answer_add(ret_answer, "\n(no memory for the picture)");
    return 0;
}

void answer_release(struct answer *answer) {
    free(answer->png);
    answer->png = NULL;
}
