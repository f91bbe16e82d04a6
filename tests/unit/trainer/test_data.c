/* test_data.c: a data set's folder: what must be there, what must agree, which names the classes get. */
#include "data.h"
#include "number.h"
#include "sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static void file_make(const char *name, uint32_t magic, uint8_t count, uint8_t last) {
    uint8_t bytes[16 + 28 * 28 * 9] = {0, 0, (uint8_t)(magic >> 8), (uint8_t)magic, 0, 0, 0, count};
    size_t size = 8 + count;
    if (magic == 0x803) {
        bytes[11] = bytes[15] = 28;
        size = 16 + 28u * 28u * count;
    }
    bytes[size - 1] = last;
    sandbox_write(name, bytes, size);
}

static void folder_make(void) {
    file_make("train-images-idx3-ubyte", 0x803, 9, 200);
    file_make("train-labels-idx1-ubyte", 0x801, 9, 9);
    file_make("t10k-images-idx3-ubyte", 0x803, 4, 100);
    file_make("t10k-labels-idx1-ubyte", 0x801, 4, 3);
}

static const char *folder;

static int open_it(void **state) {
    (void)state;
    folder = sandbox_open();
    folder_make();
    return 0;
}

static int close_it(void **state) {
    (void)state;
    sandbox_close();
    return 0;
}

static void refused(const char *expected) {
    struct data data;
    char error[APP_ERROR_SIZE] = "";
    assert_int_equal(data_load(folder, &data, error), -1);
    if (strstr(error, expected) == NULL) fail_msg("\"%s\" does not say \"%s\"", error, expected);
    assert_non_null(strstr(error, folder));
    assert_null(strchr(error, '\n'));
}

static void loads(void **state) {
    (void)state;
    struct data data;
    char error[APP_ERROR_SIZE] = "";
    if (data_load(folder, &data, error) != 0) fail_msg("%s", error);
    assert_int_equal(data.train.count, 9);
    assert_int_equal(data.test.count, 4);
    assert_int_equal(data.train.height * data.train.width, 784);
    assert_int_equal(data.train.labels[8], 9);
    assert_int_equal(data.train.pixels[9 * 784 - 1], 200);
    assert_string_equal(data.classes[9], "9");
    uint32_t before = data.checksum;
    data_release(&data);
    assert_int_equal(data_peek_count(folder, error), 9);

    file_make("train-images-idx3-ubyte", 0x803, 9, 201); /* one pixel differs: other data */
    assert_int_equal(data_load(folder, &data, error), 0);
    assert_int_not_equal(data.checksum, before);
    data_release(&data);
}

static void mismatches(void **state) {
    (void)state;
    file_make("train-labels-idx1-ubyte", 0x801, 8, 1);
    refused("9 train images but 8 labels");
    file_make("train-labels-idx1-ubyte", 0x801, 9, 10);
    refused("train label 8 is 10; labels are 0 to 9");
    file_make("train-labels-idx1-ubyte", 0x803, 1, 1);
    refused("train-labels-idx1-ubyte: not an IDX file of labels");
    folder_make();
    assert_int_equal(truncate(sandbox_path("t10k-images-idx3-ubyte"), 700), 0);
    refused("t10k-images-idx3-ubyte: truncated");
}

static void missing(void **state) {
    (void)state;
    char error[APP_ERROR_SIZE] = "";
    assert_int_equal(unlink(sandbox_path("t10k-labels-idx1-ubyte")), 0);
    refused("no t10k-labels-idx1-ubyte[.gz]");
    assert_int_equal(unlink(sandbox_path("train-labels-idx1-ubyte")), 0);
    assert_int_equal(data_peek_count(folder, error), -1);
    assert_int_equal(mkdir(sandbox_path("train-labels-idx1-ubyte"), 0755), 0);
    refused("not a regular file");
    struct data data;
    assert_int_equal(data_load(sandbox_path("nosuch"), &data, error), -1);
    assert_non_null(strstr(error, "no data folder"));
    assert_int_equal(data_load(sandbox_path("train-images-idx3-ubyte"), &data, error), -1);
}

/* Empty files, headers that promise what no file of that size can hold, and headers alone. */
static void hollow(void **state) {
    (void)state;
    static const uint8_t huge[16] = {0, 0, 8, 3, 0, 0x98, 0x96, 0x80, 0, 0, 0, 28, 0, 0, 0, 28}; /* 10 million */
    static const uint8_t none[16] = {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28};
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};
    for (size_t i = 0; i < 4; i++) {
        sandbox_write(names[i], "", 0);
        refused("truncated or damaged: no complete IDX header");
        refused(names[i]);
        folder_make();
    }
    sandbox_write(names[0], huge, sizeof huge);
    refused("truncated: its header says 10000000 items");
    sandbox_write(names[0], none, sizeof none);
    refused("its header says 0 items");
}

/* Eight megabytes that claim to unpack to eight gigabytes: refused before any of it is unpacked, or found short. */
static void bomb(void **state) {
    (void)state;
    enum { SIZE = 9 << 20 };
    uint8_t *plain = calloc(1, SIZE);
    static const uint8_t head[16] = {0, 0, 8, 3, 0, 0x98, 0x96, 0x80, 0, 0, 0, 28, 0, 0, 0, 28};
    memcpy(plain, head, sizeof head);
    for (unsigned i = sizeof head, x = 1; i < SIZE; i++)
        plain[i] = (uint8_t)((x = x * 1103515245u + 12345u) >> 16);
    assert_int_equal(unlink(sandbox_path("train-images-idx3-ubyte")), 0);
    gzFile file = gzopen(sandbox_path("train-images-idx3-ubyte.gz"), "wb1");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, plain, SIZE), SIZE);
    assert_int_equal(gzclose(file), Z_OK);
    free(plain);
    refused("its header");
}

/* A name means the user's own folder of it. */
static void by_name(void **state) {
    (void)state;
    struct data data;
    char error[APP_ERROR_SIZE] = "", *before = getenv("XDG_DATA_HOME");
    assert_int_equal(setenv("XDG_DATA_HOME", folder, 1), 0);
    assert_int_equal(data_load("mnist", &data, error), -1);
    assert_non_null(strstr(error, "trainbot/mnist: No such file"));
    assert_non_null(strstr(error, "data fetch mnist"));
    assert_int_equal(mkdir(sandbox_path("trainbot"), 0755), 0);
    assert_int_equal(symlink(folder, sandbox_path("trainbot/mnist")), 0);
    if (data_load("mnist", &data, error) != 0) fail_msg("%s", error);
    assert_int_equal(data.train.count, 9);
    data_release(&data);
    assert_int_equal(data_peek_count("mnist", error), 9);
    if (before != NULL)
        setenv("XDG_DATA_HOME", before, 1);
    else
        unsetenv("XDG_DATA_HOME");
}

static void fashion_names(void **state) {
    (void)state;
    struct data data;
    char error[APP_ERROR_SIZE] = "";
    if (access(DATA_DEFAULT_DIR, R_OK) != 0) {
        print_message("SKIP: no %s\n", DATA_DEFAULT_DIR);
        skip();
    }
    /* by its content: the folder's own name says nothing here */
    assert_int_equal(symlink(DATA_DEFAULT_DIR, sandbox_path("elsewhere")), 0);
    if (data_load(sandbox_path("elsewhere"), &data, error) != 0) fail_msg("%s", error);
    assert_string_equal(data.classes[9], "Ankle boot");
    assert_int_equal(data.train.count, 60000);
    assert_int_equal(data.test.count, 10000);
    data_release(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(loads, open_it, close_it),
        cmocka_unit_test_setup_teardown(mismatches, open_it, close_it),
        cmocka_unit_test_setup_teardown(missing, open_it, close_it),
        cmocka_unit_test_setup_teardown(hollow, open_it, close_it),
        cmocka_unit_test_setup_teardown(bomb, open_it, close_it),
        cmocka_unit_test_setup_teardown(by_name, open_it, close_it),
        cmocka_unit_test_setup_teardown(fashion_names, open_it, close_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
