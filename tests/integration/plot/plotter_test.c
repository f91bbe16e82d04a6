/*
 * plotter_test.c: the daemon's half on a real loop with the real helper and broken ones, over a store that is made up
 * here: every request is answered exactly once, whatever the helper does, and nothing is left in the loop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "plot_samples.h"
#include "plotter_uv.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the store behind it: run 1 has data, run 2 none, run 3 cannot be read ---- */

struct store_reader {
    int opened;
};

int store_reader_open(const char *state_dir, struct store_reader **ret_reader) {
    if (strcmp(state_dir, "/state") != 0) return TB_EIO;
    *ret_reader = calloc(1, sizeof **ret_reader);
    return *ret_reader ? TB_OK : TB_ENOMEM;
}

void store_reader_close(struct store_reader *reader) {
    free(reader);
}

int store_reader_metric_names(struct store_reader *reader, int64_t run, store_name_cb *cb, void *user) {
    reader->opened++;
    if (run == 3) return TB_ESTORE;
    if (run != 1) return TB_OK;
    (void)(cb(user, "speed") && cb(user, "loss") && cb(user, "accuracy"));
    return TB_OK;
}

int store_reader_series(struct store_reader *reader, int64_t run, const char *metric, size_t buckets,
                        struct store_bucket *ret_buckets, size_t *ret_count) {
    struct store_bucket *all;
    reader->opened++;
    assert_int_equal(run, 1);
    plot_sample_value *value = strcmp(metric, "loss") == 0 ? plot_sample_loss_nan : plot_sample_accuracy;
    *ret_count = plot_sample_buckets(value, 20000, 1, buckets, &all);
    memcpy(ret_buckets, all, *ret_count * sizeof *all);
    free(all);
    return TB_OK;
}

/* ---- a loop, a plotter, its answers ---- */

struct fixture {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct plotter *plotter;
    size_t answered, good, bytes;
    int status[100];
    char why[320];
    bool closed, close_in_done, kill_helper;
};

static char real_helper[1024], broken_helper[1024];

static void too_late(uv_timer_t *timer) {
    (void)timer;
    fail_msg("no answer in time");
}

static void set_up_at(struct fixture *f, const char *helper, const char *state_dir) {
    memset(f, 0, sizeof *f);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_timer_init(&f->loop, &f->deadline), 0);
    uv_timer_start(&f->deadline, too_late, 60000, 0);
    assert_int_equal(plotter_create(&f->loop, helper, state_dir, &f->plotter), TB_OK);
}

static void set_up(struct fixture *f, const char *helper) {
    set_up_at(f, helper, "/state");
}

static void on_closed(void *user) {
    struct fixture *f = user;
    f->closed = true;
    uv_close((uv_handle_t *)&f->deadline, NULL);
}

static void tear_down(struct fixture *f) {
    if (f->plotter) plotter_close(f->plotter, on_closed, f);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

static void on_done(void *user, int status, const uint8_t *bytes, size_t size, const char *why) {
    struct fixture *f = user;
    assert_true(f->answered < 100);
    f->status[f->answered++] = status;
    snprintf(f->why, sizeof f->why, "%s", why ? why : "");
    if (status != TB_OK) {
        assert_true(why && why[0] && !strchr(why, '\n'));
        return;
    }
    assert_true(size > 1000);
    f->good += memcmp(bytes, "\x89PNG", 4) == 0 || memcmp(bytes, "<?xml", 5) == 0;
    f->bytes = size;
    if (f->close_in_done) {
        plotter_close(f->plotter, on_closed, f);
        f->plotter = NULL;
    }
    if (memcmp(bytes, "\x89PNG", 4) == 0) assert_memory_equal(bytes + size - 8, "IEND", 4); /* also after closing */
}

static int draw(struct fixture *f, int64_t run, const char *metric, bool svg) {
    static const struct plot_mark marks[] = {{5000, "lr 0.01 → 0.001"}, {-3, "\xff"}, {INT64_MAX, NULL}};
    struct plot_request request = {
        .run = run, .title = "cnn #1", .lang = LANG_EN, .svg = svg, .marks = marks, .marks_count = 3};
    if (metric) request.metrics[request.metrics_count++] = metric;
    return plotter_draw(f->plotter, &request, on_done, f);
}

static void run_until(struct fixture *f, size_t answers) {
    while (f->answered < answers) {
        if (f->kill_helper && plotter_helper_pid(f->plotter) > 0) {
            f->kill_helper = false;
            kill(plotter_helper_pid(f->plotter), SIGKILL);
        }
        uv_run(&f->loop, UV_RUN_ONCE);
    }
}

static void draws(void **state) {
    (void)state;
    struct fixture f;
    set_up(&f, real_helper);
    assert_int_equal(plotter_helper_pid(f.plotter), 0); /* not before it is needed */
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    assert_int_equal(draw(&f, 1, "acc", false), TB_OK);
    assert_int_equal(draw(&f, 1, "speed", true), TB_OK);
    assert_int_equal(draw(&f, 2, NULL, false), TB_OK); /* a picture that says there is nothing */
    assert_int_equal(f.answered, 0);                   /* never before returning to the loop */
    assert_int_equal(plotter_open_requests(f.plotter), 4);
    run_until(&f, 1);
    int pid = plotter_helper_pid(f.plotter);
    run_until(&f, 4);
    assert_int_equal(f.good, 4);
    assert_true(pid > 0 && pid == plotter_helper_pid(f.plotter)); /* one helper for all */
    assert_int_equal(plotter_open_requests(f.plotter), 0);
    tear_down(&f);
}

static void refusals(void **state) {
    (void)state;
    struct fixture f;
    set_up(&f, real_helper);
    assert_int_equal(draw(&f, 1, "perplexity", false), TB_OK);
    run_until(&f, 1);
    assert_int_equal(f.status[0], TB_ENOTFOUND);
    assert_string_equal(f.why, "there is no metric \"perplexity\"; there are: speed, loss, accuracy");
    assert_int_equal(draw(&f, 3, NULL, false), TB_OK);
    run_until(&f, 2);
    assert_int_equal(f.status[1], TB_ESTORE);
    struct plot_request request = {.run = 1, .width = 5000};
    assert_int_equal(plotter_draw(f.plotter, &request, on_done, &f), TB_ERANGE);
    request.width = -1;
    assert_int_equal(plotter_draw(f.plotter, &request, on_done, &f), TB_ERANGE);
    tear_down(&f);
    assert_int_equal(f.answered, 2);
    set_up_at(&f, real_helper, "/nowhere");
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 1);
    assert_int_equal(f.status[0], TB_ESTORE);
    tear_down(&f);
}

static void queue_is_bounded(void **state) {
    (void)state;
    struct fixture f;
    set_up(&f, real_helper);
    plotter_set_limits(f.plotter, &(struct plotter_limits){10000, 60000, 3});
    for (int i = 0; i < 4; i++)
        assert_int_equal(draw(&f, 1, "loss", false), TB_OK); /* one active, three wait */
    assert_int_equal(draw(&f, 1, "loss", false), TB_EBUSY);
    run_until(&f, 4);
    assert_int_equal(f.good, 4);
    assert_int_equal(draw(&f, 1, "loss", false), TB_OK);
    run_until(&f, 5);
    tear_down(&f);
}

static void killed_helper_is_retried(void **state) {
    (void)state;
    struct fixture f;
    set_up(&f, real_helper);
    f.kill_helper = true; /* as soon as there is one, in the middle of its first request */
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 1);
    assert_int_equal(f.good, 1);
    assert_false(f.kill_helper);
    kill(plotter_helper_pid(f.plotter), SIGKILL); /* and between requests */
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 2);
    assert_int_equal(f.good, 2);
    tear_down(&f);
}

static void idle_helper_is_replaced(void **state) {
    (void)state;
    struct fixture f;
    set_up(&f, real_helper);
    plotter_set_limits(f.plotter, &(struct plotter_limits){30000, 100, 64});
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 1);
    while (plotter_helper_pid(f.plotter) != 0)
        uv_run(&f.loop, UV_RUN_ONCE); /* it leaves by itself */
    plotter_set_limits(f.plotter, &(struct plotter_limits){30000, 60000, 64});
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 2);
    assert_int_equal(f.good, 2);
    tear_down(&f);
}

static void crash_once(void **state) {
    (void)state;
    struct fixture f;
    char flag[] = "/tmp/plot-flag-XXXXXX";
    int file = mkstemp(flag);
    assert_true(file >= 0);
    close(file);
    unlink(flag);
    setenv("PLOT_BROKEN", "once", 1);
    setenv("PLOT_BROKEN_FLAG", flag, 1);
    setenv("PLOT_REAL", real_helper, 1);
    set_up(&f, broken_helper);
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 1);
    assert_int_equal(f.good, 1);
    assert_int_equal(access(flag, F_OK), 0); /* it did crash before */
    unlink(flag);
    tear_down(&f);
}

static void crashes_and_garbage(void **state) {
    (void)state;
    static const char *const ways[] = {"crash", "garbage"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        setenv("PLOT_BROKEN", ways[i], 1);
        set_up(&f, broken_helper);
        assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
        assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
        run_until(&f, 2);
        assert_int_equal(f.status[0], TB_EGONE);
        assert_int_equal(f.status[1], TB_EGONE);
        tear_down(&f);
        assert_int_equal(f.answered, 2);
    }
}

static void hanging_helper_is_killed(void **state) {
    (void)state;
    struct fixture f;
    setenv("PLOT_BROKEN", "hang", 1);
    set_up(&f, broken_helper);
    plotter_set_limits(f.plotter, &(struct plotter_limits){300, 60000, 64});
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 1);
    assert_int_equal(f.status[0], TB_ETIMEDOUT);
    assert_int_equal(plotter_helper_pid(f.plotter), 0);
    tear_down(&f);
}

static void missing_helper(void **state) {
    (void)state;
    struct fixture f;
    set_up(&f, "/nonexistent/trainbot-plot");
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 1);
    assert_int_equal(f.status[0], TB_EGONE);
    tear_down(&f);
}

/* Closed while one is being read or drawn and others wait: each is told, once. */
static void closing(void **state) {
    (void)state;
    for (int turns = 0; turns < 6; turns++) {
        struct fixture f;
        set_up(&f, real_helper);
        for (int i = 0; i < 3; i++)
            assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
        for (int i = 0; i < turns; i++)
            uv_run(&f.loop, UV_RUN_ONCE);
        tear_down(&f);
        assert_int_equal(f.answered, 3);
        assert_int_equal(f.status[2], f.good == 3 ? TB_OK : TB_EGONE);
    }
    struct fixture f;
    set_up(&f, real_helper);
    f.close_in_done = true;
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    assert_int_equal(draw(&f, 1, NULL, false), TB_OK);
    run_until(&f, 2);
    tear_down(&f);
    assert_int_equal(f.status[0], TB_OK);
    assert_int_equal(f.status[1], TB_EGONE);
    set_up(&f, real_helper);
    tear_down(&f); /* never used */
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws),
        cmocka_unit_test(refusals),
        cmocka_unit_test(queue_is_bounded),
        cmocka_unit_test(killed_helper_is_retried),
        cmocka_unit_test(idle_helper_is_replaced),
        cmocka_unit_test(crash_once),
        cmocka_unit_test(crashes_and_garbage),
        cmocka_unit_test(hanging_helper_is_killed),
        cmocka_unit_test(missing_helper),
        cmocka_unit_test(closing),
    };
    signal(SIGPIPE, SIG_IGN);
    snprintf(real_helper, sizeof real_helper, "%s/trainbot-plot",
             getenv("TRAINBOT_BIN") ? getenv("TRAINBOT_BIN") : ".");
    snprintf(broken_helper, sizeof broken_helper, "%s", argc > 1 ? argv[1] : "plot_broken_helper");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
