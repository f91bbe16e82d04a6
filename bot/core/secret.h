/*
 * secret.h: a token, a password, a key: bytes that must stand in no log, error, trace or answer. The type's only way out
 * is secret_reveal, so that a search for it finds every use; what is to be shown of a secret is SECRET_SHOWN. Memory is
 * wiped when it is given back. Any thread.
 */
#ifndef TRAINBOT_SECRET_H
#define TRAINBOT_SECRET_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>

#define SECRET_SHOWN "***"
#define SECRET_MAX 8192 /* bytes */

struct secret {
    char *bytes; /* with a zero behind; NULL: none. Only secret.c touches it */
    size_t size;
};

/* Copies; the old value is wiped. size 0: as secret_clear. TB_OK, TB_ENOMEM, TB_ERANGE (longer than SECRET_MAX). */
MUST_USE int secret_set(struct secret *secret, const char *bytes, size_t size);
/* What a file holds, blanks and newlines around it left out. TB_EACCESS where others may read it, TB_ENOTFOUND, TB_EIO,
 * TB_EINVAL (empty, or bytes that are not printable ASCII), TB_ERANGE; `why` gets one line that names the file. Blocks
 * for a small read. */
MUST_USE int secret_read(struct secret *secret, const char *path, char *why, size_t why_size);
void secret_clear(struct secret *secret); /* wipes; NULL and cleared ones are fine */
bool secret_is_set(const struct secret *secret);
/* The bytes, borrowed until the next set or clear; "" where there are none. Give it to nothing that prints. */
const char *secret_reveal(const struct secret *secret);
/* In constant time. */
bool secret_equals(const struct secret *secret, const char *bytes, size_t size);

#endif
