/* checkpoint_file.c: checkpoints on disk. The bytes are checkpoint.c's; here is the order of system calls that makes a
 * name hold either the old file or the whole new one, whatever dies in between. */
#include "checkpoint.h"
#include "number.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY ".saving"
#define PEEK_SIZE ((size_t)1 << 18)

static int write_all(int fd, const uint8_t *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size < (1u << 30) ? size : (1u << 30));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

static int file_fill(int fd, const struct checkpoint_bytes *b) {
    if (write_all(fd, b->front, b->front_size) != 0) return -1;
    if (write_all(fd, b->values, b->values_size) != 0) return -1;
    if (write_all(fd, b->digest, sizeof b->digest) != 0) return -1;
    return fsync(fd);
}

/* Creates, fills, renames within the open folder. On failure errno tells why and the temporary file is gone. */
static int file_place(int folder, const char *name, const struct checkpoint_bytes *b) {
    int fd = openat(folder, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    int rc = file_fill(fd, b), saved = errno;
    if (close(fd) != 0 && rc == 0) {
        rc = -1;
        saved = errno;
    }
    if (rc == 0 && renameat(folder, TEMPORARY, folder, name) == 0) return fsync(folder);
    if (rc == 0) saved = errno;
    unlinkat(folder, TEMPORARY, 0);
    errno = saved;
    return -1;
}

int checkpoint_write(const struct checkpoint *checkpoint, const char *folder, const char *name, int64_t *ret_bytes,
                     char *error) {
    struct checkpoint_bytes b;
    if (checkpoint_encode(checkpoint, &b) != 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot save %.200s/%.60s: not enough memory", folder, name);
        return -1;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : file_place(fd, name, &b);
    if (rc != 0) snprintf(error, APP_ERROR_SIZE, "cannot save %.300s/%.60s: %s", folder, name, strerror(errno));
    if (fd >= 0) close(fd);
    free(b.front);
    if (rc == 0) *ret_bytes = (int64_t)b.file_size;
    return rc;
}

/* Reads the first `limit` bytes (0: all) of a regular file; caller frees. *ret_file_size is the file's whole size. */
static uint8_t *file_read(const char *path, size_t limit, size_t *ret_size, uint64_t *ret_file_size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return NULL;
    struct stat info;
    uint8_t *bytes = NULL;
    size_t size = 0, done = 0;
    if (fstat(fd, &info) != 0) goto out;
    errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    if (!S_ISREG(info.st_mode) || (uint64_t)info.st_size > CHECKPOINT_FLOATS_MAX * sizeof(float)) goto out;
    size = (size_t)info.st_size;
    if (limit != 0 && size > limit) size = limit;
    bytes = malloc(size + 1);
    while (bytes != NULL && done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            free(bytes);
            bytes = NULL;
        }
        if (n <= 0) break; /* shrunk meanwhile: the size check tells */
        done += (size_t)n;
    }
    *ret_size = done;
    *ret_file_size = (uint64_t)info.st_size;
out:;
    int saved = errno;
    close(fd);
    errno = saved;
    return bytes;
}

int checkpoint_read(const char *path, struct checkpoint *ret_checkpoint, char *error) {
    size_t size = 0;
    uint64_t file_size = 0;
    char why[APP_ERROR_SIZE];
    uint8_t *bytes = file_read(path, 0, &size, &file_size);
    if (bytes == NULL) {
        snprintf(error, APP_ERROR_SIZE, "cannot read the checkpoint %.300s: %s", path, strerror(errno));
        return -1;
    }
    int rc = checkpoint_decode(bytes, size, ret_checkpoint, why);
    free(bytes);
    if (rc != 0) snprintf(error, APP_ERROR_SIZE, "checkpoint %.300s: %.180s", path, why);
    return rc;
}

int checkpoint_peek(const char *path, struct checkpoint *ret_checkpoint) {
    size_t size = 0;
    uint64_t file_size = 0;
    uint8_t *bytes = file_read(path, PEEK_SIZE, &size, &file_size);
    if (bytes == NULL) return -1;
    int rc = checkpoint_decode_head(bytes, size, file_size, ret_checkpoint);
    free(bytes);
    return rc;
}
