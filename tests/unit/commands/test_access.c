/* Who may do what: codes, owners, logins, and what each of them hears. */
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

/* ---- codes ---- */

static void test_code_leaves_no_trace(void **state) {
    struct scene *s = *state;
    char code[9], small[9];
    make_code(s, "配对 operator", code);
    for (int i = 0; i < 9; i++)
        small[i] = code[i] >= 'A' && code[i] <= 'Z' ? (char)(code[i] + 32) : code[i];
    assert_int_equal(in_history(s, "talk", "boss", code), 1); /* the answer that shows it */
    scene_inbound(s, "friend", "friend", small, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    int messages = s->chat.messages;
    scene_turn(s);
    assert_int_equal(s->chat.messages, messages); /* taken out, not sent again */
    const char *forms[] = {code, small};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(in_history(s, "talk", "boss", forms[i]) + in_history(s, "talk", "friend", forms[i]), 0);
        assert_int_equal(in_audit(s, forms[i]) + in_pairs(s, forms[i]), 0);
        assert_null(strstr(s->log, forms[i]));
    }
    assert_int_equal(in_history(s, "talk", "friend", "配对码 ***"), 1);
    assert_true(heard(s, "boss", "talk:friend 用你的配对码成了操作者。"));
    assert_int_equal(in_audit(s, "operator, code of talk:boss"), 1);
}

static void test_code_dies_from_the_history(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 viewer", code);
    int64_t due_ms = bot_next_ms(s->bot);
    assert_true(due_ms <= s->mono_ms + 600000);
    scene_pass(s, 599000);
    assert_int_equal(in_history(s, "talk", "boss", code), 1);
    scene_pass(s, 1001);
    assert_int_equal(in_history(s, "talk", "boss", code), 0);
    assert_int_equal(in_history(s, "talk", "boss", "已失效"), 1);
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_NONE);
}

/* On its way when the code dies: it leaves once, and stays one row. */
static void test_code_under_way(void **state) {
    struct scene *s = *state;
    char code[9];
    s->chat.hold = true;
    scene_inbound(s, "boss", "boss", "配对 operator", false);
    assert_true(pick_code(scene_heard(&s->chat, "boss"), code));
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(in_history(s, "talk", "boss", code), 0);
    s->chat.hold = false;
    int before = s->chat.messages;
    struct sent sent = {.status = SENT_OK, .service_id = "x"};
    for (int64_t id = 1; id < 20; id++)
        outbox_done(s->bot, id, &sent);
    scene_turn(s);
    scene_turn(s);
    assert_int_equal(in_history(s, "talk", "boss", code), 0);
    assert_true(s->chat.messages <= before + 1); /* the alert that somebody was paired */
    assert_non_null(strstr(s->chat.sent, "用你的配对码成了操作者"));
}

static void test_link_form(void **state) {
    struct scene *s = *state;
    char code[9], link[23] = "";
    s->chat.invites = true;
    scene_inbound(s, "boss", "boss", "配对 operator", false);
    const char *text = scene_heard(&s->chat, "boss"), *at = strstr(text, "?start=");
    assert_true(pick_code(text, code) && at);
    snprintf(link, sizeof link, "%s", at + 7);
    assert_int_equal(strlen(link), 22);
    assert_int_equal(strspn(link, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 22);
    scene_inbound(s, "friend", "friend", link, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    assert_int_equal(in_history(s, "talk", "friend", link) + in_history(s, "talk", "boss", link), 0);
    scene_inbound(s, "second", "second", code, false); /* using one form kills both */
    assert_int_equal(access_role(s->bot, "talk", "second"), ROLE_NONE);
    char other[23];
    scene_forget(s);
    scene_inbound(s, "boss", "boss", "配对 operator", false);
    snprintf(other, sizeof other, "%s", strstr(scene_heard(&s->chat, "boss"), "?start=") + 7);
    assert_string_not_equal(other, link);
    other[0] = other[0] == 'a' ? 'A' : 'a'; /* the link's letters are not folded */
    scene_inbound(s, "third", "third", other, false);
    assert_int_equal(access_role(s->bot, "talk", "third"), ROLE_NONE);
}

static void test_code_of_one_channel(void **state) {
    struct scene *s = *state;
    char code[9];
    s->with_side = true;
    scene_restart(s);
    s->chat.invites = s->side.invites = true;
    scene_inbound(s, "boss", "boss", "配对 operator side", false);
    const char *text = scene_heard(&s->chat, "boss");
    assert_true(pick_code(text, code));
    assert_non_null(strstr(text, "https://side.example/"));
    assert_null(strstr(text, "https://talk.example/"));
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_NONE);
    struct inbound inbound = {
        .channel = "side", .chat = "friend", .sender = "friend", .service_id = "s-1", .text = code, .size = 8};
    assert_int_equal(bot_inbound(s->bot, &inbound), TB_OK);
    assert_int_equal(access_role(s->bot, "side", "friend"), ROLE_OPERATOR);
    scene_forget(s);
    scene_inbound(s, "boss", "boss", "配对 operator nowhere", false);
    assert_true(heard(s, "boss", "没有打开\"nowhere\"这个通道。打开的有:talk side。"));
}

static void test_codes_over_a_restart(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    for (int i = 0; i < 3; i++)
        scene_inbound(s, "thief", "thief", "AAAAAAAA", false);
    scene_kill(s);
    assert_true(bot_next_ms(s->bot) <= s->mono_ms + 600000);
    scene_inbound(s, "thief", "thief", "AAAAAAAB", false); /* the fourth */
    assert_false(heard(s, "boss", "作废"));
    scene_kill(s);
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    scene_kill(s);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    scene_inbound(s, "second", "second", code, false);
    assert_int_equal(access_role(s->bot, "talk", "second"), ROLE_NONE);
    make_code(s, "配对 operator", code);
    scene_pass(s, 300000);
    scene_kill(s);
    scene_pass(s, 300001);
    scene_inbound(s, "second", "second", code, false);
    assert_int_equal(access_role(s->bot, "talk", "second"), ROLE_NONE);
}

/* A code that was stored and not yet looked at when the bot died counts once, though its text is nowhere. */
static void test_code_handled_after_kill(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    struct inbound items[] = {
        {.channel = "talk", .chat = "friend", .sender = "friend", .service_id = "k-1", .text = code, .size = 8}};
    s->chat.hold = true;
    assert_int_equal(bot_inbound_batch(s->bot, items, 1, "talk/cursor", "7"), TB_OK);
    scene_kill(s);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    assert_int_equal(in_history(s, "talk", "friend", code), 0);
}

static void test_brute_force(void **state) {
    struct scene *s = *state;
    char code[9], guess[9];
    make_code(s, "配对 operator", code);
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < 5000; i++) {
        for (int j = 0; j < 8; j++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            guess[j] = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"[random & 31];
        }
        guess[8] = 0;
        if (strcmp(guess, code) == 0) continue;
        char who[20];
        snprintf(who, sizeof who, "thief-%d", i % 50);
        scene_inbound(s, who, who, guess, false);
        assert_int_equal(access_role(s->bot, "talk", who), ROLE_NONE);
    }
    int warned = 0;
    for (int i = 0; i < s->chat.heard_count; i++)
        warned += strcmp(s->chat.heard[i].chat, "boss") == 0;
    assert_int_equal(warned, 1); /* told once, when it died */
    assert_true(heard(s, "boss", "⚠ 配对码作废:有人猜错了五次(最后是 talk:thief-4)。"));
    assert_int_equal(in_audit(s, "wrong code"), 5);
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_NONE);
}

/* Words that do not look like a code are no tries; those of known people never are. */
static void test_what_counts_as_a_try(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    for (int i = 0; i < 20; i++) {
        scene_inbound(s, "thief", "thief", "hello there", false);
        scene_inbound(s, "thief", "thief", "AAAAAAA1", false); /* 1 is none of the letters */
        scene_inbound(s, "thief", "thief", "AAAAAAAAA", false);
        scene_inbound(s, "view", "view", "AAAAAAAA", false);
        scene_inbound(s, "-grp", "thief", "AAAAAAAA", true);
    }
    scene_forget(s);
    scene_inbound(s, "boss", "boss", "channels", false);
    assert_true(heard(s, "boss", "talk · connected"));
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
}

static void test_roles_are_raised(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 viewer", code);
    scene_inbound(s, "op", "op", code, false);
    assert_true(heard(s, "op", "你已经是操作者了,这个码没有用掉。"));
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_VIEWER);
    make_code(s, "配对 operator", code);
    scene_inbound(s, "friend", "friend", code, false);
    assert_true(heard(s, "friend", "配对成功,你是操作者。"));
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_OPERATOR);
    make_code(s, "配对 operator", code);
    scene_inbound(s, "view", "view", code, false); /* listed by the configuration: the highest wins */
    assert_int_equal(access_role(s->bot, "talk", "view"), ROLE_OPERATOR);
}

static void test_unpair(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    scene_inbound(s, "friend", "friend", code, false);
    scene_forget(s);
    scene_inbound(s, "boss", "boss", "配对", false);
    assert_true(heard(s, "boss", "talk:friend · 操作者"));
    assert_true(heard(s, "boss", "还有效的配对码:0 个。"));
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    scene_forget(s);
    scene_progress(s, 10, 0.5, 0.8);
    assert_true(heard(s, "friend", "cnn #1"));
    scene_inbound(s, "boss", "boss", "取消配对 talk:nobody", false);
    assert_true(heard(s, "boss", "talk:nobody 没有配对过。"));
    scene_inbound(s, "boss", "boss", "取消配对 talk:friend", false);
    assert_true(heard(s, "boss", "talk:friend 不再有权限,也收不到消息了。"));
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_NONE);
    scene_forget(s);
    scene_pass(s, 60000);
    scene_progress(s, 20, 0.4, 0.9);
    scene_inbound(s, "boss", "boss", "暂停", false);
    assert_string_equal(scene_heard(&s->chat, "friend"), "");
    assert_true(heard(s, "boss", "cnn #1"));
    scene_restart(s);
    scene_reconnect(s, 1, "cnn", 0.001);
    scene_progress(s, 30, 0.3, 0.9);
    assert_string_equal(scene_heard(&s->chat, "friend"), "");
    assert_true(in_audit(s, "取消配对 talk:friend") == 1);
}

/* What waited for somebody never leaves once they have no role, and an open answer is not given. */
static void test_nothing_waits_for_the_unpaired(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    scene_inbound(s, "friend", "friend", code, false);
    scene_message(s, "boss", "开始", 0);
    scene_hello(s, 1, "cnn", 0.001);
    scene_inbound(s, "friend", "friend", "lr 0.01", false);
    channel_set_state(&s->chat.channel, CHANNEL_DOWN, "no network");
    scene_frame(s, "\"type\":\"event\",\"kind\":\"note\",\"step\":2,\"text\":\"for all\"");
    scene_forget(s);
    scene_say(s, "取消配对 talk:friend");
    assert_true(s->ok);
    scene_frame(s, "\"type\":\"applied\",\"id\":\"%s\",\"step\":9,\"old\":{\"lr\":0.001},\"new\":{\"lr\":0.01}",
                s->trainer.id);
    channel_set_state(&s->chat.channel, CHANNEL_UP, NULL);
    scene_pass(s, 120000);
    assert_true(heard(s, "boss", "for all"));
    assert_string_equal(scene_heard(&s->chat, "friend"), "");
    scene_inbound(s, "friend", "friend", "hello", false);
    assert_null(strstr(scene_heard(&s->chat, "friend"), "for all"));
    scene_kill(s);
    scene_pass(s, 120000);
    assert_null(strstr(scene_heard(&s->chat, "friend"), "for all"));
}

/* What was under way to them then is not tried again. */
static void test_nothing_comes_back_to_the_unpaired(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 operator", code);
    scene_inbound(s, "friend", "friend", code, false);
    scene_pass(s, 10000);
    s->chat.hold = true;
    scene_inbound(s, "friend", "friend", "列表", false);
    int64_t id = s->chat.held;
    assert_true(id > 0);
    s->chat.hold = false;
    scene_say(s, "取消配对 talk:friend");
    assert_true(s->ok);
    scene_forget(s);
    struct sent sent = {.status = SENT_RETRY, .retry_ms = 100};
    outbox_done(s->bot, id, &sent);
    scene_turn(s);
    scene_pass(s, 60000);
    assert_string_equal(scene_heard(&s->chat, "friend"), "");
    scene_kill(s);
    scene_pass(s, 60000);
    assert_string_equal(scene_heard(&s->chat, "friend"), "");
}

/* ---- owners ---- */

static void test_login_owner(void **state) {
    struct scene *s = *state;
    assert_int_equal(channel_set_owner(&s->chat.channel, "scanner"), TB_OK);
    assert_int_equal(access_role(s->bot, "talk", "scanner"), ROLE_OWNER);
    assert_int_equal(access_role(s->bot, "talk", "boss"), ROLE_OWNER);
    assert_int_equal(access_role(s->bot, "side", "scanner"), ROLE_NONE);
    scene_inbound(s, "scanner", "scanner", "列表", false);
    scene_kill(s);
    assert_int_equal(access_role(s->bot, "talk", "scanner"), ROLE_OWNER);
    assert_non_null(session_find(s->bot, "talk", "scanner"));
    assert_int_equal(channel_set_owner(&s->chat.channel, "other"), TB_OK);
    assert_int_equal(access_role(s->bot, "talk", "scanner"), ROLE_NONE);
    assert_int_equal(access_role(s->bot, "talk", "other"), ROLE_OWNER);
    assert_null(session_find(s->bot, "talk", "scanner"));
    for (struct session *at = sessions_first(s->bot); at; at = at->next)
        assert_string_not_equal(at->chat, "scanner");
    assert_int_equal(channel_set_owner(&s->chat.channel, "scanner"), TB_OK);
    assert_non_null(session_find(s->bot, "talk", "scanner")); /* its settings were kept */
    assert_int_equal(channel_set_owner(&s->chat.channel, NULL), TB_OK);
    assert_int_equal(channel_set_owner(&s->chat.channel, NULL), TB_OK);
    assert_int_equal(access_role(s->bot, "talk", "scanner"), ROLE_NONE);
    assert_int_equal(in_audit(s, "login"), 3);
    assert_int_equal(in_audit(s, "logout"), 1);
    assert_int_equal(channel_set_owner(&s->chat.channel, ""), TB_EINVAL);
}

/* What a request of the console says and hears. */
struct asked {
    char text[4000];
    bool ok, done;
};
static void on_reply(void *user, const struct reply *reply) {
    struct asked *asked = user;
    size_t used = strlen(asked->text);
    if (reply->text) snprintf(asked->text + used, sizeof asked->text - used, "%s", reply->text);
}
static void on_done(void *user, bool ok) {
    struct asked *asked = user;
    asked->ok = ok;
    asked->done = true;
}
static const char *at_console(struct scene *s, struct asked *asked, const char *text, bool on_behalf) {
    char uid[24];
    snprintf(uid, sizeof uid, "%lu", (unsigned long)geteuid());
    *asked = (struct asked){.ok = false};
    struct asker asker = {.channel = "console",
                          .chat = uid,
                          .sender = uid,
                          .role = access_role(s->bot, "console", uid),
                          .reply = on_reply,
                          .done = on_done,
                          .user = asked,
                          .on_behalf = on_behalf};
    request_begin(s->bot, &asker, text, strlen(text));
    scene_turn(s);
    return asked->text;
}

static void test_owners_are_made_at_the_machine(void **state) {
    struct scene *s = *state;
    struct asked asked;
    char code[9];
    scene_inbound(s, "boss", "boss", "配对 owner", false);
    assert_true(heard(s, "boss", "主人只能在这台机器上配对"));
    assert_false(heard(s, "boss", "配对码:"));
    assert_non_null(strstr(at_console(s, &asked, "pair owner", true), "at this machine only"));
    assert_false(asked.ok);
    assert_true(pick_code(at_console(s, &asked, "配对 owner", false), code));
    assert_true(asked.ok);
    scene_inbound(s, "newboss", "newboss", code, false);
    assert_int_equal(access_role(s->bot, "talk", "newboss"), ROLE_OWNER);
    assert_true(heard(s, "newboss", "配对成功,你是主人。"));
    scene_kill(s);
    assert_int_equal(access_role(s->bot, "talk", "newboss"), ROLE_OWNER);
}

/* Who has a role and guesses at a higher one comes no further than a stranger; commands are no guesses. */
static void test_guesses_of_the_known(void **state) {
    struct scene *s = *state;
    char code[9];
    make_code(s, "配对 viewer", code);
    scene_inbound(s, "friend", "friend", code, false);
    make_code(s, "配对 operator", code);
    for (int i = 0; i < 6; i++)
        scene_inbound(s, "friend", "friend", "channels", false); /* eight letters as well */
    scene_inbound(s, "boss", "boss", "AAAAAAAA", false);
    scene_describe(s, 0, scene_described_json);
    scene_forget(s);
    for (int i = 0; i < 5; i++) {
        char guess[9];
        snprintf(guess, sizeof guess, "AAAAAAA%c", 'A' + i);
        assert_false(heard(s, "boss", "配对码作废"));
        scene_inbound(s, "friend", "friend", guess, false);
    }
    assert_true(heard(s, "boss", "配对码作废"));
    scene_inbound(s, "friend", "friend", code, false);
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_VIEWER);
}

/* Who was an owner and made a code cannot come back by it. */
static void test_codes_of_former_owners(void **state) {
    struct scene *s = *state;
    struct asked asked;
    char code[9], other[9];
    assert_true(pick_code(at_console(s, &asked, "配对 owner", false), code));
    scene_inbound(s, "newboss", "newboss", code, false);
    scene_inbound(s, "newboss", "newboss", "配对 operator", false);
    assert_true(pick_code(scene_heard(&s->chat, "newboss"), code));
    assert_true(pick_code(at_console(s, &asked, "配对 viewer", false), other));
    at_console(s, &asked, "取消配对 talk:newboss", false);
    assert_true(asked.ok);
    scene_inbound(s, "newboss", "newboss", code, false);
    assert_int_equal(access_role(s->bot, "talk", "newboss"), ROLE_NONE);
    scene_inbound(s, "friend", "friend", other, false); /* another's code is as good as before */
    assert_int_equal(access_role(s->bot, "talk", "friend"), ROLE_VIEWER);
    assert_int_equal(channel_set_owner(&s->chat.channel, "scanner"), TB_OK);
    scene_forget(s);
    scene_inbound(s, "scanner", "scanner", "配对 operator", false);
    assert_true(pick_code(scene_heard(&s->chat, "scanner"), code));
    assert_int_equal(channel_set_owner(&s->chat.channel, "other"), TB_OK);
    scene_inbound(s, "scanner", "scanner", code, false);
    assert_int_equal(access_role(s->bot, "talk", "scanner"), ROLE_NONE);
}

static void test_login(void **state) {
    struct scene *s = *state;
    struct asked asked;
    char code[9];
    scene_inbound(s, "op", "op", "登录 talk", false);
    assert_true(heard(s, "op", "这个命令要主人权限,你是操作者。"));
    assert_int_equal(s->chat.logins, 0);
    assert_int_equal(in_audit(s, "登录 talk"), 1); /* a refused attempt of somebody known */
    scene_inbound(s, "boss", "boss", "登录 talk", false);
    assert_int_equal(s->chat.logins, 1);
    assert_true(heard(s, "boss", "talk 连着。"));
    assert_false(heard(s, "boss", "配对码:")); /* asked from the phone it gives no code */
    s->chat.login_fails = true;
    assert_non_null(strstr(at_console(s, &asked, "login talk", false), "the token file is missing"));
    assert_false(asked.ok);
    s->chat.login_fails = false;
    s->chat.invites = true;
    at_console(s, &asked, "登录 talk", false);
    assert_true(asked.ok && pick_code(asked.text, code));
    assert_non_null(strstr(asked.text, "https://talk.example/bot?start="));
    assert_int_equal(in_audit(s, code), 0);
    scene_inbound(s, "me", "me", code, false);
    assert_int_equal(access_role(s->bot, "talk", "me"), ROLE_OWNER);
    assert_non_null(strstr(at_console(s, &asked, "login nothing", false), "There is no channel \"nothing\""));
    assert_int_equal(channel_set_owner(&s->chat.channel, "scanner"), TB_OK); /* who scanned is the owner already */
    at_console(s, &asked, "登录 talk", false);
    assert_true(asked.ok && !strstr(asked.text, "配对码:"));
}

static void test_goodbye_first(void **state) {
    struct scene *s = *state;
    s->chat.heard_count = 0;
    scene_inbound(s, "boss", "boss", "退出", false);
    scene_inbound(s, "boss", "boss", "是", false);
    assert_int_equal(s->chat.logouts, 1);
    assert_true(heard(s, "boss", "talk 已退出。训练不受影响。"));
    assert_int_equal(in_audit(s, "talk 已退出"), 1);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_code_leaves_no_trace),
        TEST(test_code_dies_from_the_history),
        TEST(test_code_under_way),
        TEST(test_link_form),
        TEST(test_code_of_one_channel),
        TEST(test_codes_over_a_restart),
        TEST(test_code_handled_after_kill),
        TEST(test_brute_force),
        TEST(test_what_counts_as_a_try),
        TEST(test_roles_are_raised),
        TEST(test_unpair),
        TEST(test_nothing_waits_for_the_unpaired),
        TEST(test_nothing_comes_back_to_the_unpaired),
        TEST(test_guesses_of_the_known),
        TEST(test_codes_of_former_owners),
        TEST(test_login_owner),
        TEST(test_owners_are_made_at_the_machine),
        TEST(test_login),
        TEST(test_goodbye_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
