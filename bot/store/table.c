/*
 * table.c: makes one table, a row a step, out of rows in the order they came.
 *
 * Nothing of a value that was there is lost in this: only the same series at the same step is overwritten.
 */
#include "table.h"
#include <stdlib.h>
#include <string.h>

void table_release(struct table *table) {
    for (size_t i = 0; i < table->columns_count; i++)
        free(table->columns[i].values);
    free(table->columns);
    free(table->steps);
    free(table->t_ms);
    free(table->epochs);
    *table = (struct table){0};
}

static double *absent_column(size_t rows, double absent) {
    double *values = malloc((rows ? rows : 1) * sizeof *values);
    for (size_t r = 0; values && r < rows; r++)
        values[r] = absent;
    return values;
}

int table_init(struct table *table, size_t rows, const slot_t *slots, size_t slots_count) {
    *table = (struct table){0};
    if (rows > TABLE_ROWS_MAX) return TB_ERANGE;
    double absent = wire_absent();
    table->rows = rows;
    table->steps = calloc(rows ? rows : 1, sizeof *table->steps);
    table->t_ms = calloc(rows ? rows : 1, sizeof *table->t_ms);
    table->epochs = absent_column(rows, absent);
    table->columns = calloc(slots_count ? slots_count : 1, sizeof *table->columns);
    if (!table->steps || !table->t_ms || !table->epochs || !table->columns) goto fail;
    for (size_t i = 0; i < slots_count; i++) {
        table->columns[i].slot = slots[i];
        table->columns[i].values = absent_column(rows, absent);
        table->columns_count = i + 1;
        if (!table->columns[i].values) goto fail;
    }
    return TB_OK;
fail:
    table_release(table);
    return TB_ENOMEM;
}

const double *table_column(const struct table *table, slot_t slot) {
    for (size_t i = 0; i < table->columns_count; i++)
        if (table->columns[i].slot == slot) return table->columns[i].values;
    return NULL;
}

size_t table_after(const struct table *table, int64_t step) {
    size_t low = 0, high = table->rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->steps[middle] <= step)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- building ---- */

struct arrival {
    int64_t step;
    uint32_t order;
};

static int arrival_compare(const void *a, const void *b) {
    const struct arrival *x = a, *y = b;
    if (x->step != y->step) return x->step < y->step ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Fills row_of[i], the row that the i-th arrival belongs to, and returns the count of rows. */
static size_t rows_assign(struct arrival *arrivals, size_t count, uint32_t *row_of) {
    bool sorted = true;
    for (size_t i = 1; sorted && i < count; i++)
        sorted = arrivals[i - 1].step <= arrivals[i].step;
    if (!sorted) qsort(arrivals, count, sizeof *arrivals, arrival_compare);
    size_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || arrivals[i].step != arrivals[i - 1].step) rows++;
        row_of[arrivals[i].order] = (uint32_t)(rows - 1);
    }
    return rows;
}

static size_t slots_collect(const struct source *sources, size_t count, const bool *wanted, slot_t *slots) {
    bool seen[TABLE_SLOTS] = {false};
    size_t slots_count = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t c = 0; c < sources[s].cols_count; c++) {
            slot_t slot = sources[s].slots[c];
            if (seen[slot] || (wanted && !wanted[slot])) continue;
            seen[slot] = true;
            slots[slots_count++] = slot;
        }
    return slots_count;
}

static void source_scatter(const struct source *source, const uint32_t *row_of, double *const *by_slot,
                           struct table *table) {
    for (size_t r = 0; r < source->rows; r++) {
        size_t to = row_of[r];
        table->steps[to] = source->steps[r];
        if (source->t_ms[r] != 0) table->t_ms[to] = source->t_ms[r];
        if (!is_absent(source->epochs[r])) table->epochs[to] = source->epochs[r];
    }
    for (size_t c = 0; c < source->cols_count; c++) {
        double *values = by_slot[source->slots[c]];
        if (!values) continue;
        const double *from = source->columns[c];
        for (size_t r = 0; r < source->rows; r++, from += source->stride)
            if (!is_absent(*from)) values[row_of[r]] = *from;
    }
}

int table_build(const struct source *sources, size_t count, const bool *wanted, struct table *ret_table) {
    size_t total = 0;
    for (size_t s = 0; s < count; s++)
        total += sources[s].rows;
    if (total > TABLE_ROWS_MAX) return TB_ERANGE;

    struct table table = {0};
    struct arrival *arrivals = malloc((total + 1) * sizeof *arrivals);
    uint32_t *row_of = malloc((total + 1) * sizeof *row_of);
    double **by_slot = calloc(TABLE_SLOTS, sizeof *by_slot);
    slot_t slots[TABLE_SLOTS];
    int r = TB_ENOMEM;
    if (!arrivals || !row_of || !by_slot) goto out;

    size_t n = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < sources[s].rows; i++, n++)
            arrivals[n] = (struct arrival){sources[s].steps[i], (uint32_t)n};
    size_t rows = rows_assign(arrivals, total, row_of);
    r = table_init(&table, rows, slots, slots_collect(sources, count, wanted, slots));
    if (r < 0) goto out;
    for (size_t i = 0; i < table.columns_count; i++)
        by_slot[table.columns[i].slot] = table.columns[i].values;
    n = 0;
    for (size_t s = 0; s < count; n += sources[s].rows, s++)
        source_scatter(&sources[s], row_of + n, by_slot, &table);
    *ret_table = table;
out:
    free(by_slot);
    free(row_of);
    free(arrivals);
    return r;
}

struct slice_source {
    slot_t slots[TABLE_SLOTS];
    const double *columns[TABLE_SLOTS];
};

static struct source source_of_slice(struct slice slice, struct slice_source *room) {
    const struct table *table = slice.table;
    for (size_t c = 0; c < table->columns_count; c++) {
        room->slots[c] = table->columns[c].slot;
        room->columns[c] = table->columns[c].values + slice.from;
    }
    return (struct source){
        .rows = slice.to - slice.from,
        .cols_count = table->columns_count,
        .stride = 1,
        .steps = table->steps + slice.from,
        .t_ms = table->t_ms + slice.from,
        .epochs = table->epochs + slice.from,
        .slots = room->slots,
        .columns = room->columns,
    };
}

int table_overlay(struct slice below, struct slice above, struct table *ret_table) {
    struct slice_source *room = malloc(2 * sizeof *room);
    if (!room) return TB_ENOMEM;
    struct source sources[2] = {source_of_slice(below, &room[0]), source_of_slice(above, &room[1])};
    int r = table_build(sources, 2, NULL, ret_table);
    free(room);
    return r;
}
