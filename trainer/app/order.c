/* order.c: see order.h. Fisher-Yates driven by splitmix64 (Steele, Lea, Flood 2014), one stream an epoch; the bounded
 * draw is Lemire's multiplication with rejection (2019), so no index is favoured. */
#include "order.h"

#include <stdlib.h>

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
    *order = (struct order){.kind = kind, .seed = seed, .count = count, .epoch = -1};
    if (count < 1 || count > UINT32_MAX) return -1;
    if (kind == ORDER_FILE) return 0;
    order->permutation = malloc((size_t)count * sizeof *order->permutation);
    return order->permutation != NULL ? 0 : -1;
}

void order_release(struct order *order) {
    free(order->permutation);
    order->permutation = NULL;
}

static void epoch_shuffle(struct order *order, int64_t epoch) {
    uint64_t state = order->seed;
    state =
        splitmix64(&state) ^ (uint64_t)epoch * 0xd1342543de82ef95u; /* streams of neighbouring epochs lie far apart */
    for (int64_t i = 0; i < order->count; i++)
        order->permutation[i] = (uint32_t)i;
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
        ret_indices[i] = order->kind == ORDER_FILE ? (uint32_t)at : order->permutation[at];
    }
}
