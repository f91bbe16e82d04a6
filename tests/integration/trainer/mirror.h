/*
 * mirror.h: a mirror on this machine, in a thread of the test. The first part of a path names how it behaves:
 * good; cut (sends half of what is asked for and breaks off, for the first `cuts` requests); plain (knows no ranges);
 * cut-plain (both); missing (404); wrong (other bytes); long (more bytes); shifted (another part than was asked for);
 * mute (closes without a word); moved (a redirect to good).
 */
#ifndef TEST_MIRROR_H
#define TEST_MIRROR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MIRROR_FILES_MAX 4

struct mirror_file {
    const char *name;
    const uint8_t *bytes;
    size_t size;
};

struct mirror {
    const struct mirror_file *files; /* MIRROR_FILES_MAX */
    int listener, port;
    pthread_t thread;
    atomic_int requests, cuts; /* cuts: so many more requests are cut */
    atomic_llong sent;         /* bytes of bodies */
    atomic_llong last_from;    /* of the last request's range; -1: it asked for all */
};

void mirror_start(struct mirror *mirror, const struct mirror_file *files);
void mirror_stop(struct mirror *mirror);
/* "http://127.0.0.1:PORT/WAY"; a few static buffers in turn. */
const char *mirror_url(const struct mirror *mirror, const char *way);

#endif
