/* test_shelf.c: which checkpoints stay, which is the latest, and that nobody else's are touched. */
#include "number.h"
#include "sandbox.h"
#include "shelf.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static float values[1] = {1};
static struct engine_tensor tensors[1] = {{.name = "w", .dims = {1}, .dims_count = 1, .count = 1}};
static int64_t clock_ms = 1000;

static struct checkpoint make(const char *lineage, int64_t step, double score) {
    struct checkpoint c = {.model = "softmax",
                           .step = step,
                           .samples = step * 10,
                           .score = score,
                           .saved_ms = clock_ms++,
                           .tensors = tensors,
                           .tensors_count = 1,
                           .values = values,
                           .values_count = 1};
    snprintf(c.lineage, sizeof c.lineage, "%s", lineage);
    return c;
}

static void save(struct shelf *shelf, const char *lineage, int64_t step, double score, bool asked) {
    struct checkpoint c = make(lineage, step, score);
    char path[SHELF_PATH_MAX], error[APP_ERROR_SIZE] = "";
    int64_t bytes = 0;
    if (shelf_save(shelf, &c, asked, path, &bytes, error) != 0) fail_msg("%s", error);
    assert_int_equal(access(path, R_OK), 0);
    assert_int_equal(path[0], '/');
    assert_true(bytes > 0);
}

static bool there(int64_t step) {
    char name[40];
    snprintf(name, sizeof name, "a/b/step-%lld", (long long)step);
    return access(sandbox_path(name), F_OK) == 0;
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

static void open_shelf(struct shelf *shelf, const char *lineage) {
    char error[APP_ERROR_SIZE] = "";
    if (shelf_open(shelf, sandbox_path("a/b"), lineage, error) != 0) fail_msg("%s", error);
}

/* The best epoch's checkpoint stays and is the best, whatever the scores of others. */
static void keeps_the_best_epoch(void **state) {
    (void)state;
    struct shelf shelf;
    char target[64] = "";
    open_shelf(&shelf, "mine");
    assert_int_equal(shelf.kept_step, -1);
    shelf.kept_step = 100;
    save(&shelf, "mine", 100, 0.9, false);
    for (int i = 2; i <= 6; i++)
        save(&shelf, "mine", i * 100, 0.1, false);
    assert_true(there(100) && !there(200) && !there(300) && there(400));
    assert_true(readlink(sandbox_path("a/b/best"), target, sizeof target - 1) > 0);
    assert_string_equal(target, "step-100");
    shelf.kept_step = 600; /* a better epoch */
    save(&shelf, "mine", 600, 0.9, false);
    assert_false(there(100));
    shelf_close(&shelf);
}

static void keeps_last_and_best(void **state) {
    (void)state;
    struct shelf shelf;
    open_shelf(&shelf, "mine");
    const double scores[] = {NAN, 0.9, 0.1, 0.5, 0.4, 0.3, 0.2};
    for (int i = 1; i <= 6; i++)
        save(&shelf, "mine", i * 100, scores[i], false);
    assert_false(there(100));
    assert_true(there(200)); /* the best */
    assert_false(there(300));
    assert_true(there(400) && there(500) && there(600));
    char target[64] = "";
    assert_true(readlink(sandbox_path("a/b/best"), target, sizeof target - 1) > 0);
    assert_string_equal(target, "step-200");

    save(&shelf, "mine", 700, NAN, true); /* asked for: stays beyond its turn, and is never the best */
    for (int i = 8; i <= 12; i++)
        save(&shelf, "mine", i * 100, 0.7, false);
    assert_true(there(200) && there(700) && there(1000) && there(1100) && there(1200));
    assert_false(there(600) || there(800) || there(900));
    save(&shelf, "mine", 1300, 0.05, true); /* the next that is asked for releases it */
    save(&shelf, "mine", 1400, 0.7, false);
    assert_false(there(700) || there(200));
    shelf_close(&shelf);
}

static void only_own_lineage(void **state) {
    (void)state;
    struct shelf shelf;
    open_shelf(&shelf, "other");
    for (int i = 1; i <= 3; i++)
        save(&shelf, "other", i, 0.5, false);
    shelf_close(&shelf);
    open_shelf(&shelf, "mine");
    for (int i = 11; i <= 19; i++)
        save(&shelf, "mine", i, 0.5, false);
    assert_true(there(1) && there(2) && there(3));
    shelf_close(&shelf);
    open_shelf(&shelf, "mine"); /* a resumed training goes on with what it had */
    assert_int_equal(shelf.files_count, 4);
    save(&shelf, "mine", 20, 0.6, false);
    assert_true(there(11) && there(18) && there(19) && there(20));
    assert_false(there(17));
    shelf_close(&shelf);
}

static void one_writer(void **state) {
    (void)state;
    struct shelf first, second;
    char error[APP_ERROR_SIZE] = "";
    open_shelf(&first, "mine");
    assert_int_equal(shelf_open(&second, sandbox_path("a/b"), "yours", error), -1);
    assert_non_null(strstr(error, "another training"));
    shelf_close(&first);
    open_shelf(&second, "yours");
    shelf_close(&second);
}

static void latest(void **state) {
    (void)state;
    struct shelf shelf;
    struct checkpoint c;
    char path[SHELF_PATH_MAX], error[APP_ERROR_SIZE] = "";
    int damaged = 0;
    open_shelf(&shelf, "mine");
    assert_int_equal(shelf_latest(shelf.folder, path, &c, &damaged, error), -1);
    assert_non_null(strstr(error, "no checkpoint in"));
    save(&shelf, "mine", 900, 0.5, false);
    save(&shelf, "mine", 1000, 0.5, false);
    save(&shelf, "mine", 950, 0.5, false); /* rewound: newer, with a smaller step */
    assert_int_equal(shelf_latest(shelf.folder, path, &c, &damaged, error), 0);
    assert_int_equal(c.step, 950);
    assert_int_equal(damaged, 0);
    checkpoint_release(&c);
    sandbox_write("a/b/step-9999", "rubbish", 7);
    sandbox_write("a/b/step-12x", "rubbish", 7);
    assert_int_equal(truncate(sandbox_path("a/b/step-950"), 100), 0);
    assert_int_equal(shelf_latest(shelf.folder, path, &c, &damaged, error), 0);
    assert_int_equal(c.step, 1000);
    assert_int_equal(damaged, 2);
    checkpoint_release(&c);
    shelf_close(&shelf);
    assert_int_equal(shelf_latest(sandbox_path("nosuch"), path, &c, &damaged, error), -1);
    assert_non_null(strstr(error, "nosuch"));
}

static int unwritable_body(void) {
    struct shelf shelf;
    char error[APP_ERROR_SIZE] = "";
    if (shelf_open(&shelf, sandbox_path("locked/x"), "mine", error) == 0) return 1;
    if (strstr(error, "Permission denied") == NULL) return 2;
    if (shelf_open(&shelf, sandbox_path("locked"), "mine", error) == 0) return 3;
    return strstr(error, "Permission denied") != NULL ? 0 : 4;
}

static void unwritable(void **state) {
    (void)state;
    assert_int_equal(mkdir(sandbox_path("locked"), 0555), 0);
    assert_int_equal(sandbox_as_nobody(unwritable_body), 0);
    struct shelf shelf;
    char error[APP_ERROR_SIZE] = "";
    assert_int_equal(shelf_open(&shelf, "/dev/full", "mine", error), -1);
    assert_non_null(strstr(error, "/dev/full"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps_last_and_best, open_it, close_it),
        cmocka_unit_test_setup_teardown(keeps_the_best_epoch, open_it, close_it),
        cmocka_unit_test_setup_teardown(only_own_lineage, open_it, close_it),
        cmocka_unit_test_setup_teardown(one_writer, open_it, close_it),
        cmocka_unit_test_setup_teardown(latest, open_it, close_it),
        cmocka_unit_test_setup_teardown(unwritable, open_it, close_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
