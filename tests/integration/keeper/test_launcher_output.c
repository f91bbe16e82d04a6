/* What a trainer prints: a lot, without line ends, binary, onto a full disk, and how much memory its keeper takes. */
#include "launcher_support.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_hundred_megabytes(void **state) {
    (void)state;
    bench_shell(1, "printf begin; head -c 100000000 /dev/zero | tr '\\0' x; printf end; exit 5");
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].exit_code, 5);
    assert_int_equal(bench.heard[1].lines_count, 1);
    assert_int_equal(strlen(bench.heard[1].lines[0]), 400);
    assert_memory_equal(bench.heard[1].lines[0], "beginxxxx", 9);
    bench_wait(has_exit_file, 1);
    size_t size;
    char *exit_text = read_whole(1, "exit", NULL), *log = read_whole(1, "output.log", &size);
    char *line = strstr(exit_text, "\ndropped ");
    assert_non_null(line);
    int64_t dropped = atoll(line + 9), left_out = 0;
    assert_true(size <= 64 << 20);
    assert_memory_equal(log, "beginxxxx", 9);
    char *note = memmem(log, size, "[trainbot: ", 11);
    assert_non_null(note);
    left_out = atoll(note + 11);
    assert_true(left_out > 0);
    int64_t note_size = (char *)memchr(note, '\n', 200) - note + 2; /* with the line ends before and after */
    if (!dropped) { /* else the machine was too busy: then the count is what must be right */
        assert_memory_equal(log + size - 4, "xend", 4);
        assert_int_equal((int64_t)size - note_size + left_out, 100000008);
    }
    free(log);
    free(exit_text);
}

static void binary_and_bars(void **state) {
    (void)state;
    bench_shell(
        1,
        "printf '\\033[31mred\\033[0m\\n'; printf ' 10%%\\r 50%%\\r100%%\\n'; printf 'a\\377\\376b\\0c\\n';"
        "printf '\\345\\274\\200\\345\\247\\213\\r\\n\\n'; head -c 300000 /dev/urandom; printf '\\nlast without end'");
    bench_wait(was_ended, 1);
    assert_string_equal(bench.heard[1].lines[bench.heard[1].lines_count - 1], "last without end");
    bench_shell(2, "printf '\\033[31mred\\033[0m\\n'; printf ' 10%%\\r 50%%\\r100%%\\n'; printf 'a\\377\\376b\\0c\\n';"
                   "printf '\\345\\274\\200\\345\\247\\213\\r\\n\\n'; seq 1 30 >/dev/null; exit 1");
    bench_wait(was_ended, 2);
    assert_int_equal(bench.heard[2].lines_count, 4);
    assert_string_equal(bench.heard[2].lines[0], "red");
    assert_string_equal(bench.heard[2].lines[1], "100%");
    assert_string_equal(bench.heard[2].lines[2], "a\xef\xbf\xbd"
                                                 "bc");
    assert_string_equal(bench.heard[2].lines[3], "开始");
    bench_shell(3, "seq 1 100");
    bench_wait(was_ended, 3);
    assert_int_equal(bench.heard[3].lines_count, 20);
    assert_string_equal(bench.heard[3].lines[0], "81");
    assert_string_equal(bench.heard[3].lines[19], "100");
}

/* The trainer prints 8 MiB onto a 1 MiB file system, goes on, and its true end is in the file that was reserved. */
static void full_disk(void **state) {
    (void)state;
    const char *dir = bench_run_dir(1);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=1m") < 0) {
        print_message("SKIP full_disk: no right to mount a tmpfs\n");
        skip();
    }
    bench_shell(1, "head -c 8000000 /dev/zero | tr '\\0' y; echo; echo still here; exit 6");
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].exit_code, 6);
    assert_string_equal(bench.heard[1].lines[1], "still here");
    bench_wait(has_exit_file, 1);
    char *text = read_whole(1, "exit", NULL);
    assert_non_null(strstr(text, "\nexit 6\n"));
    assert_non_null(strstr(text, "\nend\n"));
    free(text);
    assert_int_equal(umount2(bench_run_dir(1), MNT_DETACH), 0);
}

static int64_t private_kib(int64_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    int64_t sum = 0;
    long long value;
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "Private_Clean: %lld", &value) == 1 || sscanf(line, "Private_Dirty: %lld", &value) == 1)
            sum += value;
    fclose(file);
    return sum;
}

static bool is_quiet(int64_t run) {
    char *text = read_whole(run, "output.log", NULL);
    bool there = strstr(text, "done printing") != NULL;
    free(text);
    return there;
}

static int64_t switches(int64_t pid) {
    char command[200];
    snprintf(command, sizeof command, "cat /proc/%d/task/*/status | awk '/ctxt_switches/ {n += $2} END {print n}'",
             (int)pid);
    FILE *file = popen(command, "r");
    assert_non_null(file);
    long long count = -1;
    assert_int_equal(fscanf(file, "%lld", &count), 1);
    pclose(file);
    return count;
}

static uint64_t quiet_until;

static bool time_passed(int64_t run) {
    (void)run;
    return uv_hrtime() > quiet_until;
}

static void small_and_idle(void **state) {
    (void)state;
    bench_shell(1, "head -c 2000000 /dev/urandom | od -c; echo done printing; exec sleep 1000");
    bench_wait(printed, 1);
    bench_wait(is_quiet, 1);
    int64_t keeper = keeper_pid(1), kib = private_kib(keeper), before = switches(keeper);
    (void)before;
    print_message("keeper_private_kib %d KiB\n", (int)kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(kib < 1024);
#endif
    quiet_until =
        uv_hrtime() + 1000000000U; /* the thing waited for is time itself: a second in which nothing happens */
    bench_wait(time_passed, 1);
#ifndef __SANITIZE_THREAD__ /* its own thread looks around now and then */
    assert_int_equal(switches(keeper), before);
#endif
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGKILL), TB_OK);
    bench_wait(was_ended, 1);
}

int launcher_output_tests(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_hundred_megabytes, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(binary_and_bars, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(full_disk, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(small_and_idle, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests_name("launcher: output", tests, NULL, NULL);
}
