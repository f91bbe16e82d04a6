/* Decimal text against the C library, in locales whose point is a comma, for ordinary, odd and random doubles. */
#include "fixtures.h"
#include "wire.h"
#include "wire_number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fewest digits that libc needs for v. */
static int fewest(double v) {
    char text[64];
    for (int digits = 1; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, v);
        if (strtod(text, NULL) == v) return digits;
    }
    return 17;
}

static int digits_of(const char *text) {
    int digits = 0, zeros = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (*text == '0' && digits == 0)) continue;
        digits++;
        zeros = *text == '0' ? zeros + 1 : 0;
    }
    return digits - zeros;
}

static void check(double v) {
    char text[32];
    struct wire_number back;
    size_t size = wire_format_double(v, text, sizeof text);
    assert_int_equal(size, strlen(text));
    if (strtod(text, NULL) != v) fail_msg("%a as %s reads back %a", v, text, strtod(text, NULL));
    if (digits_of(text) > fewest(v)) fail_msg("%a as %s: %d digits would do", v, text, fewest(v));
    const char *at = text;
    assert_true(wire_number_scan(&at, text + size, &back));
    assert_ptr_equal(at, text + size);
    if (back.value != v) fail_msg("%s is read as %a, not %a", text, back.value, v);
}

static uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void test_round_trips(void **state) {
    static const double some[] = {0.1,
                                  1.0 / 3,
                                  1e21,
                                  1e22,
                                  1e23,
                                  123456789012345678.0,
                                  9007199254740993.0,
                                  5e-324,
                                  2.2250738585072014e-308,
                                  1.7976931348623157e308,
                                  0.001,
                                  1e-4,
                                  1e-5,
                                  123.456,
                                  1e17,
                                  1e18,
                                  3.5e-10,
                                  2.5};
    uint64_t x = 88172645463325252u;
    (void)state;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        check(some[i]);
    for (int two = -1074; two < 1024; two++)
        check(ldexp(1, two)); /* where the spacing changes */
    for (int i = 0; i < 60000; i++) {
        uint64_t bits = next_random(&x);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v)) check(fabs(v));
        check((double)(float)((double)(next_random(&x) >> 11) / 9007199254740992.0)); /* what a training logs */
        check((double)(next_random(&x) % 1000000) / 1000);
    }
}

/* Numbers with 1 to 25 digits and small exponents: the quick path's borders. */
static void test_reads_like_libc(void **state) {
    uint64_t x = 362436069;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char text[64];
        int digits = 1 + (int)(next_random(&x) % 25), n = 0;
        text[n++] = (char)('1' + next_random(&x) % 9);
        for (int k = 1; k < digits; k++) {
            if (k == 1) text[n++] = '.';
            text[n++] = (char)('0' + next_random(&x) % 10);
        }
        n += snprintf(text + n, sizeof text - (size_t)n, "e%d", (int)(next_random(&x) % 80) - 40);
        struct wire_number number;
        const char *at = text;
        assert_true(wire_number_scan(&at, text + n, &number));
        if (number.value != strtod(text, NULL)) fail_msg("%s is read as %a", text, number.value);
    }
    /* exactly between two doubles: ties go to the even one, whatever the path */
    static const char *const ties[] = {"9007199254740993", "9007199254740995", "1.00000000000000011102230246251565404",
                                       "0.500000000000000166533453693773481063544750213623046875"};
    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++) {
        struct wire_number number;
        const char *at = ties[i];
        assert_true(wire_number_scan(&at, at + strlen(at), &number));
        assert_true(number.value == strtod(ties[i], NULL));
    }
}

static void test_words_and_forms(void **state) {
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0, "0"},
                {-0.0, "-0"},
                {1, "1"},
                {-1.5, "-1.5"},
                {0.001, "0.001"},
                {1e21, "1e21"},
                {123456789, "123456789"},
                {NAN, "nan"},
                {INFINITY, "inf"},
                {-INFINITY, "-inf"},
                {1.5e-7, "1.5e-7"},
                {1e16, "1e16"},
                {9007199254740992.0, "9.007199254740992e15"},
                {2251799813685248.5, "2251799813685248.5"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[32];
        wire_format_double(rows[i].value, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
    char small[4];
    assert_int_equal(wire_format_double(0.125, small, sizeof small), 3); /* cut, never over the end */
    assert_true(wire_is_absent(wire_absent()) && isnan(wire_absent()) && !wire_is_absent(NAN));
}

static void test_integers_are_exact(void **state) {
    static const struct {
        const char *text;
        bool whole;
        int64_t value;
    } rows[] = {{"9007199254740993", true, 9007199254740993},
                {"-9223372036854775807", true, -9223372036854775807},
                {"9223372036854775808", false, 0},
                {"1e3", true, 1000},
                {"1.5", false, 0},
                {"2.0", true, 2},
                {"1e300", false, 0},
                {"99999999999999999999", false, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wire_number n;
        const char *at = rows[i].text;
        assert_true(wire_number_scan(&at, at + strlen(at), &n));
        assert_int_equal(n.is_integer, rows[i].whole);
        if (rows[i].whole) assert_true(n.integer == rows[i].value);
    }
}

static void test_comma_locale(void **state) {
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    struct wire_number n;
    const char *text = "5e-324", *at = text;
    char out[32];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (setlocale(LC_ALL, names[i])) break;
    assert_true(wire_number_scan(&at, text + strlen(text), &n)); /* the slow path, which asks libc */
    assert_true(n.value == 5e-324);
    wire_format_double(1.2345e-200, out, sizeof out);
    setlocale(LC_ALL, "C");
    assert_string_equal(out, "1.2345e-200");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips), cmocka_unit_test(test_reads_like_libc),
                                       cmocka_unit_test(test_words_and_forms),
                                       cmocka_unit_test(test_integers_are_exact), cmocka_unit_test(test_comma_locale)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
