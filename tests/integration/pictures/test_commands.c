/* test_commands.c: the commands that show what a network has learned, through --call on a checkpoint: each that a model
 * declares gives words and a picture in either language, and what it cannot do is one line that says what would be
 * right. */
#include "every_model.h"
#include "png_look.h"
#include "scene.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int run(const char *format, ...) {
    char line[400];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    program_free(&program);
    return program_run(&program, line);
}

static void train(const char *model, int steps) {
    int status = run("--model %s --data data --param bs=20 --steps %d --checkpoint-dir c-%s", model, steps, model);
    if (status != 0) fail_msg("%s: exit %d, %s", model, status, program.err_text);
}

/* Asks; the answer stands in program.out_text, its picture is looked at. */
static void call(const char *model, int steps, const char *command, struct look *ret_look) {
    int status = run("--data data --resume c-%s/step-%d --call %s", model, steps, command);
    if (status != 0) fail_msg("%s %s: exit %d, %s", model, command, status, program.err_text);
    const char *image = strstr(program.out_text, "\nimage: /");
    char path[1024] = "", what[128];
    if (image == NULL || sscanf(image, "\nimage: %1000s", path) != 1)
        fail_msg("%s %s: no picture: %s", model, command, program.out_text);
    png_look_file(path, ret_look);
    snprintf(what, sizeof what, "%s %s", model, command);
    png_good(what, ret_look);
}

static void refused(const char *model, int steps, const char *command, const char *expected) {
    int status = run("--data data --resume c-%s/step-%d --call %s", model, steps, command);
    if (status != 2) fail_msg("%s %s: exit %d, %s%s", model, command, status, program.out_text, program.err_text);
    assert_int_equal(program.out_size, 0);
    const char *newline = strchr(program.err_text, '\n');
    if (newline == NULL || newline[1] != '\0') fail_msg("%s: not one line: %s", command, program.err_text);
    if (!program_said(&program, expected)) fail_msg("\"%s\" does not say \"%s\"", program.err_text, expected);
}

static bool has_han(const char *text) {
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at >= 0xe4 && *at <= 0xe9) return true;
    return false;
}

/* Every command that --describe lists, by its name in English and by its word in Chinese. */
static void declared_commands(const char *model) {
    char described[16384], line[128];
    struct look look;
    assert_int_equal(run("--model %s --data data --describe", model), 0);
    snprintf(described, sizeof described, "%s", program.out_text);
    cJSON *root = cJSON_Parse(described);
    const cJSON *commands = cJSON_GetObjectItem(root, "commands"), *command;
    assert_true(cJSON_GetArraySize(commands) >= 2);
    train(model, 3);
    cJSON_ArrayForEach(command, commands) {
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(command, "reads")));
        assert_true(has_han(cJSON_GetObjectItem(command, "zh_help")->valuestring));
        snprintf(line, sizeof line, "%s_en", cJSON_GetObjectItem(command, "name")->valuestring);
        call(model, 3, line, &look);
        if (has_han(program.out_text)) fail_msg("%s: %s", line, program.out_text);
        if (strstr(program.out_text, "step 3") == NULL) fail_msg("%s: %s", line, program.out_text);
        const char *zh = cJSON_GetObjectItem(command, "zh")->valuestring;
        snprintf(line, sizeof line, "%.*s_zh", (int)strcspn(zh, "|"), zh);
        call(model, 3, line, &look);
        if (strstr(program.out_text, "第 3 步") == NULL) fail_msg("%s: %s", line, program.out_text);
    }
    cJSON_Delete(root);
}

static void every_declared_command(void **state) {
    (void)state;
    const char *const *names;
    size_t count = every_model(&names);
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], "ripple") != 0) declared_commands(names[i]); /* no network */
}

static void counts_are_heard(void **state) {
    (void)state;
    struct look one, many;
    train("softmax", 6);
    call("softmax", 6, "hardest_1", &one);
    assert_non_null(strstr(program.out_text, "of 300 test images the 1 hardest (step 6)\n1. ✗ predicted "));
    assert_null(strstr(program.out_text, "\n2. "));
    call("softmax", 6, "hardest_5_zh", &many);
    assert_non_null(strstr(program.out_text, "300 张测试图里最难的 5 张(第 6 步)\n1. ✗ 认成"));
    assert_non_null(strstr(program.out_text, "\n5. "));
    double before = 1e9, loss;
    for (const char *at = strstr(program.out_text, "损失 "); at != NULL; at = strstr(at + 1, "损失 ")) {
        assert_int_equal(sscanf(at, "损失 %lf", &loss), 1);
        assert_true(loss <= before && loss >= 0); /* the hardest first */
        before = loss;
    }
    assert_true(many.width > one.width && many.height > one.height);
    call("softmax", 6, "confusion", &one);
    double accuracy;
    int images;
    assert_int_equal(sscanf(program.out_text, "test accuracy %lf (%d images, step 6)", &accuracy, &images), 2);
    assert_int_equal(images, 300);
    assert_true(accuracy > 0.15 && accuracy < 1); /* learned something, and errs */
    assert_non_null(strstr(program.out_text, " taken for "));
    call("softmax", 6, "filters", &one); /* one for each class, by name */
    assert_non_null(strstr(program.out_text, "the first layer's 10 filters of 28×28 (step 6)\nweights from -"));
}

static void numbers_are_checked(void **state) {
    (void)state;
    train("softmax", 3);
    refused("softmax", 3, "hardest_0", "the number of images must be between 1 and 100, not \"0\"");
    refused("softmax", 3, "hardest_x", "between 1 and 100, not \"x\"");
    refused("softmax", 3, "hardest_101_zh", "张数要在 1 到 100 之间,不是\"101\"");
    refused("softmax", 3, "难例_-1_zh", "张数要在 1 到 100 之间,不是\"-1\"");
    refused("softmax", 3, "hardest_99999999999999999999", "between 1 and 100");
    refused("softmax", 3, "hardest_4_5", "\"5\" is too much");
    refused("softmax", 3, "confusion_3", "takes nothing");
    refused("softmax", 3, "filters_zh_en", "takes nothing, and not \"zh\"");
    refused("softmax", 3, "samples_4", "no command \"samples\"; softmax knows: recognize, hardest, confusion, filters");
    refused("softmax", 3, "重建", "no command \"重建\"; softmax knows: ");
    train("vae", 3);
    refused("vae", 3, "samples_1000", "the number of images must be between 1 and 100, not \"1000\"");
    refused("vae", 3, "samples_4_-1", "the seed must be between 0 and 9,007,199,254,740,991, not \"-1\"");
    refused("vae", 3, "samples_4_x_zh", "种子要在 0 到 ");
    refused("vae", 3, "reconstructions_0", "between 1 and 100");
    refused("vae", 3, "latent_2", "takes nothing");
    refused("vae", 3, "hardest", "no command \"hardest\"; vae knows: reconstructions, samples, latent, filters");
}

/* The same seed, the same images, whatever was asked before; other seeds and other weights give others. */
static void seeds_decide(void **state) {
    (void)state;
    struct look first, again, other, later;
    train("vae", 3);
    call("vae", 3, "samples_4_7", &first);
    assert_non_null(strstr(program.out_text, "4 new images (step 3, seed 7)"));
    call("vae", 3, "samples_4_7", &again);
    assert_true(first.content == again.content);
    call("vae", 3, "samples_4_8", &other);
    assert_true(first.content != other.content);
    train("vae", 40);
    call("vae", 40, "samples_4_7", &later);
    assert_true(first.content != later.content);
}

/* Training brings the error down, and the originals stay what they are. */
static void reconstructions_improve(void **state) {
    (void)state;
    struct look look;
    double early, late;
    train("autoencoder", 1);
    call("autoencoder", 1, "reconstructions_6", &look);
    const char *at = strstr(program.out_text, "mean squared error per pixel ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "mean squared error per pixel %lf", &early), 1);
    train("autoencoder", 400);
    call("autoencoder", 400, "reconstructions_6_zh", &look);
    at = strstr(program.out_text, "每像素均方误差 ");
    assert_non_null(at);
    assert_int_equal(sscanf(at, "每像素均方误差 %lf", &late), 1);
    assert_true(early > 0 && late < 0.9 * early);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter_alone, scene_leave_alone)
    const struct CMUnitTest tests[] = {
        TEST(every_declared_command), TEST(counts_are_heard),        TEST(numbers_are_checked),
        TEST(seeds_decide),           TEST(reconstructions_improve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
