/* test_checkpoint.c: a checkpoint comes back bit for bit or not at all: every cut, every flipped byte, a full disk, a
 * folder that cannot be written. */
#include "checkpoint.h"
#include "number.h"
#include "sandbox.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static float values[12] = {0.1f, -0.0f, 1e-45f, 3.4e38f, 5, 6, 7, 8, 9, 10, 11, 12};
static struct engine_tensor tensors[2] = {
    {.name = "fc.weight", .dims = {2, 5}, .dims_count = 2, .count = 10},
    {.name = "fc.bias", .dims = {2}, .dims_count = 1, .count = 2},
};

static struct checkpoint example(void) {
    struct checkpoint c = {.model = "softmax",
                           .numerics = "openblas/SkylakeX/2",
                           .lineage = "abc123",
                           .saved_ms = 1700000000123,
                           .step = 530,
                           .samples = 67840,
                           .order = 1,
                           .data_count = 60000,
                           .data_checksum = 0xdeadbeef,
                           .score = 0.25,
                           .words = {UINT64_MAX, 1, 2, 3, 4, 5, 6, 7},
                           .params_count = 2,
                           .numbers = {{"epochs.best", 0.125}, {"epochs.done", 3}},
                           .numbers_count = 2,
                           .tensors = tensors,
                           .tensors_count = 2,
                           .values = values,
                           .values_count = 12};
    strcpy(c.params[0].name, "lr");
    strcpy(c.params[0].text, "0.001");
    strcpy(c.params[1].name, "nan");
    strcpy(c.params[1].text, "pause");
    return c;
}

/* The bytes of the example's file; caller frees. */
static uint8_t *encode(size_t *ret_size) {
    struct checkpoint c = example();
    struct checkpoint_bytes b;
    assert_int_equal(checkpoint_encode(&c, &b), 0);
    uint8_t *bytes = malloc(b.file_size);
    memcpy(bytes, b.front, b.front_size);
    memcpy(bytes + b.front_size, b.values, b.values_size);
    memcpy(bytes + b.front_size + b.values_size, b.digest, sizeof b.digest);
    assert_int_equal(b.front_size + b.values_size + sizeof b.digest, b.file_size);
    free(b.front);
    *ret_size = (size_t)b.file_size;
    return bytes;
}

static void same_as_example(const struct checkpoint *c) {
    const struct checkpoint e = example();
    assert_string_equal(c->model, e.model);
    assert_string_equal(c->numerics, e.numerics);
    assert_string_equal(c->lineage, e.lineage);
    assert_int_equal(c->saved_ms, e.saved_ms);
    assert_int_equal(c->step, e.step);
    assert_int_equal(c->samples, e.samples);
    assert_int_equal(c->order, e.order);
    assert_int_equal(c->data_count, e.data_count);
    assert_int_equal(c->data_checksum, e.data_checksum);
    assert_true(c->score == e.score);
    assert_memory_equal(c->words, e.words, sizeof e.words);
    assert_int_equal(c->params_count, 2);
    assert_string_equal(c->params[1].name, "nan");
    assert_string_equal(c->params[1].text, "pause");
    assert_int_equal(c->numbers_count, 2);
    assert_true(checkpoint_number(c, "epochs.best", 7) == 0.125 && checkpoint_number(c, "epochs.done", 7) == 3);
    assert_true(checkpoint_number(c, "epochs", 7) == 7);
}

static void round_trip(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = encode(&size);
    struct checkpoint c, head;
    char error[APP_ERROR_SIZE] = "";
    if (checkpoint_decode(bytes, size, &c, error) != 0) fail_msg("%s", error);
    same_as_example(&c);
    assert_int_equal(c.tensors_count, 2);
    assert_memory_equal(c.tensors, tensors, sizeof tensors);
    assert_int_equal(c.values_count, 12);
    assert_memory_equal(c.values, values, sizeof values); /* -0.0 and denormals included */
    checkpoint_release(&c);
    assert_null(c.values);
    assert_int_equal(checkpoint_decode_head(bytes, size, size, &head), 0);
    same_as_example(&head);
    assert_null(head.tensors);
    free(bytes);
}

/* Format 1 is what older programs wrote: the same without numbers. */
static void older_format(void **state) {
    (void)state;
    struct checkpoint c = example(), back;
    struct checkpoint_bytes b;
    char error[APP_ERROR_SIZE] = "";
    c.numbers_count = 0;
    assert_int_equal(checkpoint_encode(&c, &b), 0);
    assert_int_equal(b.front[8], 1);
    uint8_t *bytes = malloc(b.file_size);
    memcpy(bytes, b.front, b.front_size);
    memcpy(bytes + b.front_size, b.values, b.values_size);
    memcpy(bytes + b.front_size + b.values_size, b.digest, sizeof b.digest);
    if (checkpoint_decode(bytes, (size_t)b.file_size, &back, error) != 0) fail_msg("%s", error);
    assert_int_equal(back.numbers_count, 0);
    assert_int_equal(back.tensors_count, 2);
    assert_memory_equal(back.values, values, sizeof values);
    checkpoint_release(&back);
    free(bytes);
    free(b.front);
    for (int i = 0; i < CHECKPOINT_NUMBERS_MAX + 5; i++) { /* the last ones find no room */
        char name[40];
        snprintf(name, sizeof name, "n%d", i);
        checkpoint_number_set(&c, name, i);
        checkpoint_number_set(&c, name, i + 0.5);
    }
    assert_int_equal(c.numbers_count, CHECKPOINT_NUMBERS_MAX);
    assert_true(checkpoint_number(&c, "n31", 0) == 31.5);
}

static void refused(const uint8_t *bytes, size_t size) {
    struct checkpoint c = {.step = 77};
    char error[APP_ERROR_SIZE] = "";
    uint8_t *copy = malloc(size > 0 ? size : 1);
    memcpy(copy, bytes, size);
    int rc = checkpoint_decode(copy, size, &c, error);
    free(copy);
    assert_int_equal(rc, -1);
    assert_int_equal(c.step, 77);
    assert_true(strlen(error) > 10);
    assert_null(strchr(error, '\n'));
}

static void every_truncation(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = encode(&size);
    for (size_t cut = 0; cut < size; cut++)
        refused(bytes, cut);
    bytes = realloc(bytes, size + 1);
    bytes[size] = 0;
    refused(bytes, size + 1);
    free(bytes);
}

static void every_flipped_bit(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = encode(&size);
    for (size_t at = 0; at < size; at++) {
        for (int bit = 0; bit < 8; bit++) {
            bytes[at] ^= (uint8_t)(1u << bit);
            refused(bytes, size);
            bytes[at] ^= (uint8_t)(1u << bit);
        }
    }
    free(bytes);
}

/* Heads that lie, as a peek without the checksum sees them: nothing crashes, nothing is believed beyond its bounds. */
static void lying_heads(void **state) {
    (void)state;
    size_t size;
    uint8_t *bytes = encode(&size);
    for (size_t at = 24; at + 8 <= size; at++) {
        uint8_t saved[8];
        memcpy(saved, bytes + at, 8);
        memset(bytes + at, 0xff, 8);
        struct checkpoint head = {.step = 77};
        if (checkpoint_decode_head(bytes, size, size, &head) != 0)
            assert_int_equal(head.step, 77);
        else
            assert_true(memchr(head.model, 0, sizeof head.model) != NULL && head.params_count <= CHECKPOINT_PARAMS_MAX);
        memcpy(bytes + at, saved, 8);
    }
    for (size_t have = 0; have < 200; have++) {
        struct checkpoint head;
        assert_int_equal(checkpoint_decode_head(bytes, have, size, &head), -1);
    }
    free(bytes);
}

static int open_it(void **state) {
    (void)state;
    sandbox_open();
    return 0;
}

static int close_it(void **state) {
    (void)state;
    sandbox_close();
    return 0;
}

static int files_in(const char *folder) {
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

static void on_disk(void **state) {
    (void)state;
    struct checkpoint c = example(), back;
    char error[APP_ERROR_SIZE] = "";
    int64_t bytes = 0;
    if (checkpoint_write(&c, sandbox_path("."), "step-530", &bytes, error) != 0) fail_msg("%s", error);
    struct stat info;
    assert_int_equal(stat(sandbox_path("step-530"), &info), 0);
    assert_int_equal(info.st_size, bytes);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_equal(files_in(sandbox_path(".")), 1);
    assert_int_equal(checkpoint_read(sandbox_path("step-530"), &back, error), 0);
    same_as_example(&back);
    checkpoint_release(&back);
    assert_int_equal(checkpoint_peek(sandbox_path("step-530"), &back), 0);
    same_as_example(&back);

    assert_int_equal(checkpoint_read(sandbox_path("nosuch"), &back, error), -1);
    assert_non_null(strstr(error, "No such file"));
    assert_int_equal(checkpoint_read(sandbox_path("."), &back, error), -1);
    assert_int_equal(checkpoint_read("/dev/zero", &back, error), -1);
    assert_int_equal(checkpoint_peek("/dev/zero", &back), -1);
    assert_int_equal(checkpoint_write(&c, sandbox_path("nosuch"), "step-1", &bytes, error), -1);
    assert_non_null(strstr(error, "nosuch/step-1"));
}

/* A disk that is full after `limit` bytes, as far as this process can tell. */
static int full_disk_body(void) {
    struct checkpoint c = example();
    char error[APP_ERROR_SIZE] = "";
    int64_t bytes = 0;
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t limit = 0; limit < 400; limit += 50) {
        struct rlimit room = {limit, 400};
        if (setrlimit(RLIMIT_FSIZE, &room) != 0) return 1;
        if (checkpoint_write(&c, sandbox_path("."), "step-530", &bytes, error) == 0) return 2;
        if (strstr(error, "cannot save") == NULL) return 3;
    }
    return 0;
}

static void full_disk(void **state) {
    (void)state;
    struct checkpoint c = example(), back;
    char error[APP_ERROR_SIZE] = "";
    int64_t bytes = 0;
    assert_int_equal(checkpoint_write(&c, sandbox_path("."), "step-530", &bytes, error), 0);
    assert_int_equal(chown(sandbox_path("step-530"), 65534, 65534) == 0 || geteuid() != 0, 1);
    assert_int_equal(sandbox_as_nobody(full_disk_body), 0);
    assert_int_equal(files_in(sandbox_path(".")), 1); /* the old one, nothing half-written beside it */
    assert_int_equal(checkpoint_read(sandbox_path("step-530"), &back, error), 0);
    checkpoint_release(&back);
}

static int read_only_body(void) {
    struct checkpoint c = example();
    char error[APP_ERROR_SIZE] = "";
    int64_t bytes = 0;
    if (checkpoint_write(&c, sandbox_path("."), "step-530", &bytes, error) == 0) return 1;
    return strstr(error, "Permission denied") != NULL ? 0 : 2;
}

static void read_only_folder(void **state) {
    (void)state;
    assert_int_equal(chmod(sandbox_path("."), 0555), 0);
    assert_int_equal(sandbox_as_nobody(read_only_body), 0);
    assert_int_equal(chmod(sandbox_path("."), 0755), 0);
    assert_int_equal(files_in(sandbox_path(".")), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(older_format),
        cmocka_unit_test(every_truncation),
        cmocka_unit_test(every_flipped_bit),
        cmocka_unit_test(lying_heads),
        cmocka_unit_test_setup_teardown(on_disk, open_it, close_it),
        cmocka_unit_test_setup_teardown(full_disk, open_it, close_it),
        cmocka_unit_test_setup_teardown(read_only_folder, open_it, close_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
