/* test_program.c: trainbot-train without a bot: what it prints, what it refuses, how it ends, what it leaves on disk.
 */
#include "explosive.h"
#include "scene.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL "--model softmax --data data --param bs=50 "

static void good(const char *line) {
    int status = scene_run(line);
    if (status != 0) fail_msg("%s: exit %d, %s", line, status, program.err_text);
}

/* One line on stderr that has `expected`, nothing on stdout, exit 2. */
static void refused(const char *line, const char *expected) {
    int status = scene_run(line);
    if (status != 2) fail_msg("%s: exit %d instead of 2; %s", line, status, program.err_text);
    assert_int_equal(program.out_size, 0);
    const char *newline = strchr(program.err_text, '\n');
    if (newline == NULL || newline[1] != '\0') fail_msg("%s: not one line: %s", line, program.err_text);
    assert_int_equal(strncmp(program.err_text, "trainbot-train: ", 16), 0);
    if (!program_said(&program, expected)) fail_msg("\"%s\" does not say \"%s\"", program.err_text, expected);
    assert_false(program_file("checkpoints")); /* nothing was changed */
}

static void bad_words(void **state) {
    (void)state;
    refused("--nosuch", "unknown option");
    refused("--model nosuch --data data", "no model \"nosuch\"; there are cnn");
    refused("--describe --model nosuch", "no model");
    refused(SMALL "--backend abacus", "no backend \"abacus\"");
    refused(SMALL "--param lr=-1", "lr must be a number in (0, 1]");
    refused(SMALL "--param lr=abc", "not \"abc\"");
    refused("--data data --param bs=0", "bs must be a whole number between 1 and 2,000");
    refused("--data data --param bs=2001", "between 1 and 2,000");
    refused(SMALL "--param ti=1e99", "ti must be");
    refused(SMALL "--param dropout=0.5", "no parameter \"dropout\"");
    refused(SMALL "--resume latest", "cannot read the checkpoint folder");
    refused(SMALL "--resume nosuch", "cannot read the checkpoint nosuch");
}

static void bad_data(void **state) {
    (void)state;
    refused("--data nosuch", "no data folder nosuch");
    assert_int_equal(mkdir(program_path("empty"), 0755), 0);
    refused("--data empty", "no train-images-idx3-ubyte[.gz] in the data folder empty");
    refused("--data empty --describe", "no train-labels-idx1-ubyte");
    assert_int_equal(truncate(program_path("data/t10k-images-idx3-ubyte"), 5000), 0);
    refused(SMALL, "t10k-images-idx3-ubyte: truncated");
    program_write("data/t10k-images-idx3-ubyte", "not an IDX file at all", 22);
    refused(SMALL, "magic");
}

static void bad_checkpoints(void **state) {
    (void)state;
    good(SMALL "--steps 2 --checkpoint-dir c");
    refused("--data data --model mlp --resume c/step-2", "is of model softmax, not of mlp");
    FILE *file = fopen(program_path("c/step-2"), "r+b");
    assert_non_null(file);
    fseek(file, 5000, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, 5000, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
    refused("--data data --resume c/step-2", "corrupt: its checksum does not hold");
    refused("--data data --resume latest --checkpoint-dir c", "corrupt");
    assert_int_equal(truncate(program_path("c/step-2"), 9000), 0);
    refused("--data data --resume c/step-2", "corrupt: 9000 bytes");
    refused("--data data --resume data/train-labels-idx1-ubyte", "not a checkpoint");
    refused("--data data --resume data", "Is a directory");
    refused("--data data --checkpoint-dir data/train-labels-idx1-ubyte", "cannot write into the checkpoint folder");
}

static void unwritable_folder(void **state) {
    (void)state;
    const struct program_options options = {.as_nobody = true};
    assert_int_equal(mkdir(program_path("locked"), 0555), 0);
    program_start(&program, &options, SMALL "--steps 2 --checkpoint-dir locked");
    assert_int_equal(program_wait(&program), 2);
    assert_true(program_said(&program, "cannot write into the checkpoint folder locked: Permission denied"));
}

static void describes(void **state) {
    (void)state;
    good("--describe --data data");
    cJSON *root = cJSON_Parse(program.out_text);
    assert_non_null(root);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(root, "params")), 20);
    cJSON *bs = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "params"), 2);
    assert_string_equal(cJSON_GetObjectItem(bs, "name")->valuestring, "bs");
    assert_true(cJSON_GetObjectItem(bs, "max")->valuedouble == SMALL_TRAIN);
    cJSON *command = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "commands"), 0);
    assert_string_equal(cJSON_GetObjectItem(command, "name")->valuestring, "recognize");
    cJSON_Delete(root);
    const struct program_options full = {.out_path = "/dev/full"};
    program_free(&program);
    program_start(&program, &full, "--describe --data data");
    assert_int_equal(program_wait(&program), 1);
    assert_true(program_said(&program, "cannot write to standard output"));
}

static void benches(void **state) {
    (void)state;
    good(SMALL "--bench 5");
    cJSON *line = cJSON_Parse(program.out_text);
    assert_non_null(line);
    assert_string_equal(cJSON_GetObjectItem(line, "model")->valuestring, "softmax");
    assert_true(cJSON_GetObjectItem(line, "batch")->valuedouble == 50);
    assert_true(cJSON_GetObjectItem(line, "threads")->valuedouble >= 1);
    assert_true(cJSON_GetObjectItem(line, "samples_per_s")->valuedouble > 0);
    assert_string_equal(cJSON_GetObjectItem(line, "precision")->valuestring, "float32");
    assert_true(cJSON_GetObjectItem(line, "rss_kib")->valuedouble > 1000);
    assert_true(cJSON_GetObjectItem(line, "page_faults")->valuedouble >= 0);
    const cJSON *allocations = cJSON_GetObjectItem(line, "allocations"); /* not with a sanitizer */
    assert_true(allocations == NULL || allocations->valuedouble == 0);
    assert_non_null(cJSON_GetObjectItem(line, "backend"));
    cJSON_Delete(line);
    assert_false(program_file("checkpoints"));
}

static void classic_lines(void **state) {
    (void)state;
    good(SMALL "--param ti=2525 --param ds=20 --param save_every=10"); /* floor(2525 / 50) = 50 steps */
    int seen = 0, length = 0;
    long samples;
    double loss, accuracy;
    const char *p = program.out_text;
    for (; sscanf(p, "Iter %ld, Minibatch Loss= %lf, Training Accuracy= %lf\n%n", &samples, &loss, &accuracy,
                  &length) == 3;
         p += length) {
        assert_int_equal(samples, ++seen * 1000);
        assert_true(loss > 0 && accuracy >= 0 && accuracy <= 1);
    }
    assert_int_equal(seen, 2);
    length = 0;
    assert_int_equal(sscanf(p, "Optimization Finished!\nTesting Accuracy: %lf\n%n", &accuracy, &length), 1);
    assert_int_equal(p[length], '\0');
    assert_true(accuracy > 0.9); /* it can be learned, and was */
    assert_true(program_file("checkpoints/step-50") && program_file("checkpoints/step-40"));
    assert_true(program_file("checkpoints/step-30") && program_file("checkpoints/best"));
    assert_false(program_file("checkpoints/step-20")); /* the best is a later one */
}

static void prints_metrics(void **state) {
    (void)state;
    good("--model softmax --data data --init hash --print-metrics --steps 3");
    int index, length, lines = 0;
    double loss, accuracy;
    const char *p = program.out_text;
    for (; sscanf(p, "%d loss=%lf acc=%lf\n%n", &index, &loss, &accuracy, &length) == 3; p += length)
        assert_int_equal(index, lines++);
    assert_int_equal(lines, 3);
    assert_int_equal(*p, '\0');
    assert_true(program_said(&program, "3 steps of 64 samples"));
    assert_false(program_file("checkpoints"));
}

/* 40 steps at once, and 20 + 20 with another process: the same lines, whatever the batch, in both orders. */
static void resumes_bit_for_bit(const char *arguments) {
    char line[512];
    snprintf(line, sizeof line, "%s --print-metrics --steps 40", arguments);
    good(line);
    char *straight = strdup(program.out_text);
    snprintf(line, sizeof line, "%s --print-metrics --steps 20 --checkpoint-dir c", arguments);
    good(line);
    size_t half = program.out_size;
    assert_int_equal(strncmp(program.out_text, straight, half), 0);
    good("--data data --print-metrics --steps 40 --resume latest --checkpoint-dir c");
    assert_string_equal(program.out_text, straight + half);
    assert_false(program_said(&program, "bit for bit"));
    free(straight);
}

static void resumes_softmax(void **state) {
    (void)state;
    resumes_bit_for_bit("--model softmax --data data --param bs=77 --seed 3");
}

static void resumes_lenet_sgd(void **state) {
    (void)state;
    resumes_bit_for_bit(
        "--model lenet --data data --param bs=16 --param optimiser=sgd --param momentum=0.9 --order file");
}

static void resumes_cnn_dropout(void **state) {
    (void)state;
    resumes_bit_for_bit("--model cnn --data data --param bs=8 --param dropout=0.5");
}

static void says_what_differs(void **state) {
    (void)state;
    good(SMALL "--steps 4 --checkpoint-dir c --seed 9 --threads 1");
    good(SMALL "--steps 6 --resume c/step-4 --seed 5 --order file --threads 2 --param lr=0.002");
    assert_true(program_said(&program, "the checkpoint's seed 9 is kept"));
    assert_true(program_said(&program, "the checkpoint's order of samples is kept"));
    assert_true(program_said(&program, "not bit for bit"));
    assert_true(program_said(&program, "lr 0.002"));
    assert_true(program_file("c/step-6")); /* beside the file it came from */
    program_write("data/train-labels-idx1-ubyte", "\0\0\x08\x01\0\0\x07\xd0", 8);
    assert_int_equal(truncate(program_path("data/train-labels-idx1-ubyte"), 8 + SMALL_TRAIN), 0);
    good(SMALL "--steps 8 --resume c/step-6");
    assert_true(program_said(&program, "the training data is not what"));
    good(SMALL "--steps 8 --resume c/step-8");
    assert_true(program_said(&program, "nothing is left to train"));
}

static void sigterm_saves(void **state) {
    (void)state;
    const struct program_options options = {0};
    program_start(&program, &options, SMALL "--param ti=1e12 --checkpoint-dir c");
    program_until(&program, "Iter 1000,");
    assert_int_equal(kill(program.pid, SIGTERM), 0);
    assert_int_equal(program_wait(&program), 0);
    long step = -1;
    const char *said = strstr(program.err_text, "stopped at step ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "stopped at step %ld", &step), 1);
    assert_null(strstr(program.out_text, "Optimization Finished!"));
    char line[200];
    snprintf(line, sizeof line, "c/step-%ld", step);
    assert_true(program_file(line));
    snprintf(line, sizeof line, "--data data --resume c/step-%ld --steps %ld", step, step + 2);
    good(line);
}

/* Is SIGTERM's handler still there? */
static bool catches_sigterm(pid_t pid) {
    char path[64], text[4096] = "";
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    unsigned long long caught = 0;
    assert_int_equal(sscanf(strstr(text, "SigCgt:"), "SigCgt: %llx", &caught), 1);
    return caught >> (SIGTERM - 1) & 1;
}

static void second_signal_ends_at_once(void **state) {
    (void)state;
    const struct program_options options = {0};
    program_start(&program, &options, "--model cnn --data data --param bs=2000 --param ds=1 --param ti=1e9");
    program_until(&program, "Iter 2000,"); /* a step takes long enough to be in the middle of one */
    assert_int_equal(kill(program.pid, SIGTERM), 0);
    time_t begin = time(NULL);
    while (catches_sigterm(program.pid))
        assert_true(time(NULL) - begin < PROGRAM_DEADLINE_S);
    assert_int_equal(kill(program.pid, SIGTERM), 0);
    assert_int_equal(program_wait(&program), 1000 + SIGTERM);
}

static void full_disk(void **state) {
    (void)state;
    const struct program_options options = {.file_size_limit = 20000};
    program_start(&program, &options, SMALL "--steps 30 --param save_every=10 --checkpoint-dir c");
    assert_int_equal(program_wait(&program), 0);
    assert_true(program_said(&program, "cannot save"));
    assert_true(program_said(&program, "the training goes on"));
    assert_non_null(strstr(program.out_text, "Testing Accuracy"));
    assert_false(program_file("c/step-10") || program_file("c/step-30") || program_file("c/.saving"));
}

#define EXPLODES "--data data --resume explosive/step-2 --param lr=1 "

/* OpenBLAS alone would ask for its work space for ever. */
static void little_address_space(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their shadow memory takes more than all of it */
#else
    const struct program_options options = {.address_space = 400L << 20};
    program_start(&program, &options, "--model softmax --data data --steps 3 --checkpoint-dir c --threads 2");
    assert_int_equal(program_wait(&program), 1);
    assert_true(program_said(&program, "not enough memory"));
    program_free(&program);
#endif
}

static void nan_stops(void **state) {
    (void)state;
    explosive_make();
    good("--data data --resume explosive/step-2 --param lr=" EXPLOSIVE_TINY
         " --steps 20 --checkpoint-dir c"); /* harmless */
    assert_int_equal(scene_run(EXPLODES "--param nan=stop --steps 20 --checkpoint-dir c"), 1);
    assert_true(program_said(&program, "loss is nan at step 4 (loss before: "));
    assert_true(program_said(&program, ", lr 1); ending (nan=stop), the last finite state is step 2"));
    assert_true(program_said(&program, "failed at step 4"));

    assert_int_equal(scene_run(EXPLODES "--param nan=pause --steps 20 --checkpoint-dir c"), 1);
    assert_true(program_said(&program, "nobody is connected who could resume"));
    assert_int_equal(scene_run(EXPLODES "--param nan=stop --steps 20 --param ds=2 --checkpoint-dir d"), 1);
    assert_true(program_file("d/step-2")); /* the last finite state, with the settings of now, is worth a file */

    good(EXPLODES "--param nan=ignore --steps 20 --checkpoint-dir e --print-metrics");
    assert_non_null(strstr(program.out_text, "\n19 loss=nan"));
    assert_true(program_said(&program, "going on, as nan=ignore says"));
    assert_false(program_file("e/step-20")); /* what is not finite is no checkpoint */
}

static void recognizes(void **state) {
    (void)state;
    good(SMALL "--steps 100 --checkpoint-dir c");
    good("--data data --resume c/step-100 --call recognize_3");
    int right, of, step;
    assert_int_equal(sscanf(program.out_text, "%d of %d right (step %d)\n1. 0 ", &right, &of, &step), 3);
    assert_int_equal(of, 3);
    assert_int_equal(step, 100);
    const char *image = strstr(program.out_text, "\nimage: /");
    assert_non_null(image);
    char path[1024] = "";
    assert_int_equal(sscanf(image, "\nimage: %1000s", path), 1);
    char head[8] = "";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(head, 1, 8, file), 8);
    fclose(file);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    assert_int_equal(scene_run("--data data --resume c/step-100 --call recognize_101"), 2);
    assert_true(program_said(&program, "between 1 and 100"));
    assert_int_equal(scene_run("--data data --resume c/step-100 --call fly"), 2);
    assert_true(program_said(&program, "no command \"fly\""));
    assert_int_equal(scene_run("--data data --resume c/step-100 --call recognize_3 --image-dir nosuch"), 1);
    assert_true(program_said(&program, "cannot write the picture nosuch/"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter_alone, scene_leave_alone)
    const struct CMUnitTest tests[] = {
        TEST(bad_words),           TEST(bad_data),
        TEST(bad_checkpoints),     TEST(unwritable_folder),
        TEST(describes),           TEST(benches),
        TEST(classic_lines),       TEST(prints_metrics),
        TEST(resumes_softmax),     TEST(resumes_lenet_sgd),
        TEST(resumes_cnn_dropout), TEST(says_what_differs),
        TEST(sigterm_saves),       TEST(second_signal_ends_at_once),
        TEST(full_disk),           TEST(little_address_space),
        TEST(nan_stops),           TEST(recognizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
