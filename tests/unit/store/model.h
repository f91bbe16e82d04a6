/*
 * model.h: a run's rows kept in the plainest way, to compare the store with.
 */
#ifndef TRAINBOT_TEST_STORE_MODEL_H
#define TRAINBOT_TEST_STORE_MODEL_H

#include "store.h"

#define MODEL_NAMES 8
#define MODEL_STEPS 40000

struct model_row {
    bool there;
    int64_t t_ms;
    double epoch;
    double values[2][MODEL_NAMES]; /* metric, progress */
};
/* Steps 0..MODEL_STEPS-1. Names are of a list of the test's. */
struct model {
    struct model_row rows[MODEL_STEPS];
    bool seen[2][MODEL_NAMES];
    int order[MODEL_NAMES]; /* names by first appearance */
    int order_count;
};
struct model *model_create(void);
/* rows->cols are of `names`. */
void model_append(struct model *model, const char *const *names, bool progress, const struct wire_rows *rows);
void model_rewind(struct model *model, int64_t step);
/* Reads the whole run through the store (reader NULL) or the reader and fails the test at the first difference. */
void model_compare(const struct model *model, const char *const *names, struct store *store,
                   struct store_reader *reader, int64_t run, int64_t from_step);
/* Compares store_reader_series of every column with the model's values. */
void model_compare_series(const struct model *model, const char *const *names, struct store_reader *reader, int64_t run,
                          size_t buckets);

#endif
