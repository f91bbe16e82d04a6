/* bench.c: see bench.h. One round runs unmeasured first: memory is touched, threads are up, clocks have risen. */
#include "bench.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Samples a second, or -1. */
static double round_run(struct trainer *t) {
    const struct step_options options = {.lr = t->settings.lr, .dropout = t->settings.dropout};
    double metrics[ENGINE_METRICS_MAX], begin = seconds_now();
    for (int64_t i = 0; i < t->options->bench_steps; i++) {
        struct batch batch;
        if (batch_next(t, &batch) != 0 || engine_train(t->engine, &batch, &options, metrics) != 0) return -1;
        t->samples += batch.count;
    }
    double seconds = seconds_now() - begin;
    return (double)(t->options->bench_steps * t->settings.bs) / (seconds > 1e-9 ? seconds : 1e-9);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The last part of "openblas/SkylakeX/2"; 0 where it is no number. */
static double threads_of(const char *numerics) {
    const char *slash = strrchr(numerics, '/');
    double threads = 0;
    return slash != NULL && number_parse(slash + 1, &threads) ? threads : 0;
}

static int result_print(const struct trainer *t, const double *rates) {
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "model", t->model->name);
    cJSON_AddStringToObject(line, "backend", engine_backend_text(t->engine));
    cJSON_AddStringToObject(line, "numerics", engine_numerics(t->engine));
    cJSON_AddNumberToObject(line, "threads", threads_of(engine_numerics(t->engine)));
    cJSON_AddNumberToObject(line, "batch", (double)t->settings.bs);
    cJSON_AddNumberToObject(line, "steps", (double)t->options->bench_steps);
    cJSON_AddNumberToObject(line, "rounds", ROUNDS);
    cJSON_AddNumberToObject(line, "samples_per_s", rates[ROUNDS / 2]);
    cJSON_AddNumberToObject(line, "min", rates[0]);
    cJSON_AddNumberToObject(line, "max", rates[ROUNDS - 1]);
    char *text = cJSON_PrintUnformatted(line);
    cJSON_Delete(line);
    if (text == NULL) return -1;
    puts(text);
    free(text);
    return 0;
}

int bench(struct trainer *t, char *error) {
    double rates[ROUNDS];
    int rc = trainer_engine(t, error);
    if (rc != EXIT_GOOD) return rc;
    bool good = round_run(t) > 0;
    for (int i = 0; i < ROUNDS && good; i++)
        good = (rates[i] = round_run(t)) > 0;
    if (good) {
        qsort(rates, ROUNDS, sizeof *rates, ascending);
        good = result_print(t, rates) == 0;
    }
    if (good) return EXIT_GOOD;
    snprintf(error, APP_ERROR_SIZE, "a step failed: not enough memory");
    return EXIT_FAILED;
}
