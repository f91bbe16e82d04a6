/* test_options.c: the command line, each flag of the contract and each way to get it wrong; numbers as people write
 * them. */
#include "number.h"
#include "options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGS_MAX 80

/* Splits at blanks; a blank inside an argument is written as an underscore. */
static int parse(const char *line, struct options *options, char *error) {
    static char copy[4096];
    static char *argv[ARGS_MAX];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t) "trainbot-train";
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        for (char *p = word; *p != '\0'; p++)
            if (*p == '_') *p = ' ';
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return options_parse(argc, argv, options, error);
}

static struct options good(const char *line) {
    struct options options;
    char error[APP_ERROR_SIZE] = "";
    if (parse(line, &options, error) != 0) fail_msg("%s: %s", line, error);
    return options;
}

static void bad(const char *line, const char *expected) {
    struct options options = {.steps = 77};
    char error[APP_ERROR_SIZE] = "";
    if (parse(line, &options, error) == 0) fail_msg("accepted: %s", line);
    assert_int_equal(options.steps, 77);
    if (strstr(error, expected) == NULL) fail_msg("\"%s\" does not say \"%s\"", error, expected);
    assert_null(strchr(error, '\n'));
}

static void defaults(void **state) {
    (void)state;
    struct options o = good("");
    assert_int_equal(o.action, ACTION_TRAIN);
    assert_null(o.model);
    assert_string_equal(o.backend, "auto");
    assert_int_equal(o.seed, -1);
    assert_int_equal(o.steps, 0);
    assert_int_equal(o.order, ORDER_SHUFFLE);
    assert_false(o.hash_init || o.print_metrics || o.order_given);
}

static void every_flag(void **state) {
    (void)state;
    struct options o =
        good("--model lenet --backend=openblas --data /d --seed 7 --init hash --steps 30 --param lr=0.1 "
             "--param=bs=64 --checkpoint-dir c --resume latest --print-metrics --threads 2 --image-dir i");
    assert_string_equal(o.model, "lenet");
    assert_string_equal(o.backend, "openblas");
    assert_string_equal(o.data, "/d");
    assert_int_equal(o.seed, 7);
    assert_true(o.hash_init && o.print_metrics);
    assert_int_equal(o.order, ORDER_FILE); /* follows from hash */
    assert_int_equal(o.steps, 30);
    assert_int_equal(o.params_count, 2);
    assert_string_equal(o.params[1], "bs=64");
    assert_string_equal(o.checkpoint_dir, "c");
    assert_string_equal(o.resume, "latest");
    assert_string_equal(o.image_dir, "i");
    assert_int_equal(o.threads, 2);
    assert_int_equal(o.precision, PRECISION_FLOAT32);
    assert_int_equal(good("--precision tf32").precision, PRECISION_TF32);
    assert_int_equal(good("--precision bf16").precision, PRECISION_BF16);
    assert_string_equal(options_precision(PRECISION_BF16), "bf16");
    assert_int_equal(good("--order shuffle --init hash").order, ORDER_SHUFFLE);
    assert_int_equal(good("--order file").order, ORDER_FILE);
    assert_int_equal(good("--describe").action, ACTION_DESCRIBE);
    assert_int_equal(good("--bench 20").bench_steps, 20);
    o = good("--resume a/step-3 --call recognize_10");
    assert_int_equal(o.action, ACTION_CALL);
    assert_string_equal(o.call, "recognize 10");
    assert_int_equal(good("--help --nosuch").action, ACTION_HELP);
    assert_int_equal(good("--version").action, ACTION_VERSION);
}

static void wrong(void **state) {
    (void)state;
    bad("--modle cnn", "unknown option \"--modle\"");
    bad("cnn", "unknown option \"cnn\"");
    bad("-m cnn", "unknown option");
    bad("--model", "--model needs a value");
    bad("--model=", "not empty");
    bad("--describe=yes", "takes no value");
    bad("--seed -1", "--seed must be a whole number between 0");
    bad("--seed 1.5", "--seed");
    bad("--steps 0", "--steps must be a whole number between 1");
    bad("--steps 1e99", "--steps");
    bad("--steps ten", "not \"ten\"");
    bad("--init zero", "--init must be default or hash");
    bad("--precision half", "--precision must be float32, tf32 or bf16, not \"half\"");
    bad("--order random", "--order must be shuffle or file");
    bad("--param lr", "must look like lr=0.001");
    bad("--param =1", "must look like");
    bad("--bench 0", "--bench");
    bad("--bench 10 --describe", "exclude each other");
    bad("--call recognize", "--resume");
    char line[OPTIONS_PARAMS_MAX * 16 + 64] = "";
    for (int i = 0; i <= OPTIONS_PARAMS_MAX; i++)
        strcat(line, "--param=lr=1 ");
    bad(line, "more than");
}

static void numbers(void **state) {
    (void)state;
    double d = 0;
    int64_t n = 0;
    assert_true(number_parse("1e-3", &d) && d == 0.001);
    assert_true(number_parse("+.5", &d) && d == 0.5);
    const char *const not_numbers[] = {"",      " 1",  "1 ",  "0x10", "nan", "inf",
                                       "1e999", "1,5", "--1", "1e",   "abc", "1.2.3"};
    for (size_t i = 0; i < sizeof not_numbers / sizeof *not_numbers; i++)
        if (number_parse(not_numbers[i], &d)) fail_msg("\"%s\" taken for %g", not_numbers[i], d);
    assert_true(d == 0.5);
    assert_true(number_parse_int("2e5", 1, 1000000, &n) && n == 200000);
    assert_true(number_parse_int("9007199254740991", 0, INT64_MAX, &n) && n == 9007199254740991);
    assert_true(number_parse_int("9223372036854775807", 0, INT64_MAX, &n) && n == INT64_MAX);
    n = 5;
    assert_false(number_parse_int("9223372036854775808", 0, INT64_MAX, &n));
    assert_false(number_parse_int("1e99", 0, INT64_MAX, &n));
    assert_false(number_parse_int("0.5", 0, 10, &n));
    assert_false(number_parse_int("11", 0, 10, &n));
    assert_false(number_parse_int("1e1", 0, 9, &n));
    assert_int_equal(n, 5);
    char text[32];
    assert_string_equal(number_shortest(0.001, text, sizeof text), "0.001");
    assert_string_equal(number_shortest(200000, text, sizeof text), "200000");
    assert_string_equal(number_shortest(9007199254740991, text, sizeof text), "9007199254740991");
    assert_string_equal(number_shortest(0.1 + 0.2, text, sizeof text), "0.30000000000000004");
    assert_string_equal(number_grouped(200000, text, sizeof text), "200,000");
    assert_string_equal(number_grouped(-1234567, text, sizeof text), "-1,234,567");
    assert_string_equal(number_grouped(999, text, sizeof text), "999");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(defaults), cmocka_unit_test(every_flag),
                                       cmocka_unit_test(wrong), cmocka_unit_test(numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
