/* Any output: the lines are valid UTF-8 without control characters, at most 400 bytes, the same however it was cut up.
 */
#include "lines.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(const char *text) {
    static struct lines again;
    size_t size = strlen(text);
    if (!size || size > LINES_BYTES) abort();
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) abort();
    const char *got[LINES_MAX];
    lines_init(&again); /* what was repaired once needs no repair */
    lines_add(&again, text, size);
    if (lines_get(&again, got) != 1 || strcmp(got[0], text)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lines whole, pieces;
    const char *a[LINES_MAX], *b[LINES_MAX];
    lines_init(&whole);
    lines_init(&pieces);
    lines_add(&whole, data, size);
    for (size_t i = 0; i < size; i++)
        lines_add(&pieces, data + i, 1);
    size_t count = lines_get(&whole, a);
    if (lines_get(&pieces, b) != count || count > LINES_MAX) abort();
    for (size_t i = 0; i < count; i++) {
        if (strcmp(a[i], b[i])) abort();
        check_line(a[i]);
    }
    return 0;
}
