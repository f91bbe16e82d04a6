/* picture_matrix.c: see picture.h. Hits are blue and mistakes orange; both darken with the root of their share, so that
 * a mistake of one in a hundred is still seen. */
#include "picture.h"
#include "font.h"

#include <math.h>
#include <stdio.h>

#define MARGIN_MAX 140 /* for the labels */
#define TITLE (FONT_LINE + 4)

static uint32_t cell_colour(double share, bool hit) {
    double strength = sqrt(share);
    uint32_t strong = hit ? 0x08519cu : 0xd94801u, weak = hit ? 0xdeebf7u : 0xfee6ceu;
    return share <= 0 ? 0xf6f8fau : canvas_mix(weak, strong, strength);
}

/* What reads best on a colour, by its brightness (the weights of ITU-R BT.601). */
static uint32_t text_colour(uint32_t paper) {
    double bright = 0.299 * (paper >> 16 & 0xff) + 0.587 * (paper >> 8 & 0xff) + 0.114 * (paper & 0xff);
    return bright < 120 ? COLOUR_PAPER : COLOUR_INK;
}

/* Whole percents; what rounds to none but is there is a dot. */
static const char *share_text(double share, char *text, size_t size) {
    int percent = (int)lround(100 * share);
    if (share <= 0)
        *text = '\0';
    else if (percent == 0)
        snprintf(text, size, "·");
    else
        snprintf(text, size, "%d", percent);
    return text;
}

static void row_draw(struct canvas *canvas, const int64_t *counts, int classes, int label, int x, int y, int side) {
    int64_t all = 0;
    for (int c = 0; c < classes; c++)
        all += counts[c];
    for (int c = 0; c < classes; c++) {
        double share = all > 0 ? (double)counts[c] / (double)all : 0;
        uint32_t colour = cell_colour(share, c == label);
        char text[16];
        canvas_fill(canvas, x + c * side, y, side - 2, side - 2, colour);
        canvas_text(canvas, x + c * side, y + (side - FONT_LINE) / 2, side - 2, ALIGN_CENTRE,
                    share_text(share, text, sizeof text), text_colour(colour));
    }
}

int confusion_picture(const int64_t *counts, int classes, const char *const *names, bool zh,
                      struct canvas *ret_canvas) {
    const char *across = zh ? "认成 →  %" : "predicted →  %", *down = zh ? "其实是" : "is";
    int margin = font_width(down);
    for (int c = 0; c < classes; c++)
        if (font_width(names[c]) > margin) margin = font_width(names[c]);
    if (margin > MARGIN_MAX) margin = MARGIN_MAX;
    int left = PICTURE_GAP + margin + PICTURE_GAP, top = TITLE + margin + PICTURE_GAP;
    int side = (PICTURE_WIDTH - left - PICTURE_GAP) / classes;
    if (side < FONT_LINE) side = FONT_LINE;
    if (canvas_init(ret_canvas, left + classes * side + PICTURE_GAP, top + classes * side + PICTURE_GAP,
                    COLOUR_PAPER) != 0)
        return -1;
    canvas_text(ret_canvas, left, 4, classes * side, ALIGN_CENTRE, across, COLOUR_MUTED);
    canvas_text(ret_canvas, PICTURE_GAP, top - FONT_LINE - PICTURE_GAP, margin, ALIGN_RIGHT, down, COLOUR_MUTED);
    for (int c = 0; c < classes; c++) {
        canvas_text_up(ret_canvas, left + c * side + (side - FONT_LINE) / 2, top - PICTURE_GAP, margin, names[c],
                       COLOUR_INK);
        canvas_text(ret_canvas, PICTURE_GAP, top + c * side + (side - FONT_LINE) / 2, margin, ALIGN_RIGHT, names[c],
                    COLOUR_INK);
        row_draw(ret_canvas, counts + (int64_t)c * classes, classes, c, left, top + c * side, side);
    }
    return 0;
}
