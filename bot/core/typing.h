/*
 * typing.h: "is typing …" for all channels at once: shown while something that a chat asked for has been open for a
 * moment, renewed every few seconds, taken back once when nothing is open any more. Only for the files behind
 * commands.h.
 */
#ifndef TRAINBOT_TYPING_H
#define TRAINBOT_TYPING_H

#include "requests.h"

#define TYPING_AFTER_MS 400
#define TYPING_EVERY_MS 4000

void typing_tick(struct bot *bot);
int64_t typing_next_ms(const struct bot *bot); /* mono; INT64_MAX: nothing is open */
void typings_free(struct requests *requests);

#endif
