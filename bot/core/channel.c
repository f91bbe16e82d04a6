/*
 * channel.c: what core keeps of a channel's state; see channel.h. Always holds: a loss is told once, also over
 * restarts: the store knows of each channel whether it was last told as lost ("channel/NAME": "up", "lost" or "quit").
 */
#include "channel.h"
#include "bot.h"
#include "fact.h"
#include "outbox.h"
#include "text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {[CHANNEL_UP] = "up",
                                    [CHANNEL_CONNECTING] = "connecting",
                                    [CHANNEL_DOWN] = "down",
                                    [CHANNEL_LOGGED_OUT] = "logged out"};

/* "up", "lost", "quit" (asked for), or "": it was never up. */
static void kept(struct bot *bot, const char *key, char *text, size_t size) {
    char *value = NULL;
    int status = store_get(bot->ports.store, key, &value);
    snprintf(text, size, "%s", status == TB_OK ? value : "");
    free(value);
}

static void tell(struct channel *channel, enum fact_kind kind) {
    struct fact fact = {.kind = kind, .channel = channel->ops->name, .text = channel->why, .cpu_percent = -1};
    report_fact(channel->bot, &fact);
}

/* Up for the first time, lost, back: the others hear of the last two. */
static void note(struct channel *channel) {
    struct bot *bot = channel->bot;
    bool up = channel->state == CHANNEL_UP;
    if ((!up && channel->state != CHANNEL_LOGGED_OUT) || channel->traits.history) return;
    char before[8], *key = text_print("channel/%s", channel->ops->name);
    if (!key) return;
    kept(bot, key, before, sizeof before);
    bool was_up = strcmp(before, "up") == 0, was_lost = strcmp(before, "lost") == 0;
    if ((up && !was_up) || (!up && was_up)) {
        int status = store_set(bot->ports.store, key, up ? "up" : channel->quitting ? "quit" : "lost");
        if (status < 0) bot_log(bot, 1, "the state of %s was not kept: %s", channel->ops->name, tb_error_text(status));
    }
    if (up && was_lost) tell(channel, FACT_CHANNEL_BACK);
    if (!up && was_up && !channel->quitting) tell(channel, FACT_CHANNEL_LOST);
    if (up) channel->quitting = false;
    free(key);
}

void channel_set_state(struct channel *channel, enum channel_state state, const char *why) {
    struct bot *bot = channel->bot;
    if (why && why[0]) snprintf(channel->why, sizeof channel->why, "%s", why);
    if (channel->state == state) return;
    bool again = channel->state == CHANNEL_LOGGED_OUT && (state == CHANNEL_UP || state == CHANNEL_CONNECTING);
    if (again && !(why && why[0])) channel->why[0] = 0; /* not an error any more */
    channel->state = state;
    channel->state_since_ms = clock_wall_ms(bot->ports.clock);
    channel->failures = channel->held_until_ms = 0; /* of another connection */
    if (bot->leaving) return;
    bool bad = (state == CHANNEL_DOWN || state == CHANNEL_LOGGED_OUT) && !channel->quitting;
    bot_log(bot, bad ? 1 : 2, "%s is %s%s%s", channel->ops->name, names[state], bad && why && why[0] ? ": " : "",
            bad && why ? why : "");
    note(channel);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
}
