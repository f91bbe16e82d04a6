/*
 * record.h: how a trainer ended, as text: the file runs/N/exit, and the same lines on the control socket. Version 1;
 * a reader skips keys that it does not know, so a bot and a keeper of different age understand each other. Pure.
 *
 *   trainbot-keeper 1
 *   started 1          0: it was never executed, the line says why
 *   exit 1             -1: by a signal
 *   signal 0
 *   oom 0
 *   ended_ms 1732154400000
 *   dropped 0          bytes of output that output.log does not have (beyond what its bound cuts out)
 *   line the last output lines, oldest first
 *   end
 */
#ifndef TRAINBOT_RECORD_H
#define TRAINBOT_RECORD_H

#include "lines.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_FIRST_LINE "trainbot-keeper 1"
#define RECORD_BYTES_MAX (16 * 1024)

struct record {
    bool started, oom;
    int exit_code, signal;
    int64_t ended_ms, dropped;
    const char *lines[LINES_MAX];
    size_t lines_count;
};

/* Writes the text with a NUL behind it and returns its length, always less than RECORD_BYTES_MAX. */
size_t record_format(const struct record *record, char text[RECORD_BYTES_MAX]);

/* Reads `size` bytes of `text`, which it cuts into strings: ret->lines point into it. 1: read whole; 0: the end is
 * missing as yet (text is untouched, ret too); -1: this is no record. */
int record_parse(char *text, size_t size, struct record *ret);

/* A whole decimal number that fits; false: it is not one. */
bool record_number(const char *text, int64_t *ret);

#endif
