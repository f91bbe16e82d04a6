/*
 * plot_gallery.c: writes one picture of every kind into a folder, for people to look at after a change to the drawing;
 * docs/plot-light.png and docs/plot-dark.png are two of them. Prints name, bytes, milliseconds and unknown glyphs.
 */
#include "plot_draw.h"
#include "plot_samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *folder;
static int failures;

static void save(struct plot_job *job, const char *name) {
    struct timespec start, end;
    uint8_t *bytes = NULL;
    size_t size = 0;
    uint32_t unknown = 0;
    char path[1024];
    clock_gettime(CLOCK_MONOTONIC, &start);
    int error = plot_draw(job, &bytes, &size, &unknown);
    clock_gettime(CLOCK_MONOTONIC, &end);
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, job->svg ? "svg" : "png");
    FILE *file = error == TB_OK ? fopen(path, "wb") : NULL;
    if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) failures++;
    double ms = (double)(end.tv_sec - start.tv_sec) * 1e3 + (double)(end.tv_nsec - start.tv_nsec) / 1e6;
    printf("%-16s %7zu bytes %6.1f ms %u unknown\n", name, size, ms, unknown);
    free(bytes);
    plot_job_release(job);
}

static void main_picture(struct plot_job *job, bool dark, enum lang lang) {
    plot_sample_job(job, "cnn #7", dark, lang);
    plot_sample_add(job, "loss", plot_sample_loss_nan, 15620, 1);
    plot_sample_add(job, "accuracy", plot_sample_accuracy, 15620, 10);
    plot_sample_mark(job, 4120, "lr 0.01 → 0.001");
    plot_sample_mark(job, 8600, "lr 0.001 → 0.0005");
    plot_sample_mark(job, 9380, "dropout 0.25 → 0.4");
    plot_sample_mark(job, 13100, lang == LANG_ZH ? "批量 128 → 256" : "bs 128 → 256");
}

static void one_series(struct plot_job *job, const char *title, const char *name, plot_sample_value *value,
                       int64_t steps) {
    plot_sample_job(job, title, false, LANG_ZH);
    plot_sample_add(job, name, value, steps, 1);
}

int main(int argc, char **argv) {
    struct plot_job job;
    folder = argc > 1 ? argv[1] : ".";
    main_picture(&job, false, LANG_ZH);
    save(&job, "light-zh");
    main_picture(&job, true, LANG_ZH);
    save(&job, "dark-zh");
    main_picture(&job, false, LANG_EN);
    save(&job, "light-en");
    main_picture(&job, true, LANG_EN);
    save(&job, "dark-en");
    main_picture(&job, false, LANG_ZH);
    job.svg = true;
    save(&job, "vector");
    main_picture(&job, false, LANG_EN);
    job.width = 1200;
    job.height = 800;
    save(&job, "desktop");
    main_picture(&job, true, LANG_EN);
    job.width = 390;
    save(&job, "small");
    one_series(&job, "cnn #8", "loss", plot_sample_loss, 1);
    save(&job, "one-point");
    one_series(&job, "cnn #8", "acc", plot_sample_accuracy, 12);
    save(&job, "few-points");
    one_series(&job, "cnn #9", "loss", plot_sample_constant, 500);
    save(&job, "constant");
    one_series(&job, "gan #10", "score", plot_sample_huge, 20000);
    save(&job, "huge");
    one_series(&job, "vae #11", "nll", plot_sample_decades, 20000);
    save(&job, "decades");
    one_series(&job, "cnn #12", "loss", plot_sample_not_finite, 2000);
    save(&job, "not-finite");
    plot_sample_job(&job, "cnn #13", false, LANG_ZH);
    save(&job, "empty");
    plot_sample_job(&job, "cnn #14", true, LANG_EN);
    plot_sample_add(&job, "loss", plot_sample_loss, 1000000, 1);
    plot_sample_add(&job, "acc", plot_sample_accuracy, 1000000, 1);
    save(&job, "million");
    plot_sample_job(&job, "gan #15", true, LANG_ZH);
    const char *const names[] = {"d_loss", "g_loss", "val_acc", "lr", "samples_per_s", "grad_norm"};
    plot_sample_value *const values[] = {plot_sample_loss,     plot_sample_loss_nan, plot_sample_accuracy,
                                         plot_sample_constant, plot_sample_decades,  plot_sample_huge};
    for (size_t i = 0; i < 6; i++)
        plot_sample_add(&job, names[i], values[i], 40000, 5);
    for (int i = 0; i < 25; i++)
        plot_sample_mark(&job, 1500 * (i + 1), "lr x0.9");
    save(&job, "six");
    return failures > 0;
}
