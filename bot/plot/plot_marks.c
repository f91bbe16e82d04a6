/*
 * plot_marks.c: vertical lines with texts for parameter changes. Texts stand in at most three rows above the curves,
 * newest first because that is what the person has just done; a text without room is left out, its line stays.
 */
#include "plot_page.h"

#include <math.h>
#include <stdlib.h>

#define TEXT_CSS 11
#define MANY 10

static int by_step(const void *a, const void *b) {
    const struct plot_job_mark *left = a, *right = b;
    return left->step < right->step ? -1 : left->step > right->step;
}

static double gap(const struct plot_page *page) {
    return 4 * page->scale;
}

/* Is from..to free in this row? Lines of earlier marks may cross no text either, so they count as taken. */
static bool is_free(const struct plot_page *page, const struct plot_marks *marks, size_t row, double from, double to) {
    for (size_t i = 0; i < marks->count; i++) {
        if (marks->at[i].text_width <= 0 || marks->at[i].row != row) continue;
        double start = marks->at[i].text_x - 3 * gap(page),
               end = marks->at[i].text_x + marks->at[i].text_width + 3 * gap(page);
        if (from < end && to > start) return false;
    }
    return true;
}

static void place_text(struct plot_page *page, struct plot_marks *marks, size_t i) {
    double width = plot_text_width(&page->text, marks->at[i].text, TEXT_CSS, false);
    double x = marks->at[i].x + gap(page), end = page->width - gap(page);
    if (x + width > end) x = marks->at[i].x - gap(page) - width;
    if (x < gap(page)) return;
    for (size_t row = 0; row < PLOT_MARK_ROWS; row++) {
        if (!is_free(page, marks, row, x, x + width)) continue;
        marks->at[i].row = row;
        marks->at[i].text_x = x;
        marks->at[i].text_width = width;
        if (row + 1 > marks->rows) marks->rows = row + 1;
        return;
    }
}

void plot_marks_place(struct plot_page *page, struct plot_marks *marks) {
    const struct plot_job *job = page->job;
    marks->count = marks->rows = 0;
    if (page->empty || job->marks_count == 0) return;
    qsort(job->marks, job->marks_count, sizeof *job->marks, by_step);
    for (size_t i = 0; i < job->marks_count; i++) {
        double step = fmin(fmax((double)job->marks[i].step, (double)page->first_step), (double)page->last_step);
        marks->at[i].x = round(plot_page_x(page, step)) + 0.5;
        marks->at[i].text = job->marks[i].text;
        marks->at[i].text_width = 0;
        marks->count++;
    }
    for (size_t i = marks->count; i-- > 0;)
        if (marks->at[i].text[0]) place_text(page, marks, i);
}

void plot_marks_texts(struct plot_page *page, const struct plot_marks *marks, double bottom) {
    double row_height = PLOT_MARK_ROW_CSS * page->scale, top = bottom - (double)marks->rows * row_height;
    plot_page_colour(page, page->palette->mark);
    cairo_set_line_width(page->cairo, page->scale);
    for (size_t i = 0; i < marks->count; i++) {
        if (marks->at[i].text_width <= 0) continue;
        cairo_move_to(page->cairo, marks->at[i].x, top + ((double)marks->at[i].row + 0.15) * row_height);
        cairo_line_to(page->cairo, marks->at[i].x, bottom);
    }
    cairo_stroke(page->cairo);
    for (size_t i = 0; i < marks->count; i++) { /* a line never crosses a text: its ground is cleared first */
        if (marks->at[i].text_width <= 0) continue;
        double y = top + (double)marks->at[i].row * row_height;
        plot_page_colour(page, page->palette->back);
        cairo_rectangle(page->cairo, marks->at[i].text_x - page->scale, y, marks->at[i].text_width + 2 * page->scale,
                        row_height);
        cairo_fill(page->cairo);
        plot_text_draw(&page->text, marks->at[i].text, TEXT_CSS, false, page->palette->mark, marks->at[i].text_x,
                       y + row_height / 2, 0, 0);
    }
}

void plot_marks_lines(struct plot_page *page, const struct plot_marks *marks, double top, double bottom) {
    const double dash[2] = {3 * page->scale, 2.5 * page->scale};
    cairo_save(page->cairo);
    cairo_set_dash(page->cairo, dash, 2, 0);
    cairo_set_line_width(page->cairo, page->scale);
    double faint = marks->count > MANY ? 0.55 : 0.15; /* many lines must not hide the curves */
    plot_page_colour(page, plot_colour_mix(page->palette->mark, page->palette->back, faint));
    for (size_t i = 0; i < marks->count; i++) {
        cairo_move_to(page->cairo, marks->at[i].x, top);
        cairo_line_to(page->cairo, marks->at[i].x, bottom);
    }
    cairo_stroke(page->cairo);
    cairo_restore(page->cairo);
}
