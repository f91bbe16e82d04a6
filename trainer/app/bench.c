/* bench.c: see bench.h. One round runs unmeasured first: memory is touched, threads are up, clocks have risen. */
#include "bench.h"
#include "allocations.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define ROUNDS 5

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* What the measured rounds cost beyond time. */
struct cost {
    int64_t page_faults, allocations; /* minor faults of all threads; -1: not counted */
};

static int64_t page_faults(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_minflt : 0;
}

/* Samples a second, or -1. The metrics are taken as a training takes them: when they come, all by the end. */
static double round_run(struct trainer *t) {
    double metrics[ENGINE_METRICS_MAX], begin = seconds_now();
    int flying = 0, rc = 0;
    for (int64_t i = 0; i < t->options->bench_steps; i++) {
        const struct step_options options = {.lr = t->settings.lr, .dropout = t->settings.dropout};
        struct batch batch;
        if (batch_next(t, &batch) != 0 || engine_submit(t->engine, &batch, &options) != 0) return -1;
        t->samples += batch.count;
        flying++;
        while (flying > 0 && (rc = engine_collect(t->engine, flying == ENGINE_IN_FLIGHT, metrics)) == 1)
            flying--;
        if (rc < 0) return -1;
    }
    while (flying > 0 && (rc = engine_collect(t->engine, true, metrics)) == 1)
        flying--;
    if (rc < 0) return -1;
    double seconds = seconds_now() - begin;
    return (double)(t->options->bench_steps * t->settings.bs) / (seconds > 1e-9 ? seconds : 1e-9);
}

/* ROUNDS of them. False: a step failed. */
static bool rounds_run(struct trainer *t, double *ret_rates, struct cost *ret_cost) {
    const int64_t faults = page_faults(), asked = allocations();
    for (int i = 0; i < ROUNDS; i++)
        if ((ret_rates[i] = round_run(t)) <= 0) return false;
    *ret_cost = (struct cost){page_faults() - faults, asked < 0 ? -1 : allocations() - asked};
    return true;
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

static int result_print(const struct trainer *t, const double *rates, const struct cost *cost) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
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
    cJSON_AddStringToObject(line, "precision", options_precision(t->options->precision));
    cJSON_AddNumberToObject(line, "rss_kib", (double)usage.ru_maxrss);
    cJSON_AddNumberToObject(line, "page_faults", (double)cost->page_faults);
    if (cost->allocations >= 0) cJSON_AddNumberToObject(line, "allocations", (double)cost->allocations);
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
    struct cost cost;
    if (round_run(t) <= 0 || !rounds_run(t, rates, &cost)) {
        snprintf(error, APP_ERROR_SIZE, "a step of %lld samples failed: not enough memory", (long long)t->settings.bs);
        return EXIT_FAILED;
    }
    qsort(rates, ROUNDS, sizeof *rates, ascending);
    if (result_print(t, rates, &cost) == 0) return EXIT_GOOD;
    snprintf(error, APP_ERROR_SIZE, "not enough memory");
    return EXIT_FAILED;
}
