/*
 * bench_engine.c: samples per second of whole training steps.
 *
 * usage: bench_engine [MODEL …] [batch=128] [threads=0] [steps=40] [rounds=5] [backend=auto]
 * Prints one line `MODEL value samples_per_s` for each model: the median of the rounds. Random images: times do not
 * depend on the pixels but for the share of active units, which an untrained network has near one half.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "fashion.h"

struct settings {
    int64_t batch;
    int threads, steps, rounds;
    const char *backend;
};

#define ROUNDS_MAX 99

static double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int run_steps(struct engine *engine, const struct model_info *model, const struct settings *settings,
                     const struct fashion *data) {
    struct step_options step = {.lr = model->lr};
    double metrics[ENGINE_METRICS_MAX];
    int64_t image = model->height * model->width;
    for (int i = 0; i < settings->steps; i++) {
        int64_t batches = (int64_t)data->count / settings->batch, at = i % batches * settings->batch;
        struct batch batch = {data->pixels + at * image, data->labels + at, settings->batch};
        int result = engine_train(engine, &batch, &step, metrics);
        if (result < 0) return result;
    }
    return 0;
}

static int bench(const struct model_info *model, const struct settings *settings, const struct fashion *data) {
    char error[ENGINE_ERROR_SIZE];
    struct engine_options options = {
        .model = model, .backend = settings->backend, .seed = 1, .weight_decay = -1, .threads = settings->threads};
    struct engine *engine = NULL;
    if (engine_create(&options, &engine, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    double rates[ROUNDS_MAX];
    int result = run_steps(engine, model, settings, data); /* warm */
    for (int round = 0; round < settings->rounds && result == 0; round++) {
        double start = now_s();
        result = run_steps(engine, model, settings, data);
        rates[round] = (double)(settings->steps * settings->batch) / (now_s() - start);
    }
    engine_free(engine);
    if (result < 0) return 1;
    qsort(rates, (size_t)settings->rounds, sizeof rates[0], compare);
    printf("%s %.0f samples_per_s\n", model->name, rates[settings->rounds / 2]);
    return 0;
}

static void set(struct settings *settings, const char *text) {
    if (strncmp(text, "batch=", 6) == 0) settings->batch = atoi(text + 6);
    if (strncmp(text, "threads=", 8) == 0) settings->threads = atoi(text + 8);
    if (strncmp(text, "steps=", 6) == 0) settings->steps = atoi(text + 6);
    if (strncmp(text, "rounds=", 7) == 0) settings->rounds = atoi(text + 7);
    if (strncmp(text, "backend=", 8) == 0) settings->backend = text + 8;
}

int main(int argc, char **argv) {
    struct settings settings = {.batch = 128, .steps = 40, .rounds = 5, .backend = "auto"};
    int named = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        set(&settings, argv[i]);
        named += strchr(argv[i], '=') == NULL;
    }
    if (settings.batch < 1 || settings.batch > 60000 || settings.rounds < 1 || settings.rounds > ROUNDS_MAX) {
        fprintf(stderr, "batch must be 1 to 60000, rounds 1 to %d\n", ROUNDS_MAX);
        return 2;
    }
    size_t count;
    const struct model_info *table = models(&count);
    struct fashion data;
    if (fashion_load("train", 60000, &data) < 0) {
        fprintf(stderr, "Fashion-MNIST cannot be read (Debian: dataset-fashion-mnist)\n");
        return 1;
    }
    for (size_t m = 0; m < count; m++) {
        bool wanted = named == 0;
        for (int i = 1; i < argc; i++) {
            wanted |= strcmp(argv[i], table[m].name) == 0;
        }
        if (wanted) failed |= bench(&table[m], &settings, &data);
    }
    fashion_release(&data);
    return failed;
}
