/*
 * fixture.h: a store in a folder of its own that is removed afterwards, and shorthands for records and rows.
 */
#ifndef TRAINBOT_TEST_STORE_FIXTURE_H
#define TRAINBOT_TEST_STORE_FIXTURE_H

#include "store.h"
#include <stdio.h>

struct fixture {
    char dir[64];
    struct store *store;
};
/* cmocka setup and teardown; *state is the fixture. */
int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Closes and opens again. */
void fixture_reopen(struct fixture *fixture);
/* Fails the test with the error's number unless r is TB_OK. */
#define assert_ok(r) assert_int_equal((r), TB_OK)

/* A run with every text "" and every number 0; returns its id. */
int64_t fixture_run(struct store *store);
struct run_record fixture_record(void);
/* One row of one column. */
int fixture_log(struct store *store, int64_t run, bool progress, const char *name, int64_t step, double value);

/* A generator that gives the same numbers on every machine. */
struct random {
    uint64_t state;
};
uint64_t random_next(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound);

#endif
