/*
 * wire_reader.c: bytes in any portions → lines. A line that came in one portion is handed on without a copy; what
 * remains of a portion is kept, at most WIRE_FRAME_MAX bytes of it, so a peer that never sends a newline costs no more.
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

void wire_reader_release(struct wire_reader *reader) {
    free(reader->bytes);
    *reader = (struct wire_reader){0};
}

static int keep(struct wire_reader *r, const char *bytes, size_t size) {
    if (r->size + size > r->room) {
        size_t room = r->room ? r->room : 1024;
        while (room < r->size + size)
            room *= 2;
        char *grown = realloc(r->bytes, room);
        if (!grown) return -1;
        r->bytes = grown;
        r->room = room;
    }
    if (size) memcpy(r->bytes + r->size, bytes, size);
    r->size += size;
    return 0;
}

/* Hands on one line; false: stop. */
static bool hand_on(const char *line, size_t size, bool (*on_line)(void *, const char *, size_t), void *user) {
    if (size >= WIRE_FRAME_MAX) return on_line(user, NULL, 0);
    return size == 0 || on_line(user, line, size);
}

/* The lines in [bytes, bytes + size); returns how many bytes they took. */
static size_t split(struct wire_reader *r, const char *bytes, size_t size,
                    bool (*on_line)(void *, const char *, size_t), void *user, bool *ret_stopped) {
    size_t done = 0;
    while (done < size) {
        size_t from = done > r->scanned ? done : r->scanned;
        const char *newline = memchr(bytes + from, '\n', size - from);
        if (!newline) break;
        size_t end = (size_t)(newline - bytes), start = done;
        done = end + 1;
        bool skipped = r->skipping;
        r->skipping = false;
        if (!skipped && !hand_on(bytes + start, end - start, on_line, user)) {
            *ret_stopped = true;
            break;
        }
    }
    r->scanned = 0;
    return done;
}

/* What is left without a newline: too long already is reported at once, and its bytes are let go. */
static void cap(struct wire_reader *r, bool (*on_line)(void *, const char *, size_t), void *user) {
    if (!r->skipping && r->size >= WIRE_FRAME_MAX) {
        r->skipping = true;
        on_line(user, NULL, 0);
    }
    if (r->skipping) r->size = 0;
    r->scanned = r->size;
}

int wire_reader_feed(struct wire_reader *reader, const char *bytes, size_t size,
                     bool (*on_line)(void *user, const char *line, size_t size), void *user) {
    bool stopped = false;
    if (reader->size == 0) {
        size_t done = split(reader, bytes, size, on_line, user, &stopped);
        if (keep(reader, bytes + done, size - done) < 0) return -1;
    } else {
        if (keep(reader, bytes, size) < 0) return -1;
        size_t done = split(reader, reader->bytes, reader->size, on_line, user, &stopped);
        memmove(reader->bytes, reader->bytes + done, reader->size - done);
        reader->size -= done;
    }
    if (!stopped) cap(reader, on_line, user);
    return 0;
}
