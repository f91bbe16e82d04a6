/* Pictures for WeChat: keys, ciphers, sums. See weixin_media.h; weixin_upload.c brings them to the service. */
#include "weixin_media.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

void weixin_media_clear(struct weixin_media *media) {
    if (media->param) OPENSSL_cleanse(media->param, strlen(media->param));
    free(media->param);
    OPENSSL_cleanse(media, sizeof *media);
    *media = (struct weixin_media){0};
}

int64_t weixin_cipher_bytes(int64_t plain_bytes) {
    return (plain_bytes / 16 + 1) * 16;
}

int weixin_encrypt(const unsigned char key[16], const void *plain, size_t size, unsigned char **ret_cipher,
                   size_t *ret_size) {
    if (size > INT_MAX - 32) return TB_ERANGE;
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    unsigned char *bytes = malloc(size + 32);
    int first = 0, last = 0;
    bool good = cipher && bytes && EVP_EncryptInit_ex(cipher, EVP_aes_128_ecb(), NULL, key, NULL) == 1 &&
                EVP_EncryptUpdate(cipher, bytes, &first, plain, (int)size) == 1 &&
                EVP_EncryptFinal_ex(cipher, bytes + first, &last) == 1;
    EVP_CIPHER_CTX_free(cipher);
    if (!good) {
        free(bytes);
        return TB_ENOMEM;
    }
    *ret_cipher = bytes;
    *ret_size = (size_t)first + (size_t)last;
    return TB_OK;
}

void weixin_hex(const unsigned char *bytes, size_t size, char *hex) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *hex++ = digits[bytes[i] >> 4];
        *hex++ = digits[bytes[i] & 15];
    }
    *hex = 0;
}

bool weixin_md5_hex(const void *bytes, size_t size, char hex[33]) {
    unsigned char sum[EVP_MAX_MD_SIZE];
    if (EVP_Digest(bytes, size, sum, NULL, EVP_md5(), NULL) != 1) return false;
    weixin_hex(sum, 16, hex);
    return true;
}
