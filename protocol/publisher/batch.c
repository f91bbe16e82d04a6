/* batch.c: see batch.h. */
#include "batch.h"
#include "wire_json.h"

#include <math.h>
#include <string.h>

static bool name_good(const char *name) {
    if (!name || !*name) return false;
    size_t size = strlen(name);
    if (size > TB_NAME_MAX || !utf8_valid(name, size)) return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return true;
}

static bool known(const struct batch *b, const char *name) {
    for (size_t i = 0; i < b->cols_count; i++)
        if (strcmp(b->cols[i], name) == 0) return true;
    return false;
}

static void take_names(struct batch *b, const struct ring_row *row) {
    b->given_count = row->count;
    b->cols_count = 0;
    for (size_t i = 0; i < row->count; i++) {
        const char *name = row->values[i].name;
        b->given[i] = name;
        if (!name_good(name) || known(b, name)) continue;
        b->from[b->cols_count] = (uint8_t)i;
        b->cols[b->cols_count++] = name;
    }
}

static bool same_names(const struct batch *b, const struct ring_row *row) {
    if (b->given_count != row->count) return false;
    for (size_t i = 0; i < row->count; i++) {
        const char *a = b->given[i], *c = row->values[i].name;
        if (a != c && (!a || !c || strcmp(a, c) != 0)) return false;
    }
    return true;
}

bool batch_add(struct batch *b, const struct ring_row *row) {
    if (b->rows_count == BATCH_ROWS || (b->rows_count > 0 && !same_names(b, row))) return false;
    if (b->rows_count == 0) take_names(b, row);
    size_t at = b->rows_count++;
    b->steps[at] = row->step < 0 ? 0 : row->step;
    b->t_ms[at] = row->t_ms;
    b->epochs[at] = isnan(row->epoch) ? wire_absent() : row->epoch;
    for (size_t i = 0; i < b->cols_count; i++) {
        double v = row->values[b->from[i]].value;
        b->values[at * b->cols_count + i] = isnan(v) ? NAN : v;
    }
    return true;
}

struct wire_rows batch_rows(const struct batch *b) {
    return (struct wire_rows){.cols = b->cols,
                              .cols_count = b->cols_count,
                              .rows_count = b->rows_count,
                              .steps = b->steps,
                              .t_ms = b->t_ms,
                              .epochs = b->epochs,
                              .values = b->values};
}
