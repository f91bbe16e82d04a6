/*
 * wire_decode_rows.c: the numbers of metrics and progress frames. This is the path that has to be fast: `rows` is never
 * made into a tree, its numbers go from the text straight into the arrays of struct wire_rows.
 */
#include "wire_decode.h"

#include <math.h>
#include <string.h>

static bool member(struct decoder *d, const struct json *object, const char *name, const struct json **ret) {
    bool twice = false;
    *ret = json_member(object, name, &twice);
    if (twice) return decode_fail(d, WIRE_F_BAD_FIELD, "%s: given twice", name);
    if (*ret && (*ret)->type == JSON_NULL) *ret = NULL;
    return true;
}

static bool whole(const struct wire_number *n, int64_t *ret) {
    if (!n->is_integer || n->integer < 0 || n->integer > WIRE_INT_MAX) return false;
    *ret = n->integer;
    return true;
}

static bool take_whole(struct decoder *d, const struct json *object, const char *name, bool must, int64_t *ret) {
    const struct json *n;
    if (!member(d, object, name, &n)) return false;
    if (!n) return must ? decode_fail(d, WIRE_F_MISSING_FIELD, "%s: is missing", name) : true;
    if (n->type != JSON_NUMBER || !whole(&n->number, ret))
        return decode_fail(d, WIRE_F_BAD_FIELD, "%s: must be a whole number from 0 to 2^53-1", name);
    return true;
}

static bool make_rows(struct decoder *d, size_t cols, size_t rows, struct wire_rows *r, const char ***names,
                      int64_t **steps, int64_t **t_ms, double **epochs, double **values) {
    if (!(*names = decode_take(d, cols, sizeof **names)) || !(*steps = decode_take(d, rows, sizeof **steps)) ||
        !(*t_ms = decode_take(d, rows, sizeof **t_ms)) || !(*epochs = decode_take(d, rows, sizeof **epochs)) ||
        !(*values = decode_take(d, rows * cols, sizeof **values)))
        return false;
    *r = (struct wire_rows){.cols = *names,
                            .cols_count = cols,
                            .rows_count = rows,
                            .steps = *steps,
                            .t_ms = *t_ms,
                            .epochs = *epochs,
                            .values = *values};
    return true;
}

static bool check_names(struct decoder *d, const char *field, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!decode_name_good(names[i], strlen(names[i])))
            return decode_fail(d, WIRE_F_BAD_FIELD, "%s: a name must have 1 to %d bytes", field, WIRE_NAME_MAX);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return decode_fail(d, WIRE_F_BAD_FIELD, "%s: %s is given twice", field, names[i]);
    }
    return true;
}

/* step, t_ms, epoch, values: one row. */
static bool decode_one(struct decoder *d, const struct json *object, bool progress, struct wire_rows *ret) {
    const struct json *values, *epoch;
    int64_t step = 0, t_ms = 0;
    if (!take_whole(d, object, "step", true, &step) || !take_whole(d, object, "t_ms", !progress, &t_ms)) return false;
    if (!member(d, object, "values", &values) || !member(d, object, "epoch", &epoch)) return false;
    if (!values) return decode_fail(d, WIRE_F_MISSING_FIELD, "values: is missing");
    if (values->type != JSON_OBJECT || values->count > WIRE_COLS_MAX)
        return decode_fail(d, WIRE_F_BAD_FIELD, "values: must be an object of at most %d numbers", WIRE_COLS_MAX);
    struct wire_rows r;
    const char **names;
    int64_t *steps, *times;
    double *epochs, *numbers;
    if (!make_rows(d, values->count, 1, &r, &names, &steps, &times, &epochs, &numbers)) return false;
    *steps = step;
    *times = t_ms;
    *epochs = wire_absent();
    if (epoch && !decode_number(epoch, epochs)) return decode_fail(d, WIRE_F_BAD_FIELD, "epoch: must be a number");
    size_t i = 0;
    for (const struct json *n = values->first; n; n = n->next, i++) {
        names[i] = n->key;
        numbers[i] = wire_absent();
        if (n->type != JSON_NULL && !decode_number(n, &numbers[i]))
            return decode_fail(d, WIRE_F_BAD_FIELD, "values: %.64s must be a number, \"nan\", \"inf\" or \"-inf\"",
                               n->key);
    }
    if (!check_names(d, "values", names, r.cols_count)) return false;
    *ret = r;
    return true;
}

static bool next(struct json_reader *r, char wanted) {
    json_skip_blanks(r);
    if (r->at == r->end || *r->at != wanted) return false;
    r->at++;
    json_skip_blanks(r);
    return true;
}

/* A number, one of the three words, or null (absent). */
static bool read_cell(struct json_reader *r, double *ret) {
    size_t left = (size_t)(r->end - r->at);
    struct wire_number n;
    if (left >= 4 && *r->at == 'n') {
        if (memcmp(r->at, "null", 4) != 0) return false;
        r->at += 4;
        *ret = wire_absent();
        return true;
    }
    if (left && *r->at == '"') {
        static const struct {
            const char *text;
            size_t size;
            double value;
        } words[] = {{"\"nan\"", 5, NAN}, {"\"inf\"", 5, INFINITY}, {"\"-inf\"", 6, -INFINITY}};
        for (size_t i = 0; i < 3; i++) {
            if (left < words[i].size || memcmp(r->at, words[i].text, words[i].size) != 0) continue;
            r->at += words[i].size;
            *ret = words[i].value;
            return true;
        }
        return false;
    }
    if (!wire_number_scan(&r->at, r->end, &n)) return false;
    *ret = n.value;
    return true;
}

static bool read_row(struct json_reader *r, size_t cols, int64_t *step, int64_t *t_ms, double *epoch, double *values) {
    struct wire_number n;
    if (!next(r, '[') || !wire_number_scan(&r->at, r->end, &n) || !whole(&n, step)) return false;
    if (!next(r, ',') || !wire_number_scan(&r->at, r->end, &n) || !whole(&n, t_ms)) return false;
    if (!next(r, ',') || !read_cell(r, epoch)) return false;
    for (size_t i = 0; i < cols; i++)
        if (!next(r, ',') || !read_cell(r, &values[i])) return false;
    return next(r, ']');
}

/* The names of `cols` as JSON strings. */
static bool take_cols(struct decoder *d, const struct json *cols, const char **names) {
    size_t i = 0;
    for (const struct json *n = cols->first; n; n = n->next) {
        if (n->type != JSON_STRING) return decode_fail(d, WIRE_F_BAD_FIELD, "cols: must be an array of names");
        names[i++] = n->text;
    }
    return check_names(d, "cols", names, i);
}

/* cols, rows: many. */
static bool decode_many(struct decoder *d, const struct json *cols, const struct json *rows, struct wire_rows *ret) {
    if (cols->type != JSON_ARRAY || cols->count > WIRE_COLS_MAX)
        return decode_fail(d, WIRE_F_BAD_FIELD, "cols: must be an array of at most %d names", WIRE_COLS_MAX);
    if (rows->type != JSON_DEFERRED) return decode_fail(d, WIRE_F_BAD_FIELD, "rows: must be an array of arrays");
    /* a row of c columns takes 7 + 2 c bytes or more: what cannot be in the text is not allocated */
    if (rows->count > rows->size / (7 + 2 * cols->count) + 1)
        return decode_fail(d, WIRE_F_BAD_FIELD, "rows: each must have %zu values", cols->count + 3);
    struct wire_rows r;
    const char **names;
    int64_t *steps, *times;
    double *epochs, *values;
    if (!make_rows(d, cols->count, rows->count, &r, &names, &steps, &times, &epochs, &values)) return false;
    if (!take_cols(d, cols, names)) return false;
    struct json_reader reader = {.at = rows->text, .end = rows->text + rows->size, .arena = d->arena};
    reader.at++;
    for (size_t i = 0; i < r.rows_count; i++) {
        if ((i > 0 && !next(&reader, ',')) ||
            !read_row(&reader, r.cols_count, &steps[i], &times[i], &epochs[i], values + i * r.cols_count))
            return decode_fail(d, WIRE_F_BAD_FIELD, "rows: row %zu must be [step, t_ms, epoch or null, %zu values]", i,
                               r.cols_count);
    }
    if (!next(&reader, ']')) return decode_fail(d, WIRE_F_BAD_FIELD, "rows: must be an array of arrays");
    *ret = r;
    return true;
}

bool decode_rows(struct decoder *d, const struct json *object, bool one_row, struct wire_rows *ret) {
    const struct json *cols, *rows;
    if (one_row) return decode_one(d, object, true, ret);
    if (!member(d, object, "cols", &cols) || !member(d, object, "rows", &rows)) return false;
    if (!cols && !rows) return decode_one(d, object, false, ret);
    if (!cols || !rows) return decode_fail(d, WIRE_F_MISSING_FIELD, "%s: is missing", cols ? "rows" : "cols");
    return decode_many(d, cols, rows, ret);
}
