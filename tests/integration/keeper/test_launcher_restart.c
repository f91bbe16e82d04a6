/* The bot goes and comes back, the keeper is killed, the kernel kills for memory, paths are long. */
#include "launcher_support.h"
#include <signal.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A bot of its own that starts run 1 and is killed with SIGKILL once it has heard that it runs. */
static void bot_starts_and_dies(const char *script) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t bot = fork();
    if (bot == 0) {
        bench_open();
        bench_shell(1, script);
        bench_wait(was_started, 1);
        char byte = 's';
        if (write(ends[1], &byte, 1) == 1) pause();
        _exit(1);
    }
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    kill(bot, SIGKILL);
    assert_int_equal(waitpid(bot, NULL, 0), bot);
}

static void adopted_alive(void **state) {
    (void)state;
    bot_starts_and_dies("echo up; exec sleep 1000");
    assert_int_equal(launcher_adopt(bench.launcher, 1, bench_run_dir(1)), TB_OK);
    assert_int_equal(launcher_adopt(bench.launcher, 1, bench_run_dir(1)), TB_EEXISTS);
    assert_int_equal(bench.heard[1].started, 0); /* never from inside a launcher_ function */
    bench_wait(was_started, 1);
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGTERM), TB_OK);
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].signal, SIGTERM);
    assert_string_equal(bench.heard[1].lines[0], "up");
}

static void adopted_after_end(void **state) {
    (void)state;
    bot_starts_and_dies("sleep 0.2; echo Traceback; exit 7");
    bench_wait(has_exit_file, 1);
    assert_int_equal(launcher_adopt(bench.launcher, 1, bench_run_dir(1)), TB_OK);
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].exit_code, 7);
    assert_string_equal(bench.heard[1].lines[0], "Traceback");
    assert_int_equal(bench.heard[1].lost, 0);
}

static void adopted_without_trace(void **state) {
    (void)state;
    assert_int_equal(launcher_adopt(bench.launcher, 1, bench_run_dir(1)), TB_OK);
    assert_int_equal(launcher_adopt(bench.launcher, 2, "/no/such/run"), TB_OK);
    bench_wait(was_lost, 1);
    bench_wait(was_lost, 2);
    assert_int_equal(bench.heard[1].lost, 1);
    char command[700]; /* a keeper that comes late starts nothing any more */
    snprintf(command, sizeof command, "%s/trainbot-keeper --run-dir %s -- /bin/touch %s/it-ran", getenv("TRAINBOT_BIN"),
             bench_run_dir(1), bench_run_dir(1));
    assert_int_equal(system(command), 0);
    char *text = read_whole(1, "keeper", NULL);
    assert_string_equal(text, "trainbot-keeper 1\nnone 1\nend\n");
    free(text);
    assert_false(has_exit_file(1));
}

static void broken_exit_file(void **state) {
    (void)state;
    char path[500];
    snprintf(path, sizeof path, "%s/exit", bench_run_dir(1));
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("trainbot-keeper 1\nexit 0\n", file); /* cut off */
    fclose(file);
    assert_int_equal(launcher_adopt(bench.launcher, 1, bench_run_dir(1)), TB_OK);
    bench_wait(was_lost, 1);
}

static bool made_marker(int64_t run) {
    char path[500];
    snprintf(path, sizeof path, "%s/marker", bench_run_dir(run));
    return access(path, F_OK) == 0;
}

/* The keeper is killed, in one case while the bot is there, in the other while it is not. The trainer prints 4 MiB
 * afterwards, four times what its pipe holds, and neither ends nor stops. */
static void keeper_killed(void **state) {
    (void)state;
    for (int64_t run = 1; run <= 2; run++) {
        char script[1200];
        const char *dir = bench_run_dir(run);
        snprintf(script, sizeof script,
                 "echo up; while ! test -e %s/go; do sleep 0.02; done; head -c 4000000 /dev/zero && touch %s/marker;"
                 "exec sleep 1000",
                 dir, dir);
        bench_shell(run, script);
        bench_wait(was_started, run);
        bench_wait(printed, run);
        int64_t keeper = keeper_pid(run), trainer = bench.heard[run].pid;
        if (run == 2) bench_close();
        kill((pid_t)keeper, SIGKILL);
        snprintf(script, sizeof script, "touch %s/go", dir);
        assert_int_equal(system(script), 0);
        if (run == 2) {
            bench_open();
            assert_int_equal(launcher_adopt(bench.launcher, run, dir), TB_OK);
        }
        bench_wait(was_lost, run);
        bench_wait(made_marker, run);
        assert_true(process_lives(trainer));
        assert_int_equal(launcher_signal(bench.launcher, run, SIGKILL), TB_OK);
        assert_int_equal(bench.heard[run].ended, 0);
        assert_int_equal(bench.heard[run].lost, 1);
    }
}

static void long_path(void **state) {
    (void)state;
    char dir[600];
    snprintf(dir, sizeof dir, "%s/", bench.dir);
    memset(dir + strlen(dir), 'd', 180);
    dir[strlen(bench.dir) + 181] = '\0';
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_true(strlen(dir) > 200);
    char *argv[] = {(char *)(uintptr_t) "/bin/sleep", (char *)(uintptr_t) "1000", NULL};
    struct launch launch = {.run = 1, .argv = argv, .run_dir = dir, .directory = dir};
    char why[256];
    assert_int_equal(launcher_start(bench.launcher, &launch, why, sizeof why), TB_OK);
    bench_wait(was_started, 1);
    bench_close();
    bench.heard[1].started = 0;
    bench_open();
    assert_int_equal(launcher_adopt(bench.launcher, 1, dir), TB_OK);
    bench_wait(was_started, 1);
    assert_int_equal(launcher_signal(bench.launcher, 1, SIGINT), TB_OK);
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].signal, SIGINT);
}

/* A cgroup below our own that may use 64 MiB; false: there is none to be had. */
static bool small_cgroup(char *path, size_t size) {
    char command[2000];
    snprintf(command, sizeof command,
             "c=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup); "
             "for d in /sys/fs/cgroup/memory$c /sys/fs/cgroup/memory /sys/fs/cgroup$(sed -n 's/^0:://p' "
             "/proc/self/cgroup); do "
             "g=$d/%s; mkdir $g 2>/dev/null || continue; "
             "for f in memory.limit_in_bytes memory.max; do test -e $g/$f && echo 67108864 > $g/$f && echo $g && exit; "
             "done; "
             "rmdir $g; done",
             strrchr(bench.dir, '/') + 1);
    FILE *file = popen(command, "r");
    assert_non_null(file);
    bool found = fgets(path, (int)size, file) != NULL;
    pclose(file);
    path[found ? strcspn(path, "\n") : 0] = '\0';
    return found;
}

static void out_of_memory(void **state) {
    (void)state;
    char group[1024], command[3000];
    if (!small_cgroup(group, sizeof group)) {
        print_message("SKIP out_of_memory: no cgroup with a memory limit can be made here\n");
        skip();
    }
    snprintf(command, sizeof command,
             "echo $$ > %s/cgroup.procs && exec %s/trainbot-keeper --run-dir %s -- sh -c 'echo growing; exec tail "
             "/dev/zero'",
             group, getenv("TRAINBOT_BIN"), bench_run_dir(1));
    assert_int_equal(system(command), 0);
    bench_wait(has_exit_file, 1);
    assert_int_equal(launcher_adopt(bench.launcher, 1, bench_run_dir(1)), TB_OK);
    bench_wait(was_ended, 1);
    assert_int_equal(bench.heard[1].signal, SIGKILL);
    assert_string_equal(bench.heard[1].lines[0], "growing");
    assert_true(bench.heard[1].oom);
    snprintf(command, sizeof command, "timeout 20 sh -c 'until rmdir %s 2>/dev/null; do sleep 0.05; done'", group);
    assert_int_equal(system(command), 0);
}

int launcher_restart_tests(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(adopted_alive, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(adopted_after_end, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(adopted_without_trace, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(broken_exit_file, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(keeper_killed, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(out_of_memory, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(long_path, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests_name("launcher: restarts", tests, NULL, NULL);
}
