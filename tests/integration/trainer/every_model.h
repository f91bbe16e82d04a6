/*
 * every_model.h: the names of all models that the program has, for tests that hold for each of them; and a checkpoint
 * of any of them that breaks at will.
 */
#ifndef TEST_EVERY_MODEL_H
#define TEST_EVERY_MODEL_H

#include <stddef.h>

#define EVERY_MODEL_MAX 32
#define POISON_HARMLESS "1e-44" /* the learning rate at which a poisoned network trains on */

/* As --help lists them; static. Returns how many. */
size_t every_model(const char *const **ret_names);
/* The same of --backend, "auto" left out. */
size_t every_backend(const char *const **ret_names);

/* Trains `model` with SGD for two steps and makes all its velocities huge: FOLDER/step-2. With a rate like
 * POISON_HARMLESS that is not felt, with a large one no weight survives the next step. */
void poisoned_make(const char *model, const char *folder);

#endif
