/* ripple.c: see ripple.h. */
#include "ripple.h"
#include "describe.h"
#include "ripple_run.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5

/* Is the latest checkpoint a pond's? */
static bool latest_is_one(const struct options *o) {
    char folder[4096], path[SHELF_PATH_MAX], error[APP_ERROR_SIZE];
    struct checkpoint latest;
    int damaged;
    if (!setup_folder(o, folder, sizeof folder)) snprintf(folder, sizeof folder, "checkpoints");
    if (shelf_latest(folder, path, &latest, &damaged, error) != 0) return false;
    bool is = strcmp(latest.model, RIPPLE_NAME) == 0;
    checkpoint_release(&latest);
    return is;
}

bool ripple_meant(const struct options *o) {
    struct checkpoint head;
    if (o->model != NULL) return strcmp(o->model, RIPPLE_NAME) == 0;
    if (o->resume == NULL) return false;
    if (strcmp(o->resume, "latest") == 0) return latest_is_one(o);
    return checkpoint_peek(o->resume, &head) == 0 && strcmp(head.model, RIPPLE_NAME) == 0;
}

/* What only a network has. */
static int options_check(const struct options *o, char *error) {
    const char *flag = o->data != NULL                     ? "--data"
                       : o->hash_init                      ? "--init hash"
                       : o->order_given                    ? "--order"
                       : strcmp(o->backend, "auto") != 0   ? "--backend"
                       : o->precision != PRECISION_FLOAT32 ? "--precision"
                                                           : NULL;
    if (flag == NULL) return EXIT_GOOD;
    snprintf(error, APP_ERROR_SIZE, RIPPLE_NAME " is no network: %s means nothing to it", flag);
    return EXIT_USAGE;
}

static int params_take(struct ripple *r, char *error) {
    const struct options *o = r->options;
    const struct ripple_params saved = r->params;
    if (o->seed >= 0) r->params.rows[RIPPLE_SEED].value = (double)o->seed;
    for (size_t i = 0; i < o->params_count; i++)
        if (ripple_params_set(&r->params, o->params[i], error) != 0) return EXIT_USAGE;
    if (o->steps > (int64_t)r->params.rows[RIPPLE_STEPS].max) {
        snprintf(error, APP_ERROR_SIZE, "--steps %lld is more than a pond can have", (long long)o->steps);
        return EXIT_USAGE;
    }
    if (o->steps > 0) r->params.rows[RIPPLE_STEPS].value = (double)o->steps;
    for (size_t i = 0; i < RIPPLE_PARAMS && r->resumed_from >= 0; i++) { /* these made the state that is resumed */
        struct tb_param *row = &r->params.rows[i];
        if (row->live || row->value == saved.rows[i].value) continue;
        say_line("the checkpoint's %s %g is kept", row->name, saved.rows[i].value);
        row->value = saved.rows[i].value;
    }
    return EXIT_GOOD;
}

static int describe_print(struct ripple *r, char *error) {
    char *text = describe(r->params.rows, RIPPLE_PARAMS, ripple_command(), 1);
    if (text == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory");
        return EXIT_FAILED;
    }
    puts(text);
    free(text);
    return EXIT_GOOD;
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Steps a second. */
static double round_run(struct ripple *r) {
    struct ripple_sums sums;
    const double eps = r->params.rows[RIPPLE_EPS].value, damping = r->params.rows[RIPPLE_DAMPING].value;
    double begin = seconds_now();
    ripple_state_restore(r);
    for (int64_t i = 0; i < r->options->bench_steps; i++)
        ripple_field_step(&r->field, eps, damping, &sums);
    double seconds = seconds_now() - begin;
    return (double)r->options->bench_steps / (seconds > 1e-9 ? seconds : 1e-9);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The first round is not counted. A step is one sample. */
static int bench_print(struct ripple *r, char *error) {
    double rates[ROUNDS];
    int rc = ripple_state_begin(r, error);
    if (rc != EXIT_GOOD) return rc;
    round_run(r);
    for (int i = 0; i < ROUNDS; i++)
        rates[i] = round_run(r);
    qsort(rates, ROUNDS, sizeof *rates, ascending);
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "model", RIPPLE_NAME);
    cJSON_AddNumberToObject(line, "size", (double)r->field.size);
    cJSON_AddNumberToObject(line, "steps", (double)r->options->bench_steps);
    cJSON_AddNumberToObject(line, "rounds", ROUNDS);
    cJSON_AddNumberToObject(line, "steps_per_s", rates[ROUNDS / 2]);
    cJSON_AddNumberToObject(line, "samples_per_s", rates[ROUNDS / 2]);
    cJSON_AddNumberToObject(line, "min", rates[0]);
    cJSON_AddNumberToObject(line, "max", rates[ROUNDS - 1]);
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    if (text != NULL) puts(text);
    free(text);
    return EXIT_GOOD;
}

static int png_write(const char *path, const uint8_t *bytes, size_t size) {
    FILE *file = fopen(path, "wbe");
    if (file == NULL) return -1;
    bool good = fwrite(bytes, 1, size, file) == size;
    good = fclose(file) == 0 && good;
    if (!good) remove(path);
    return good ? 0 : -1;
}

/* --call frame: where trainings put theirs: as asked, else the run's folder, else beside the checkpoint. */
static int call_print(struct ripple *r, char *error) {
    const struct tb_command *command = ripple_command();
    const char *call = r->options->call, *run_dir = getenv("TRAINBOT_RUN_DIR"), *folder = r->options->image_dir;
    char text[160], path[SHELF_PATH_MAX + 64], beside[SHELF_PATH_MAX];
    size_t length = strcspn(call, " "), size;
    uint8_t *png;
    bool known = (length == 5 && strncmp(call, command->name, 5) == 0) || strncmp(call, "画面", 6) == 0 ||
                 strncmp(call, "水面", 6) == 0;
    if (!known) {
        snprintf(error, APP_ERROR_SIZE, "no command \"%.60s\"; " RIPPLE_NAME " knows: %s", call, command->name);
        return EXIT_USAGE;
    }
    int rc = ripple_state_begin(r, error);
    if (rc != EXIT_GOOD) return rc;
    if (ripple_frame(r, strstr(call, "zh") != NULL, text, sizeof text, &png, &size) != 0) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory for the picture");
        return EXIT_FAILED;
    }
    snprintf(beside, sizeof beside, "%s", r->last_path);
    if (folder == NULL && run_dir != NULL && *run_dir != '\0') folder = run_dir;
    snprintf(path, sizeof path, "%.4000s/frame-step-%lld.png", folder != NULL ? folder : dirname(beside),
             (long long)r->step);
    rc = png_write(path, png, size);
    free(png);
    if (rc != 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot write the picture %.400s: %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    printf("%s\nimage: %s\n", text, path);
    return EXIT_GOOD;
}

int ripple_main(const struct options *options, char *error) {
    static struct ripple ripple; /* too large for a stack */
    struct ripple *r = &ripple;
    *r = (struct ripple){.options = options, .params = ripple_params_default(), .shelf = {.lock = -1}};
    int rc = options_check(options, error);
    if (rc == EXIT_GOOD) rc = ripple_state_load(r, error);
    if (rc == EXIT_GOOD) rc = params_take(r, error);
    if (rc == EXIT_GOOD && options->action == ACTION_DESCRIBE) {
        rc = describe_print(r, error);
    } else if (rc == EXIT_GOOD && options->action == ACTION_BENCH) {
        rc = bench_print(r, error);
    } else if (rc == EXIT_GOOD && options->action == ACTION_CALL) {
        rc = call_print(r, error);
    } else if (rc == EXIT_GOOD) {
        rc = ripple_state_shelf(r, error);
        if (rc == EXIT_GOOD) rc = ripple_run(r);
    }
    ripple_state_release(r);
    return rc;
}
