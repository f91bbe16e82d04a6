/* sha256.c: FIPS 180-4, sections 4.1.2, 5 and 6.2. The constants are computed: the roots of the first primes. */
#include "sha256.h"

#include <string.h>

/* The first 32 bits of the fractional part of the square or cube root of a prime, by bisection in whole numbers. */
static uint32_t root_bits(unsigned prime, int power) {
    uint64_t low = 0, high = UINT64_C(1) << 36; /* root × 2^32 */
    unsigned __int128 goal_square = (unsigned __int128)prime << 64;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        unsigned __int128 square = (unsigned __int128)middle * middle;
        /* cubes would need 108 bits above the point: compare middle^2 × middle with prime × 2^96, both below 2^128 */
        int above = power == 2 ? square > goal_square : square * middle > (unsigned __int128)prime << 96;
        if (above)
            high = middle;
        else
            low = middle;
    }
    return (uint32_t)low;
}

struct tables {
    uint32_t k[64], h[8];
};

static void tables_fill(struct tables *t) {
    int found = 0;
    for (unsigned n = 2; found < 64; n++) {
        unsigned d = 2;
        while (d * d <= n && n % d)
            d++;
        if (d * d <= n) continue;
        if (found < 8) t->h[found] = root_bits(n, 2);
        t->k[found++] = root_bits(n, 3);
    }
}

static uint32_t turn(uint32_t v, int by) {
    return v >> by | v << (32 - by);
}

static void block(const struct tables *t, uint32_t h[8], const unsigned char *p) {
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t b = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t one = turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25), choose = (s[4] & s[5]) ^ (~s[4] & s[6]);
        uint32_t first = s[7] + one + choose + t->k[i] + w[i];
        uint32_t zero = turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22);
        uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += first;
        s[0] = first + zero + majority;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

void sha256_hex(const void *bytes, size_t size, char ret_hex[65]) {
    struct tables t;
    tables_fill(&t);
    uint32_t h[8];
    memcpy(h, t.h, sizeof h);
    const unsigned char *p = bytes;
    size_t left = size;
    for (; left >= 64; p += 64, left -= 64)
        block(&t, h, p);
    unsigned char last[128] = {0};
    if (left) memcpy(last, p, left);
    last[left] = 0x80;
    size_t padded = left < 56 ? 64 : 128;
    for (int i = 0; i < 8; i++)
        last[padded - 1 - (size_t)i] = (unsigned char)((uint64_t)size * 8 >> (8 * i));
    for (size_t i = 0; i < padded; i += 64)
        block(&t, h, last + i);
    for (int i = 0; i < 64; i++)
        ret_hex[i] = "0123456789abcdef"[h[i / 8] >> (28 - 4 * (i % 8)) & 15];
    ret_hex[64] = 0;
}
