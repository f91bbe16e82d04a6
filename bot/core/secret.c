/* Secrets: one heap block each, wiped before it goes back. See secret.h. */
#include "secret.h"
#include <openssl/crypto.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLANKS " \t\r\n\v\f"
#define FILE_MAX (2 * SECRET_MAX) /* bytes: a secret and the blanks around it */

int secret_set(struct secret *secret, const char *bytes, size_t size) {
    if (!size) {
        secret_clear(secret);
        return TB_OK;
    }
    if (size > SECRET_MAX) return TB_ERANGE;
    char *copy = malloc(size + 1);
    if (!copy) return TB_ENOMEM;
    memcpy(copy, bytes, size);
    copy[size] = 0;
    secret_clear(secret); /* only now: `bytes` may be the old value */
    secret->bytes = copy;
    secret->size = size;
    return TB_OK;
}

static int wrong(char *why, size_t why_size, int error, const char *path, const char *what) {
    snprintf(why, why_size, "%s: %s", path, what);
    return error;
}

/* Opened without waiting for a writer (a FIFO), and looked at before a byte is read. */
static int open_secret(const char *path, int *ret_fd, char *why, size_t why_size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int error = errno == ENOENT || errno == ENOTDIR ? TB_ENOTFOUND : errno == EACCES ? TB_EACCESS : TB_EIO;
        return wrong(why, why_size, error, path, error == TB_ENOTFOUND ? "there is no such file" : strerror(errno));
    }
    int result = TB_OK;
    if (fstat(fd, &info) < 0)
        result = wrong(why, why_size, TB_EIO, path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        result = wrong(why, why_size, TB_EINVAL, path, "a plain file with the secret is wanted");
    else if (info.st_mode & 077) {
        snprintf(why, why_size, "%s can be read by others (mode %03o): chmod 600 it", path,
                 (unsigned)info.st_mode & 0777);
        result = TB_EACCESS;
    }
    if (result < 0)
        close(fd);
    else
        *ret_fd = fd;
    return result;
}

/* The whole file, at most `room` bytes; negative: errno says why. */
static ssize_t read_all(int fd, char *into, size_t room) {
    size_t size = 0;
    while (size < room) {
        ssize_t got = read(fd, into + size, room - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

static int take(struct secret *secret, const char *text, size_t size, const char *path, char *why, size_t why_size) {
    size_t from = 0, end = size;
    while (from < end && text[from] && strchr(BLANKS, text[from]))
        from++;
    while (end > from && text[end - 1] && strchr(BLANKS, text[end - 1]))
        end--;
    if (end == from) return wrong(why, why_size, TB_EINVAL, path, "the file is empty");
    if (size > FILE_MAX || end - from > SECRET_MAX) {
        snprintf(why, why_size, "%s: longer than %d bytes", path, SECRET_MAX);
        return TB_ERANGE;
    }
    for (size_t i = from; i < end; i++)
        if (text[i] < ' ' || text[i] > '~')
            return wrong(why, why_size, TB_EINVAL, path, "one line of printable ASCII is wanted");
    int result = secret_set(secret, text + from, end - from);
    return result < 0 ? wrong(why, why_size, result, path, tb_error_text(result)) : TB_OK;
}

int secret_read(struct secret *secret, const char *path, char *why, size_t why_size) {
    char text[FILE_MAX + 1];
    int fd = -1, result = open_secret(path, &fd, why, why_size);
    if (result < 0) return result;
    ssize_t size = read_all(fd, text, sizeof text);
    if (size < 0)
        result = wrong(why, why_size, TB_EIO, path, strerror(errno));
    else
        result = take(secret, text, (size_t)size, path, why, why_size);
    close(fd);
    OPENSSL_cleanse(text, sizeof text);
    return result;
}

void secret_clear(struct secret *secret) {
    if (!secret) return;
    if (secret->bytes) OPENSSL_cleanse(secret->bytes, secret->size);
    free(secret->bytes);
    *secret = (struct secret){0};
}

bool secret_is_set(const struct secret *secret) {
    return secret->bytes != NULL;
}

const char *secret_reveal(const struct secret *secret) {
    return secret->bytes ? secret->bytes : "";
}

bool secret_equals(const struct secret *secret, const char *bytes, size_t size) {
    if (!secret->bytes || size != secret->size)
        return false; /* none equals nothing, not even ""; a length is no secret */
    return CRYPTO_memcmp(secret->bytes, bytes, size) == 0;
}
