/* Conversations: messages in, replies out, languages, muting, pairing, what is too old, and what a restart leaves. */
#include "scene.h"
#include "command.h"
#include "outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

static void test_message_and_duplicate(void **state) {
    struct scene *s = *state;
    struct inbound inbound = {.channel = "talk",
                              .chat = "boss",
                              .sender = "boss",
                              .service_id = "dup-1",
                              .text = "开始",
                              .size = strlen("开始")};
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    scene_turn(s);
    scene_describe(s, 0, scene_described_json);
    assert_int_equal(s->launches, 1);
    scene_hello(s, 1, "cnn", 0.001);
    assert_non_null(
        strstr(s->chat.sent, "#1 cnn 已开始:lr 0.001,批量 128,共 200,000 样本,每 10 步报告。曲线:发\"曲线\"。"));
    s->chat.sent[0] = 0;
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    scene_turn(s);
    assert_string_equal(s->chat.sent, "");
    assert_int_equal(s->launches, 1);
}

static void test_too_old(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_message(s, "boss", "开始", 23 * 60000 + 5000),
                        "\"开始\"是 23 分前写的,没有执行。还要的话请再发一次。");
    assert_string_equal(
        scene_message(s, "boss", "start", 130 * 60000),
        "\"start\" was written 2 h 10 min ago and was not carried out. Send it again if you still want it.");
    assert_string_equal(
        scene_message(s, "boss", "lr 0.01", 11 * 60000),
        "\"lr 0.01\" was written 11 min ago and was not carried out. Send it again if you still want it.");
    assert_int_equal(s->launches, 0);
    assert_string_equal(scene_message(s, "boss", "状态", 23 * 60000),
                        "还没有训练过。发\"开始\"就开始。"); /* reading is never too old */
    scene_message(s, "boss", "开始", 9 * 60000);
    assert_int_equal(s->launches, 1);
}

static void test_language_is_remembered(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_message(s, "boss", "lr abc", 0), "\"abc\" 不是数。lr 要在 (0, 1] 之间,例如:lr 0.0005");
    scene_message(s, "boss", "status", 0);
    assert_string_equal(scene_message(s, "boss", "lr abc", 0),
                        "\"abc\" is not a number. lr must be in (0, 1], for example: lr 0.0005");
    scene_restart(s);
    assert_string_equal(scene_message(s, "boss", "lr abc", 0),
                        "\"abc\" is not a number. lr must be in (0, 1], for example: lr 0.0005");
    assert_string_equal(scene_message(s, "boss", "学习率 abc", 0),
                        "\"abc\" 不是数。lr 要在 (0, 1] 之间,例如:lr 0.0005");
}

static void test_mute(void **state) {
    struct scene *s = *state;
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(scene_message(s, "boss", "取消静音", 0), "本来就没有静音。");
    assert_string_equal(scene_message(s, "boss", "静音 23:00-08:00", 0),
                        "每天 23:00 到 08:00 不报进度,告警照发。恢复:发\"取消静音\"。");
    scene_restart(s);
    struct session *session = session_get(s->bot, "talk", "boss");
    assert_non_null(session);
    int64_t day = 1700006400000; /* 2023-11-15 00:00 UTC */
    assert_true(session_muted(s->bot, session, day) && session_muted(s->bot, session, day + 479 * 60000));
    assert_false(session_muted(s->bot, session, day + 480 * 60000) ||
                 session_muted(s->bot, session, day + 1379 * 60000));
    assert_true(session_muted(s->bot, session, day + 1380 * 60000));
    assert_string_equal(scene_message(s, "boss", "unmute", 0), "Progress is reported again.");
    assert_false(session_muted(s->bot, session, day));
    assert_string_equal(scene_message(s, "boss", "静音 25:00-08:00", 0), "写法:静音 [23:00-08:00]");
    scene_message(s, "boss", "静音", 0);
    assert_true(session_muted(s->bot, session, day + 700 * 60000));
}

/* What an open request's asker is told after ten seconds, once, and what follows. */
static void test_slow_outcome(void **state) {
    struct scene *s = *state;
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    assert_string_equal(scene_message(s, "boss", "lr 0.01", 0), "");
    assert_true(bot_next_ms(s->bot) <= s->mono_ms + REQUEST_OPEN_MS);
    scene_pass(s, 9000);
    assert_string_equal(s->chat.sent, "");
    scene_pass(s, 1000);
    assert_string_equal(s->chat.sent, "已发出,还没生效。有结果我就告诉你。");
    scene_pass(s, 20000);
    assert_string_equal(s->chat.sent, "已发出,还没生效。有结果我就告诉你。");
    s->chat.sent[0] = 0;
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":9,\"old\":{\"lr\":0.001},\"new\":{\"lr\":0.01}",
                s->trainer.id);
    assert_string_equal(s->chat.sent, "#1 lr 0.001 → 0.01,从第 9 步起生效。");
}

static void test_detached_asker(void **state) {
    struct scene *s = *state;
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    scene_say(s, "lr 0.01");
    struct asker asker = {.channel = "talk", .chat = "boss", .sender = "boss", .role = ROLE_OWNER};
    uint64_t id = request_begin(s->bot, &asker, "lr 0.02", 7);
    assert_true(id > 0);
    request_detach(s->bot, id);
    scene_turn(s);
    s->chat.sent[0] = 0;
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":9,\"old\":{\"lr\":0.01},\"new\":{\"lr\":0.02}",
                s->trainer.id);
    assert_string_equal(s->chat.sent, "#1 lr 0.01 → 0.02,从第 9 步起生效。");
    assert_int_equal(s->done_calls, 0); /* the other asker's outcome is still open */
}

static void test_roles_by_identity(void **state) {
    struct scene *s = *state;
    assert_int_equal(access_role(s->bot, "talk", "boss"), ROLE_OWNER);
    assert_int_equal(access_role(s->bot, "talk", "op"), ROLE_OPERATOR);
    assert_int_equal(access_role(s->bot, "talk", "view"), ROLE_VIEWER);
    assert_int_equal(access_role(s->bot, "talk", "stranger"), ROLE_NONE);
    assert_int_equal(access_role(s->bot, "other", "boss"), ROLE_NONE);
    assert_int_equal(access_role(s->bot, "web", "token"), ROLE_OWNER);
    assert_int_equal(access_role(s->bot, "web", "x"), ROLE_NONE);
    assert_string_equal(scene_message(s, "view", "停止", 0), "这个命令要操作者权限,你是查看者。");
}

/* Strangers get one hint an hour and nothing else; nothing they say is carried out. */
static void test_strangers(void **state) {
    struct scene *s = *state;
    assert_non_null(strstr(scene_message(s, "stranger", "开始", 0), "你还没有权限"));
    assert_string_equal(scene_message(s, "stranger", "开始", 0), "");
    assert_string_equal(scene_message(s, "stranger", "帮助", 0), "");
    scene_pass(s, 3600001);
    assert_non_null(strstr(scene_message(s, "stranger", "帮助", 0), "你还没有权限"));
    assert_int_equal(s->launches + s->captures, 0);
    assert_null(sessions_first(s->bot)->next); /* they hear of no run */
}

static void read_code(const char *text, char code[9]) {
    const char *at = strstr(text, "配对码:");
    assert_non_null(at);
    snprintf(code, 9, "%s", at + strlen("配对码:"));
}

static void test_pairing(void **state) {
    struct scene *s = *state;
    char code[9], lower[9];
    assert_string_equal(scene_message(s, "boss", "配对 king", 0), "写法:配对 [operator|viewer] [通道]");
    read_code(scene_message(s, "boss", "配对 operator", 0), code);
    assert_null(strstr(scene_message(s, "boss", "谁", 0), code)); /* the audit holds no code */
    for (int i = 0; i < 9; i++)
        lower[i] = code[i] >= 'A' && code[i] <= 'Z' ? (char)(code[i] + 32) : code[i];
    assert_string_equal(scene_message(s, "friend", lower, 0),
                        "配对成功,你是操作者。发\"帮助\"看命令。\n---\ntalk:friend 用你的配对码成了操作者。");
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    scene_message(s, "second", code, 0); /* it works once */
    assert_int_equal(access_role(s->bot, "talk", "second"), ROLE_NONE);
    read_code(scene_message(s, "boss", "配对 viewer", 0), code);
    scene_pass(s, 600001);
    scene_message(s, "second", code, 0);
    assert_int_equal(access_role(s->bot, "talk", "second"), ROLE_NONE);
}

static void test_wrong_codes(void **state) {
    struct scene *s = *state;
    char code[9];
    read_code(scene_message(s, "boss", "配对 operator", 0), code);
    for (int i = 0; i < 4; i++)
        scene_message(s, "thief", "AAAAAAAA", 0);
    assert_null(strstr(s->chat.sent, "作废"));
    assert_non_null(
        strstr(scene_message(s, "thief", "AAAAAAAA", 0), "⚠ 配对码作废:有人猜错了五次(最后是 talk:thief)。"));
    scene_message(s, "friend", code, 0);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_NONE);
}

static void test_quit(void **state) {
    struct scene *s = *state;
    assert_string_equal(scene_message(s, "boss", "退出", 0), "要让 talk 退出登录吗?训练不受影响。60 秒内回\"是\"。");
    assert_int_equal(s->chat.logouts, 0);
    scene_message(s, "op", "是", 0); /* not the same person */
    assert_int_equal(s->chat.logouts, 0);
    assert_string_equal(scene_message(s, "boss", "是", 0), "talk 已退出。训练不受影响。");
    assert_int_equal(s->chat.logouts, 1);
    assert_string_equal(scene_say(s, "退出"), "网页没有登录可以退出。");
}

/* Stored but not handled when the bot died: carried out once after it is back. */
static void test_unhandled_after_restart(void **state) {
    struct scene *s = *state;
    struct message_record message = {.channel = "talk",
                                     .chat = "boss",
                                     .sender = "boss",
                                     .class = MESSAGE_INBOUND,
                                     .state = MESSAGE_NEW,
                                     .text = "静音 1-2",
                                     .key = "",
                                     .service_id = "left",
                                     .buttons = "",
                                     .created_ms = s->wall_ms};
    int64_t id = 0;
    assert_int_equal(store_message_receive(s->store, &message, &id), TB_OK);
    message.service_id = "left-2";
    message.text = "停止";
    message.created_ms = s->wall_ms - 20 * 60000;
    assert_int_equal(store_message_receive(s->store, &message, &id), TB_OK);
    s->chat.sent[0] = 0;
    scene_restart(s);
    scene_turn(s);
    assert_non_null(strstr(s->chat.sent, "每天 01:00 到 02:00 不报进度"));
    assert_non_null(strstr(s->chat.sent, "\"停止\"是 20 分前写的,没有执行。"));
    s->chat.sent[0] = 0;
    scene_restart(s);
    scene_turn(s);
    assert_string_equal(s->chat.sent, "");
}

/* A start that was launched never launches again, whenever the bot dies. */
static void test_start_once(void **state) {
    struct scene *s = *state;
    scene_message(s, "boss", "开始", 0);
    assert_int_equal(s->launches, 1);
    scene_restart(s);
    scene_turn(s);
    assert_int_equal(s->launches, 1);
}

/* The description is awaited when the bot dies: nothing has happened yet, so the start is carried out afterwards, once.
 */
static void test_start_waits_over_restart(void **state) {
    static void *lost; /* what the dead bot waited for; kept reachable, as no one frees a dead process's memory */
    struct scene *s = *state;
    struct inbound inbound = {.channel = "talk",
                              .chat = "boss",
                              .sender = "boss",
                              .service_id = "w-1",
                              .text = "开始",
                              .size = strlen("开始"),
                              .sent_ms = s->wall_ms};
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    scene_turn(s);
    assert_int_equal(s->captures, 1);
    lost = s->capture_user;
    s->capture_done = NULL;
    scene_restart(s);
    assert_non_null(lost);
    assert_int_equal(s->captures, 2);
    scene_describe(s, 0, scene_described_json);
    assert_int_equal(s->launches, 1);
    scene_restart(s);
    scene_turn(s);
    assert_int_equal(s->launches, 1);
}

/* One thing happened, one message: the reply says it, and no report repeats it to the same chat. */
static void test_nothing_is_told_twice(void **state) {
    struct scene *s = *state;
    scene_message(s, "boss", "开始", 0);
    int before = s->chat.messages;
    scene_hello(s, 1, "cnn", 0.001);
    assert_int_equal(s->chat.messages, before + 1);
    scene_message(s, "boss", "暂停", 0);
    before = s->chat.messages;
    scene_frame(s, "\"type\":\"event\",\"kind\":\"paused\",\"step\":5,\"id\":\"%s\"", s->trainer.id);
    assert_int_equal(s->chat.messages, before + 1);
    scene_message(s, "boss", "继续", 0);
    before = s->chat.messages;
    scene_frame(s, "\"type\":\"event\",\"kind\":\"resumed\",\"step\":5,\"id\":\"%s\"", s->trainer.id);
    assert_int_equal(s->chat.messages, before + 1);
    scene_message(s, "boss", "停止", 0);
    before = s->chat.messages;
    struct process_end end = {.exit_code = 0};
    scene_frame(s, "\"type\":\"bye\",\"status\":\"stopped\"");
    runs_process_ended(s->bot, 1, &end);
    scene_pass(s, 5000);
    assert_int_equal(s->chat.messages, before + 1);
    assert_non_null(strstr(s->chat.sent, "#1 已停在第"));
}

/* Asked before the bot died, answered after: the chat that asked hears the outcome. */
static void test_outcome_after_restart(void **state) {
    struct scene *s = *state;
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    assert_string_equal(scene_message(s, "boss", "lr 0.01", 0), "");
    assert_int_equal(s->trainer.sets, 1);
    scene_restart(s);
    scene_reconnect(s, 1, "cnn", 0.001);
    assert_int_equal(s->trainer.sets, 1); /* sent again */
    s->chat.sent[0] = 0;
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":9,\"old\":{\"lr\":0.001},\"new\":{\"lr\":0.01}",
                s->trainer.id);
    assert_string_equal(s->chat.sent, "#1 lr 0.001 → 0.01,从第 9 步起生效。");
    char *kept = NULL;
    assert_int_equal(store_get(s->store, "default/cnn/lr", &kept), TB_OK);
    assert_non_null(strstr(kept, " 0.01"));
    free(kept);
}

static void test_groups(void **state) {
    struct scene *s = *state;
    static struct identity groups[] = {{"talk", "team"}};
    struct inbound inbound = {.channel = "talk",
                              .chat = "elsewhere",
                              .sender = "boss",
                              .service_id = "g-1",
                              .text = "列表",
                              .size = strlen("列表"),
                              .group = true};
    s->chat.sent[0] = 0;
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    scene_turn(s);
    assert_string_equal(s->chat.sent, "");
    s->settings.groups = groups;
    s->settings.groups_count = 1;
    inbound.chat = "team";
    inbound.service_id = "g-2";
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    scene_turn(s);
    assert_non_null(strstr(s->chat.sent, "还没有训练过"));
    s->chat.sent[0] = 0;
    inbound.sender = "stranger";
    inbound.service_id = "g-3";
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    scene_turn(s);
    assert_string_equal(s->chat.sent, "");
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_message_and_duplicate),
        TEST(test_too_old),
        TEST(test_language_is_remembered),
        TEST(test_mute),
        TEST(test_slow_outcome),
        TEST(test_detached_asker),
        TEST(test_roles_by_identity),
        TEST(test_strangers),
        TEST(test_pairing),
        TEST(test_wrong_codes),
        TEST(test_quit),
        TEST(test_unhandled_after_restart),
        TEST(test_start_once),
        TEST(test_start_waits_over_restart),
        TEST(test_nothing_is_told_twice),
        TEST(test_outcome_after_restart),
        TEST(test_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
