/*
 * download.h: one file from one address into one open file, by libcurl, going on where an earlier attempt was cut off.
 * Plain http is taken from this machine alone; a redirect never leaves https. Blocks until it is done, has failed, or
 * nothing has come for half a minute. One thread.
 */
#ifndef TRAINER_DOWNLOAD_H
#define TRAINER_DOWNLOAD_H

#include <stdbool.h>
#include <stdint.h>

enum download_end {
    DOWNLOAD_DONE,    /* the server has sent all it has */
    DOWNLOAD_CUT,     /* the connection broke off: another attempt may go on from here */
    DOWNLOAD_REFUSED, /* this server does not give it */
    DOWNLOAD_MISFIT,  /* what it gives does not go with what is there, or is too long */
    DOWNLOAD_LOCAL    /* our disk: another server helps nothing */
};

struct download {
    const char *url;
    int fd;             /* read and written from its start; what is in it already is kept and gone on from */
    int64_t size_limit; /* bytes that it may have at most */
    /* Told a few times a second; may be NULL. `rate` in bytes a second. */
    void (*progress)(void *user, int64_t bytes, double rate);
    void *user;
};

/* Whether an address may be used at all: https, or http to loopback. False with one line in `error` (APP_ERROR_SIZE).
 */
bool download_allowed(const char *url, char *error);
/* `error` is filled unless DOWNLOAD_DONE. */
__attribute__((warn_unused_result)) enum download_end download_run(const struct download *download, char *error);

#endif
