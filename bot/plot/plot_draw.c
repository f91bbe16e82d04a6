/*
 * plot_draw.c: the page: title, legend, parameter changes, panels one below the other, the step axis; then the surface
 * as PNG or SVG. The layout is computed before anything is drawn, because the height follows from it.
 */
#include "plot_draw.h"
#include "plot_page.h"
#include "plot_png.h"

#include <cairo-svg.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN_CSS 10
#define TITLE_CSS 26
#define LEGEND_CSS 18
#define AXIS_CSS 20
#define GAP_CSS 8
#define TEXT_CSS 11

struct layout {
    struct plot_panel panels[PLOT_METRICS_MAX];
    size_t count;
    struct plot_marks marks;
    double title, legend; /* middles of lines */
};

static void find_steps(struct plot_page *page) {
    page->empty = true;
    for (size_t i = 0; i < page->job->series_count; i++) {
        const struct plot_series *series = &page->job->series[i];
        for (size_t at = 0; at < series->count; at++)
            page->not_finite += series->buckets[at].not_finite;
        if (series->count == 0) continue;
        int64_t first = series->buckets[0].first_step, last = series->buckets[series->count - 1].last_step;
        page->first_step = page->empty || first < page->first_step ? first : page->first_step;
        page->last_step = page->empty || last > page->last_step ? last : page->last_step;
        page->empty = false;
    }
    if (page->empty || page->first_step < page->last_step) return;
    page->first_step -= page->first_step > 0; /* one point: in the middle */
    page->last_step += 1;
}

static double panel_height_css(size_t count) {
    return count <= 1 ? 230 : count == 2 ? 165 : count == 3 ? 135 : 110;
}

static double fitting_height(const struct plot_page *page, const struct layout *layout) {
    if (page->empty) return 190 * page->scale;
    double css = MARGIN_CSS + TITLE_CSS + LEGEND_CSS + (double)layout->marks.rows * PLOT_MARK_ROW_CSS + AXIS_CSS +
                 MARGIN_CSS / 2;
    css += (double)layout->count * (panel_height_css(layout->count) + PLOT_HEADER_CSS) +
           (double)(layout->count - 1) * GAP_CSS;
    return css * page->scale;
}

/* Tops and bottoms of the panels for the page's height; a height asked for shrinks the panels, not the texts. */
static void place_panels(const struct plot_page *page, struct layout *layout) {
    double scale = page->scale, y = MARGIN_CSS * scale;
    layout->title = y + TITLE_CSS * scale * 0.4;
    y += TITLE_CSS * scale;
    layout->legend = y + LEGEND_CSS * scale * 0.4;
    y += LEGEND_CSS * scale;
    double count = (double)layout->count, below = (AXIS_CSS + MARGIN_CSS / 2) * scale;
    double marks = (double)layout->marks.rows * PLOT_MARK_ROW_CSS * scale; /* between header and curves of the first */
    double each =
        (page->height - y - marks - below - (count - 1) * GAP_CSS * scale) / fmax(count, 1) - PLOT_HEADER_CSS * scale;
    each = fmax(each, 12 * scale);
    for (size_t i = 0; i < layout->count; i++) {
        layout->panels[i].header = y + PLOT_HEADER_CSS * scale / 2;
        layout->panels[i].top = round(y + PLOT_HEADER_CSS * scale + (i == 0 ? marks : 0));
        layout->panels[i].bottom = round(layout->panels[i].top + each);
        y = layout->panels[i].bottom + GAP_CSS * scale;
    }
}

static void prepare(struct plot_page *page, struct layout *layout) {
    for (size_t i = 0; i < page->job->series_count; i++) {
        layout->panels[i].series = &page->job->series[i];
        layout->panels[i].colour = page->palette->series[i];
    }
    layout->count = page->empty ? 0 : page->job->series_count;
    page->left = MARGIN_CSS * page->scale;
    page->right = page->width - 60 * page->scale;
    /* Rows of marks depend on the gutter, the gutter on ticks, ticks on the height: two rounds settle it. */
    double gutter = 34 * page->scale;
    for (int round_number = 0; round_number < 2; round_number++) {
        plot_marks_place(page, &layout->marks);
        page->height = page->job->height ? page->job->height : round(fitting_height(page, layout));
        place_panels(page, layout);
        for (size_t i = 0; i < layout->count; i++) {
            struct plot_panel *panel = &layout->panels[i];
            *panel = (struct plot_panel){.series = panel->series,
                                         .colour = panel->colour,
                                         .header = panel->header,
                                         .top = panel->top,
                                         .bottom = panel->bottom};
            plot_panel_prepare(page, panel);
            gutter = fmax(gutter, plot_panel_gutter(page, panel));
        }
        page->right = fmax(round(page->width - gutter), page->left + 20 * page->scale);
    }
    plot_marks_place(page, &layout->marks);
}

static void draw_title(struct plot_page *page, const struct layout *layout) {
    double end = page->width - MARGIN_CSS * page->scale;
    if (!page->empty) {
        char number[PLOT_LABEL_MAX], text[64];
        int64_t last = 0;
        for (size_t i = 0; i < page->job->series_count; i++) {
            const struct plot_series *series = &page->job->series[i];
            if (series->count && series->buckets[series->count - 1].last_step > last)
                last = series->buckets[series->count - 1].last_step;
        }
        plot_step_text(last, number);
        snprintf(text, sizeof text, page->job->lang == LANG_ZH ? "第 %s 步" : "step %s", number);
        end -= plot_text_draw(&page->text, text, 12, false, page->palette->muted, end, layout->title, 1, 0) +
               8 * page->scale;
    }
    plot_text_draw(&page->text, page->job->title, 15, true, page->palette->ink, page->left, layout->title, 0,
                   fmax(end - page->left, page->scale));
}

/* A sample at *x and its word; moves *x on. */
static void legend_word(struct plot_page *page, double *x, double y, const char *word) {
    *x += 4 * page->scale;
    *x += plot_text_draw(&page->text, word, TEXT_CSS, false, page->palette->muted, *x, y, 0, 0) + 12 * page->scale;
}

static void draw_legend(struct plot_page *page, const struct layout *layout) {
    bool zh = page->job->lang == LANG_ZH;
    double scale = page->scale, x = page->left, y = layout->legend, length = 16 * scale;
    struct plot_colour colour = page->palette->series[0];
    plot_page_colour(page, plot_colour_mix(page->palette->back, colour, page->palette->raw_share));
    cairo_rectangle(page->cairo, x, y - 4 * scale, length, 8 * scale);
    cairo_fill(page->cairo);
    x += length;
    legend_word(page, &x, y, zh ? "原始(最小到最大)" : "raw (min to max)");
    plot_page_colour(page, colour);
    cairo_set_line_width(page->cairo, 2 * scale);
    cairo_move_to(page->cairo, x, y);
    cairo_line_to(page->cairo, x + length, y);
    cairo_stroke(page->cairo);
    x += length;
    legend_word(page, &x, y, zh ? "平滑" : "smoothed");
    if (layout->marks.count > 0) {
        const double dash[2] = {3 * scale, 2 * scale};
        plot_page_colour(page, page->palette->mark);
        cairo_set_line_width(page->cairo, 1.5 * scale);
        cairo_set_dash(page->cairo, dash, 2, 0);
        cairo_move_to(page->cairo, x, y);
        cairo_line_to(page->cairo, x + length, y);
        cairo_stroke(page->cairo);
        cairo_set_dash(page->cairo, NULL, 0, 0);
        x += length;
        legend_word(page, &x, y, zh ? "参数改动" : "changes");
    }
    if (page->not_finite > 0) {
        x += plot_text_draw(&page->text, "×", 14, true, page->palette->alert, x, y, 0, 0);
        legend_word(page, &x, y, "NaN/Inf");
    }
}

static void draw_step_axis(struct plot_page *page, double bottom) {
    struct plot_tick ticks[PLOT_TICKS_MAX];
    size_t count = plot_step_ticks(page->first_step, page->last_step, 5, ticks);
    double y = bottom + AXIS_CSS * page->scale / 2, end = -INFINITY;
    const char *unit = page->job->lang == LANG_ZH ? "步" : "step";
    double unit_width = plot_text_width(&page->text, unit, TEXT_CSS, false),
           right = page->width - MARGIN_CSS * page->scale;
    plot_text_draw(&page->text, unit, TEXT_CSS, false, page->palette->muted, right, y, 1, 0);
    for (size_t i = 0; i < count; i++) {
        double width = plot_text_width(&page->text, ticks[i].label, TEXT_CSS, false),
               x = plot_page_x(page, ticks[i].value);
        double from = fmax(x - width / 2, page->left);
        if (from < end + 6 * page->scale || from + width > right - unit_width - 6 * page->scale) continue;
        plot_text_draw(&page->text, ticks[i].label, TEXT_CSS, false, page->palette->muted, from, y, 0, 0);
        end = from + width;
    }
}

static void draw_empty(struct plot_page *page) {
    bool zh = page->job->lang == LANG_ZH;
    double scale = page->scale, middle = page->height * 0.55;
    plot_page_colour(page, page->palette->frame);
    cairo_set_line_width(page->cairo, scale);
    cairo_move_to(page->cairo, page->left + 0.5, page->height * 0.3);
    cairo_line_to(page->cairo, page->left + 0.5, page->height - 14 * scale);
    cairo_line_to(page->cairo, page->width - MARGIN_CSS * scale, page->height - 14 * scale);
    cairo_stroke(page->cairo);
    plot_text_draw(&page->text, zh ? "还没有数据" : "No data yet", 15, true, page->palette->ink, page->width / 2,
                   middle, 0.5, 0);
    plot_text_draw(&page->text, zh ? "第一步完成后这里会有曲线" : "Curves appear after the first step", 12, false,
                   page->palette->muted, page->width / 2, middle + 24 * scale, 0.5, 0);
}

static void draw_page(struct plot_page *page, const struct layout *layout) {
    plot_page_colour(page, page->palette->back);
    cairo_paint(page->cairo);
    draw_title(page, layout);
    if (page->empty) {
        draw_empty(page);
        return;
    }
    draw_legend(page, layout);
    for (size_t i = 0; i < layout->count; i++) {
        plot_panel_draw(page, &layout->panels[i]);
        plot_marks_lines(page, &layout->marks, layout->panels[i].top, layout->panels[i].bottom);
    }
    plot_marks_texts(page, &layout->marks, layout->panels[0].top);
    draw_step_axis(page, layout->panels[layout->count - 1].bottom);
}

struct output {
    uint8_t *bytes;
    size_t size, room;
};

static cairo_status_t append(void *user, const unsigned char *bytes, unsigned size) {
    struct output *output = user;
    if (output->size + size > output->room) {
        size_t room = (output->size + size) * 2;
        uint8_t *more = room <= PLOT_ANSWER_MAX * 2 ? realloc(output->bytes, room) : NULL;
        if (!more) return CAIRO_STATUS_NO_MEMORY;
        output->bytes = more;
        output->room = room;
    }
    memcpy(output->bytes + output->size, bytes, size);
    output->size += size;
    return CAIRO_STATUS_SUCCESS;
}

static void start(struct plot_page *page, cairo_surface_t *surface) {
    page->cairo = cairo_create(surface);
    cairo_set_line_join(page->cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(page->cairo, CAIRO_LINE_CAP_ROUND);
    plot_text_init(&page->text, page->cairo, page->scale);
}

static void finish(struct plot_page *page) {
    plot_text_release(&page->text);
    cairo_destroy(page->cairo);
    page->cairo = NULL;
}

/* Measures on a surface of one pixel: the real one's height is not known before. */
static int measure(struct plot_page *page, struct layout *layout) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) return TB_ENOMEM;
    start(page, surface);
    prepare(page, layout);
    finish(page);
    cairo_surface_destroy(surface);
    return TB_OK;
}

static int draw_png(struct plot_page *page, const struct layout *layout, uint8_t **ret_bytes, size_t *ret_size) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)page->width, (int)page->height);
    int error = cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS ? TB_OK : TB_ENOMEM;
    if (error == TB_OK) {
        start(page, surface);
        draw_page(page, layout);
        error = cairo_status(page->cairo) == CAIRO_STATUS_SUCCESS ? TB_OK : TB_EIO;
        finish(page);
    }
    if (error == TB_OK) {
        cairo_surface_flush(surface);
        const uint32_t *pixels = (const uint32_t *)(const void *)cairo_image_surface_get_data(surface);
        error = plot_png_write(pixels, (int)page->width, (int)page->height,
                               (size_t)cairo_image_surface_get_stride(surface) / 4, ret_bytes, ret_size);
    }
    cairo_surface_destroy(surface);
    return error;
}

static int draw_svg(struct plot_page *page, const struct layout *layout, uint8_t **ret_bytes, size_t *ret_size) {
    struct output output = {0};
    cairo_surface_t *surface = cairo_svg_surface_create_for_stream(append, &output, page->width, page->height);
    int error = TB_EIO;
    if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS) {
        cairo_svg_surface_set_document_unit(surface, CAIRO_SVG_UNIT_PX);
        start(page, surface);
        draw_page(page, layout);
        bool good = cairo_status(page->cairo) == CAIRO_STATUS_SUCCESS;
        finish(page);
        cairo_surface_finish(surface);
        if (good && cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS && output.size > 0) error = TB_OK;
    }
    cairo_surface_destroy(surface);
    if (error == TB_OK) {
        *ret_bytes = output.bytes;
        *ret_size = output.size;
    } else {
        free(output.bytes);
    }
    return error;
}

int plot_draw(const struct plot_job *job, uint8_t **ret_bytes, size_t *ret_size, uint32_t *ret_unknown_glyphs) {
    struct plot_page page = {.job = job, .palette = plot_palette(job->dark), .width = job->width};
    struct layout *layout = calloc(1, sizeof *layout);
    if (!layout) return TB_ENOMEM;
    page.scale = fmin(fmax(page.width / 390, 1), 2);
    find_steps(&page);
    int error = measure(&page, layout);
    if (error == TB_OK && page.height > PLOT_SIDE_MAX) page.height = PLOT_SIDE_MAX;
    if (error == TB_OK)
        error = job->svg ? draw_svg(&page, layout, ret_bytes, ret_size) : draw_png(&page, layout, ret_bytes, ret_size);
    if (error == TB_OK) *ret_unknown_glyphs = page.text.unknown_glyphs;
    free(layout);
    return error;
}
