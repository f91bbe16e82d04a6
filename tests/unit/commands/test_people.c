/* Groups, strangers, chats that move, and what people see of the bot: typing, menus, 通道, 谁. */
#include "access_scene.h"
#include "channels_view.h"
#include "command.h"
#include "outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- groups ---- */

static void test_group_by_code(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 viewer", code);
    scene_inbound(s, "-grp", "boss", "列表", true);
    scene_inbound(s, "-grp", "stranger", code, true);
    scene_inbound(s, "-grp", "view", code, true); /* a viewer lets nobody in */
    assert_string_equal(scene_heard(&s->chat, "-grp"), "");
    assert_int_equal(rows_of(s, "-grp"), 0);
    scene_inbound(s, "-grp", "op", code, true);
    assert_true(heard(s, "-grp", "这个群可以用我了。"));
    assert_true(heard(s, "boss", "talk:-grp 这个群用你的配对码加进来了。"));
    assert_int_equal(access_role(s->bot, "talk", "op"), ROLE_OPERATOR);
    assert_int_equal(in_history(s, "talk", "-grp", code), 0);
    scene_forget(s);
    scene_inbound(s, "-grp", "stranger", "开始", true);
    scene_inbound(s, "-grp", "stranger", code, true);
    assert_string_equal(scene_heard(&s->chat, "-grp"), "");
    scene_inbound(s, "-grp", "view", "停止", true); /* the sender's own role */
    assert_true(heard(s, "-grp", "这个命令要操作者权限,你是查看者。"));
    scene_kill(s);
    scene_forget(s);
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    scene_progress(s, 10, 0.5, 0.8);
    assert_true(heard(s, "-grp", "cnn #1"));
    scene_inbound(s, "boss", "boss", "取消配对 talk:-grp", false);
    scene_forget(s);
    scene_pass(s, 60000);
    scene_progress(s, 20, 0.4, 0.9);
    scene_inbound(s, "-grp", "boss", "状态", true);
    assert_string_equal(scene_heard(&s->chat, "-grp"), "");
}

static void test_group_of_the_configuration(void **state) {
    static struct identity groups[] = {{"talk", "-team"}};
    struct scene *s = *state;
    s->settings.groups = groups;
    s->settings.groups_count = 1;
    scene_inbound(s, "-team", "boss", "列表", true);
    assert_true(heard(s, "-team", "还没有训练过"));
    assert_non_null(session_find(s->bot, "talk", "-team"));
    s->settings.groups_count = 0; /* and the bot is started anew */
    scene_restart(s);
    assert_null(session_find(s->bot, "talk", "-team"));
    scene_forget(s);
    scene_inbound(s, "-team", "boss", "列表", true);
    assert_string_equal(scene_heard(&s->chat, "-team"), "");
}

static void test_configuration_changes(void **state) {
    struct scene *s = *state;
    scene_inbound(s, "view", "view", "列表", false);
    assert_non_null(session_find(s->bot, "talk", "view"));
    s->settings.viewers_count = 0;
    scene_restart(s);
    assert_null(session_find(s->bot, "talk", "view"));
    scene_message(s, "boss", "开始", 0);
    scene_forget(s);
    scene_hello(s, 1, "cnn", 0.001);
    scene_progress(s, 10, 0.5, 0.8);
    assert_string_equal(scene_heard(&s->chat, "view"), "");
    s->settings.viewers_count = 1;
    scene_restart(s);
    assert_non_null(session_find(s->bot, "talk", "view"));
}

/* ---- strangers ---- */

static void test_flood_of_strangers(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    int rows = 0, told = 0;
    for (int i = 0; i < 4000; i++) {
        char who[20];
        snprintf(who, sizeof who, "str-%d", i);
        scene_inbound(s, who, who, i % 3 ? "hello" : "AAAAAAAA", false);
        scene_inbound(s, who, who, "hello again", false);
        scene_inbound(s, "-grp", who, "AAAAAAAA", true);
    }
    for (int i = 0; i < 4000; i++) {
        char who[20];
        snprintf(who, sizeof who, "str-%d", i);
        rows += rows_of(s, who);
        told += scene_heard(&s->chat, who)[0] != 0;
        assert_null(session_find(s->bot, "talk", who));
    }
    print_message("4000 strangers, 12000 messages: %d rows, %d answers, %d audited\n", rows, told,
                  in_audit(s, "wrong code"));
    assert_true(told > 0 && told <= 64);
    assert_true(rows <= 2 * 64 + 2 * 5);
    assert_true(in_audit(s, "wrong code") <= 5);
    assert_int_equal(rows_of(s, "-grp"), 0);
    scene_pass(s, 3600001);
    scene_inbound(s, "late", "late", "hello", false);
    assert_true(heard(s, "late", "你还没有权限"));
}

/* ---- moved ---- */

static void test_chat_moved(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 viewer", code);
    scene_inbound(s, "-1", "op", code, true);
    scene_inbound(s, "-1", "op", "静音 1-2", true);
    channel_set_state(&s->chat.channel, CHANNEL_DOWN, "no network");
    scene_inbound(s, "-1", "op", "列表", true);
    scene_inbound(s, "-1", "op", "取消配对", true);
    scene_forget(s);
    channel_chat_moved(&s->chat.channel, "-1", "-1001");
    scene_turn(s);
    scene_kill(s);
    channel_set_state(&s->chat.channel, CHANNEL_UP, NULL);
    scene_pass(s, 120000);
    assert_string_equal(scene_heard(&s->chat, "-1"), "");
    const char *text = scene_heard(&s->chat, "-1001");
    const char *first = strstr(text, "还没有训练过"), *second = strstr(text, "这个命令要主人权限");
    assert_true(first && second && first < second);
    assert_null(strstr(first + 1, "还没有训练过")); /* once */
    struct session *session = session_find(s->bot, "talk", "-1001");
    assert_non_null(session);
    assert_int_equal(session->mute_from, 60);
    assert_true(session->group);
    assert_null(session_find(s->bot, "talk", "-1"));
    assert_true(access_group(s->bot, "talk", "-1001"));
    assert_false(access_group(s->bot, "talk", "-1"));
}

/* The configuration still names the old id. */
static void test_configured_group_moved(void **state) {
    struct scene *s = *state;
    struct identity group = {.channel = "talk", .id = "-5"};
    s->settings.groups = &group;
    s->settings.groups_count = 1;
    scene_inbound(s, "-5", "op", "列表", true);
    assert_true(heard(s, "-5", "还没有训练过"));
    channel_chat_moved(&s->chat.channel, "-5", "-1005");
    scene_turn(s);
    for (int i = 0; i < 2; i++) {
        scene_forget(s);
        scene_inbound(s, "-1005", "op", "列表", true);
        assert_true(heard(s, "-1005", "还没有训练过"));
        scene_kill(s);
    }
    s->settings.groups = NULL;
    s->settings.groups_count = 0;
}

/* One was under way to the old id when the service told the new one. */
static void test_moved_under_way(void **state) {
    struct scene *s = *state;
    s->chat.hold = true;
    scene_inbound(s, "op", "op", "列表", false);
    int64_t id = s->chat.held;
    assert_true(id > 0);
    scene_inbound(s, "op", "op", "取消静音", false);
    scene_forget(s);
    s->chat.hold = false;
    channel_chat_moved(&s->chat.channel, "op", "op2");
    scene_turn(s);
    assert_true(heard(s, "op2", "本来就没有静音"));
    assert_true(bot_next_ms(s->bot) <= s->mono_ms + 1000);
    struct sent sent = {.status = SENT_RETRY, .retry_ms = 100};
    outbox_done(s->bot, id, &sent);
    scene_turn(s);
    scene_pass(s, 1000);
    scene_pass(s, 1000);
    assert_true(heard(s, "op2", "还没有训练过"));
    scene_pass(s, 60000);
    assert_int_equal(s->chat.heard_count, 2);
}

/* ---- typing ---- */

static void test_typing(void **state) {
    struct scene *s = *state;
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    s->chat.typing_on = s->chat.typing_off = 0;
    scene_inbound(s, "boss", "boss", "列表", false); /* answered at once */
    scene_pass(s, 1000);
    assert_int_equal(s->chat.typing_on, 0);
    scene_inbound(s, "boss", "boss", "lr 0.01", false);
    assert_int_equal(s->chat.typing_on, 0);
    assert_int_equal(commands_next_ms(s->bot) - s->mono_ms, 400);
    scene_pass(s, 400);
    assert_int_equal(s->chat.typing_on, 1);
    assert_string_equal(s->chat.typing_chat, "boss");
    scene_pass(s, 3999);
    assert_int_equal(s->chat.typing_on, 1);
    scene_pass(s, 1);
    assert_int_equal(s->chat.typing_on, 2);
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":9,\"old\":{\"lr\":0.001},\"new\":{\"lr\":0.01}",
                s->trainer.id);
    scene_turn(s);
    assert_int_equal(s->chat.typing_off, 1);
    scene_pass(s, 10000);
    assert_int_equal(s->chat.typing_on, 2);
    assert_int_equal(s->chat.typing_off, 1);
    scene_say_only(s, "lr 0.02", strlen("lr 0.02")); /* asked through the API, at a channel that is not there */
    scene_pass(s, 5000);
    assert_int_equal(s->chat.typing_on, 2);
}

/* ---- commands ---- */

static void test_menu(void **state) {
    (void)state;
    const char *name, *help;
    bool train = false;
    for (size_t i = 0; commands_menu(i, LANG_EN, &name, &help); i++) {
        assert_string_not_equal(name, "start");
        train = train || strcmp(name, "train") == 0;
    }
    assert_true(train);
}

static void test_greeting_starts_nothing(void **state) {
    struct scene *s = *state;
    scene_inbound(s, "boss", "boss", "/start", false);
    scene_inbound(s, "boss", "boss", " /START@SomeBot ", false);
    assert_int_equal(s->launches + s->captures, 0);
    assert_true(heard(s, "boss", "识别 10"));
    scene_message(s, "boss", "/runs", 0); /* a menu's Latin name does not make anybody an English reader */
    assert_true(heard(s, "boss", "还没有训练过"));
    assert_false(heard(s, "boss", "There is no run yet"));
    scene_message(s, "boss", "runs", 0);
    assert_true(heard(s, "boss", "There is no run yet"));
    scene_message(s, "boss", "/train", 0);
    assert_int_equal(s->launches, 1);
}

static void test_channels(void **state) {
    struct scene *s = *state;
    s->with_side = true;
    scene_restart(s);
    scene_message(s, "boss", "列表", 0);
    channel_set_state(&s->side.channel, CHANNEL_DOWN, "connection refused");
    scene_pass(s, 180000);
    const char *text = scene_say(s, "通道");
    assert_non_null(strstr(text, "talk · 连着 · 已发 1"));
    assert_non_null(strstr(text, "side · 断开 3 分钟:连接被拒绝"));
    text = scene_say(s, "channels");
    assert_non_null(strstr(text, "side · down for 3 min: connection refused"));
    channel_set_state(&s->side.channel, CHANNEL_UP, NULL);
    s->chat.channel.traits.budget = 10;
    s->chat.channel.traits.reserve = 3;
    s->chat.channel.traits.window_ms = 86400000;
    setenv("TZ", "UTC", 1);
    tzset();
    scene_message(s, "boss", "列表", 0);
    text = scene_say(s, "通道");
    assert_non_null(strstr(text, "boss · 还能发 9 条,到 "));
}

static void test_mute_in_chats(void **state) {
    struct scene *s = *state;
    setenv("TZ", "UTC", 1);
    tzset();
    scene_inbound(s, "boss", "boss", "列表", false);
    scene_inbound(s, "op", "op", "列表", false);
    scene_inbound(s, "op", "op", "静音", false);
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    scene_forget(s);
    scene_progress(s, 10, 0.5, 0.8);
    assert_true(heard(s, "boss", "cnn #1"));
    assert_string_equal(scene_heard(&s->chat, "op"), "");
    struct process_end end = {.exit_code = 1};
    runs_process_ended(s->bot, 1, &end);
    scene_pass(s, 5000);
    assert_true(heard(s, "boss", "⚠ #1 崩溃"));
    assert_true(heard(s, "op", "⚠ #1 崩溃")); /* alerts are never muted */
}

static void test_who(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    scene_inbound(s, "thief", "thief", "AAAAAAAA", false);
    scene_inbound(s, "thief", "thief", "AAAAAAAA", false);
    scene_inbound(s, "friend", "friend", code, false);
    scene_inbound(s, "view", "view", "停止", false);
    scene_inbound(s, "view", "view", "谁", false);
    scene_inbound(s, "boss", "boss", "取消配对 talk:friend", false);
    const char *text = scene_say(s, "谁");
    assert_non_null(strstr(text, "talk:thief · 配对 → 没执行:码不对"));
    assert_null(strstr(strstr(text, "talk:thief") + 1, "talk:thief"));
    assert_non_null(strstr(text, "talk:friend · 配对 → 已执行:操作者(talk:boss 的码)"));
    assert_non_null(strstr(text, "talk:view · 停止 → 没执行:这个命令要操作者权限"));
    assert_non_null(strstr(text, "talk:view · 谁 → 没执行:这个命令要主人权限"));
    assert_non_null(strstr(text, "talk:boss · 取消配对 talk:friend → 已执行"));
    text = scene_say(s, "who");
    assert_non_null(strstr(text, "talk:friend · pairing → done: operator, code of talk:boss"));
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_group_by_code),
        TEST(test_group_of_the_configuration),
        TEST(test_configuration_changes),
        TEST(test_flood_of_strangers),
        TEST(test_chat_moved),
        TEST(test_configured_group_moved),
        TEST(test_moved_under_way),
        TEST(test_typing),
        cmocka_unit_test(test_menu),
        TEST(test_greeting_starts_nothing),
        TEST(test_channels),
        TEST(test_mute_in_chats),
        TEST(test_who),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
