/*
 * spool.h: the file that keeps frames while the bot cannot take them, so that they outlive this process.
 *
 * The very lines of the wire; the first is the instance's hello, so a bot can import the file by instance and seq.
 * Frames stand in rising order of seq. The file appears with the first frame and goes when all of it is acknowledged.
 * It holds what survives a SIGKILL (no fsync: not what survives a power cut). Sender thread only; calls may wait for
 * the disk.
 */
#ifndef TRAINBOT_SPOOL_H
#define TRAINBOT_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SPOOL_READ_BYTES (128u << 10)

struct spool {
    char *path;        /* NULL: no place for one */
    int fd;            /* -1: no file now */
    off_t begin;       /* our hello's offset: what stands before is another instance's */
    off_t size;        /* end of our last whole line */
    off_t first;       /* of the first frame that may be unacknowledged */
    off_t sent;        /* next byte to send */
    uint64_t last_seq; /* of its last frame; 0: none */
    bool broken;       /* the last write failed */
    char *buf;         /* SPOOL_READ_BYTES, while reading */
};

/* `path` is taken (may be NULL). */
void spool_init(struct spool *spool, char *path);
/* Closes; the file stays. */
void spool_release(struct spool *spool);

static inline bool spool_holds(const struct spool *spool) {
    return spool->last_seq != 0;
}
static inline bool spool_all_sent(const struct spool *spool) {
    return spool->sent >= spool->size;
}

/* Appends one line; the first goes behind `hello`. 0, or negative: the file is as before. */
int spool_append(struct spool *spool, const char *hello, size_t hello_size, const char *line, size_t size,
                 uint64_t seq);
/* Bytes to send next: at most a buffer full, borrowed until the next call. 0: none, or unreadable. */
size_t spool_next(struct spool *spool, const char **ret_bytes);
/* true: the next byte to send begins a line. */
bool spool_at_line(struct spool *spool);
/* The link is new: sending begins behind `ack`. */
void spool_rewind(struct spool *spool, uint64_t ack);
/* Everything in it is acknowledged. */
void spool_drop(struct spool *spool);

#endif
