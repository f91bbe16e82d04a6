/* state.c: the training's state as a checkpoint. The copy in memory is what NaN goes back to, whether or not a disk was
 * there to take the file. */
#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Makes room for the engine's tensors in `last`, and as much again to read into; done once, as a network never changes.
 */
static int tensors_describe(struct trainer *t) {
    struct checkpoint *c = &t->last;
    size_t count = engine_tensors_count(t->engine), floats = 0;
    for (size_t i = 0; i < count; i++)
        floats += engine_tensor(t->engine, i)->count;
    if (t->spare == NULL) t->spare = calloc(floats + 1, sizeof *t->spare);
    if (c->values == NULL) c->values = calloc(floats + 1, sizeof *c->values);
    if (c->tensors == NULL) c->tensors = calloc(count + 1, sizeof *c->tensors);
    if (t->spare == NULL || c->tensors == NULL || c->values == NULL) return -1;
    for (size_t i = 0; i < count; i++)
        c->tensors[i] = *engine_tensor(t->engine, i);
    c->tensors_count = count;
    c->values_count = floats;
    return 0;
}

/* Optimiser state included: an infinite moment stops a weight for good, though the weight itself stays finite. */
static bool all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static void params_take(struct trainer *t) {
    struct checkpoint *c = &t->last;
    c->params_count = t->params_count;
    for (size_t i = 0; i < t->params_count; i++) {
        snprintf(c->params[i].name, sizeof c->params[i].name, "%s", t->params[i].name);
        settings_text(&t->settings, &t->params[i], c->params[i].text, sizeof c->params[i].text);
    }
    t->last_settings = t->settings;
}

void state_numerics(const struct trainer *t, char *text, size_t size) {
    const char *numerics = engine_numerics(t->engine), *precision = options_precision(t->options->precision);
    bool named = t->options->precision == PRECISION_FLOAT32 || strstr(numerics, precision) != NULL;
    snprintf(text, size, "%s%s%s", numerics, named ? "" : "/", named ? "" : precision);
}

static void fields_take(struct trainer *t) {
    struct checkpoint *c = &t->last;
    snprintf(c->model, sizeof c->model, "%s", t->model->name);
    state_numerics(t, c->numerics, sizeof c->numerics);
    c->saved_ms = now_ms();
    if (t->loss_count > 0)
        c->score = t->loss_sum / (double)t->loss_count;
    else if (c->step != t->step)
        c->score = NAN; /* else: the same state again keeps its score */
    c->step = t->step;
    c->samples = t->samples;
    c->order = t->order.kind;
    c->data_count = t->data.train.count;
    c->data_checksum = t->data.checksum;
    epochs_put(&t->epochs, trainer_clock_ms(t), c);
    params_take(t);
    engine_words_read(t->engine, c->words);
}

int state_take(struct trainer *t, char *error) {
    if (!engine_is_finite(t->engine)) return 1;
    if (tensors_describe(t) != 0) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory to copy the network's state");
        return -1;
    }
    float *values = t->spare;
    for (size_t i = 0; i < t->last.tensors_count; i++) {
        if (engine_tensor_read(t->engine, i, values) != 0) {
            snprintf(error, APP_ERROR_SIZE, "cannot read the network's state (%s)", t->last.tensors[i].name);
            return -1;
        }
        values += t->last.tensors[i].count;
    }
    if (!all_finite(t->spare, t->last.values_count)) return 1;
    values = t->last.values;
    t->last.values = t->spare;
    t->spare = values;
    fields_take(t);
    t->loss_sum = 0;
    t->loss_count = 0;
    t->last_on_disk = false;
    return 0;
}

static bool same_tensor(const struct engine_tensor *a, const struct engine_tensor *b) {
    return strcmp(a->name, b->name) == 0 && a->dims_count == b->dims_count && a->count == b->count &&
           memcmp(a->dims, b->dims, (size_t)a->dims_count * sizeof *a->dims) == 0;
}

int state_restore(struct trainer *t, char *error) {
    const struct checkpoint *c = &t->last;
    bool same = c->tensors_count == engine_tensors_count(t->engine);
    for (size_t i = 0; same && i < c->tensors_count; i++)
        same = same_tensor(&c->tensors[i], engine_tensor(t->engine, i));
    if (!same) {
        snprintf(error, APP_ERROR_SIZE, "the checkpoint does not fit this program's network %s", t->model->name);
        return -1;
    }
    if (!all_finite(c->values, c->values_count)) {
        snprintf(error, APP_ERROR_SIZE, "the checkpoint holds numbers that are not finite");
        return -1;
    }
    const float *values = c->values;
    for (size_t i = 0; i < c->tensors_count; i++) {
        if (engine_tensor_write(t->engine, i, values) != 0) {
            snprintf(error, APP_ERROR_SIZE, "cannot restore the network's state (%s)", c->tensors[i].name);
            return -1;
        }
        values += c->tensors[i].count;
    }
    engine_words_write(t->engine, c->words);
    t->step = c->step;
    t->samples = c->samples;
    t->flights_count = 0;
    t->loss_sum = 0;
    t->loss_count = 0;
    epochs_get(&t->epochs, c, c->samples / t->order.count, trainer_clock_ms(t));
    return 0;
}

/* Somebody waits for this save. */
static void failure_tell(struct trainer *t, const char *why) {
    say_line("nothing saved: %s", why);
    if (t->run != NULL) tb_save_failed(t->run, t->step, why);
}

/* Puts `last` into the folder and tells the person. */
static void last_write(struct trainer *t, bool asked) {
    char error[APP_ERROR_SIZE];
    if (t->shelf.lock < 0) {
        if (asked) failure_tell(t, "there is no checkpoint folder (--checkpoint-dir)");
        return;
    }
    if (shelf_save(&t->shelf, &t->last, asked, t->last_path, &t->last_bytes, error) != 0) {
        if (asked)
            failure_tell(t, error);
        else if (!t->save_failing)
            say_note(t, "%s; the training goes on", error);
        t->save_failing = true;
        return;
    }
    t->save_failing = false;
    t->last_on_disk = true;
    tb_checkpoint(t->run, t->last.step, t->last_path, t->last_bytes);
}

/* What was set since belongs into the file too: a resumed run must not fall back to the value that broke it. */
static bool last_is_current(const struct trainer *t) {
    return t->last_on_disk && memcmp(&t->settings, &t->last_settings, sizeof t->settings) == 0;
}

void state_save_last(struct trainer *t, bool asked) {
    if (!last_is_current(t)) {
        params_take(t);
        last_write(t, asked);
    } else if (asked) { /* told again: somebody waits for it */
        t->shelf.asked_step = t->last.step;
        tb_checkpoint(t->run, t->last.step, t->last_path, t->last_bytes);
    }
}

void state_save(struct trainer *t, bool asked) {
    char error[APP_ERROR_SIZE];
    int rc = t->last.step == t->step && last_is_current(t) ? 0 : state_take(t, error);
    if (rc < 0) {
        if (asked)
            failure_tell(t, error);
        else
            say_note(t, "nothing saved: %s", error);
        return;
    }
    if (rc > 0 && (asked || !t->trouble_told)) {
        say_note(t, "the network's numbers at step %lld are not finite, so step %lld stays the last checkpoint",
                 (long long)t->step, (long long)t->last.step);
        t->trouble_told = true;
    }
    state_save_last(t, asked);
}

/* The file becomes `last`; what was set since belongs to it too. 0, or -1 with `error`. */
static int best_load(struct trainer *t, char *error) {
    struct checkpoint best;
    if (checkpoint_read(t->best_path, &best, error) != 0) return -1;
    if (best.values_count != t->last.values_count || strcmp(best.lineage, t->last.lineage) != 0) {
        snprintf(error, APP_ERROR_SIZE, "checkpoint %.300s is of another training", t->best_path);
        checkpoint_release(&best);
        return -1;
    }
    checkpoint_release(&t->last);
    t->last = best;
    return state_restore(t, error);
}

bool state_return_best(struct trainer *t) {
    char error[APP_ERROR_SIZE];
    const struct epochs epochs = t->epochs;
    if (t->shelf.lock < 0 || t->shelf.kept_step != epochs.best_step) {
        say_note(t, "the best epoch's weights were not kept (%s): the last ones stay",
                 t->shelf.lock < 0 ? "no checkpoint folder" : "keep_best was off");
        return false;
    }
    if (best_load(t, error) != 0) {
        say_note(t, "the best epoch's weights cannot be had back: %s", error);
        return false;
    }
    t->last.saved_ms = now_ms();
    t->last_on_disk = false;
    state_save_last(t, false);
    return true;
}
