/*
 * plot_smooth.c: a forward pass keeps its running sums per bucket, the backward pass adds its own; the bucket itself is
 * in both and taken off once. Without memory for the sums the average is one-sided rather than absent.
 */
#include "plot_smooth.h"

#include <math.h>
#include <stdlib.h>

double plot_smooth_tau(int64_t first_step, int64_t last_step) {
    double span = (double)(last_step - first_step);
    return span > 100 ? span / 100 : 1;
}

struct sums {
    double weighted, weight;
};

static double middle(const struct store_bucket *bucket) {
    return (double)bucket->first_step / 2 + (double)bucket->last_step / 2;
}

static bool has_value(const struct store_bucket *bucket) {
    return bucket->count > 0 && isfinite(bucket->mean);
}

/* Distance of two buckets (NULL: endless) in units of tau, which grows from tau/20 with the steps since `first`. */
static double distance(const struct store_bucket *a, const struct store_bucket *b, double first, double tau) {
    if (!a) return INFINITY;
    double elapsed = (middle(a) + middle(b)) / 2 - first;
    return fabs(middle(a) - middle(b)) / fmin(tau, fmax(elapsed / 8, tau / 20));
}

/* Moves the sums on to `bucket`, `far` units away, and adds it. */
static void sums_add(struct sums *sums, const struct store_bucket *bucket, double far, bool geometric) {
    double decay = exp(-far), weight = (double)bucket->count;
    sums->weighted = sums->weighted * decay + weight * (geometric ? log(bucket->mean) : bucket->mean);
    sums->weight = sums->weight * decay + weight;
}

void plot_smooth(const struct store_bucket *buckets, size_t count, double tau, bool geometric, double *ret) {
    struct sums *forward = calloc(count ? count : 1, sizeof *forward);
    struct sums sums = {0};
    const struct store_bucket *at = NULL;
    double first = count ? (double)buckets[0].first_step : 0;
    for (size_t i = 0; i < count; i++) {
        if (!has_value(&buckets[i])) continue;
        sums_add(&sums, &buckets[i], distance(at, &buckets[i], first, tau), geometric);
        at = &buckets[i];
        if (forward) forward[i] = sums;
    }
    sums = (struct sums){0};
    at = NULL;
    for (size_t i = count; i-- > 0;) {
        ret[i] = NAN;
        if (!has_value(&buckets[i])) continue;
        sums_add(&sums, &buckets[i], distance(at, &buckets[i], first, tau), geometric);
        at = &buckets[i];
        double weight = (double)buckets[i].count, own = geometric ? log(buckets[i].mean) : buckets[i].mean;
        struct sums both = forward ? forward[i] : (struct sums){weight * own, weight};
        both.weighted += sums.weighted - weight * own;
        both.weight += sums.weight - weight;
        double value = both.weighted / both.weight;
        ret[i] = geometric ? exp(value) : value;
        if (!isfinite(ret[i])) ret[i] = buckets[i].mean; /* sums of values near 1e308 */
    }
    free(forward);
}
