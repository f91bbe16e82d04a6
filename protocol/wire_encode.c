/*
 * wire_encode.c: one frame → one line, by the rows of wire_table.h. What the encoder writes, the decoder takes: text
 * that is not UTF-8 gets U+FFFD, a number that is not finite its word; a frame that would not fit leaves the buffer
 * untouched.
 */
#include "wire_base64.h"
#include "wire_json.h"
#include "wire_number.h"
#include "wire_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct encoder {
    struct wire_buf *buf;
    size_t start; /* of this line */
    bool failed;
};

void wire_buf_release(struct wire_buf *buf) {
    free(buf->bytes);
    *buf = (struct wire_buf){0};
}

/* Room for `size` more bytes of this line; NULL: none. */
static char *reserve(struct encoder *e, size_t size) {
    struct wire_buf *b = e->buf;
    if (e->failed) return NULL;
    if (b->size - e->start + size > WIRE_FRAME_MAX) goto fail;
    if (b->size + size > b->room) {
        size_t room = b->room ? b->room : 512;
        while (room < b->size + size)
            room *= 2;
        char *grown = realloc(b->bytes, room);
        if (!grown) goto fail;
        b->bytes = grown;
        b->room = room;
    }
    return b->bytes + b->size;
fail:
    e->failed = true;
    return NULL;
}

static void put(struct encoder *e, const char *bytes, size_t size) {
    char *p = reserve(e, size);
    if (!p) return;
    memcpy(p, bytes, size);
    e->buf->size += size;
}

static void put_text(struct encoder *e, const char *text) {
    put(e, text, strlen(text));
}

/* Length of the stretch that needs no escape, sequence by sequence. */
static size_t clean_run(const unsigned char *p, size_t size) {
    size_t i = 0;
    while (i < size) {
        if (p[i] < 0x20 || p[i] == '"' || p[i] == '\\') break;
        size_t n = utf8_sequence(p + i, size - i);
        if (!n) break;
        i += n;
    }
    return i;
}

static void put_string(struct encoder *e, const char *text) {
    const unsigned char *p = (const unsigned char *)text;
    size_t left = strlen(text);
    put(e, "\"", 1);
    while (left) {
        size_t run = clean_run(p, left);
        put(e, (const char *)p, run);
        p += run;
        left -= run;
        if (!left) break;
        static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt", hex[] = "0123456789abcdef";
        const char *known = strchr(from, *p);
        char escape[6] = {'\\', 'u', '0', '0', hex[*p >> 4], hex[*p & 15]};
        if (known)
            put(e, (char[2]){'\\', to[known - from]}, 2);
        else if (*p < 0x20)
            put(e, escape, 6);
        else
            put(e, "\xef\xbf\xbd", 3);
        p++;
        left--;
    }
    put(e, "\"", 1);
}

static void put_i64(struct encoder *e, int64_t v) {
    char *p = reserve(e, 21);
    if (p) e->buf->size += wire_format_i64(v, p);
}

static void put_number(struct encoder *e, double v) {
    char *p = reserve(e, 34);
    if (!p) return;
    bool finite = isfinite(v);
    size_t n = 0;
    if (!finite) p[n++] = '"';
    n += wire_format_double(v, p + n, 32);
    if (!finite) p[n++] = '"';
    e->buf->size += n;
}

static void put_key(struct encoder *e, bool *first, const char *name) {
    if (!*first) put(e, ",", 1);
    *first = false;
    put_string(e, name);
    put(e, ":", 1);
}

static void put_truth(struct encoder *e, bool truth) {
    put_text(e, truth ? "true" : "false");
}

static void put_value(struct encoder *e, const struct wire_value *v) {
    switch (v->type) {
    case WIRE_BOOL:
        put_truth(e, v->number != 0);
        break;
    case WIRE_STRING:
    case WIRE_ENUM:
        put_string(e, v->text ? v->text : "");
        break;
    case WIRE_FLOAT:
    case WIRE_INT:
        put_number(e, v->number);
        break;
    }
}

static void put_named(struct encoder *e, const struct wire_named *named, size_t count) {
    bool first = true;
    put(e, "{", 1);
    for (size_t i = 0; i < count; i++) {
        put_key(e, &first, named[i].name);
        put_value(e, &named[i].value);
    }
    put(e, "}", 1);
}

static void put_strings(struct encoder *e, const char *const *texts, size_t count) {
    put(e, "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i) put(e, ",", 1);
        put_string(e, texts[i]);
    }
    put(e, "]", 1);
}

static void put_param(struct encoder *e, const struct wire_param *p) {
    bool first = true;
    put(e, "{", 1);
    put_key(e, &first, "name");
    put_string(e, p->name);
    put_key(e, &first, "type");
    put_string(e, wire_type_name(p->value.type));
    put_key(e, &first, "value");
    put_value(e, &p->value);
    if (p->has_min) {
        put_key(e, &first, "min");
        put_number(e, p->min);
    }
    if (p->has_max) {
        put_key(e, &first, "max");
        put_number(e, p->max);
    }
    if (p->min_open) {
        put_key(e, &first, "min_open");
        put_truth(e, true);
    }
    if (p->choices_count) {
        put_key(e, &first, "choices");
        put_strings(e, p->choices, p->choices_count);
    }
    put_key(e, &first, "live");
    put_truth(e, p->live);
    if (p->help) {
        put_key(e, &first, "help");
        put_string(e, p->help);
    }
    put(e, "}", 1);
}

static void put_command(struct encoder *e, const struct wire_command *c) {
    bool first = true;
    put(e, "{", 1);
    put_key(e, &first, "name");
    put_string(e, c->name);
    if (c->args) {
        put_key(e, &first, "args");
        put_string(e, c->args);
    }
    if (c->help) {
        put_key(e, &first, "help");
        put_string(e, c->help);
    }
    if (c->zh) {
        put_key(e, &first, "zh");
        put_string(e, c->zh);
    }
    if (c->zh_help) {
        put_key(e, &first, "zh_help");
        put_string(e, c->zh_help);
    }
    if (c->reads) {
        put_key(e, &first, "reads");
        put_truth(e, true);
    }
    put(e, "}", 1);
}

static void put_bytes(struct encoder *e, const uint8_t *bytes, size_t size) {
    put(e, "\"", 1);
    char *p = reserve(e, (size + 2) / 3 * 4);
    if (p) e->buf->size += base64_encode(bytes, size, p);
    put(e, "\"", 1);
}

/* ---- rows of numbers ---- */

static void put_cell(struct encoder *e, double v) {
    if (wire_is_absent(v))
        put(e, "null", 4);
    else
        put_number(e, v);
}

static void put_row(struct encoder *e, const struct wire_rows *rows, size_t i) {
    put(e, "[", 1);
    put_i64(e, rows->steps[i]);
    put(e, ",", 1);
    put_i64(e, rows->t_ms[i]);
    put(e, ",", 1);
    put_cell(e, rows->epochs ? rows->epochs[i] : wire_absent());
    for (size_t k = 0; k < rows->cols_count; k++) {
        put(e, ",", 1);
        put_cell(e, rows->values[i * rows->cols_count + k]);
    }
    put(e, "]", 1);
}

static void put_head(struct encoder *e, enum wire_kind kind, uint64_t seq, bool *first) {
    put(e, "{", 1);
    put_key(e, first, "type");
    put_string(e, wire_kind_name(kind));
    if (seq == 0 || kind == WIRE_ACK) return;
    put_key(e, first, "seq");
    put_i64(e, (int64_t)seq);
}

/* Ends the line. 0, or negative with the buffer as it was. */
static int finish(struct encoder *e) {
    put(e, "}\n", 2);
    if (!e->failed) return 0;
    e->buf->size = e->start;
    return -1;
}

int wire_encode_rows(uint64_t seq, const struct wire_rows *rows, size_t first, struct wire_buf *buf) {
    struct encoder e = {.buf = buf, .start = buf->size};
    bool first_key = true;
    put_head(&e, WIRE_METRICS, seq, &first_key);
    put_key(&e, &first_key, "cols");
    put_strings(&e, rows->cols, rows->cols_count);
    put_key(&e, &first_key, "rows");
    put(&e, "[", 1);
    size_t i = first;
    for (; !e.failed && i < rows->rows_count; i++) {
        size_t before = buf->size;
        if (i > first) put(&e, ",", 1);
        put_row(&e, rows, i);
        if (i > first && (e.failed || buf->size - e.start > WIRE_FRAME_MAX - 8)) { /* the next frame takes this one */
            e.failed = false;
            buf->size = before;
            break;
        }
    }
    put(&e, "]", 1);
    return finish(&e) < 0 ? -1 : (int)(i - first);
}

/* Progress, and metrics of one row. */
static void put_one(struct encoder *e, const struct wire_rows *rows, bool *first) {
    put_key(e, first, "step");
    put_i64(e, rows->steps[0]);
    if (rows->t_ms && rows->t_ms[0]) {
        put_key(e, first, "t_ms");
        put_i64(e, rows->t_ms[0]);
    }
    if (rows->epochs && !wire_is_absent(rows->epochs[0])) {
        put_key(e, first, "epoch");
        put_number(e, rows->epochs[0]);
    }
    put_key(e, first, "values");
    put(e, "{", 1);
    bool inner = true;
    for (size_t i = 0; i < rows->cols_count; i++) {
        if (wire_is_absent(rows->values[i])) continue;
        put_key(e, &inner, rows->cols[i]);
        put_number(e, rows->values[i]);
    }
    put(e, "}", 1);
}

/* ---- fields ---- */

/* An optional field that says nothing is left out. */
static bool says_something(const struct wire_frame *frame, const struct wire_field *f) {
    const void *from = (const char *)frame + f->offset, *extra = (const char *)frame + f->extra;
    if (f->need == WIRE_MUST || (frame->kind == WIRE_EVENT && f->need >> 8 & 1u << frame->u.event.kind)) return true;
    switch (f->type) {
    case WIRE_T_HEX:
    case WIRE_T_STRING:
    case WIRE_T_STATUS:
        return *(const char *const *)from != NULL;
    case WIRE_T_INT:
    case WIRE_T_VERSION:
    case WIRE_T_UINT:
        return *(const uint64_t *)from != 0;
    case WIRE_T_MAYBE:
        return *(const bool *)extra;
    case WIRE_T_NUMBER:
        return frame->kind == WIRE_EVENT && frame->u.event.kind == WIRE_EV_EPOCH;
    case WIRE_T_PARAMS:
    case WIRE_T_COMMANDS:
    case WIRE_T_STRINGS:
        return *(const size_t *)extra != 0;
    default:
        return true;
    }
}

static void put_objects(struct encoder *e, const struct wire_frame *frame, const struct wire_field *f) {
    put(e, "[", 1);
    if (f->type == WIRE_T_PARAMS)
        for (size_t i = 0; i < frame->u.hello.params_count; i++) {
            if (i) put(e, ",", 1);
            put_param(e, &frame->u.hello.params[i]);
        }
    else
        for (size_t i = 0; i < frame->u.hello.commands_count; i++) {
            if (i) put(e, ",", 1);
            put_command(e, &frame->u.hello.commands[i]);
        }
    put(e, "]", 1);
}

static void put_field(struct encoder *e, const struct wire_frame *frame, const struct wire_field *f) {
    const void *from = (const char *)frame + f->offset, *extra = (const char *)frame + f->extra;
    switch (f->type) {
    case WIRE_T_HEX:
    case WIRE_T_STRING:
    case WIRE_T_STATUS:
        put_string(e, *(const char *const *)from ? *(const char *const *)from : "");
        break;
    case WIRE_T_VERSION:
    case WIRE_T_INT:
    case WIRE_T_MAYBE:
    case WIRE_T_UINT:
        put_i64(e, *(const int64_t *)from);
        break;
    case WIRE_T_NUMBER:
        put_number(e, *(const double *)from);
        break;
    case WIRE_T_BOOL:
        put_truth(e, *(const bool *)from);
        break;
    case WIRE_T_EVENT:
        put_string(e, wire_event_name(*(const enum wire_event_kind *)from));
        break;
    case WIRE_T_PARAMS:
    case WIRE_T_COMMANDS:
        put_objects(e, frame, f);
        break;
    case WIRE_T_OLD:
    case WIRE_T_VALUES:
        put_named(e, *(const struct wire_named *const *)from, *(const size_t *)extra);
        break;
    case WIRE_T_STRINGS:
        put_strings(e, *(const char *const *const *)from, *(const size_t *)extra);
        break;
    case WIRE_T_BYTES:
        put_bytes(e, *(const uint8_t *const *)from, *(const size_t *)extra);
        break;
    case WIRE_T_ROW:
        break;
    }
}

static int encode_metrics(const struct wire_frame *frame, struct wire_buf *buf) {
    size_t before = buf->size;
    int rows = wire_encode_rows(frame->seq, &frame->u.metrics, 0, buf);
    if (rows >= 0 && (size_t)rows == frame->u.metrics.rows_count) return 0;
    buf->size = before;
    return -1;
}

int wire_encode(const struct wire_frame *frame, struct wire_buf *buf) {
    if (frame->kind == WIRE_METRICS) return encode_metrics(frame, buf);
    const struct wire_frame_row *row = wire_frame_row(frame->kind);
    struct encoder e = {.buf = buf, .start = buf->size};
    bool first = true;
    put_head(&e, frame->kind, frame->seq, &first);
    if (frame->kind == WIRE_PROGRESS) {
        assert(frame->u.progress.rows_count == 1);
        put_one(&e, &frame->u.progress, &first);
    }
    for (size_t i = 0; i < row->fields_count; i++) {
        const struct wire_field *f = &row->fields[i];
        if (f->type == WIRE_T_ROW || !says_something(frame, f)) continue;
        put_key(&e, &first, f->name);
        put_field(&e, frame, f);
    }
    return finish(&e);
}
