/*
 * bot.h: the bot's core as its host sees it: give it ports (store, launcher, plotter, clock) and channels, feed it frames
 * and messages, and call bot_turn_end once a loop turn. The data's way: link → runs → rules → report → outbox → channel;
 * back: channel → inbound → access → commands → runs → link.
 *
 * Loop thread only. Nothing here blocks but the store's writes.
 */
#ifndef TRAINBOT_BOT_H
#define TRAINBOT_BOT_H

#include "channel.h"
#include "clock.h"
#include "error.h"
#include "launcher.h"
#include "plotter.h"
#include "settings.h"
#include "store.h"

struct run;
struct fact;

struct bot_ports {
    const struct clock *clock;
    struct store *store;
    struct launcher *launcher;
    struct plotter *plotter;      /* NULL: plots are answered with a sparkline */
    const struct settings *settings;
    /* Something became due earlier than the host's timer knows (bot_next_ms changed), or a turn's end is wanted. */
    void (*wake)(void *user);
    /* One line to the log; level 0 error, 1 warning, 2 info, 3 debug. */
    void (*log)(void *user, int level, const char *line);
    /* A run's newest rows, for live pages (may be NULL). progress: the rows a person sees. */
    void (*live_rows)(void *user, const struct run *run, const struct wire_rows *rows, bool progress);
    /* A run's state, params or progress changed: at most once per run and turn (may be NULL). */
    void (*live_run)(void *user, const struct run *run);
    /* The owner asked the bot to leave (console 退出): may be NULL. */
    void (*quit)(void *user);
    void *user;
};

struct runs_state;
struct outbox;
struct requests;
struct sessions;

struct bot {
    struct bot_ports ports;
    struct channel *channels;      /* list */
    struct runs_state *runs;
    struct outbox *outbox;
    struct requests *requests;
    struct sessions *sessions;
    int64_t started_mono_ms;
    int store_status;              /* TB_OK, or the error while the store fails */
    int turn_status;               /* a commit within this turn failed: the turn's end treats all of it as rolled back */
    bool leaving;                  /* bot_leave was called */
};

MUST_USE int bot_create(const struct bot_ports *ports, struct bot **ret_bot);
void bot_add_channel(struct bot *bot, struct channel *channel); /* before bot_load */
/* Loads live runs, open messages and unhandled commands; then the host starts the channels. */
MUST_USE int bot_load(struct bot *bot, char *why, size_t why_size);
/* Commits the turn, then lets acks and messages go. Call before the loop waits; cheap when nothing happened. */
void bot_turn_end(struct bot *bot);
/* A commit in the middle of a turn, before something that must not happen twice. On failure the whole turn fails. */
MUST_USE int bot_commit(struct bot *bot);
/* The host is about to stop channels, links and launcher: ends the turn; from now on nothing more is taken, told or
 * sent, and what is open stays so for the next bot, as after a SIGKILL. */
void bot_leave(struct bot *bot);
/* Mono ms at which bot_tick is due; INT64_MAX: never. */
int64_t bot_next_ms(const struct bot *bot);
void bot_tick(struct bot *bot);
void bot_free(struct bot *bot); /* channels were stopped before */

struct channel *bot_channel(struct bot *bot, const char *name); /* NULL: none */
void bot_log(struct bot *bot, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
