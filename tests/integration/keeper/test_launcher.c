/* Starting, ending and signals; captured commands; many at once. */
#include "launcher_support.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void exit_code_told(void **state) {
    (void)state;
    bench_shell(1, "echo one; echo two >&2; test \"$TRAINBOT_RUN\" = 7 || exit 9; exit 3");
    bench_wait(was_ended, 1);
    struct heard *heard = &bench.heard[1];
    assert_int_equal(heard->started, 1);
    assert_int_equal(heard->exit_code, 3);
    assert_int_equal(heard->signal, 0);
    assert_false(heard->oom || heard->not_started);
    assert_int_equal(heard->lines_count, 2);
    assert_string_equal(heard->lines[0], "one");
    assert_string_equal(heard->lines[1], "two");
    bench_wait(has_exit_file, 1);
    char *text = read_whole(1, "exit", NULL);
    assert_non_null(strstr(text, "trainbot-keeper 1\nstarted 1\nexit 3\nsignal 0\noom 0\n"));
    free(text);
    assert_int_equal(heard->ended, 1);
    assert_int_equal(heard->lost, 0);
}

static void end_told_at_once(void **state) {
    (void)state;
    bench_shell(1, "exec sleep 1000");
    bench_wait(was_started, 1);
    uint64_t killed = uv_hrtime();
    assert_int_equal(kill((pid_t)bench.heard[1].pid, SIGKILL), 0);
    bench_wait(was_ended, 1);
    assert_true(bench.heard[1].ended_at_ns - killed < 500000000U);
    assert_int_equal(bench.heard[1].signal, SIGKILL);
    assert_int_equal(bench.heard[1].exit_code, -1);
    assert_false(bench.heard[1].oom); /* no counter rose */
}

static void exec_failure_told(void **state) {
    (void)state;
    char *missing[] = {(char *)(uintptr_t) "/no/such/program", NULL};
    char *not_executable[] = {(char *)(uintptr_t) "/etc/passwd", NULL};
    bench_start(1, missing);
    bench_start(2, not_executable);
    char *argv[] = {(char *)(uintptr_t) "/bin/true", NULL};
    struct launch launch = {.run = 3, .argv = argv, .directory = "/no/such/directory", .run_dir = bench_run_dir(3)};
    char why[256];
    assert_int_equal(launcher_start(bench.launcher, &launch, why, sizeof why), TB_OK);
    static const char *const expected[] = {"", "cannot run /no/such/program: No such file or directory",
                                           "cannot run /etc/passwd: Permission denied",
                                           "cannot enter /no/such/directory: No such file or directory"};
    for (int64_t run = 1; run <= 3; run++) {
        bench_wait(was_ended, run);
        assert_true(bench.heard[run].not_started);
        assert_int_equal(bench.heard[run].started, 0);
        assert_int_equal(bench.heard[run].lines_count, 1);
        assert_string_equal(bench.heard[run].lines[0], expected[run]);
    }
}

static void second_start_refused(void **state) {
    (void)state;
    bench_shell(1, "exec sleep 1000");
    bench_wait(was_started, 1);
    char *argv[] = {(char *)(uintptr_t) "/bin/true", NULL};
    struct launch launch = {.run = 1, .argv = argv, .run_dir = bench_run_dir(1)};
    char why[256];
    assert_int_equal(launcher_start(bench.launcher, &launch, why, sizeof why), TB_EEXISTS);
    assert_string_equal(why, "run 1 was started before");
    launch.run = 2; /* another number, the same directory */
    assert_int_equal(launcher_start(bench.launcher, &launch, why, sizeof why), TB_EEXISTS);
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGKILL), TB_OK);
    bench_wait(was_ended, 1);
    launch.run = 1;
    assert_int_equal(launcher_start(bench.launcher, &launch, why, sizeof why), TB_EEXISTS);
}

static void term_ignored_then_killed(void **state) {
    (void)state;
    bench_shell(1, "trap '' TERM; echo ready; sleep 1000 & while :; do wait; done");
    bench_wait(printed, 1);
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGTERM), TB_OK);
    double cpu;
    int64_t rss;
    assert_int_equal(launcher_usage(bench.launcher, 1, &cpu, &rss), TB_OK);
    assert_true(rss > 0);
    assert_int_equal(bench.heard[1].ended, 0);
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGKILL), TB_OK);
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].signal, SIGKILL);
    assert_false(bench.heard[1].oom);
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGKILL), TB_ENOTFOUND);
}

static int64_t watched_pid;

static bool watched_gone(int64_t run) {
    (void)run;
    return !process_lives(watched_pid);
}

/* The grandchild holds the output open in a session of its own; the trainer's end is told at once all the same, and
 * after a stop was asked for the family is ended too. */
static void grandchild_holds_output(void **state) {
    (void)state;
    bench_shell(1, "setsid sleep 1000 & echo $!; kill -9 $$");
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].signal, SIGKILL);
    assert_int_equal(bench.heard[1].lines_count, 1);
    watched_pid = atoll(bench.heard[1].lines[0]);
    assert_true(process_lives(watched_pid)); /* nobody asked for a stop */
    kill((pid_t)watched_pid, SIGKILL);

    bench_shell(2, "setsid sleep 1000 & echo $!; wait");
    bench_wait(printed, 2);
    assert_int_equal(launcher_signal(bench.launcher, 2, SIGTERM), TB_OK);
    bench_wait(was_ended, 2);
    watched_pid = atoll(bench.heard[2].lines[0]);
    bench_wait(watched_gone, 2);
}

static void environment_is_fresh(void **state) {
    (void)state;
    struct rlimit before, raised;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    raised = before;
    raised.rlim_cur = before.rlim_max;
    setrlimit(RLIMIT_NOFILE, &raised);
    launcher_set_nofile(bench.launcher, 777, before.rlim_max);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    signal(SIGPIPE, SIG_IGN);
    int leak = open("/etc/passwd", O_RDONLY); /* not close-on-exec, as a careless library would */
    bench_shell(1, "ulimit -n; ls /proc/self/fd | tr '\\n' ' '; echo; grep -E 'SigBlk|SigIgn' /proc/self/status;"
                   "umask; cat; test $(ps -o pgid= -p $$) = $$ && echo leader; test \"$(ps -o sid= -p $$)\" != \"$(ps "
                   "-o sid= -p $PPID)\" || echo inside");
    bench_wait(was_ended, 1);
    close(leak);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    setrlimit(RLIMIT_NOFILE, &before);
    struct heard *heard = &bench.heard[1];
    assert_true(heard->lines_count >= 7);
    assert_string_equal(heard->lines[0], "777");
    assert_string_equal(heard->lines[1], "0 1 2 200 3 "); /* 3: ls itself */
    assert_string_equal(heard->lines[2], "SigBlk: 0000000000000000");
    assert_string_equal(heard->lines[3], "SigIgn: 0000000000000000");
    assert_string_equal(heard->lines[4], "0022");
    assert_string_equal(heard->lines[5], "leader");
    assert_string_equal(heard->lines[6], "inside"); /* the keeper's session, which is not ours */
    assert_int_equal(heard->exit_code, 0);
}

static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static bool keeper_gone(int64_t run) {
    return !process_lives(keeper_pid(run));
}

static void fifty_at_once(void **state) {
    (void)state;
    int before = descriptors();
    for (int64_t run = 1; run <= 50; run++) {
        char script[64];
        snprintf(script, sizeof script, "echo run %d; (sleep 0.1 &); exit %d", (int)run, (int)run);
        bench_shell(run, script);
    }
    for (int64_t run = 1; run <= 50; run++) {
        bench_wait(was_ended, run);
        char line[64];
        snprintf(line, sizeof line, "run %d", (int)run);
        assert_int_equal(bench.heard[run].exit_code, run);
        assert_int_equal(bench.heard[run].started, 1);
        assert_int_equal(bench.heard[run].ended, 1);
        assert_string_equal(bench.heard[run].lines[0], line);
    }
    for (int64_t run = 1; run <= 50; run++) {
        bench_wait(has_exit_file, run);
        bench_wait(keeper_gone, run);
    }
    assert_int_equal(descriptors(), before);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    char children[64] = "";
    FILE *file = fopen(path, "re");
    if (file) {
        if (!fgets(children, sizeof children, file)) children[0] = '\0';
        fclose(file);
    }
    assert_string_equal(children, "");
}

/* ---- captured commands ---- */

static int captured_code, captured_count;
static size_t captured_size;
static char captured[256];

static void on_captured(void *user, int exit_code, const char *output, size_t size) {
    (void)user;
    captured_count++;
    captured_code = exit_code;
    captured_size = size;
    snprintf(captured, sizeof captured, "%s", output);
}

static bool was_captured(int64_t run) {
    return captured_count == run;
}

static int capture(const char *script, int64_t timeout_ms) {
    char *argv[] = {(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c", (char *)(uintptr_t)script, NULL};
    char *env[] = {(char *)(uintptr_t) "WORD=said", NULL};
    captured_count = 0;
    assert_int_equal(launcher_capture(bench.launcher, argv, env, "/", timeout_ms, on_captured, NULL), TB_OK);
    bench_wait(was_captured, 1);
    return captured_code;
}

static void commands_captured(void **state) {
    (void)state;
    assert_int_equal(capture("echo $WORD; pwd; cat; echo noise >&2", 10000), 0);
    assert_string_equal(captured, "said\n/\n");
    assert_int_equal(capture("echo broken >&2; exit 4", 10000), 4);
    assert_string_equal(captured, "broken\n");
    assert_int_equal(capture("kill -11 $$", 10000), TB_EGONE);
    assert_int_equal(capture("exec /no/such", 10000), 127);
    assert_int_equal(capture("head -c 3000000 /dev/zero", 10000), TB_ERANGE);
    assert_int_equal(captured_size, 1024 * 1024);
    uint64_t before = uv_hrtime();
    assert_int_equal(capture("echo some; sleep 1000 & wait", 200),
                     TB_ETIMEDOUT); /* the group goes, not only the shell */
    assert_string_equal(captured, "some\n");
    assert_int_equal(capture("echo left; setsid sleep 3 & exit 0", 10000), 0);
    assert_string_equal(captured, "left\n");
    assert_true(uv_hrtime() - before < 2900000000U);
}

static void close_ends_captures(void **state) {
    (void)state;
    char *argv[] = {(char *)(uintptr_t) "/bin/sleep", (char *)(uintptr_t) "1000", NULL};
    captured_count = 0;
    assert_int_equal(launcher_capture(bench.launcher, argv, NULL, NULL, 60000, on_captured, NULL), TB_OK);
    bench_close(); /* would wait 1000 s otherwise */
    assert_int_equal(captured_count, 0);
    bench_open();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exit_code_told, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(end_told_at_once, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(exec_failure_told, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(second_start_refused, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(term_ignored_then_killed, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(grandchild_holds_output, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(environment_is_fresh, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(fifty_at_once, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(commands_captured, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(close_ends_captures, bench_setup, bench_teardown),
    };
    int failed = cmocka_run_group_tests_name("launcher", tests, NULL, NULL);
    failed += launcher_output_tests();
    failed += launcher_restart_tests();
    return failed != 0;
}
