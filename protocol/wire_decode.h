/*
 * wire_decode.h: what the decoder's two halves share: the state of one line, and how a fault is put into words.
 * Private to protocol/.
 */
#ifndef TRAINBOT_WIRE_DECODE_H
#define TRAINBOT_WIRE_DECODE_H

#include "wire_json.h"
#include "wire_table.h"

struct decoder {
    struct wire_arena *arena;
    struct wire_fault *fault; /* the caller's */
};

/* Fills the fault; always false. */
bool decode_fail(struct decoder *d, enum wire_fault_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Arena memory, zeroed; NULL with the fault filled. */
void *decode_take(struct decoder *d, size_t count, size_t bytes);

/* A finite number, or one of the words nan inf -inf. */
bool decode_number(const struct json *n, double *ret);
/* A parameter's or metric's name: 1 to WIRE_NAME_MAX bytes without control characters. */
bool decode_name_good(const char *name, size_t size);

/* metrics and progress: their rows, from the frame's object. */
bool decode_rows(struct decoder *d, const struct json *object, bool one_row, struct wire_rows *ret);

#endif
