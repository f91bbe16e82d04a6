/*
 * ripple.h: --model ripple, rain on a pond (ripple_field.h) as a job that is watched and steered like a training and is
 * none: parameters, pictures, pause, stop, checkpoints that go on bit for bit, progress lines, --describe, --bench,
 * --call.
 */
#ifndef TRAINER_RIPPLE_H
#define TRAINER_RIPPLE_H

#include <stdbool.h>

#include "options.h"

#define RIPPLE_NAME "ripple"

/* Whether these options mean it: by --model, or by the checkpoint that is resumed. */
bool ripple_meant(const struct options *options);
/* Does what the options ask for. An enum exit_status of trainer.h, with one line in `error` (APP_ERROR_SIZE) where it
 * is not EXIT_GOOD and nothing has been said yet. */
int ripple_main(const struct options *options, char *error);

#endif
