/* changes.c: see changes.h. */
#include "changes.h"
#include "near.h"
#include "render.h"
#include "text.h"
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHOLE_MAX 9007199254740992.0 /* 2^53 */
#define STRING_MAX 200

const struct run_param *changes_param(const struct run *declared, const char *name) {
    for (size_t i = 0; i < declared->params_count; i++)
        if (parse_same(declared->params[i].name, name)) return &declared->params[i];
    const char *alias = words_alias(name);
    return alias ? run_param(declared, alias) : NULL;
}

void change_text(const struct run_param *change, char *text, size_t size) {
    if (change->type == WIRE_STRING || change->type == WIRE_ENUM)
        snprintf(text, size, "%s", change->text ? change->text : "");
    else
        render_exact(change->number, text, size);
}

char *default_get(struct bot *bot, const char *trainer, const char *name, int64_t since_ms) {
    char *key = text_print("default/%s/%s", trainer, name), *value = NULL, *found = NULL, *end = NULL;
    if (key && store_get(bot->ports.store, key, &value) == TB_OK) {
        long long t_ms = strtoll(value, &end, 10);
        if (*end == ' ' && t_ms > since_ms) found = strdup(end + 1);
    }
    free(value);
    free(key);
    return found;
}

char *next_get(struct bot *bot, const char *trainer, const char *name) {
    char *kept = default_get(bot, trainer, name, 0);
    const struct trainer_settings *settings = settings_trainer(bot->ports.settings, trainer);
    for (size_t i = 0; !kept && settings && i < settings->params_count; i++)
        if (strcmp(settings->params[i].name, name) == 0) kept = strdup(settings->params[i].text);
    return kept;
}

int default_put(struct bot *bot, const char *trainer, const char *name, const char *text) {
    char *key = text_print("default/%s/%s", trainer, name);
    char *value = text_print("%lld %s", (long long)clock_wall_ms(bot->ports.clock), text);
    int status = key && value ? store_set(bot->ports.store, key, value) : TB_ENOMEM;
    free(key);
    free(value);
    return status;
}

/* ---- refusals ---- */

struct check {
    struct request *request;
    const struct run_param *param;
    const char *value, *example, *trainer; /* trainer: values are for its next start; NULL: for a live run */
};

static void add_name(struct words *words, const struct run_param *param, enum lang lang) {
    const char *label = words_label(param->name, lang);
    words_add(words, "%s%s", label, (unsigned char)label[strlen(label) - 1] < 0x80 ? " " : "");
}

/* "lr 要在 (0, 1] 之间" */
static void add_rule(struct words *words, const struct run_param *param, enum lang lang) {
    bool zh = lang == LANG_ZH;
    char range[400];
    struct words ranges;
    words_init(&ranges, range, sizeof range);
    bool bounded = words_add_range(&ranges, param, lang);
    add_name(words, param, lang);
    if (param->type == WIRE_ENUM || param->type == WIRE_BOOL)
        words_add(words, zh ? "可以是 %s" : "may be %s", range);
    else if (bounded && param->has_min && param->has_max && param->type == WIRE_INT)
        words_add(words, zh ? "要在 %s 之间" : "must be from %s", range);
    else if (bounded && param->has_min && param->has_max)
        words_add(words, zh ? "要在 %s 之间" : "must be in %s", range);
    else if (bounded)
        words_add(words, zh ? "要 %s" : "must be %s", range);
    else
        words_add(words, zh ? "要是%s" : "must be a %s",
                  param->type == WIRE_INT ? (zh ? "整数" : "whole number") : (zh ? "数" : "number"));
}

/* A value that would do: the seed's 0.0005 for lr, else what it is now. */
static void add_example(struct words *words, const struct check *check) {
    const struct run_param *param = check->param;
    bool zh = request_zh(check->request);
    char value[STRING_MAX + 1];
    change_text(param, value, sizeof value);
    bool lr =
        strcmp(param->name, "lr") == 0 && param->has_min && param->min <= 0 && param->has_max && param->max >= 0.0005;
    words_add(words, zh ? ",例如:%s%s%s%s" : ", for example: %s%s%s%s", check->example, param->name,
              check->example[0] ? "=" : " ", lr ? "0.0005" : value);
}

static bool refuse_value(const struct check *check, const char *zh_why, const char *en_why) {
    char text[1200], shown[100];
    struct words words;
    words_init(&words, shown, sizeof shown);
    words_add_foreign(&words, check->value, 60);
    words_init(&words, text, sizeof text);
    bool zh = request_zh(check->request);
    words_add(&words, zh ? "\"%s\" %s。" : "\"%s\" %s. ", shown, zh ? zh_why : en_why);
    add_rule(&words, check->param, check->request->lang);
    add_example(&words, check);
    request_say(check->request, "%s", text);
    return false;
}

/* The number as it is now: what the next start would use, or what was asked of the run last. */
static double base_of(const struct check *check) {
    double value = check->param->asked;
    char *kept = check->trainer ? next_get(check->request->bot, check->trainer, check->param->name) : NULL;
    if (kept && parse_number(kept, &value) != NUMBER_OK) value = check->param->asked;
    free(kept);
    return value;
}

static bool refuse_range(const struct check *check) {
    char text[1200];
    struct words words;
    words_init(&words, text, sizeof text);
    bool zh = request_zh(check->request);
    add_rule(&words, check->param, check->request->lang);
    if (check->example[0]) {
        add_example(&words, check);
    } else {
        words_add(&words, zh ? ";现在是 " : "; it is ");
        if (check->trainer) words_add_value(&words, check->param->type, base_of(check), check->param->text);
        else words_add_param(&words, check->param);
        words_add(&words, zh ? "。" : " now.");
    }
    request_say(check->request, "%s", text);
    return false;
}

/* ---- values ---- */

static bool in_range(const struct run_param *param, double value) {
    if (param->has_min && (param->min_open ? value <= param->min : value < param->min)) return false;
    return !param->has_max || value <= param->max;
}

static bool check_number(const struct check *check, double base, bool factor, double *ret_value) {
    const struct run_param *param = check->param;
    double value;
    enum number_status status = parse_number(check->value, &value);
    if (status == NUMBER_NOT) return refuse_value(check, "不是数", "is not a number");
    if (factor && status == NUMBER_OK) {
        char rounded[40]; /* 0.7 × 0.1 is 0.07, not 0.06999… */
        snprintf(rounded, sizeof rounded, "%.12g", base * value);
        value = strtod(rounded, NULL);
        if (param->type == WIRE_INT) value = round(value);
    }
    bool whole = param->type != WIRE_INT || (value == floor(value) && fabs(value) <= WHOLE_MAX);
    if (status == NUMBER_HUGE || !isfinite(value) || !in_range(param, value)) return refuse_range(check);
    if (!whole)
        return fabs(value) > WHOLE_MAX ? refuse_range(check) : refuse_value(check, "不是整数", "is not a whole number");
    *ret_value = value;
    return true;
}

static bool check_bool(const struct check *check, double *ret_value) {
    static const char *const yes[] = {"1", "true", "on", "yes", "开", "是"}, *const no[] = {"0",  "false", "off",
                                                                                            "no", "关",    "否"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        bool is_yes = parse_same(check->value, yes[i]);
        if (!is_yes && !parse_same(check->value, no[i])) continue;
        *ret_value = is_yes;
        return true;
    }
    return refuse_value(check, "不行", "will not do");
}

static bool check_text(const struct check *check, char **ret_text) {
    const struct run_param *param = check->param;
    for (size_t i = 0; param->type == WIRE_ENUM && param->choices && param->choices[i]; i++)
        if (parse_same(param->choices[i], check->value)) return (*ret_text = strdup(param->choices[i])) != NULL;
    if (param->type == WIRE_ENUM) return refuse_value(check, "不行", "will not do");
    bool zh = request_zh(check->request);
    if (check->value[0] == '-') {
        request_say(check->request, zh ? "%s 的值不能以 - 开头。" : "The value of %s must not begin with -.",
                    param->name);
        return false;
    }
    if (strlen(check->value) > STRING_MAX) {
        request_say(check->request,
                    zh ? "%s 的值太长(最多 %d 字节)。" : "The value of %s is too long (at most %d bytes).", param->name,
                    STRING_MAX);
        return false;
    }
    return (*ret_text = strdup(check->value)) != NULL;
}

static bool refuse_name(struct request *request, const struct run *declared, const char *name) {
    char text[1200];
    struct words words;
    words_init(&words, text, sizeof text);
    bool zh = request_zh(request);
    words_add(&words, zh ? "没有\"" : "There is no parameter \"");
    words_add_foreign(&words, name, 60);
    words_add(&words, zh ? "\"这个参数。" : "\". ");
    struct near near;
    near_begin(&near, name);
    for (size_t i = 0; i < declared->params_count; i++)
        near_try(&near, declared->params[i].name);
    if (near.best)
        words_add(&words, zh ? "你是要\"%s\"吗?" : "Do you mean \"%s\"?", near.best);
    else if (declared->params_count > 0)
        words_add(&words, zh ? "有:" : "There are:");
    for (size_t i = 0; !near.best && i < declared->params_count; i++)
        words_add(&words, "%s%s", zh && i == 0 ? "" : " ", declared->params[i].name);
    request_say(request, "%s", text);
    return false;
}

static bool check_one(struct request *request, const struct run *declared, const char *trainer,
                      const struct assignment *assignment, struct run_param *change, const char *example) {
    const struct run_param *param = changes_param(declared, assignment->name);
    if (!param) return refuse_name(request, declared, assignment->name);
    struct check check = {.request = request, .param = param, .value = assignment->value, .example = example, .trainer = trainer};
    bool numeric = param->type == WIRE_FLOAT || param->type == WIRE_INT, zh = request_zh(request);
    change->type = param->type;
    change->name = strdup(param->name);
    if (!change->name) return false;
    if (!assignment->value[0]) return refuse_range(&check);
    if (assignment->factor && !numeric) {
        request_say(request, zh ? "%s 不是数,不能乘。" : "%s is no number and cannot be multiplied.", param->name);
        return false;
    }
    if (numeric) return check_number(&check, base_of(&check), assignment->factor, &change->number);
    return param->type == WIRE_BOOL ? check_bool(&check, &change->number) : check_text(&check, &change->text);
}

bool changes_check(struct request *request, const struct run *declared, const char *trainer,
                   const struct assignment *assignments, size_t count, struct run_param **ret_changes,
                   size_t *ret_count, const char *example) {
    struct run_param *changes = calloc(count + 1, sizeof *changes);
    bool good = changes != NULL;
    for (size_t i = 0; good && i < count; i++) {
        good = check_one(request, declared, trainer, &assignments[i], &changes[i], example);
        for (size_t j = 0; good && j < i; j++)
            if (strcmp(changes[j].name, changes[i].name) == 0) {
                request_say(request, request_zh(request) ? "%s 写了两次。" : "%s stands there twice.", changes[i].name);
                good = false;
            }
    }
    if (!good) {
        if (changes) changes_free(changes, count);
        return false;
    }
    *ret_changes = changes;
    *ret_count = count;
    return true;
}
