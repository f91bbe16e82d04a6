/*
 * ripple_run.h: the pond's parts share this: ripple.c begins and ends it, ripple_run.c goes through its steps and does
 * what the person asks for, ripple_state.c keeps its checkpoints. One thread.
 *
 * Always: `last` is a state that was finite when it was taken; from the start on there is one.
 */
#ifndef TRAINER_RIPPLE_RUN_H
#define TRAINER_RIPPLE_RUN_H

#include "ripple_field.h"
#include "ripple_params.h"
#include "trainer.h"

struct ripple {
    const struct options *options;
    struct ripple_params params;
    struct ripple_field field;
    struct tb_run *run;         /* NULL outside of a run */
    int64_t step, resumed_from; /* resumed_from: -1 fresh */
    enum ending ending;
    bool burst; /* its sums are not finite: only `last` is worth a file */
    bool begun; /* steps are being made: what does not live is fixed */

    struct checkpoint last; /* u and ut */
    float *spare;           /* as many floats as last.values */
    struct shelf shelf;     /* lock -1: no checkpoints are written */
    char last_path[SHELF_PATH_MAX];
    bool last_on_disk, save_failing;
};

static inline int64_t ripple_total(const struct ripple *ripple) {
    return ripple_int(&ripple->params, RIPPLE_STEPS);
}

/* ---- ripple_state.c ---- */

/* Loads what --resume names, parameters included. EXIT_GOOD also where nothing is resumed, or another status with
 * `error`. */
__attribute__((warn_unused_result)) int ripple_state_load(struct ripple *ripple, char *error);
/* The folder for checkpoints, as far as they are written. Same results. */
__attribute__((warn_unused_result)) int ripple_state_shelf(struct ripple *ripple, char *error);
/* The field at its start, or as loaded, and `last` with it. Same results. */
__attribute__((warn_unused_result)) int ripple_state_begin(struct ripple *ripple, char *error);
/* Back to `last`. */
void ripple_state_restore(struct ripple *ripple);
/* Takes the state, unless it is not finite, and writes it; tells the person. `asked`: somebody waits for the answer. */
void ripple_state_save(struct ripple *ripple, bool asked);
void ripple_state_release(struct ripple *ripple);

/* ---- ripple_run.c ---- */

/* From the opening of the run to its end. Returns the exit status; says everything itself. */
int ripple_run(struct ripple *ripple);
/* The command for the chat; static. */
const struct tb_command *ripple_command(void);
/* The pond as PNG, caller frees, and one line about it. 0 or -1 (no memory). */
__attribute__((warn_unused_result)) int ripple_frame(struct ripple *ripple, bool zh, char *text, size_t text_size,
                                                     uint8_t **ret_png, size_t *ret_size);

#endif
