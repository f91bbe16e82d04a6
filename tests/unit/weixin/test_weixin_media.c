/* The ciphers and sums of pictures, against published vectors and against what decrypts them. */
#include "weixin_media.h"
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* FIPS 197, appendix C.1: the first block; the padding makes a second. */
static void test_aes_vector(void **state) {
    unsigned char key[16], plain[16], *cipher = NULL;
    size_t size = 0;
    char hex[65];
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        key[i] = (unsigned char)i;
        plain[i] = (unsigned char)(i * 17);
    }
    assert_int_equal(weixin_encrypt(key, plain, 16, &cipher, &size), TB_OK);
    assert_int_equal(size, 32);
    weixin_hex(cipher, 32, hex);
    /* the second block: sixteen bytes 0x10 under this key */
    assert_string_equal(hex, "69c4e0d86a7b0430d8cdb78070b4c55a954f64f2e4e86e9eee82d20216684899");
    free(cipher);
}

static void test_padding(void **state) {
    static const struct {
        int64_t plain, cipher;
    } rows[] = {{0, 16}, {1, 16}, {15, 16}, {16, 32}, {17, 32}, {48211, 48224}, {1048576, 1048592}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(weixin_cipher_bytes(rows[i].plain), rows[i].cipher);
}

/* Every length: what is encrypted is what comes back, and as long as was promised to the service. */
static void test_round_trip(void **state) {
    unsigned char key[16], plain[200], back[256];
    (void)state;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (unsigned char)(i * 7);
    memset(key, 0x5a, sizeof key);
    for (size_t size = 0; size <= sizeof plain; size++) {
        unsigned char *cipher = NULL;
        size_t cipher_size = 0;
        int first = 0, last = 0;
        assert_int_equal(weixin_encrypt(key, plain, size, &cipher, &cipher_size), TB_OK);
        assert_int_equal(cipher_size, weixin_cipher_bytes((int64_t)size));
        EVP_CIPHER_CTX *reader = EVP_CIPHER_CTX_new();
        assert_int_equal(EVP_DecryptInit_ex(reader, EVP_aes_128_ecb(), NULL, key, NULL), 1);
        assert_int_equal(EVP_DecryptUpdate(reader, back, &first, cipher, (int)cipher_size), 1);
        assert_int_equal(EVP_DecryptFinal_ex(reader, back + first, &last), 1);
        EVP_CIPHER_CTX_free(reader);
        assert_int_equal(first + last, size);
        assert_memory_equal(back, plain, size);
        free(cipher);
    }
}

static void test_sums(void **state) { /* RFC 1321, A.5 */
    char hex[33];
    (void)state;
    assert_true(weixin_md5_hex("", 0, hex));
    assert_string_equal(hex, "d41d8cd98f00b204e9800998ecf8427e");
    assert_true(weixin_md5_hex("message digest", 14, hex));
    assert_string_equal(hex, "f96b697d7cb7938d525a2f31aaf161d0");
    weixin_hex((const unsigned char *)"\x00\x9f\xff", 3, hex);
    assert_string_equal(hex, "009fff");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aes_vector),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
