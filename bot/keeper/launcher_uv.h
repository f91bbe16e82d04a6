/*
 * launcher_uv.h: makes the launcher of core's launcher.h on a libuv loop. It never runs or stops the loop, owns no
 * thread, and what it started lives on when it is closed: a later launcher adopts it. Loop thread only.
 */
#ifndef TRAINBOT_LAUNCHER_UV_H
#define TRAINBOT_LAUNCHER_UV_H

#include "launcher.h"
#include <uv.h>

/*
 * keeper_path: the program trainbot-keeper, copied. events: copied; called from the loop only.
 * TB_OK, TB_ENOMEM, TB_EIO. Needs RLIMIT_NOFILE as it was before the bot raised it: launcher_set_nofile, else the limit
 * found now is what trainers get.
 */
MUST_USE int launcher_create(uv_loop_t *loop, const char *keeper_path, const struct launcher_events *events,
                             struct launcher **ret);

/* The limit that trainers and captured commands get; call it with what getrlimit said before the bot raised it. */
void launcher_set_nofile(struct launcher *launcher, uint64_t soft, uint64_t hard);

/*
 * Lets go of every run (keepers and trainers live on), ends captured commands (their `done` is not called), frees the
 * launcher. `closed` (may be NULL) is called from the loop when the last handle is closed; the launcher is gone then.
 */
void launcher_close(struct launcher *launcher, void (*closed)(void *user), void *user);

#endif
