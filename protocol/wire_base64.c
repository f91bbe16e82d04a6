/* wire_base64.c: see wire_base64.h. */
#include "wire_base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const uint8_t *bytes, size_t size, char *text) {
    char *out = text;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t v = (uint32_t)bytes[i] << 16;
        if (left > 1) v |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) v |= bytes[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[v & 63] : '=';
    }
    return (size_t)(out - text);
}

static int digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t base64_decode(const char *text, size_t size, uint8_t *bytes) {
    if (size % 4 != 0) return -1;
    size_t pad = 0;
    while (size && pad < 2 && text[size - 1 - pad] == '=')
        pad++;
    uint8_t *out = bytes;
    for (size_t i = 0; i < size; i += 4) {
        size_t given = i + 4 == size ? 4 - pad : 4;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int d = k < given ? digit(text[i + k]) : 0;
            if (d < 0) return -1;
            v = v << 6 | (uint32_t)d;
        }
        for (size_t k = 0; k < given - 1; k++)
            *out++ = (uint8_t)(v >> (16 - 8 * k));
        if (given < 4 && (v & (given == 3 ? 0xff : 0xffff)) != 0) return -1; /* bits that no byte holds */
    }
    return out - bytes;
}
