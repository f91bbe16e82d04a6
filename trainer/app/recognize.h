/*
 * recognize.h: what the network makes of the first N test images: text for a person and a picture with right and wrong
 * marked. Changes nothing in the training.
 */
#ifndef TRAINER_RECOGNIZE_H
#define TRAINER_RECOGNIZE_H

#include "picture_ask.h"

#define RECOGNIZE_DEFAULT 10

/* `args`: "", or how many images, and the language of the text ("zh", "en"). 0, or -1: refused, the answer says why.
 * answer_release frees in both cases. */
__attribute__((warn_unused_result)) int recognize(struct trainer *trainer, const char *args, struct answer *ret_answer);

#endif
