/* fixtures.h: the lines that every publisher and reader of the wire must agree on; cmocka's headers in their order. */
#ifndef TESTS_PROTOCOL_FIXTURES_H
#define TESTS_PROTOCOL_FIXTURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Calls on_line for each line of tests/unit/protocol/fixtures/NAME; fails when there is none. */
void fixture_lines(const char *name, void (*on_line)(const char *line, void *user), void *user);

#endif
