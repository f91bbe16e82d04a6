/*
 * peer.h: a scripted bot for the publisher's tests: listens, answers hello, acknowledges as told, and remembers by seq
 * what it got, so that "nothing missing, nothing twice" can be asked. Runs on the test's own thread; nothing waits
 * without a deadline.
 */
#ifndef TESTS_PROTOCOL_PEER_H
#define TESTS_PROTOCOL_PEER_H

#include "wire.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#define PEER_STEPS 2000000

struct peer {
    char dir[64], path[96];
    int listener, fd;
    struct wire_reader reader;
    const char *welcome_params; /* JSON, or NULL */
    bool ack;                   /* acknowledge at once */
    uint64_t acked, last_seq;   /* highest acknowledged; highest seen, by which duplicates are told */
    uint64_t hellos, rows, progress_rows, dropped, holes, faults, heartbeats;
    uint64_t kinds[WIRE_KINDS], events[WIRE_EV_KINDS];
    int64_t last_step, last_t_ms;
    unsigned char *seen; /* by step: times a metrics row came */
    char instance[33], status[16];
    uint64_t next_seq, first_after_hello;
    bool after_hello;
    char last[WIRE_KINDS][2048]; /* latest line of each kind */
    uint8_t picture[1 << 20];
    size_t picture_size;
};

/* A new folder with a listening socket in it; sets TRAINBOT_SOCKET and TRAINBOT_RUN_DIR and clears RANK. */
void peer_init(struct peer *peer);
void peer_listen(struct peer *peer);
void peer_hang_up(struct peer *peer); /* the connection */
void peer_die(struct peer *peer);     /* the listener too */
void peer_release(struct peer *peer); /* removes the folder */

/* Accepts and reads what there is, for at most `ms` or until done(peer) says so. true: it did. */
bool peer_run(struct peer *peer, bool (*done)(const struct peer *peer, int64_t n), int64_t n, int ms);
void peer_send(struct peer *peer, const char *line);

/* Takes every line of the spool file as if it had come over the socket. Returns the lines, -1: no file. */
int peer_import_spool(struct peer *peer);
int64_t peer_spool_size(const struct peer *peer); /* -1: no file */

bool peer_has_rows(const struct peer *peer, int64_t n);
bool peer_has_bye(const struct peer *peer, int64_t n);
/* n frames of a kind were seen: pass kind * 1000 + count. */
bool peer_has_kind(const struct peer *peer, int64_t n);
bool peer_has_hello(const struct peer *peer, int64_t n);
/* Each step in [1, steps] came exactly once. */
void peer_assert_steps(const struct peer *peer, int64_t steps);

int64_t now_ms(void);

#endif
