/*
 * plot_draw.h: from a job to the bytes of a picture. Only the helper program links this; it may be slow to start
 * (fonts) and may die, nothing else does with it.
 */
#ifndef TRAINBOT_PLOT_DRAW_H
#define TRAINBOT_PLOT_DRAW_H

#include "plot_format.h"

/* PNG or SVG as the job says. Caller frees *ret_bytes with free(). *ret_unknown_glyphs: characters no font has.
 * TB_ENOMEM, TB_EIO (cairo or libpng failed). */
MUST_USE int plot_draw(const struct plot_job *job, uint8_t **ret_bytes, size_t *ret_size, uint32_t *ret_unknown_glyphs);

#endif
