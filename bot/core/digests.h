/*
 * digests.h: the digests of all runs for all conversations where sends are counted: when one is queued, renewed while
 * it waits, and withdrawn. Their state stands in the store ("digest/RUN/CHANNEL:CHAT"), so that a restart neither
 * repeats nor skips one. Loop thread; writes in this turn's transaction.
 */
#ifndef TRAINBOT_DIGESTS_H
#define TRAINBOT_DIGESTS_H

#include "command.h"
#include "fact.h"

/* Whether this conversation gets digests in place of progress. */
bool digests_for(struct bot *bot, const struct session *session);
/* A progress row of a run, for this conversation. */
void digests_progress(struct bot *bot, const struct session *session, const struct run *run);
/* Counts alerts; the run's end takes with it what was not sent. */
void digests_fact(struct bot *bot, const struct fact *fact);

#endif
