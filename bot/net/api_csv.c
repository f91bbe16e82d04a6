/*
 * api_csv.c: /api/runs/N/metrics.csv. One row a step, ascending, shortest numbers that read back the same. The pool
 * reads a piece of rows at a time from the step after the last one sent, and reads on only when the client has taken
 * the piece: memory stays bounded for runs of any length and clients of any speed.
 *
 * The columns are those known at the beginning; the file ends where the reading has caught up with the run.
 */
#include "http_internal.h"
#include "store.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CSV_PIECE (192u << 10)

struct csv {
    struct http_job job;
    struct store_reader *reader;
    int64_t run, from_step;
    char **cols; /* of the head */
    size_t cols_count;
    size_t *places; /* for each column of this read: its place in cols, or cols_count */
    size_t places_count;
    const double **row;  /* cols_count */
    struct json_out out; /* a growing buffer; not JSON here */
    bool head_done, end;
    int error;
};

static void csv_cell(struct json_out *out, const char *text) {
    if (!text[strcspn(text, ",\"\r\n")]) {
        json_text(out, text);
        return;
    }
    json_text(out, "\"");
    for (; *text; text++) {
        if (*text == '"') json_text(out, "\"");
        json_raw(out, text, 1);
    }
    json_text(out, "\"");
}

static bool csv_head(struct csv *csv, const char *const *cols, size_t count) {
    csv->cols = calloc(count + 1, sizeof(*csv->cols));
    csv->row = calloc(count + 1, sizeof(*csv->row));
    if (!csv->cols || !csv->row) return false;
    json_text(&csv->out, "step,t_ms,epoch");
    for (size_t i = 0; i < count; i++) {
        if (!(csv->cols[i] = strdup(cols[i]))) return false;
        csv->cols_count++;
        json_text(&csv->out, ",");
        csv_cell(&csv->out, cols[i]);
    }
    json_text(&csv->out, "\n");
    csv->head_done = true;
    return true;
}

static bool csv_cols(void *user, const char *const *cols, size_t count) {
    struct csv *csv = user;
    bool ok = csv->head_done || csv_head(csv, cols, count);
    free(csv->places);
    csv->places_count = count;
    csv->places = ok ? calloc(count + 1, sizeof(*csv->places)) : NULL;
    if (!csv->places) {
        csv->error = TB_ENOMEM;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t place = 0;
        while (place < csv->cols_count && strcmp(csv->cols[place], cols[i]) != 0)
            place++;
        csv->places[i] = place;
    }
    return true;
}

static void csv_value(struct json_out *out, double value) {
    char text[40] = ",";
    size_t size = 1;
    if (!wire_is_absent(value)) size += wire_format_double(value, text + 1, sizeof(text) - 1);
    json_raw(out, text, size);
}

static bool csv_row(void *user, const struct store_row *row) {
    struct csv *csv = user;
    struct json_out *out = &csv->out;
    char text[64];
    int size = snprintf(text, sizeof(text), "%lld,%lld", (long long)row->step, (long long)row->t_ms);
    json_raw(out, text, (size_t)size);
    csv_value(out, row->epoch);
    for (size_t i = 0; i < csv->cols_count; i++)
        csv->row[i] = NULL;
    for (size_t i = 0; i < csv->places_count; i++)
        csv->row[csv->places[i]] = &row->values[i];
    for (size_t i = 0; i < csv->cols_count; i++)
        csv_value(out, csv->row[i] ? *csv->row[i] : wire_absent());
    json_text(out, "\n");
    csv->from_step = row->step + 1;
    return !out->failed && out->size < CSV_PIECE;
}

static void csv_run(struct http_job *job) {
    struct csv *csv = (struct csv *)job;
    if (!csv->reader) {
        csv->error = store_reader_open(csv->job.server->state_dir, &csv->reader);
        if (csv->error < 0) return;
    }
    int64_t from_step = csv->from_step;
    int result = store_reader_rows(csv->reader, csv->run, from_step, csv_cols, csv_row, csv);
    if (result < 0 && !csv->error) csv->error = result;
    if (csv->out.failed) csv->error = TB_ENOMEM;
    if (!csv->head_done && !csv->error && !csv_head(csv, NULL, 0)) csv->error = TB_ENOMEM;
    if (csv->out.size < CSV_PIECE || csv->from_step == from_step) csv->end = true;
}

static void csv_done(struct http_job *job) {
    struct csv *csv = (struct csv *)job;
    struct http_request *request = job->request;
    if (csv->error < 0) {
        bot_log(http_bot(job->server), 1, "web: metrics.csv of run %lld broke off: %s", (long long)csv->run,
                tb_error_text(csv->error));
        http_stream_break(request);
        http_job_end(job);
        return;
    }
    size_t size = 0;
    bool end = csv->end;
    char *bytes = json_out_take(&csv->out, &size);
    if (bytes) http_stream_push(request, bytes, size);
    if (end) {
        http_stream_end(request);
        http_job_end(job);
    }
}

static void csv_release(struct http_job *job) {
    struct csv *csv = (struct csv *)job;
    store_reader_close(csv->reader);
    for (size_t i = 0; i < csv->cols_count; i++)
        free(csv->cols[i]);
    free(csv->cols);
    free(csv->row);
    free(csv->places);
    json_out_release(&csv->out);
    free(csv);
}

static bool found(void *user, const struct run_record *record) {
    (void)record;
    *(bool *)user = true;
    return false;
}

void api_csv(struct http_request *request) {
    bool there = false;
    int result = store_run(http_bot(request->server)->ports.store, request->path.id, found, &there);
    if (!there) {
        http_error(request, result < 0 && result != TB_ENOTFOUND ? 503 : 404, "there is no such run");
        return;
    }
    struct csv *csv = calloc(1, sizeof(*csv));
    if (!csv) {
        http_error(request, 500, "out of memory");
        return;
    }
    csv->run = request->path.id;
    csv->job.run = csv_run;
    csv->job.done = csv_done;
    csv->job.release = csv_release;
    http_header(request, "content-disposition:", "attachment; filename=\"run-%lld.csv\"", (long long)csv->run);
    http_job_stream(&csv->job, request, "text/csv; charset=utf-8");
}
