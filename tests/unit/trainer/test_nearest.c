/* test_nearest.c: what a mistyped model name meant, and that nothing is guessed at far from all. */
#include "nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const names[] = {"cnn", "lenet", "mlp",  "softmax", "autoencoder", "conv-autoencoder",
                                    "vae", "gan",   "dcgan"};
#define COUNT (sizeof names / sizeof *names)

static void means(const char *word, const char *name) {
    int found = nearest(word, names, COUNT);
    if (found < 0) fail_msg("nothing near \"%s\"", word);
    assert_string_equal(names[found], name);
}

static void near(void **state) {
    (void)state;
    means("lenet5", "lenet");
    means("lente", "lenet"); /* swapped neighbours are one mistake */
    means("cn", "cnn");
    means("cmn", "cnn");
    means("autoencodr", "autoencoder");
    means("conv_autoencoder", "conv-autoencoder");
    means("gan", "gan");
    means("dcagn", "dcgan");
}

static void far(void **state) {
    (void)state;
    assert_int_equal(nearest("transformer", names, COUNT), -1);
    assert_int_equal(nearest("", names, COUNT), -1);
    assert_int_equal(nearest("x", names, COUNT), -1);
    assert_int_equal(nearest("cnn", names, 0), -1);
    assert_int_equal(nearest("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", names, COUNT), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(near), cmocka_unit_test(far)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
