/*
 * bytes.h: little-endian fields in a bounded buffer, for checkpoint.c's head. Writing past the room and reading past
 * the end set `failed` and do nothing else, so a caller checks once at the end.
 */
#ifndef TRAINER_BYTES_H
#define TRAINER_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes_out {
    uint8_t *bytes;
    size_t size, room;
    bool failed;
};
void bytes_put(struct bytes_out *out, const void *data, size_t size);
void bytes_put_u64(struct bytes_out *out, uint64_t value);
void bytes_put_double(struct bytes_out *out, double value);
void bytes_put_text(struct bytes_out *out, const char *text); /* length u64, bytes */

struct bytes_in {
    const uint8_t *bytes;
    size_t size, at;
    bool failed;
};
uint64_t bytes_get_u64(struct bytes_in *in);
int64_t bytes_get_i64(struct bytes_in *in);
double bytes_get_double(struct bytes_in *in);
/* Into `text` of `room` bytes, terminated; a longer one, or one with a zero byte inside, fails. */
void bytes_get_text(struct bytes_in *in, char *text, size_t room);

#endif
