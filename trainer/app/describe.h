/*
 * describe.h: what hello says of parameters and commands, as one line of JSON, so that ranges are known before a first
 * start. Field names and shapes are those of wire protocol v1.
 */
#ifndef TRAINER_DESCRIBE_H
#define TRAINER_DESCRIBE_H

#include "trainbot.h"

/* {"params":[...],"commands":[...]}; caller frees. NULL: no memory. */
char *describe(const struct tb_param *params, size_t params_count, const struct tb_command *commands,
               size_t commands_count);

#endif
