/*
 * plotter.c: the queue of requests. One request is active at a time and is in one of two stages: read (in the pool) or
 * drawn (at the helper). Each request is answered exactly once, by finish(), whatever fails.
 */
#include "plotter_uv.h"
#include "plot_helper.h"
#include "plot_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_DEFAULT 780
#define TRIES_MAX 2

struct request {
    struct request *next;
    struct plot_asked asked;
    struct plot_job job;
    plot_done *done; /* NULL once answered */
    void *user;
    int error; /* of the reading */
    int tries;
    char why[PLOT_WHY_MAX];
};

struct plotter {
    uv_loop_t *loop;
    char *helper_path, *state_dir;
    struct plotter_limits limits;
    struct request *first, *last; /* waiting */
    size_t waiting;
    struct request *active;
    bool reading, drawing;
    uv_work_t work;
    uv_timer_t timer;
    struct plot_helper *helper;
    size_t helpers_open; /* started and not yet released */
    uint32_t next_id;
    bool closing, timer_closed;
    void (*closed)(void *user);
    void *closed_user;
};

static void advance(struct plotter *plotter);
static void hand_over(struct plotter *plotter);

static void request_free(struct request *request) {
    if (!request) return;
    for (size_t i = 0; i < request->asked.metrics_count; i++)
        free(request->asked.metrics[i]);
    plot_job_release(&request->job);
    free(request);
}

static void end_if_closed(struct plotter *plotter) {
    if (!plotter->closing || !plotter->timer_closed || plotter->helpers_open > 0 || plotter->reading) return;
    void (*closed)(void *) = plotter->closed;
    void *user = plotter->closed_user;
    free(plotter->helper_path);
    free(plotter->state_dir);
    free(plotter);
    if (closed) closed(user);
}

static void answer_request(struct request *request, int status, const uint8_t *bytes, size_t size, const char *why) {
    plot_done *done = request->done;
    request->done = NULL;
    if (done) done(request->user, status, bytes, size, why);
}

/* Ends the active request; the plotter lives on at least until the caller returns to the loop. */
static void finish(struct plotter *plotter, int status, const uint8_t *bytes, size_t size, const char *why) {
    struct request *request = plotter->active;
    plotter->active = NULL;
    plotter->drawing = false;
    uv_timer_stop(&plotter->timer);
    answer_request(request, status, bytes, size, why);
    request_free(request);
    if (!plotter->closing) advance(plotter);
}

static void fail(struct plotter *plotter, int status, const char *zh, const char *en) {
    finish(plotter, status, NULL, 0, plotter->active->job.lang == LANG_ZH ? zh : en);
}

/* ---- the helper ---- */

static void drop_helper(struct plotter *plotter) {
    if (plotter->helper) plot_helper_drop(plotter->helper);
    plotter->helper = NULL;
}

static void on_answer(void *user, const struct plot_answer *answer, const uint8_t *bytes) {
    struct plotter *plotter = user;
    if (!plotter->active || !plotter->drawing || answer->id != plotter->active->job.id) {
        drop_helper(plotter); /* it speaks out of turn: what comes next cannot be trusted */
        if (plotter->active && plotter->drawing) hand_over(plotter);
        return;
    }
    if (answer->status == 0)
        finish(plotter, TB_OK, bytes, answer->size, "");
    else if (answer->status == (uint32_t)-TB_ENOMEM)
        fail(plotter, TB_ENOMEM, "内存不足,画不了图", "out of memory while drawing");
    else
        fail(plotter, TB_EIO, "图画不出来", "the picture cannot be drawn");
}

static void on_gone(void *user) {
    struct plotter *plotter = user;
    plotter->helper = NULL;
    if (plotter->active && plotter->drawing) hand_over(plotter);
}

static void on_released(void *user) {
    struct plotter *plotter = user;
    plotter->helpers_open--;
    end_if_closed(plotter);
}

static void on_timeout(uv_timer_t *timer) {
    struct plotter *plotter = timer->data;
    drop_helper(plotter);
    fail(plotter, TB_ETIMEDOUT, "画图用时太长,已放弃", "drawing took too long and was given up");
}

static int start_helper(struct plotter *plotter) {
    if (plotter->helper) return TB_OK;
    struct plot_helper_calls calls = {plotter, on_answer, on_gone, on_released};
    int error =
        plot_helper_start(plotter->loop, plotter->helper_path, plotter->limits.idle_ms, &calls, &plotter->helper);
    if (error != TB_ENOMEM) plotter->helpers_open++;
    return error;
}

/* Gives the active request to the helper, for the first time or again. */
static void hand_over(struct plotter *plotter) {
    struct request *request = plotter->active;
    plotter->drawing = true;
    if (request->tries == TRIES_MAX) {
        fail(plotter, TB_EGONE, "画图程序两次出错退出", "the plot program failed twice");
        return;
    }
    request->tries++;
    uint8_t *bytes = NULL;
    size_t size = 0;
    request->job.id = ++plotter->next_id;
    int error = plot_job_encode(&request->job, &bytes, &size);
    if (error == TB_OK) {
        error = start_helper(plotter);
        if (error == TB_OK)
            error = plot_helper_send(plotter->helper, bytes, size);
        else
            free(bytes);
    }
    if (error == TB_ENOMEM)
        fail(plotter, TB_ENOMEM, "内存不足,画不了图", "out of memory while drawing");
    else if (error != TB_OK)
        fail(plotter, error, "画图程序启动不了", "the plot program cannot be started");
    else if (request->tries == 1)
        uv_timer_start(&plotter->timer, on_timeout, plotter->limits.timeout_ms, 0);
}

/* ---- reading ---- */

static void read_in_pool(uv_work_t *work) {
    struct request *request = ((struct plotter *)work->data)->active;
    request->error = plot_read(&request->asked, &request->job, request->why);
}

static void after_read(uv_work_t *work, int status) {
    struct plotter *plotter = work->data;
    struct request *request = plotter->active;
    plotter->reading = false;
    if (plotter->closing) {
        plotter->active = NULL;
        request_free(request);
        end_if_closed(plotter);
    } else if (status < 0 || request->error != TB_OK) {
        finish(plotter, status < 0 ? TB_EGONE : request->error, NULL, 0, request->why);
    } else {
        hand_over(plotter);
    }
}

static void advance(struct plotter *plotter) {
    if (plotter->active || !plotter->first) return;
    struct request *request = plotter->first;
    plotter->first = request->next;
    if (!plotter->first) plotter->last = NULL;
    plotter->waiting--;
    plotter->active = request;
    plotter->reading = true;
    (void)uv_queue_work(plotter->loop, &plotter->work, read_in_pool, after_read); /* fails only without a function */
}

/* ---- the interface ---- */

static int copy_marks(const struct plot_request *from, struct plot_job *job) {
    size_t count = from->marks_count < PLOT_MARKS_MAX ? from->marks_count : PLOT_MARKS_MAX;
    const struct plot_mark *marks = from->marks + (from->marks_count - count);
    if (count == 0) return TB_OK;
    job->marks = calloc(count, sizeof *job->marks);
    if (!job->marks) return TB_ENOMEM;
    job->marks_count = count;
    for (size_t i = 0; i < count; i++) {
        int64_t step = marks[i].step < 0 ? 0 : marks[i].step;
        job->marks[i].step = step > PLOT_STEP_MAX ? PLOT_STEP_MAX : step;
        job->marks[i].text = plot_text_clean(marks[i].text, PLOT_MARK_TEXT_MAX);
        if (!job->marks[i].text) return TB_ENOMEM;
    }
    return TB_OK;
}

static int copy_request(const struct plotter *plotter, const struct plot_request *from, struct request *request) {
    struct plot_job *job = &request->job;
    *job = (struct plot_job){.width = from->width ? from->width : WIDTH_DEFAULT,
                             .height = from->height,
                             .dark = from->dark,
                             .svg = from->svg,
                             .lang = from->lang};
    request->asked.state_dir = plotter->state_dir;
    request->asked.run = from->run;
    for (size_t i = 0; i < from->metrics_count; i++) {
        request->asked.metrics[i] = strdup(from->metrics[i]);
        if (!request->asked.metrics[i]) return TB_ENOMEM;
        request->asked.metrics_count++;
    }
    job->title = plot_text_clean(from->title, PLOT_TITLE_MAX);
    return job->title ? copy_marks(from, job) : TB_ENOMEM;
}

static bool side_is_good(int side) {
    return side == 0 || (side >= PLOT_SIDE_MIN && side <= PLOT_SIDE_MAX);
}

int plotter_draw(struct plotter *plotter, const struct plot_request *from, plot_done *done, void *user) {
    if (plotter->closing) return TB_EGONE;
    if (from->metrics_count > PLOT_METRICS_MAX || !side_is_good(from->width) || !side_is_good(from->height))
        return TB_ERANGE;
    if (plotter->waiting >= plotter->limits.queue_max) return TB_EBUSY;
    struct request *request = calloc(1, sizeof *request);
    if (!request) return TB_ENOMEM;
    request->done = done;
    request->user = user;
    int error = copy_request(plotter, from, request);
    if (error != TB_OK) {
        request_free(request);
        return error;
    }
    if (plotter->last)
        plotter->last->next = request;
    else
        plotter->first = request;
    plotter->last = request;
    plotter->waiting++;
    advance(plotter);
    return TB_OK;
}

int plotter_create(uv_loop_t *loop, const char *helper_path, const char *state_dir, struct plotter **ret) {
    struct plotter *plotter = calloc(1, sizeof *plotter);
    if (!plotter) return TB_ENOMEM;
    plotter->helper_path = strdup(helper_path);
    plotter->state_dir = strdup(state_dir);
    if (!plotter->helper_path || !plotter->state_dir) {
        free(plotter->helper_path);
        free(plotter->state_dir);
        free(plotter);
        return TB_ENOMEM;
    }
    plotter->loop = loop;
    plotter->limits = (struct plotter_limits){.timeout_ms = 10000, .idle_ms = 60000, .queue_max = 64};
    uv_timer_init(loop, &plotter->timer);
    plotter->timer.data = plotter->work.data = plotter;
    *ret = plotter;
    return TB_OK;
}

static void on_timer_closed(uv_handle_t *handle) {
    struct plotter *plotter = handle->data;
    plotter->timer_closed = true;
    end_if_closed(plotter);
}

static void answer_closed(struct request *request) {
    answer_request(request, TB_EGONE, NULL, 0,
                   request->job.lang == LANG_ZH ? "trainbot 正在退出" : "trainbot is leaving");
}

void plotter_close(struct plotter *plotter, void (*closed)(void *), void *user) {
    if (!plotter) {
        if (closed) closed(user);
        return;
    }
    if (plotter->closing) return;
    plotter->closing = true;
    plotter->closed = closed;
    plotter->closed_user = user;
    while (plotter->first) {
        struct request *request = plotter->first;
        plotter->first = request->next;
        answer_closed(request);
        request_free(request);
    }
    plotter->last = NULL;
    plotter->waiting = 0;
    if (plotter->active) answer_closed(plotter->active);
    if (plotter->active && !plotter->reading) {
        request_free(plotter->active);
        plotter->active = NULL;
    }
    drop_helper(plotter);
    uv_close((uv_handle_t *)&plotter->timer, on_timer_closed);
}

void plotter_set_limits(struct plotter *plotter, const struct plotter_limits *limits) {
    plotter->limits = *limits;
}

int plotter_helper_pid(const struct plotter *plotter) {
    return plotter->helper ? plot_helper_pid(plotter->helper) : 0;
}

size_t plotter_open_requests(const struct plotter *plotter) {
    return plotter->waiting + (plotter->active != NULL);
}
