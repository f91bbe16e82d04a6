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
    int64_t due_ms; /* mono: tried (again) */
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

/* Messages whose row says "handled" once the turn is committed. */
#define MARKS_MAX 512
struct marks {
    struct mark {
        int64_t id, sent_ms;
        char *service_id;
    } items[MARKS_MAX];
    size_t count;
};

struct schema;

struct requests {
    struct request *first; /* oldest first */
    size_t count;
    uint64_t next_id;
    struct confirm confirms[CONFIRMS_MAX];
    struct hint hints[HINTS_MAX], tries[HINTS_MAX]; /* strangers: told how to pair, audited for a wrong code */
    struct schema *schemas; /* schema.c */
    struct move *moves;     /* moved.c */
    struct owner *owners;   /* access.c */
    uint64_t roles_epoch;   /* rises whenever somebody may have got or lost a role */
    bool codes_live;        /* a pairing code may be alive */
    int64_t codes_due_ms;   /* mono: the next of them dies; INT64_MAX none */
    struct typing *typings; /* typing.c */
    struct marks handled;   /* handled.c: rows marked in this turn … */
    struct marks unmarked;  /* … and those whose mark was rolled back */
    int64_t row_newest, row_durable; /* ids of inbound rows: of this turn, and those that are committed */
};

/* request_begin for a stored message. */
uint64_t request_begin_message(struct bot *bot, const struct asker *asker, const char *text, size_t size,
                               int64_t message, const char *service_id, int64_t sent_ms);
/* Takes the waiting question's text of this asker; NULL: none. Caller frees. */
char *confirm_take(struct request *request);
void confirms_free(struct requests *requests);
void schemas_free(struct requests *requests);
/* handled.c: the row says so from this transaction on; should the turn fail, it is said again when the store works. */
void handled_mark(struct bot *bot, int64_t message, const char *service_id, int64_t sent_ms);
/* An inbound row was written, or was there when the bot began (durable). */
void handled_row(struct bot *bot, int64_t message, bool durable);
void handled_free(struct requests *requests);
void owners_free(struct requests *requests);
MUST_USE int owners_load(struct bot *bot);
/* Who logged this channel in, borrowed until channel_set_owner; NULL nobody. */
const char *access_login(struct bot *bot, const char *channel);
void moves_free(struct requests *requests);
void moves_tick(struct bot *bot);
int64_t moves_next_ms(const struct bot *bot);
/* sessions.c: the conversation's settings go along; where the new one has some, those stand. */
MUST_USE int session_moved(struct bot *bot, const char *channel, const char *from, const char *to);
/* Who hears of runs is found out anew: roles, owners or groups have changed. */
void sessions_recompute(struct bot *bot);
/* dispatch.c: understands request->text and runs it; the request may be gone afterwards. */
void request_dispatch(struct request *request);

#endif
