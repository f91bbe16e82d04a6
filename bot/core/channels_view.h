/*
 * channels_view.h: how the channels are, for 通道 and for the API: what the outbox, the channel's state and the channel
 * itself say, in one place and without secrets.
 */
#ifndef TRAINBOT_CHANNELS_VIEW_H
#define TRAINBOT_CHANNELS_VIEW_H

#include "outbox.h"

#define CHANNEL_LINES_MAX 20 /* conversations shown of one channel: those with something to say come first */

struct channel_line {
    char chat[80];                /* as the service names it, cut */
    int64_t queued, sent, failed; /* as outbox_line_view */
    int64_t left, until_ms;       /* sends left and until when (wall); left -1: no limit; until_ms 0: none */
    bool closed;                  /* takes nothing until the person writes */
};
struct channel_view {
    const char *name, *said; /* "weixin", "微信"; live as long as the bot */
    enum channel_state state;
    const char *state_word;  /* "up connecting down logged_out" */
    int64_t state_since_ms;  /* wall; 0: since the bot began */
    char why[200];           /* the last error, one line; "" none */
    char told[300];          /* what only the channel knows; "" nothing */
    struct outbox_count count;
    struct channel_line lines[CHANNEL_LINES_MAX];
    size_t lines_count, lines_more; /* shown; left out */
};
/* One channel. */
void channel_view(struct bot *bot, const struct channel *channel, enum lang lang, struct channel_view *ret_view);
/* All, in the order of bot->channels; the view is borrowed until the callback returns; false ends it. TB_OK, TB_ENOMEM.
 * Loop thread. */
typedef bool channel_view_cb(void *user, const struct channel_view *view);
MUST_USE int channels_view(struct bot *bot, enum lang lang, channel_view_cb *cb, void *user);

#endif
