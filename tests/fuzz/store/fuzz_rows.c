/*
 * fuzz_rows.c: bytes as they might stand in a damaged database: decoding refuses them or gives a table that is in
 * order, and what was decoded encodes to something that decodes to the same again.
 */
#include "table.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds) {
    if (!holds) abort();
}

static void fuzz_ints(const uint8_t *data, size_t size, size_t count) {
    int64_t values[256], again[256];
    if (ints_decode(data, size, values, count) < 0) return;
    struct bytes bytes = {0};
    check(ints_encode(values, count, &bytes) == TB_OK);
    check(ints_decode(bytes.at, bytes.size, again, count) == TB_OK);
    check(memcmp(values, again, count * 8) == 0);
    bytes_release(&bytes);
}

static void fuzz_doubles(const uint8_t *data, size_t size, size_t count) {
    double values[256], again[256];
    size_t present;
    if (doubles_decode(data, size, values, count) < 0) return;
    struct bytes bytes = {0};
    check(doubles_encode(values, count, &bytes, &present) == TB_OK);
    if (present > 0) {
        check(doubles_decode(bytes.at, bytes.size, again, count) == TB_OK);
        check(memcmp(values, again, count * 8) == 0);
    }
    bytes_release(&bytes);
}

/* The input is cut into segments of the sizes that stand before them. */
static void fuzz_segments(const uint8_t *data, size_t size) {
    struct segments segments = {0};
    while (size > 2) {
        size_t part = (size_t)data[0] << 8 | data[1];
        if (part > size - 2) part = size - 2;
        if (segments_add(&segments, data + 2, part) < 0) break;
        data += 2 + part;
        size -= 2 + part;
    }
    struct table table;
    if (segments_build(&segments, NULL, &table) == TB_OK) {
        check(table.rows <= segments.rows);
        for (size_t i = 1; i < table.rows; i++)
            check(table.steps[i] > table.steps[i - 1]);
        struct bytes bytes = {0};
        for (size_t c = 0; c < table.columns_count; c++)
            check(blocks_encode(table.steps, table.columns[c].values, NULL, BLOCK_SHOWN, table.rows, &bytes) == TB_OK);
        bytes_release(&bytes);
        table_release(&table);
    }
    segments_release(&segments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t count = data[1];
    if (data[0] % 3 == 0) fuzz_ints(data + 2, size - 2, count);
    if (data[0] % 3 == 1) fuzz_doubles(data + 2, size - 2, count);
    if (data[0] % 3 == 2) fuzz_segments(data + 1, size - 1);
    return 0;
}
