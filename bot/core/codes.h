/*
 * codes.h: pairing codes as the store keeps them. A code has two forms that are one and the same: eight characters to
 * type, and a longer one that a link carries. Only hashes are kept; it lives ten minutes, works once, and dies after
 * five wrong tries by anybody. Only for the files behind commands.h.
 */
#ifndef TRAINBOT_CODES_H
#define TRAINBOT_CODES_H

#include "commands.h"

#define CODE_TYPED 8     /* of 32 characters: 40 bits */
#define CODE_LINK 22     /* base64url of 16 bytes */
#define CODE_HASH_HEX 64 /* SHA-256 */
#define CODES_MAX 8      /* alive at a time */
#define CODE_TRIES 5
#define CODE_LIVES_MS 600000

struct code {
    char id[9]; /* names it in the store and in rows whose text was taken out; no secret */
    char typed[CODE_HASH_HEX + 1], link[CODE_HASH_HEX + 1];
    enum role role;
    char channel[32];   /* works only there; "" anywhere */
    int64_t expires_ms; /* wall */
    int tries;
    int64_t row, rev; /* the message that shows it and where it stands in the history; 0 none */
    char owner[200];  /* "channel:chat" of who made it */
};
struct codes {
    struct code items[CODES_MAX];
    size_t count;
};

/* What a person sees of a code while it lives. */
struct code_texts {
    char typed[CODE_TYPED + 1], link[CODE_LINK + 1];
};

/* The live ones, and when the next of them dies (bot->requests); dead ones are dropped on the way. */
void codes_load(struct bot *bot, struct codes *ret_codes);
void codes_tick(struct bot *bot); /* those whose time is over go */
/* Draws a code and fills id, typed and link. TB_OK, TB_EIO: the system gives no random numbers. */
MUST_USE int code_draw(struct code *code, struct code_texts *ret_texts);
MUST_USE int code_put(struct bot *bot, const struct code *code);
/* It is used or dead: goes from the store, and its text from the row that shows it. */
MUST_USE int code_drop(struct bot *bot, const struct code *code);
/* An owner of this channel is one no more: what was made there is void, so that nobody lets themselves in again. */
void codes_void(struct bot *bot, const char *channel);
/* Whether a text could be a code, and its normal form (eight capitals and digits, or the link's form). */
bool code_looks(const char *text, size_t size, char ret_form[CODE_LINK + 1]);
/* In constant time for all of them; NULL: none. */
const struct code *codes_match(const struct codes *codes, const char *form, const char *channel);
const struct code *codes_find(const struct codes *codes, const char *id); /* NULL: used, or dead */

#endif
