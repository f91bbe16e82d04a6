/*
 * records.h: which step shapes have been seen, and the recording of each. Knows nothing of CUDA.
 *
 * The first step of a shape runs as it is (algorithms are chosen, memory grows), the second runs and is recorded, all
 * later ones are replayed. A shape that could not be recorded stays with running. Recordings hold addresses: when
 * memory is freed all are dropped and the count begins anew.
 */
#ifndef BACKENDS_CUDA_RECORDS_H
#define BACKENDS_CUDA_RECORDS_H

#include <stdbool.h>
#include <stdint.h>

#define RECORDS_MAX 16

enum record_state { RECORD_EMPTY, RECORD_SEEN, RECORD_KEPT, RECORD_REFUSED };

struct record {
    enum record_state state;
    uint64_t shape, used; /* used: when last, for the choice of what makes room */
    void *recording;
};

struct records {
    struct record table[RECORDS_MAX];
    uint64_t clock;
    void (*release)(void *recording);
};

enum record_action { RECORD_RUN, RECORD_RUN_AND_RECORD, RECORD_REPLAY };

void records_init(struct records *records, void (*release)(void *recording));
/* What to do with a step of this shape; *ret_recording is borrowed until the next call, set with RECORD_REPLAY. */
enum record_action records_begin(struct records *records, uint64_t shape, void **ret_recording);
/* Takes the recording of a shape that records_begin said to record (or to run, after a drop in between). */
void records_keep(struct records *records, uint64_t shape, void *recording);
/* The shape is not recorded, nor tried again. */
void records_refuse(struct records *records, uint64_t shape);
void records_drop(struct records *records);

#endif
