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

static int answer_error(struct trainer_conn *conn, const char *code, const char *why) {
    struct wire_frame frame = {.kind = WIRE_ERROR, .u.error = {.code = code, .why = why}};
    int status = conn->ops->send(conn, &frame);
    return status < 0 ? status : TB_EINVAL;
}

/* ---- hello ---- */

/* A value asked for as text, in the type that the trainer declared. */
static bool start_value(const struct wire_param *declared, const char *text, struct wire_value *ret_value) {
    *ret_value = (struct wire_value){.type = declared->value.type};
    if (declared->value.type == WIRE_STRING || declared->value.type == WIRE_ENUM) {
        ret_value->text = text;
        return true;
    }
    if (declared->value.type == WIRE_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        ret_value->number = text[0] == 't';
        return true;
    }
    char *end = NULL;
    ret_value->number = strtod(text, &end);
    return end != text && *end == 0 && isfinite(ret_value->number);
}

static int send_welcome(struct run *run, const struct wire_hello *hello) {
    struct wire_named params[WIRE_PARAMS_MAX];
    size_t count = 0;
    for (size_t i = 0; run->step == 0 && i < run->start_params_count && count < WIRE_PARAMS_MAX; i++)
        for (size_t k = 0; k < hello->params_count; k++) {
            if (strcmp(hello->params[k].name, run->start_params[i].name) != 0) continue;
            if (!start_value(&hello->params[k], run->start_params[i].text, &params[count].value)) continue;
            params[count].name = hello->params[k].name;
            struct run_param *param = run_param(run, params[count].name);
            if (param) {
                param->number = param->asked = params[count].value.number;
                if (params[count].value.text && text_set(&param->text, params[count].value.text) < 0) return TB_ENOMEM;
            }
            count++;
            break;
        }
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)run->id);
    struct wire_frame frame = {.kind = WIRE_WELCOME, .u.welcome = {.run = id, .params = params, .params_count = count, .ack = run->durable_ack}};
    return run->conn->ops->send(run->conn, &frame);
}

static struct run *run_by_hint(struct bot *bot, const char *hint) {
    if (!hint) return NULL;
    char *end = NULL;
    long long id = strtoll(hint, &end, 10);
    if (end == hint || *end) return NULL;
    struct run *run = runs_find(bot, id);
    return run && run->launched && run->state == RUN_STARTING && !run->instance[0] ? run : NULL;
}

static struct run *run_by_hand(struct bot *bot, const struct wire_hello *hello) {
    struct run *run = run_create();
    if (!run) return NULL;
    run->state = RUN_STARTING;
    run->created_ms = clock_wall_ms(bot->ports.clock);
    snprintf(run->instance, sizeof run->instance, "%s", hello->instance);
    if (text_set(&run->name, hello->name) < 0 || runs_write(bot, run) < 0) {
        run_free(run);
        return NULL;
    }
    runs_insert(bot, run);
    runs_event(bot, run, 0, "attached", "%s, process %lld", hello->name, (long long)hello->pid);
    return run;
}

/* The line of the hello, kept so that a restart of the bot knows ranges and commands. */
static int keep_hello(struct run *run, const struct wire_frame *frame) {
    struct wire_buf buf = {0};
    int status = wire_encode(frame, &buf) < 0 ? TB_ENOMEM : TB_OK;
    if (status == TB_OK) {
        buf.bytes[buf.size - 1] = 0; /* the newline */
        status = text_set(&run->hello, buf.bytes);
    }
    wire_buf_release(&buf);
    return status;
}

static void import_spools(struct bot *bot, struct run *run, bool remote) {
    char path[3200];
    if (remote) return;
    if (run->launched) {
        if (runs_dir(bot, run->id, path, sizeof path - 8) < 0) return;
        strcat(path, "/spool");
    } else {
        snprintf(path, sizeof path, "%s/spool/%s", bot->ports.settings->state_dir, run->instance);
    }
    if (runs_import_spool(bot, run, path) < 0) bot_log(bot, 1, "#%lld: its spool could not be read", (long long)run->id);
}

static int take_hello(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame) {
    const struct wire_hello *hello = &frame->u.hello;
    if (conn->run) return answer_error(conn, "bad_field", "a second hello on one connection");
    if (bot->store_status < 0) return TB_ESTORE; /* it keeps its rows and comes back */
    struct run *run = runs_read_instance(bot, hello->instance);
    bool known = run != NULL;
    if (!run) run = run_by_hint(bot, hello->run);
    if (!run) run = run_by_hand(bot, hello);
    if (!run) return TB_ESTORE;
    if (run->conn) {
        struct trainer_conn *old = run->conn;
        old->run = NULL;
        old->ops->close(old);
    }
    conn->run = run;
    run->conn = conn;
    run->link_lost_ms = 0;
    run->last_step_ms = run->last_frame_ms = runs_now(bot);
    if (!known) {
        int status = run_take_hello(run, hello);
        if (status == TB_OK) status = keep_hello(run, frame);
        if (status < 0) return status;
        run->started_ms = clock_wall_ms(bot->ports.clock);
    } else if (!run_state_live(run->state)) {
        runs_event(bot, run, run->step, "attached", "back after %s", run_state_name(run->state));
        run->ended_ms = 0;
        runs_set_state(bot, run, RUN_RUNNING);
    }
    /* A hello may carry a seq of its own. Only the next one counts: behind a higher one, unacknowledged frames still come. */
    if (frame->seq && frame->seq == run->ack + 1) run->ack = frame->seq;
    run->ack_due = run->ack > 0;
    import_spools(bot, run, conn->remote);
    runs_changed(bot, run);
    if (send_welcome(run, hello) < 0) return TB_EGONE;
    controls_resend(bot, run);
    if (!known && run->launched) runs_event(bot, run, 0, "started", "process %lld", (long long)run->pid);
    if (!known) {
        if (run->state == RUN_STARTING) runs_set_state(bot, run, RUN_RUNNING);
        uint64_t request = run->start_request;
        run->start_request = 0;
        if (request) commands_started(bot, request, run);
        runs_tell(bot, run, FACT_STARTED, 0, NULL);
    }
    return TB_OK;
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
    rules_rows(run, rows, now);
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
    if (run->nan_seen_ms) rules_nan(run, true, runs_rules_cb, bot);
    else if (!asked) runs_tell(bot, run, FACT_PAUSED, event->step, event->text);
}

static int take_resumed(struct bot *bot, struct run *run, const struct wire_event *event) {
    bool asked = controls_has(run, CONTROL_RESUME);
    if (event->has_rewind) {
        int status = store_rows_rewind(bot->ports.store, run->id, event->rewind);
        if (status < 0) return status;
        run->step = event->rewind;
        run->last_row_ms = run->speed_ms = 0;
        run->nan_told = false;
        run->nan_seen_ms = 0;
        runs_event(bot, run, event->step, "resumed", "from step %lld; later rows are superseded", (long long)event->rewind);
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

static void take_gap(struct bot *bot, struct run *run, const struct wire_event *event) {
    runs_event(bot, run, event->from_step, "gap", "steps %lld to %lld: %lld rows dropped", (long long)event->from_step,
               (long long)event->to_step, (long long)event->dropped);
    struct fact fact = {.kind = FACT_GAP, .run = run, .step = event->to_step, .from_step = event->from_step,
                        .to_step = event->to_step, .dropped = event->dropped, .cpu_percent = -1};
    report_fact(bot, &fact);
}

static int take_event(struct bot *bot, struct run *run, const struct wire_event *event) {
    int status = TB_OK;
    const char *text = event->text ? event->text : "";
    switch (event->kind) {
    case WIRE_EV_STARTED:
        if (run->state == RUN_STARTING) runs_set_state(bot, run, RUN_RUNNING);
        break;
    case WIRE_EV_PLAN:
        if (event->total_steps > 0) run->total_steps = event->total_steps;
        if (event->batch > 0) run->batch = event->batch;
        runs_event(bot, run, event->step, "plan", "%lld steps, batch %lld", (long long)run->total_steps, (long long)run->batch);
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
        return text_set(&run->bye, frame->u.bye.status);
    default:
        return TB_OK;
    }
}

/* The same for a frame from the link and one from a spool: seq first, then its effect. */
int runs_take(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    if (frame->seq) {
        run->ack_due = true;
        if (frame->seq <= run->ack) return TB_OK;
    }
    bot->runs->frames++;
    runs_changed(bot, run);
    int status = take(bot, run, frame);
    if (status < 0) {
        bot_log(bot, 1, "#%lld: a %s frame could not be kept: %s", (long long)run->id, wire_kind_name(frame->kind), tb_error_text(status));
        return status;
    }
    if (frame->seq) run->ack = frame->seq;
    return TB_OK;
}

int runs_frame(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame) {
    if (frame->kind == WIRE_HELLO) {
        int status = take_hello(bot, conn, frame);
        if (status < 0 && conn->run) runs_disconnected(bot, conn);
        return status;
    }
    if (frame->kind == WIRE_ERROR) {
        bot_log(bot, 1, "#%lld: its trainer refused a frame: %s: %s", conn->run ? (long long)conn->run->id : 0LL,
                frame->u.error.code, frame->u.error.why ? frame->u.error.why : "");
        return TB_OK;
    }
    if (frame->kind > WIRE_BYE) return answer_error(conn, "unknown_type", "this frame goes the other way");
    struct run *run = conn->run;
    if (!run) return answer_error(conn, "bad_field", "hello comes first");
    if (frame->kind == WIRE_HEARTBEAT) {
        take_heartbeat(bot, run, frame);
        return TB_OK;
    }
    if (frame->seq == 0) {
        (void)answer_error(conn, "missing_field", "seq: every frame but heartbeat has one, from 1");
        return TB_OK;
    }
    run->last_frame_ms = runs_now(bot);
    int status = runs_take(bot, run, frame);
    if (status < 0) {
        conn->ops->close(conn); /* it will send again what is not acknowledged */
        return status;
    }
    if (frame->kind == WIRE_BYE && !run->launched) runs_bye(bot, run);
    return TB_OK;
}

void runs_disconnected(struct bot *bot, struct trainer_conn *conn) {
    struct run *run = conn->run;
    conn->run = NULL;
    if (!run || run->conn != conn) return;
    run->conn = NULL;
    if (run->end) {
        runs_settle(bot, run);
        return;
    }
    if (!run_state_live(run->state)) return;
    run->link_lost_ms = runs_now(bot);
    bot_log(bot, 2, "#%lld: link lost", (long long)run->id);
}
