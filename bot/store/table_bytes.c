/*
 * table_bytes.c: the bytes that a table is kept as: segments of the tail, columns and pyramid blocks of a chunk.
 *
 * Steps and times are differences in variable length; numbers are kept bit by bit, so that a NaN stays the NaN that it
 * was, and a column with absent values has a bitmap of those that are there.
 */
#include "table.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX ((size_t)1 << 30) /* SQLite's own limit of a blob */

void bytes_release(struct bytes *bytes) {
    free(bytes->at);
    *bytes = (struct bytes){0};
}

int bytes_reserve(struct bytes *bytes, size_t more) {
    if (more > BYTES_MAX || bytes->size + more > BYTES_MAX) return TB_ERANGE;
    size_t need = bytes->size + more;
    if (need <= bytes->room) return TB_OK;
    size_t room = bytes->room ? bytes->room : 256;
    while (room < need)
        room *= 2;
    unsigned char *at = realloc(bytes->at, room);
    if (!at) return TB_ENOMEM;
    bytes->at = at;
    bytes->room = room;
    return TB_OK;
}

static void bytes_put(struct bytes *bytes, const void *data, size_t size) {
    if (size) memcpy(bytes->at + bytes->size, data, size);
    bytes->size += size;
}

/* ---- segments: head, slots, steps, t_ms, epochs, values row by row ---- */

struct segment_head {
    uint32_t rows;
    uint32_t cols;
};

static size_t slots_size(size_t cols) {
    return (cols * sizeof(slot_t) + 7) / 8 * 8;
}

static size_t segment_size(size_t rows, size_t cols) {
    return sizeof(struct segment_head) + slots_size(cols) + rows * (3 + cols) * 8;
}

static int segment_begin(struct bytes *bytes, size_t rows, size_t cols, const slot_t *slots) {
    if (rows > TABLE_ROWS_MAX || cols > TABLE_SLOTS) return TB_ERANGE;
    int r = bytes_reserve(bytes, segment_size(rows, cols));
    if (r < 0) return r;
    bytes_put(bytes, &(struct segment_head){(uint32_t)rows, (uint32_t)cols}, sizeof(struct segment_head));
    bytes_put(bytes, slots, cols * sizeof *slots);
    memset(bytes->at + bytes->size, 0, slots_size(cols) - cols * sizeof *slots);
    bytes->size += slots_size(cols) - cols * sizeof *slots;
    return TB_OK;
}

int segment_encode(const struct source *source, struct bytes *bytes) {
    size_t rows = source->rows, cols = source->cols_count;
    int r = segment_begin(bytes, rows, cols, source->slots);
    if (r < 0) return r;
    bytes_put(bytes, source->steps, rows * 8);
    bytes_put(bytes, source->t_ms, rows * 8);
    bytes_put(bytes, source->epochs, rows * 8);
    if (cols > 0 && source->stride == cols && source->columns[cols - 1] == source->columns[0] + cols - 1) {
        bytes_put(bytes, source->columns[0], rows * cols * 8);
        return TB_OK;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < cols; c++)
            bytes_put(bytes, source->columns[c] + i * source->stride, 8);
    return TB_OK;
}

void segments_release(struct segments *segments) {
    bytes_release(&segments->bytes);
    bytes_release(&segments->offsets);
    *segments = (struct segments){0};
}

int segments_add(struct segments *segments, const void *data, size_t size) {
    struct segment_head head;
    if (size < sizeof head) return TB_EINVAL;
    memcpy(&head, data, sizeof head);
    if (head.rows > TABLE_ROWS_MAX || head.cols > TABLE_SLOTS || size != segment_size(head.rows, head.cols))
        return TB_EINVAL;
    const unsigned char *slots = (const unsigned char *)data + sizeof head;
    for (size_t c = 0; c < head.cols; c++) {
        slot_t slot;
        memcpy(&slot, slots + c * sizeof slot, sizeof slot);
        if (slot >= TABLE_SLOTS) return TB_EINVAL;
    }
    int r = bytes_reserve(&segments->bytes, size);
    if (r >= 0) r = bytes_reserve(&segments->offsets, sizeof(size_t));
    if (r < 0) return r;
    bytes_put(&segments->offsets, &segments->bytes.size, sizeof(size_t));
    bytes_put(&segments->bytes, data, size);
    segments->count++;
    segments->rows += head.rows;
    return TB_OK;
}

static struct source source_of_segment(const unsigned char *at, const double **columns) {
    struct segment_head head;
    memcpy(&head, at, sizeof head);
    struct source source = {.rows = head.rows, .cols_count = head.cols, .stride = head.cols};
    at += sizeof head;
    source.slots = (const slot_t *)(const void *)at;
    at += slots_size(head.cols);
    source.steps = (const int64_t *)(const void *)at;
    source.t_ms = source.steps + head.rows;
    source.epochs = (const double *)(const void *)(source.t_ms + head.rows);
    const double *values = source.epochs + head.rows;
    for (size_t c = 0; c < head.cols; c++)
        columns[c] = values + c;
    source.columns = columns;
    return source;
}

int segments_build(const struct segments *segments, const bool *wanted, struct table *ret_table) {
    const size_t *offsets = (const size_t *)(const void *)segments->offsets.at;
    size_t cols = 0;
    for (size_t s = 0; s < segments->count; s++) {
        struct segment_head head;
        memcpy(&head, segments->bytes.at + offsets[s], sizeof head);
        cols += head.cols;
    }
    struct source *sources = malloc((segments->count + 1) * sizeof *sources);
    const double **columns = malloc((cols + 1) * sizeof *columns);
    int r = TB_ENOMEM;
    if (sources && columns) {
        size_t used = 0;
        for (size_t s = 0; s < segments->count; s++) {
            sources[s] = source_of_segment(segments->bytes.at + offsets[s], columns + used);
            used += sources[s].cols_count;
        }
        r = table_build(sources, segments->count, wanted, ret_table);
    }
    free(columns);
    free(sources);
    return r;
}

/* Which rows of the slice go into a segment of one kind. */
static bool row_belongs(const struct table *table, size_t row, const bool *kind, bool want, bool bare_rows) {
    bool any = false;
    for (size_t c = 0; c < table->columns_count; c++) {
        if (is_absent(table->columns[c].values[row])) continue;
        if (kind[table->columns[c].slot] == want) return true;
        any = true;
    }
    return bare_rows && !any;
}

int segment_of_slice(struct slice slice, const bool *kind, bool want, bool bare_rows, struct bytes *bytes,
                     size_t *ret_rows) {
    const struct table *table = slice.table;
    slot_t slots[TABLE_SLOTS];
    const double *columns[TABLE_SLOTS];
    size_t cols = 0, rows = 0;
    for (size_t c = 0; c < table->columns_count; c++)
        if (kind[table->columns[c].slot] == want) {
            slots[cols] = table->columns[c].slot;
            columns[cols++] = table->columns[c].values;
        }
    size_t *picked = malloc((slice.to - slice.from + 1) * sizeof *picked);
    if (!picked) return TB_ENOMEM;
    for (size_t i = slice.from; i < slice.to; i++)
        if (row_belongs(table, i, kind, want, bare_rows)) picked[rows++] = i;
    int r = rows ? segment_begin(bytes, rows, cols, slots) : TB_OK;
    if (r >= 0 && rows) {
        for (size_t i = 0; i < rows; i++)
            bytes_put(bytes, &table->steps[picked[i]], 8);
        for (size_t i = 0; i < rows; i++)
            bytes_put(bytes, &table->t_ms[picked[i]], 8);
        for (size_t i = 0; i < rows; i++)
            bytes_put(bytes, &table->epochs[picked[i]], 8);
        for (size_t i = 0; i < rows; i++)
            for (size_t c = 0; c < cols; c++)
                bytes_put(bytes, &columns[c][picked[i]], 8);
    }
    free(picked);
    if (r >= 0) *ret_rows = rows;
    return r;
}

/* ---- columns of a chunk ---- */

int ints_encode(const int64_t *values, size_t count, struct bytes *bytes) {
    int r = bytes_reserve(bytes, count * 10 + 1); /* never NULL, also for none */
    if (r < 0) return r;
    uint64_t before = 0;
    unsigned char *at = bytes->at + bytes->size;
    for (size_t i = 0; i < count; i++) {
        uint64_t delta = (uint64_t)values[i] - before;
        uint64_t zigzag = (delta << 1) ^ (uint64_t) - (int64_t)(delta >> 63);
        before = (uint64_t)values[i];
        for (; zigzag >= 0x80; zigzag >>= 7)
            *at++ = (unsigned char)(zigzag | 0x80);
        *at++ = (unsigned char)zigzag;
    }
    bytes->size = (size_t)(at - bytes->at);
    return TB_OK;
}

int ints_decode(const void *data, size_t size, int64_t *ret_values, size_t count) {
    const unsigned char *at = data, *end = at + size;
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t zigzag = 0;
        unsigned shift = 0;
        for (;; shift += 7) {
            if (at == end || shift > 63) return TB_EINVAL;
            zigzag |= (uint64_t)(*at & 0x7f) << shift;
            if (!(*at++ & 0x80)) break;
        }
        value += (zigzag >> 1) ^ (uint64_t) - (int64_t)(zigzag & 1);
        ret_values[i] = (int64_t)value;
    }
    return at == end ? TB_OK : TB_EINVAL;
}

enum { DOUBLES_ALL = 0, DOUBLES_BITMAP = 1 };

int doubles_encode(const double *values, size_t count, struct bytes *bytes, size_t *ret_present) {
    size_t present = 0;
    for (size_t i = 0; i < count; i++)
        present += !is_absent(values[i]);
    *ret_present = present;
    if (present == 0) return TB_OK;
    size_t bitmap = present == count ? 0 : (count + 7) / 8;
    int r = bytes_reserve(bytes, 1 + bitmap + present * 8);
    if (r < 0) return r;
    bytes->at[bytes->size++] = bitmap ? DOUBLES_BITMAP : DOUBLES_ALL;
    if (!bitmap) {
        bytes_put(bytes, values, count * 8);
        return TB_OK;
    }
    unsigned char *bits = bytes->at + bytes->size;
    memset(bits, 0, bitmap);
    bytes->size += bitmap;
    for (size_t i = 0; i < count; i++) {
        if (is_absent(values[i])) continue;
        bits[i / 8] = (unsigned char)(bits[i / 8] | 1u << (i % 8));
        bytes_put(bytes, &values[i], 8);
    }
    return TB_OK;
}

int doubles_decode(const void *data, size_t size, double *ret_values, size_t count) {
    const unsigned char *at = data;
    if (size < 1) return TB_EINVAL;
    if (at[0] == DOUBLES_ALL) {
        if (size != 1 + count * 8) return TB_EINVAL;
        memcpy(ret_values, at + 1, count * 8);
        return TB_OK;
    }
    size_t bitmap = (count + 7) / 8;
    if (at[0] != DOUBLES_BITMAP || size < 1 + bitmap) return TB_EINVAL;
    const unsigned char *bits = at + 1, *values = bits + bitmap, *end = at + size;
    double absent = wire_absent();
    for (size_t i = 0; i < count; i++) {
        if (!(bits[i / 8] & 1u << (i % 8))) {
            ret_values[i] = absent;
            continue;
        }
        if (end - values < 8) return TB_EINVAL;
        memcpy(&ret_values[i], values, 8);
        values += 8;
    }
    return values == end ? TB_OK : TB_EINVAL;
}

/* ---- pyramid ---- */

static double block_value(double value, double progress, enum block_of of) {
    if (of == BLOCK_COLLIDED) return is_absent(value) ? value : progress;
    return is_absent(value) ? progress : value;
}

int blocks_encode(const int64_t *steps, const double *values, const double *progress, enum block_of of, size_t count,
                  struct bytes *bytes) {
    int r = bytes_reserve(bytes, (count / BLOCK_ROWS + 1) * sizeof(struct block));
    if (r < 0) return r;
    double absent = wire_absent();
    for (size_t from = 0; from < count; from += BLOCK_ROWS) {
        size_t to = from + BLOCK_ROWS < count ? from + BLOCK_ROWS : count;
        struct block block = {0};
        double min = INFINITY, max = -INFINITY;
        long double sum = 0; /* wide enough that no sum of doubles overflows */
        for (size_t i = from; i < to; i++) {
            double v = block_value(values[i], progress ? progress[i] : absent, of);
            if (is_absent(v)) continue;
            if (block.count + block.not_finite == 0) block.first_step = steps[i];
            block.last_step = steps[i];
            if (!isfinite(v)) {
                block.not_finite++;
                continue;
            }
            block.count++;
            min = v < min ? v : min;
            max = v > max ? v : max;
            sum += v;
            block.last = v;
        }
        if (block.count + block.not_finite == 0) continue;
        if (block.count) {
            block.min = min;
            block.max = max;
            block.mean = (double)(sum / block.count);
        }
        bytes_put(bytes, &block, sizeof block);
    }
    return TB_OK;
}
