/*
 * schema.h: what a trainer declares (parameters with ranges, own commands) before a run of it says hello: the output of
 * its `describe` command, kept in the store under "describe/TRAINER" as long as the command and the files it names stay
 * the same, and asked anew once in a bot's life; without `describe`, what its newest run declared.
 */
#ifndef TRAINBOT_SCHEMA_H
#define TRAINBOT_SCHEMA_H

#include "command.h"

/* DONE: *ret_declared is it (borrowed until the next call; NULL: this trainer declares nothing). AGAIN: being asked
 * now, the request is run again when it is known. REFUSED: it could not be asked, and the reason was said. */
enum verdict schema_get(struct request *request, const struct trainer_settings *trainer,
                        const struct run **ret_declared);
/* As above but never asks and never says: what is known now, or NULL. */
const struct run *schema_known(struct bot *bot, const struct trainer_settings *trainer);
/* A run that carries what the JSON declares; NULL: it is no declaration. Caller frees with run_free. Pure. */
struct run *schema_parse(const char *json, size_t size, const char *name);

/* The trainer that values for the next start mean when nothing runs: the chosen run's, else the default one. NULL: none
 * is configured. */
const struct trainer_settings *schema_default_trainer(struct bot *bot, const char *channel, const char *chat);

#endif
