/*
 * bench_accuracy.c: what a model reaches on Fashion-MNIST's test images with its own settings.
 *
 * usage: bench_accuracy [MODEL=cnn] [SAMPLES=the model's own] [SEED=1]
 * Prints `MODEL_accuracy value share` and `MODEL_seconds value s`; exit code 1 where `cnn` stays below 0.90. Every
 * epoch is shuffled anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "fashion.h"
#include "random.h"

#define IMAGE (28 * 28)

static void shuffle(uint32_t *order, size_t count, uint64_t key) {
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = random_mix(key + i) % (i + 1);
        uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static int train(struct engine *engine, const struct model_info *model, const struct fashion *data, int64_t samples,
                 uint64_t seed) {
    size_t n = (size_t)model->batch, at = data->count;
    uint64_t epoch = 0;
    uint32_t *order = malloc(data->count * sizeof *order);
    uint8_t *pixels = malloc(n * IMAGE), *labels = malloc(n);
    int result = order != NULL && pixels != NULL && labels != NULL ? 0 : -1;
    for (size_t i = 0; i < data->count && result == 0; i++) {
        order[i] = (uint32_t)i;
    }
    for (int64_t done = 0; done + model->batch <= samples && result == 0; done += model->batch) {
        if (at + n > data->count) {
            shuffle(order, data->count, random_mix(seed + epoch++));
            at = 0;
        }
        for (size_t i = 0; i < n; i++, at++) {
            memcpy(pixels + i * IMAGE, data->pixels + (size_t)order[at] * IMAGE, IMAGE);
            labels[i] = data->labels[order[at]];
        }
        struct batch batch = {pixels, labels, model->batch};
        struct step_options step = {.lr = model->lr, .dropout = model->dropout};
        double metrics[ENGINE_METRICS_MAX];
        result = engine_train(engine, &batch, &step, metrics);
    }
    free(order);
    free(pixels);
    free(labels);
    return result;
}

int main(int argc, char **argv) {
    const struct model_info *model = model_find(argc > 1 ? argv[1] : "cnn");
    struct fashion data, test;
    if (model == NULL || !model->classifier || fashion_load("train", 0, &data) < 0 ||
        fashion_load("t10k", 0, &test) < 0) {
        fprintf(stderr, "no such classifier, or no Fashion-MNIST (Debian: dataset-fashion-mnist)\n");
        return 2;
    }
    int64_t samples = argc > 2 ? atoll(argv[2]) : model->samples;
    uint64_t seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 1;
    char error[ENGINE_ERROR_SIZE];
    struct engine_options options = {
        .model = model, .backend = "auto", .seed = seed, .optimiser = model->optimiser, .weight_decay = -1};
    struct engine *engine = NULL;
    if (engine_create(&options, &engine, error) < 0) {
        fprintf(stderr, "%s\n", error);
        return 2;
    }
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int result = train(engine, model, &data, samples, seed);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double metrics[ENGINE_METRICS_MAX] = {0};
    struct batch all = {test.pixels, test.labels, (int64_t)test.count};
    if (result == 0) result = engine_evaluate(engine, &all, metrics, NULL);
    printf("%s_accuracy %.4f share\n%s_seconds %.1f s\n", model->name, metrics[1], model->name,
           (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) * 1e-9);
    engine_free(engine);
    fashion_release(&data);
    fashion_release(&test);
    return result < 0 || (strcmp(model->name, "cnn") == 0 && metrics[1] < 0.90);
}
