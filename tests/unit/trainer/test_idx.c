/* test_idx.c: IDX files, whole, cut, damaged and of the wrong kind, plain and gzip. */
#include "idx.h"
#include "number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

static size_t put32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    return 4;
}

static size_t images_make(uint8_t *bytes, uint32_t count, uint32_t height, uint32_t width) {
    size_t n = put32(bytes, IDX_IMAGES);
    n += put32(bytes + n, count);
    n += put32(bytes + n, height);
    n += put32(bytes + n, width);
    for (size_t i = 0; i < (size_t)count * height * width; i++)
        bytes[n++] = (uint8_t)(i * 7);
    return n;
}

static size_t labels_make(uint8_t *bytes, uint32_t count) {
    size_t n = put32(bytes, IDX_LABELS);
    n += put32(bytes + n, count);
    for (uint32_t i = 0; i < count; i++)
        bytes[n++] = (uint8_t)(i % 10);
    return n;
}

static size_t pack(const uint8_t *plain, size_t size, uint8_t *packed, size_t room) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)plain;
    z.avail_in = (uInt)size;
    z.next_out = packed;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t done = z.total_out;
    deflateEnd(&z);
    return done;
}

static void refused(const uint8_t *bytes, size_t size, uint32_t magic, const char *expected) {
    struct idx idx = {.count = 77};
    char error[APP_ERROR_SIZE] = "";
    /* a copy of its exact size, so that a sanitizer sees any byte read beyond it */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    assert_int_equal(idx_decode(copy, size, magic, &idx, error), -1);
    free(copy);
    assert_int_equal(idx.count, 77);
    if (strstr(error, expected) == NULL) fail_msg("\"%s\" does not say \"%s\"", error, expected);
    assert_null(strchr(error, '\n'));
}

static void accepted(const uint8_t *bytes, size_t size, uint32_t magic, int64_t count) {
    struct idx idx;
    char error[APP_ERROR_SIZE] = "";
    if (idx_decode(bytes, size, magic, &idx, error) != 0) fail_msg("%s", error);
    assert_int_equal(idx.count, count);
    assert_int_equal(idx_peek_count(bytes, size, magic), count);
    size_t each = (size_t)(idx.height * idx.width);
    for (size_t i = 0; i < (size_t)count * each; i++)
        assert_int_equal(idx.values[i], magic == IDX_IMAGES ? (uint8_t)(i * 7) : i % 10);
    idx_release(&idx);
    assert_null(idx.values);
}

static uint8_t plain[16 + 28 * 28 * 5], packed[8192];

static void whole_files(void **state) {
    (void)state;
    size_t size = images_make(plain, 5, 28, 28);
    accepted(plain, size, IDX_IMAGES, 5);
    accepted(packed, pack(plain, size, packed, sizeof packed), IDX_IMAGES, 5);
    size = labels_make(plain, 23);
    accepted(plain, size, IDX_LABELS, 23);
    accepted(packed, pack(plain, size, packed, sizeof packed), IDX_LABELS, 23);
}

static void every_truncation(void **state) {
    (void)state;
    size_t size = images_make(plain, 2, 28, 28);
    for (size_t cut = 0; cut < size; cut++)
        refused(plain, cut, IDX_IMAGES, "truncated");
    size = pack(plain, images_make(plain, 2, 28, 28), packed, sizeof packed);
    for (size_t cut = 0; cut < size; cut++)
        refused(packed, cut, IDX_IMAGES, "");
}

/* A flipped bit is noticed, but for the few that deflate leaves unused: then the values must be the right ones. */
static void every_flipped_gzip_bit(void **state) {
    (void)state;
    size_t size = pack(plain, labels_make(plain, 64), packed, sizeof packed), unnoticed = 0;
    for (size_t at = 10; at < size; at++) { /* behind the gzip header, whose time and system may be anything */
        for (int bit = 0; bit < 8; bit++) {
            struct idx idx;
            char error[APP_ERROR_SIZE];
            packed[at] ^= (uint8_t)(1u << bit);
            if (idx_decode(packed, size, IDX_LABELS, &idx, error) == 0) {
                unnoticed++;
                assert_int_equal(idx.count, 64);
                assert_memory_equal(idx.values, plain + 8, 64);
                idx_release(&idx);
            }
            packed[at] ^= (uint8_t)(1u << bit);
        }
    }
    assert_true(unnoticed < 8);
    accepted(packed, size, IDX_LABELS, 64);
}

static void trailing_bytes(void **state) {
    (void)state;
    size_t size = labels_make(plain, 10);
    plain[size] = 0;
    refused(plain, size + 1, IDX_LABELS, "data follows");
    size_t zipped = pack(plain, size + 1, packed, sizeof packed);
    refused(packed, zipped, IDX_LABELS, "data follows");
    zipped = pack(plain, size, packed, sizeof packed);
    packed[zipped] = 'x';
    refused(packed, zipped + 1, IDX_LABELS, "data follows");
}

static void wrong_headers(void **state) {
    (void)state;
    size_t size = labels_make(plain, 10);
    refused(plain, size, IDX_IMAGES, "magic 0x00000801 instead of 0x00000803");
    size = images_make(plain, 2, 28, 28);
    refused(plain, size, IDX_LABELS, "magic");
    size = images_make(plain, 1, 32, 32);
    refused(plain, size, IDX_IMAGES, "32 x 32; they must be 28 x 28");
    size = images_make(plain, 2, 28, 28);
    put32(plain + 4, 0);
    refused(plain, size, IDX_IMAGES, "0 items");
    put32(plain + 4, 0xffffffffu);
    refused(plain, size, IDX_IMAGES, "items");
    put32(plain + 4, IDX_COUNT_MAX); /* 7.8 GB claimed: refused before any memory is asked for */
    refused(plain, size, IDX_IMAGES, "truncated");
    refused((const uint8_t *)"hello, this is text", 19, IDX_IMAGES, "magic");
    assert_int_equal(idx_peek_count(plain, 3, IDX_IMAGES), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_files),    cmocka_unit_test(every_truncation), cmocka_unit_test(every_flipped_gzip_bit),
        cmocka_unit_test(trailing_bytes), cmocka_unit_test(wrong_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
