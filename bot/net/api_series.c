/*
 * api_series.c: /api/runs/N/series.json?metric=loss,acc&points=400: what the page draws. Each metric is cut to at most
 * `points` pieces by step, with extremes and means, read in libuv's pool:
 *   {"run":"7","names":[…],"series":[{"metric":"loss","buckets":[[first,last,min,max,mean,newest,count,not_finite],…]}]}
 * Without metric: loss and accuracy where they are, else the first two.
 */
#include "http_internal.h"
#include "store.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 256

struct series {
    struct http_job job;
    int64_t run;
    char metrics[WEB_METRICS_MAX][WEB_NAME_SIZE];
    size_t metrics_count, points;
    char names[NAMES_MAX][WEB_NAME_SIZE];
    size_t names_count;
    struct json_out out;
    int error;
};

static bool take_name(void *user, const char *name) {
    struct series *series = user;
    snprintf(series->names[series->names_count++], WEB_NAME_SIZE, "%s", name);
    return series->names_count < NAMES_MAX;
}

static void choose(struct series *series, const char *name) {
    if (series->metrics_count < 2) snprintf(series->metrics[series->metrics_count++], WEB_NAME_SIZE, "%s", name);
}

static const char *named_like(const struct series *series, const char *exact, const char *part) {
    const char *like = NULL;
    for (size_t i = 0; i < series->names_count; i++) {
        if (strcmp(series->names[i], exact) == 0) return series->names[i];
        if (!like && strstr(series->names[i], part)) like = series->names[i];
    }
    return like;
}

static void choose_default(struct series *series) {
    const char *loss = named_like(series, "loss", "loss"), *acc = named_like(series, "acc", "acc");
    if (loss) choose(series, loss);
    if (acc) choose(series, acc);
    for (size_t i = 0; i < series->names_count && series->metrics_count < 2 && !loss && !acc; i++)
        choose(series, series->names[i]);
}

static void put_finite(struct json_out *out, double value) {
    if (isfinite(value))
        json_number(out, value);
    else
        json_null(out);
}

static void put_bucket(struct json_out *out, const struct store_bucket *bucket) {
    json_open(out, '[');
    json_int(out, bucket->first_step);
    json_int(out, bucket->last_step);
    put_finite(out, bucket->min);
    put_finite(out, bucket->max);
    put_finite(out, bucket->mean);
    put_finite(out, bucket->last);
    json_int(out, bucket->count);
    json_int(out, bucket->not_finite);
    json_close(out, ']');
}

static int put_metric(struct series *series, struct store_reader *reader, const char *metric,
                      struct store_bucket *buckets) {
    struct json_out *out = &series->out;
    size_t count = 0;
    int result = store_reader_series(reader, series->run, metric, series->points, buckets, &count);
    if (result < 0 && result != TB_ENOTFOUND) return result;
    json_open(out, '{');
    json_key(out, "metric");
    json_string(out, metric);
    json_key(out, "buckets");
    json_open(out, '[');
    for (size_t i = 0; result >= 0 && i < count; i++)
        put_bucket(out, &buckets[i]);
    json_close(out, ']');
    json_close(out, '}');
    return TB_OK;
}

static int series_read(struct series *series, struct store_reader *reader, struct store_bucket *buckets) {
    struct json_out *out = &series->out;
    int result = store_reader_metric_names(reader, series->run, take_name, series);
    if (result < 0) return result;
    if (!series->metrics_count) choose_default(series);
    json_open(out, '{');
    json_key(out, "run");
    json_id(out, series->run);
    json_key(out, "names");
    json_open(out, '[');
    for (size_t i = 0; i < series->names_count; i++)
        json_string(out, series->names[i]);
    json_close(out, ']');
    json_key(out, "series");
    json_open(out, '[');
    for (size_t i = 0; i < series->metrics_count && result >= 0; i++)
        result = put_metric(series, reader, series->metrics[i], buckets);
    json_close(out, ']');
    json_close(out, '}');
    return result;
}

static void series_run(struct http_job *job) {
    struct series *series = (struct series *)job;
    struct store_reader *reader = NULL;
    struct store_bucket *buckets = calloc(series->points, sizeof(*buckets));
    series->error = buckets ? store_reader_open(job->server->state_dir, &reader) : TB_ENOMEM;
    if (series->error >= 0) series->error = series_read(series, reader, buckets);
    store_reader_close(reader);
    free(buckets);
}

static void series_done(struct http_job *job) {
    struct series *series = (struct series *)job;
    if (series->error < 0)
        http_error(job->request, 503, "%s", tb_error_text(series->error));
    else
        http_reply_json(job->request, 200, &series->out);
    http_job_end(job);
}

static void series_release(struct http_job *job) {
    struct series *series = (struct series *)job;
    json_out_release(&series->out);
    free(series);
}

static bool found(void *user, const struct run_record *record) {
    (void)record;
    *(bool *)user = true;
    return false;
}

void api_series(struct http_request *request) {
    bool there = false;
    int result = store_run(http_bot(request->server)->ports.store, request->path.id, found, &there);
    if (!there) {
        http_error(request, result < 0 && result != TB_ENOTFOUND ? 503 : 404, "there is no such run");
        return;
    }
    struct series *series = calloc(1, sizeof(*series));
    if (!series) {
        http_error(request, 500, "out of memory");
        return;
    }
    series->run = request->path.id;
    series->points = (size_t)request->query.points;
    series->metrics_count = request->query.metrics_count;
    memcpy(series->metrics, request->query.metrics, sizeof(series->metrics));
    series->job.run = series_run;
    series->job.done = series_done;
    series->job.release = series_release;
    http_job_begin(&series->job, request);
}
