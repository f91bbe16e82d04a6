/* every_model.c: see every_model.h. */
#include "every_model.h"
#include "checkpoint.h"
#include "number.h"
#include "program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The words after "LABEL: " in --help, into `line`. */
static size_t help_list(const char *label, char *line, size_t size, const char **names) {
    struct program program;
    size_t count = 0;
    assert_int_equal(program_run(&program, "--help"), 0);
    const char *at = strstr(program.out_text, label);
    assert_non_null(at);
    at += strlen(label);
    snprintf(line, size, "%.*s", (int)strcspn(at, "\n"), at);
    program_free(&program);
    for (char *word = strtok(line, ", "); word != NULL && count < EVERY_MODEL_MAX; word = strtok(NULL, ", "))
        names[count++] = word;
    assert_true(count > 0);
    return count;
}

size_t every_model(const char *const **ret_names) {
    static char line[512];
    static const char *names[EVERY_MODEL_MAX];
    *ret_names = names;
    return help_list("\nmodels: ", line, sizeof line, names);
}

size_t every_backend(const char *const **ret_names) {
    static char line[512];
    static const char *names[EVERY_MODEL_MAX];
    size_t count = help_list("\nbackends: ", line, sizeof line, names);
    assert_string_equal(names[0], "auto");
    *ret_names = names + 1;
    return count - 1;
}

void poisoned_make(const char *model, const char *folder) {
    struct program program;
    struct checkpoint checkpoint;
    char line[256], path[64], error[APP_ERROR_SIZE] = "";
    int64_t bytes;
    snprintf(
        line, sizeof line,
        "--model %s --data data --param bs=8 --param optimiser=sgd --param momentum=0.999 --param lr=1e-6 --steps 2 "
        "--print-metrics --checkpoint-dir %s",
        model, folder);
    int status = program_run(&program, line);
    if (status != 0) fail_msg("%s: exit %d: %s", model, status, program.err_text);
    program_free(&program);
    snprintf(path, sizeof path, "%s/step-2", folder);
    if (checkpoint_read(program_path(path), &checkpoint, error) != 0) fail_msg("%s", error);
    float *values = checkpoint.values;
    int changed = 0;
    for (size_t i = 0; i < checkpoint.tensors_count; values += checkpoint.tensors[i++].count) {
        if (strstr(checkpoint.tensors[i].name, ".velocity") == NULL) continue;
        for (size_t k = 0; k < checkpoint.tensors[i].count; k++)
            values[k] = k % 2 == 0 ? 1e38f : -1e38f;
        changed++;
    }
    assert_true(changed > 0);
    if (checkpoint_write(&checkpoint, program_path(folder), "step-2", &bytes, error) != 0) fail_msg("%s", error);
    checkpoint_release(&checkpoint);
}
