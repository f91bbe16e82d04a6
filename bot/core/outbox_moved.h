/*
 * outbox_moved.h: what waits for a conversation that a service gave another id, or that is not let in any more.
 */
#ifndef TRAINBOT_OUTBOX_MOVED_H
#define TRAINBOT_OUTBOX_MOVED_H

#include "bot.h"

/* Part of this turn's transaction: the new rows and the end of the old ones stand together or not at all. What is under
 * way just now stays with the old id. *ret_more: there is such a message; call again after its outcome. */
MUST_USE int outbox_chat_moved(struct bot *bot, const char *channel, const char *from, const char *to, bool *ret_more);
/* Nothing that waits for this conversation leaves any more: its rows are superseded in this turn's transaction. */
MUST_USE int outbox_chat_dropped(struct bot *bot, const char *channel, const char *chat);

#endif
