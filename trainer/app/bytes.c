/* bytes.c: see bytes.h. Pure, any thread. */
#include "bytes.h"

#include <string.h>

void bytes_put(struct bytes_out *out, const void *data, size_t size) {
    if (out->failed || out->room - out->size < size) {
        out->failed = true;
        return;
    }
    memcpy(out->bytes + out->size, data, size);
    out->size += size;
}

void bytes_put_u64(struct bytes_out *out, uint64_t value) {
    uint8_t raw[8];
    for (int i = 0; i < 8; i++)
        raw[i] = (uint8_t)(value >> (8 * i));
    bytes_put(out, raw, sizeof raw);
}

void bytes_put_double(struct bytes_out *out, double value) {
    uint64_t raw;
    memcpy(&raw, &value, sizeof raw);
    bytes_put_u64(out, raw);
}

void bytes_put_text(struct bytes_out *out, const char *text) {
    bytes_put_u64(out, strlen(text));
    bytes_put(out, text, strlen(text));
}

uint64_t bytes_get_u64(struct bytes_in *in) {
    if (in->failed || in->size - in->at < 8) {
        in->failed = true;
        return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)in->bytes[in->at + (size_t)i] << (8 * i);
    in->at += 8;
    return value;
}

int64_t bytes_get_i64(struct bytes_in *in) {
    uint64_t value = bytes_get_u64(in);
    if (value > INT64_MAX) in->failed = true;
    return in->failed ? 0 : (int64_t)value;
}

double bytes_get_double(struct bytes_in *in) {
    uint64_t raw = bytes_get_u64(in);
    double value;
    memcpy(&value, &raw, sizeof value);
    return value;
}

void bytes_get_text(struct bytes_in *in, char *text, size_t room) {
    uint64_t length = bytes_get_u64(in);
    text[0] = '\0';
    if (in->failed || length >= room || length > in->size - in->at || memchr(in->bytes + in->at, 0, length) != NULL) {
        in->failed = true;
        return;
    }
    memcpy(text, in->bytes + in->at, length);
    text[length] = '\0';
    in->at += length;
}
