/*
 * sandbox.h: for tests that touch files: a folder of their own, files with given bytes, and a child process without
 * root's rights. Everything asserts by itself.
 */
#ifndef TEST_SANDBOX_H
#define TEST_SANDBOX_H

#include <stddef.h>

/* A new folder under $TMPDIR, world-accessible; static storage, removed by sandbox_close. */
const char *sandbox_open(void);
void sandbox_close(void);
/* "FOLDER/name"; a few static buffers in turn. */
const char *sandbox_path(const char *name);
void sandbox_write(const char *name, const void *bytes, size_t size);
/* Runs `body` in a child that is nobody where we are root; its result (0..255) comes back. */
int sandbox_as_nobody(int (*body)(void));

#endif
