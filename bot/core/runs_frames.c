/*
 * What trainers say: one function a frame. Always holds: a frame whose seq was taken before changes nothing and is
 * acknowledged again; a frame is acknowledged only after the commit that holds its effect.
 */
#include "commands.h"
#include "outbox.h"
#include "runs_state.h"
#include "text.h"
#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int runs_answer_error(struct trainer_conn *conn, const char *code, const char *why) {
    struct wire_frame frame = {.kind = WIRE_ERROR, .u.error = {.code = code, .why = why}};
    int status = conn->ops->send(conn, &frame);
    return status < 0 ? status : TB_EINVAL;
}

/* ---- rows ---- */

static int take_rows(struct bot *bot, struct run *run, const struct wire_rows *rows, bool progress) {
    int64_t now = runs_now(bot);
    int status = store_rows_append(bot->ports.store, run->id, progress, rows);
    if (status == TB_EINVAL || status == TB_ERANGE) { /* refused for good: sending them again would change nothing */
        runs_event(bot, run, rows->steps[0], "note", "rows refused: %s", tb_error_text(status));
        return TB_OK;
    }
    if (status < 0) return status;
    bool advanced = run_take_rows(run, rows, progress, now);
    bool was_seen = run->nan_seen_ms != 0;
    rules_rows(run, rows, now);
    if (!was_seen && run->nan_seen_ms) runs_changed(bot, run); /* not to be forgotten by a restart */
    bot->runs->rows += rows->rows_count;
    if (progress) run->progress_due = true;
    if (advanced && run->stalled) {
        run->stalled = false;
        runs_tell(bot, run, FACT_STALL_OVER, run->step, NULL);
        runs_event(bot, run, run->step, "stall_over", "steps again");
    }
    if (advanced && run->state == RUN_STARTING) runs_set_state(bot, run, RUN_RUNNING);
    if (bot->ports.live_rows) bot->ports.live_rows(bot->ports.user, run, rows, progress);
    return TB_OK;
}

/* A progress frame carries no time where its sender gave none: it is now. */
static int take_progress(struct bot *bot, struct run *run, const struct wire_rows *rows) {
    int64_t t_ms = rows->t_ms[0] > 0 ? rows->t_ms[0] : clock_wall_ms(bot->ports.clock);
    struct wire_rows timed = *rows;
    timed.t_ms = &t_ms;
    return take_rows(bot, run, &timed, true);
}

/* ---- events ---- */

static void take_paused(struct bot *bot, struct run *run, const struct wire_event *event) {
    bool nan = event->text && strcmp(event->text, "nan") == 0;
    bool asked = controls_has(run, CONTROL_PAUSE);
    if (run->state != RUN_STOPPING) runs_set_state(bot, run, RUN_PAUSED);
    run->paused_by_nan = nan;
    runs_event(bot, run, event->step, "paused", "%s", event->text ? event->text : "");
    if (run->nan_seen_ms)
        rules_nan(run, true, runs_rules_cb, bot);
    else if (!asked)
        runs_tell(bot, run, FACT_PAUSED, event->step, event->text);
}

static int take_resumed(struct bot *bot, struct run *run, const struct wire_event *event) {
    bool asked = controls_has(run, CONTROL_RESUME);
    if (event->has_rewind) {
        int status = store_rows_rewind(bot->ports.store, run->id, event->rewind);
        if (status < 0) return status;
        if (event->rewind < run->step) run->step = event->rewind;
        run->last_row_ms = run->speed_ms = 0;
        run->nan_told = false;
        run->nan_seen_ms = 0;
        runs_event(bot, run, event->step, "resumed", "from step %lld; later rows are superseded",
                   (long long)event->rewind);
    } else {
        runs_event(bot, run, event->step, "resumed", "%s", "");
    }
    run->paused_by_nan = false;
    run->last_step_ms = runs_now(bot);
    if (run->state == RUN_PAUSED || run->state == RUN_STARTING) runs_set_state(bot, run, RUN_RUNNING);
    if (!asked) runs_tell(bot, run, FACT_RESUMED, event->step, NULL);
    return TB_OK;
}

static int take_checkpoint(struct bot *bot, struct run *run, const struct wire_event *event) {
    if (event->path && text_set(&run->checkpoint, event->path) < 0) return TB_ENOMEM;
    run->checkpoint_step = event->step;
    run->checkpoint_bytes = event->bytes;
    runs_event(bot, run, event->step, "checkpoint", "%s", run->checkpoint);
    return TB_OK;
}

/* A full spool leaves many gaps behind each other: the turn tells them as one. */
static void take_gap(struct bot *bot, struct run *run, const struct wire_event *event) {
    runs_event(bot, run, event->from_step, "gap", "steps %lld to %lld: %lld rows dropped", (long long)event->from_step,
               (long long)event->to_step, (long long)event->dropped);
    if (bot->runs->retaken) return;
    if (run->gap_dropped == 0 || event->from_step < run->gap_from) run->gap_from = event->from_step;
    if (run->gap_dropped == 0 || event->to_step > run->gap_to) run->gap_to = event->to_step;
    run->gap_dropped += event->dropped;
}

static int take_event(struct bot *bot, struct run *run, const struct wire_event *event) {
    int status = TB_OK;
    const char *text = event->text ? event->text : "";
    /* One that goes on from a checkpoint begins there, and rows that a full spool let go were steps too. */
    bool tells_step =
        event->kind == WIRE_EV_PLAN || event->kind == WIRE_EV_CHECKPOINT || event->kind == WIRE_EV_FINISHED;
    if (tells_step && event->step > run->step) run->step = event->step;
    switch (event->kind) {
    case WIRE_EV_STARTED:
        if (run->state == RUN_STARTING) runs_set_state(bot, run, RUN_RUNNING);
        break;
    case WIRE_EV_PLAN:
        if (event->total_steps > 0) run->total_steps = event->total_steps;
        if (event->batch > 0) run->batch = event->batch;
        runs_event(bot, run, event->step, "plan", "%lld steps, batch %lld", (long long)run->total_steps,
                   (long long)run->batch);
        break;
    case WIRE_EV_CHECKPOINT:
        status = take_checkpoint(bot, run, event);
        break;
    case WIRE_EV_PAUSED:
        take_paused(bot, run, event);
        break;
    case WIRE_EV_RESUMED:
        status = take_resumed(bot, run, event);
        break;
    case WIRE_EV_GAP:
        take_gap(bot, run, event);
        break;
    case WIRE_EV_NOTE:
        runs_event(bot, run, event->step, "note", "%s", text);
        runs_tell(bot, run, FACT_NOTE, event->step, text);
        break;
    case WIRE_EV_EPOCH:
        if (!wire_is_absent(event->epoch)) run->epoch = event->epoch;
        runs_event(bot, run, event->step, "epoch", "%s", text);
        break;
    default:
        runs_event(bot, run, event->step, wire_event_name(event->kind), "%s", text);
        break;
    }
    if (status == TB_OK) controls_event(bot, run, event);
    return status;
}

static void take_heartbeat(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    int64_t now = runs_now(bot), since_ms = frame->u.heartbeat.since_step_ms;
    if (frame->u.heartbeat.step <= 0 || since_ms < 0) return;
    int64_t stepped_ms = now - since_ms;
    if (stepped_ms > run->last_step_ms) run->last_step_ms = stepped_ms;
}

/* ---- one frame ---- */

/* A run with a keeper ends when its process does; another one now, unless its spool is still being read. */
static int take_bye(struct bot *bot, struct run *run, const char *status) {
    if (text_set(&run->bye, status) < 0) return TB_ENOMEM;
    if (!run->launched) runs_bye(bot, run);
    return TB_OK;
}

static int take(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    switch (frame->kind) {
    case WIRE_METRICS:
        return take_rows(bot, run, &frame->u.metrics, false);
    case WIRE_PROGRESS:
        return take_progress(bot, run, &frame->u.progress);
    case WIRE_EVENT:
        return take_event(bot, run, &frame->u.event);
    case WIRE_IMAGE:
        return images_begin(bot, run, frame);
    case WIRE_CHUNK:
        return images_chunk(bot, run, frame);
    case WIRE_APPLIED:
    case WIRE_REJECTED:
    case WIRE_RESULT:
        controls_answer(bot, run, frame);
        return TB_OK;
    case WIRE_BYE:
        return take_bye(bot, run, frame->u.bye.status);
    default:
        return TB_OK;
    }
}

/* One that ended, as far as we knew, has something new to say. Its keeper, if it had one, has told its end. */
static void back_to_life(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    bool news = frame->kind == WIRE_METRICS || frame->kind == WIRE_PROGRESS || frame->kind == WIRE_EVENT;
    if (run_state_live(run->state) || !news || !run->conn) return;
    runs_revive(bot, run);
}

/* The same for a frame from the link and one from a spool: seq first, then its effect. */
int runs_take(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    if (frame->seq) {
        run->ack_due = true;
        if (frame->kind != WIRE_METRICS && frame->kind != WIRE_PROGRESS) run->ack_now = true;
        runs_touch(bot, run);
        if (frame->seq <= run->ack) return TB_OK;
    }
    bot->runs->frames++;
    back_to_life(bot, run, frame);
    bot->runs->retaken = frame->seq && frame->seq <= run->heard;
    int status = take(bot, run, frame);
    bot->runs->retaken = false;
    if (status < 0) {
        bot_log(bot, 1, "#%lld: a %s frame could not be kept: %s", (long long)run->id, wire_kind_name(frame->kind),
                tb_error_text(status));
        return status;
    }
    if (frame->kind == WIRE_METRICS || frame->kind == WIRE_PROGRESS || frame->kind == WIRE_CHUNK)
        runs_advanced(bot, run);
    else
        runs_changed(bot, run);
    if (frame->seq) run->ack = frame->seq;
    if (run->heard < run->ack) run->heard = run->ack;
    return TB_OK;
}

/* Frames of a connection that has said hello. */
static int take_spoken(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame) {
    struct run *run = conn->run;
    if (!run) return runs_answer_error(conn, "bad_field", "hello comes first");
    if (frame->kind == WIRE_HEARTBEAT) {
        take_heartbeat(bot, run, frame);
        return TB_OK;
    }
    if (frame->seq == 0) {
        (void)runs_answer_error(conn, "missing_field", "seq: every frame but heartbeat has one, from 1");
        return TB_OK;
    }
    if (run->greet != GREET_DONE) { /* its spool comes first; it sends this again after the welcome */
        conn->ops->close(conn);
        return TB_EBUSY;
    }
    run->last_frame_ms = runs_now(bot);
    int status = runs_take(bot, run, frame);
    if (status < 0) conn->ops->close(conn); /* it will send again what is not acknowledged */
    return status;
}

int runs_frame(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame) {
    if (bot->leaving) return TB_EGONE;
    if (frame->kind == WIRE_HELLO) {
        int status = runs_hello(bot, conn, frame);
        if (status < 0 && conn->run) runs_disconnected(bot, conn);
        return status;
    }
    if (frame->kind == WIRE_ERROR) {
        bot_log(bot, 1, "#%lld: its trainer refused a frame: %s: %s", conn->run ? (long long)conn->run->id : 0LL,
                frame->u.error.code, frame->u.error.why ? frame->u.error.why : "");
        return TB_OK;
    }
    if (frame->kind > WIRE_BYE) return runs_answer_error(conn, "unknown_type", "this frame goes the other way");
    return take_spoken(bot, conn, frame);
}

void runs_disconnected(struct bot *bot, struct trainer_conn *conn) {
    struct run *run = conn->run;
    conn->run = NULL;
    if (!run || run->conn != conn) return;
    run->conn = NULL;
    if (bot->leaving) return;
    runs_touch(bot, run);
    if (run->end) {
        runs_settle(bot, run);
        return;
    }
    if (!run_state_live(run->state)) return;
    run->link_lost_ms = runs_now(bot);
    bot_log(bot, run->launched ? 3 : 2, "#%lld: link lost", (long long)run->id); /* a process here says how it ended */
}
