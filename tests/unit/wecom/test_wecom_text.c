/* Plain lines as Markdown, mentions, titles, what buttons say; and that the tables of these rules have teeth. */
#include "wecom_text.h"
#include "wecom_codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_markdown(void **state) {
    static const struct {
        const char *plain, *markdown;
    } rows[] = {
        /* as it is */
        {"#7 cnn 已开始:lr 0.01,批量 128。", "#7 cnn 已开始:lr 0.01,批量 128。"},
        {"▓▓▓▓░░░░ 970/1562 步 · 准确率 0.8906 ↑", "▓▓▓▓░░░░ 970/1562 步 · 准确率 0.8906 ↑"},
        {"val_loss 0.3(0, 1] a < b > c 3 * 4 x_y_z", "val_loss 0.3(0, 1] a < b > c 3 * 4 x_y_z"},
        {"adam | sgd, -1.5 + 2, 7. 8 & 9", "adam | sgd, -1.5 + 2, 7. 8 & 9"},
        {"", ""},
        /* lines */
        {"a\nb", "a  \nb"},
        {"a\n\nb", "a\n\nb"},
        {"a\n", "a\n"},
        {"  File \"x.py\"\n\tat y", "\u00a0\u00a0File \"x.py\"  \n\u00a0\u00a0\u00a0\u00a0at y"},
        {"一\r\n二", "一  \n二"},
        /* blocks */
        {"# 7", "\\# 7"},
        {"###### x", "\\###### x"},
        {"####### x", "####### x"},
        {"> 0.5", "\\> 0.5"},
        {"- x\n+ y\n* z", "\\- x  \n\\+ y  \n\\* z"},
        {"1. x\n12) y", "1\\. x  \n12\\) y"},
        {"a\n---\nb\n===", "a  \n\\---  \nb  \n\\==="},
        {"a | b\n|---|---|\n1 | 2", "a | b  \n\\|---|---|  \n1 | 2"},
        {"~~~\nx", "\\~\\~\\~  \nx"},
        {"    x = 1", "\u00a0\u00a0\u00a0\u00a0x = 1"},
        /* within a line */
        {"_x_ 损失_a", "\\_x\\_ 损失\\_a"},
        {"**bold** a*b", "\\*\\*bold\\*\\* a\\*b"},
        {"`rm`", "\\`rm\\`"},
        {"<b>x</b> <!-- y", "\\<b>x\\</b> \\<!-- y"},
        {"[x](http://y)", "\\[x\\](http://y)"},
        {"~~gone~~", "\\~\\~gone\\~\\~"},
        {"a &lt; b &#35;", "a \\&lt; b \\&#35;"},
        {"C:\\_x \\n", "C:\\\\\\_x \\n"},
        {"end\\", "end\\\\"},
        {"a\x07"
         "b\x1f",
         "ab"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *made = wecom_markdown(rows[i].plain, WECOM_CONTENT_MAX);
        assert_string_equal(made, rows[i].markdown);
        free(made);
    }
}

/* A reader that knows backslashes, blanks that do not break and hard breaks gets the plain text back. */
static void test_markdown_back(void **state) {
    static const char pieces[] = "ab_*`#<>|-+~[]()&;\\=1. \n\t>x";
    (void)state;
    uint64_t x = 88172645463325252u;
    for (int round = 0; round < 20000; round++) {
        char plain[64], back[512];
        size_t size = 0, length = 0;
        for (; size < 40; size++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            plain[size] = pieces[x % (sizeof pieces - 1)];
        }
        plain[size] = 0;
        char *made = wecom_markdown(plain, WECOM_CONTENT_MAX);
        for (const char *at = made; *at;) {
            if (*at == '\\' && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", at[1]) && at[1]) {
                back[length++] = at[1];
                at += 2;
            } else if (strncmp(at, "\u00a0\u00a0\u00a0\u00a0", 8) == 0) {
                back[length++] = '\t'; /* or four blanks: told apart below */
                at += 8;
            } else if (strncmp(at, "\u00a0", 2) == 0) {
                back[length++] = ' ';
                at += 2;
            } else {
                back[length++] = *at++;
            }
        }
        back[length] = 0;
        /* Compare without blanks: breaks and indents are written with them. */
        char one[512], two[512];
        size_t n = 0, m = 0;
        for (size_t i = 0; i < size; i++)
            if (plain[i] != ' ' && plain[i] != '\t') one[n++] = plain[i];
        for (size_t i = 0; i < length; i++)
            if (back[i] != ' ' && back[i] != '\t') two[m++] = back[i];
        one[n] = two[m] = 0;
        assert_string_equal(one, two);
        free(made);
    }
}

static void test_markdown_room(void **state) {
    (void)state;
    char *plain = malloc(20001);
    memset(plain, '`', 20000); /* escaped it would be 40,000 bytes */
    plain[20000] = 0;
    char *made = wecom_markdown(plain, WECOM_CONTENT_MAX);
    assert_string_equal(made, plain);
    free(made);
    memset(plain, '\t', 20000);
    made = wecom_markdown(plain, WECOM_CONTENT_MAX);
    assert_int_equal(strlen(made), 20000);
    free(made);
    free(plain);
}

static void test_mention(void **state) {
    static const char *const rows[][2] = {
        {"@TrainBot /runs", "/runs"},
        {"@TrainBot\u2005状态", "状态"},
        {" @训练 \n停止 7", "停止 7"},
        {"@a @b 状态", "状态"},
        {"状态 @TrainBot", "状态 @TrainBot"},
        {"@TrainBot", ""},
        {"", ""},
        {"@TrainBot ", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_string_equal(wecom_without_mention(rows[i][0]), rows[i][1]);
}

static void test_title(void **state) {
    char title[64];
    (void)state;
    wecom_title("#7 cnn\nmore", 26, title, sizeof title);
    assert_string_equal(title, "#7 cnn");
    wecom_title("一二三四五六七八九十一二三四五六七八九十一二三四五六七八", 26, title,
                128 > sizeof title ? sizeof title : 128);
    assert_string_equal(title, "一二三四五六七八九十一二三四五六七八九十一"); /* what 64 bytes hold, whole */
    wecom_title("😀😀😀", 5, title, sizeof title);
    assert_string_equal(title, "😀😀");
    wecom_title("#1 lr 0.001 → 0.0005,从第 412 步起生效。", 26, title, sizeof title);
    assert_string_equal(title, "#1 lr 0.001 → 0.0005");
    wecom_title("cnn #12 · 44 % · 准确率 0.7969 ↑", 22, title, sizeof title); /* "0.79" would be another number */
    assert_string_equal(title, "cnn #12 · 44 %");
    wecom_title("resume it 12345", 12, title, sizeof title);
    assert_string_equal(title, "resume it");
    wecom_title("\n\n", 26, title, sizeof title);
    assert_string_equal(title, "");
    wecom_title("ab\xe4\xb8", 26, title, sizeof title); /* a piece of a character */
    assert_string_equal(title, "ab");
}

static void test_button(void **state) {
    static const struct {
        const char *word, *command;
    } rows[] = {{"停止", "停止 7"}, {"plot", "plot 7"}, {"status", "status 7"},
                {"开始", "开始"},   {"列表", "列表"},   {"是", "是"}};
    char command[64];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        wecom_button_command(rows[i].word, 7, command, sizeof command);
        assert_string_equal(command, rows[i].command);
    }
    wecom_button_command("停止", 0, command, sizeof command);
    assert_string_equal(command, "停止");
}

static void test_line(void **state) {
    char line[16];
    (void)state;
    wecom_one_line("a\nb\x1b[31mc\x7f", line, sizeof line);
    assert_string_equal(line, "a b [31mc ");
    wecom_one_line("一二三四五六", line, sizeof line);
    assert_string_equal(line, "一二三四五");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markdown), cmocka_unit_test(test_markdown_back), cmocka_unit_test(test_markdown_room),
        cmocka_unit_test(test_mention),  cmocka_unit_test(test_title),         cmocka_unit_test(test_button),
        cmocka_unit_test(test_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
