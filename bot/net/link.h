/*
 * link.h: where trainers connect: the Unix socket STATE_DIR/trainer.sock. Bytes become lines, lines become frames, frames
 * go to runs_frame; garbage is answered with an error frame and skipped. A peer of a foreign uid is turned away, one that
 * never reads is dropped when what waits for it exceeds LINK_UNSENT_MAX. Loop thread only.
 */
#ifndef TRAINBOT_LINK_H
#define TRAINBOT_LINK_H

#include "bot.h"
#include <uv.h>

#define LINK_UNSENT_MAX (1u << 20)  /* bytes that may wait for one trainer */
#define LINK_TRAINERS_MAX 4096      /* connections at once */
#define LINK_BAD_LINES_MAX 100      /* then the connection is closed */

struct trainer_link;

struct trainer_link_counts {
    size_t trainers; /* connected now */
    uint64_t lines, bad_lines, turned_away;
};

/* Listens on `path` (0600; a stale socket there is replaced: the caller holds the state directory's lock). `why` gets
 * one line. */
MUST_USE int trainer_link_create(uv_loop_t *loop, struct bot *bot, const char *path, struct trainer_link **ret_link, char *why, size_t why_size);
/* Closes all; closed(user) comes from the loop, the link is freed by then. NULL: closed is called at once. */
void trainer_link_close(struct trainer_link *link, void (*closed)(void *user), void *user);
struct trainer_link_counts trainer_link_counts(const struct trainer_link *link);

#endif
