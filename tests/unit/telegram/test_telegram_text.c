/* What of a message is meant for the bot, UTF-16 offsets, and buttons whose data nobody can make up. */
#include "telegram_codec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct telegram_me me = {.id = 77, .username = "Train_Bot"};
static const unsigned char key[TELEGRAM_KEY_SIZE] = "0123456789abcdef0123456789abcde";

static void heard(const char *text, bool group, const char *expected) {
    struct telegram_update update = {.kind = TELEGRAM_MESSAGE, .group = group, .text = text};
    char *found = NULL;
    assert_int_equal(telegram_heard(&update, &me, "帮助", &found), TB_OK);
    if (!expected && found) fail_msg("%s: heard as \"%s\"", text, found);
    if (expected && !found) fail_msg("%s: not heard", text);
    if (expected) assert_string_equal(found, expected);
    free(found);
}

static void commands(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"/start", "帮助"},
        {"/START", "帮助"},
        {" /start \n", "帮助"},
        {"/start@train_bot", "帮助"},
        {"/start AbCdEfGhIjKlMnOpQrSt_-", "AbCdEfGhIjKlMnOpQrSt_-"},
        {"/start@Train_Bot AbCdEfGhIjKlMnOpQrStUv", "AbCdEfGhIjKlMnOpQrStUv"},
        {"/start AbCdEfGhIjKlMnOpQrS", "start AbCdEfGhIjKlMnOpQrS"}, /* 19: a trainer's name */
        {"/start cnn lr=0.01", "start cnn lr=0.01"},
        {"/start AbCdEfGhIjKlMnOpQrSt k=v", "start AbCdEfGhIjKlMnOpQrSt k=v"},
        {"/starts", "starts"},
        {"/status", "status"},
        {"/status 7", "status 7"},
        {"/lr\n0.001", "lr 0.001"},
        {"/lr@TRAIN_BOT   0.001 ", "lr 0.001"},
        {"/停止 7", "停止 7"},
        {"/status@Other_Bot", NULL},
        {"/status@Train_Bo", NULL},
        {"/status@Train_Bott 7", NULL},
        {"/status@", NULL},
        {"/mail a@b", "mail a@b"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        heard(texts[i][0], false, texts[i][1]);
        heard(texts[i][0], true, texts[i][1]);
    }
}

static void talk(void **state) {
    (void)state;
    heard("状态", false, "状态");
    heard(" lr 0.001 ", false, " lr 0.001 ");
    heard("/", false, "/");
    heard("// x", false, "// x");
    heard("@Train_Bot 状态", false, "@Train_Bot 状态");
    heard("状态", true, NULL);
    heard("/", true, NULL);
    heard("@Train_Bot 状态", true, NULL); /* no entity: not what the service calls a mention */
}

static void hears_entity(const char *text, struct telegram_entity entity, const char *expected) {
    struct telegram_update update = {.kind = TELEGRAM_MESSAGE, .group = true, .text = text, .entities_count = 1};
    char *found = NULL;
    update.entities[0] = entity;
    assert_int_equal(telegram_heard(&update, &me, "help", &found), TB_OK);
    if (expected) assert_non_null(found);
    if (expected)
        assert_string_equal(found, expected);
    else
        assert_null(found);
    free(found);
}

static void mentions_in_groups(void **state) {
    (void)state;
    struct telegram_entity entity = {.kind = TELEGRAM_MENTION, .offset = 0, .length = 10};
    hears_entity("@Train_Bot 状态", entity, "状态");
    hears_entity("@tRAIN_bOT", entity, "");
    hears_entity("@Other_Bot 状态", entity, NULL);
    entity.offset = 3; /* "状态 " */
    hears_entity("状态 @Train_Bot", entity, "状态");
    entity.offset = 6; /* two emoji are four units, and two blanks */
    hears_entity("\xF0\x9F\x98\x80\xF0\x9F\x98\x80  @Train_Bot lr 1", entity,
                 "\xF0\x9F\x98\x80\xF0\x9F\x98\x80    lr 1");
    entity.offset = 1; /* inside a pair */
    hears_entity("\xF0\x9F\x98\x80@Train_Bot", entity, NULL);
    entity = (struct telegram_entity){.kind = TELEGRAM_MENTION, .offset = 0, .length = 4000000000000};
    hears_entity("@Train_Bot", entity, NULL);
    entity = (struct telegram_entity){.kind = TELEGRAM_TEXT_MENTION, .offset = 0, .length = 2, .user = 77};
    hears_entity("小白 状态", entity, "状态");
    entity.user = 78;
    hears_entity("小白 状态", entity, NULL);
}

static void answers_in_groups(void **state) {
    (void)state;
    struct telegram_update update = {.kind = TELEGRAM_MESSAGE, .group = true, .text = "停止", .reply_to = 77};
    char *found = NULL;
    assert_int_equal(telegram_heard(&update, &me, "help", &found), TB_OK);
    assert_string_equal(found, "停止");
    free(found);
    update.reply_to = 78;
    assert_int_equal(telegram_heard(&update, &me, "help", &found), TB_OK);
    assert_null(found);
}

static void utf16(void **state) {
    (void)state;
    const char *text = "a停\xF0\x9F\x98\x80z";
    assert_int_equal(telegram_utf16_offset(text, 0), 0);
    assert_int_equal(telegram_utf16_offset(text, 1), 1);
    assert_int_equal(telegram_utf16_offset(text, 2), 4);
    assert_true(telegram_utf16_offset(text, 3) == SIZE_MAX);
    assert_int_equal(telegram_utf16_offset(text, 4), 8);
    assert_int_equal(telegram_utf16_offset(text, 5), 9);
    assert_true(telegram_utf16_offset(text, 6) == SIZE_MAX);
    assert_int_equal(telegram_utf16_offset("\xff\xff", 2), 2);
}

static void cleaned(const char *text, const char *expected) {
    char *clean = telegram_clean(text);
    assert_string_equal(clean, expected);
    free(clean);
}

static void clean_text(void **state) {
    (void)state;
    cleaned("a\tb\nc 停\xF0\x9F\x98\x80", "a\tb\nc 停\xF0\x9F\x98\x80");
    cleaned("a\x01\x1b[31mb\x7f\r\n", "a[31mb\n");
    cleaned("\xC2\x85x\xC2\xA0", "x\xC2\xA0"); /* C1 controls go, the no-break space stays */
    cleaned("\xff", "\xEF\xBF\xBD");
    cleaned("\xE5\x81", "\xEF\xBF\xBD\xEF\xBF\xBD");
    cleaned("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    cleaned("\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD");
    cleaned("\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

/* ---- buttons ---- */

static void data_is_ours_alone(void **state) {
    (void)state;
    char data[TELEGRAM_DATA_MAX + 1], text[64], forged[TELEGRAM_DATA_MAX + 1];
    enum telegram_press press = TELEGRAM_PRESS_DECLINE;
    assert_true(telegram_data_make(key, 5, TELEGRAM_PRESS_SAY, "停止 7", data, sizeof data));
    assert_int_equal(strlen(data), strlen("停止 7") + 9);
    /* HMAC-SHA256 by another implementation (Python's hmac) */
    assert_string_equal(data, "停止 7|94810a7c");
    assert_true(telegram_data_read(key, 5, data, &press, text, sizeof text));
    assert_int_equal(press, TELEGRAM_PRESS_SAY);
    assert_string_equal(text, "停止 7");
    assert_false(telegram_data_read(key, 6, data, &press, text, sizeof text)); /* of another chat */
    unsigned char other[TELEGRAM_KEY_SIZE] = {0};
    assert_false(telegram_data_read(other, 5, data, &press, text, sizeof text));
    for (size_t i = 0; i < strlen(data); i++) { /* every byte counts */
        strcpy(forged, data);
        forged[i] ^= 1;
        assert_false(telegram_data_read(key, 5, forged, &press, text, sizeof text));
    }
    static const char *const made_up[] = {
        "", "|", "停止 7", "停止 7|", "停止 7|00000000", "停止 7|0000000000000000", "|00000000"};
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; i++)
        assert_false(telegram_data_read(key, 5, made_up[i], &press, text, sizeof text));
    assert_string_equal(text, "停止 7");
}

static void a_question_is_not_its_answer(void **state) {
    (void)state;
    struct telegram_button buttons[2];
    enum telegram_press press;
    char text[64], say[TELEGRAM_DATA_MAX + 1];
    assert_true(telegram_buttons_confirm(key, 5, "停止 7", buttons));
    assert_string_equal(buttons[0].label, "确认停止 #7");
    assert_string_equal(buttons[1].label, "不");
    assert_true(telegram_data_make(key, 5, TELEGRAM_PRESS_SAY, "停止 7", say, sizeof say));
    assert_true(telegram_data_read(key, 5, buttons[0].data, &press, text, sizeof text));
    assert_int_equal(press, TELEGRAM_PRESS_CONFIRM);
    assert_string_equal(text, "停止 7");
    assert_true(telegram_data_read(key, 5, buttons[1].data, &press, text, sizeof text));
    assert_int_equal(press, TELEGRAM_PRESS_DECLINE);
    /* the nonce of the first button does not confirm the second */
    char forged[TELEGRAM_DATA_MAX + 2];
    snprintf(forged, sizeof forged, "!%s", say);
    assert_false(telegram_data_read(key, 5, forged, &press, text, sizeof text));
    assert_true(telegram_buttons_confirm(key, 5, "stop", buttons));
    assert_string_equal(buttons[0].label, "confirm stop");
    assert_string_equal(buttons[1].label, "no");
    assert_true(telegram_text_stops("停止 7"));
    assert_true(telegram_text_stops("stop"));
    assert_false(telegram_text_stops("stopped"));
    assert_false(telegram_text_stops("停止训练"));
}

static void quick_replies_become_buttons(void **state) {
    (void)state;
    struct telegram_button buttons[TELEGRAM_BUTTONS_MAX];
    enum telegram_press press;
    char text[64];
    assert_int_equal(telegram_buttons_make(key, 5, 7, "暂停\n停止\n曲线", buttons, TELEGRAM_BUTTONS_MAX), 3);
    assert_string_equal(buttons[1].label, "停止");
    assert_true(telegram_data_read(key, 5, buttons[1].data, &press, text, sizeof text));
    assert_string_equal(text, "停止 7");
    assert_int_equal(telegram_buttons_make(key, 5, 7, "开始\nplot\nruns", buttons, TELEGRAM_BUTTONS_MAX), 3);
    assert_true(telegram_data_read(key, 5, buttons[0].data, &press, text, sizeof text));
    assert_string_equal(text, "开始");
    assert_true(telegram_data_read(key, 5, buttons[1].data, &press, text, sizeof text));
    assert_string_equal(text, "plot 7");
    assert_int_equal(telegram_buttons_make(key, 5, 0, "停止\n\n-x\n!y\n是", buttons, TELEGRAM_BUTTONS_MAX), 2);
    assert_true(telegram_data_read(key, 5, buttons[0].data, &press, text, sizeof text));
    assert_string_equal(text, "停止");
    assert_string_equal(buttons[1].label, "是");
    /* 55 bytes fit beside the nonce, 56 do not */
    char longest[80] = "";
    memset(longest, 'x', 55);
    assert_int_equal(telegram_buttons_make(key, 5, 7, longest, buttons, TELEGRAM_BUTTONS_MAX), 1);
    assert_int_equal(strlen(buttons[0].data), TELEGRAM_DATA_MAX);
    assert_true(telegram_data_read(key, 5, buttons[0].data, &press, text, sizeof text));
    memset(longest, 'x', 56);
    assert_int_equal(telegram_buttons_make(key, 5, 7, longest, buttons, TELEGRAM_BUTTONS_MAX), 0);
    assert_int_equal(telegram_buttons_make(key, 5, 7, "a\nb\nc", buttons, 2), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands),
        cmocka_unit_test(talk),
        cmocka_unit_test(mentions_in_groups),
        cmocka_unit_test(answers_in_groups),
        cmocka_unit_test(utf16),
        cmocka_unit_test(clean_text),
        cmocka_unit_test(data_is_ours_alone),
        cmocka_unit_test(a_question_is_not_its_answer),
        cmocka_unit_test(quick_replies_become_buttons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
