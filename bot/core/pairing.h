/*
 * pairing.h: what becomes of texts of people who are not known, and of live pairing codes, whoever sends them. Only for
 * the files behind commands.h.
 */
#ifndef TRAINBOT_PAIRING_H
#define TRAINBOT_PAIRING_H

#include "codes.h"

/* A message that was stored: who wrote it, and where. */
struct heard {
    const struct asker *asker; /* role: as it is now */
    int64_t sent_ms;
    bool group;
};

/* At most once an hour a person, and 64 people an hour: true takes the person's turn. */
bool hint_take(struct bot *bot, const char *channel, const char *sender);
void hint_give_back(struct bot *bot, const char *channel, const char *sender); /* the message was not stored */
/* The hint how to get a role; the caller has taken the turn. */
void pairing_hint(struct bot *bot, const struct heard *heard);
/* A live code, by its id: gives its role, raises one, lets a group in. */
void pairing_take(struct bot *bot, const struct heard *heard, const char *id);
/* A text that looks like a code and is none: all live codes come nearer to their end. */
void pairing_wrong(struct bot *bot, const struct heard *heard);
/* "查看者", "an operator" */
const char *pairing_role_name(enum role role, enum lang lang);

#endif
