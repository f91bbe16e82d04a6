/*
 * Any bytes into the framing, in portions that the first byte chooses and as a whole: both must give the same lines,
 * and none may hold a newline, be empty, or be longer than the cap.
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t hash, lines;
};

static bool on_line(void *user, const char *line, size_t size) {
    struct sum *sum = user;
    sum->lines++;
    sum->hash = sum->hash * 31 + (line != NULL);
    if (!line) return true;
    if (size == 0 || size >= WIRE_FRAME_MAX || memchr(line, '\n', size)) abort();
    for (size_t i = 0; i < size; i++)
        sum->hash = sum->hash * 31 + (unsigned char)line[i];
    return true;
}

static struct sum feed(const char *bytes, size_t size, size_t portion) {
    struct wire_reader reader = {0};
    struct sum sum = {0};
    for (size_t at = 0; at < size; at += portion)
        if (wire_reader_feed(&reader, bytes + at, size - at < portion ? size - at : portion, on_line, &sum) < 0) break;
    if (reader.size >= WIRE_FRAME_MAX) abort();
    wire_reader_release(&reader);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const char *bytes = (const char *)data + 1;
    struct sum parts = feed(bytes, size - 1, (size_t)data[0] + 1), whole = feed(bytes, size - 1, size - 1);
    if (parts.hash != whole.hash || parts.lines != whole.lines) abort();
    return 0;
}
