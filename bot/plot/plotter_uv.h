/*
 * plotter_uv.h: core's plotter on libuv. Requests wait in a bounded queue and are worked off one after the other: the
 * series is read in libuv's pool through an own read-only connection (opened per request, so nothing is held between
 * pictures), then the helper program trainbot-plot draws it. The helper starts with the first request and leaves by
 * itself after a minute; when it crashes the request is given to a new one once, when it takes too long it is killed.
 *
 * Loop thread only. The process must ignore SIGPIPE, as any libuv program that writes to pipes does.
 *
 * What plotter_draw (plotter.h) returns: TB_OK; TB_EBUSY the queue is full; TB_ERANGE a side outside 120..4096 pixels
 * or more than PLOT_METRICS_MAX metrics; TB_EGONE after plotter_close; TB_ENOMEM. What `done` gets: TB_OK; TB_ENOTFOUND
 * no such metric (`why` lists those there are); TB_ESTORE the store cannot be read; TB_ETIMEDOUT, TB_EGONE the helper
 * took too long, or failed twice, or cannot be started, or the plotter was closed; TB_ENOMEM. `why` is in the request's
 * language. Only the newest 256 marks are drawn. A run without any metric gives a picture that says so.
 * Metrics are found by exact name, without regard to case, then by meaning ("acc", 准确率 find accuracy).
 * The smoothed curve is described in plot_smooth.h.
 */
#ifndef TRAINBOT_PLOTTER_UV_H
#define TRAINBOT_PLOTTER_UV_H

#include "plotter.h"
#include <uv.h>

struct plotter_limits {
    uint64_t timeout_ms; /* 10,000: from handing a request to the helper until its picture is there */
    uint64_t idle_ms;    /* 60,000: the helper leaves after this long without a request */
    size_t queue_max;    /* 64 waiting requests */
};

/* helper_path: the program trainbot-plot; copied as state_dir is. Starts nothing yet. TB_ENOMEM. Ends with
 * plotter_close. */
MUST_USE int plotter_create(uv_loop_t *loop, const char *helper_path, const char *state_dir, struct plotter **ret);
/* Answers what is open with TB_EGONE (from within), kills the helper, and calls closed(user) from the loop when nothing
 * of the plotter is left in it; the plotter is freed then. NULL is fine: closed is called at once. */
void plotter_close(struct plotter *plotter, void (*closed)(void *user), void *user);

/* For helpers started and requests made from now on. */
void plotter_set_limits(struct plotter *plotter, const struct plotter_limits *limits);
/* Process id of the running helper, 0 when there is none. */
int plotter_helper_pid(const struct plotter *plotter);
/* Requests waiting or being worked on. */
size_t plotter_open_requests(const struct plotter *plotter);

#endif
