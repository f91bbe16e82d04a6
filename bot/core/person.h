/*
 * person.h: one person with several conversations ([person NAME] channels=…). Alerts go to the first of them that is
 * open, and move on to the next one when they cannot leave where they wait. Always holds: an alert waits in one
 * conversation at a time, in the store as well: a move is one transaction.
 */
#ifndef TRAINBOT_PERSON_H
#define TRAINBOT_PERSON_H

#include "bot.h"

/* The person whose conversation this is; NULL: nobody's that the settings name. */
const struct person_settings *person_of(const struct settings *settings, const char *channel, const char *chat);
/* Whether what is said in this conversation now would leave soon: its channel is up, it is not closed, the budget is
 * not used up, nothing fails there again and again. A conversation exists where a session does. */
bool person_reachable(struct bot *bot, const char *channel, const char *chat);
/* Alerts that wait where they cannot leave go to the first open conversation of the same person; none open: they stay,
 * and leave by whichever opens first. Called after each commit. */
void persons_move(struct bot *bot);

#endif
