/*
 * link.h: the socket to the bot: connecting with back-off, lines in, bytes out, never waiting. It knows no frames.
 * Sender thread only; nothing raises SIGPIPE.
 */
#ifndef TRAINBOT_LINK_H
#define TRAINBOT_LINK_H

#include "wire.h"

#include <sys/types.h>

enum link_state {
    LINK_DOWN,    /* waits until retry_ns */
    LINK_GREETED, /* connected; hello is out, welcome is not in */
    LINK_READY
};

struct link {
    enum link_state state;
    const char *path; /* borrowed */
    int fd;           /* -1: none */
    int64_t retry_ns, backoff_ns;
    int64_t since_ns; /* of this state */
    int64_t moved_ns; /* when the socket last took bytes, or had none to take */
    uint64_t random;
    struct wire_reader reader;
    struct wire_buf express; /* unnumbered lines, between frames */
    size_t express_sent;
    unsigned faults; /* lines of this connection that were no frames */
    bool blocked;    /* the socket took less than was offered */
    bool refused;    /* the latest try found nobody */
};

void link_init(struct link *link, const char *path, uint64_t random);
void link_release(struct link *link);

/* Tries to connect when it is time. true: connected just now; the caller sends hello. */
bool link_connect(struct link *link, int64_t now_ns);
/* Gives the connection up; the next try comes after a pause that doubles up to 1 s. */
void link_drop(struct link *link, int64_t now_ns);
/* The welcome came: the pause begins small again. */
void link_ready(struct link *link, int64_t now_ns);

/* Writes; returns what the socket took, 0 when it takes nothing now, negative when the connection is gone. */
ssize_t link_write(struct link *link, const char *bytes, size_t size, int64_t now_ns);
/* false: the socket was full at the latest write and still is. */
bool link_writable(const struct link *link);
/* Reads what is there, at most 256 KiB; lines go to on_line. 0, or negative: gone. */
int link_read(struct link *link, bool (*on_line)(void *user, const char *line, size_t size), void *user);

#endif
