/*
 * The codec against the shared fixtures: every line of good.jsonl comes back byte for byte, every line of bad.jsonl is
 * refused with its code, and from each good line every field of the table is taken away and made wrong in turn.
 */
#include "fixtures.h"
#include "wire_table.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int decode(const char *line, struct wire_frame *frame, struct wire_fault *fault) {
    size_t size = strlen(line);
    char *exact = malloc(size + 1); /* no NUL behind it, so that a sanitizer sees a read too far */
    assert_non_null(exact);
    memcpy(exact, line, size);
    char *shrunk = realloc(exact, size ? size : 1);
    int result = wire_decode(shrunk, size, frame, fault);
    free(shrunk);
    return result;
}

static void good_line(const char *line, void *user) {
    bool *seen = user;
    struct wire_frame frame;
    struct wire_fault fault;
    struct wire_buf buf = {0};
    if (decode(line, &frame, &fault) < 0) fail_msg("%s\n%s: %s", line, fault.code, fault.why);
    seen[frame.kind] = true;
    assert_int_equal(wire_encode(&frame, &buf), 0);
    assert_int_equal(buf.bytes[buf.size - 1], '\n');
    buf.bytes[buf.size - 1] = 0;
    assert_string_equal(buf.bytes, line);
    wire_buf_release(&buf);
    wire_frame_clear(&frame);
}

static void test_good_lines_come_back(void **state) {
    bool seen[WIRE_KINDS] = {false};
    (void)state;
    fixture_lines("good.jsonl", good_line, seen);
    for (int kind = 0; kind < WIRE_KINDS; kind++) /* a frame without a fixture is a frame without a test */
        if (!seen[kind]) fail_msg("no fixture for %s", wire_kind_name((enum wire_kind)kind));
}

static void readable_line(const char *line, void *user) {
    struct wire_frame frame;
    struct wire_fault fault;
    (void)user;
    if (decode(line, &frame, &fault) < 0) fail_msg("%s\n%s: %s", line, fault.code, fault.why);
    struct wire_buf buf = {0};
    assert_int_equal(wire_encode(&frame, &buf), 0);
    wire_frame_clear(&frame);
    if (wire_decode(buf.bytes, buf.size - 1, &frame, &fault) < 0) fail_msg("%s\n%s: %s", line, fault.code, fault.why);
    wire_frame_clear(&frame);
    wire_buf_release(&buf);
}

static void test_other_spellings_are_read(void **state) {
    (void)state;
    fixture_lines("read_only.jsonl", readable_line, NULL);
}

static void bad_line(const char *line, void *user) {
    cJSON *row = cJSON_Parse(line);
    const char *code = cJSON_GetStringValue(cJSON_GetObjectItem(row, "code"));
    const char *bytes = cJSON_GetStringValue(cJSON_GetObjectItem(row, "line"));
    struct wire_frame frame = {.seq = 12345};
    struct wire_fault fault = {0};
    (void)user;
    assert_non_null(code);
    if (decode(bytes, &frame, &fault) == 0) fail_msg("taken: %s", bytes);
    if (strcmp(fault.code, code) != 0) fail_msg("%s\n%s, not %s (%s)", bytes, fault.code, code, fault.why);
    assert_true(fault.why[0]);
    assert_int_equal(frame.seq, 12345); /* untouched */
    cJSON_Delete(row);
}

static void test_bad_lines_are_refused(void **state) {
    (void)state;
    fixture_lines("bad.jsonl", bad_line, NULL);
}

static bool needed(const struct wire_frame *frame, const struct wire_field *f) {
    if (f->type == WIRE_T_ROW)
        return strcmp(f->name, "epoch") != 0 && !(frame->kind == WIRE_PROGRESS && strcmp(f->name, "t_ms") == 0);
    if (f->type == WIRE_T_OLD || f->type == WIRE_T_VALUES) return frame->kind == WIRE_SET;
    return f->need == WIRE_MUST || (frame->kind == WIRE_EVENT && f->need >> 8 & 1u << frame->u.event.kind);
}

static void expect(const cJSON *object, bool good, const char *code, const char *field) {
    struct wire_frame frame;
    struct wire_fault fault;
    char *line = cJSON_PrintUnformatted(object);
    int result = decode(line, &frame, &fault);
    if (good && result < 0) fail_msg("%s without or with a wrong %s: %s %s", line, field, fault.code, fault.why);
    if (!good && result == 0) fail_msg("taken: %s", line);
    if (!good && strcmp(fault.code, code) != 0) fail_msg("%s: %s, not %s", line, fault.code, code);
    if (result == 0) wire_frame_clear(&frame);
    free(line);
}

static void mutate(const char *line, void *user) {
    struct wire_frame frame;
    struct wire_fault fault;
    (void)user;
    assert_int_equal(decode(line, &frame, &fault), 0);
    const struct wire_frame_row *row = wire_frame_row(frame.kind);
    for (size_t i = 0; i < row->fields_count; i++) {
        const struct wire_field *f = &row->fields[i];
        cJSON *object = cJSON_Parse(line);
        if (!cJSON_GetObjectItemCaseSensitive(object, f->name)) {
            cJSON_Delete(object);
            continue;
        }
        cJSON_ReplaceItemInObjectCaseSensitive(object, f->name, cJSON_Parse("[{}]"));
        bool empty_pair = frame.kind == WIRE_APPLIED && frame.u.applied.count == 0;
        expect(object, false, "bad_field", f->name);
        cJSON_DeleteItemFromObjectCaseSensitive(object, f->name);
        if ((f->type == WIRE_T_OLD || f->type == WIRE_T_VALUES) && frame.kind == WIRE_APPLIED)
            expect(object, empty_pair, "bad_field", f->name); /* one of the pair only */
        else
            expect(object, !needed(&frame, f), "missing_field", f->name);
        cJSON_AddNullToObject(object, f->name); /* null counts as absent */
        if (frame.kind != WIRE_APPLIED) expect(object, !needed(&frame, f), "missing_field", f->name);
        cJSON_Delete(object);
    }
    wire_frame_clear(&frame);
}

static void test_each_field_missing_and_wrong(void **state) {
    (void)state;
    fixture_lines("good.jsonl", mutate, NULL);
}

static void test_values_arrive(void **state) {
    struct wire_frame f;
    struct wire_fault fault;
    (void)state;
    assert_int_equal(decode("{\"type\":\"metrics\",\"seq\":2,\"cols\":[\"a\",\"b\"],\"rows\":[[1,5,null,0.25,\"nan\"],"
                            "[2,6,0.5,null,\"-inf\"]]}",
                            &f, &fault),
                     0);
    assert_int_equal(f.u.metrics.rows_count, 2);
    assert_int_equal(f.u.metrics.cols_count, 2);
    assert_true(wire_is_absent(f.u.metrics.epochs[0]) && f.u.metrics.epochs[1] == 0.5);
    assert_true(f.u.metrics.values[0] == 0.25 && isnan(f.u.metrics.values[1]) &&
                !wire_is_absent(f.u.metrics.values[1]));
    assert_true(wire_is_absent(f.u.metrics.values[2]) && f.u.metrics.values[3] == -INFINITY);
    assert_int_equal(f.u.metrics.steps[1], 2);
    assert_int_equal(f.u.metrics.t_ms[1], 6);
    wire_frame_clear(&f);
    assert_int_equal(decode("{\"type\":\"applied\",\"id\":\"a\",\"step\":5,\"old\":{\"b\":1,\"a\":0.5},"
                            "\"new\":{\"a\":2.5,\"b\":2}}",
                            &f, &fault),
                     0);
    assert_string_equal(f.u.applied.old_values[0].name, "a"); /* old stands in new's order */
    assert_true(f.u.applied.old_values[0].value.number == 0.5);
    wire_frame_clear(&f);
    assert_int_equal(decode("{\"type\":\"set\",\"id\":\"a\",\"params\":{\"x\":\"nan\",\"n\":9007199254740991}}", &f,
                            &fault),
                     0);
    assert_int_equal(f.u.set.params[0].value.type, WIRE_STRING);
    assert_true(isnan(f.u.set.params[0].value.number));
    assert_int_equal(f.u.set.params[1].value.type, WIRE_INT);
    assert_true(f.u.set.params[1].value.number == 9007199254740991.0);
    wire_frame_clear(&f);
}

static void test_utf8(void **state) {
    static const char *const wrong[] = {"\xff",
                                        "\x80",
                                        "\xc0\x80",
                                        "\xc3",
                                        "\xe0\x80\x80",
                                        "\xed\xa0\x80",
                                        "\xf0\x80\x80\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf8\x88\x80\x80\x80"};
    struct wire_frame frame;
    struct wire_fault fault;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"type\":\"pause\",\"id\":\"%s\"}", wrong[i]);
        assert_int_equal(decode(line, &frame, &fault), -1);
        assert_string_equal(fault.code, "not_utf8");
        struct wire_frame made = {.kind = WIRE_REJECTED}; /* a program's broken text becomes U+FFFD, never a bad line */
        made.u.rejected.id = "a";
        made.u.rejected.why = wrong[i];
        struct wire_buf buf = {0};
        assert_int_equal(wire_encode(&made, &buf), 0);
        assert_int_equal(wire_decode(buf.bytes, buf.size - 1, &frame, &fault), 0);
        assert_non_null(strstr(frame.u.rejected.why, "\xef\xbf\xbd"));
        wire_frame_clear(&frame);
        wire_buf_release(&buf);
    }
}

static void test_64_kib_edge(void **state) {
    struct wire_frame frame = {.kind = WIRE_EVENT}, back;
    struct wire_fault fault;
    struct wire_buf buf = {0};
    (void)state;
    const char *head = "{\"type\":\"ack\",\"x\":\"", *tail = "\",\"seq\":1}";
    for (size_t total = WIRE_FRAME_MAX - 2; total <= WIRE_FRAME_MAX; total++) { /* without the newline */
        char *line = malloc(total + 1);
        memset(line, 'x', total);
        memcpy(line, head, strlen(head));
        memcpy(line + total - strlen(tail), tail, strlen(tail));
        int result = wire_decode(line, total, &back, &fault);
        free(line);
        assert_int_equal(result, total < WIRE_FRAME_MAX ? 0 : -1);
        if (result < 0)
            assert_string_equal(fault.code, "too_long");
        else
            wire_frame_clear(&back);
    }
    char *text = malloc(WIRE_FRAME_MAX + 1);
    memset(text, 'y', WIRE_FRAME_MAX);
    text[WIRE_FRAME_MAX] = 0;
    frame.u.event = (struct wire_event){.kind = WIRE_EV_NOTE, .text = text};
    assert_int_equal(wire_encode(&frame, &buf), -1);
    assert_int_equal(buf.size, 0); /* as before */
    free(text);
    wire_buf_release(&buf);
}

static void test_rows_fill_frames(void **state) {
    enum { ROWS = 5000, COLS = 3 };
    static int64_t steps[ROWS], t_ms[ROWS];
    static double values[ROWS * COLS];
    static const char *const cols[COLS] = {"loss", "acc", "norm"};
    struct wire_rows rows = {
        .cols = cols, .cols_count = COLS, .rows_count = ROWS, .steps = steps, .t_ms = t_ms, .values = values};
    struct wire_buf buf = {0};
    size_t done = 0;
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        steps[i] = (int64_t)i + 1;
        t_ms[i] = 1700000000000 + (int64_t)i;
        for (size_t k = 0; k < COLS; k++)
            values[i * COLS + k] = 1.0 / (double)(i * COLS + k + 1);
    }
    while (done < ROWS) {
        struct wire_frame back;
        struct wire_fault fault;
        buf.size = 0;
        int n = wire_encode_rows(1, &rows, done, &buf);
        assert_true(n > 0);
        assert_true(buf.size <= WIRE_FRAME_MAX);
        if (done + (size_t)n < ROWS) assert_true(buf.size > WIRE_FRAME_MAX - 200); /* full, not merely legal */
        assert_int_equal(wire_decode(buf.bytes, buf.size - 1, &back, &fault), 0);
        assert_int_equal(back.u.metrics.rows_count, n);
        assert_memory_equal(back.u.metrics.values, values + done * COLS, (size_t)n * COLS * sizeof *values);
        assert_memory_equal(back.u.metrics.steps, steps + done, (size_t)n * sizeof *steps);
        wire_frame_clear(&back);
        done += (size_t)n;
    }
    wire_buf_release(&buf);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_lines_come_back),  cmocka_unit_test(test_other_spellings_are_read),
        cmocka_unit_test(test_bad_lines_are_refused), cmocka_unit_test(test_each_field_missing_and_wrong),
        cmocka_unit_test(test_values_arrive),         cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_64_kib_edge),           cmocka_unit_test(test_rows_fill_frames)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
