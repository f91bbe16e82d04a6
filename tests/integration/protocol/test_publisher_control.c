/*
 * Control: what a bot asks for is taken at step boundaries, answered once with what happened, and the answer repeated
 * when it is asked again; pictures come whole; parameters from the welcome hold before the first step.
 */
#include "peer.h"
#include "trainbot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct peer peer;
static uint8_t picture[100000];

static int show(void *user, const char *args, struct tb_reply *reply) {
    (void)user;
    tb_reply_text(reply, "you said %s", args);
    if (strcmp(args, "no") == 0) return -1;
    return tb_reply_image(reply, "picture", "image/png", picture, sizeof picture);
}

static bool accept_set(void *user, const struct tb_change *changes, size_t count, char *why, size_t size) {
    int *calls = user;
    (*calls)++;
    for (size_t i = 0; i < count; i++)
        if (strcmp(changes[i].name, "lr") == 0 && changes[i].value == 0.13) {
            snprintf(why, size, "thirteen brings bad luck");
            return false;
        }
    return true;
}

static int accept_calls;

static struct tb_run *open_run(const char *welcome_params) {
    static const struct tb_param params[] = {
        {.name = "lr", .type = TB_FLOAT, .value = 0.1, .min = 0, .max = 1, .min_open = true, .live = true},
        {.name = "bs", .type = TB_INT, .value = 64, .min = 1, .max = 1000, .live = true},
        {.name = "augment", .type = TB_BOOL, .value = 0, .live = true},
        {.name = "optimiser", .type = TB_ENUM, .text = "adam", .choices = "adam|sgd", .live = true},
        {.name = "data", .type = TB_STRING, .text = "/data"},
    };
    static const struct tb_command commands[] = {{.name = "show", .args = "[N]", .help = "shows", .call = show}};
    peer_init(&peer);
    peer.welcome_params = welcome_params;
    accept_calls = 0;
    struct tb_run *run = tb_open(&(struct tb_options){.name = "test",
                                                      .params = params,
                                                      .params_count = 5,
                                                      .commands = commands,
                                                      .commands_count = 1,
                                                      .accept = accept_set,
                                                      .user = &accept_calls});
    assert_true(peer_run(&peer, peer_has_hello, 1, 5000));
    assert_int_equal(tb_wait_welcome(run, 5000), 0);
    return run;
}

static void close_run(struct tb_run *run) {
    peer_die(&peer); /* this thread is the peer too and gives no more acknowledgements: the rest is spooled */
    tb_close(run, "finished");
    peer_release(&peer);
}

/* Sends the line and polls at `step` until n frames of the kind have come; returns the bits seen meanwhile. */
static unsigned ask(struct tb_run *run, const char *line, int64_t step, enum wire_kind kind, int n) {
    unsigned bits = 0;
    peer_send(&peer, line);
    for (int i = 0; i < 500 && !peer_has_kind(&peer, (int64_t)kind * 1000 + n); i++) {
        bits |= tb_poll(run, step);
        peer_run(&peer, peer_has_kind, (int64_t)kind * 1000 + n, 10);
    }
    if (!peer_has_kind(&peer, (int64_t)kind * 1000 + n)) fail_msg("no %s for %s", wire_kind_name(kind), line);
    return bits | tb_poll(run, step);
}

static void test_hello_says_all(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    const char *hello = peer.last[WIRE_HELLO];
    assert_non_null(
        strstr(hello,
               "\"name\":\"lr\",\"type\":\"float\",\"value\":0.1,\"min\":0,\"max\":1,\"min_open\":true,\"live\":true"));
    assert_non_null(strstr(hello, "\"choices\":[\"adam\",\"sgd\"]"));
    assert_non_null(strstr(hello, "\"commands\":[{\"name\":\"show\",\"args\":\"[N]\",\"help\":\"shows\"}]"));
    assert_non_null(strstr(hello, "\"run\":\"7\""));
    assert_non_null(strstr(hello, "\"next_seq\":1}"));
    close_run(run);
}

static void test_welcome_parameters(void **state) {
    (void)state;
    struct tb_run *run =
        open_run("{\"lr\":0.5,\"bs\":0,\"data\":\"/other\",\"optimiser\":\"sgd\",\"nosuch\":1,\"augment\":true}");
    assert_true(tb_float(run, "lr") == 0.5);
    assert_int_equal(tb_int(run, "bs"), 64);             /* out of range: left, and told */
    assert_string_equal(tb_text(run, "data"), "/other"); /* not live, but the first step has not begun */
    assert_string_equal(tb_text(run, "optimiser"), "sgd");
    assert_true(tb_bool(run, "augment"));
    assert_true(peer_run(&peer, peer_has_kind, WIRE_EVENT * 1000 + 2, 5000));
    assert_int_equal(peer.events[WIRE_EV_NOTE], 2);
    close_run(run);
}

static void test_set(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    unsigned bits =
        ask(run, "{\"type\":\"set\",\"id\":\"a\",\"params\":{\"lr\":0.01,\"optimiser\":\"sgd\",\"bs\":32.0}}\n", 412,
            WIRE_APPLIED, 1);
    assert_true(bits & TB_ASK_SET);
    assert_true(tb_float(run, "lr") == 0.01);
    assert_int_equal(tb_int(run, "bs"), 32);
    assert_non_null(strstr(peer.last[WIRE_APPLIED],
                           "\"id\":\"a\",\"step\":412,\"old\":{\"lr\":0.1,\"optimiser\":\"adam\",\"bs\":64},"
                           "\"new\":{\"lr\":0.01,\"optimiser\":\"sgd\",\"bs\":32}}"));
    assert_int_equal(accept_calls, 1);
    static const char *const bad[] = {"{\"lr\":0}",
                                      "{\"lr\":1.5}",
                                      "{\"lr\":\"nan\"}",
                                      "{\"lr\":\"abc\"}",
                                      "{\"lr\":true}",
                                      "{\"bs\":0}",
                                      "{\"bs\":1.5}",
                                      "{\"bs\":1e99}",
                                      "{\"augment\":\"yes\"}",
                                      "{\"augment\":2}",
                                      "{\"optimiser\":\"lion\"}",
                                      "{\"optimiser\":1}",
                                      "{\"data\":\"/live\"}",
                                      "{\"nosuch\":1}",
                                      "{\"lr\":0.9,\"bs\":0}",
                                      "{\"lr\":0.13}"};
    for (int i = 0; i < (int)(sizeof bad / sizeof *bad); i++) {
        char line[256];
        snprintf(line, sizeof line, "{\"type\":\"set\",\"id\":\"bad%d\",\"params\":%s}\n", i, bad[i]);
        ask(run, line, 500, WIRE_REJECTED, i + 1);
        snprintf(line, sizeof line, "\"id\":\"bad%d\"", i);
        assert_non_null(strstr(peer.last[WIRE_REJECTED], line));
        assert_true(tb_float(run, "lr") == 0.01 && tb_int(run, "bs") == 32); /* all or nothing */
    }
    assert_non_null(strstr(peer.last[WIRE_REJECTED], "thirteen brings bad luck"));
    close_run(run);
}

static void test_answer_is_repeated_not_redone(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    const char *set = "{\"type\":\"set\",\"id\":\"once\",\"params\":{\"lr\":0.2}}\n";
    ask(run, set, 10, WIRE_APPLIED, 1);
    ask(run, "{\"type\":\"set\",\"id\":\"other\",\"params\":{\"lr\":0.3}}\n", 20, WIRE_APPLIED, 2);
    ask(run, set, 30, WIRE_APPLIED, 3);
    assert_non_null(
        strstr(peer.last[WIRE_APPLIED], "\"id\":\"once\",\"step\":10,\"old\":{\"lr\":0.1},\"new\":{\"lr\":0.2}"));
    assert_true(tb_float(run, "lr") == 0.3);
    peer_hang_up(&peer); /* the same over a new connection */
    assert_true(peer_run(&peer, peer_has_hello, 2, 5000));
    assert_non_null(
        strstr(peer.last[WIRE_HELLO], "\"name\":\"lr\",\"type\":\"float\",\"value\":0.3")); /* what holds now */
    ask(run, set, 40, WIRE_APPLIED, 4);
    assert_non_null(strstr(peer.last[WIRE_APPLIED], "\"step\":10"));
    assert_int_equal(accept_calls, 2);
    close_run(run);
}

static void test_pause_resume_save_stop(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    assert_int_equal(tb_poll(run, 1), 0);
    unsigned bits = ask(run, "{\"type\":\"save\",\"id\":\"s\"}\n", 2, WIRE_APPLIED, 1);
    assert_int_equal(bits, TB_ASK_SAVE);
    assert_int_equal(tb_poll(run, 2), 0); /* once */
    tb_checkpoint(run, 2, "step-2", 10);
    assert_true(peer_run(&peer, peer_has_kind, WIRE_EVENT * 1000 + 1, 5000));
    assert_non_null(strstr(peer.last[WIRE_EVENT], "\"path\":\"step-2\",\"bytes\":10,\"id\":\"s\""));
    bits = ask(run, "{\"type\":\"pause\",\"id\":\"p\"}\n", 3, WIRE_APPLIED, 2);
    assert_int_equal(bits, TB_ASK_PAUSE);
    tb_paused(run, 3, "asked");
    int64_t began = now_ms();
    assert_int_equal(tb_wait(run, 3, 50), TB_ASK_PAUSE);
    assert_true(now_ms() - began >= 49);
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"x\",\"params\":{\"lr\":0.7}}\n");
    assert_int_equal(tb_wait(run, 3, 5000), TB_ASK_PAUSE | TB_ASK_SET);
    peer_send(&peer, "{\"type\":\"resume\",\"id\":\"r\"}\n");
    assert_int_equal(tb_wait(run, 3, 5000), 0);
    assert_false(tb_asked(run));
    tb_resumed(run, 3);
    assert_true(peer_run(&peer, peer_has_kind, WIRE_EVENT * 1000 + 3, 5000));
    assert_non_null(strstr(peer.last[WIRE_EVENT], "\"kind\":\"resumed\",\"step\":3"));
    assert_non_null(strstr(peer.last[WIRE_EVENT], "\"id\":\"r\""));
    tb_pause_self(run);
    assert_true(tb_asked(run));
    assert_int_equal(tb_poll(run, 4), TB_ASK_PAUSE);
    tb_paused(run, 4, "nan");
    peer_send(&peer, "{\"type\":\"stop\",\"id\":\"end\",\"save\":true}\n");
    bits = tb_wait(run, 4, 5000);
    assert_int_equal(bits, TB_ASK_STOP | TB_ASK_SAVE | TB_ASK_PAUSE);
    assert_true(tb_poll(run, 4) & TB_ASK_STOP); /* holds */
    assert_true(peer_run(&peer, peer_has_kind, WIRE_APPLIED * 1000 + 5, 5000));
    assert_non_null(strstr(peer.last[WIRE_APPLIED], "\"id\":\"end\",\"step\":4,\"old\":{},\"new\":{}"));
    tb_rewound(run, 2);
    assert_true(peer_run(&peer, peer_has_kind, WIRE_EVENT * 1000 + 5, 5000));
    assert_non_null(strstr(peer.last[WIRE_EVENT], "\"rewind\":2"));
    close_run(run);
}

static void test_commands_and_pictures(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (uint8_t)(i * 7);
    struct tb_run *run = open_run(NULL);
    ask(run, "{\"type\":\"call\",\"id\":\"c\",\"name\":\"show\",\"args\":\"识别 10\"}\n", 5, WIRE_RESULT, 1);
    assert_non_null(strstr(peer.last[WIRE_RESULT], "\"text\":\"you said 识别 10\",\"images\":[\"image-1\"]"));
    assert_int_equal(peer.picture_size, sizeof picture); /* the picture came before its result */
    assert_memory_equal(peer.picture, picture, sizeof picture);
    assert_int_equal(peer.kinds[WIRE_CHUNK], 3);
    assert_non_null(strstr(peer.last[WIRE_IMAGE], "\"size\":100000"));
    ask(run, "{\"type\":\"call\",\"id\":\"d\",\"name\":\"show\",\"args\":\"no\"}\n", 6, WIRE_REJECTED, 1);
    assert_non_null(strstr(peer.last[WIRE_REJECTED], "you said no"));
    ask(run, "{\"type\":\"call\",\"id\":\"e\",\"name\":\"dance\"}\n", 7, WIRE_REJECTED, 2);
    assert_int_equal(tb_image(run, "big", "image/png", picture, (8u << 20) + 1), -1);
    close_run(run);
}

static void test_bad_lines_are_answered(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    peer_send(&peer, "nonsense\n{\"type\":\"nosuch\"}\n");
    int64_t until = now_ms() + 5000;
    while (peer.faults < 2 && now_ms() < until)
        peer_run(&peer, NULL, 0, 10);
    assert_int_equal(peer.faults, 2);
    assert_non_null(strstr(peer.last[WIRE_ERROR], "\"code\":\"unknown_type\""));
    ask(run, "{\"type\":\"set\",\"id\":\"a\",\"params\":{\"lr\":0.4}}\n", 1, WIRE_APPLIED, 1); /* and it goes on */
    close_run(run);
}

static void test_late_control_is_refused(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    peer_send(&peer, "{\"type\":\"pause\",\"id\":\"late\"}\n");
    peer_run(&peer, NULL, 0, 100); /* nobody polls any more */
    tb_close(run, "finished");
    while (peer.fd >= 0)
        peer_run(&peer, NULL, 0, 5);
    peer_import_spool(&peer);
    assert_non_null(strstr(peer.last[WIRE_REJECTED], "\"id\":\"late\""));
    peer_release(&peer);
}

static void test_own_change_is_told(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    assert_int_equal(tb_set_float(run, 9, "lr", 0.05), 0);
    assert_int_equal(tb_set_float(run, 9, "nosuch", 1), -1);
    assert_true(peer_run(&peer, peer_has_kind, WIRE_APPLIED * 1000 + 1, 5000));
    assert_non_null(
        strstr(peer.last[WIRE_APPLIED], "\"id\":\"\",\"step\":9,\"old\":{\"lr\":0.1},\"new\":{\"lr\":0.05}"));
    close_run(run);
}

static void test_heartbeat(void **state) {
    (void)state;
    struct tb_run *run = open_run(NULL);
    TB_LOG(run, 77, {"loss", 1});
    peer_run(&peer, NULL, 0, 5600);
    assert_true(peer.heartbeats >= 1);
    assert_non_null(strstr(peer.last[WIRE_HEARTBEAT], "\"step\":77"));
    close_run(run);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hello_says_all),
                                       cmocka_unit_test(test_welcome_parameters),
                                       cmocka_unit_test(test_set),
                                       cmocka_unit_test(test_answer_is_repeated_not_redone),
                                       cmocka_unit_test(test_pause_resume_save_stop),
                                       cmocka_unit_test(test_commands_and_pictures),
                                       cmocka_unit_test(test_bad_lines_are_answered),
                                       cmocka_unit_test(test_late_control_is_refused),
                                       cmocka_unit_test(test_own_change_is_told),
                                       cmocka_unit_test(test_heartbeat)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
