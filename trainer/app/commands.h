/*
 * commands.h: --call, a trainer's own command on a resumed checkpoint. trainer_commands (trainer.h) declares the same
 * rows to the chat.
 */
#ifndef TRAINER_COMMANDS_H
#define TRAINER_COMMANDS_H

#include "trainer.h"

/* Runs options->call on a prepared trainer: the text on stdout, then one line "image: PATH" for each picture written.
 * Exit status, with `error` (APP_ERROR_SIZE) where it is not EXIT_GOOD. */
int command_call(struct trainer *trainer, char *error);

#endif
