/* Any exit file: refused, incomplete, or read; what was read is written and read again as the same. */
#include "record.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char again[RECORD_BYTES_MAX];
    char *text = malloc(size ? size : 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    struct record first, second;
    if (record_parse(text, size, &first) == 1) {
        size_t written = record_format(&first, again);
        if (written >= RECORD_BYTES_MAX || record_parse(again, written, &second) != 1) abort();
        if (first.exit_code != second.exit_code || first.signal != second.signal || first.oom != second.oom ||
            first.started != second.started || first.ended_ms != second.ended_ms ||
            first.lines_count != second.lines_count)
            abort();
        for (size_t i = 0; i < first.lines_count; i++)
            if (strcmp(first.lines[i], second.lines[i])) abort();
    }
    free(text);
    return 0;
}
