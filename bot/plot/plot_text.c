/*
 * plot_text.c: a thin layer over pangocairo. Sizes are absolute pixels (no dpi), metrics are not hinted, so that SVG
 * and PNG have the same layout. The layout keeps its font description between texts; pango caches the fonts themselves.
 */
#include "plot_text.h"

void plot_text_init(struct plot_text *text, cairo_t *cairo, double scale) {
    *text = (struct plot_text){.cairo = cairo, .scale = scale, .layout = pango_cairo_create_layout(cairo)};
    cairo_font_options_t *options = cairo_font_options_create();
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(pango_layout_get_context(text->layout), options);
    cairo_font_options_destroy(options);
    pango_layout_set_single_paragraph_mode(text->layout, TRUE);
}

void plot_text_release(struct plot_text *text) {
    if (text->layout) g_object_unref(text->layout);
    text->layout = NULL;
}

static void set(struct plot_text *text, const char *string, double size, bool bold, double max_width) {
    PangoFontDescription *font = pango_font_description_from_string(PLOT_FONT);
    pango_font_description_set_absolute_size(font, size * text->scale * PANGO_SCALE);
    pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(text->layout, font);
    pango_font_description_free(font);
    pango_layout_set_width(text->layout, max_width > 0 ? (int)(max_width * PANGO_SCALE) : -1);
    pango_layout_set_ellipsize(text->layout, max_width > 0 ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_text(text->layout, string, -1);
}

double plot_text_width(struct plot_text *text, const char *string, double size, bool bold) {
    PangoRectangle box;
    set(text, string, size, bold, 0);
    pango_layout_get_extents(text->layout, NULL, &box);
    return (double)box.width / PANGO_SCALE;
}

double plot_text_draw(struct plot_text *text, const char *string, double size, bool bold, struct plot_colour colour,
                      double x, double y, double align, double max_width) {
    PangoRectangle box;
    set(text, string, size, bold, max_width);
    text->unknown_glyphs += (uint32_t)pango_layout_get_unknown_glyphs_count(text->layout);
    pango_layout_get_extents(text->layout, NULL, &box);
    double width = (double)box.width / PANGO_SCALE, height = (double)box.height / PANGO_SCALE;
    cairo_set_source_rgb(text->cairo, colour.r, colour.g, colour.b);
    cairo_move_to(text->cairo, x - width * align - (double)box.x / PANGO_SCALE, y - height / 2);
    pango_cairo_show_layout(text->cairo, text->layout);
    return width;
}
