/*
 * plot_page.h: what the parts of a picture share: where things are, in which colours, and the pen. All positions are
 * pixels of the picture; sizes named in CSS pixels are multiplied by `scale` (2 for the 780 pixels that a phone shows
 * on 390). Panels share the step axis, so a vertical line means the same step everywhere.
 */
#ifndef TRAINBOT_PLOT_PAGE_H
#define TRAINBOT_PLOT_PAGE_H

#include "plot_axis.h"
#include "plot_format.h"
#include "plot_names.h"
#include "plot_text.h"

struct plot_palette {
    struct plot_colour back, ink, muted, grid, frame, alert, mark, on_series;
    struct plot_colour series[PLOT_METRICS_MAX];
    double raw_share; /* how much of the series' colour the faint raw curve has */
};

struct plot_page {
    const struct plot_job *job;
    cairo_t *cairo;
    struct plot_text text;
    const struct plot_palette *palette;
    double scale;
    double width, height;
    double left, right; /* the curves' area; values stand right of it */
    int64_t first_step, last_step;
    bool empty;         /* no series has a bucket */
    int64_t not_finite; /* over all series */
};

struct plot_panel {
    const struct plot_series *series;
    struct plot_colour colour;
    enum plot_kind kind;
    double header;      /* middle of the line above with the name */
    double top, bottom; /* of the curves' area */
    bool has_values;
    double min, max, last, last_step;
    int64_t not_finite;
    struct plot_axis axis;
    struct plot_tick ticks[PLOT_TICKS_MAX];
    size_t ticks_count;
};

#define PLOT_HEADER_CSS 20 /* height of a panel's header */

const struct plot_palette *plot_palette(bool dark);
struct plot_colour plot_colour_mix(struct plot_colour a, struct plot_colour b, double share_of_b);
void plot_page_colour(struct plot_page *page, struct plot_colour colour);
double plot_page_x(const struct plot_page *page, double step);

/* Range, axis and ticks of a panel whose top and bottom are set. */
void plot_panel_prepare(const struct plot_page *page, struct plot_panel *panel);
/* Width in pixels that its values need right of the curves. */
double plot_panel_gutter(struct plot_page *page, const struct plot_panel *panel);
void plot_panel_draw(struct plot_page *page, const struct plot_panel *panel);

/* ---- parameter changes (plot_marks.c) ---- */

#define PLOT_MARK_ROWS 3
#define PLOT_MARK_ROW_CSS 15

struct plot_marks {
    struct {
        double x;
        double text_x, text_width; /* text_width 0: no room for its text */
        size_t row;
        const char *text;
    } at[PLOT_MARKS_MAX];
    size_t count, rows;
};

/* Finds a place for the newest marks' texts first; needs left and right. */
void plot_marks_place(struct plot_page *page, struct plot_marks *marks);
/* The texts, their rows ending at `bottom`. */
void plot_marks_texts(struct plot_page *page, const struct plot_marks *marks, double bottom);
/* The dashed lines through one panel. */
void plot_marks_lines(struct plot_page *page, const struct plot_marks *marks, double top, double bottom);

#endif
