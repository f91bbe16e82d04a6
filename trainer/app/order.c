/* order.c: see order.h. Fisher-Yates driven by splitmix64 (Steele, Lea, Flood 2014), one stream an epoch; the bounded
 * draw is Lemire's multiplication with rejection (2019), so no index is favoured. */
#include "order.h"
#include "random.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define HOLD_STREAM 0x6a09e667f3bcc909u /* apart from the seed's other uses */

static uint64_t splitmix64(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t draw_below(uint64_t *state, uint32_t bound) {
    uint64_t product = (splitmix64(state) >> 32) * bound;
    if ((uint32_t)product < bound) {
        uint32_t threshold = (uint32_t)(-(int64_t)bound) % bound;
        while ((uint32_t)product < threshold)
            product = (splitmix64(state) >> 32) * bound;
    }
    return (uint32_t)(product >> 32);
}

int order_init(struct order *order, enum order_kind kind, uint64_t seed, int64_t count) {
    *order = (struct order){.kind = kind, .seed = seed, .samples = count, .count = count, .epoch = -1};
    if (count < 1 || count > UINT32_MAX) return -1;
    if (kind == ORDER_FILE) return 0;
    order->permutation = malloc((size_t)count * sizeof *order->permutation);
    return order->permutation != NULL ? 0 : -1;
}

void order_release(struct order *order) {
    free(order->permutation);
    free(order->kept);
    order->permutation = order->kept = NULL;
}

/* Different for every index: random_mix is a bijection. */
static uint64_t hold_hash(const struct order *order, int64_t index) {
    return random_mix(random_mix(order->seed ^ HOLD_STREAM) + (uint64_t)index);
}

static bool is_held(const struct order *order, int64_t index) {
    return order->hold_below > 0 && hold_hash(order, index) < order->hold_below;
}

/* The bound below which exactly `wanted` hashes lie, found by halving. */
static uint64_t hold_bound(const struct order *order, int64_t wanted) {
    uint64_t low = 0, high = UINT64_MAX; /* too few below low, enough below high */
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        int64_t below = 0;
        for (int64_t i = 0; i < order->samples; i++)
            below += hold_hash(order, i) < middle;
        if (below >= wanted)
            high = middle;
        else
            low = middle;
    }
    return high;
}

int order_hold(struct order *order, double share) {
    int64_t wanted = llround(share * (double)order->samples);
    if (wanted < 1) wanted = 1;
    if (wanted > order->samples - 1) wanted = order->samples - 1;
    if (!(share > 0) || wanted < 1) return 0;
    int64_t left = order->samples - wanted, at = 0;
    uint32_t *kept = malloc((size_t)left * sizeof *kept);
    if (kept == NULL) return -1;
    order->hold_below = hold_bound(order, wanted);
    for (int64_t i = 0; i < order->samples; i++)
        if (!is_held(order, i)) kept[at++] = (uint32_t)i;
    free(order->kept);
    order->kept = kept;
    order->count = left;
    order->epoch = -1;
    return 0;
}

int64_t order_validation(const struct order *order, uint32_t *ret_indices) {
    int64_t count = 0;
    for (int64_t i = 0; i < order->samples && ret_indices != NULL; i++)
        if (is_held(order, i)) ret_indices[count++] = (uint32_t)i;
    return order->samples - order->count;
}

static void epoch_shuffle(struct order *order, int64_t epoch) {
    uint64_t state = order->seed;
    state =
        splitmix64(&state) ^ (uint64_t)epoch * 0xd1342543de82ef95u; /* streams of neighbouring epochs lie far apart */
    for (int64_t i = 0; i < order->count; i++)
        order->permutation[i] = order->kept != NULL ? order->kept[i] : (uint32_t)i;
    for (int64_t i = order->count - 1; i > 0; i--) {
        uint32_t j = draw_below(&state, (uint32_t)(i + 1));
        uint32_t swap = order->permutation[i];
        order->permutation[i] = order->permutation[j];
        order->permutation[j] = swap;
    }
    order->epoch = epoch;
}

void order_take(struct order *order, int64_t seen, int64_t count, uint32_t *ret_indices) {
    for (int64_t i = 0; i < count; i++) {
        int64_t epoch = (seen + i) / order->count, at = (seen + i) % order->count;
        if (order->kind == ORDER_SHUFFLE && epoch != order->epoch) epoch_shuffle(order, epoch);
        const uint32_t *list = order->kind == ORDER_FILE ? order->kept : order->permutation;
        ret_indices[i] = list != NULL ? list[at] : (uint32_t)at;
    }
}
