/*
 * recognize.h: what the network makes of the first N test images: text for a person and a picture with right and wrong
 * marked. Changes nothing in the training.
 */
#ifndef TRAINER_RECOGNIZE_H
#define TRAINER_RECOGNIZE_H

#include <stddef.h>
#include <stdint.h>

#include "trainer.h"

#define RECOGNIZE_MAX 100
#define RECOGNIZE_DEFAULT 10
#define ANSWER_TEXT_SIZE 16384

struct answer {
    char text[ANSWER_TEXT_SIZE]; /* lines; where refused: why */
    char title[64];              /* of the picture */
    uint8_t *png;                /* owned; NULL: no picture */
    size_t png_size;
};

/* `args`: "", or how many images, and the language of the text ("zh", "en"). 0, or -1: refused, `text` says why. answer_release frees in both cases. */
__attribute__((warn_unused_result)) int recognize(struct trainer *trainer, const char *args, struct answer *ret_answer);
void answer_release(struct answer *answer);

#endif
