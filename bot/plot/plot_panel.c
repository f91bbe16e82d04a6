/*
 * plot_panel.c: one metric. From back to front: the faint raw curve (the band between each bucket's extremes, so that
 * no peak is lost however long the run), the grid, places that are not finite, the bold smoothed curve, the newest
 * value.
 */
#include "plot_page.h"
#include "plot_smooth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_CSS 11
#define VALUE_CSS 12
#define DOTS_BELOW 40 /* buckets; fewer points are also drawn as dots */

static double middle(const struct store_bucket *bucket) {
    return (double)bucket->first_step / 2 + (double)bucket->last_step / 2;
}

static bool has_values(const struct store_bucket *bucket) {
    return isfinite(bucket->min) && bucket->count > 0;
}

static double place_y(const struct plot_panel *panel, double value) {
    return panel->bottom - plot_axis_place(&panel->axis, value) * (panel->bottom - panel->top);
}

void plot_panel_prepare(const struct plot_page *page, struct plot_panel *panel) {
    panel->kind = plot_metric_kind(panel->series->name);
    for (size_t i = 0; i < panel->series->count; i++) {
        const struct store_bucket *bucket = &panel->series->buckets[i];
        panel->not_finite += bucket->not_finite;
        if (!has_values(bucket)) continue;
        panel->min = panel->has_values ? fmin(panel->min, bucket->min) : bucket->min;
        panel->max = panel->has_values ? fmax(panel->max, bucket->max) : bucket->max;
        panel->last = bucket->last;
        panel->last_step = middle(bucket);
        panel->has_values = true;
    }
    if (!panel->has_values) return;
    plot_axis_choose(&panel->axis, panel->min, panel->max,
                     panel->kind == PLOT_ACCURACY ? PLOT_AXIS_UNIT : PLOT_AXIS_GENERAL);
    double height = (panel->bottom - panel->top) / page->scale;
    panel->ticks_count = plot_axis_ticks(&panel->axis, (size_t)fmax(2, height / 30), panel->ticks);
}

double plot_panel_gutter(struct plot_page *page, const struct plot_panel *panel) {
    if (!panel->has_values) return 0;
    char text[PLOT_LABEL_MAX];
    plot_value_text(panel->last, text);
    double widest = plot_text_width(&page->text, text, VALUE_CSS, true);
    for (size_t i = 0; i < panel->ticks_count; i++)
        if (panel->ticks[i].major)
            widest = fmax(widest, plot_text_width(&page->text, panel->ticks[i].label, TICK_CSS, false));
    return widest + 15 * page->scale;
}

static void draw_header(struct plot_page *page, const struct plot_panel *panel) {
    bool zh = page->job->lang == LANG_ZH;
    double y = panel->header, x = page->left, end = page->width - 10 * page->scale;
    char text[160], value[PLOT_LABEL_MAX];
    if (panel->not_finite > 0) {
        snprintf(text, sizeof text, "NaN/Inf × %lld", (long long)panel->not_finite);
        end -= plot_text_draw(&page->text, text, TICK_CSS, true, page->palette->alert, end, y, 1, 0) + 8 * page->scale;
    }
    plot_metric_label(panel->series->name, page->job->lang, text, sizeof text);
    x += plot_text_draw(&page->text, text, 13, true, panel->colour, x, y, 0, fmax(end - x, page->scale)) +
         8 * page->scale;
    if (!panel->has_values || end - x < 30 * page->scale) return;
    text[0] = 0;
    if (panel->kind != PLOT_OTHER) {
        plot_value_text(panel->kind == PLOT_LOSS ? panel->min : panel->max, value);
        const char *word = panel->kind == PLOT_LOSS ? (zh ? "最低" : "lowest") : (zh ? "最高" : "best");
        snprintf(text, sizeof text, "%s %s", word, value);
    }
    if (panel->axis.log) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used ? " · " : "", zh ? "对数轴" : "log scale");
    }
    plot_text_draw(&page->text, text, TICK_CSS, false, page->palette->muted, x, y, 0, end - x);
}

static void draw_grid(struct plot_page *page, const struct plot_panel *panel) {
    struct plot_tick steps[PLOT_TICKS_MAX];
    size_t count = plot_step_ticks(page->first_step, page->last_step, 5, steps);
    plot_page_colour(page, page->palette->grid);
    cairo_set_line_width(page->cairo, 1);
    for (size_t i = 0; i < panel->ticks_count; i++) {
        if (!panel->ticks[i].major) continue;
        double y = round(place_y(panel, panel->ticks[i].value)) + 0.5;
        cairo_move_to(page->cairo, page->left, y);
        cairo_line_to(page->cairo, page->right, y);
    }
    for (size_t i = 0; i < count; i++) {
        double x = round(plot_page_x(page, steps[i].value)) + 0.5;
        cairo_move_to(page->cairo, x, panel->top);
        cairo_line_to(page->cairo, x, panel->bottom);
    }
    cairo_stroke(page->cairo);
    plot_page_colour(page, page->palette->frame);
    cairo_move_to(page->cairo, page->left, round(panel->bottom) + 0.5);
    cairo_line_to(page->cairo, page->right, round(panel->bottom) + 0.5);
    cairo_stroke(page->cairo);
}

/* The next stretch of buckets with values from *i on; false at the end. */
static bool next_stretch(const struct plot_series *series, size_t *i, size_t *ret_from) {
    while (*i < series->count && !has_values(&series->buckets[*i]))
        (*i)++;
    *ret_from = *i;
    while (*i < series->count && has_values(&series->buckets[*i]))
        (*i)++;
    return *ret_from < *i;
}

/* A line along the maxima and back along the minima, filled: for buckets further apart than a pixel. */
static void draw_band(struct plot_page *page, const struct plot_panel *panel, size_t from, size_t to) {
    const struct store_bucket *buckets = panel->series->buckets;
    bool band = false;
    for (size_t at = from; at < to; at++) {
        cairo_line_to(page->cairo, plot_page_x(page, middle(&buckets[at])), place_y(panel, buckets[at].max));
        band = band || buckets[at].max > buckets[at].min;
    }
    for (size_t at = to; band && at-- > from;)
        cairo_line_to(page->cairo, plot_page_x(page, middle(&buckets[at])), place_y(panel, buckets[at].min));
    if (band) {
        cairo_close_path(page->cairo);
        cairo_fill_preserve(page->cairo);
    }
    cairo_stroke(page->cairo);
}

/* A bar of whole pixels per bucket: for about one bucket a pixel, where it looks the same and takes a tenth of the
 * time. */
static void draw_bars(struct plot_page *page, const struct plot_panel *panel, size_t from, size_t to) {
    const struct store_bucket *buckets = panel->series->buckets;
    double end = from < to ? floor(plot_page_x(page, middle(&buckets[from]))) : 0;
    for (size_t at = from; at < to; at++) {
        double start = end, next = at + 1 < to ? middle(&buckets[at + 1]) : middle(&buckets[at]);
        end = fmax(floor(plot_page_x(page, next)), start + (at + 1 == to));
        double top = floor(place_y(panel, buckets[at].max)), bottom = ceil(place_y(panel, buckets[at].min));
        cairo_rectangle(page->cairo, start, top, fmax(end - start, 1), fmax(bottom - top, 1));
    }
    cairo_fill(page->cairo);
}

static void draw_raw(struct plot_page *page, const struct plot_panel *panel) {
    const struct store_bucket *buckets = panel->series->buckets;
    plot_page_colour(page, plot_colour_mix(page->palette->back, panel->colour, page->palette->raw_share));
    cairo_set_line_width(page->cairo, page->scale * 0.75);
    for (size_t i = 0, from; next_stretch(panel->series, &i, &from);) {
        double pixels = plot_page_x(page, middle(&buckets[i - 1])) - plot_page_x(page, middle(&buckets[from]));
        int64_t values = 0;
        for (size_t at = from; at < i; at++)
            values += buckets[at].count;
        bool dense = pixels < 1.6 * (double)(i - from) && values >= 4 * (int64_t)(i - from);
        if (dense && !page->job->svg)
            draw_bars(page, panel, from, i);
        else
            draw_band(page, panel, from, i);
    }
}

static void draw_smooth(struct plot_page *page, const struct plot_panel *panel) {
    const struct plot_series *series = panel->series;
    double *smooth = calloc(series->count, sizeof *smooth);
    if (!smooth) return;
    plot_smooth(series->buckets, series->count, plot_smooth_tau(page->first_step, page->last_step), panel->axis.log,
                smooth);
    plot_page_colour(page, panel->colour);
    cairo_set_line_width(page->cairo, page->scale * 2);
    for (size_t i = 0, from; next_stretch(series, &i, &from);) {
        for (size_t at = from; at < i; at++)
            cairo_line_to(page->cairo, plot_page_x(page, middle(&series->buckets[at])), place_y(panel, smooth[at]));
        cairo_stroke(page->cairo);
        for (size_t at = from; at < i && (series->count < DOTS_BELOW || i - from == 1); at++) {
            double x = plot_page_x(page, middle(&series->buckets[at])), y = place_y(panel, series->buckets[at].last);
            cairo_arc(page->cairo, x, y, page->scale * 2.5, 0, 2 * M_PI);
            cairo_fill(page->cairo);
        }
    }
    free(smooth);
}

static void draw_not_finite(struct plot_page *page, const struct plot_panel *panel) {
    double arm = 3.5 * page->scale, y = panel->bottom - 6 * page->scale, previous = -INFINITY;
    struct plot_colour faint = plot_colour_mix(page->palette->back, page->palette->alert, 0.35);
    for (size_t i = 0; i < panel->series->count; i++) {
        if (panel->series->buckets[i].not_finite <= 0) continue;
        double x = round(plot_page_x(page, middle(&panel->series->buckets[i]))) + 0.5;
        if (x - previous < 3 * arm) continue; /* one cross for what would overlap */
        previous = x;
        plot_page_colour(page, faint);
        cairo_set_line_width(page->cairo, page->scale);
        cairo_move_to(page->cairo, x, panel->top);
        cairo_line_to(page->cairo, x, y - arm * 1.5);
        cairo_stroke(page->cairo);
        plot_page_colour(page, page->palette->alert);
        cairo_set_line_width(page->cairo, page->scale * 2);
        cairo_move_to(page->cairo, x - arm, y - arm);
        cairo_line_to(page->cairo, x + arm, y + arm);
        cairo_move_to(page->cairo, x - arm, y + arm);
        cairo_line_to(page->cairo, x + arm, y - arm);
        cairo_stroke(page->cairo);
    }
}

static void draw_values(struct plot_page *page, const struct plot_panel *panel) {
    double half = 9 * page->scale, x = page->right + 4 * page->scale, radius = 4 * page->scale;
    double last = fmin(fmax(place_y(panel, panel->last), panel->top), panel->bottom);
    for (size_t i = 0; i < panel->ticks_count; i++) {
        double y = place_y(panel, panel->ticks[i].value);
        if (!panel->ticks[i].major || fabs(y - last) < half + 6 * page->scale) continue;
        plot_text_draw(&page->text, panel->ticks[i].label, TICK_CSS, false, page->palette->muted, x + 4 * page->scale,
                       y, 0, 0);
    }
    plot_page_colour(page, page->palette->back);
    cairo_arc(page->cairo, plot_page_x(page, panel->last_step), last, 4 * page->scale, 0, 2 * M_PI);
    cairo_fill(page->cairo);
    plot_page_colour(page, panel->colour);
    cairo_arc(page->cairo, plot_page_x(page, panel->last_step), last, 3 * page->scale, 0, 2 * M_PI);
    cairo_fill(page->cairo);
    char text[PLOT_LABEL_MAX];
    plot_value_text(panel->last, text);
    double width = plot_text_width(&page->text, text, VALUE_CSS, true) + 8 * page->scale;
    cairo_new_path(page->cairo);
    cairo_arc(page->cairo, x + width - radius, last - half + radius, radius, -M_PI / 2, 0);
    cairo_arc(page->cairo, x + width - radius, last + half - radius, radius, 0, M_PI / 2);
    cairo_arc(page->cairo, x + radius, last + half - radius, radius, M_PI / 2, M_PI);
    cairo_arc(page->cairo, x + radius, last - half + radius, radius, M_PI, 1.5 * M_PI);
    cairo_close_path(page->cairo);
    plot_page_colour(page, panel->colour);
    cairo_fill(page->cairo);
    plot_text_draw(&page->text, text, VALUE_CSS, true, page->palette->on_series, x + 4 * page->scale, last, 0, 0);
}

void plot_panel_draw(struct plot_page *page, const struct plot_panel *panel) {
    bool zh = page->job->lang == LANG_ZH;
    draw_header(page, panel);
    cairo_save(page->cairo);
    cairo_rectangle(page->cairo, page->left - 4 * page->scale, floor(panel->top) - 3 * page->scale,
                    page->right - page->left + 8 * page->scale, ceil(panel->bottom - panel->top) + 6 * page->scale);
    cairo_clip(page->cairo);
    if (panel->has_values) draw_raw(page, panel);
    draw_grid(page, panel);
    draw_not_finite(page, panel);
    if (panel->has_values) draw_smooth(page, panel);
    cairo_restore(page->cairo);
    if (panel->has_values) {
        draw_values(page, panel);
        return;
    }
    const char *why = panel->not_finite > 0 ? (zh ? "没有有限的值" : "no finite value") : (zh ? "没有数据" : "no data");
    double width = plot_text_width(&page->text, why, 13, false) + 12 * page->scale, height = 22 * page->scale;
    double x = (page->left + page->right) / 2, y = (panel->top + panel->bottom) / 2;
    plot_page_colour(page, page->palette->back);
    cairo_rectangle(page->cairo, x - width / 2, y - height / 2, width, height);
    cairo_fill(page->cairo);
    plot_text_draw(&page->text, why, 13, false, page->palette->muted, x, y, 0.5, 0);
}
