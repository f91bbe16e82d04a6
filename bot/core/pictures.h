/*
 * pictures.h: pictures that commands make (plots, answers of ended runs): files under STATE_DIR/runs/N/images/ with a
 * row in the store. Loop thread; writes a file.
 */
#ifndef TRAINBOT_PICTURES_H
#define TRAINBOT_PICTURES_H

#include "bot.h"

/* STATE_DIR/runs/N/images, made when missing. False: no such folder. */
bool pictures_dir(struct bot *bot, int64_t run, char *path, size_t size);
/* Writes bytes as a new picture; its id, or 0 (logged). kind: "plot". mime: image/png. */
int64_t pictures_keep(struct bot *bot, int64_t run, const char *kind, const char *title, const uint8_t *bytes,
                      size_t size);
/* Moves a PNG that lies somewhere below the images folder. Its id, or 0. */
int64_t pictures_take(struct bot *bot, int64_t run, const char *kind, const char *title, const char *path);

#endif
