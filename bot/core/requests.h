/*
 * requests.h: the commands' memory (bot->requests): open requests, questions that wait for a yes, trainers being asked
 * to describe themselves, and when strangers were last told how to pair. Only for the files behind commands.h.
 */
#ifndef TRAINBOT_REQUESTS_H
#define TRAINBOT_REQUESTS_H

#include "command.h"

#define REQUESTS_OPEN_MAX 256 /* more open requests than this are refused */
#define CONFIRMS_MAX 32
#define HINTS_MAX 64

struct confirm {
    char *channel, *chat, *sender, *text; /* text NULL: free slot */
    int64_t until_ms;                     /* mono */
};

struct hint {
    uint64_t who;    /* hash of "channel:sender"; 0 free */
    int64_t told_ms; /* mono */
};

/* A chat that got another id, while something is still under way to the old one or the store fails (moved.c). */
struct move {
    char *channel, *from, *to;
    bool waits;
    struct move *next;
};

/* Who logged a channel in: all of the store's "owner/CHANNEL" (access.c). */
struct owner {
    char *channel, *id;
    struct owner *next;
};
#define OWNER_PREFIX "owner/"
#define GROUP_PREFIX "group/"
#define ROLE_PREFIX "role/"

struct schema;

struct requests {
    struct request *first; /* oldest first */
    size_t count;
    uint64_t next_id;
    struct confirm confirms[CONFIRMS_MAX];
    struct hint hints[HINTS_MAX];
    struct schema *schemas; /* schema.c */
    struct move *moves;     /* moved.c */
    struct owner *owners;   /* access.c */
};

/* request_begin for a stored message. */
uint64_t request_begin_message(struct bot *bot, const struct asker *asker, const char *text, size_t size,
                               int64_t message, const char *service_id, int64_t sent_ms);
/* Takes the waiting question's text of this asker; NULL: none. Caller frees. */
char *confirm_take(struct request *request);
void confirms_free(struct requests *requests);
void schemas_free(struct requests *requests);
void owners_free(struct requests *requests);
MUST_USE int owners_load(struct bot *bot);
/* Who logged this channel in, borrowed until channel_set_owner; NULL nobody. */
const char *access_login(struct bot *bot, const char *channel);
void moves_free(struct requests *requests);
void moves_tick(struct bot *bot);
/* sessions.c: the conversation's settings go along; where the new one has some, those stand. */
MUST_USE int session_moved(struct bot *bot, const char *channel, const char *from, const char *to);
/* Who hears of runs is found out anew: roles, owners or groups have changed. */
void sessions_recompute(struct bot *bot);
/* dispatch.c: understands request->text and runs it; the request may be gone afterwards. */
void request_dispatch(struct request *request);

#endif
