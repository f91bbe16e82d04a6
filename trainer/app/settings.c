/* settings.c: see settings.h. Rows with a field each; floats and whole numbers differ only in where they are stored. */
#include "settings.h"
#include "number.h"

#include <stdio.h>
#include <string.h>

#define TI_MAX 1e12
#define SEED_MAX 9007199254740991.0 /* 2^53 - 1: exact in a double and in JSON */
#define STEPS_MAX 1e9

struct setting {
    const char *name;
    enum tb_type type;
    size_t offset;
    double min, max;
    bool min_open, live;
    const char *choices, *const *words; /* enums: "adam|sgd", and the same as a list */
    const char *help;
};

static const char *const optimiser_words[] = {"adam", "sgd", NULL};
static const char *const nan_words[] = {"pause", "stop", "ignore", NULL};

#define FIELD(name) #name, .offset = offsetof(struct settings, name)

static const struct setting rows[] = {
    {FIELD(lr), .type = TB_FLOAT, .min = 0, .max = 1, .min_open = true, .live = true, .help = "learning rate"},
    {FIELD(ti), .type = TB_INT, .min = 1, .max = TI_MAX, .live = true, .help = "samples to train on in all"},
    {FIELD(bs), .type = TB_INT, .min = 1, .max = 0, .live = true, .help = "batch size, samples"},
    {FIELD(ds), .type = TB_INT, .min = 1, .max = STEPS_MAX, .live = true, .help = "report every so many steps"},
    {FIELD(dropout), .type = TB_FLOAT, .min = 0, .max = 0.99, .live = true, .help = "probability to drop a unit"},
    {FIELD(save_every), .type = TB_INT, .min = 1, .max = STEPS_MAX, .live = true,
     .help = "save a checkpoint every so many steps; the last 3 and the one of lowest training loss stay"},
    {FIELD(nan), .type = TB_ENUM, .choices = "pause|stop|ignore", .words = nan_words, .live = true,
     .help = "what to do when the loss is not a number"},
    {FIELD(seed), .type = TB_INT, .min = 0, .max = SEED_MAX, .help = "seed of weights, order and dropout"},
    {FIELD(optimiser), .type = TB_ENUM, .choices = "adam|sgd", .words = optimiser_words, .help = "optimiser"},
    {FIELD(momentum), .type = TB_FLOAT, .min = 0, .max = 0.999, .help = "momentum of sgd"},
};
#define ROWS (sizeof rows / sizeof *rows)

void settings_default(struct settings *settings, const struct model_info *model, bool golden) {
    *settings = (struct settings){.lr = model->lr,
                                  .dropout = golden ? 0 : model->dropout,
                                  .momentum = 0,
                                  .ti = model->samples,
                                  .bs = golden ? 64 : model->batch,
                                  .ds = 10,
                                  .save_every = 500,
                                  .seed = 1,
                                  .optimiser = model->optimiser,
                                  .nan = NAN_PAUSE};
}

static double number_get(const struct settings *settings, const struct setting *row) {
    const char *field = (const char *)settings + row->offset;
    if (row->type == TB_FLOAT) return *(const double *)(const void *)field;
    return (double)*(const int64_t *)(const void *)field;
}

static void number_put(struct settings *settings, const struct setting *row, double value) {
    char *field = (char *)settings + row->offset;
    if (row->type == TB_FLOAT)
        *(double *)(void *)field = value;
    else
        *(int64_t *)(void *)field = (int64_t)value;
}

static const struct setting *row_find(const char *name) {
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(rows[i].name, name) == 0) return &rows[i];
    return NULL;
}

/* Index among the row's words, or -1. */
static int64_t word_index(const struct setting *row, const char *text) {
    for (int64_t i = 0; row->words[i] != NULL; i++)
        if (strcmp(row->words[i], text) == 0) return i;
    return -1;
}

size_t settings_declare(const struct settings *settings, const struct model_info *model, int64_t samples,
                        struct tb_param *ret_params) {
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++) {
        const struct setting *row = &rows[i];
        if (row->offset == offsetof(struct settings, dropout) && !model->has_dropout) continue;
        struct tb_param *param = &ret_params[count++];
        *param = (struct tb_param){.name = row->name,
                                   .type = row->type,
                                   .min = row->min,
                                   .max = row->max,
                                   .min_open = row->min_open,
                                   .choices = row->choices,
                                   .live = row->live,
                                   .help = row->help};
        if (row->offset == offsetof(struct settings, bs)) param->max = (double)samples;
        if (row->type == TB_ENUM)
            param->text = row->words[(int64_t)number_get(settings, row)];
        else
            param->value = number_get(settings, row);
    }
    return count;
}

/* "in (0, 1]", "between 1 and 60,000". */
static void range_text(const struct tb_param *param, char *text, size_t size) {
    char low[32], high[32];
    if (param->type == TB_INT)
        snprintf(text, size, "a whole number between %s and %s", number_grouped((int64_t)param->min, low, sizeof low),
                 number_grouped((int64_t)param->max, high, sizeof high));
    else
        snprintf(text, size, "a number in %c%g, %g]", param->min_open ? '(' : '[', param->min, param->max);
}

static bool in_range(const struct tb_param *param, double value) {
    return value <= param->max && (param->min_open ? value > param->min : value >= param->min);
}

/* For a bad name: those that there are. */
static void unknown_text(const struct tb_param *params, size_t count, const char *name, char *error) {
    int length = snprintf(error, APP_ERROR_SIZE, "no parameter \"%.60s\"; there are", name);
    for (size_t i = 0; i < count && length < APP_ERROR_SIZE - 1; i++)
        length += snprintf(error + length, APP_ERROR_SIZE - (size_t)length, " %s", params[i].name);
}

int settings_set(struct settings *settings, const struct tb_param *params, size_t count, const char *name,
                 const char *text, char *error) {
    const struct tb_param *param = NULL;
    for (size_t i = 0; i < count; i++)
        if (strcmp(params[i].name, name) == 0) param = &params[i];
    const struct setting *row = row_find(name);
    if (param == NULL || row == NULL) {
        unknown_text(params, count, name, error);
        return -1;
    }
    if (param->type == TB_ENUM) {
        int64_t index = word_index(row, text);
        if (index >= 0)
            number_put(settings, row, (double)index);
        else
            snprintf(error, APP_ERROR_SIZE, "%s must be one of %s, not \"%.60s\"", name, param->choices, text);
        return index >= 0 ? 0 : -1;
    }
    double value = 0;
    int64_t whole = 0;
    bool good = number_parse(text, &value) && in_range(param, value);
    if (good && param->type == TB_INT) {
        good = number_parse_int(text, (int64_t)param->min, (int64_t)param->max, &whole);
        value = (double)whole;
    }
    if (!good) {
        char range[120];
        range_text(param, range, sizeof range);
        snprintf(error, APP_ERROR_SIZE, "%s must be %s, not \"%.60s\"", name, range, text);
        return -1;
    }
    number_put(settings, row, value);
    return 0;
}

void settings_text(const struct settings *settings, const struct tb_param *param, char *text, size_t size) {
    const struct setting *row = row_find(param->name);
    double value = number_get(settings, row);
    if (row->type == TB_ENUM)
        snprintf(text, size, "%s", row->words[(int64_t)value]);
    else if (row->type == TB_FLOAT)
        number_shortest(value, text, size);
    else
        snprintf(text, size, "%lld", (long long)value);
}

void settings_put(struct settings *settings, const char *name, enum tb_type type, double value, const char *text) {
    const struct setting *row = row_find(name);
    if (row == NULL || row->type != type) return;
    if (type == TB_ENUM) {
        int64_t index = word_index(row, text);
        if (index < 0) return;
        value = (double)index;
    }
    number_put(settings, row, value);
}
