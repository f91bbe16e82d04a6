/* sha256.h: FIPS 180-4 SHA-256, so that the library a program links needs no other. */
#ifndef TRAINBOT_SHA256_H
#define TRAINBOT_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* The digest as 64 lower-case hex digits and a NUL. */
void sha256_hex(const void *bytes, size_t size, char ret_hex[65]);

#endif
