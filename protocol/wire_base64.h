/* wire_base64.h: RFC 4648 base64 with padding, for image chunks. Decoding is strict: no blanks, padding required. */
#ifndef TRAINBOT_WIRE_BASE64_H
#define TRAINBOT_WIRE_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Writes 4 * ((size + 2) / 3) characters, no NUL; returns their count. */
size_t base64_encode(const uint8_t *bytes, size_t size, char *text);
/* Writes at most size / 4 * 3 bytes; returns their count, or -1: no base64. */
ssize_t base64_decode(const char *text, size_t size, uint8_t *bytes);

#endif
