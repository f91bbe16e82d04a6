/*
 * font.h: a tiny bitmap font for the labels of pictures, so that the trainer needs no font files. Capitals, digits and
 * a few signs; small letters are drawn as capitals, whatever else as a question mark. Pure, any thread.
 */
#ifndef TRAINER_FONT_H
#define TRAINER_FONT_H

#include <stdint.h>

#define FONT_WIDTH 5
#define FONT_HEIGHT 7

/* FONT_HEIGHT rows; bit 4 is the leftmost of FONT_WIDTH pixels. Static. */
const uint8_t *font_glyph(char letter);

#endif
