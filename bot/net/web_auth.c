/*
 * web_auth.c: see web_auth.h.
 */
#include "web_auth.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOKEN_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
#define TOKEN_BYTES 32
#define MAC_BYTES 32

void web_base64url(const uint8_t *bytes, size_t count, char *text, size_t size) {
    size_t out = 0;
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i < 3 ? count - i : 3;
        uint32_t group =
            (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
        for (size_t j = 0; j <= left && out + 1 < size; j++)
            text[out++] = TOKEN_CHARS[group >> (18 - 6 * j) & 63];
    }
    text[out] = 0;
}

static int make_token(const char *path, char *why, size_t why_size) {
    uint8_t bytes[TOKEN_BYTES];
    char text[TOKEN_BYTES * 2];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        snprintf(why, why_size, "no random bytes: %s", strerror(errno));
        return TB_EIO;
    }
    web_base64url(bytes, sizeof(bytes), text, sizeof(text) - 1);
    strcat(text, "\n");
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fsync(fd) == 0;
    if (!ok) snprintf(why, why_size, "token_file=%s cannot be made: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        if (!ok) unlink(path);
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    OPENSSL_cleanse(text, sizeof(text));
    return ok ? TB_OK : TB_EIO;
}

static int read_token(int fd, const char *path, struct web_token *ret_token, char *why, size_t why_size) {
    struct stat status;
    char text[WEB_TOKEN_SIZE + 2] = "";
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        snprintf(why, why_size, "token_file=%s is not a file", path);
        return TB_EINVAL;
    }
    if (status.st_mode & 077) {
        snprintf(why, why_size, "token_file=%s can be read by others (mode %03o): chmod 600 it", path,
                 (unsigned)status.st_mode & 0777);
        return TB_EACCESS;
    }
    ssize_t size = read(fd, text, sizeof(text) - 1);
    size_t length = size > 0 ? strcspn(text, "\r\n") : 0;
    text[length] = 0;
    if (length < 16 || length >= WEB_TOKEN_SIZE || strspn(text, TOKEN_CHARS) != length) {
        snprintf(why, why_size, "token_file=%s: one line of 16 to %d letters, digits, - and _ is wanted", path,
                 WEB_TOKEN_SIZE - 1);
        return TB_EINVAL;
    }
    memcpy(ret_token->text, text, length + 1);
    OPENSSL_cleanse(text, sizeof(text));
    return TB_OK;
}

int web_token_load(const char *path, bool make, struct web_token *ret_token, char *why, size_t why_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && make) {
        int result = make_token(path, why, why_size);
        if (result < 0) return result;
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        snprintf(why, why_size, "token_file=%s cannot be read: %s", path, strerror(errno));
        return TB_EIO;
    }
    int result = read_token(fd, path, ret_token, why, why_size);
    close(fd);
    return result;
}

static void mac(const struct web_token *token, const void *bytes, size_t size, uint8_t result[MAC_BYTES]) {
    unsigned length = MAC_BYTES;
    memset(result, 0, MAC_BYTES);
    HMAC(EVP_sha256(), token->text, (int)strlen(token->text), bytes, size, result, &length);
}

bool web_token_matches(const struct web_token *token, const char *given) {
    uint8_t ours[MAC_BYTES], theirs[MAC_BYTES];
    mac(token, token->text, strlen(token->text), ours);
    mac(token, given, strlen(given), theirs);
    return token->text[0] && CRYPTO_memcmp(ours, theirs, MAC_BYTES) == 0;
}

void web_token_clear(struct web_token *token) {
    OPENSSL_cleanse(token, sizeof(*token));
}

/* "TIME.NONCE" → its authentication code as text. */
static void session_mac(const struct web_token *token, int64_t generation, const char *head, size_t head_size,
                        char *text, size_t size) {
    char bytes[160];
    uint8_t code[MAC_BYTES];
    int n = snprintf(bytes, sizeof(bytes), "trainbot page session %" PRId64 " %.*s", generation, (int)head_size, head);
    mac(token, bytes, (size_t)n < sizeof(bytes) ? (size_t)n : sizeof(bytes) - 1, code);
    web_base64url(code, sizeof(code), text, size);
}

int web_session_make(const struct web_token *token, int64_t generation, int64_t wall_s, char *text, size_t size) {
    uint8_t nonce[16];
    char nonce_text[32], code[64], head[64];
    if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce)) return TB_EIO;
    web_base64url(nonce, sizeof(nonce), nonce_text, sizeof(nonce_text));
    int n = snprintf(head, sizeof(head), "%" PRId64 ".%s", wall_s, nonce_text);
    session_mac(token, generation, head, (size_t)n, code, sizeof(code));
    if (snprintf(text, size, "%s.%s", head, code) >= (int)size) return TB_ERANGE;
    return TB_OK;
}

bool web_session_valid(const struct web_token *token, int64_t generation, int64_t wall_s, const char *text) {
    char code[64];
    const char *dot = strrchr(text, '.');
    if (!dot || dot - text > 60 || strlen(dot + 1) >= sizeof(code)) return false;
    session_mac(token, generation, text, (size_t)(dot - text), code, sizeof(code));
    if (strlen(code) != strlen(dot + 1) || CRYPTO_memcmp(code, dot + 1, strlen(code)) != 0) return false;
    int64_t made_s = strtoll(text, NULL, 10); /* authentic by now */
    return wall_s - made_s < (int64_t)WEB_SESSION_DAYS * 86400;
}

int web_wrong_count(struct web_wrong *wrong, const char *peer, int64_t mono_ms) {
    size_t oldest = 0, found = WEB_WRONG_PEERS;
    for (size_t i = 0; i < WEB_WRONG_PEERS; i++) {
        if (wrong->peers[i].count && strcmp(wrong->peers[i].peer, peer) == 0) found = i;
        if (!wrong->peers[i].count ||
            (wrong->peers[oldest].count && wrong->peers[i].since_ms < wrong->peers[oldest].since_ms))
            oldest = i;
    }
    size_t at = found < WEB_WRONG_PEERS ? found : oldest;
    if (found == WEB_WRONG_PEERS || mono_ms - wrong->peers[at].since_ms >= 60000) {
        snprintf(wrong->peers[at].peer, sizeof(wrong->peers[at].peer), "%s", peer);
        wrong->peers[at].since_ms = mono_ms;
        wrong->peers[at].count = 0;
    }
    if (wrong->peers[at].count < WEB_WRONG_BURST + 1) wrong->peers[at].count++;
    if (wrong->peers[at].count <= WEB_WRONG_BURST) return 0;
    return (int)((60000 - (mono_ms - wrong->peers[at].since_ms)) / 1000) + 1;
}
