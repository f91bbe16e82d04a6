/*
 * params.c: the declared hyperparameters: their copies, the checks on what the person wants them to be, their values.
 * Training thread only; a value changes in params_set and tb_set_float, nowhere else.
 */
#include "run.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

char *text_copy(const char *text) {
    return text ? strdup(text) : NULL;
}

static bool split_choices(struct param *p, const char *choices) {
    size_t count = 1;
    for (const char *c = choices; *c; c++)
        count += *c == '|';
    p->choices = calloc(count, sizeof *p->choices);
    if (!p->choices) return false;
    for (const char *at = choices;;) {
        size_t size = strcspn(at, "|");
        if (!(p->choices[p->choices_count] = strndup(at, size))) return false;
        p->choices_count++;
        if (!at[size]) return true;
        at += size + 1;
    }
}

static bool copy_param(struct param *p, const struct tb_param *from) {
    *p = (struct param){.type = from->type,
                        .value = from->value,
                        .min = from->min,
                        .max = from->max,
                        .min_open = from->min_open,
                        .live = from->live};
    bool ranged = (from->type == TB_FLOAT || from->type == TB_INT) && from->min != from->max;
    p->has_min = ranged && isfinite(from->min);
    p->has_max = ranged && isfinite(from->max);
    p->name = text_copy(from->name ? from->name : "");
    p->help = text_copy(from->help);
    p->text = text_copy(from->text ? from->text : "");
    if (from->type == TB_ENUM && !split_choices(p, from->choices ? from->choices : "")) return false;
    return p->name && p->text;
}

int params_init(struct tb_run *run, const struct tb_param *params, size_t count) {
    if (count > WIRE_PARAMS_MAX) count = WIRE_PARAMS_MAX;
    run->params = calloc(count ? count : 1, sizeof *run->params);
    if (!run->params) return -1;
    for (size_t i = 0; i < count; i++) {
        run->params_count = i + 1;
        if (!copy_param(&run->params[i], &params[i])) return -1;
    }
    return 0;
}

void params_release(struct tb_run *run) {
    for (size_t i = 0; i < run->params_count; i++) {
        struct param *p = &run->params[i];
        for (size_t k = 0; k < p->choices_count; k++)
            free(p->choices[k]);
        free(p->choices);
        free(p->name);
        free(p->help);
        free(p->text);
    }
    free(run->params);
}

struct param *param_find(const struct tb_run *run, const char *name) {
    for (size_t i = 0; i < run->params_count; i++)
        if (strcmp(run->params[i].name, name) == 0) return &run->params[i];
    return NULL;
}

static enum wire_type wire_type_of(enum tb_type type) {
    static const enum wire_type types[] = {[TB_FLOAT] = WIRE_FLOAT,
                                           [TB_INT] = WIRE_INT,
                                           [TB_BOOL] = WIRE_BOOL,
                                           [TB_STRING] = WIRE_STRING,
                                           [TB_ENUM] = WIRE_ENUM};
    return types[type];
}

static bool is_text(enum tb_type type) {
    return type == TB_STRING || type == TB_ENUM;
}

void param_show(const struct param *p, struct wire_value *ret) {
    *ret = (struct wire_value){.type = wire_type_of(p->type),
                               .number = p->value,
                               .text = is_text(p->type) ? p->text : NULL};
}

static int refuse(char *why, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int refuse(char *why, size_t size, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(why, size, format, args);
    va_end(args);
    return -1;
}

static int check_range(const struct param *p, double v, char *why, size_t size) {
    char low[40] = "-inf", high[40] = "inf";
    bool below = p->has_min && (p->min_open ? !(v > p->min) : !(v >= p->min));
    if (!below && !(p->has_max && !(v <= p->max))) return 0;
    if (p->has_min) wire_format_double(p->min, low, sizeof low);
    if (p->has_max) wire_format_double(p->max, high, sizeof high);
    return refuse(why, size, "%s: must be in %c%s, %s%c", p->name, p->has_min && !p->min_open ? '[' : '(', low, high,
                  p->has_max ? ']' : ')');
}

static int check_number(const struct param *p, const struct wire_value *v, char *why, size_t size) {
    bool number = v->type == WIRE_FLOAT || v->type == WIRE_INT;
    if (p->type == TB_BOOL) {
        if (v->type == WIRE_BOOL || (number && (v->number == 0 || v->number == 1))) return 0;
        return refuse(why, size, "%s: must be true or false", p->name);
    }
    if (!number || !isfinite(v->number)) return refuse(why, size, "%s: must be a number", p->name);
    if (p->type == TB_INT && (v->number != floor(v->number) || fabs(v->number) > 9007199254740991.0))
        return refuse(why, size, "%s: must be a whole number", p->name);
    return check_range(p, v->number, why, size);
}

static int check_text(const struct param *p, const struct wire_value *v, char *why, size_t size) {
    if ((v->type != WIRE_STRING && v->type != WIRE_ENUM) || !v->text)
        return refuse(why, size, "%s: must be text", p->name);
    if (p->type == TB_STRING) return strlen(v->text) <= 4096 ? 0 : refuse(why, size, "%s: is too long", p->name);
    char list[256] = "";
    for (size_t i = 0; i < p->choices_count; i++) {
        if (strcmp(p->choices[i], v->text) == 0) return 0;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", p->choices[i]);
    }
    return refuse(why, size, "%s: must be one of %s", p->name, list);
}

static int check(const struct tb_run *run, const struct wire_named *named, bool before_start, char *why, size_t size) {
    const struct param *p = param_find(run, named->name);
    if (!p) return refuse(why, size, "%s: there is no such parameter", named->name);
    if (!p->live && !before_start) return refuse(why, size, "%s: only the next start takes a new value", p->name);
    return is_text(p->type) ? check_text(p, &named->value, why, size) : check_number(p, &named->value, why, size);
}

static int ask_program(struct tb_run *run, const struct wire_named *named, size_t count, char *why, size_t size) {
    struct tb_change changes[WIRE_PARAMS_MAX] = {0};
    if (!run->accept || count == 0) return 0;
    for (size_t i = 0; i < count; i++)
        changes[i] = (struct tb_change){.name = named[i].name,
                                        .type = param_find(run, named[i].name)->type,
                                        .value = named[i].value.number,
                                        .text = named[i].value.text};
    *why = 0;
    if (run->accept(run->user, changes, count, why, size)) return 0;
    return *why ? -1 : refuse(why, size, "the training refuses it");
}

int params_set(struct tb_run *run, const struct wire_named *named, size_t count, bool before_start,
               struct wire_named *old_values, struct wire_named *new_values, char *why, size_t why_size) {
    char *texts[WIRE_PARAMS_MAX];
    if (count > WIRE_PARAMS_MAX) return refuse(why, why_size, "too many parameters");
    for (size_t i = 0; i < count; i++)
        if (check(run, &named[i], before_start, why, why_size) < 0) return -1;
    if (ask_program(run, named, count, why, why_size) < 0) return -1;
    for (size_t i = 0; i < count; i++) {
        texts[i] = is_text(param_find(run, named[i].name)->type) ? strdup(named[i].value.text) : NULL;
        if (texts[i] || !is_text(param_find(run, named[i].name)->type)) continue;
        while (i--)
            free(texts[i]);
        return refuse(why, why_size, "out of memory");
    }
    for (size_t i = 0; i < count; i++) {
        struct param *p = param_find(run, named[i].name);
        old_values[i].name = new_values[i].name = p->name;
        param_show(p, &old_values[i].value);
        if (is_text(p->type))
            p->text = texts[i]; /* the old one lives on in old_values, until params_forget */
        else
            p->value = named[i].value.number;
        param_show(p, &new_values[i].value);
    }
    return 0;
}

void params_forget(struct tb_run *run, const struct wire_named *old_values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const struct param *p = param_find(run, old_values[i].name);
        if (p && is_text(p->type)) free((void *)(uintptr_t)old_values[i].value.text);
    }
}

double tb_float(const struct tb_run *run, const char *name) {
    const struct param *p = param_find(run, name);
    return p ? p->value : 0;
}

int64_t tb_int(const struct tb_run *run, const char *name) {
    const struct param *p = param_find(run, name);
    return p ? (int64_t)p->value : 0;
}

bool tb_bool(const struct tb_run *run, const char *name) {
    const struct param *p = param_find(run, name);
    return p && p->value != 0;
}

const char *tb_text(const struct tb_run *run, const char *name) {
    const struct param *p = param_find(run, name);
    return p && is_text(p->type) ? p->text : "";
}

int tb_set_float(struct tb_run *run, int64_t step, const char *name, double value) {
    struct param *p = param_find(run, name);
    if (!p || is_text(p->type)) return -1;
    struct wire_named was = {.name = p->name}, is = {.name = p->name};
    param_show(p, &was.value);
    p->value = value;
    param_show(p, &is.value);
    if (run_dead(run)) return 0;
    struct wire_frame frame = {.kind = WIRE_APPLIED};
    frame.u.applied.id = "";
    frame.u.applied.step = step;
    frame.u.applied.old_values = &was;
    frame.u.applied.new_values = &is;
    frame.u.applied.count = 1;
    report_frame(run, &frame);
    pthread_mutex_lock(&run->lock);
    hello_build(run);
    pthread_mutex_unlock(&run->lock);
    return 0;
}
