/* test_peer.c: the pictures of a live training, with a scripted bot: asked for in between two steps, sent by itself
 * every show_every steps, and refused where the weights are no numbers; the training is what it would have been. */
#include "every_model.h"
#include "png_look.h"
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static int sextet(char c) {
    return c >= 'a' ? c - 'a' + 26 : c >= 'A' ? c - 'A' : c >= '0' ? c - '0' + 52 : c == '+' ? 62 : 63;
}

/* The next picture, whole; its title goes to `title`. */
static void picture_receive(char *title, size_t title_size, struct look *ret_look) {
    const cJSON *image = peer_wait(&peer, "image", NULL);
    char id[80];
    snprintf(id, sizeof id, "%s", peer_text(image, "id"));
    snprintf(title, title_size, "%s", peer_text(image, "title"));
    size_t size = (size_t)peer_number(image, "size"), got = 0;
    uint8_t *bytes = malloc(size + 3);
    assert_non_null(bytes);
    while (got < size) {
        const cJSON *chunk = peer_wait(&peer, "chunk", id);
        assert_true(peer_number(chunk, "offset") == (double)got);
        const char *data = peer_text(chunk, "data");
        for (; data[0] != '\0' && got < size; data += 4) {
            uint32_t three = (uint32_t)(sextet(data[0]) << 18 | sextet(data[1]) << 12);
            if (data[2] != '=') three |= (uint32_t)sextet(data[2]) << 6;
            if (data[3] != '=') three |= (uint32_t)sextet(data[3]);
            size_t count = data[2] == '=' ? 1 : data[3] == '=' ? 2 : 3;
            for (size_t i = 0; i < count; i++)
                bytes[got++] = (uint8_t)(three >> (16 - 8 * i));
        }
    }
    png_look(bytes, size, ret_look);
    png_good(title, ret_look);
    free(bytes);
}

static void call(const char *id, const char *name, const char *args) {
    peer_send(&peer, "{\"type\":\"call\",\"id\":\"%s\",\"name\":\"%s\",\"args\":\"%s\"}", id, name, args);
}

static void stop(void) {
    peer_send(&peer, "{\"type\":\"stop\",\"id\":\"stop\",\"save\":false}");
    assert_string_equal(peer_text(peer_wait(&peer, "bye", NULL), "status"), "stopped");
    assert_int_equal(program_wait(&program), 0);
}

static void asked_while_training(void **state) {
    (void)state;
    char title[200];
    struct look look;
    scene_launch("--model mlp --data data --param bs=50 --param ti=1e12 --param save_every=1e6", "{}");
    peer_wait_step(&peer, 50);
    call("a", "hardest", "6 zh");
    picture_receive(title, sizeof title, &look);
    assert_string_equal(title, "最难的 6 张");
    assert_non_null(strstr(peer_text(peer_wait(&peer, "result", "a"), "text"), "300 张测试图里最难的 6 张(第 "));
    call("b", "confusion", "en");
    picture_receive(title, sizeof title, &look);
    assert_int_equal(strncmp(title, "confusion, step ", 16), 0);
    peer_wait(&peer, "result", "b");
    call("c", "hardest", "x zh");
    assert_string_equal(peer_text(peer_wait(&peer, "rejected", "c"), "why"), "张数要在 1 到 100 之间,不是\"x\"");
    call("d", "samples", "4");
    assert_string_equal(peer_text(peer_wait(&peer, "rejected", "d"), "why"), "this training has no such command");
    stop();
}

/* Each step's metrics are those of a run that nobody asked anything. */
static void asking_changes_nothing(void **state) {
    (void)state;
    const char *line = "--model vae --data data --param bs=50 --param ti=1e12 --param save_every=1e6 --seed 3";
    char title[200], quiet_line[256];
    struct look look;
    scene_launch(line, "{}");
    peer_wait_step(&peer, 3);
    static const char *const asked[][2] = {{"samples", "4 7"}, {"reconstructions", "3"}, {"latent", ""}};
    for (int i = 0; i < 9; i++) {
        char id[8];
        snprintf(id, sizeof id, "c%d", i); /* an id is answered once */
        call(id, asked[i % 3][0], asked[i % 3][1]);
        picture_receive(title, sizeof title, &look);
    }
    peer_wait_step(&peer, peer.steps + 5);
    int64_t step = peer.steps;
    double loss = peer.loss;
    stop();
    program_free(&program);
    snprintf(quiet_line, sizeof quiet_line, "%s --print-metrics --steps %lld", line, (long long)step);
    assert_int_equal(program_run(&program, quiet_line), 0);
    const char *last = program.out_text;
    for (int64_t i = 1; i < step; i++)
        last = strchr(last, '\n') + 1;
    double expected;
    assert_int_equal(sscanf(last, "%*d loss=%lf", &expected), 1);
    if (!(loss > expected * (1 - 1e-6) && loss < expected * (1 + 1e-6)))
        fail_msg("loss %.9g of step %lld, undisturbed %.9g", loss, (long long)step, expected);
}

static void no_numbers_no_picture(void **state) {
    (void)state;
    poisoned_make("mlp", "bad");
    peer.steps = 2;
    scene_launch(
        "--data data --resume bad/step-2 --param nan=ignore --param lr=1 --param ti=1e12 --param save_every=1e6", "{}");
    peer_wait_step(&peer, 5);
    static const char *const commands[] = {"recognize", "hardest", "confusion", "filters"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        call(commands[i], commands[i], "zh");
        assert_string_equal(peer_text(peer_wait(&peer, "rejected", commands[i]), "why"),
                            "网络的权重不是有限的数(NaN 或无穷),没有可看的");
        peer_wait_step(&peer, peer.steps + 1); /* it trains on */
    }
    stop();
}

/* By itself every show_every steps: of the step it says, and different each time, as the network is. */
static void sent_by_itself(const char *model, const char *title_rest) {
    char line[256], title[200], expected[200];
    struct look first, second;
    snprintf(line, sizeof line, "--model %s --data data --param bs=20 --param show_every=3 --steps 7", model);
    scene_launch(line, "{}");
    picture_receive(title, sizeof title, &first);
    snprintf(expected, sizeof expected, "%s at step 3: %s", model, title_rest);
    assert_string_equal(title, expected);
    picture_receive(title, sizeof title, &second);
    snprintf(expected, sizeof expected, "%s at step 6: %s", model, title_rest);
    assert_string_equal(title, expected);
    assert_true(first.width == second.width && first.height == second.height && first.content != second.content);
    assert_string_equal(peer_text(peer_wait(&peer, "bye", NULL), "status"), "finished");
    assert_int_equal(program_wait(&program), 0);
}

static void autoencoders_send(void **state) {
    (void)state;
    sent_by_itself("conv-autoencoder", "originals above, what comes back below");
}
static void variational_sends(void **state) {
    (void)state;
    sent_by_itself("vae", "originals above, what comes back below; under them new images");
}
static void adversaries_send(void **state) {
    (void)state;
    sent_by_itself("gan", "new images");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter, scene_leave)
    const struct CMUnitTest tests[] = {
        TEST(asked_while_training), TEST(asking_changes_nothing), TEST(no_numbers_no_picture),
        TEST(autoencoders_send),    TEST(variational_sends),      TEST(adversaries_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
