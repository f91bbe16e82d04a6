/*
 * registry.h: the backends that this build has. Only registry.c names them.
 */
#ifndef TRAINER_REGISTRY_H
#define TRAINER_REGISTRY_H

#include "backend.h"

/* Opens the backend called `name`, or with "auto" the first of the table that works. Writes why it was taken into
 * `ret_why` (BACKEND_TEXT_SIZE; "" where it was asked for by name). 0, or negative engine_error and a line in `error`.
 */
__attribute__((warn_unused_result)) int registry_open(const char *name, const struct backend_options *options,
                                                      struct backend **ret_backend, char *ret_why, char *error);

#endif
