/*
 * sparks.h: curves as lines of text, where no picture can be had: by 曲线 without a plot helper, and for conversations
 * that take no pictures. Loop thread; reads the run's rows.
 */
#ifndef TRAINBOT_SPARKS_H
#define TRAINBOT_SPARKS_H

#include "bot.h"
#include "words.h"

/* A line for each of the metrics; without any for loss and accuracy, else for the first two. Each begins with a
 * newline. False: there is nothing to show. */
bool sparks_add(struct bot *bot, const struct run *run, const char *const *metrics, size_t count, enum lang lang,
                struct words *words);
/* "cnn #7 · 第 1240 步" */
void sparks_head(struct words *words, const struct run *run, enum lang lang);
/* What a conversation reads in place of a picture: the text that came with it, or its title; the curves where it is a
 * plot of a run; and where to see it, where a page is there. Caller frees; NULL: out of memory. */
char *sparks_instead(struct bot *bot, const char *channel, const char *chat, int64_t run, int64_t image,
                     const char *text);

#endif
