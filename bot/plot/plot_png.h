/*
 * plot_png.h: a cairo picture as a small PNG. Plots have few colours, so a palette of at most 256 of them makes the
 * file a quarter of a true-colour one and faster to pack; what antialiasing adds beyond that moves to its nearest
 * colour.
 */
#ifndef TRAINBOT_PLOT_PNG_H
#define TRAINBOT_PLOT_PNG_H

#include "error.h"
#include <stddef.h>
#include <stdint.h>

/* pixels: 0x00RRGGBB per pixel, rows of `stride` pixels. Caller frees *ret_bytes with free(). TB_ENOMEM, TB_EIO. */
MUST_USE int plot_png_write(const uint32_t *pixels, int width, int height, size_t stride, uint8_t **ret_bytes,
                            size_t *ret_size);

#endif
