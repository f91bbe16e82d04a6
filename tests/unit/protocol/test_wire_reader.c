/* Framing: the same lines whatever the portions, the 64 KiB edge, and getting back in step behind a line too long. */
#include "fixtures.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seen {
    char text[4096];
    size_t lines, long_lines, stop_after;
    size_t last_size;
};

static bool on_line(void *user, const char *line, size_t size) {
    struct seen *seen = user;
    size_t used = strlen(seen->text);
    seen->lines++;
    if (!line) {
        seen->long_lines++;
        strcat(seen->text, "LONG|");
    } else {
        seen->last_size = size;
        if (size < 100) snprintf(seen->text + used, sizeof seen->text - used, "%.*s|", (int)size, line);
    }
    return seen->stop_after == 0 || seen->lines < seen->stop_after;
}

static void test_every_split(void **state) {
    static const char bytes[] = "{\"a\":1}\n\n{\"b\":\"two\"}\n{}\nlast one\n";
    size_t size = sizeof bytes - 1;
    (void)state;
    for (size_t one = 0; one <= size; one++)
        for (size_t two = one; two <= size; two++) {
            struct wire_reader reader = {0};
            struct seen seen = {.text = ""};
            assert_int_equal(wire_reader_feed(&reader, bytes, one, on_line, &seen), 0);
            assert_int_equal(wire_reader_feed(&reader, bytes + one, two - one, on_line, &seen), 0);
            assert_int_equal(wire_reader_feed(&reader, bytes + two, size - two, on_line, &seen), 0);
            assert_string_equal(seen.text, "{\"a\":1}|{\"b\":\"two\"}|{}|last one|");
            assert_int_equal(reader.size, 0);
            wire_reader_release(&reader);
        }
}

/* A line of `size` bytes (newline not counted) in portions, then a short one. */
static struct seen feed_long(size_t size, size_t portion) {
    struct wire_reader reader = {0};
    struct seen seen = {.text = ""};
    char *bytes = malloc(size + 6);
    memset(bytes, 'x', size);
    memcpy(bytes + size, "\nnext\n", 6);
    for (size_t at = 0; at < size + 6; at += portion) {
        size_t left = size + 6 - at;
        assert_int_equal(wire_reader_feed(&reader, bytes + at, left < portion ? left : portion, on_line, &seen), 0);
        assert_true(reader.room <= 4 * WIRE_FRAME_MAX || portion > WIRE_FRAME_MAX); /* a hostile line costs no more */
    }
    free(bytes);
    wire_reader_release(&reader);
    return seen;
}

static void test_64_kib_edge(void **state) {
    static const size_t portions[] = {1, 1000, 4096, 65535, 65536, 65537, 1 << 20};
    (void)state;
    for (size_t i = 0; i < sizeof portions / sizeof *portions; i++) {
        struct seen fits = feed_long(WIRE_FRAME_MAX - 1, portions[i]), over = feed_long(WIRE_FRAME_MAX, portions[i]);
        assert_int_equal(fits.lines, 2);
        assert_string_equal(fits.text, "next|");
        assert_int_equal(over.long_lines, 1);
        assert_string_equal(over.text, "LONG|next|");
        if (portions[i] < 1000) continue;
        struct seen far = feed_long(10u << 20, portions[i]); /* 10 MB: told once, and in step again behind it */
        assert_string_equal(far.text, "LONG|next|");
    }
}

static void test_stop_keeps_the_rest(void **state) {
    struct wire_reader reader = {0};
    struct seen seen = {.text = "", .stop_after = 1};
    (void)state;
    assert_int_equal(wire_reader_feed(&reader, "one\ntwo\nthr", 11, on_line, &seen), 0);
    assert_string_equal(seen.text, "one|");
    seen.stop_after = 0;
    assert_int_equal(wire_reader_feed(&reader, "ee\n", 3, on_line, &seen), 0);
    assert_string_equal(seen.text, "one|two|three|");
    wire_reader_release(&reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_split), cmocka_unit_test(test_64_kib_edge),
                                       cmocka_unit_test(test_stop_keeps_the_rest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
