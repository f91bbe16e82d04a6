/*
 * plot_smooth.c: a forward pass keeps its running sums per bucket, the backward pass adds its own; the bucket itself is
 * in both and taken off once. Without memory for the sums the average is one-sided rather than absent.
 */
#include "plot_smooth.h"

#include <math.h>
#include <stdlib.h>

double plot_smooth_tau(int64_t first_step, int64_t last_step) {
    double span = (double)(last_step - first_step);
    return span > 60 ? span / 60 : 1;
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

/* Moves the sums on to `bucket` at `distance` steps and adds it. */
static void sums_add(struct sums *sums, const struct store_bucket *bucket, double distance, double tau, bool geometric) {
    double decay = exp(-fabs(distance) / tau), weight = (double)bucket->count;
    sums->weighted = sums->weighted * decay + weight * (geometric ? log(bucket->mean) : bucket->mean);
    sums->weight = sums->weight * decay + weight;
}

void plot_smooth(const struct store_bucket *buckets, size_t count, double tau, bool geometric, double *ret) {
    struct sums *forward = calloc(count ? count : 1, sizeof *forward);
    struct sums sums = {0};
    double at = 0;
    for (size_t i = 0; i < count; i++) {
        if (!has_value(&buckets[i])) continue;
        sums_add(&sums, &buckets[i], middle(&buckets[i]) - at, tau, geometric);
        at = middle(&buckets[i]);
        if (forward) forward[i] = sums;
    }
    sums = (struct sums){0};
    for (size_t i = count; i-- > 0;) {
        ret[i] = NAN;
        if (!has_value(&buckets[i])) continue;
        sums_add(&sums, &buckets[i], at - middle(&buckets[i]), tau, geometric);
        at = middle(&buckets[i]);
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
