/*
 * plot_read.c: resolves the names asked for against those of the run and reads one series each. Buckets leave here as
 * the format wants them: ascending, with either no finite value or four of them.
 */
#include "plot_read.h"
#include "plot_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 256

struct names {
    char *names[NAMES_MAX];
    size_t count;
    bool no_memory;
};

static bool add_name(void *user, const char *name) {
    struct names *names = user;
    if (names->count == NAMES_MAX) return false;
    names->names[names->count] = strdup(name);
    names->no_memory = names->names[names->count] == NULL;
    names->count += !names->no_memory;
    return !names->no_memory;
}

static void release_names(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
}

static int say(int error, const struct plot_job *job, char why[PLOT_WHY_MAX], const char *zh, const char *en) {
    snprintf(why, PLOT_WHY_MAX, "%s", job->lang == LANG_ZH ? zh : en);
    return error;
}

/* 没有指标"x"。有:loss、accuracy */
static int say_not_found(const struct names *names, const char *asked, const struct plot_job *job,
                         char why[PLOT_WHY_MAX]) {
    bool zh = job->lang == LANG_ZH;
    char *clean = plot_text_clean(asked, PLOT_NAME_MAX);
    int used = snprintf(why, PLOT_WHY_MAX, zh ? "没有指标“%s”" : "there is no metric \"%s\"", clean ? clean : "");
    free(clean);
    if (names->count == 0) {
        snprintf(why + used, PLOT_WHY_MAX - (size_t)used, zh ? ",还没有任何数据。" : ", and no data yet");
        return TB_ENOTFOUND;
    }
    for (size_t i = 0; i < names->count; i++) {
        const char *between = i == 0 ? (zh ? "。有:" : "; there are: ") : (zh ? "、" : ", ");
        if ((size_t)used + strlen(between) + strlen(names->names[i]) + 4 > PLOT_WHY_MAX) {
            snprintf(why + used, PLOT_WHY_MAX - (size_t)used, "…");
            break;
        }
        used += snprintf(why + used, PLOT_WHY_MAX - (size_t)used, "%s%s", between, names->names[i]);
    }
    return TB_ENOTFOUND;
}

/* Which names to draw, as indices without repetition. */
static int resolve(const struct plot_asked *asked, const struct names *names, const struct plot_job *job,
                   size_t indices[PLOT_METRICS_MAX], size_t *ret_count, char why[PLOT_WHY_MAX]) {
    const char *const *all = (const char *const *)names->names;
    if (asked->metrics_count == 0) {
        *ret_count = plot_metrics_default(all, names->count, indices);
        return TB_OK;
    }
    size_t count = 0;
    for (size_t i = 0; i < asked->metrics_count; i++) {
        size_t found = plot_metric_find(asked->metrics[i], all, names->count), seen = 0;
        if (found == names->count) return say_not_found(names, asked->metrics[i], job, why);
        while (seen < count && indices[seen] != found)
            seen++;
        if (seen == count) indices[count++] = found;
    }
    *ret_count = count;
    return TB_OK;
}

/* Keeps what the format can hold; returns the number kept. */
static size_t tidy(struct store_bucket *buckets, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_bucket bucket = buckets[i];
        if (kept > 0 && bucket.first_step <= buckets[kept - 1].last_step)
            bucket.first_step = buckets[kept - 1].last_step + 1;
        if (bucket.first_step < 0 || bucket.first_step > bucket.last_step || bucket.last_step > PLOT_STEP_MAX) continue;
        if (bucket.count <= 0 || !isfinite(bucket.min) || !isfinite(bucket.max) || !isfinite(bucket.mean) ||
            !isfinite(bucket.last) || bucket.min > bucket.max) {
            bucket.min = bucket.max = bucket.mean = bucket.last = NAN;
            bucket.count = 0;
        }
        if (bucket.not_finite < 0) bucket.not_finite = 0;
        if (bucket.count == 0 && bucket.not_finite == 0) continue;
        buckets[kept++] = bucket;
    }
    return kept;
}

static int read_series(struct store_reader *reader, int64_t run, const char *name, struct plot_job *job) {
    struct plot_series *series = &job->series[job->series_count];
    size_t room = (size_t)job->width * 7 / 8 / (job->svg ? 2 : 1), count = 0;
    series->name = strdup(name);
    series->buckets = calloc(room, sizeof *series->buckets);
    job->series_count++;
    if (!series->name || !series->buckets) return TB_ENOMEM;
    int error = store_reader_series(reader, run, name, room, series->buckets, &count);
    if (error == TB_ENOTFOUND) return TB_OK;
    if (error != TB_OK) return error;
    series->count = tidy(series->buckets, count < room ? count : room);
    return TB_OK;
}

int plot_read(const struct plot_asked *asked, struct plot_job *job, char why[PLOT_WHY_MAX]) {
    struct store_reader *reader = NULL;
    struct names names = {0};
    size_t indices[PLOT_METRICS_MAX], count = 0;
    bool named = false;
    int error = store_reader_open(asked->state_dir, &reader);
    if (error == TB_OK) error = store_reader_metric_names(reader, asked->run, add_name, &names);
    if (error == TB_ENOTFOUND) error = TB_OK; /* nothing came yet */
    if (error == TB_OK && names.no_memory) error = TB_ENOMEM;
    if (error == TB_OK) {
        error = resolve(asked, &names, job, indices, &count, why);
        named = error != TB_OK;
    }
    for (size_t i = 0; error == TB_OK && i < count; i++)
        error = read_series(reader, asked->run, names.names[indices[i]], job);
    if (reader) store_reader_close(reader);
    release_names(&names);
    if (error == TB_OK || named) return error;
    if (error == TB_ENOMEM)
        return say(TB_ENOMEM, job, why, "内存不足,画不了图", "out of memory while reading the curve");
    return say(TB_ESTORE, job, why, "数据读不出来,画不了图", "the curve cannot be read from the database");
}
