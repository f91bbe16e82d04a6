/*
 * ripple_picture.h: the pond as a person sees it: white where it is flat, blue below, orange above.
 */
#ifndef TRAINER_RIPPLE_PICTURE_H
#define TRAINER_RIPPLE_PICTURE_H

#include "canvas.h"

/* `u`: size × size. Points become squares, or squares of points one pixel, so that it is as wide as fits a phone. What
 * is `clip` or higher has the full colour. 0 or -1: no memory. canvas_release frees. */
__attribute__((warn_unused_result)) int ripple_picture(const float *u, int64_t size, double clip,
                                                       struct canvas *ret_canvas);
/* A clip that shows the waves of this field and lets single peaks be: six times their mean height. */
double ripple_clip(const float *u, int64_t size);

#endif
