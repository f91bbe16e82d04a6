/* channel.c: what core keeps of a channel's state; see channel.h. */
#include "channel.h"
#include "bot.h"
#include <stdio.h>
#include <string.h>

void channel_set_state(struct channel *channel, enum channel_state state, const char *why) {
    struct bot *bot = channel->bot;
    if (why && why[0]) snprintf(channel->why, sizeof channel->why, "%s", why);
    if (channel->state == state) return;
    channel->state = state;
    channel->state_since_ms = clock_wall_ms(bot->ports.clock);
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
}
