/*
 * plot_text.h: texts in a picture. One font family for Chinese and Latin, so that both sit on one line; every text set
 * is checked for characters that no installed font has, and they are counted, because a picture full of boxes must be
 * noticed by a test and not by a person.
 */
#ifndef TRAINBOT_PLOT_TEXT_H
#define TRAINBOT_PLOT_TEXT_H

#include <pango/pangocairo.h>
#include <stdbool.h>
#include <stdint.h>

#define PLOT_FONT "WenQuanYi Micro Hei, Noto Sans CJK SC, DejaVu Sans, sans-serif"

struct plot_colour {
    double r, g, b;
};

struct plot_text {
    cairo_t *cairo;
    PangoLayout *layout; /* one, used again for every text */
    double scale;        /* pixels per CSS pixel */
    uint32_t unknown_glyphs;
};

void plot_text_init(struct plot_text *text, cairo_t *cairo, double scale);
void plot_text_release(struct plot_text *text);

/* Width in pixels of `string` at `size` CSS pixels. */
double plot_text_width(struct plot_text *text, const char *string, double size, bool bold);
/* Draws with the left end at x and the middle of the line at y (pixels); align 0 left, 0.5 centred, 1 right of x.
 * max_width > 0: ends with … rather than going further. Returns the width drawn. */
double plot_text_draw(struct plot_text *text, const char *string, double size, bool bold, struct plot_colour colour,
                      double x, double y, double align, double max_width);

#endif
