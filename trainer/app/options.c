/* options.c: see options.h. One row a flag: its name, what follows it, its help, and the function that takes it. */
#include "options.h"
#include "data.h"
#include "data_verb.h"
#include "number.h"

#include <string.h>

struct flag {
    const char *name, *argument; /* argument NULL: none */
    int (*take)(struct options *options, const char *value, char *error);
    const char *help;
};

static int take_text(const char **field, const char *value, const char *flag, char *error) {
    if (*value == '\0') {
        snprintf(error, APP_ERROR_SIZE, "%s needs a value that is not empty", flag);
        return -1;
    }
    *field = value;
    return 0;
}

static int take_count(int64_t *field, const char *value, int64_t min, int64_t max, const char *flag, char *error) {
    if (number_parse_int(value, min, max, field)) return 0;
    char low[32], high[32];
    snprintf(error, APP_ERROR_SIZE, "%s must be a whole number between %s and %s, not \"%.60s\"", flag,
             number_grouped(min, low, sizeof low), number_grouped(max, high, sizeof high), value);
    return -1;
}

static int take_action(struct options *options, enum action action, char *error) {
    if (options->action != ACTION_TRAIN && options->action != action) {
        snprintf(error, APP_ERROR_SIZE, "--describe, --bench and --call exclude each other");
        return -1;
    }
    options->action = action;
    return 0;
}

static int model_take(struct options *o, const char *v, char *e) {
    return take_text(&o->model, v, "--model", e);
}
static int backend_take(struct options *o, const char *v, char *e) {
    return take_text(&o->backend, v, "--backend", e);
}
static int data_take(struct options *o, const char *v, char *e) {
    return take_text(&o->data, v, "--data", e);
}
static int seed_take(struct options *o, const char *v, char *e) {
    return take_count(&o->seed, v, 0, 9007199254740991, "--seed", e);
}

static int init_take(struct options *o, const char *v, char *e) {
    o->hash_init = strcmp(v, "hash") == 0;
    if (o->hash_init || strcmp(v, "default") == 0) return 0;
    snprintf(e, APP_ERROR_SIZE, "--init must be default or hash, not \"%.60s\"", v);
    return -1;
}

static int order_take_flag(struct options *o, const char *v, char *e) {
    o->order_given = true;
    o->order = strcmp(v, "file") == 0 ? ORDER_FILE : ORDER_SHUFFLE;
    if (o->order == ORDER_FILE || strcmp(v, "shuffle") == 0) return 0;
    snprintf(e, APP_ERROR_SIZE, "--order must be shuffle or file, not \"%.60s\"", v);
    return -1;
}

static int steps_take(struct options *o, const char *v, char *e) {
    return take_count(&o->steps, v, 1, 1000000000000, "--steps", e);
}
static int threads_take(struct options *o, const char *v, char *e) {
    return take_count(&o->threads, v, 1, 1024, "--threads", e);
}

static const char *const precisions[] = {
    [PRECISION_FLOAT32] = "float32", [PRECISION_TF32] = "tf32", [PRECISION_BF16] = "bf16"};

const char *options_precision(enum precision precision) {
    return precisions[precision];
}

static int precision_take(struct options *o, const char *v, char *e) {
    for (size_t i = 0; i < sizeof precisions / sizeof *precisions; i++) {
        if (strcmp(precisions[i], v) != 0) continue;
        o->precision = (enum precision)i;
        return 0;
    }
    snprintf(e, APP_ERROR_SIZE, "--precision must be float32, tf32 or bf16, not \"%.60s\"", v);
    return -1;
}

static int param_take(struct options *o, const char *v, char *e) {
    const char *equals = strchr(v, '=');
    if (equals == NULL || equals == v) {
        snprintf(e, APP_ERROR_SIZE, "--param must look like lr=0.001, not \"%.60s\"", v);
        return -1;
    }
    if (o->params_count == OPTIONS_PARAMS_MAX) {
        snprintf(e, APP_ERROR_SIZE, "more than %d --param", OPTIONS_PARAMS_MAX);
        return -1;
    }
    o->params[o->params_count++] = v;
    return 0;
}

static int checkpoint_dir_take(struct options *o, const char *v, char *e) {
    return take_text(&o->checkpoint_dir, v, "--checkpoint-dir", e);
}
static int resume_take(struct options *o, const char *v, char *e) {
    return take_text(&o->resume, v, "--resume", e);
}
static int image_dir_take(struct options *o, const char *v, char *e) {
    return take_text(&o->image_dir, v, "--image-dir", e);
}

static int call_take(struct options *o, const char *v, char *e) {
    return take_text(&o->call, v, "--call", e) != 0 ? -1 : take_action(o, ACTION_CALL, e);
}

static int describe_take(struct options *o, const char *v, char *e) {
    (void)v;
    return take_action(o, ACTION_DESCRIBE, e);
}

static int bench_take(struct options *o, const char *v, char *e) {
    if (take_count(&o->bench_steps, v, 1, 1000000, "--bench", e) != 0) return -1;
    return take_action(o, ACTION_BENCH, e);
}

static int print_metrics_take(struct options *o, const char *v, char *e) {
    (void)v;
    (void)e;
    o->print_metrics = true;
    return 0;
}

static int help_take(struct options *o, const char *v, char *e) {
    (void)v;
    (void)e;
    o->action = ACTION_HELP;
    return 1;
}

static int version_take(struct options *o, const char *v, char *e) {
    (void)v;
    (void)e;
    o->action = ACTION_VERSION;
    return 1;
}

static const struct flag flags[] = {
    {"--model", "NAME", model_take, "the network; with --resume the checkpoint's, else cnn"},
    {"--backend", "NAME", backend_take, "what computes; auto takes the fastest that works"},
    {"--precision", "float32|tf32|bf16", precision_take,
     "what products are rounded to, where the backend can; float32 unless asked"},
    {"--data", "DIR", data_take, "folder of IDX files, or mnist, fashion-mnist (default " DATA_DEFAULT_DIR ")"},
    {"--seed", "N", seed_take, "seed of weights, order and dropout (default 1)"},
    {"--init", "default|hash", init_take, "start weights; hash: the golden start, batch 64, no dropout, file order"},
    {"--order", "shuffle|file", order_take_flag, "order of the samples"},
    {"--steps", "N", steps_take, "steps of the whole run (default: ti / bs)"},
    {"--threads", "N", threads_take, "threads of the compute library (default: all processors)"},
    {"--param", "KEY=VALUE", param_take, "sets a hyperparameter; repeatable, --describe lists them"},
    {"--checkpoint-dir", "DIR", checkpoint_dir_take,
     "where checkpoints go (default: $TRAINBOT_RUN_DIR/checkpoints, else checkpoints)"},
    {"--resume", "FILE|latest", resume_take, "goes on from a checkpoint"},
    {"--call", "COMMAND", call_take, "runs a command on the resumed checkpoint: --call \"recognize 10\""},
    {"--image-dir", "DIR", image_dir_take, "where --call writes pictures"},
    {"--describe", NULL, describe_take, "prints parameters and commands as JSON"},
    {"--bench", "STEPS", bench_take, "measures: one JSON line with samples_per_s"},
    {"--print-metrics", NULL, print_metrics_take, "prints \"index metric=value ...\" for every step, and nothing else"},
    {"--help", NULL, help_take, "this text"},
    {"--version", NULL, version_take, "the version"},
};
#define FLAGS (sizeof flags / sizeof *flags)

/* The flag that `text` names, alone or as --flag=value. */
static const struct flag *flag_find(const char *text, const char **ret_value) {
    size_t length = strcspn(text, "=");
    for (size_t i = 0; i < FLAGS; i++) {
        if (strlen(flags[i].name) != length || strncmp(flags[i].name, text, length) != 0) continue;
        *ret_value = text[length] == '=' ? text + length + 1 : NULL;
        return &flags[i];
    }
    return NULL;
}

static int check_together(struct options *o, char *error) {
    if (o->call != NULL && o->resume == NULL) {
        snprintf(error, APP_ERROR_SIZE, "--call needs a trained network: add --resume FILE or --resume latest");
        return -1;
    }
    if (!o->order_given && o->hash_init) o->order = ORDER_FILE;
    return 0;
}

int options_parse(int argc, char *const argv[], struct options *ret_options, char *error) {
    struct options o = {.backend = "auto", .order = ORDER_SHUFFLE, .seed = -1};
    for (int i = 1; i < argc; i++) {
        const char *value = NULL;
        const struct flag *flag = flag_find(argv[i], &value);
        if (flag == NULL) {
            snprintf(error, APP_ERROR_SIZE, "unknown option \"%.100s\"; --help lists all", argv[i]);
            return -1;
        }
        if (flag->argument == NULL && value != NULL) {
            snprintf(error, APP_ERROR_SIZE, "%s takes no value", flag->name);
            return -1;
        }
        if (flag->argument != NULL && value == NULL) {
            if (i + 1 == argc) {
                snprintf(error, APP_ERROR_SIZE, "%s needs a value: %s %s", flag->name, flag->name, flag->argument);
                return -1;
            }
            value = argv[++i];
        }
        int rc = flag->take(&o, value, error);
        if (rc < 0) return -1;
        if (rc > 0) {
            *ret_options = o;
            return 0;
        }
    }
    if (check_together(&o, error) != 0) return -1;
    *ret_options = o;
    return 0;
}

void options_help(FILE *out, const char *models, const char *backends) {
    fprintf(out,
            "usage: trainbot-train [OPTION]...\n"
            "       " DATA_VERB_USAGE "\n"
            "Trains a network on images; reports to trainbot where one listens, and trains all the same without.\n\n");
    for (size_t i = 0; i < FLAGS; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", flags[i].name, flags[i].argument != NULL ? flags[i].argument : "");
        fprintf(out, "  %-24s %s\n", left, flags[i].help);
    }
    fprintf(out, "\nmodels: %s\nbackends: %s\n", models, backends);
    fprintf(out, "\nexit status: 0 finished or stopped, 1 the training failed, 2 bad usage or input\n");
}
