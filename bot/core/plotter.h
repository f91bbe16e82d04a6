/*
 * plotter.h: what core needs to have a picture of curves. bot/plot implements it with a helper program that starts on
 * demand and leaves after a minute, so that fonts and pictures cost the daemon no memory and can never crash it.
 */
#ifndef TRAINBOT_PLOTTER_H
#define TRAINBOT_PLOTTER_H

#include "error.h"
#include "settings.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plotter;

#define PLOT_METRICS_MAX 8

struct plot_mark { /* a vertical line: a parameter change, a checkpoint */
    int64_t step;
    const char *text;
};

struct plot_request {
    int64_t run;
    const char *title;      /* "cnn #7" */
    const char *metrics[PLOT_METRICS_MAX]; /* none: loss and accuracy if there, else the first two */
    size_t metrics_count;
    int width, height;      /* CSS pixels; 0: 780 and fitting (twice 390, crisp on a phone) */
    bool dark, svg;
    enum lang lang;
    const struct plot_mark *marks;
    size_t marks_count;
};

/* status TB_OK: bytes hold a PNG or SVG, borrowed until return. Else `why` says it in one line. */
typedef void plot_done(void *user, int status, const uint8_t *bytes, size_t size, const char *why);
/* The request is copied. `done` is called later from the loop, exactly once, when this returned TB_OK. */
MUST_USE int plotter_draw(struct plotter *plotter, const struct plot_request *request, plot_done *done, void *user);

#endif
