/*
 * reference.h: every layer and the loss once more, naively and in float64: what backends are held against.
 *
 * Layouts are those inside the engine: images (n, h, w, c), filters (k, kh, kw, c), dense weights (out, in).
 */
#ifndef TESTS_REFERENCE_H
#define TESTS_REFERENCE_H

#include "backend.h"

/* y (n, rows, columns, k) before ReLU and pool; bias may be NULL. */
void reference_conv(const struct conv *conv, const double *x, const double *w, const double *bias, double *y);
/* dx and dw += of dy (n, rows, columns, k); either may be NULL. */
void reference_conv_backward(const struct conv *conv, const double *x, const double *w, const double *dy, double *dx,
                             double *dw);
void reference_pool(const struct pool *pool, const double *x, double *y);
void reference_dense(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *bias,
                     double *y);
double reference_activation(struct activation activation, double x);
/* Derivative where the output is y. */
double reference_slope(struct activation activation, double y);
/* What element `index` is multiplied with. */
double reference_dropout(double p, uint64_t key, uint64_t index);
/* Mean loss; dlogits may be NULL. */
double reference_loss(int64_t n, int64_t classes, const double *logits, const uint8_t *labels, double *dlogits);

#endif
