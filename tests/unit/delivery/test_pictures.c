/* Pictures beside their texts, words in place of pictures, and splitting by bytes and by UTF-16 units. */
#include "outbox_state.h"
#include "stage.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t picture(struct stage *s, int64_t run, const char *path) {
    int64_t id = 0;
    struct image_record image = {.run = run, .t_ms = s->wall_ms, .title = "cats", .mime = "image/png", .path = path};
    assert_int_equal(store_image_add(s->store, &image, &id), TB_OK);
    return id;
}

static void add(struct stage *s, const char *text, int64_t image, int64_t run, const char *buttons) {
    struct outbox_message message = {.channel = "talk",
                                     .chat = "boss",
                                     .class = MESSAGE_REPLY,
                                     .text = text,
                                     .image = image,
                                     .run = run,
                                     .key = "",
                                     .buttons = buttons};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
    stage_turn(s);
}

static void test_text_goes_first(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    add(s, "words", picture(s, 0, "a.png"), 0, "yes");
    assert_int_equal(s->talk.count, 1);
    assert_string_equal(s->talk.texts[0], "words");
    assert_string_equal(s->talk.images[0], "");
    assert_string_equal(s->talk.buttons, "yes");
    stage_restart(s);
    s->talk.later = false;
    stage_chat_done(s, &s->talk, s->talk.ids[1], SENT_OK, "a"); /* again, after the restart */
    stage_turn(s);
    assert_int_equal(s->talk.count, 3);
    assert_string_equal(s->talk.texts[2], "");
    assert_non_null(strstr(s->talk.images[2], "/a.png"));
    assert_string_equal(s->talk.buttons, "");
}

static void test_caption(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.caption = true;
    s->talk.channel.traits.caption_max_units = 6;
    add(s, "字字字字字字", picture(s, 0, "a.png"), 0, "yes"); /* six units, eighteen bytes */
    assert_int_equal(s->talk.count, 1);
    assert_non_null(strstr(s->talk.images[0], "/a.png"));
    add(s, "😀😀😀字", picture(s, 0, "b.png"), 0, NULL); /* four characters, seven units */
    assert_int_equal(s->talk.count, 3);
    assert_string_equal(s->talk.texts[1], "😀😀😀字");
    assert_string_equal(s->talk.images[1], "");
    assert_string_equal(s->talk.texts[2], "");
    add(s, NULL, picture(s, 0, "c.png"), 0, "yes");
    assert_int_equal(s->talk.count, 4);
}

static void test_words_instead(void **state) {
    struct stage *s = *state;
    int64_t run = stage_start(s);
    struct stage_peer *peer = stage_hello(s, 0, "0123456789abcdef0123456789abcdef", "1");
    for (int i = 1; i <= 50; i++) {
        char values[64];
        snprintf(values, sizeof values, "\"loss\":%.3f", 2.0 / i);
        stage_step(s, peer, i, values);
    }
    stage_turn(s);
    int before = s->talk.count;
    s->talk.later = true;
    add(s, NULL, picture(s, run, "runs/1/images/plot-1-1.png"), run, NULL);
    add(s, "behind it", 0, 0, NULL);
    stage_chat_done(s, &s->talk, s->talk.ids[before], SENT_NO_IMAGE, NULL);
    stage_turn(s);
    assert_int_equal(s->talk.count, before + 2); /* in its place, at once */
    assert_int_equal(s->talk.ids[before + 1], s->talk.ids[before]);
    assert_string_equal(s->talk.images[before + 1], "");
    const char *text = s->talk.texts[before + 1];
    assert_non_null(strstr(text, "cnn #1"));
    assert_non_null(strstr(text, "█"));
    assert_null(strstr(text, "on the page")); /* there is none here */
    stage_restart(s);                         /* durable */
    assert_string_equal(s->talk.texts[before + 2], text);
    stage_chat_done(s, &s->talk, s->talk.ids[before + 2], SENT_OK, "x");
    stage_turn(s);
    assert_string_equal(s->talk.texts[before + 3], "behind it");
}

static void test_title_instead(void **state) {
    struct stage *s = *state;
    s->talk.later = true;
    add(s, NULL, picture(s, 0, "img-1.png"), 0, NULL);
    stage_chat_done(s, &s->talk, s->talk.ids[0], SENT_NO_IMAGE, NULL);
    stage_turn(s);
    assert_string_equal(s->talk.texts[1], "cats");
}

/* Whatever the limits: pieces fit, none cuts a character, and together they are the text but for the line ends. */
static void check_split(const char *text, size_t bytes, size_t units) {
    size_t left = strlen(text);
    while (left > 0) {
        size_t size = text_split(text, left, bytes, units);
        assert_in_range(size, 1, left);
        assert_true(text_fits(text, size, bytes, units));
        assert_true(size == left || ((unsigned char)text[size] & 0xc0) != 0x80);
        size_t skip = size + (size < left && text[size] == '\n');
        text += skip;
        left -= skip;
    }
}

static void test_split(void **state) {
    (void)state;
    static const char *const parts[] = {"a", "字", "😀", "\n", "é", " word "};
    unsigned random = 1;
    for (int round = 0; round < 2000; round++) {
        char text[400] = "";
        for (int i = 0; i < 60; i++) {
            random = random * 1103515245u + 12345u;
            strcat(text, parts[(random >> 16) % 6]);
        }
        check_split(text, 4 + (size_t)(round % 40), 0);
        check_split(text, 0, 2 + (size_t)(round % 23));
        check_split(text, 10 + (size_t)(round % 40), 3 + (size_t)(round % 17));
    }
    assert_int_equal(text_units("a字😀", 8), 4);
    assert_int_equal(text_split("😀😀", 8, 0, 3), 4);     /* a pair is not halved */
    assert_int_equal(text_split("ab\ncd", 5, 0, 4), 2); /* on the line's end */
    assert_int_equal(text_split("😀", 4, 2, 1), 4);      /* what cannot be split leaves whole */
}

/* Its run was deleted while it waited, and the bot has forgotten where it was. */
static void test_deleted(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.image = true;
    struct outbox_message message = {
        .channel = "talk", .chat = "boss", .class = MESSAGE_IMAGE, .text = "", .image = 4711, .key = ""};
    assert_int_equal(outbox_add(s->bot, &message, NULL), TB_OK);
    stage_turn(s);
    assert_int_equal(s->talk.count, 1);
    assert_string_equal(s->talk.texts[0], "(The picture was deleted with its run.)");
    assert_string_equal(s->talk.images[0], "");
}

static void test_units_hold(void **state) {
    struct stage *s = *state;
    s->talk.channel.traits.text_max_units = 10;
    add(s, "😀😀😀😀😀😀😀😀\n0123456789", 0, 0, "b1\nb2");
    assert_int_equal(s->talk.count, 3);
    assert_string_equal(s->talk.texts[0], "😀😀😀😀😀");
    assert_string_equal(s->talk.texts[1], "😀😀😀");
    assert_string_equal(s->talk.texts[2], "0123456789");
    assert_string_equal(s->talk.buttons, "b1\nb2"); /* with the last piece */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_text_goes_first), TEST(test_caption),    TEST(test_words_instead),     TEST(test_title_instead),
        TEST(test_deleted),         TEST(test_units_hold), cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
