/* scene.c: see scene.h. */
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

struct program program;
struct peer peer;

int scene_enter(void **state) {
    (void)state;
    program_enter();
    peer_open(&peer, program_path("bot.sock"));
    return 0;
}

int scene_leave(void **state) {
    peer_close(&peer);
    return scene_leave_alone(state);
}

int scene_enter_alone(void **state) {
    (void)state;
    program_enter();
    return 0;
}

int scene_leave_alone(void **state) {
    (void)state;
    program_free(&program);
    program_leave();
    return 0;
}

int scene_run(const char *line) {
    program_free(&program);
    return program_run(&program, line);
}

void scene_launch(const char *line, const char *params) {
    const char *run_dir = program_path("run");
    assert_int_equal(mkdir(run_dir, 0755), 0);
    const struct program_options options = {.socket = peer.path, .run_dir = run_dir};
    program_start(&program, &options, line);
    peer_welcome(&peer, params);
}
