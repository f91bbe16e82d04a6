/* The text of an ended run, written and read in one place so that file and socket never differ. */
#include "record.h"
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t record_format(const struct record *record, char text[RECORD_BYTES_MAX]) {
    int n =
        snprintf(text, RECORD_BYTES_MAX,
                 RECORD_FIRST_LINE "\nstarted %d\nexit %d\nsignal %d\noom %d\nended_ms %" PRId64 "\ndropped %" PRId64
                                   "\n",
                 record->started, record->exit_code, record->signal, record->oom, record->ended_ms, record->dropped);
    size_t size = (size_t)n;
    for (size_t i = 0; i < record->lines_count; i++)
        size += (size_t)snprintf(text + size, RECORD_BYTES_MAX - size, "line %.*s\n", LINES_BYTES, record->lines[i]);
    size += (size_t)snprintf(text + size, RECORD_BYTES_MAX - size, "end\n");
    return size;
}

bool record_number(const char *text, int64_t *ret) {
    if (!((*text >= '0' && *text <= '9') || (*text == '-' && text[1] >= '0' && text[1] <= '9'))) return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || *end) return false;
    *ret = value;
    return true;
}

static int read_key(struct record *record, const char *key, const char *value) {
    if (!strcmp(key, "line")) {
        if (record->lines_count == LINES_MAX || strlen(value) > LINES_BYTES) return -1;
        record->lines[record->lines_count++] = value;
        return 0;
    }
    static const char *const keys[] = {"started", "exit", "signal", "oom", "ended_ms", "dropped"};
    size_t which = 0, count = sizeof keys / sizeof *keys;
    while (which < count && strcmp(keys[which], key))
        which++;
    if (which == count) return 0;
    int64_t number;
    if (!record_number(value, &number)) return -1;
    if (which == 4) {
        record->ended_ms = number;
    } else if (which == 5) {
        record->dropped = number;
    } else {
        if (number < -1 || number > INT_MAX) return -1;
        if (which == 0) record->started = number != 0;
        if (which == 1) record->exit_code = (int)number;
        if (which == 2) record->signal = (int)number;
        if (which == 3) record->oom = number != 0;
    }
    return 0;
}

int record_parse(char *text, size_t size, struct record *ret) {
    static const char first[] = "trainbot-keeper ", last[] = "\nend\n";
    size_t known = size < sizeof first - 1 ? size : sizeof first - 1;
    if (memcmp(text, first, known) || size >= RECORD_BYTES_MAX) return -1;
    char *end = memmem(text, size, last, sizeof last - 1);
    if (!end) return 0;
    if (memchr(text, '\0', (size_t)(end - text))) return -1;
    end[1] = '\0'; /* behind the newline of the last line before "end" */

    struct record record = {.exit_code = -1};
    char *line = text;
    for (char *next; (next = strchr(line, '\n')); line = next + 1) {
        *next = '\0';
        char *value = strchr(line, ' ');
        if (!value) continue;
        *value++ = '\0';
        if (line == text) {
            int64_t version;
            if (!record_number(value, &version) || version < 1) return -1;
        } else if (read_key(&record, line, value) < 0) {
            return -1;
        }
    }
    *ret = record;
    return 1;
}
