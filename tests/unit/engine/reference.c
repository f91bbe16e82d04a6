/*
 * reference.c: naive float64 layers, written from the definitions.
 */
#include "reference.h"

#include <math.h>
#include <stddef.h>

#include "random.h"

struct tap {
    int64_t x, w, y; /* indexes; x is -1 in the padding */
};

typedef void (*visitor)(struct tap tap, void *context);

/* Every product of a convolution. */
static void visit(const struct conv *conv, visitor call, void *context) {
    int64_t rows = conv_rows(conv), columns = conv_columns(conv), inner = conv->kh * conv->kw * conv->c;
    int64_t total = conv->n * rows * columns * conv->k;
    for (int64_t y = 0; y < total; y++) {
        int64_t k = y % conv->k, column = y / conv->k % columns, row = y / conv->k / columns % rows;
        int64_t n = y / conv->k / columns / rows;
        for (int64_t i = 0; i < inner; i++) {
            int64_t c = i % conv->c, kx = i / conv->c % conv->kw, ky = i / conv->c / conv->kw;
            int64_t in_row = row * conv->stride + ky - conv->pad, in_column = column * conv->stride + kx - conv->pad;
            bool inside = in_row >= 0 && in_row < conv->h && in_column >= 0 && in_column < conv->w;
            if (inside)
                call((struct tap){((n * conv->h + in_row) * conv->w + in_column) * conv->c + c, k * inner + i, y},
                     context);
        }
    }
}

struct forward {
    const double *x, *w;
    double *y;
};

static void forward_tap(struct tap tap, void *context) {
    struct forward *f = context;
    f->y[tap.y] += f->x[tap.x] * f->w[tap.w];
}

void reference_conv(const struct conv *conv, const double *x, const double *w, const double *bias, double *y) {
    int64_t total = conv->n * conv_rows(conv) * conv_columns(conv) * conv->k;
    for (int64_t i = 0; i < total; i++) {
        y[i] = bias != NULL ? bias[i % conv->k] : 0;
    }
    struct forward context = {x, w, y};
    visit(conv, forward_tap, &context);
}

struct backward {
    const double *x, *w, *dy;
    double *dx, *dw;
};

static void backward_tap(struct tap tap, void *context) {
    struct backward *b = context;
    if (b->dx != NULL) b->dx[tap.x] += b->dy[tap.y] * b->w[tap.w];
    if (b->dw != NULL) b->dw[tap.w] += b->dy[tap.y] * b->x[tap.x];
}

void reference_conv_backward(const struct conv *conv, const double *x, const double *w, const double *dy, double *dx,
                             double *dw) {
    struct backward context = {x, w, dy, dx, dw};
    visit(conv, backward_tap, &context);
}

void reference_pool(const struct pool *pool, const double *x, double *y) {
    int64_t out_h = pool_out_h(pool), out_w = pool_out_w(pool), total = pool->n * out_h * out_w * pool->c;
    for (int64_t i = 0; i < total; i++) {
        int64_t c = i % pool->c, column = i / pool->c % out_w, row = i / pool->c / out_w % out_h;
        int64_t n = i / pool->c / out_w / out_h;
        double best = -INFINITY;
        for (int64_t r = 0; r < pool->size; r++) {
            for (int64_t q = 0; q < pool->size; q++) {
                int64_t at = (n * pool->h + row * pool->stride + r) * pool->w + column * pool->stride + q;
                best = fmax(best, x[at * pool->c + c]);
            }
        }
        y[i] = best;
    }
}

void reference_dense(int64_t n, int64_t in, int64_t out, const double *x, const double *w, const double *bias,
                     double *y) {
    for (int64_t i = 0; i < n * out; i++) {
        double sum = bias != NULL ? bias[i % out] : 0;
        for (int64_t j = 0; j < in; j++) {
            sum += x[i / out * in + j] * w[i % out * in + j];
        }
        y[i] = sum;
    }
}

double reference_activation(struct activation activation, double x) {
    switch (activation.kind) {
    case ACTIVATION_RELU:
        return x < 0 ? 0 : x;
    case ACTIVATION_LEAKY_RELU:
        return x < 0 ? (double)activation.slope * x : x;
    case ACTIVATION_SIGMOID:
        return 1 / (1 + exp(-x));
    case ACTIVATION_TANH:
        return tanh(x);
    case ACTIVATION_NONE:
        break;
    }
    return x;
}

double reference_slope(struct activation activation, double y) {
    switch (activation.kind) {
    case ACTIVATION_RELU:
        return y > 0 ? 1 : 0;
    case ACTIVATION_LEAKY_RELU:
        return y > 0 ? 1 : (double)activation.slope;
    case ACTIVATION_SIGMOID:
        return y * (1 - y);
    case ACTIVATION_TANH:
        return 1 - y * y;
    case ACTIVATION_NONE:
        break;
    }
    return 1;
}

double reference_dropout(double p, uint64_t key, uint64_t index) {
    uint64_t bits = random_mix(key + index / 2);
    uint64_t half = index % 2 == 0 ? bits & 0xffffffffu : bits >> 32;
    return (double)half < p * 4294967296.0 ? 0 : 1 / (1 - p);
}

double reference_loss(int64_t n, int64_t classes, const double *logits, const uint8_t *labels, double *dlogits) {
    double loss = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *row = logits + i * classes;
        double largest = -INFINITY, sum = 0;
        for (int64_t c = 0; c < classes; c++) {
            largest = fmax(largest, row[c]);
        }
        for (int64_t c = 0; c < classes; c++) {
            sum += exp(row[c] - largest);
        }
        loss += log(sum) + largest - row[labels[i]];
        for (int64_t c = 0; c < classes && dlogits != NULL; c++) {
            dlogits[i * classes + c] = (exp(row[c] - largest) / sum - (c == labels[i])) / (double)n;
        }
    }
    return loss / (double)n;
}
