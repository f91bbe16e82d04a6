/* The control socket's lines: what is written is read back the same; what is malformed says what would be right. */
#include "console_codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_round_trip(void **state) {
    static const struct control_line lines[] = {
        {.kind = CONTROL_LINE_SEND, .text = (char *)(uintptr_t) "lr 0.1 \"quoted\"\n第二行"},
        {.kind = CONTROL_LINE_ATTACH, .after = -1},
        {.kind = CONTROL_LINE_ATTACH, .after = 9007199254740991},
        {.kind = CONTROL_LINE_SAY, .text = (char *)(uintptr_t) ""},
        {.kind = CONTROL_LINE_HELLO, .text = (char *)(uintptr_t) "1.0.0"},
        {.kind = CONTROL_LINE_REPLY, .text = (char *)(uintptr_t) "done", .image = (char *)(uintptr_t) "/a/b.png"},
        {.kind = CONTROL_LINE_DONE, .ok = true},
        {.kind = CONTROL_LINE_DONE},
        {.kind = CONTROL_LINE_MESSAGE,
         .id = 5,
         .rev = 9,
         .class = (char *)(uintptr_t) "alert",
         .text = (char *)(uintptr_t) "⚠"},
        {.kind = CONTROL_LINE_ERROR, .text = (char *)(uintptr_t) "no"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char *text = control_line_encode(&lines[i]), why[128] = "";
        assert_non_null(text);
        size_t size = strlen(text);
        assert_int_equal(text[size - 1], '\n');
        assert_ptr_equal(strchr(text, '\n'), text + size - 1); /* one line, whatever the text */
        struct control_line back;
        if (control_line_decode(text, size - 1, &back, why, sizeof why) < 0) fail_msg("%s: %s", text, why);
        assert_int_equal(back.kind, lines[i].kind);
        assert_string_equal(back.text ? back.text : "-", lines[i].text ? lines[i].text : "-");
        assert_string_equal(back.image ? back.image : "-", lines[i].image ? lines[i].image : "-");
        assert_string_equal(back.class ? back.class : "-", lines[i].class ? lines[i].class : "-");
        assert_int_equal(back.id, lines[i].id);
        assert_int_equal(back.rev, lines[i].rev);
        assert_int_equal(back.ok, lines[i].ok);
        if (lines[i].kind == CONTROL_LINE_ATTACH) assert_int_equal(back.after, lines[i].after);
        control_line_clear(&back);
        free(text);
    }
}

static void test_malformed(void **state) {
    static const struct {
        const char *line, *why;
    } rows[] = {
        {"", "JSON object"},
        {"[1]", "JSON object"},
        {"{", "JSON object"},
        {"{}", "type"},
        {"{\"type\":\"shout\"}", "type"},
        {"{\"type\":3}", "type"},
        {"{\"type\":\"send\"}", "text is missing"},
        {"{\"type\":\"say\",\"text\":null}", "text is missing"},
        {"{\"type\":\"send\",\"text\":7}", "strings"},
        {"{\"type\":\"attach\",\"after\":\"x\"}", "whole numbers"},
        {"{\"type\":\"attach\",\"after\":-2}", "whole numbers"},
        {"{\"type\":\"attach\",\"after\":1e300}", "whole numbers"},
        {"{\"type\":\"attach\",\"after\":1.5}", "whole numbers"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct control_line line = {.kind = CONTROL_LINE_DONE, .id = 42};
        char why[128] = "";
        assert_int_equal(control_line_decode(rows[i].line, strlen(rows[i].line), &line, why, sizeof why), TB_EINVAL);
        if (!strstr(why, rows[i].why)) fail_msg("%s: %s", rows[i].line, why);
        assert_int_equal(line.id, 42); /* untouched */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
