/*
 * web_auth.h: who may come in. One secret token stands in a file of mode 0600; a page swaps it for a cookie that is
 * derived from it (HMAC-SHA256 over a number and a time), so that the cookie does not reveal the token, dies with it,
 * survives a restart of the bot, and is void as soon as the number (the generation) is raised by a logout.
 *
 * Comparisons take constant time. Wrong tokens are counted per address; the right one always passes.
 */
#ifndef TRAINBOT_WEB_AUTH_H
#define TRAINBOT_WEB_AUTH_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_TOKEN_SIZE 129   /* with the final zero */
#define WEB_SESSION_SIZE 128 /* with the final zero */
#define WEB_SESSION_DAYS 90

struct web_token {
    char text[WEB_TOKEN_SIZE]; /* secret: never printed but in the owner's link */
};
/* Reads PATH: one line of 16 to 128 characters [A-Za-z0-9_-]. Missing and make: writes 32 random bytes as base64url,
 * 0600, its folder must exist. Readable by others, empty or malformed: negative and `why`. */
MUST_USE int web_token_load(const char *path, bool make, struct web_token *ret_token, char *why, size_t why_size);
bool web_token_matches(const struct web_token *token, const char *given);
void web_token_clear(struct web_token *token);

/* The cookie's value for generation, given out at wall_s. TB_EIO when there is no randomness. */
MUST_USE int web_session_make(const struct web_token *token, int64_t generation, int64_t wall_s, char *text,
                              size_t size);
bool web_session_valid(const struct web_token *token, int64_t generation, int64_t wall_s, const char *text);

/* Wrong tokens by address: 10 a minute, then told to wait. Bounded; the oldest address makes room. */
#define WEB_WRONG_PEERS 64
#define WEB_WRONG_BURST 10
struct web_wrong {
    struct {
        char peer[48];
        int64_t since_ms;
        int count;
    } peers[WEB_WRONG_PEERS];
};
/* Counts one wrong token; returns 0, or the seconds this address has to wait. */
int web_wrong_count(struct web_wrong *wrong, const char *peer, int64_t mono_ms);

/* base64url without padding; size ≥ 4 × ⌈count / 3⌉ + 1. */
void web_base64url(const uint8_t *bytes, size_t count, char *text, size_t size);

#endif
