/*
 * test_json_out.c: whatever text and number is written, what comes out is JSON that reads back as meant.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "json_out.h"
#include <cjson/cJSON.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *text_of(struct json_out *out) {
    size_t size = 0;
    json_raw(out, "", 1);
    char *text = json_out_take(out, &size);
    assert_non_null(text);
    return text;
}

static void shape(void **state) {
    struct json_out out = {0};
    (void)state;
    json_open(&out, '{');
    json_key(&out, "id");
    json_id(&out, INT64_MAX);
    json_key(&out, "list");
    json_open(&out, '[');
    json_int(&out, INT64_MIN);
    json_number(&out, 0.1);
    json_number(&out, NAN);
    json_number(&out, -INFINITY);
    json_null(&out);
    json_bool(&out, false);
    json_string(&out, NULL);
    json_open(&out, '{');
    json_close(&out, '}');
    json_value(&out, "[1]");
    json_value(&out, "");
    json_close(&out, ']');
    json_close(&out, '}');
    char *text = text_of(&out);
    assert_string_equal(text,
                        "{\"id\":\"9223372036854775807\",\"list\":[-9223372036854775808,0.1,\"nan\",\"-inf\",null,"
                        "false,null,{},[1],null]}");
    free(text);
}

static void strings(void **state) {
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"plain", "plain"},
        {"\"\\/\b\f\n\r\t\x01\x7f", "\"\\/\b\f\n\r\t\x01\x7f"},
        {"训练 ✓ 😀", "训练 ✓ 😀"},
        {"a\xff"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xc0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xed\xa0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"\xe8\xae", "\xEF\xBF\xBD\xEF\xBF\xBD"},
        {"</script>", "</script>"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct json_out out = {0};
        json_string(&out, rows[i].in);
        char *text = text_of(&out);
        cJSON *read = cJSON_Parse(text);
        assert_non_null(read);
        assert_string_equal(read->valuestring, rows[i].out);
        cJSON_Delete(read);
        free(text);
    }
}

static void numbers(void **state) {
    static const double values[] = {0, -0.0, 1, 0.1, 1.0 / 3, 5e-324, DBL_MAX, 1e21, 123456789.125, -2.5e-7};
    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct json_out out = {0};
        json_number(&out, values[i]);
        char *text = text_of(&out);
        double read = strtod(text, NULL);
        assert_memory_equal(&read, &values[i], sizeof(read));
        free(text);
    }
}

static void bound(void **state) {
    struct json_out out = {0};
    size_t size = 0;
    (void)state;
    char *piece = calloc(1, 1 << 20);
    assert_non_null(piece);
    for (int i = 0; i < 70; i++)
        json_raw(&out, piece, 1 << 20);
    free(piece);
    assert_true(out.failed);
    assert_true(out.size <= JSON_OUT_MAX);
    assert_null(json_out_take(&out, &size));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shape), cmocka_unit_test(strings), cmocka_unit_test(numbers),
                                       cmocka_unit_test(bound)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
