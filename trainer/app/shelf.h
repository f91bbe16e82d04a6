/*
 * shelf.h: a folder of checkpoints. Files are named step-N; the last SHELF_KEEP of this training, its best one, and the
 * one last saved because somebody asked stay, older ones go. Only files of the same lineage are ever removed; a folder
 * is locked, so two trainings never write into one.
 */
#ifndef TRAINER_SHELF_H
#define TRAINER_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint.h"

#define SHELF_KEEP 3
#define SHELF_FILES_MAX 64

struct shelf_file {
    int64_t step, saved_ms;
    double score;
};

struct shelf {
    char folder[4096];                        /* absolute */
    int lock;                                 /* descriptor of the folder, -1: not open */
    struct shelf_file files[SHELF_FILES_MAX]; /* of this lineage, oldest save first */
    size_t files_count;
    int64_t asked_step; /* never removed; -1: none */
    int64_t kept_step;  /* the best epoch's: never removed, and the best whatever the scores say; -1: none */
};

/* Makes the folder (and those above it) where missing, locks it, and learns which files of `lineage` are there.
 * 0, or -1 with one line in `error` (APP_ERROR_SIZE). shelf_close releases. */
__attribute__((warn_unused_result)) int shelf_open(struct shelf *shelf, const char *folder, const char *lineage,
                                                   char *error);
void shelf_close(struct shelf *shelf);

/* Writes the checkpoint as step-N, then removes what need not stay, and points the link `best` at the one with the
 * lowest score. `asked`: keep this one until the next that is asked for. ret_path holds 4096 + 32 bytes.
 * 0, or -1 with `error`; nothing is removed then. */
__attribute__((warn_unused_result)) int shelf_save(struct shelf *shelf, const struct checkpoint *checkpoint, bool asked,
                                                   char *ret_path, int64_t *ret_bytes, char *error);

/* The path of the checkpoint in `folder` that was saved last and verifies; damaged ones are passed over, their number
 * in *ret_damaged. 0 and the loaded checkpoint, or -1 with `error`. */
__attribute__((warn_unused_result)) int shelf_latest(const char *folder, char *ret_path,
                                                     struct checkpoint *ret_checkpoint, int *ret_damaged, char *error);

#define SHELF_PATH_MAX (4096 + 32)

#endif
