/*
 * pictures.h: the trainer's own commands that show what the network has learned, and the pictures that come by
 * themselves while it learns. None of it changes the training. One thread, the training's.
 *
 * Of the commands: `args` are their numbers and the language of who asks ("16 zh"). 0, or -1: refused, the answer says
 * why. answer_release frees in both cases.
 */
#ifndef TRAINER_PICTURES_H
#define TRAINER_PICTURES_H

#include "picture_ask.h"

/* Classifiers: the N test images of highest loss, with label, prediction and loss. */
__attribute__((warn_unused_result)) int hardest(struct trainer *trainer, const char *args, struct answer *ret_answer);
/* Classifiers: how often each class of the test set is taken for which. */
__attribute__((warn_unused_result)) int confusion(struct trainer *trainer, const char *args, struct answer *ret_answer);
/* All: the weights of the first layer as images, blue below 0, orange above. */
__attribute__((warn_unused_result)) int filters(struct trainer *trainer, const char *args, struct answer *ret_answer);
/* Autoencoders: the first N test images, and beneath each what the network gives back. */
__attribute__((warn_unused_result)) int reconstructions(struct trainer *trainer, const char *args,
                                                        struct answer *ret_answer);
/* Autoencoders: the codes of the first LATENT_IMAGES test images along their first two principal components; the third
 * is depth where a code has three numbers. */
#define LATENT_IMAGES 2000
__attribute__((warn_unused_result)) int latent(struct trainer *trainer, const char *args, struct answer *ret_answer);
/* Models that make images: N new ones of a seed; the same weights and seed give the same images. */
__attribute__((warn_unused_result)) int samples(struct trainer *trainer, const char *args, struct answer *ret_answer);

/* To be called every `show_every` steps, between two steps: sends the person what shows progress (tb_image):
 * reconstructions of always the same test images, new images of always the same noise; nothing for classifiers, whose
 * curves say more. What cannot be drawn or sent is one line in the log, and the training goes on. */
void pictures_show(struct trainer *trainer);
/* Whether pictures_show has something to show for this model. */
bool pictures_shows(const struct model_info *model);

#endif
