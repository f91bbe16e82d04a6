/*
 * picture_ask.h: what the trainer's own commands have in common: their arguments, the language of the one who asks, and
 * the answer with its picture. One thread.
 */
#ifndef TRAINER_PICTURE_ASK_H
#define TRAINER_PICTURE_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "canvas.h"
#include "trainer.h"

#define ANSWER_TEXT_SIZE 16384
#define ASK_IMAGES_MAX 100
#define ASK_SEED_MAX 9007199254740991 /* 2^53-1, which every JSON reader keeps exact */

struct answer {
    char text[ANSWER_TEXT_SIZE]; /* lines; where refused: why */
    char title[96];              /* of the picture */
    uint8_t *png;                /* owned; NULL: no picture */
    size_t png_size;
};
void answer_add(struct answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the canvas, drawn with the result `drawn`; where there is no picture to be had, a line says so. */
void answer_picture(struct answer *answer, int drawn, struct canvas *canvas, bool zh);
void answer_release(struct answer *answer);

/* A number that a command takes. */
struct ask_number {
    const char *en, *zh; /* "the number of images", "张数" */
    int64_t low, high;
    int64_t value; /* without it; what was asked for afterwards */
};

/* Reads "", "16", "16 zh" … into `numbers` and the language, English where none is said. Clears the answer. 0, or -1:
 * refused, the answer says what would be right. */
__attribute__((warn_unused_result)) int ask_read(const char *args, struct ask_number *numbers, int count, bool *ret_zh,
                                                 struct answer *answer);
/* Whether the weights can show anything; else the answer says no. */
bool ask_finite(struct trainer *trainer, bool zh, struct answer *answer);
/* -1, with an engine_error in words. */
int ask_failed(int error, bool zh, struct answer *answer);
/* The first `count` test images as a batch, borrowed while the trainer lives. */
struct batch ask_batch(const struct trainer *trainer, int64_t count);
static inline const char *const *ask_names(const struct trainer *trainer, bool zh) {
    return zh ? trainer->data.classes_zh : trainer->data.classes;
}

#endif
