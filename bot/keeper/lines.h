/*
 * lines.h: the last lines of a program's output as a person would have seen them: carriage returns overwrite, escape
 * sequences and control characters are gone, broken UTF-8 is U+FFFD, blank lines are left out. Fixed memory, no I/O;
 * any bytes are good input.
 */
#ifndef TRAINBOT_LINES_H
#define TRAINBOT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINES_MAX 20
#define LINES_BYTES 400 /* of UTF-8 in one line; a longer one keeps its beginning and ends with an ellipsis */

struct lines {
    char text[LINES_MAX + 1][LINES_BYTES + 1]; /* a ring; [current] is the line being written */
    unsigned current, count;
    size_t size;        /* bytes in the current line */
    bool cut, returned; /* the current line was too long; a \r came, the next character begins it anew */
    uint8_t escape;     /* enum escape in lines.c */
    uint8_t need, have; /* continuation bytes of a character still to come; bytes collected */
    uint8_t low, high;  /* what the next continuation byte may be */
    char partial[4];
};

void lines_init(struct lines *lines);
void lines_add(struct lines *lines, const void *data, size_t size);

/* Oldest first, the unfinished last line among them; each NUL-terminated, at most LINES_BYTES, borrowed until the next
 * call. Returns how many. */
size_t lines_get(struct lines *lines, const char *ret_lines[LINES_MAX]);

#endif
