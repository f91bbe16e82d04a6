/*
 * peer.h: a scripted bot: listens on a socket, welcomes one trainer, reads and acknowledges its frames, sends controls.
 * Everything asserts by itself and has a deadline.
 */
#ifndef TEST_PEER_H
#define TEST_PEER_H

#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>

#include "program.h"

struct peer {
    int listener, link;
    char path[108];
    char *bytes; /* received, not yet taken as lines */
    size_t size;
    /* what came, all over the run */
    int64_t steps;      /* the last metrics row's step */
    double loss;        /* the last row's; NaN also for "nan" */
    int64_t progress;   /* progress rows */
    cJSON *frame;       /* the one peer_wait found; owned by the peer until the next peer_wait */
    int64_t rewound_to; /* a row whose step is not the one before + 1 is a failure, unless a rewind said so */
};

void peer_open(struct peer *peer, const char *path);
/* Takes the connection, reads hello (then peer->frame) and answers it. `params`: JSON object of the welcome. */
void peer_welcome(struct peer *peer, const char *params);
/* One line as given by the format, without its newline. */
void peer_send(struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Reads until a frame of `type` comes (event: of `kind`; applied, rejected, result: of that id) and returns it. */
const cJSON *peer_wait(struct peer *peer, const char *type, const char *which);
/* Reads until the metrics rows have reached `step`. */
void peer_wait_step(struct peer *peer, int64_t step);
void peer_close(struct peer *peer);

double peer_number(const cJSON *object, const char *name);
const char *peer_text(const cJSON *object, const char *name);

#endif
