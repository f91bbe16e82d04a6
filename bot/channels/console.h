/*
 * console.h: the channel "console": people at the daemon's own machine. Clients (`trainbot send`, `trainbot chat`)
 * connect to STATE_DIR/control.sock (0600, peer uid checked); where the daemon runs in the foreground of a terminal, the
 * terminal itself is a client too. The chat's id is the person's uid. Loop thread only.
 */
#ifndef TRAINBOT_CONSOLE_H
#define TRAINBOT_CONSOLE_H

#include "bot.h"
#include <uv.h>

/* terminal: read lines from standard input and write the conversation to standard output. Allocates only; give it to
 * bot_add_channel and start it through its ops. TB_ENOMEM. */
MUST_USE int console_create(uv_loop_t *loop, const char *state_dir, bool terminal, struct channel **ret_channel);

#endif
