/*
 * commands.h: what a person may say. One table row a command (names, role, usage, help, function); chat, `trainbot
 * send` and POST /api/command all come through request_begin. A request lives until its outcome is known.
 *
 * To add a command: a row in commands.c's table, its function, its tests; help, README table and near misses follow.
 */
#ifndef TRAINBOT_COMMANDS_H
#define TRAINBOT_COMMANDS_H

#include "bot.h"
#include "control.h"

struct reply {
    const char *text;    /* NULL for a picture alone */
    int64_t image;       /* image id; 0 none */
    const char *buttons; /* quick replies, one per line; NULL none */
};

/* Who asks, and where the answers go. */
struct asker {
    const char *channel, *chat, *sender; /* identity = channel:sender */
    enum role role;
    bool lang_known;
    enum lang lang; /* where known; else from the text, else the chat's, else settings */
    /* NULL: answers are messages to the chat. Else they come here until done() is called (exactly once; ok tells
     * whether it was done or refused). After request_detach, late answers become messages to the chat. */
    void (*reply)(void *user, const struct reply *reply);
    void (*done)(void *user, bool ok);
    void *user;
    bool on_behalf; /* somebody else speaks for it (the API's "as"): makes no owners */
};

/* Understands and carries out one text. Returns the request's id (> 0) while its outcome is open, 0 when it is done
 * already (done was called). Strings are borrowed until return. text need not be valid UTF-8 or short. */
uint64_t request_begin(struct bot *bot, const struct asker *asker, const char *text, size_t size);
/* What the waiting side says when it gives up, in the language of the command. */
const char *commands_pending_text(struct bot *bot, uint64_t request);
/* The waiting side gives up (10 s at the API): from now on answers go to the chat as messages. */
void request_detach(struct bot *bot, uint64_t request);

/* The i-th command as a service's menu takes it: an English word and one line of help in `lang`. False: no more. */
bool commands_menu(size_t i, enum lang lang, const char **ret_name, const char **ret_help);

/* Whether this chat still waits for the first answer to something it said. */
bool commands_busy(const struct bot *bot, const char *channel, const char *chat);

/* runs.c tells what became of a control, and that a launched run said hello (or will not). */
void commands_outcome(struct bot *bot, const struct control *control, const struct outcome *outcome);
void commands_started(struct bot *bot, uint64_t request, const struct run *run); /* run->state tells: running, failed */

MUST_USE int commands_create(struct bot *bot); /* fills bot->requests and bot->sessions */
MUST_USE int commands_load(struct bot *bot);   /* sessions from the store; unhandled inbound messages */
void commands_tick(struct bot *bot);           /* time limits of requests */
int64_t commands_next_ms(const struct bot *bot);
/* The turn's transaction stands, was rolled back, or the store works again (bot.c). */
void commands_committed(struct bot *bot);
void commands_store_failed(struct bot *bot);
void commands_store_works(struct bot *bot);
void commands_free(struct bot *bot);

/* ---- who may what (access.c) ---- */

/* The role of an identity: console:OWN_UID and web:token are owners; else the highest of what [access], a pairing and
 * having logged the channel in give. One indexed read of the store at most. */
enum role access_role(struct bot *bot, const char *channel, const char *sender);
/* Whether a group counts: [access] groups names it, or a code was given there. */
bool access_group(struct bot *bot, const char *channel, const char *chat);

/* ---- conversations (sessions.c) ---- */

/* A chat that hears of runs by itself: registered by a channel (web, console) or once somebody known wrote there. */
struct session {
    char *channel, *chat;
    char *person; /* the sender it is with; "" a group, or whom the chat's id names */
    bool group;
    bool registered; /* by its channel, in this life: hears whatever the roles say */
    bool hears;      /* kept current by sessions.c; sessions_first gives only these */
    enum lang lang;
    bool lang_known;
    int64_t chosen_run;        /* 用 N; 0 none */
    int mute_from, mute_until; /* minutes of the local day; both -1: not muted; equal: always */
    struct session *next;
};
/* Those that hear of runs. */
struct session *sessions_first(struct bot *bot);
/* A channel registers its conversation: found or made, and hears. NULL when out of memory. */
struct session *session_get(struct bot *bot, const char *channel, const char *chat);
bool session_muted(const struct bot *bot, const struct session *session, int64_t wall_ms);
enum lang session_lang(const struct bot *bot, const struct session *session);

#endif
