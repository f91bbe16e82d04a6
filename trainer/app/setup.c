/* setup.c: from the command line to a trainer that can run. Whatever is wrong with what the person gave is found here,
 * before a run is opened, and said in one line. */
#include "feeder.h"
#include "nearest.h"
#include "ripple.h"
#include "trainer.h"

#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define MODEL_DEFAULT "cnn"
#define MODELS_MAX 64

static int model_choose(struct trainer *t, const char *name, char *error) {
    t->model = model_find(name);
    if (t->model != NULL) return EXIT_GOOD;
    size_t count, length = (size_t)snprintf(error, APP_ERROR_SIZE, "no model \"%.60s\"; ", name);
    const struct model_info *table = models(&count);
    const char *names[MODELS_MAX];
    size_t known = 0;
    for (size_t i = 0; i < count && i < MODELS_MAX - 1; i++)
        names[known++] = table[i].name;
    names[known++] = RIPPLE_NAME;
    int near = nearest(name, names, known);
    if (near >= 0)
        length += (size_t)snprintf(error + length, APP_ERROR_SIZE - length, "did you mean %s? ", names[near]);
    length += (size_t)snprintf(error + length, APP_ERROR_SIZE - length, "there are");
    for (size_t i = 0; i < known && length < APP_ERROR_SIZE; i++)
        length += (size_t)snprintf(error + length, APP_ERROR_SIZE - length, " %s", names[i]);
    return EXIT_USAGE;
}

/* Is `name` one of the words in "auto, openblas, ..."? */
static int backend_check(const char *name, char *error) {
    char list[256], *rest = list;
    snprintf(list, sizeof list, "%s", engine_backends());
    for (const char *word; (word = strsep(&rest, ", ")) != NULL;)
        if (strcmp(word, name) == 0 && *word != '\0') return EXIT_GOOD;
    snprintf(error, APP_ERROR_SIZE, "no backend \"%.60s\" in this build; there are %s", name, engine_backends());
    return EXIT_USAGE;
}

static bool declared(const struct trainer *t, const char *name) {
    for (size_t i = 0; i < t->params_count; i++)
        if (strcmp(t->params[i].name, name) == 0) return true;
    return false;
}

static int checkpoint_settings(struct trainer *t, char *error) {
    char why[APP_ERROR_SIZE];
    for (size_t i = 0; i < t->last.params_count; i++) {
        const struct checkpoint_param *p = &t->last.params[i];
        if (!declared(t, p->name)) {
            say_line("the checkpoint's %s %s is passed over: %s has no such parameter", p->name, p->text,
                     t->model->name);
            continue;
        }
        if (settings_set(&t->settings, t->params, t->params_count, p->name, p->text, why) == 0) continue;
        snprintf(error, APP_ERROR_SIZE, "the checkpoint's settings: %.400s", why);
        return EXIT_USAGE;
    }
    return EXIT_GOOD;
}

static int param_options(struct trainer *t, char *error) {
    for (size_t i = 0; i < t->options->params_count; i++) {
        char name[64];
        const char *text = t->options->params[i], *equals = strchr(text, '=');
        snprintf(name, sizeof name, "%.*s", (int)(equals - text < 63 ? equals - text : 63), text);
        if (settings_set(&t->settings, t->params, t->params_count, name, equals + 1, error) != 0) return EXIT_USAGE;
    }
    return EXIT_GOOD;
}

/* Seed, optimiser and what is held back belong to the state that is resumed. */
static void resumed_keep(struct trainer *t, const struct settings *saved) {
    if (t->settings.seed != saved->seed) say_line("the checkpoint's seed %lld is kept", (long long)saved->seed);
    if (t->settings.optimiser != saved->optimiser) say_line("the checkpoint's optimiser is kept");
    if (t->settings.validation != saved->validation)
        say_line("the checkpoint's validation share %g is kept", saved->validation);
    t->settings.validation = saved->validation;
    t->settings.seed = saved->seed;
    t->settings.optimiser = saved->optimiser;
}

int trainer_declare(struct trainer *t, const struct options *options, int64_t samples, char *error) {
    const char *name = options->model != NULL ? options->model : MODEL_DEFAULT;
    t->options = options;
    if (t->model == NULL && model_choose(t, name, error) != EXIT_GOOD) return EXIT_USAGE;
    settings_default(&t->settings, t->model, options->hash_init);
    t->params_count = settings_declare(&t->settings, t->model, samples, t->params);
    bool resumed = t->last.model[0] != '\0';
    if (resumed && checkpoint_settings(t, error) != EXIT_GOOD) return EXIT_USAGE;
    const struct settings saved = t->settings;
    if (options->seed >= 0) t->settings.seed = options->seed;
    if (param_options(t, error) != EXIT_GOOD) return EXIT_USAGE;
    if (resumed) resumed_keep(t, &saved);
    if (settings_check(&t->settings, samples, error) != 0) return EXIT_USAGE;
    t->params_count = settings_declare(&t->settings, t->model, samples, t->params);
    return EXIT_GOOD;
}

bool setup_folder(const struct options *o, char *folder, size_t size) {
    const char *run_dir = getenv("TRAINBOT_RUN_DIR");
    if (o->checkpoint_dir != NULL) {
        snprintf(folder, size, "%s", o->checkpoint_dir);
    } else if (o->print_metrics) {
        return false; /* asks for numbers; writes nothing unless told where */
    } else if (run_dir != NULL && *run_dir != '\0') {
        snprintf(folder, size, "%s/checkpoints", run_dir);
    } else if (o->resume != NULL && strcmp(o->resume, "latest") != 0) {
        char path[4096];
        snprintf(path, sizeof path, "%s", o->resume);
        snprintf(folder, size, "%s", dirname(path));
    } else {
        snprintf(folder, size, "checkpoints");
    }
    return true;
}

static int checkpoint_load(struct trainer *t, char *error) {
    const struct options *o = t->options;
    t->resumed_from = -1;
    if (o->resume == NULL) return EXIT_GOOD;
    int rc, damaged = 0;
    if (strcmp(o->resume, "latest") == 0) {
        char folder[4096], absolute[PATH_MAX];
        if (!setup_folder(o, folder, sizeof folder)) snprintf(folder, sizeof folder, "checkpoints");
        rc = shelf_latest(realpath(folder, absolute) != NULL ? absolute : folder, t->last_path, &t->last, &damaged,
                          error);
        if (rc == 0 && damaged > 0) say_line("%d damaged or foreign checkpoints passed over", damaged);
    } else {
        char absolute[PATH_MAX];
        bool resolved = realpath(o->resume, absolute) != NULL;
        snprintf(t->last_path, sizeof t->last_path, "%.4095s", resolved ? absolute : o->resume);
        rc = checkpoint_read(o->resume, &t->last, error);
    }
    if (rc != 0) return EXIT_USAGE;
    t->resumed_from = t->last.step;
    if (o->model != NULL && strcmp(o->model, t->last.model) != 0) {
        snprintf(error, APP_ERROR_SIZE, "the checkpoint %.300s is of model %s, not of %.60s", t->last_path,
                 t->last.model, o->model);
        return EXIT_USAGE;
    }
    return model_choose(t, t->last.model, error);
}

void setup_lineage(char *text, size_t size) {
    uint8_t random[16] = {0};
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) return;
    for (size_t i = 0; i < sizeof random && 2 * i + 2 < size; i++)
        snprintf(text + 2 * i, size - 2 * i, "%02x", random[i]);
}

static int shelf_prepare(struct trainer *t, char *error) {
    char folder[4096];
    if (t->resumed_from < 0) t->last.score = NAN;
    if (t->resumed_from < 0) setup_lineage(t->last.lineage, sizeof t->last.lineage);
    if (t->options->action != ACTION_TRAIN || !setup_folder(t->options, folder, sizeof folder)) return EXIT_GOOD;
    if (shelf_open(&t->shelf, folder, t->last.lineage, error) == 0) return EXIT_GOOD;
    if (t->options->checkpoint_dir != NULL) return EXIT_USAGE;
    say_line("%s; training without checkpoints", error); /* nobody asked for this folder */
    return EXIT_GOOD;
}

/* The order of a resumed run is the checkpoint's. */
int trainer_order(struct trainer *t, char *error) {
    enum order_kind kind = t->options->order;
    if (t->resumed_from >= 0) {
        enum order_kind saved = t->last.order == ORDER_FILE ? ORDER_FILE : ORDER_SHUFFLE;
        if (t->options->order_given && kind != saved) say_line("the checkpoint's order of samples is kept");
        kind = saved;
    }
    feeder_free(t->feeder); /* its thread may be reading the order */
    t->feeder = NULL;
    order_release(&t->order);
    bool good = order_init(&t->order, kind, (uint64_t)t->settings.seed, t->data.train.count) == 0;
    if (good && t->settings.validation > 0) good = order_hold(&t->order, t->settings.validation) == 0;
    if (good) return EXIT_GOOD;
    snprintf(error, APP_ERROR_SIZE, "not enough memory for the order of %lld samples", (long long)t->data.train.count);
    return EXIT_FAILED;
}

int trainer_prepare(struct trainer *t, const struct options *options, char *error) {
    *t = (struct trainer){.options = options, .loss = NAN, .shelf = {.lock = -1}, .fixed_steps = options->steps};
    const char *name = options->model != NULL ? options->model : MODEL_DEFAULT;
    int rc = checkpoint_load(t, error);
    if (rc == EXIT_GOOD && t->model == NULL) rc = model_choose(t, name, error);
    if (rc == EXIT_GOOD) rc = backend_check(options->backend, error);
    if (rc != EXIT_GOOD) return rc;
    if (data_load(options->data != NULL ? options->data : DATA_DEFAULT_DIR, &t->data, error) != 0) return EXIT_USAGE;
    if (t->model->height != t->data.train.height || t->model->width != t->data.train.width) {
        snprintf(error, APP_ERROR_SIZE, "model %s takes images of %lld x %lld", t->model->name,
                 (long long)t->model->height, (long long)t->model->width);
        return EXIT_USAGE;
    }
    rc = trainer_declare(t, options, t->data.train.count, error);
    if (rc != EXIT_GOOD) return rc;
    t->step = t->resumed_from > 0 ? t->last.step : 0;
    t->samples = t->resumed_from > 0 ? t->last.samples : 0;
    rc = trainer_order(t, error);
    if (rc != EXIT_GOOD) return rc;
    if (settings_check(&t->settings, t->order.count, error) != 0) return EXIT_USAGE; /* of those not held back */
    t->total_steps = trainer_total(t);
    return shelf_prepare(t, error);
}

/* The images held back, side by side, as they are evaluated after each epoch. */
static int held_gather(struct trainer *t, char *error) {
    const struct data_set *set = &t->data.train;
    const size_t image = (size_t)(set->height * set->width);
    const int64_t count = order_validation(&t->order, NULL);
    if (count == 0 || t->options->action != ACTION_TRAIN) return EXIT_GOOD;
    uint32_t *indices = reallocarray(NULL, (size_t)count, sizeof *indices);
    t->held_pixels = reallocarray(NULL, (size_t)count, image);
    t->held_labels = malloc((size_t)count);
    if (indices == NULL || t->held_pixels == NULL || t->held_labels == NULL) {
        free(indices);
        snprintf(error, APP_ERROR_SIZE, "not enough memory for %lld images held back", (long long)count);
        return EXIT_FAILED;
    }
    t->held_count = order_validation(&t->order, indices);
    for (int64_t i = 0; i < t->held_count; i++) {
        memcpy(t->held_pixels + (size_t)i * image, set->pixels + indices[i] * image, image);
        t->held_labels[i] = set->labels[indices[i]];
    }
    free(indices);
    return EXIT_GOOD;
}

int trainer_engine(struct trainer *t, char *error) {
    const struct engine_options options = {.model = t->model,
                                           .backend = t->options->backend,
                                           .seed = (uint64_t)t->settings.seed,
                                           .hash_init = t->options->hash_init,
                                           .optimiser = (enum optimiser_kind)t->settings.optimiser,
                                           .momentum = t->settings.momentum,
                                           .weight_decay = t->settings.weight_decay,
                                           .precision = t->options->precision,
                                           .threads = (int)t->options->threads};
    char why[ENGINE_ERROR_SIZE] = "the network cannot be built";
    int rc = engine_create(&options, &t->engine, why);
    if (rc != 0) {
        snprintf(error, APP_ERROR_SIZE, "%s", why);
        t->engine = NULL;
        return rc == ENGINE_EBACKEND || rc == ENGINE_EMODEL ? EXIT_USAGE : EXIT_FAILED;
    }
    if (held_gather(t, error) != EXIT_GOOD) return EXIT_FAILED;
    epochs_begin(&t->epochs, 0, trainer_clock_ms(t));
    if (t->resumed_from < 0) return EXIT_GOOD;
    if (state_restore(t, error) != 0) return EXIT_USAGE;
    if (t->settings.keep_best && t->epochs.best_step > 0) {
        char beside[SHELF_PATH_MAX];
        memcpy(beside, t->last_path, sizeof beside);
        t->shelf.kept_step = t->epochs.best_step;
        snprintf(t->best_path, sizeof t->best_path, "%.4000s/step-%lld", dirname(beside),
                 (long long)t->epochs.best_step);
    }
    return EXIT_GOOD;
}

void trainer_release(struct trainer *t) {
    engine_free(t->engine);
    feeder_free(t->feeder);
    data_release(&t->data);
    order_release(&t->order);
    checkpoint_release(&t->last);
    shelf_close(&t->shelf);
    free(t->spare);
    free(t->held_pixels);
    free(t->held_labels);
    *t = (struct trainer){.shelf = {.lock = -1}};
}
