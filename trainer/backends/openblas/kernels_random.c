/*
 * kernels_random.c: dropout's masks and noise. A value depends on its key and index alone (random.h), so the lists of
 * random bits are made a block at a time by a loop that the compiler vectorises.
 */
#include <math.h>

#include "kernels_math.h"
#include "random.h"

#define BLOCK 64

void SET(dropout)(int64_t first, int64_t last, uint32_t below, float factor, uint64_t key, const float *from,
                  float *to) {
    for (int64_t at = first; at < last; at += BLOCK) {
        uint32_t bits[BLOCK];
        for (int64_t pair = 0; pair < BLOCK / 2; pair++) {
            uint64_t both = random_mix(key + (uint64_t)(at / 2 + pair));
            bits[2 * pair] = (uint32_t)both;
            bits[2 * pair + 1] = (uint32_t)(both >> 32);
        }
        int64_t count = last - at < BLOCK ? last - at : BLOCK;
        /* to may be from: the same place is read, then written */
        INDEPENDENT
        for (int64_t i = 0; i < count; i++) {
            to[at + i] = bits[i] < below ? 0.0f : from[at + i] * factor;
        }
    }
}

/* u (BLOCK): random_uniform of `at` and those behind it; 24 bits fit a signed word. */
ALWAYS_INLINE void uniform_block(uint64_t key, int64_t at, float *u) {
    for (int64_t i = 0; i < BLOCK; i++) {
        u[i] = (float)(int32_t)(random_mix(key + (uint64_t)(at + i)) >> 40) / 16777216.0f;
    }
}

void SET(noise_uniform)(int64_t first, int64_t last, uint64_t key, float scale, float shift, float *to) {
    for (int64_t at = first; at < last; at += BLOCK) {
        float u[BLOCK];
        uniform_block(key, at, u);
        int64_t count = last - at < BLOCK ? last - at : BLOCK;
        for (int64_t i = 0; i < count; i++) {
            to[at + i] = (u[i] + shift) * scale;
        }
    }
}

void SET(noise_normal)(int64_t first, int64_t last, uint64_t key, float *to) {
    for (int64_t at = first; at < last; at += BLOCK) {
        float u[BLOCK], distance[BLOCK / 2], turn[BLOCK / 2], made[BLOCK];
        uniform_block(key, at, u);
        for (int i = 0; i < BLOCK / 2; i++) {
            distance[i] = 1.0f - u[2 * i];
            turn[i] = u[2 * i + 1];
        }
        for (int i = 0; i < BLOCK / 2; i += KERNELS_WIDTH) {
            store(distance + i, -2.0f * vector_log(load(distance + i)));
        }
        for (int i = 0; i < BLOCK / 2; i++) {
            distance[i] = sqrtf(distance[i]);
        }
        for (int i = 0; i < BLOCK / 2; i += KERNELS_WIDTH) {
            vector sine, cosine, radius = load(distance + i);
            vector_turn(load(turn + i), &sine, &cosine);
            store(distance + i, cosine * radius);
            store(turn + i, sine * radius);
        }
        for (int i = 0; i < BLOCK / 2; i++) {
            made[2 * i] = distance[i];
            made[2 * i + 1] = turn[i];
        }
        memcpy(to + at, made, (size_t)(last - at < BLOCK ? last - at : BLOCK) * sizeof *to);
    }
}
