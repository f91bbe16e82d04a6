/*
 * spool.c: see spool.h. A torn write (disk full) is cut off again at once, so that the file always ends with a line.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void spool_init(struct spool *spool, char *path) {
    *spool = (struct spool){.path = path, .fd = -1};
}

void spool_release(struct spool *spool) {
    int fd = spool->fd;
    spool->fd = -1;
    if (fd >= 0) close(fd);
    free(spool->path);
    free(spool->buf);
    *spool = (struct spool){.fd = -1};
}

/* mkdir -p of the folder that the file stands in, for this user only. */
static void make_folders(const char *path) {
    char *copy = strdup(path);
    if (!copy) return;
    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(copy, 0700);
        *slash = '/';
    }
    free(copy);
}

static int write_all(int fd, const char *bytes, size_t size, off_t at) {
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        bytes += n;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

static int open_file(struct spool *s, const char *hello, size_t hello_size) {
    if (!s->path) return -1;
    make_folders(s->path);
    int fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return -1;
    struct stat status;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) goto fail;
    off_t begin = status.st_size;
    char last = '\n';
    if (begin > 0 && pread(fd, &last, 1, begin - 1) != 1) goto fail;
    if (last != '\n' && write_all(fd, "\n", 1, begin++) < 0) goto fail; /* another instance's torn end */
    if (write_all(fd, hello, hello_size, begin) < 0) {
        if (ftruncate(fd, begin) < 0) s->broken = true;
        goto fail;
    }
    s->fd = fd;
    s->begin = begin;
    s->first = s->sent = s->size = begin + (off_t)hello_size;
    return 0;
fail:
    if (status.st_size == 0) unlink(s->path);
    close(fd);
    return -1;
}

int spool_append(struct spool *s, const char *hello, size_t hello_size, const char *line, size_t size, uint64_t seq) {
    if (s->fd < 0 && open_file(s, hello, hello_size) < 0) {
        s->broken = true;
        return -1;
    }
    if (write_all(s->fd, line, size, s->size) < 0) {
        s->broken = true;
        if (ftruncate(s->fd, s->size) < 0) return -1; /* the next write overwrites the torn end */
        return -1;
    }
    s->broken = false;
    s->size += (off_t)size;
    s->last_seq = seq;
    return 0;
}

static size_t read_at(struct spool *s, off_t at) {
    if (!s->buf && !(s->buf = malloc(SPOOL_READ_BYTES))) return 0;
    size_t wanted = SPOOL_READ_BYTES;
    if ((off_t)wanted > s->size - at) wanted = (size_t)(s->size - at);
    ssize_t n = pread(s->fd, s->buf, wanted, at);
    return n > 0 ? (size_t)n : 0;
}

size_t spool_next(struct spool *s, const char **ret_bytes) {
    if (s->fd < 0 || spool_all_sent(s)) return 0;
    size_t n = read_at(s, s->sent);
    *ret_bytes = s->buf;
    return n;
}

bool spool_at_line(struct spool *s) {
    char before = '\n';
    return s->fd < 0 || s->sent <= s->first || (pread(s->fd, &before, 1, s->sent - 1) == 1 && before == '\n');
}

/* The seq that our encoder put behind the type. */
static uint64_t line_seq(const char *line, size_t size) {
    static const char key[] = "\"seq\":";
    const char *at = memmem(line, size < 64 ? size : 64, key, sizeof key - 1);
    uint64_t seq = 0;
    if (!at) return 0;
    for (at += sizeof key - 1; at < line + size && *at >= '0' && *at <= '9'; at++)
        seq = seq * 10 + (unsigned)(*at - '0');
    return seq;
}

void spool_rewind(struct spool *s, uint64_t ack) {
    if (s->fd < 0) return;
    while (s->first < s->size) {
        size_t n = read_at(s, s->first), done = 0;
        while (done < n) {
            const char *newline = memchr(s->buf + done, '\n', n - done);
            if (!newline) break;
            size_t end = (size_t)(newline - s->buf) + 1;
            if (line_seq(s->buf + done, end - done) > ack) goto found;
            done = end;
        }
        s->first += (off_t)done;
        if (done == 0) break;
        continue;
    found:
        s->first += (off_t)done;
        break;
    }
    s->sent = s->first;
}

void spool_drop(struct spool *s) {
    int fd = s->fd;
    if (fd >= 0 && s->begin == 0)
        unlink(s->path);
    else if (fd >= 0 && ftruncate(fd, s->begin) < 0)
        s->broken = true;
    s->fd = -1;
    if (fd >= 0) close(fd);
    free(s->buf);
    s->buf = NULL;
    s->begin = s->size = s->first = s->sent = 0;
    s->last_seq = 0;
}
