/*
 * backlog.h: every numbered frame from its birth to its acknowledgement, in order of seq.
 *
 * The older ones stand in the spool file, the younger in memory, either may be empty. In memory only while the link
 * takes them (backlog_to_disk(false)) and at most BACKLOG_WINDOW bytes; else they are moved to the file, where a
 * SIGKILL of this process does not reach them. A disk that refuses leaves them in memory. Sender thread only.
 */
#ifndef TRAINBOT_BACKLOG_H
#define TRAINBOT_BACKLOG_H

#include "spool.h"

#define BACKLOG_WINDOW (64u << 20)

struct backlog_frame {
    uint64_t seq;
    size_t size;
    char *bytes;
};

struct backlog {
    struct spool spool;
    uint64_t spool_max; /* bytes */
    const char *hello;  /* the spool's first line; borrowed, see backlog_set_hello */
    size_t hello_size;
    struct backlog_frame *frames; /* ring of `room` (a power of two) */
    size_t first, count, room;
    size_t next;    /* of the `count`, the one to send next */
    size_t partial; /* bytes of it already sent */
    size_t bytes;   /* in memory */
    uint64_t last_seq, acked;
    bool to_disk;
};

/* `path` is taken. */
void backlog_init(struct backlog *backlog, char *path, uint64_t spool_max);
void backlog_release(struct backlog *backlog);

/* The line that begins a spool file; borrowed while the backlog lives. */
void backlog_set_hello(struct backlog *backlog, const char *hello, size_t size);

/* Takes `bytes` (malloc'ed): the line of frame `seq` = last_seq + 1. Never fails but for memory: negative. */
int backlog_add(struct backlog *backlog, char *bytes, size_t size, uint64_t seq);

/* true: frames belong on the disk from now on (no link, or one that takes nothing). What is in memory goes there too.
 */
void backlog_to_disk(struct backlog *backlog, bool to_disk);

/* Frames up to `seq` are durable with the bot. A seq never given is ignored. */
void backlog_ack(struct backlog *backlog, uint64_t seq);
/* A new link: begin behind what is acknowledged. */
void backlog_rewind(struct backlog *backlog);

/* What to send next, borrowed until the next call; 0: nothing. Tell what the socket took with backlog_sent. */
size_t backlog_next(struct backlog *backlog, const char **ret_bytes);
void backlog_sent(struct backlog *backlog, size_t bytes);
/* true: between two frames, so that an unnumbered one may go out. */
bool backlog_between_frames(struct backlog *backlog);

/* How full, 0 to 1 and more, with `pending` bytes more: of the spool's bound, or of the window where the disk refuses.
 */
double backlog_fullness(const struct backlog *backlog, size_t pending);
static inline bool backlog_empty(const struct backlog *backlog) {
    return backlog->acked >= backlog->last_seq;
}

#endif
