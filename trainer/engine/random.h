/*
 * random.h: counter-based random numbers (splitmix64: Steele, Lea, Flood 2014).
 *
 * A value depends on its key and index alone, so nothing but a counter has to be kept to go on exactly.
 */
#ifndef TRAINER_RANDOM_H
#define TRAINER_RANDOM_H

#include <stdint.h>

static inline uint64_t random_mix(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* Uniform in [0, 1), 24 bits: value `index` under `key`. */
static inline float random_uniform(uint64_t key, uint64_t index) {
    return (float)(random_mix(key + index) >> 40) / 16777216.0f;
}

#endif
