/*
 * api_runs.c: /api/runs and /api/runs/N. A run in memory is told as it is now, others as the store has them; both give
 * the same keys.
 */
#include "http_internal.h"
#include "runs.h"
#include "store.h"
#include <math.h>
#include <string.h>

#define RUNS_LIMIT 1000

static void put_int_or_null(struct json_out *out, const char *key, int64_t value, int64_t none) {
    json_key(out, key);
    if (value == none)
        json_null(out);
    else
        json_int(out, value);
}

static void put_text_or_null(struct json_out *out, const char *key, const char *text) {
    json_key(out, key);
    json_string(out, text && *text ? text : NULL);
}

static void put_head(struct json_out *out, int64_t id, const char *name, const char *state, int64_t step,
                     int64_t total_steps) {
    json_key(out, "id");
    json_id(out, id);
    json_key(out, "name");
    json_string(out, name);
    json_key(out, "state");
    json_string(out, state);
    json_key(out, "step");
    json_int(out, step);
    put_int_or_null(out, "total_steps", total_steps, 0);
}

static void put_param(struct json_out *out, const struct run_param *param) {
    json_key(out, param->name);
    if (param->type == WIRE_BOOL)
        json_bool(out, param->number != 0);
    else if (param->type == WIRE_STRING || param->type == WIRE_ENUM)
        json_string(out, param->text ? param->text : "");
    else
        json_number(out, param->number);
}

static void put_values(struct json_out *out, const struct run *run) {
    json_key(out, "params");
    json_open(out, '{');
    for (size_t i = 0; i < run->params_count; i++)
        put_param(out, &run->params[i]);
    json_close(out, '}');
    json_key(out, "metrics");
    json_open(out, '{');
    for (size_t i = 0; i < run->metrics_count; i++) {
        json_key(out, run->metrics[i].name);
        json_number(out, run->metrics[i].value);
    }
    json_close(out, '}');
}

/* What only a run in memory knows, for the page. */
static void put_live(struct json_out *out, const struct run *run) {
    double eta_s = run_eta_s(run), samples = run_samples_per_s(run);
    bool live = run_state_live(run->state);
    json_key(out, "epoch");
    if (!isfinite(run->epoch))
        json_null(out);
    else
        json_number(out, run->epoch);
    json_key(out, "eta_s");
    if (live && eta_s >= 0)
        json_number(out, eta_s);
    else
        json_null(out);
    json_key(out, "samples_per_s");
    if (live && samples > 0)
        json_number(out, samples);
    else
        json_null(out);
    json_key(out, "attached");
    json_bool(out, run->conn != NULL);
    json_key(out, "stalled");
    json_bool(out, run->stalled);
}

static void put_specs(struct json_out *out, const struct run *run) {
    json_key(out, "param_specs");
    json_open(out, '[');
    for (size_t i = 0; i < run->params_count; i++) {
        const struct run_param *param = &run->params[i];
        json_open(out, '{');
        json_key(out, "name");
        json_string(out, param->name);
        json_key(out, "type");
        json_string(out, wire_type_name(param->type));
        json_key(out, "live");
        json_bool(out, param->live);
        if (param->has_min) {
            json_key(out, param->min_open ? "above" : "min");
            json_number(out, param->min);
        }
        if (param->has_max) {
            json_key(out, "max");
            json_number(out, param->max);
        }
        json_close(out, '}');
    }
    json_close(out, ']');
}

static void put_run(struct json_out *out, const struct run *run) {
    put_head(out, run->id, run->name, run_state_name(run->state), run->step, run->total_steps);
    put_values(out, run);
    put_int_or_null(out, "started_ms", run->started_ms ? run->started_ms : run->created_ms, 0);
    put_int_or_null(out, "ended_ms", run->ended_ms, 0);
    put_int_or_null(out, "exit", run->exit_code, -1);
    put_int_or_null(out, "signal", run->exit_signal, 0);
    put_text_or_null(out, "checkpoint", run->checkpoint);
    put_int_or_null(out, "checkpoint_step", run->checkpoint_step, 0);
    put_int_or_null(out, "batch", run->batch, 0);
    put_text_or_null(out, "host", run->host);
    json_key(out, "from_run");
    if (run->from_run)
        json_id(out, run->from_run);
    else
        json_null(out);
    put_live(out, run);
}

void api_run_json(struct json_out *out, const struct run *run) {
    json_open(out, '{');
    put_run(out, run);
    json_close(out, '}');
}

static const char *object_or_empty(const char *json) {
    return json && json[0] == '{' ? json : "{}";
}

static void put_record(struct json_out *out, const struct run_record *record) {
    put_head(out, record->id, record->name, record->state, record->step, record->total_steps);
    json_key(out, "params");
    json_value(out, object_or_empty(record->params));
    json_key(out, "metrics");
    json_value(out, object_or_empty(record->metrics));
    put_int_or_null(out, "started_ms", record->started_ms ? record->started_ms : record->created_ms, 0);
    put_int_or_null(out, "ended_ms", record->ended_ms, 0);
    put_int_or_null(out, "exit", record->exit_code, -1);
    put_int_or_null(out, "signal", record->exit_signal, 0);
    put_text_or_null(out, "checkpoint", record->checkpoint);
    put_int_or_null(out, "checkpoint_step", record->checkpoint_step, 0);
    put_int_or_null(out, "batch", record->batch, 0);
    put_text_or_null(out, "host", record->host);
    json_key(out, "from_run");
    if (record->from_run)
        json_id(out, record->from_run);
    else
        json_null(out);
}

static const struct run *in_memory(struct bot *bot, int64_t id) {
    for (const struct run *run = runs_first(bot); run; run = run->next)
        if (run->id == id) return run;
    return NULL;
}

struct runs_listing {
    struct json_out *out;
    struct bot *bot;
    bool details; /* the braces stay open for what follows */
};

static bool list_run(void *user, const struct run_record *record) {
    struct runs_listing *listing = user;
    const struct run *run = in_memory(listing->bot, record->id);
    json_open(listing->out, '{');
    if (run)
        put_run(listing->out, run);
    else
        put_record(listing->out, record);
    if (listing->details && run) put_specs(listing->out, run);
    if (!listing->details) json_close(listing->out, '}');
    return !listing->out->failed;
}

static void store_error(struct http_request *request, struct json_out *out, int error) {
    json_out_release(out);
    if (error == TB_ENOTFOUND)
        http_error(request, 404, "there is no such run");
    else
        http_error(request, 503, "%s", tb_error_text(error));
}

void api_runs(struct http_request *request) {
    struct json_out out = {0};
    struct bot *bot = http_bot(request->server);
    struct runs_listing listing = {&out, bot, false};
    int64_t limit = request->query.limit > 0 && request->query.limit < RUNS_LIMIT ? request->query.limit : RUNS_LIMIT;
    json_open(&out, '{');
    json_key(&out, "runs");
    json_open(&out, '[');
    int result = store_runs(bot->ports.store, request->query.before, limit, list_run, &listing);
    if (result < 0) {
        store_error(request, &out, result);
        return;
    }
    json_close(&out, ']');
    json_close(&out, '}');
    json_text(&out, "\n");
    http_reply_json(request, 200, &out);
}

static bool list_event(void *user, const struct event_record *event) {
    struct json_out *out = user;
    json_open(out, '{');
    json_key(out, "t_ms");
    json_int(out, event->t_ms);
    json_key(out, "step");
    json_int(out, event->step);
    json_key(out, "kind");
    json_string(out, event->kind);
    json_key(out, "text");
    json_string(out, event->text);
    json_close(out, '}');
    return !out->failed;
}

static bool list_change(void *user, const struct param_change_record *change) {
    struct json_out *out = user;
    json_open(out, '{');
    json_key(out, "t_ms");
    json_int(out, change->t_ms);
    json_key(out, "step");
    json_int(out, change->step);
    json_key(out, "name");
    json_string(out, change->name);
    json_key(out, "old");
    json_value(out, change->old_value);
    json_key(out, "new");
    json_value(out, change->new_value);
    json_key(out, "by");
    json_string(out, change->by);
    json_close(out, '}');
    return !out->failed;
}

static bool list_name(void *user, const char *name) {
    struct json_out *out = user;
    json_string(out, name);
    return !out->failed;
}

void api_run(struct http_request *request) {
    struct json_out out = {0};
    struct bot *bot = http_bot(request->server);
    struct store *store = bot->ports.store;
    struct runs_listing listing = {&out, bot, true};
    int64_t id = request->path.id;
    int result = store_run(store, id, list_run, &listing);
    json_key(&out, "metric_names");
    json_open(&out, '[');
    if (result >= 0) result = store_metric_names(store, id, list_name, &out);
    json_close(&out, ']');
    json_key(&out, "events");
    json_open(&out, '[');
    if (result >= 0) result = store_events(store, id, list_event, &out);
    json_close(&out, ']');
    json_key(&out, "param_history");
    json_open(&out, '[');
    if (result >= 0) result = store_param_changes(store, id, list_change, &out);
    if (result < 0) {
        store_error(request, &out, result);
        return;
    }
    json_close(&out, ']');
    json_close(&out, '}');
    json_text(&out, "\n");
    http_reply_json(request, 200, &out);
}
