/*
 * Runs and their rows in the store. A run comes back as it was: its last hello is kept as the line it came in and read
 * again, current values are laid over it, and what core alone knows stands in `extra`. At the bot's start, live runs
 * are taken up again: keepers adopted, spools read, open controls kept until their trainer is back.
 */
#include "runs_state.h"
#include "text.h"
#include <cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* cJSON prints what is not finite as null; here it travels as on the wire. */
static void add_number(cJSON *object, const char *name, double value) {
    if (isfinite(value)) {
        char digits[40];
        wire_format_double(value, digits, sizeof digits);
        cJSON_AddRawToObject(object, name, digits);
    } else {
        cJSON_AddStringToObject(object, name, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
    }
}

static double get_number(const cJSON *item) {
    if (cJSON_IsNumber(item)) return item->valuedouble;
    if (cJSON_IsString(item))
        return strcmp(item->valuestring, "inf") == 0    ? INFINITY
               : strcmp(item->valuestring, "-inf") == 0 ? -INFINITY
                                                        : NAN;
    return NAN;
}

static double named_number(const cJSON *object, const char *name, double otherwise) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    return item ? get_number(item) : otherwise;
}

static char *params_json(const struct run *run) {
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < run->params_count; i++) {
        const struct run_param *param = &run->params[i];
        if (param->text && (param->type == WIRE_STRING || param->type == WIRE_ENUM))
            cJSON_AddStringToObject(object, param->name, param->text);
        else if (param->type == WIRE_BOOL)
            cJSON_AddBoolToObject(object, param->name, param->number != 0);
        else
            add_number(object, param->name, param->number);
    }
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

static char *metrics_json(const struct run *run) {
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < run->metrics_count; i++)
        add_number(object, run->metrics[i].name, run->metrics[i].value);
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

static char *extra_json(const struct run *run) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddBoolToObject(object, "launched", run->launched);
    cJSON_AddBoolToObject(object, "paused_by_nan", run->paused_by_nan);
    cJSON_AddBoolToObject(object, "nan_told", run->nan_told);
    cJSON_AddBoolToObject(object, "stalled", run->stalled);
    add_number(object, "nan_step", (double)run->nan_step);
    cJSON_AddBoolToObject(object, "nan_waits", run->nan_seen_ms != 0);
    cJSON_AddStringToObject(object, "nan_metric", run->nan_metric);
    add_number(object, "before_stop", run->before_stop);
    add_number(object, "epoch", run->epoch);
    cJSON_AddStringToObject(object, "stop_by", run->stop_by);
    cJSON_AddStringToObject(object, "bye", run->bye);
    add_number(object, "longest_gap_ms", (double)run->longest_gap_ms);
    add_number(object, "steps_per_s", run->steps_per_s);
    add_number(object, "last_finite_loss", run->last_finite_loss);
    cJSON *start = cJSON_AddObjectToObject(object, "start");
    for (size_t i = 0; i < run->start_params_count; i++)
        cJSON_AddStringToObject(start, run->start_params[i].name, run->start_params[i].text);
    cJSON *best = cJSON_AddObjectToObject(object, "best"), *shown = cJSON_AddObjectToObject(object, "shown");
    for (size_t i = 0; i < run->metrics_count; i++) {
        add_number(best, run->metrics[i].name, run->metrics[i].best);
        if (run->metrics[i].in_progress) add_number(shown, run->metrics[i].name, run->metrics[i].shown);
    }
    char *text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}

int runs_write(struct bot *bot, struct run *run) {
    char *params = params_json(run), *metrics = metrics_json(run), *extra = extra_json(run);
    int status = params && metrics && extra ? TB_OK : TB_ENOMEM;
    if (status == TB_OK) {
        struct run_record record = {.id = run->id,
                                    .instance = run->instance,
                                    .name = run->name,
                                    .trainer = run->trainer,
                                    .state = run_state_name(run->state),
                                    .step = run->step,
                                    .total_steps = run->total_steps,
                                    .batch = run->batch,
                                    .ack = run->ack,
                                    .created_ms = run->created_ms,
                                    .started_ms = run->started_ms,
                                    .ended_ms = run->ended_ms,
                                    .exit_code = run->exit_code,
                                    .exit_signal = run->exit_signal,
                                    .pid = run->pid,
                                    .host = run->host,
                                    .checkpoint = run->checkpoint,
                                    .checkpoint_step = run->checkpoint_step,
                                    .checkpoint_bytes = run->checkpoint_bytes,
                                    .from_run = run->from_run,
                                    .started_by = run->started_by,
                                    .hello = run->hello,
                                    .params = params,
                                    .metrics = metrics,
                                    .extra = extra};
        status = run->id ? store_run_update(bot->ports.store, &record)
                         : store_run_insert(bot->ports.store, &record, &run->id);
    }
    cJSON_free(params);
    cJSON_free(metrics);
    cJSON_free(extra);
    return status;
}

int runs_write_advance(struct bot *bot, struct run *run) {
    return store_run_advance(bot->ports.store, run->id, run->ack, run->step);
}

/* The hello line again, then the values that changed since. */
static int restore_hello(struct run *run, const char *params) {
    struct wire_frame frame;
    struct wire_fault fault;
    if (run->hello[0] && wire_decode(run->hello, strlen(run->hello), &frame, &fault) == 0) {
        int status = frame.kind == WIRE_HELLO ? run_take_hello(run, &frame.u.hello) : TB_OK;
        wire_frame_clear(&frame);
        if (status < 0) return status;
    }
    cJSON *object = cJSON_Parse(params), *item = NULL;
    cJSON_ArrayForEach(item, object) {
        struct run_param *param = run_param(run, item->string);
        if (!param) continue;
        if (cJSON_IsString(item) && (param->type == WIRE_STRING || param->type == WIRE_ENUM)) {
            if (text_set(&param->text, item->valuestring) < 0) break;
        } else {
            param->number = param->asked = cJSON_IsBool(item) ? (cJSON_IsTrue(item) ? 1 : 0) : get_number(item);
        }
    }
    cJSON_Delete(object);
    return TB_OK;
}

static void restore_metrics(struct run *run, const char *metrics, const cJSON *extra) {
    cJSON *object = cJSON_Parse(metrics), *item = NULL;
    cJSON_ArrayForEach(item, object) run_metric_take(run, item->string, get_number(item), run->step);
    cJSON_Delete(object);
    const cJSON *best = cJSON_GetObjectItemCaseSensitive(extra, "best"),
                *shown = cJSON_GetObjectItemCaseSensitive(extra, "shown");
    for (size_t i = 0; i < run->metrics_count; i++) {
        struct run_metric *metric = &run->metrics[i];
        metric->best = named_number(best, metric->name, metric->best);
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(shown, metric->name);
        metric->in_progress = value != NULL;
        if (value) metric->shown = get_number(value);
    }
}

static int restore_extra(struct run *run, const cJSON *extra) {
    const char *texts[] = {"stop_by", "bye", "nan_metric"};
    char **fields[] = {&run->stop_by, &run->bye, &run->nan_metric};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(extra, texts[i]);
        if (cJSON_IsString(item) && text_set(fields[i], item->valuestring) < 0) return TB_ENOMEM;
    }
    run->launched = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(extra, "launched"));
    run->paused_by_nan = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(extra, "paused_by_nan"));
    run->nan_told = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(extra, "nan_told"));
    run->stalled = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(extra, "stalled"));
    const cJSON *waits = cJSON_GetObjectItemCaseSensitive(extra, "nan_waits");
    run->nan_waits = cJSON_IsTrue(waits);
    run->nan_step = (int64_t)named_number(extra, "nan_step", 0);
    double before_stop = named_number(extra, "before_stop", RUN_RUNNING);
    run->before_stop = before_stop == RUN_PAUSED ? RUN_PAUSED : RUN_RUNNING;
    run->epoch = named_number(extra, "epoch", NAN);
    run->longest_gap_ms = (int64_t)named_number(extra, "longest_gap_ms", 0);
    run->steps_per_s = named_number(extra, "steps_per_s", 0);
    run->last_finite_loss = named_number(extra, "last_finite_loss", NAN);
    const cJSON *start = cJSON_GetObjectItemCaseSensitive(extra, "start"), *item = NULL;
    size_t count = (size_t)cJSON_GetArraySize(start);
    run->start_params = calloc(count + 1, sizeof *run->start_params);
    if (!run->start_params) return TB_ENOMEM;
    cJSON_ArrayForEach(item, start) {
        struct named_text *param = &run->start_params[run->start_params_count];
        if (!cJSON_IsString(item)) continue;
        run->start_params_count++;
        if (text_set(&param->name, item->string) < 0 || text_set(&param->text, item->valuestring) < 0) return TB_ENOMEM;
    }
    return TB_OK;
}

struct run *run_from_record(const struct run_record *record) {
    struct run *run = run_create();
    cJSON *extra = cJSON_Parse(record->extra);
    int state = run_state_parse(record->state);
    if (!run || state < 0) goto fail;
    run->id = record->id;
    run->stored = true;
    run->state = (enum run_state)state;
    run->ack = run->durable_ack = record->ack;
    if (text_set(&run->hello, record->hello) < 0 || restore_hello(run, record->params) < 0) goto fail;
    snprintf(run->instance, sizeof run->instance, "%s", record->instance);
    if (text_set(&run->name, record->name) < 0 || text_set(&run->trainer, record->trainer) < 0 ||
        text_set(&run->host, record->host) < 0 || text_set(&run->started_by, record->started_by) < 0 ||
        text_set(&run->checkpoint, record->checkpoint) < 0)
        goto fail;
    run->step = record->step;
    run->total_steps = record->total_steps;
    run->batch = record->batch;
    run->from_run = record->from_run;
    run->created_ms = record->created_ms;
    run->started_ms = record->started_ms;
    run->ended_ms = record->ended_ms;
    run->exit_code = record->exit_code;
    run->exit_signal = record->exit_signal;
    run->pid = record->pid;
    run->checkpoint_step = record->checkpoint_step;
    run->checkpoint_bytes = record->checkpoint_bytes;
    if (extra && restore_extra(run, extra) < 0) goto fail;
    restore_metrics(run, record->metrics, extra);
    cJSON_Delete(extra);
    return run;
fail:
    cJSON_Delete(extra);
    run_free(run);
    return NULL;
}

static bool take_record(void *user, const struct run_record *record) {
    struct run **ret_run = user;
    *ret_run = run_from_record(record);
    return false;
}

static struct run *known_or_inserted(struct bot *bot, struct run *read) {
    if (!read) return NULL;
    for (struct run *run = bot->runs->first; run; run = run->next)
        if (run->id == read->id) {
            run_free(read);
            return run;
        }
    runs_insert(bot, read);
    return read;
}

struct run *runs_read(struct bot *bot, int64_t id) {
    struct run *run = NULL;
    if (store_run(bot->ports.store, id, take_record, &run) < 0) return NULL;
    return known_or_inserted(bot, run);
}

struct run *runs_read_instance(struct bot *bot, const char *instance) {
    for (struct run *run = bot->runs->first; run; run = run->next)
        if (strcmp(run->instance, instance) == 0) return run;
    struct run *run = NULL;
    if (store_run_by_instance(bot->ports.store, instance, take_record, &run) < 0) return NULL;
    return known_or_inserted(bot, run);
}

/* ---- the bot's start ---- */

struct loading {
    struct bot *bot;
    int status;
};

static bool load_record(void *user, const struct run_record *record) {
    struct loading *loading = user;
    struct bot *bot = loading->bot;
    if (record->id > bot->runs->newest) bot->runs->newest = record->id;
    int state = run_state_parse(record->state);
    if (state >= 0 && !run_state_live((enum run_state)state)) return true;
    struct run *run = run_from_record(record);
    if (!run) {
        loading->status = TB_ENOMEM;
        return false;
    }
    runs_insert(bot, run);
    return true;
}

/* The newest values are written now and then only; the rows know them. */
struct newest {
    struct run *run;
    char **cols;
    size_t count;
};

static bool newest_cols(void *user, const char *const *cols, size_t count) {
    struct newest *newest = user;
    newest->cols = calloc(count + 1, sizeof *newest->cols);
    for (; newest->cols && newest->count < count; newest->count++)
        if (!(newest->cols[newest->count] = strdup(cols[newest->count]))) return false;
    return newest->cols != NULL;
}

static bool newest_row(void *user, const struct store_row *row) {
    struct newest *newest = user;
    for (size_t i = 0; i < newest->count; i++)
        if (!wire_is_absent(row->values[i]) && strncmp(newest->cols[i], "progress_", 9) != 0)
            (void)run_metric_take(newest->run, newest->cols[i], row->values[i], row->step);
    if (!wire_is_absent(row->epoch)) newest->run->epoch = row->epoch;
    return true;
}

static void read_newest(struct bot *bot, struct run *run) {
    struct newest newest = {.run = run};
    if (run->step > 0 && store_rows_read(bot->ports.store, run->id, run->step, newest_cols, newest_row, &newest) < 0)
        bot_log(bot, 1, "#%lld: its newest rows could not be read", (long long)run->id);
    for (size_t i = 0; i < newest.count; i++)
        free(newest.cols[i]);
    free(newest.cols);
}

/* A run that was live when the bot last knew of it: its controls and its keeper. */
static void take_up(struct bot *bot, struct run *run) {
    char run_dir[3072];
    run->link_lost_ms = runs_now(bot);
    if (run->state == RUN_STOPPING) run->stop_asked_ms = runs_now(bot);
    if (run->nan_waits) run->nan_seen_ms = runs_now(bot);
    read_newest(bot, run);
    if (controls_load(bot, run) < 0)
        bot_log(bot, 1, "#%lld: what was asked of it could not be read", (long long)run->id);
    if (!run->launched) return;
    int status = runs_dir(bot, run->id, run_dir, sizeof run_dir);
    if (status == TB_OK) status = launcher_adopt(bot->ports.launcher, run->id, run_dir);
    run->adopt_failed = status < 0;
    if (status < 0)
        bot_log(bot, 1, "#%lld: its keeper cannot be watched: %s", (long long)run->id, tb_error_text(status));
}

int runs_load(struct bot *bot) {
    struct loading loading = {.bot = bot};
    int status = store_runs(bot->ports.store, 0, INT64_MAX, load_record, &loading);
    if (status < 0) return status;
    if (loading.status < 0) return loading.status;
    for (struct run *run = bot->runs->first; run; run = run->next)
        take_up(bot, run);
    return TB_OK;
}

/* What earlier frames say is told to conversations, so it waits until those are known and channels have begun. */
void runs_begin(struct bot *bot) {
    bot->runs->begun = true;
    for (struct run *run = bot->runs->first, *next; run; run = next) {
        next = run->next;
        if (run->adopt_failed) runs_process_lost(bot, run->id);
        run->adopt_failed = false;
        if (!run_state_live(run->state) || !run->instance[0] || run->conn) continue;
        run->gone = !run->launched && spool_writer_gone(bot, run);
        spool_want(bot, run);
    }
    spools_find(bot);
    bot->runs->due_ms = 0; /* all rules are looked at once */
}
