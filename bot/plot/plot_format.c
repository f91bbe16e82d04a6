/*
 * plot_format.c: writer and reader of the two frames. The writer makes nothing that the reader would refuse; the reader
 * walks a cursor that never passes its end, and a failed read leaves it failed.
 */
#include "plot_format.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t request_magic[4] = {'T', 'B', 'P', '1'};
static const uint8_t answer_magic[4] = {'T', 'B', 'A', '1'};

/* ---- texts ---- */

/* Length of the UTF-8 character at s (1..4), 0 when it is none or a control. */
static size_t character_length(const uint8_t *s, size_t left) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (left == 0 || s[0] < 0x20 || s[0] == 0x7f) return 0;
    if (s[0] < 0x80) return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc2 ? 2 : 0;
    if (length == 0 || length > left || s[0] > 0xf4) return 0;
    uint32_t code = s[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3f);
    }
    bool bad =
        code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || (code >= 0x80 && code < 0xa0);
    return bad ? 0 : length;
}

char *plot_text_clean(const char *text, size_t max) {
    const uint8_t *from = (const uint8_t *)(text ? text : "");
    size_t left = strlen((const char *)from), used = 0;
    char *clean = malloc(max + 1);
    if (!clean) return NULL;
    while (left > 0) {
        size_t length = character_length(from, left);
        if (used + (length ? length : 1) > max) break;
        if (length)
            memcpy(clean + used, from, length);
        else
            clean[used] = *from < 0x20 || *from == 0x7f ? ' ' : '?';
        used += length ? length : 1;
        from += length ? length : 1;
        left -= length ? length : 1;
    }
    clean[used] = 0;
    return clean;
}

void plot_job_release(struct plot_job *job) {
    free(job->title);
    for (size_t i = 0; i < PLOT_METRICS_MAX; i++) {
        free(job->series[i].name);
        free(job->series[i].buckets);
    }
    for (size_t i = 0; i < job->marks_count; i++)
        free(job->marks[i].text);
    free(job->marks);
    *job = (struct plot_job){0};
}

/* ---- writing ---- */

struct writer {
    uint8_t *bytes; /* NULL: only counts */
    size_t size;
    bool no_memory;
};

static void put(struct writer *w, const void *bytes, size_t size) {
    if (w->bytes) memcpy(w->bytes + w->size, bytes, size);
    w->size += size;
}

static void put_uint(struct writer *w, uint64_t value, size_t size) {
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    put(w, bytes, size);
}

static void put_double(struct writer *w, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_uint(w, bits, 8);
}

static void put_text(struct writer *w, const char *text, size_t max) {
    char *clean = plot_text_clean(text, max);
    if (!clean) {
        w->no_memory = true;
        return;
    }
    put_uint(w, strlen(clean), 2);
    put(w, clean, strlen(clean));
    free(clean);
}

static void put_series(struct writer *w, const struct plot_series *series) {
    put_text(w, series->name, PLOT_NAME_MAX);
    put_uint(w, series->count, 4);
    for (size_t i = 0; i < series->count; i++) {
        const struct store_bucket *bucket = &series->buckets[i];
        put_uint(w, (uint64_t)bucket->first_step, 8);
        put_uint(w, (uint64_t)bucket->last_step, 8);
        put_double(w, bucket->min);
        put_double(w, bucket->max);
        put_double(w, bucket->mean);
        put_double(w, bucket->last);
        put_uint(w, (uint64_t)bucket->count, 8);
        put_uint(w, (uint64_t)bucket->not_finite, 8);
    }
}

static void put_job(struct writer *w, const struct plot_job *job, size_t body) {
    put(w, request_magic, 4);
    put_uint(w, body, 4);
    put_uint(w, job->id, 4);
    put_uint(w, (uint32_t)job->width, 4);
    put_uint(w, (uint32_t)job->height, 4);
    put_uint(w, job->dark, 1);
    put_uint(w, job->svg, 1);
    put_uint(w, job->lang == LANG_EN, 1);
    put_text(w, job->title, PLOT_TITLE_MAX);
    put_uint(w, job->series_count, 1);
    for (size_t i = 0; i < job->series_count; i++)
        put_series(w, &job->series[i]);
    put_uint(w, job->marks_count, 2);
    for (size_t i = 0; i < job->marks_count; i++) {
        put_uint(w, (uint64_t)job->marks[i].step, 8);
        put_text(w, job->marks[i].text, PLOT_MARK_TEXT_MAX);
    }
}

static bool side_is_good(int64_t side) {
    return side >= PLOT_SIDE_MIN && side <= PLOT_SIDE_MAX;
}

static bool step_is_good(int64_t step) {
    return step >= 0 && step <= PLOT_STEP_MAX;
}

/* Either no finite value at all, or four finite ones in order. */
static bool bucket_is_good(const struct store_bucket *bucket) {
    if (!step_is_good(bucket->first_step) || !step_is_good(bucket->last_step)) return false;
    if (bucket->first_step > bucket->last_step || bucket->count < 0 || bucket->not_finite < 0) return false;
    if (isnan(bucket->min) && isnan(bucket->max) && isnan(bucket->mean) && isnan(bucket->last)) return true;
    return isfinite(bucket->min) && isfinite(bucket->max) && isfinite(bucket->mean) && isfinite(bucket->last) &&
           bucket->min <= bucket->max;
}

static bool series_is_good(const struct plot_series *series) {
    if (series->count > PLOT_BUCKETS_MAX) return false;
    for (size_t i = 0; i < series->count; i++) {
        if (!bucket_is_good(&series->buckets[i])) return false;
        if (i > 0 && series->buckets[i].first_step <= series->buckets[i - 1].last_step) return false;
    }
    return true;
}

int plot_job_encode(const struct plot_job *job, uint8_t **ret_bytes, size_t *ret_size) {
    if (!side_is_good(job->width) || (job->height != 0 && !side_is_good(job->height))) return TB_ERANGE;
    if (job->series_count > PLOT_METRICS_MAX || job->marks_count > PLOT_MARKS_MAX) return TB_ERANGE;
    for (size_t i = 0; i < job->series_count; i++)
        if (!series_is_good(&job->series[i])) return TB_ERANGE;
    for (size_t i = 0; i < job->marks_count; i++)
        if (!step_is_good(job->marks[i].step)) return TB_ERANGE;
    struct writer count = {0};
    put_job(&count, job, 0);
    struct writer w = {.bytes = malloc(count.size), .no_memory = count.no_memory};
    if (!w.bytes) return TB_ENOMEM;
    put_job(&w, job, count.size - PLOT_REQUEST_HEAD);
    if (w.no_memory) {
        free(w.bytes);
        return TB_ENOMEM;
    }
    *ret_bytes = w.bytes;
    *ret_size = w.size;
    return TB_OK;
}

void plot_answer_encode(const struct plot_answer *answer, uint8_t head[PLOT_ANSWER_HEAD]) {
    struct writer w = {.bytes = head};
    put(&w, answer_magic, 4);
    put_uint(&w, answer->size, 4);
    put_uint(&w, answer->id, 4);
    put_uint(&w, answer->status, 4);
    put_uint(&w, answer->unknown_glyphs, 4);
    put_uint(&w, answer->draw_us, 4);
}

/* ---- reading ---- */

struct cursor {
    const uint8_t *bytes;
    size_t left;
    int error; /* the first one; then everything reads as 0 */
};

static uint64_t take_uint(struct cursor *c, size_t size) {
    if (c->error || c->left < size) {
        if (!c->error) c->error = TB_EINVAL;
        return 0;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)c->bytes[i] << (8 * i);
    c->bytes += size;
    c->left -= size;
    return value;
}

static double take_double(struct cursor *c) {
    uint64_t bits = take_uint(c, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static char *take_text(struct cursor *c, size_t max) {
    size_t length = take_uint(c, 2);
    if (!c->error && (length > max || length > c->left)) c->error = TB_EINVAL;
    for (size_t i = 0; !c->error && i < length;) {
        size_t one = character_length(c->bytes + i, length - i);
        if (one == 0) c->error = TB_EINVAL;
        i += one;
    }
    if (c->error) return NULL;
    char *text = strndup((const char *)c->bytes, length);
    if (!text) c->error = TB_ENOMEM;
    c->bytes += length;
    c->left -= length;
    return text;
}

static void take_series(struct cursor *c, struct plot_series *series) {
    series->name = take_text(c, PLOT_NAME_MAX);
    size_t count = take_uint(c, 4);
    if (!c->error && (count > PLOT_BUCKETS_MAX || count * 64 > c->left)) c->error = TB_EINVAL;
    if (c->error || count == 0) return;
    series->buckets = calloc(count, sizeof *series->buckets);
    if (!series->buckets) {
        c->error = TB_ENOMEM;
        return;
    }
    series->count = count;
    for (size_t i = 0; i < count; i++) {
        struct store_bucket *bucket = &series->buckets[i];
        bucket->first_step = (int64_t)take_uint(c, 8);
        bucket->last_step = (int64_t)take_uint(c, 8);
        bucket->min = take_double(c);
        bucket->max = take_double(c);
        bucket->mean = take_double(c);
        bucket->last = take_double(c);
        bucket->count = (int64_t)take_uint(c, 8);
        bucket->not_finite = (int64_t)take_uint(c, 8);
    }
    if (!c->error && !series_is_good(series)) c->error = TB_EINVAL;
}

static void take_marks(struct cursor *c, struct plot_job *job) {
    size_t count = take_uint(c, 2);
    if (!c->error && count > PLOT_MARKS_MAX) c->error = TB_EINVAL;
    if (c->error || count == 0) return;
    job->marks = calloc(count, sizeof *job->marks);
    if (!job->marks) {
        c->error = TB_ENOMEM;
        return;
    }
    job->marks_count = count;
    for (size_t i = 0; i < count; i++) {
        job->marks[i].step = (int64_t)take_uint(c, 8);
        job->marks[i].text = take_text(c, PLOT_MARK_TEXT_MAX);
        if (!c->error && !step_is_good(job->marks[i].step)) c->error = TB_EINVAL;
    }
}

int plot_job_decode(const uint8_t *bytes, size_t size, struct plot_job *ret_job) {
    struct cursor c = {.bytes = bytes, .left = size};
    struct plot_job job = {0};
    job.id = (uint32_t)take_uint(&c, 4);
    uint64_t width = take_uint(&c, 4), height = take_uint(&c, 4);
    uint64_t dark = take_uint(&c, 1), svg = take_uint(&c, 1), lang = take_uint(&c, 1);
    if (!c.error && (!side_is_good((int64_t)width) || (height != 0 && !side_is_good((int64_t)height)) || dark > 1 ||
                     svg > 1 || lang > 1))
        c.error = TB_EINVAL;
    job.width = (int)width;
    job.height = (int)height;
    job.dark = dark;
    job.svg = svg;
    job.lang = lang ? LANG_EN : LANG_ZH;
    job.title = take_text(&c, PLOT_TITLE_MAX);
    size_t series = take_uint(&c, 1);
    if (!c.error && series > PLOT_METRICS_MAX) c.error = TB_EINVAL;
    for (size_t i = 0; !c.error && i < series; i++)
        take_series(&c, &job.series[job.series_count++]);
    take_marks(&c, &job);
    if (!c.error && c.left > 0) c.error = TB_EINVAL;
    if (c.error) {
        plot_job_release(&job);
        return c.error;
    }
    *ret_job = job;
    return TB_OK;
}

int plot_request_head(const uint8_t head[PLOT_REQUEST_HEAD], size_t *ret_size) {
    struct cursor c = {.bytes = head + 4, .left = 4};
    size_t size = take_uint(&c, 4);
    if (memcmp(head, request_magic, 4) != 0 || size > PLOT_REQUEST_MAX) return TB_EINVAL;
    *ret_size = size;
    return TB_OK;
}

int plot_answer_decode(const uint8_t head[PLOT_ANSWER_HEAD], struct plot_answer *ret_answer) {
    struct cursor c = {.bytes = head + 4, .left = PLOT_ANSWER_HEAD - 4};
    struct plot_answer answer = {.size = (uint32_t)take_uint(&c, 4), .id = 0};
    answer.id = (uint32_t)take_uint(&c, 4);
    answer.status = (uint32_t)take_uint(&c, 4);
    answer.unknown_glyphs = (uint32_t)take_uint(&c, 4);
    answer.draw_us = (uint32_t)take_uint(&c, 4);
    if (memcmp(head, answer_magic, 4) != 0 || answer.size > PLOT_ANSWER_MAX) return TB_EINVAL;
    *ret_answer = answer;
    return TB_OK;
}
