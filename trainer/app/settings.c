/* settings.c: see settings.h. Rows with a field each; floats and whole numbers differ only in where they are stored. */
#include "settings.h"
#include "number.h"

#include <stdio.h>
#include <string.h>

#define TI_MAX 1e12
#define SEED_MAX 9007199254740991.0 /* 2^53 - 1: exact in a double and in JSON */
#define STEPS_MAX 1e9
#define EPOCHS_MAX 1e6

/* Which models have it. */
enum needs { NEEDS_NOTHING, NEEDS_DROPOUT, NEEDS_MEASURE, NEEDS_PICTURES };

struct setting {
    const char *name;
    enum tb_type type;
    size_t offset;
    double min, max;
    bool min_open, live;
    const char *choices, *const *words; /* enums: "adam|sgd", and the same as a list */
    const char *help;
    enum needs needs;
};

static const char *const schedule_words[] = {"constant", "step", "cosine", NULL};
static const char *const optimiser_words[] = {"adam", "sgd", NULL};
static const char *const nan_words[] = {"pause", "stop", "ignore", NULL};

#define FIELD(name) #name, .offset = offsetof(struct settings, name)

static const struct setting rows[] = {
    {FIELD(lr), .type = TB_FLOAT, .min = 0, .max = 1, .min_open = true, .live = true,
     .help = "learning rate; with a schedule its base"},
    {FIELD(ti), .type = TB_INT, .min = 1, .max = TI_MAX, .live = true, .help = "samples to train on in all"},
    {FIELD(bs), .type = TB_INT, .min = 1, .max = 0, .live = true, .help = "batch size, samples"},
    {FIELD(ds), .type = TB_INT, .min = 1, .max = STEPS_MAX, .live = true, .help = "report every so many steps"},
    {FIELD(dropout), .type = TB_FLOAT, .min = 0, .max = 0.99, .live = true, .needs = NEEDS_DROPOUT,
     .help = "probability to drop a unit"},
    {FIELD(epochs), .type = TB_INT, .min = 0, .max = EPOCHS_MAX, .live = true,
     .help = "how often to see every training image; 0: ti decides the length"},
    {FIELD(schedule), .type = TB_ENUM, .choices = "constant|step|cosine", .words = schedule_words, .live = true,
     .help = "how the learning rate goes on from its base: step multiplies it by lr_gamma every lr_step steps, cosine "
             "lets it fall to nothing at the end"},
    {FIELD(warmup), .type = TB_INT, .min = 0, .max = STEPS_MAX, .live = true,
     .help = "steps in which the learning rate rises to its base"},
    {FIELD(lr_step), .type = TB_INT, .min = 1, .max = STEPS_MAX, .live = true,
     .help = "schedule=step: steps between two cuts"},
    {FIELD(lr_gamma), .type = TB_FLOAT, .min = 0, .max = 1, .min_open = true, .live = true,
     .help = "schedule=step: what a cut multiplies by"},
    {FIELD(validation), .type = TB_FLOAT, .min = 0, .max = 0.5, .needs = NEEDS_MEASURE,
     .help = "share of the training images held back to validate on after each epoch"},
    {FIELD(patience), .type = TB_INT, .min = 0, .max = EPOCHS_MAX, .live = true, .needs = NEEDS_MEASURE,
     .help = "stop after so many epochs without a better validation loss; 0: never. Needs validation: the test set is "
             "never used for it"},
    {FIELD(keep_best), .type = TB_BOOL, .live = true, .needs = NEEDS_MEASURE,
     .help = "keep the checkpoint of the best epoch; an early stop ends with its weights"},
    {FIELD(augment), .type = TB_BOOL, .live = true, .help = "turn, zoom and shift the training images a little"},
    {FIELD(show_every), .type = TB_INT, .min = 0, .max = STEPS_MAX, .live = true, .needs = NEEDS_PICTURES,
     .help = "send pictures every so many steps; 0: none"},
    {FIELD(save_every), .type = TB_INT, .min = 1, .max = STEPS_MAX, .live = true,
     .help = "save a checkpoint every so many steps; the last 3 and the one of lowest training loss stay"},
    {FIELD(nan), .type = TB_ENUM, .choices = "pause|stop|ignore", .words = nan_words, .live = true,
     .help = "what to do when the loss is not a number"},
    {FIELD(seed), .type = TB_INT, .min = 0, .max = SEED_MAX,
     .help = "seed of weights, order, dropout, noise and what is held back"},
    {FIELD(optimiser), .type = TB_ENUM, .choices = "adam|sgd", .words = optimiser_words, .help = "optimiser"},
    {FIELD(momentum), .type = TB_FLOAT, .min = 0, .max = 0.999, .help = "momentum of sgd"},
    {FIELD(weight_decay), .type = TB_FLOAT, .min = 0, .max = 1, .help = "L2 penalty, added to the gradient"},
};
#define ROWS (sizeof rows / sizeof *rows)

void settings_default(struct settings *settings, const struct model_info *model, bool golden) {
    *settings = (struct settings){.lr = model->lr,
                                  .dropout = golden ? 0 : model->dropout,
                                  .weight_decay = model->weight_decay,
                                  .lr_gamma = 0.1,
                                  .validation = golden ? 0 : model->validation,
                                  .ti = model->samples,
                                  .bs = golden ? 64 : model->batch,
                                  .ds = 10,
                                  .save_every = 500,
                                  .seed = 1,
                                  .lr_step = 1000,
                                  .optimiser = model->optimiser,
                                  .nan = NAN_PAUSE,
                                  .augment = !golden && model->augment};
}

struct schedule settings_schedule(const struct settings *settings) {
    return (struct schedule){.kind = (enum schedule_kind)settings->schedule,
                             .warmup = settings->warmup,
                             .every = settings->lr_step,
                             .gamma = settings->lr_gamma};
}

int settings_check(const struct settings *settings, int64_t samples, char *error) {
    char count[32];
    if (settings->bs > samples) {
        snprintf(error, APP_ERROR_SIZE, "bs %lld is more than the %s samples there are", (long long)settings->bs,
                 number_grouped(samples, count, sizeof count));
        return -1;
    }
    if (settings->patience > 0 && settings->validation == 0) {
        snprintf(error, APP_ERROR_SIZE,
                 "patience needs images to validate on, and the test set is not used for it: a start with "
                 "validation=0.1 holds some back");
        return -1;
    }
    return 0;
}

static bool model_has(const struct model_info *model, const struct setting *row) {
    if (row->needs == NEEDS_DROPOUT) return model->has_dropout;
    if (row->needs == NEEDS_PICTURES) return model->reconstructs || model->samples_images;
    return row->needs != NEEDS_MEASURE || model->task != TASK_ADVERSARIAL; /* their losses tell nothing of quality */
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
        if (!model_has(model, row)) continue;
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

static bool bool_put(struct settings *settings, const struct setting *row, const char *text) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i], text) != 0) continue;
        number_put(settings, row, (double)(i % 2));
        return true;
    }
    return false;
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
    if (param->type == TB_BOOL) {
        if (bool_put(settings, row, text)) return 0;
        snprintf(error, APP_ERROR_SIZE, "%s must be true or false, not \"%.60s\"", name, text);
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
    else if (row->type == TB_BOOL)
        snprintf(text, size, "%s", value != 0 ? "true" : "false");
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
