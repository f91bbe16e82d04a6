/* test_training.c: how a training goes on: learning-rate schedules, epochs with validation, early stopping, the best
 * epoch kept; without a bot, and as the chat steers it. */
#include "scene.h"
#include "schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SMALL "--model softmax --data data --param bs=50 "
#define HELD SMALL "--param validation=0.1 "

static void good(const char *line) {
    int status = scene_run(line);
    if (status != 0) fail_msg("%s: exit %d, %s", line, status, program.err_text);
}

static void refused(const char *line, const char *expected) {
    int status = scene_run(line);
    if (status != 2) fail_msg("%s: exit %d instead of 2; %s", line, status, program.err_text);
    const char *newline = strchr(program.err_text, '\n');
    if (newline == NULL || newline[1] != '\0') fail_msg("%s: not one line: %s", line, program.err_text);
    if (!program_said(&program, expected)) fail_msg("\"%s\" does not say \"%s\"", program.err_text, expected);
}

/* ---- schedules ---- */

/* The rates of --print-metrics are schedule_rate's, to the seven digits that are printed. */
static void rates_are(const struct schedule *schedule, int total, int from) {
    const char *at = program.out_text;
    for (int step = from; step <= total; step++, at = strchr(at, '\n') + 1) {
        int index;
        double rate;
        if (sscanf(at, "%d loss=%*f acc=%*f lr=%lf", &index, &rate) != 2) fail_msg("no rate: %.60s", at);
        assert_int_equal(index, step - 1);
        double expected = schedule_rate(schedule, 0.01, step, total);
        if (!(fabs(rate - expected) <= 1e-6 * expected)) fail_msg("step %d: %.9g, not %.9g", step, rate, expected);
    }
    assert_int_equal(*at, '\0');
}

static void schedules(void **state) {
    (void)state;
    good(SMALL
         "--print-metrics --steps 20 --param lr=0.01 --param schedule=cosine --param warmup=5 --checkpoint-dir c");
    const struct schedule cosine = {.kind = SCHEDULE_COSINE, .warmup = 5, .every = 1000, .gamma = 0.1};
    rates_are(&cosine, 20, 1);
    good(SMALL
         "--print-metrics --steps 20 --param lr=0.01 --param schedule=step --param lr_step=6 --param lr_gamma=0.5");
    const struct schedule step = {.kind = SCHEDULE_STEP, .every = 6, .gamma = 0.5};
    rates_are(&step, 20, 1);
    good(SMALL "--print-metrics --steps 30 --resume c/step-20"); /* the schedule is the checkpoint's, the plan is new */
    rates_are(&cosine, 30, 21);
    good(SMALL "--steps 20 --param lr=0.01 --param warmup=40 --param ds=10");
    assert_non_null(strstr(program.out_text, "Iter 500, Minibatch Loss= "));
    assert_non_null(strstr(program.out_text, ", Learning Rate= 0.0025\n"));
    good(SMALL "--steps 20 --print-metrics");
    assert_null(strstr(program.out_text, "lr=")); /* nothing moves it */
}

/* ---- epochs ---- */

/* The line of epoch `n` up to its time, which differs from run to run. */
static const char *epoch_line(int n) {
    static char lines[4][256];
    static int next;
    char head[40], *line = lines[next++ % 4];
    snprintf(head, sizeof head, ": epoch %d of ", n);
    const char *at = strstr(program.err_text, head);
    if (at == NULL) fail_msg("no line of epoch %d: %s", n, program.err_text);
    const char *end = strstr(at, " s");
    while (end != NULL && end > at && *end != ';')
        end--;
    assert_non_null(end);
    snprintf(line, sizeof lines[0], "%.*s", (int)(end - at), at);
    return line;
}

static void epochs_validate(void **state) {
    (void)state;
    good(HELD "--param epochs=3 --seed 4 --checkpoint-dir c --param save_every=40");
    assert_true(program_said(&program, "108 steps of 50 samples")); /* 3 × 1,800 */
    assert_true(program_said(&program, "200 of 2,000 training images are held back"));
    double loss, accuracy, val_loss, val_accuracy;
    assert_int_equal(sscanf(epoch_line(3), ": epoch 3 of 3: loss %lf, acc %lf; validation loss %lf, acc %lf", &loss,
                            &accuracy, &val_loss, &val_accuracy),
                     4);
    assert_true(loss > 0 && val_loss > 0 && accuracy > 0.9 && val_accuracy > 0.9);
    assert_true(program_said(&program, "s left"));
    assert_true(program_said(&program, "the best so far"));
    char *second = strdup(epoch_line(2)), *third = strdup(epoch_line(3));

    good("--data data --resume c/step-80"); /* in the middle of the third: means and split go on where they were */
    assert_string_equal(epoch_line(3), third);
    good(HELD "--param epochs=3 --seed 4 --param ds=7");
    assert_string_equal(epoch_line(2), second); /* the same seed holds back the same images */
    good(HELD "--param epochs=3 --seed 5");
    assert_string_not_equal(epoch_line(2), second);
    free(second);
    free(third);

    good("--data data --resume c/step-80 --param validation=0.3 --print-metrics");
    assert_true(program_said(&program, "the checkpoint's validation share 0.1 is kept"));
    good(SMALL "--param epochs=2 --param bs=300"); /* 2,000 are not a multiple of 300: each epoch still ends */
    assert_true(program_said(&program, "14 steps of 300 samples"));
    assert_null(strstr(epoch_line(2), "validation"));
}

/* With no learning to speak of the validation loss stays what it is, which is not better. */
static void stops_early(void **state) {
    (void)state;
    good(HELD "--param lr=1e-30 --param epochs=9 --param patience=2 --param keep_best=true --param save_every=10 "
              "--checkpoint-dir c");
    assert_true(program_said(&program,
                             "stopped early after epoch 3: no better validation loss for 2 epochs; the best was "
                             "epoch 1 ("));
    assert_true(program_said(&program, "back to the weights of epoch 1, step 36"));
    assert_true(program_said(&program, "finished at step 108, checkpoint "));
    assert_true(program_said(&program, "/step-36\n"));
    assert_non_null(strstr(program.out_text, "Optimization Finished!\nTesting Accuracy: "));
    char target[64] = "";
    assert_true(readlink(program_path("c/best"), target, sizeof target - 1) > 0);
    assert_string_equal(target, "step-36");
    good("--data data --resume latest --checkpoint-dir c --param patience=0 --param epochs=2"); /* the newest is the
                                                                                                   best */
    assert_true(program_said(&program, "resumed at step 36"));

    good("--data data --resume c/step-36 --checkpoint-dir other"); /* the best lies in the folder it came from */
    assert_true(program_said(&program, "back to the weights of epoch 1, step 36"));
    good("--data data --resume c/step-36 --checkpoint-dir done --param epochs=1 --param patience=0");
    assert_true(program_said(&program, "nothing is left to train: more epochs (now 1) go on"));

    good(HELD "--param lr=1e-30 --param epochs=9 --param patience=1 --checkpoint-dir d"); /* without keep_best */
    assert_true(program_said(&program, "stopped early after epoch 2: no better validation loss for one epoch;"));
    assert_false(program_said(&program, "back to the weights"));
    assert_true(program_file("d/step-72"));

    good(HELD "--param lr=1e-30 --param epochs=2 --param patience=1 --checkpoint-dir e"); /* the end comes first */
    assert_false(program_said(&program, "stopped early"));
}

static void keeps_the_best(void **state) {
    (void)state;
    good(HELD "--param epochs=2 --param keep_best=true --param save_every=1000 --checkpoint-dir c");
    assert_true(program_file("c/step-36") && program_file("c/step-72"));
    char line[256];
    for (int i = 3; i <= 8; i++) { /* a rate that spoils the weights: the best stays the best, whatever is saved */
        snprintf(line, sizeof line,
                 "--data data --resume latest --checkpoint-dir c --param lr=1 --param optimiser=adam --param epochs=%d",
                 i);
        good(line);
    }
    assert_true(program_file("c/best"));
    char target[64] = "";
    assert_true(readlink(program_path("c/best"), target, sizeof target - 1) > 0);
    assert_true(program_file("c/step-72") || strcmp(target, "step-72") != 0);
}

static void refusals(void **state) {
    (void)state;
    refused(SMALL "--param patience=3", "patience needs images to validate on, and the test set is not used for it");
    refused("--model softmax --data data --param validation=0.1 --param bs=1900",
            "bs 1900 is more than the 1,800 samples there are");
    refused(SMALL "--param schedule=linear", "schedule must be one of constant|step|cosine");
    refused(SMALL "--precision half", "--precision must be float32, tf32 or bf16");
    refused("--model sofmax --data data", "no model \"sofmax\"; did you mean softmax? there are ");
}

/* What this machine cannot do is said in one line, before anything is trained. */
static void backends(void **state) {
    (void)state;
    assert_int_equal(scene_run(SMALL "--backend openblas --precision bf16 --steps 2"), 2);
    assert_true(program_said(&program, "bf16"));
    assert_null(strstr(program.out_text, "Iter"));
    int status = scene_run(SMALL "--backend cuda --steps 2 --print-metrics");
    if (status == 0) return; /* there is a device */
    assert_int_equal(status, 2);
    assert_true(program_said(&program, "cuda") || program_said(&program, "CUDA"));
    const char *newline = strchr(program.err_text, '\n');
    assert_true(newline != NULL && newline[1] == '\0');
}

/* A process of this test may have this much memory from here on; 0: as before. */
static void memory_limit(rlim_t bytes) {
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = bytes > 0 ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
}

/* Too large a batch for the memory there is: one line, what was trained stays. With a small one the same limit does. */
static void want_of_memory(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* they need room of their own without end */
#endif
    memory_limit((rlim_t)1080 << 20);
    int small = scene_run(
        "--model dcgan --backend openblas --threads 1 --data data --param bs=16 --steps 2 --checkpoint-dir c");
    int large = scene_run(
        "--backend openblas --threads 1 --data data --param bs=2000 --steps 3 --checkpoint-dir c --resume latest");
    memory_limit(0);
    assert_int_equal(small, 0);
    assert_int_equal(large, 1);
    assert_true(program_said(&program,
                             "step 3 failed: not enough memory for batches of 2000 samples; a smaller bs needs less"));
    assert_true(program_said(&program, "failed at step 2, checkpoint "));
    assert_true(program_file("c/step-2"));
}

/* ---- as the chat steers it ---- */

static const char *set(const char *id, const char *params, const char *answer) {
    peer_send(&peer, "{\"type\":\"set\",\"id\":\"%s\",\"params\":%s}", id, params);
    return peer_text(peer_wait(&peer, answer, id), "why");
}

static void ends(void) {
    peer_send(&peer, "{\"type\":\"stop\",\"id\":\"end\",\"save\":true}");
    peer_wait(&peer, "bye", NULL);
    int status = program_wait(&program);
    if (status != 0) fail_msg("exit %d; %s", status, program.err_text);
}

/* A live lr is the schedule's base: the answer names it, a note what becomes of it. */
static void live_schedule(void **state) {
    (void)state;
    scene_launch(SMALL
                 "--param ti=1e9 --param save_every=1e6 --param ds=1000 --param schedule=step --param lr_step=1e6",
                 "{}");
    peer_wait_step(&peer, 3);
    set("a", "{\"lr\":0.5}", "applied");
    const char *text = peer_text(peer_wait(&peer, "event", "note"), "text");
    assert_non_null(strstr(text, "lr 0.5 is the base; with the step schedule step "));
    assert_non_null(strstr(text, " takes 0.5"));
    set("b", "{\"schedule\":\"constant\",\"warmup\":1000000000,\"lr\":1}", "applied");
    text = peer_text(peer_wait(&peer, "event", "note"), "text");
    assert_non_null(strstr(text, "lr 1 is the base; with the warm-up schedule step "));
    double rate = 0;
    long long step = 0;
    assert_int_equal(sscanf(strstr(text, "step "), "step %lld takes %lf", &step, &rate), 2);
    assert_true(fabs(rate - (double)step / 1e9) <= 1e-3 * rate);
    set("c", "{\"warmup\":0}", "applied");
    text = peer_text(peer_wait(&peer, "event", "note"), "text");
    assert_string_equal(text, "no schedule moves lr any more: it is 1");
    ends();
}

static void live_epochs(void **state) {
    (void)state;
    scene_launch(HELD "--param epochs=1000000 --param ds=100000 --param save_every=1e6", "{}");
    const cJSON *epoch = peer_wait(&peer, "event", "epoch");
    assert_true(peer_number(epoch, "epoch") == 1 && peer_number(epoch, "step") == 36);
    assert_non_null(strstr(peer_text(epoch, "text"), "epoch 1 of 1000000: loss "));
    assert_non_null(strstr(peer_text(epoch, "text"), "; validation loss "));
    const cJSON *values = cJSON_GetObjectItem(peer_wait(&peer, "progress", NULL), "values");
    assert_true(peer_number(values, "val_loss") > 0 && peer_number(values, "val_acc") <= 1);
    assert_true(peer_number(values, "train_loss") > 0 && peer_number(values, "train_acc") <= 1);
    assert_non_null(strstr(set("a", "{\"ti\":5000}", "rejected"), "epochs 1000000 decides the length, not ti"));
    assert_non_null(strstr(set("b", "{\"epochs\":1}", "rejected"), "epochs 1 leaves nothing to train: "));
    assert_non_null(strstr(set("c", "{\"bs\":1900}", "rejected"), "1,800 samples"));
    set("d", "{\"epochs\":0,\"ti\":900000000000}", "applied");
    set("e", "{\"patience\":1,\"lr\":1e-30}", "applied"); /* nothing improves any more: it ends by itself, well */
    const cJSON *bye = peer_wait(&peer, "bye", NULL);
    assert_string_equal(peer_text(bye, "status"), "finished");
    assert_int_equal(program_wait(&program), 0);
    assert_true(program_said(&program, "stopped early after epoch "));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_enter, scene_leave)
    const struct CMUnitTest tests[] = {
        TEST(schedules), TEST(epochs_validate), TEST(stops_early), TEST(keeps_the_best), TEST(refusals),
        TEST(backends),  TEST(live_schedule),   TEST(live_epochs), TEST(want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
