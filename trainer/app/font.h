/*
 * font.h: the letters of pictures: one size, smooth, as a table (font_glyphs.c), so that the trainer needs no font
 * files. All of ASCII and the Chinese characters that our pictures use; whatever else is a question mark. Pure, any
 * thread.
 */
#ifndef TRAINER_FONT_H
#define TRAINER_FONT_H

#include <stddef.h>
#include <stdint.h>

#define FONT_LINE 28 /* rows of a line */
#define FONT_BASELINE 22
#define FONT_CAPITAL 18 /* rows of a capital, which stands on the baseline */
#define FONT_LEVELS 8   /* of ink */

struct font_glyph {
    uint32_t code;
    uint8_t advance;            /* pixels to the next letter */
    int8_t left;                /* first column with ink, from where the letter begins */
    uint8_t top, width, height; /* rows above the ink, and its size */
    const char *ink;            /* row by row, two pixels a character of base64: see font_ink */
};
extern const struct font_glyph font_glyphs[]; /* by code */
extern const size_t font_glyphs_count;

/* Never NULL. */
const struct font_glyph *font_glyph(uint32_t code);
/* 0 (paper) to FONT_LEVELS - 1 of a pixel inside the glyph's box. */
int font_ink(const struct font_glyph *glyph, int x, int y);
/* The next character of UTF-8 (a broken byte is 0xfffd); returns where the one after it begins. */
const char *font_next(const char *text, uint32_t *ret_code);
/* Pixels that the text takes. */
int font_width(const char *text);

#endif
