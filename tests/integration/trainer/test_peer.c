/* test_peer.c: trainbot-train with a scripted bot: what it declares and reports, and that it does what is asked. */
#include "explosive.h"
#include "scene.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define SMALL "--model softmax --data data --param bs=50 "
#define ENDLESS SMALL "--param ti=1e12 --param save_every=1e6 "

static void ends(const char *status, int exit_status) {
    assert_string_equal(peer_text(peer_wait(&peer, "bye", NULL), "status"), status);
    int got = program_wait(&program);
    if (got != exit_status) fail_msg("exit %d; %s", got, program.err_text);
}

/* Sends a set and returns its answer. */
static const cJSON *set(const char *id, const char *params, const char *answer) {
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"%s\",\"params\":%s}", id, params);
    return strcmp(answer, "plan") == 0 ? peer_wait(&peer, "event", "plan") : peer_wait(&peer, answer, id);
}

static void control(const char *type, const char *id) {
    peer_send(&peer, "{\"type\":\"%s\",\"id\":\"%s\",\"save\":true}", type, id);
}

static void whole_run(void **state) {
    (void)state;
    scene_launch(SMALL "--param ti=5000 --param ds=10", "{\"lr\":0.004,\"bs\":100}");
    assert_string_equal(peer_text(peer.frame, "name"), "softmax");
    assert_string_equal(peer_text(peer.frame, "run"), "7");
    assert_true(peer_number(peer.frame, "total_steps") == 100);
    assert_true(peer_number(peer.frame, "batch") == 50);
    const cJSON *plan = peer_wait(&peer, "event", "plan"); /* the welcome's batch counts from the first step */
    assert_true(peer_number(plan, "total_steps") == 50 && peer_number(plan, "batch") == 100);
    peer_wait(&peer, "event", "started");
    const cJSON *epoch = peer_wait(&peer, "event", "epoch");
    assert_true(peer_number(epoch, "epoch") == 1 && peer_number(epoch, "step") == 20);
    assert_non_null(strstr(peer_text(epoch, "text"), "epoch 1 of 3: loss "));
    const cJSON *saved = peer_wait(&peer, "event", "checkpoint");
    assert_true(peer_number(saved, "step") == 50);
    assert_true(peer_number(saved, "bytes") > 90000);
    assert_string_equal(peer_text(saved, "path"), program_path("run/checkpoints/step-50"));
    assert_true(program_file("run/checkpoints/step-50"));
    assert_int_equal(peer.steps, 50);
    assert_int_equal(peer.progress, 5 + 2); /* every ds steps, and two epochs' ends */
    const cJSON *values = cJSON_GetObjectItem(peer_wait(&peer, "progress", NULL), "values");
    assert_true(peer_number(values, "test_acc") > 0.9);
    assert_true(peer_number(values, "test_loss") > 0);
    ends("finished", 0);
    assert_true(program_said(&program, "50 steps of 100 samples, lr 0.004"));
}

static void live_values(void **state) {
    (void)state;
    scene_launch(SMALL "--param ti=1e9 --param ds=1000", "{}");
    peer_wait_step(&peer, 3);
    const cJSON *applied = set("a", "{\"lr\":0.5}", "applied");
    double at = peer_number(applied, "step");
    assert_true(at >= 3);
    assert_true(peer_number(cJSON_GetObjectItem(applied, "old"), "lr") == 0.001);
    assert_true(peer_number(cJSON_GetObjectItem(applied, "new"), "lr") == 0.5);

    const cJSON *plan = set("b", "{\"bs\":100}", "plan"); /* before the answer, which names the new length */
    assert_true(peer_number(plan, "batch") == 100);
    at = peer_number(plan, "step");
    double seen = at * 50; /* all steps so far were of 50 samples */
    assert_true(peer_number(plan, "total_steps") == at + floor((1e9 - seen) / 100));
    applied = peer_wait(&peer, "applied", "b");
    assert_true(peer_number(applied, "step") == at);

    const cJSON *no = set("c", "{\"ti\":60}", "rejected");
    assert_non_null(strstr(peer_text(no, "why"), "ti 60 leaves no step"));
    no = set("d", "{\"lr\":0.1,\"bs\":2001}", "rejected"); /* all or nothing */
    assert_non_null(strstr(peer_text(no, "why"), "bs"));
    no = set("e", "{\"seed\":4}", "rejected");
    assert_true(strlen(peer_text(no, "why")) > 0);
    applied = set("f", "{\"lr\":0.25}", "applied");
    assert_true(peer_number(cJSON_GetObjectItem(applied, "old"), "lr") == 0.5);

    plan = set("g", "{\"bs\":50,\"ti\":1000000}", "plan"); /* a new length while it runs: it ends by itself */
    double total = peer_number(plan, "total_steps");
    peer_wait(&peer, "applied", "g");
    assert_true(total >= peer.steps);
    peer_wait_step(&peer, (int64_t)total);
    ends("finished", 0);
    assert_int_equal(peer.steps, (int64_t)total);
}

static void pause_save_stop(void **state) {
    (void)state;
    scene_launch(ENDLESS, "{}");
    peer_wait_step(&peer, 5);
    control("pause", "p");
    const cJSON *event = peer_wait(&peer, "event", "paused");
    double at = peer_number(event, "step");
    assert_string_equal(peer_text(event, "id"), "p");
    control("save", "s"); /* while paused */
    event = peer_wait(&peer, "event", "checkpoint");
    assert_string_equal(peer_text(event, "id"), "s");
    assert_true(peer_number(event, "step") == at);
    set("x", "{\"lr\":0.01}", "applied");
    assert_int_equal(peer.steps, (int64_t)at); /* it truly held */
    control("resume", "r");
    event = peer_wait(&peer, "event", "resumed");
    assert_null(cJSON_GetObjectItem(event, "rewind"));
    peer_wait_step(&peer, (int64_t)at + 5);

    control("stop", "t");
    event = peer_wait(&peer, "event", "checkpoint");
    assert_string_equal(peer_text(event, "id"), "t");
    char path[64];
    snprintf(path, sizeof path, "run/checkpoints/step-%.0f", peer_number(event, "step"));
    assert_string_equal(peer_text(event, "path"), program_path(path));
    ends("stopped", 0);
    assert_true(program_file(path));
    snprintf(path, sizeof path, "run/checkpoints/step-%.0f", at);
    assert_true(program_file(path));
    assert_null(strstr(program.out_text, "Optimization Finished!"));
}

static void signal_while_paused(void **state) {
    (void)state;
    scene_launch(ENDLESS, "{}");
    peer_wait_step(&peer, 2);
    control("pause", "p");
    peer_wait(&peer, "event", "paused");
    assert_int_equal(kill(program.pid, SIGTERM), 0);
    peer_wait(&peer, "event", "checkpoint");
    ends("stopped", 0);
}

/* The chunks of one picture put together; its size. The bytes are base64. */
static size_t picture_receive(const char *id, size_t size) {
    size_t got = 0;
    while (got < size) {
        const cJSON *chunk = peer_wait(&peer, "chunk", id);
        const char *data = peer_text(chunk, "data");
        assert_true(peer_number(chunk, "offset") == (double)got);
        if (got == 0) assert_int_equal(strncmp(data, "iVBORw0KGgo", 11), 0); /* a PNG's first bytes */
        size_t length = strlen(data);
        size_t padding = (size_t)(data[length - 1] == '=') + (size_t)(data[length - 2] == '=');
        got += length / 4 * 3 - padding;
    }
    return got;
}

static void recognize_from_the_chat(void **state) {
    (void)state;
    scene_launch(ENDLESS, "{}");
    peer_wait_step(&peer, 100);
    peer_send(&peer, "{\"type\":\"call\",\"id\":\"c\",\"name\":\"recognize\",\"args\":\"12\"}");
    const cJSON *image = peer_wait(&peer, "image", NULL);
    assert_string_equal(peer_text(image, "mime"), "image/png");
    char id[80];
    snprintf(id, sizeof id, "%s", peer_text(image, "id"));
    size_t size = (size_t)peer_number(image, "size");
    assert_int_equal(picture_receive(id, size), size);
    const cJSON *result = peer_wait(&peer, "result", "c");
    const char *text = peer_text(result, "text");
    assert_non_null(strstr(text, " of 12 right (step "));
    assert_non_null(strstr(text, "\n12. "));
    assert_null(strstr(text, "\n13. "));
    assert_string_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(result, "images"), 0)->valuestring, id);

    peer_send(&peer, "{\"type\":\"call\",\"id\":\"d\",\"name\":\"recognize\",\"args\":\"0\"}");
    assert_non_null(strstr(peer_text(peer_wait(&peer, "rejected", "d"), "why"), "between 1 and 100"));
    control("stop", "t");
    ends("stopped", 0);
}

#define EXPLODES "--data data --resume explosive/step-2 --param ti=1e9 --param save_every=5 --param lr="

static void nan_pauses_and_recovers(void **state) {
    (void)state;
    explosive_make();
    peer.steps = 2;
    scene_launch(EXPLODES EXPLOSIVE_TINY, "{}");
    const cJSON *event = peer_wait(&peer, "event", "checkpoint");
    assert_true(peer_number(event, "step") == 5);
    set("boom", "{\"lr\":1,\"save_every\":100000}", "applied");
    event = peer_wait(&peer, "event", "paused");
    assert_string_equal(peer_text(event, "text"), "nan");
    double broke = peer_number(event, "step");
    assert_true(broke > 5);
    assert_true(!isfinite(peer.loss)); /* the row said so before */
    assert_int_equal(peer.steps, (int64_t)broke);

    control("save", "s"); /* nothing finite to save now: told, and the last good one named */
    assert_non_null(strstr(peer_text(peer_wait(&peer, "event", "note"), "text"), "not finite"));
    event = peer_wait(&peer, "event", "checkpoint");
    assert_true(peer_number(event, "step") < broke);

    set("calm", "{\"lr\":" EXPLOSIVE_TINY "}", "applied");
    control("resume", "r");
    event = peer_wait(&peer, "event", "resumed");
    assert_string_equal(peer_text(event, "id"), "r");
    double back = peer_number(event, "rewind");
    assert_true(back >= 5 && back < broke);
    peer_wait_step(&peer, (int64_t)broke + 10); /* past the place where it broke, with the value of the chat */
    assert_true(isfinite(peer.loss));
    control("stop", "t");
    peer_wait(&peer, "event", "checkpoint");
    ends("stopped", 0);
    assert_true(program_said(&program, "lr " EXPLOSIVE_TINY));
}

static void nan_then_stop(void **state) {
    (void)state;
    explosive_make();
    peer.steps = 2;
    scene_launch(EXPLODES "1", "{}");
    const cJSON *event = peer_wait(&peer, "event", "paused");
    assert_true(peer_number(event, "step") == 4);
    set("calm", "{\"lr\":" EXPLOSIVE_TINY "}", "applied");
    control("stop", "t");
    event = peer_wait(&peer, "event", "checkpoint"); /* the state it began with, and the new lr */
    assert_true(peer_number(event, "step") == 2);
    ends("stopped", 0);
    program_free(&program);
    assert_int_equal(program_run(&program, "--data data --resume run/checkpoints/step-2 --steps 20"), 0);
    assert_true(program_said(&program, "lr " EXPLOSIVE_TINY));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter, scene_leave)
    const struct CMUnitTest tests[] = {
        TEST(whole_run),
        TEST(live_values),
        TEST(pause_save_stop),
        TEST(signal_while_paused),
        TEST(recognize_from_the_chat),
        TEST(nan_pauses_and_recovers),
        TEST(nan_then_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
