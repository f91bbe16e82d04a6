/* ripple_params.c: see ripple_params.h. */
#include "ripple_params.h"
#include "number.h"
#include "ripple_field.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX 1e9
#define SEED_MAX 9007199254740991.0 /* 2^53 - 1: exact in a double and in JSON */

static const struct tb_param defaults[RIPPLE_PARAMS] = {
    [RIPPLE_EPS] = {.name = "eps",
                    .type = TB_FLOAT,
                    .value = 0.03,
                    .max = 1,
                    .min_open = true,
                    .live = true,
                    .help = "time that a step takes; above damping / 8 the shortest waves grow"},
    [RIPPLE_DAMPING] = {.name = "damping",
                        .type = TB_FLOAT,
                        .value = 0.04,
                        .max = 10,
                        .live = true,
                        .help = "how fast movement dies away"},
    [RIPPLE_STEPS] = {.name = "steps",
                      .type = TB_INT,
                      .value = 1000,
                      .min = 1,
                      .max = STEPS_MAX,
                      .live = true,
                      .help = "steps in all"},
    [RIPPLE_DS] = {.name = "ds",
                   .type = TB_INT,
                   .value = 10,
                   .min = 1,
                   .max = STEPS_MAX,
                   .live = true,
                   .help = "report every so many steps"},
    [RIPPLE_SHOW_EVERY] = {.name = "show_every",
                           .type = TB_INT,
                           .value = 250,
                           .max = STEPS_MAX,
                           .live = true,
                           .help = "send a picture every so many steps; 0: none"},
    [RIPPLE_SAVE_EVERY] = {.name = "save_every",
                           .type = TB_INT,
                           .value = 500,
                           .min = 1,
                           .max = STEPS_MAX,
                           .live = true,
                           .help = "save a checkpoint every so many steps; the last 3 stay"},
    [RIPPLE_SEED] = {.name = "seed",
                     .type = TB_INT,
                     .value = 1,
                     .max = SEED_MAX,
                     .help = "seed of where the drops fall and how high they are"},
    [RIPPLE_SIZE] = {.name = "size",
                     .type = TB_INT,
                     .value = 500,
                     .min = 8,
                     .max = RIPPLE_SIZE_MAX,
                     .help = "the pond is a square of size x size points"},
    [RIPPLE_DROPS] = {.name = "drops", .type = TB_INT, .value = 40, .max = 1e6, .help = "drops at the start"},
};

struct ripple_params ripple_params_default(void) {
    struct ripple_params params;
    memcpy(params.rows, defaults, sizeof defaults);
    return params;
}

static struct tb_param *row_find(struct ripple_params *params, const char *name, size_t length) {
    for (size_t i = 0; i < RIPPLE_PARAMS; i++)
        if (strlen(params->rows[i].name) == length && strncmp(params->rows[i].name, name, length) == 0)
            return &params->rows[i];
    return NULL;
}

static void range_text(const struct tb_param *row, char *text, size_t size) {
    char low[32], high[32];
    if (row->type == TB_INT)
        snprintf(text, size, "a whole number between %s and %s", number_grouped((int64_t)row->min, low, sizeof low),
                 number_grouped((int64_t)row->max, high, sizeof high));
    else
        snprintf(text, size, "a number in %c%g, %g]", row->min_open ? '(' : '[', row->min, row->max);
}

static int unknown(const struct ripple_params *params, const char *name, size_t length, char *error) {
    size_t at = (size_t)snprintf(error, APP_ERROR_SIZE, "no parameter \"%.*s\"; there are",
                                 (int)(length < 60 ? length : 60), name);
    for (size_t i = 0; i < RIPPLE_PARAMS && at < APP_ERROR_SIZE; i++)
        at += (size_t)snprintf(error + at, APP_ERROR_SIZE - at, " %s", params->rows[i].name);
    return -1;
}

int ripple_params_set(struct ripple_params *params, const char *setting, char *error) {
    size_t length = strcspn(setting, "=");
    const char *text = setting[length] == '=' ? setting + length + 1 : "";
    struct tb_param *row = row_find(params, setting, length);
    if (row == NULL) return unknown(params, setting, length, error);
    double value = 0;
    int64_t whole = 0;
    bool good =
        number_parse(text, &value) && value <= row->max && (row->min_open ? value > row->min : value >= row->min);
    if (good && row->type == TB_INT) {
        good = number_parse_int(text, (int64_t)row->min, (int64_t)row->max, &whole);
        value = (double)whole;
    }
    if (good) {
        row->value = value;
        return 0;
    }
    char range[120];
    range_text(row, range, sizeof range);
    snprintf(error, APP_ERROR_SIZE, "%s must be %s, not \"%.60s\"", row->name, range, text);
    return -1;
}

void ripple_params_put(const struct ripple_params *params, struct checkpoint *checkpoint) {
    for (size_t i = 0; i < RIPPLE_PARAMS; i++) {
        struct checkpoint_param *to = &checkpoint->params[i];
        snprintf(to->name, sizeof to->name, "%s", params->rows[i].name);
        number_shortest(params->rows[i].value, to->text, sizeof to->text);
    }
    checkpoint->params_count = RIPPLE_PARAMS;
}

int ripple_params_get(struct ripple_params *params, const struct checkpoint *checkpoint, char *error) {
    for (size_t i = 0; i < checkpoint->params_count; i++) {
        char setting[96], why[APP_ERROR_SIZE];
        snprintf(setting, sizeof setting, "%s=%s", checkpoint->params[i].name, checkpoint->params[i].text);
        if (ripple_params_set(params, setting, why) == 0) continue;
        snprintf(error, APP_ERROR_SIZE, "the checkpoint's parameters: %.400s", why);
        return -1;
    }
    return 0;
}
