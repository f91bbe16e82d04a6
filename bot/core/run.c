/*
 * One run's state: what a hello and rows of numbers make of it. Pure: time comes in as an argument, nothing goes out.
 * Always holds: every text field is a string, every metric's best and worst are finite or NaN where none was.
 */
#include "run.h"
#include "text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[RUN_STATES] = {"queued",   "starting", "running", "paused", "stopping",
                                                    "finished", "stopped",  "failed",  "lost"};

const char *run_state_name(enum run_state state) {
    return state_names[state];
}

int run_state_parse(const char *name) {
    for (int i = 0; i < RUN_STATES; i++)
        if (strcmp(state_names[i], name) == 0) return i;
    return TB_EINVAL;
}

bool run_state_live(enum run_state state) {
    return state <= RUN_STOPPING;
}

struct run *run_create(void) {
    struct run *run = calloc(1, sizeof *run);
    if (!run) return NULL;
    char **texts[] = {&run->name,  &run->trainer, &run->host,       &run->started_by, &run->checkpoint,
                      &run->hello, &run->bye,     &run->nan_metric, &run->stop_by};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (text_set(texts[i], "") < 0) {
            run_free(run);
            return NULL;
        }
    run->exit_code = -1;
    run->epoch = NAN;
    run->last_finite_loss = NAN;
    return run;
}

static void params_free(struct run_param *params, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(params[i].name);
        free(params[i].text);
        free(params[i].help);
        for (char **choice = params[i].choices; choice && *choice; choice++)
            free(*choice);
        free(params[i].choices);
    }
    free(params);
}

static void commands_list_free(struct run_command *commands, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(commands[i].name);
        free(commands[i].args);
        free(commands[i].help);
        for (char **word = commands[i].zh; word && *word; word++)
            free(*word);
        free(commands[i].zh);
        free(commands[i].zh_help);
    }
    free(commands);
}

void run_free(struct run *run) {
    if (!run) return;
    params_free(run->params, run->params_count);
    commands_list_free(run->commands, run->commands_count);
    for (size_t i = 0; i < run->metrics_count; i++)
        free(run->metrics[i].name);
    free(run->metrics);
    for (size_t i = 0; i < run->start_params_count; i++) {
        free(run->start_params[i].name);
        free(run->start_params[i].text);
    }
    free(run->start_params);
    free(run->name);
    free(run->trainer);
    free(run->host);
    free(run->started_by);
    free(run->checkpoint);
    free(run->hello);
    free(run->bye);
    free(run->nan_metric);
    free(run->stop_by);
    free(run->end);
    free(run);
}

struct run_param *run_param(const struct run *run, const char *name) {
    for (size_t i = 0; i < run->params_count; i++)
        if (strcmp(run->params[i].name, name) == 0) return &run->params[i];
    return NULL;
}

struct run_metric *run_metric(const struct run *run, const char *name) {
    for (size_t i = 0; i < run->metrics_count; i++)
        if (strcmp(run->metrics[i].name, name) == 0) return &run->metrics[i];
    return NULL;
}

struct run_command *run_command(const struct run *run, const char *name) {
    for (size_t i = 0; i < run->commands_count; i++)
        if (strcmp(run->commands[i].name, name) == 0) return &run->commands[i];
    return NULL;
}

/* The metric called `exact`, else the first whose name contains it and does not speak of the test set. */
static struct run_metric *metric_like(const struct run *run, const char *exact) {
    struct run_metric *found = run_metric(run, exact);
    for (size_t i = 0; !found && i < run->metrics_count; i++)
        if (strstr(run->metrics[i].name, exact) && !strstr(run->metrics[i].name, "test")) found = &run->metrics[i];
    return found;
}

struct run_metric *run_accuracy(const struct run *run) {
    return metric_like(run, "acc");
}

struct run_metric *run_loss(const struct run *run) {
    return metric_like(run, "loss");
}

double run_eta_s(const struct run *run) {
    if (run->steps_per_s <= 0 || run->total_steps <= 0 || run->step > run->total_steps) return -1;
    return (double)(run->total_steps - run->step) / run->steps_per_s;
}

double run_samples_per_s(const struct run *run) {
    return run->steps_per_s * (double)run->batch;
}

static int take_param(struct run_param *param, const struct wire_param *from) {
    param->type = from->value.type;
    param->number = param->asked = from->value.number;
    param->has_min = from->has_min;
    param->has_max = from->has_max;
    param->min_open = from->min_open;
    param->min = from->min;
    param->max = from->max;
    param->live = from->live;
    if (text_set(&param->name, from->name) < 0 || text_set(&param->help, from->help) < 0) return TB_ENOMEM;
    if (from->value.text && text_set(&param->text, from->value.text) < 0) return TB_ENOMEM;
    if (!from->choices_count) return TB_OK;
    param->choices = calloc(from->choices_count + 1, sizeof *param->choices);
    if (!param->choices) return TB_ENOMEM;
    for (size_t i = 0; i < from->choices_count; i++)
        if (!(param->choices[i] = strdup(from->choices[i]))) return TB_ENOMEM;
    return TB_OK;
}

/* "滤波器|滤镜": two words. */
static int take_words(struct run_command *command, const char *zh) {
    size_t count = 1;
    for (const char *at = zh; *at; at++)
        count += *at == '|';
    command->zh = calloc(count + 1, sizeof *command->zh);
    if (!command->zh) return TB_ENOMEM;
    count = 0;
    for (const char *at = zh; *at;) {
        size_t length = strcspn(at, "|");
        if (length > 0 && !(command->zh[count++] = strndup(at, length))) return TB_ENOMEM;
        at += length + (at[length] == '|');
    }
    return TB_OK;
}

static int take_command(struct run_command *command, const struct wire_command *from) {
    command->reads = from->reads;
    if (text_set(&command->name, from->name) < 0 || text_set(&command->args, from->args) < 0 ||
        text_set(&command->help, from->help) < 0 || text_set(&command->zh_help, from->zh_help) < 0)
        return TB_ENOMEM;
    return from->zh ? take_words(command, from->zh) : TB_OK;
}

int run_take_hello(struct run *run, const struct wire_hello *hello) {
    struct run_param *params = calloc(hello->params_count + 1, sizeof *params);
    struct run_command *commands = calloc(hello->commands_count + 1, sizeof *commands);
    int status = params && commands ? TB_OK : TB_ENOMEM;
    for (size_t i = 0; status == TB_OK && i < hello->params_count; i++)
        status = take_param(&params[i], &hello->params[i]);
    for (size_t i = 0; status == TB_OK && i < hello->commands_count; i++)
        status = take_command(&commands[i], &hello->commands[i]);
    if (status == TB_OK && (text_set(&run->name, hello->name) < 0 || text_set(&run->host, hello->host) < 0))
        status = TB_ENOMEM;
    if (status < 0) {
        if (params) params_free(params, hello->params_count);
        if (commands) commands_list_free(commands, hello->commands_count);
        return status;
    }
    params_free(run->params, run->params_count);
    commands_list_free(run->commands, run->commands_count);
    run->params = params;
    run->params_count = hello->params_count;
    run->commands = commands;
    run->commands_count = hello->commands_count;
    memcpy(run->instance, hello->instance, strnlen(hello->instance, sizeof run->instance - 1) + 1);
    run->pid = hello->pid;
    if (hello->total_steps > 0) run->total_steps = hello->total_steps;
    if (hello->batch > 0) run->batch = hello->batch;
    return TB_OK;
}

static struct run_metric *metric_add(struct run *run, const char *name) {
    if (run->metrics_count >= RUN_METRICS_MAX) return NULL; /* its rows are kept all the same */
    struct run_metric *metrics = realloc(run->metrics, (run->metrics_count + 1) * sizeof *metrics);
    if (!metrics) return NULL;
    run->metrics = metrics;
    struct run_metric *metric = &metrics[run->metrics_count];
    *metric =
        (struct run_metric){.name = strdup(name), .value = NAN, .best = NAN, .worst = NAN, .shown = NAN, .before = NAN};
    if (!metric->name) return NULL;
    run->metrics_count++;
    return metric;
}

struct run_metric *run_metric_take(struct run *run, const char *name, double value, int64_t step) {
    struct run_metric *metric = run_metric(run, name);
    if (!metric) metric = metric_add(run, name);
    if (!metric) return NULL;
    metric->value = value;
    metric->step = step;
    if (!isfinite(value)) return metric;
    bool less_is_better = strstr(name, "loss") || strstr(name, "err");
    if (isnan(metric->best) || (less_is_better ? value < metric->best : value > metric->best)) metric->best = value;
    if (isnan(metric->worst) || (less_is_better ? value > metric->worst : value < metric->worst)) metric->worst = value;
    return metric;
}

/* The pace: time per step by the trainer's own clock, so that batched rows do not look like bursts. */
static void take_pace(struct run *run, int64_t step, int64_t t_ms) {
    int64_t steps = step - run->step;
    if (run->last_row_ms > 0 && t_ms >= run->last_row_ms && steps > 0) {
        int64_t gap_ms = t_ms - run->last_row_ms;
        if (gap_ms > run->longest_gap_ms) run->longest_gap_ms = gap_ms;
        int64_t each_ms = gap_ms / steps;
        run->intervals_ms[run->intervals_count++ % RUN_INTERVALS] = each_ms > INT32_MAX ? INT32_MAX : (int32_t)each_ms;
    }
    run->last_row_ms = t_ms;
    if (run->speed_ms == 0 || t_ms < run->speed_ms) {
        run->speed_ms = t_ms;
        run->speed_step = step;
        return;
    }
    int64_t window_ms = t_ms - run->speed_ms;
    if (window_ms < (run->steps_per_s > 0 ? 2000 : 300)) return;
    double now = (double)(step - run->speed_step) * 1000 / (double)window_ms;
    run->steps_per_s = run->steps_per_s > 0 ? 0.5 * run->steps_per_s + 0.5 * now : now;
    run->speed_ms = t_ms;
    run->speed_step = step;
}

bool run_take_rows(struct run *run, const struct wire_rows *rows, bool progress, int64_t mono_ms) {
    bool advanced = false;
    for (size_t i = 0; i < rows->rows_count; i++) {
        int64_t step = rows->steps[i];
        for (size_t k = 0; k < rows->cols_count; k++) {
            double value = rows->values[i * rows->cols_count + k];
            if (wire_is_absent(value)) continue;
            struct run_metric *metric = run_metric_take(run, rows->cols[k], value, step);
            if (!metric || !progress) continue;
            metric->before = metric->shown;
            metric->shown = value;
            metric->in_progress = true;
        }
        if (!wire_is_absent(rows->epochs[i])) run->epoch = rows->epochs[i];
        if (step <= run->step) continue;
        if (rows->t_ms[i] > 0) take_pace(run, step, rows->t_ms[i]);
        run->step = step;
        advanced = true;
    }
    if (advanced) run->last_step_ms = mono_ms;
    return advanced;
}

static int compare_interval(const void *a, const void *b) {
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    return left < right ? -1 : left > right;
}

int64_t run_median_step_ms(const struct run *run) {
    size_t count = run->intervals_count < RUN_INTERVALS ? run->intervals_count : RUN_INTERVALS;
    if (count == 0) return 0;
    int32_t sorted[RUN_INTERVALS];
    memcpy(sorted, run->intervals_ms, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_interval);
    return sorted[count / 2];
}
