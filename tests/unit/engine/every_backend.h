/*
 * every_backend.h: runs a test on every backend and kernel set of this machine that the registry opens, with one thread
 * and with three.
 */
#ifndef TESTS_EVERY_BACKEND_H
#define TESTS_EVERY_BACKEND_H

#include "backend.h"

/* Opens each in turn; fails the test when there is none. The environment may name one kernel set (TESTS_CPU=avx2):
 * oneDNN holds a whole process to its first. */
void every_backend(void (*test)(struct backend *backend));

/* step_begin with a shape that no step had before: a device that records steps runs this one, whatever stood in the
 * last. Fails the test should it have replayed something. */
void begin_fresh_step(struct backend *backend, const struct step_values *values);

#endif
