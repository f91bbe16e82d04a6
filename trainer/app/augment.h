/*
 * augment.h: a training image turned, zoomed and shifted a little, as Keras's ImageDataGenerator does it with
 * rotation_range=10, zoom_range=0.1, width_shift_range=0.1, height_shift_range=0.1 and its default fill_mode
 * (keras.preprocessing.image.apply_affine_transform): each output pixel looks up where it comes from, turn × shift ×
 * zoom about the middle of the image; bilinear; beyond the border the nearest pixel goes on.
 *
 * What happens to an image is a function of (seed, its place in the run) alone, where the place counts every sample
 * that the run has seen: a resumed run goes on bit for bit, and the same image changes differently in every epoch.
 * Coordinates are 16.16 fixed point and weights 1/256, so every processor gives the same pixels; they are rounded to
 * whole grey levels. Pure, any thread, no allocation.
 */
#ifndef TRAINER_AUGMENT_H
#define TRAINER_AUGMENT_H

#include <stdint.h>

#define AUGMENT_DEGREES 10.0
#define AUGMENT_ZOOM 0.1
#define AUGMENT_SHIFT 0.1      /* of the image's size */
#define AUGMENT_PIXELS_MAX 784 /* of one image */

/* An output pixel (column x, row y) comes from column (x0 + xx × x + xy × y) / 65536 and row (y0 + yx × x + yy × y) /
 * 65536. */
struct augment_map {
    int32_t x0, xx, xy, y0, yx, yy;
};

/* The map of the sample at `place`. */
struct augment_map augment_draw(uint64_t seed, int64_t place, int64_t height, int64_t width);
/* The map of a turn (radians), a shift (pixels) and a zoom of columns (x) and rows (y); above 1 shows more. */
struct augment_map augment_compose(double turn, double shift_x, double shift_y, double zoom_x, double zoom_y,
                                   int64_t height, int64_t width);
/* pixels, ret_pixels: height × width, not the same memory; at most AUGMENT_PIXELS_MAX. */
void augment_apply(const struct augment_map *map, const uint8_t *pixels, int64_t height, int64_t width,
                   uint8_t *ret_pixels);

#endif
