/*
 * launcher_support.h: a loop, a launcher, a fresh state directory, and what was heard of each run. Every wait is for a
 * thing, with a deadline.
 */
#ifndef TRAINBOT_LAUNCHER_SUPPORT_H
#define TRAINBOT_LAUNCHER_SUPPORT_H

#include "launcher_uv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define RUNS_MAX 64

struct heard {
    int started, ended, lost;
    int64_t pid;
    int exit_code, signal;
    bool oom, not_started;
    size_t lines_count;
    char lines[PROCESS_LINES_MAX][401];
    uint64_t ended_at_ns;
};

struct bench {
    uv_loop_t loop;
    struct launcher *launcher;
    char dir[300];
    struct heard heard[RUNS_MAX];
};

extern struct bench bench;

int bench_setup(void **state);
int bench_teardown(void **state);
void bench_open(void);                  /* loop and launcher */
void bench_close(void);                 /* both; asserts that nothing is left open */
const char *bench_run_dir(int64_t run); /* made when missing; valid until the next call but 8 */
void bench_start(int64_t run, char *const *argv);
void bench_shell(int64_t run, const char *script);
void bench_wait(bool (*thing)(int64_t run), int64_t run);
bool was_started(int64_t run);
bool was_ended(int64_t run);
bool was_lost(int64_t run);
bool has_exit_file(int64_t run);
bool printed(int64_t run); /* output.log is not empty */
int64_t keeper_pid(int64_t run);
bool process_lives(int64_t pid);
char *read_whole(int64_t run, const char *name, size_t *ret_size); /* caller frees */

int launcher_output_tests(void);
int launcher_restart_tests(void);

#endif
