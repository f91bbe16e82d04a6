/* test_feeder.c: whatever is asked for in whatever order, each batch is what (order, samples seen, size, augmentation)
 * make of it, though a thread has usually prepared it and sometimes for nothing. */
#include "augment.h"
#include "feeder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COUNT = 300, SIDE = 28, IMAGE = SIDE * SIDE, SEED = 11 };

struct stage {
    uint8_t pixels[COUNT * IMAGE], labels[COUNT];
    struct data_set set;
    struct order order, oracle;
    struct feeder *feeder;
};

static int up(void **state) {
    struct stage *s = calloc(1, sizeof *s);
    unsigned x = 1;
    for (size_t i = 0; i < sizeof s->pixels; i++)
        s->pixels[i] = (uint8_t)((x = x * 1103515245u + 12345u) >> 16);
    for (int i = 0; i < COUNT; i++)
        s->labels[i] = (uint8_t)(i % 10);
    s->set = (struct data_set){.pixels = s->pixels, .labels = s->labels, .count = COUNT, .height = SIDE, .width = SIDE};
    if (order_init(&s->order, ORDER_SHUFFLE, SEED, COUNT) != 0 || order_hold(&s->order, 0.1) != 0) return -1;
    if (order_init(&s->oracle, ORDER_SHUFFLE, SEED, COUNT) != 0 || order_hold(&s->oracle, 0.1) != 0) return -1;
    *state = s;
    return feeder_create(&s->set, &s->order, SEED, &s->feeder);
}

static int down(void **state) {
    struct stage *s = *state;
    feeder_free(s->feeder);
    order_release(&s->order);
    order_release(&s->oracle);
    free(s);
    return 0;
}

static void expect(struct stage *s, int64_t seen, int64_t count, bool augment) {
    struct batch batch;
    assert_int_equal(feeder_next(s->feeder, seen, count, augment, &batch), 0);
    assert_int_equal(batch.count, count);
    for (int64_t i = 0; i < count; i++) {
        uint32_t index;
        uint8_t wanted[IMAGE];
        order_take(&s->oracle, seen + i, 1, &index);
        const struct augment_map map =
            augment ? augment_draw(SEED, seen + i, SIDE, SIDE) : augment_compose(0, 0, 0, 1, 1, SIDE, SIDE);
        augment_apply(&map, s->pixels + (size_t)index * IMAGE, SIDE, SIDE, wanted);
        assert_memory_equal(batch.pixels + i * IMAGE, wanted, IMAGE);
        assert_int_equal(batch.labels[i], s->labels[index]);
    }
}

static void straight_on(void **state) {
    for (int64_t i = 0; i < 60; i++)
        expect(*state, i * 32, 32, true);
}

static void plain(void **state) {
    for (int64_t i = 0; i < 60; i++)
        expect(*state, i * 17, 17, false);
}

/* Sizes, augmentation and the cursor change at any time, also back to where the run has been. */
static void changes(void **state) {
    unsigned x = 7;
    int64_t seen = 0, count = 20;
    bool augment = true;
    for (int i = 0; i < 400; i++) {
        x = x * 1103515245u + 12345u;
        if ((x >> 16) % 5 == 0) count = 1 + (x >> 20) % 64;
        if ((x >> 16) % 7 == 0) augment = !augment;
        if ((x >> 16) % 31 == 0) seen -= seen > 400 ? 400 : seen;
        expect(*state, seen, count, augment);
        seen += count;
    }
}

/* The thread may be at work when the feeder goes, and there may never have been one. */
static void ended_early(void **state) {
    struct stage *s = *state;
    for (int i = 0; i < 50; i++) {
        feeder_free(s->feeder);
        assert_int_equal(feeder_create(&s->set, &s->order, SEED, &s->feeder), 0);
        if (i % 2 == 0) expect(s, i, 200, true);
    }
    feeder_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(straight_on, up, down),
        cmocka_unit_test_setup_teardown(plain, up, down),
        cmocka_unit_test_setup_teardown(changes, up, down),
        cmocka_unit_test_setup_teardown(ended_early, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
