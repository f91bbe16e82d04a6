/*
 * plot_palette.c: two palettes. Series and text keep a contrast of at least 4.5 to 1 against their background; red is
 * kept for alerts, amber for parameter changes.
 */
#include "plot_page.h"

#define RGB(hex)                                                                                                       \
    { (double)((hex) >> 16 & 255) / 255, (double)((hex) >> 8 & 255) / 255, (double)((hex)&255) / 255 }

static const struct plot_palette light = {
    .back = RGB(0xffffff),
    .ink = RGB(0x1f2328),
    .muted = RGB(0x5c646d),
    .grid = RGB(0xe6eaee),
    .frame = RGB(0xafb8c1),
    .alert = RGB(0xcf222e),
    .mark = RGB(0x8f5f00),
    .on_series = RGB(0xffffff),
    .raw_share = 0.30,
    .series = {RGB(0x0969da), RGB(0x1a7f37), RGB(0x8250df), RGB(0xbc4c00), RGB(0x0b7285), RGB(0xa8387f), RGB(0x5a6400),
               RGB(0x3b4bc8)},
};
static const struct plot_palette dark = {
    .back = RGB(0x11151b),
    .ink = RGB(0xe6edf3),
    .muted = RGB(0x9aa4ae),
    .grid = RGB(0x252c35),
    .frame = RGB(0x48515b),
    .alert = RGB(0xff6b63),
    .mark = RGB(0xe3a83b),
    .on_series = RGB(0x0b0e12),
    .raw_share = 0.36,
    .series = {RGB(0x58a6ff), RGB(0x4cc761), RGB(0xbc8cff), RGB(0xf0883e), RGB(0x39c5cf), RGB(0xf778ba), RGB(0xc5d048),
               RGB(0x94a0ff)},
};

const struct plot_palette *plot_palette(bool is_dark) {
    return is_dark ? &dark : &light;
}

struct plot_colour plot_colour_mix(struct plot_colour a, struct plot_colour b, double share) {
    return (struct plot_colour){a.r + (b.r - a.r) * share, a.g + (b.g - a.g) * share, a.b + (b.b - a.b) * share};
}

void plot_page_colour(struct plot_page *page, struct plot_colour colour) {
    cairo_set_source_rgb(page->cairo, colour.r, colour.g, colour.b);
}

double plot_page_x(const struct plot_page *page, double step) {
    double first = (double)page->first_step, last = (double)page->last_step;
    return page->left + (step - first) / (last - first) * (page->right - page->left);
}
