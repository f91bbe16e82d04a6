/*
 * picture.h: the pictures that a person gets on the phone, drawn from numbers: tiles of images, a confusion matrix, a
 * map of points. About 740 pixels wide, twice what a phone shows, so that letters and pixels stay clear. Colours are
 * told apart with any eyes (blue and orange, and the palettes of Paul Tol); nothing is said by colour alone.
 * Pure drawing: no engine, no files; one thread.
 */
#ifndef TRAINER_PICTURE_H
#define TRAINER_PICTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "canvas.h"

#define PICTURE_WIDTH 744
#define PICTURE_GAP 6

#define COLOUR_PAPER 0xffffffu
#define COLOUR_INK 0x1f2328u
#define COLOUR_MUTED 0x57606au
#define COLOUR_RIGHT 0x0b5fa5u /* blue */
#define COLOUR_WRONG 0xb8420fu /* vermilion */

/* ---- tiles (picture_tiles.c) ---- */

#define TILE_LINES_MAX 3
#define TILE_TEXT_SIZE 48

struct tile {
    const uint8_t *pixels; /* height × width, borrowed */
    const uint8_t *below;  /* a second image beneath it; NULL: none */
    uint32_t frame;        /* colour around the images, where tiles.frame > 0 */
    char lines[TILE_LINES_MAX][TILE_TEXT_SIZE];
    uint32_t colours[TILE_LINES_MAX];
};

struct tiles {
    const struct tile *tiles;
    int count, width, height; /* of images, and the images' pixels */
    int columns, scale;       /* screen pixels for one of the image's */
    int frame;                /* pixels; 0: none */
    int lines;                /* of text beneath each tile */
    const uint32_t *palette;  /* 256 colours; NULL: grey */
};

/* Sets `columns`, and the largest whole scale with which they fill at most PICTURE_WIDTH, at least 1. */
void tiles_fit(struct tiles *tiles, int columns);
/* The same with as many columns as suit tiles with text: letters stay large on a phone, at most five tiles side by side
 * up to 40 of them. Wider pictures where there are more. */
void tiles_fit_text(struct tiles *tiles);
/* A square of images. */
void tiles_fit_square(struct tiles *tiles);
void tiles_size(const struct tiles *tiles, int *ret_width, int *ret_height);
void tiles_draw(const struct tiles *tiles, struct canvas *canvas, int x, int y);
/* All of it: a canvas of their size. 0 or -1 (no memory, too large). canvas_release frees. */
__attribute__((warn_unused_result)) int tiles_picture(const struct tiles *tiles, struct canvas *ret_canvas);

/* 256 colours for numbers around 0, which is the index 128: blue below, white, orange above. */
void palette_signed(uint32_t ret_palette[256]);

/* ---- confusion (picture_matrix.c) ---- */

/* `counts`: classes × classes, row = label, column = prediction. The share of the row stands in each cell, in percent.
 * 0 or -1. */
__attribute__((warn_unused_result)) int confusion_picture(const int64_t *counts, int classes, const char *const *names,
                                                          bool zh, struct canvas *ret_canvas);

/* ---- map (picture_map.c) ---- */

struct map_point {
    double x, y, depth; /* depth: larger is nearer; all 0 where there is none */
    uint8_t label;
};

/* Points coloured by class, near ones larger and darker; each class is named where its middle lies, and beneath. Sorts
 * the points by depth. 0 or -1. */
__attribute__((warn_unused_result)) int map_picture(struct map_point *points, int count, int classes,
                                                    const char *const *names, struct canvas *ret_canvas);

#endif
