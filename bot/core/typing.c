/* typing.c: see typing.h. One entry a chat that was told so; bounded by the number of open requests. */
#include "typing.h"

#include <stdlib.h>
#include <string.h>

struct typing {
    struct channel *channel;
    char *chat;
    int64_t told_ms; /* mono */
    struct typing *next;
};

static void typing_free(struct typing *typing) {
    free(typing->chat);
    free(typing);
}

void typings_free(struct requests *requests) {
    for (struct typing *typing; (typing = requests->typings);) {
        requests->typings = typing->next;
        typing_free(typing);
    }
}

/* The channel where this open request is to be shown; NULL: nowhere. What the API asked is answered there, so that a
 * chat service shows nothing of it; a page that keeps the conversation does. */
static struct channel *shown_at(const struct bot *bot, const struct request *request) {
    if (request->pending_told || request->deaf) return NULL;
    for (struct channel *channel = bot->channels; channel; channel = channel->next) {
        if (strcmp(channel->ops->name, request->channel) != 0) continue;
        bool asked_here = !request->reply || channel->traits.history;
        return channel->ops->typing && channel->state == CHANNEL_UP && asked_here ? channel : NULL;
    }
    return NULL;
}

static struct typing *typing_of(const struct bot *bot, const struct channel *channel, const char *chat) {
    struct typing *typing = bot->requests->typings;
    while (typing && (typing->channel != channel || strcmp(typing->chat, chat) != 0))
        typing = typing->next;
    return typing;
}

static bool still_open(const struct bot *bot, const struct typing *typing) {
    for (const struct request *request = bot->requests->first; request; request = request->next)
        if (shown_at(bot, request) == typing->channel && strcmp(request->chat, typing->chat) == 0) return true;
    return false;
}

static void begin(struct bot *bot, struct channel *channel, const char *chat, int64_t now) {
    struct typing *typing = calloc(1, sizeof *typing);
    if (typing) typing->chat = strdup(chat);
    if (!typing || !typing->chat) {
        free(typing);
        return;
    }
    typing->channel = channel;
    typing->told_ms = now;
    typing->next = bot->requests->typings;
    bot->requests->typings = typing;
    channel->ops->typing(channel, chat, true);
}

void typing_tick(struct bot *bot) {
    int64_t now = clock_mono_ms(bot->ports.clock);
    for (struct typing **at = &bot->requests->typings; *at;) {
        struct typing *typing = *at;
        if (still_open(bot, typing)) {
            if (now - typing->told_ms >= TYPING_EVERY_MS) {
                typing->told_ms = now;
                typing->channel->ops->typing(typing->channel, typing->chat, true);
            }
            at = &typing->next;
            continue;
        }
        *at = typing->next;
        typing->channel->ops->typing(typing->channel, typing->chat, false);
        typing_free(typing);
    }
    for (const struct request *request = bot->requests->first; request; request = request->next) {
        struct channel *channel = now - request->begun_ms >= TYPING_AFTER_MS ? shown_at(bot, request) : NULL;
        if (channel && !typing_of(bot, channel, request->chat)) begin(bot, channel, request->chat, now);
    }
}

int64_t typing_next_ms(const struct bot *bot) {
    int64_t next = INT64_MAX;
    for (const struct typing *typing = bot->requests->typings; typing; typing = typing->next) {
        if (!still_open(bot, typing)) return clock_mono_ms(bot->ports.clock);
        if (typing->told_ms + TYPING_EVERY_MS < next) next = typing->told_ms + TYPING_EVERY_MS;
    }
    for (const struct request *request = bot->requests->first; request; request = request->next) {
        const struct channel *channel = shown_at(bot, request);
        if (channel && !typing_of(bot, channel, request->chat) && request->begun_ms + TYPING_AFTER_MS < next)
            next = request->begun_ms + TYPING_AFTER_MS;
    }
    return next;
}
