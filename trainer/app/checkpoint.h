/*
 * checkpoint.h: everything a training needs to go on bit for bit, in memory and as one file.
 *
 * File, little-endian: magic (8 bytes), version u32, head size u32, file size u64, the head (fields below, parameters,
 * from version 2 on the numbers, the table of tensors), zero bytes up to a multiple of 64, all floats, SHA-256 of all
 * before it. It is written beside, fsynced, renamed and the folder fsynced, so a name holds either the old file or the
 * whole new one. A file that is cut, grown or has one bit changed anywhere is refused.
 *
 * Not thread-safe; one object, one thread.
 */
#ifndef TRAINER_CHECKPOINT_H
#define TRAINER_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine.h"

#define CHECKPOINT_PARAMS_MAX 64
#define CHECKPOINT_NUMBERS_MAX 32
#define CHECKPOINT_TENSORS_MAX 4096
#define CHECKPOINT_FLOATS_MAX ((uint64_t)1 << 32)

struct checkpoint_param { /* a hyperparameter as text, read back by settings.c */
    char name[40], text[40];
};

struct checkpoint_number { /* what else a training must remember, by name: epochs.c */
    char name[40];
    double value;
};

struct checkpoint {
    char model[32];
    char numerics[128];    /* engine_numerics at the save, and the precision where it is not float32 */
    char lineage[40];      /* one random name from a fresh start through all its resumes */
    int64_t saved_ms;      /* Unix time */
    int64_t step, samples; /* completed steps; samples seen: the cursor of order.h */
    int64_t order;         /* enum order_kind */
    int64_t data_count;    /* training samples and their CRC-32 */
    int64_t data_checksum;
    double score; /* mean training loss since the checkpoint before; NaN: unknown */
    uint64_t words[ENGINE_WORDS];
    struct checkpoint_param params[CHECKPOINT_PARAMS_MAX];
    size_t params_count;
    struct checkpoint_number numbers[CHECKPOINT_NUMBERS_MAX];
    size_t numbers_count;          /* 0: a file of format 1, which had none */
    struct engine_tensor *tensors; /* owned, tensors_count */
    size_t tensors_count;
    float *values; /* owned: all tensors' floats, one after the other */
    size_t values_count;
};

void checkpoint_release(struct checkpoint *checkpoint);

/* Writes it to folder/name (name has no slash). 0 and *ret_bytes, or -1 with one line in `error` (APP_ERROR_SIZE); an
 * older file of that name then still stands and nothing is left behind. Blocks until the data is on disk. */
__attribute__((warn_unused_result)) int checkpoint_write(const struct checkpoint *checkpoint, const char *folder,
                                                         const char *name, int64_t *ret_bytes, char *error);

/* Reads and verifies the whole file. 0 (checkpoint_release frees), or -1 with `error`. */
__attribute__((warn_unused_result)) int checkpoint_read(const char *path, struct checkpoint *ret_checkpoint,
                                                        char *error);

/* The head alone, unverified, without tensors: for lists. Nothing to release. 0 or -1. */
__attribute__((warn_unused_result)) int checkpoint_peek(const char *path, struct checkpoint *ret_checkpoint);

/* ---- pure halves: the bytes of a whole file ---- */

struct checkpoint_bytes {
    uint8_t *front; /* owned: all before the floats */
    size_t front_size;
    const uint8_t *values; /* borrowed from the checkpoint */
    size_t values_size;
    uint8_t digest[32]; /* SHA-256 */
    uint64_t file_size;
};
/* 0 (caller frees `front`), or -1: no memory, or more parameters and tensors than a head may hold. */
__attribute__((warn_unused_result)) int checkpoint_encode(const struct checkpoint *checkpoint,
                                                          struct checkpoint_bytes *ret_bytes);
__attribute__((warn_unused_result)) int checkpoint_decode(const uint8_t *bytes, size_t size,
                                                          struct checkpoint *ret_checkpoint, char *error);
/* The number of that name, or `otherwise`. */
double checkpoint_number(const struct checkpoint *checkpoint, const char *name, double otherwise);
/* Sets it; further ones than there is room for are dropped. */
void checkpoint_number_set(struct checkpoint *checkpoint, const char *name, double value);

/* The fields before the tensors, from the first `have` bytes of a file of `size` bytes. */
__attribute__((warn_unused_result)) int checkpoint_decode_head(const uint8_t *bytes, size_t have, uint64_t size,
                                                               struct checkpoint *ret_checkpoint);

#endif
