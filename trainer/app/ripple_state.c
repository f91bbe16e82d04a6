/* ripple_state.c: see ripple_run.h. A pond's checkpoint is a training's (checkpoint.h) with two tensors and no seed of
 * its own to remember: all that was drawn is in the heights. */
#include "ripple.h"
#include "ripple_run.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NUMERICS "ripple" /* the same bits everywhere */

static bool all_finite(const float *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static bool fits(const struct checkpoint *c, int64_t size) {
    if (c->tensors_count != 2 || c->values_count != (size_t)(2 * size * size)) return false;
    for (int i = 0; i < 2; i++)
        if (c->tensors[i].dims_count != 2 || c->tensors[i].dims[0] != size || c->tensors[i].dims[1] != size)
            return false;
    return all_finite(c->values, c->values_count);
}

static int checkpoint_find(struct ripple *r, char *error) {
    const struct options *o = r->options;
    char folder[4096] = "checkpoints", absolute[PATH_MAX];
    if (strcmp(o->resume, "latest") != 0) {
        bool resolved = realpath(o->resume, absolute) != NULL;
        snprintf(r->last_path, sizeof r->last_path, "%.4095s", resolved ? absolute : o->resume);
        return checkpoint_read(o->resume, &r->last, error);
    }
    int damaged = 0;
    if (!setup_folder(o, folder, sizeof folder)) snprintf(folder, sizeof folder, "checkpoints");
    const char *name = realpath(folder, absolute) != NULL ? absolute : folder;
    int rc = shelf_latest(name, r->last_path, &r->last, &damaged, error);
    if (rc == 0 && damaged > 0) say_line("%d damaged or foreign checkpoints passed over", damaged);
    return rc;
}

int ripple_state_load(struct ripple *r, char *error) {
    r->resumed_from = -1;
    if (r->options->resume == NULL) return EXIT_GOOD;
    if (checkpoint_find(r, error) != 0) return EXIT_USAGE;
    if (strcmp(r->last.model, RIPPLE_NAME) != 0) {
        snprintf(error, APP_ERROR_SIZE, "the checkpoint %.300s is of model %s, not of " RIPPLE_NAME, r->last_path,
                 r->last.model);
        return EXIT_USAGE;
    }
    if (ripple_params_get(&r->params, &r->last, error) != 0) return EXIT_USAGE;
    if (!fits(&r->last, ripple_int(&r->params, RIPPLE_SIZE))) {
        snprintf(error, APP_ERROR_SIZE, "the checkpoint %.300s holds no pond of its own size", r->last_path);
        return EXIT_USAGE;
    }
    r->resumed_from = r->step = r->last.step;
    r->last_on_disk = true;
    return EXIT_GOOD;
}

int ripple_state_shelf(struct ripple *r, char *error) {
    char folder[4096];
    if (r->resumed_from < 0) setup_lineage(r->last.lineage, sizeof r->last.lineage);
    if (!setup_folder(r->options, folder, sizeof folder)) return EXIT_GOOD;
    if (shelf_open(&r->shelf, folder, r->last.lineage, error) == 0) return EXIT_GOOD;
    if (r->options->checkpoint_dir != NULL) return EXIT_USAGE;
    say_line("%s; going on without checkpoints", error); /* nobody asked for this folder */
    return EXIT_GOOD;
}

/* False: not finite, and `last` is as it was. */
static bool take(struct ripple *r) {
    struct checkpoint *c = &r->last;
    struct timespec now;
    const size_t points = c->values_count / 2;
    ripple_field_read(&r->field, r->spare, r->spare + points);
    if (!all_finite(r->spare, c->values_count)) return false;
    float *values = c->values;
    c->values = r->spare;
    r->spare = values;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(c->model, sizeof c->model, RIPPLE_NAME);
    snprintf(c->numerics, sizeof c->numerics, NUMERICS);
    c->saved_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    c->step = c->samples = r->step;
    c->score = NAN;
    r->last_on_disk = false;
    return true;
}

static int tensors_make(struct checkpoint *c, int64_t size) {
    static const char *const names[] = {"u", "ut"};
    c->values_count = (size_t)(2 * size * size);
    c->tensors_count = 2;
    c->values = calloc(c->values_count, sizeof *c->values);
    c->tensors = calloc(2, sizeof *c->tensors);
    if (c->values == NULL || c->tensors == NULL) return -1;
    for (int i = 0; i < 2; i++) {
        c->tensors[i] = (struct engine_tensor){.dims = {size, size}, .dims_count = 2, .count = c->values_count / 2};
        snprintf(c->tensors[i].name, sizeof c->tensors[i].name, "%s", names[i]);
    }
    return 0;
}

int ripple_state_begin(struct ripple *r, char *error) {
    const int64_t size = ripple_int(&r->params, RIPPLE_SIZE);
    bool good = ripple_field_init(&r->field, size) == 0;
    if (good && r->resumed_from < 0) good = tensors_make(&r->last, size) == 0;
    if (good) r->spare = calloc(r->last.values_count, sizeof *r->spare);
    if (!good || r->spare == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory for a pond of %lld x %lld points", (long long)size,
                 (long long)size);
        return EXIT_FAILED;
    }
    ripple_field_threads(r->options->threads);
    if (r->resumed_from >= 0) {
        ripple_state_restore(r);
        return EXIT_GOOD;
    }
    ripple_field_rain(&r->field, (uint64_t)ripple_int(&r->params, RIPPLE_SEED), ripple_int(&r->params, RIPPLE_DROPS));
    return take(r) ? EXIT_GOOD : EXIT_FAILED;
}

void ripple_state_restore(struct ripple *r) {
    ripple_field_write(&r->field, r->last.values, r->last.values + r->last.values_count / 2);
    r->step = r->last.step;
}

static void failure_tell(struct ripple *r, bool asked, const char *why) {
    if (asked || !r->save_failing) say_line("nothing saved: %s", why);
    if (asked) tb_save_failed(r->run, r->step, why);
    if (!asked && !r->save_failing) tb_note(r->run, r->step, why);
    r->save_failing = true;
}

void ripple_state_save(struct ripple *r, bool asked) {
    char error[APP_ERROR_SIZE];
    int64_t bytes = 0;
    if (r->shelf.lock < 0) {
        if (asked) failure_tell(r, true, "there is no checkpoint folder (--checkpoint-dir)");
        return;
    }
    if (r->burst || !take(r))
        say_line("the waves are not finite; the last state that was is kept, of step %lld", (long long)r->last.step);
    ripple_params_put(&r->params, &r->last);
    if (shelf_save(&r->shelf, &r->last, asked, r->last_path, &bytes, error) != 0) {
        failure_tell(r, asked, error);
        return;
    }
    r->save_failing = false;
    r->last_on_disk = true;
    tb_checkpoint(r->run, r->last.step, r->last_path, bytes);
}

void ripple_state_release(struct ripple *r) {
    ripple_field_release(&r->field);
    checkpoint_release(&r->last);
    shelf_close(&r->shelf);
    free(r->spare);
    r->spare = NULL;
}
