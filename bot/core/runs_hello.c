/*
 * A trainer says hello: which run it is, and what waits for it. Always holds: an instance is one run, whatever
 * connections it makes; the welcome leaves after the spool is read, so that its ack counts what stands there.
 */
#include "commands.h"
#include "runs_state.h"
#include "text.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value asked for as text, in the type that the trainer declared. */
static bool start_value(const struct run_param *declared, const char *text, struct wire_value *ret_value) {
    *ret_value = (struct wire_value){.type = declared->type};
    if (declared->type == WIRE_STRING || declared->type == WIRE_ENUM) {
        ret_value->text = text;
        return true;
    }
    if (declared->type == WIRE_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        ret_value->number = text[0] == 't';
        return true;
    }
    char *end = NULL;
    ret_value->number = strtod(text, &end);
    return end != text && *end == 0 && isfinite(ret_value->number);
}

/* The values asked for at the start, once for all: what was set since stands above them. */
static int take_start_values(struct run *run) {
    for (size_t i = 0; i < run->start_params_count; i++) {
        struct run_param *param = run_param(run, run->start_params[i].name);
        struct wire_value value;
        if (!param || !start_value(param, run->start_params[i].text, &value)) continue;
        param->number = param->asked = value.number;
        if (value.text && text_set(&param->text, value.text) < 0) return TB_ENOMEM;
    }
    return TB_OK;
}

static int send_welcome(struct run *run) {
    struct wire_named params[WIRE_PARAMS_MAX];
    size_t count = 0;
    for (size_t i = 0; run->step == 0 && i < run->start_params_count && count < WIRE_PARAMS_MAX; i++) {
        const struct run_param *param = run_param(run, run->start_params[i].name);
        if (!param || !start_value(param, run->start_params[i].text, &params[count].value)) continue;
        params[count++].name = param->name;
    }
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)run->id);
    struct wire_frame frame = {
        .kind = WIRE_WELCOME,
        .u.welcome = {.run = id, .params = params, .params_count = count, .ack = run->durable_ack}};
    return run->conn->ops->send(run->conn, &frame);
}

static struct run *run_by_hint(struct bot *bot, const char *hint) {
    if (!hint) return NULL;
    char *end = NULL;
    long long id = strtoll(hint, &end, 10);
    if (end == hint || *end) return NULL;
    struct run *run = runs_find(bot, id);
    bool waits = run && run->launched && run_state_live(run->state) && !run->instance[0];
    return waits ? run : NULL;
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

static int introduce(struct bot *bot, struct run *run, const struct wire_frame *frame) {
    int status = run_take_hello(run, &frame->u.hello);
    if (status == TB_OK) status = keep_hello(run, frame);
    if (status == TB_OK) status = take_start_values(run);
    if (status == TB_OK && !run->started_ms) run->started_ms = clock_wall_ms(bot->ports.clock);
    return status;
}

struct run *runs_by_hand(struct bot *bot, const struct wire_frame *frame) {
    struct run *run = run_create();
    if (!run) return NULL;
    run->state = RUN_STARTING;
    run->created_ms = clock_wall_ms(bot->ports.clock);
    if (introduce(bot, run, frame) < 0 || runs_write(bot, run) < 0) {
        run_free(run);
        return NULL;
    }
    runs_insert(bot, run);
    runs_event(bot, run, 0, "attached", "%s, process %lld", run->name, (long long)run->pid);
    return run;
}

void runs_revive(struct bot *bot, struct run *run) {
    runs_event(bot, run, run->step, "attached", "back after %s", run_state_name(run->state));
    if (run->state != RUN_LOST) run->launched = false; /* its keeper has told its end and is gone */
    run->ended_ms = run->link_lost_ms = 0;
    run->exit_code = -1;
    run->exit_signal = 0;
    run->bye[0] = 0;
    runs_set_state(bot, run, RUN_RUNNING);
}

static void take_connection(struct bot *bot, struct run *run, struct trainer_conn *conn) {
    struct trainer_conn *old = run->conn;
    if (old) {
        old->run = NULL;
        old->ops->close(old);
    }
    conn->run = run;
    run->conn = conn;
    run->link_lost_ms = 0;
    run->last_step_ms = run->last_frame_ms = runs_now(bot);
}

int runs_hello(struct bot *bot, struct trainer_conn *conn, const struct wire_frame *frame) {
    const struct wire_hello *hello = &frame->u.hello;
    if (conn->run) return runs_answer_error(conn, "bad_field", "a second hello on one connection");
    if (bot->store_status < 0) return TB_ESTORE; /* it keeps its rows and comes back */
    struct run *run = runs_read_instance(bot, hello->instance);
    if (run && run->greet == GREET_NEW) { /* again, while its spool is read */
        take_connection(bot, run, conn);
        return TB_OK;
    }
    bool known = run != NULL;
    if (!run && (run = run_by_hint(bot, hello->run)) && introduce(bot, run, frame) < 0) return TB_ENOMEM;
    if (!run) run = runs_by_hand(bot, frame);
    if (!run) return TB_ESTORE;
    take_connection(bot, run, conn);
    run->greet = known && run->state != RUN_STARTING ? GREET_KNOWN : GREET_NEW; /* a bot may have died over its spool */
    run->gone = false;
    if (run->state == RUN_LOST) runs_revive(bot, run); /* any other end stands until something new is said */
    runs_changed(bot, run);
    if (spool_is_read(run)) spool_close(bot, run); /* it may have grown since */
    if (!conn->remote && spool_read(bot, run)) return TB_OK;
    runs_welcome(bot, run);
    return conn->run ? TB_OK : TB_EGONE;
}

void runs_welcome(struct bot *bot, struct run *run) {
    bool fresh = run->greet == GREET_NEW;
    run->greet = GREET_DONE;
    if (run->ack != run->durable_ack && bot_commit(bot) < 0) return; /* the turn fails: it will say hello again */
    run->last_step_ms = run->last_frame_ms = runs_now(bot);
    if (run->conn && send_welcome(run) < 0) bot_log(bot, 2, "#%lld: its welcome could not be sent", (long long)run->id);
    if (run->conn) controls_resend(bot, run);
    if (!fresh) return;
    if (run->launched) runs_event(bot, run, 0, "started", "process %lld", (long long)run->pid);
    if (run->state == RUN_STARTING) runs_set_state(bot, run, RUN_RUNNING);
    uint64_t request = run->start_request;
    run->start_request = 0;
    struct fact fact = {.kind = FACT_STARTED, .run = run, .cpu_percent = -1, .answered = request != 0};
    if (request) commands_started(bot, request, run);
    runs_fact(bot, &fact);
}
