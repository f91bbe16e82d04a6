/* channels_view.c: see channels_view.h. */
#include "channels_view.h"
#include "commands.h"
#include "render_delivery.h"
#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool says_something(const struct outbox_line_view *line) {
    return line->queued > 0 || line->failed > 0 || line->closed || line->left >= 0;
}

static bool take_line(void *user, const struct outbox_line_view *line) {
    struct channel_view *view = user;
    if (!says_something(line)) return true;
    if (view->lines_count == CHANNEL_LINES_MAX) {
        view->lines_more++;
        return true;
    }
    struct channel_line *to = &view->lines[view->lines_count++];
    *to = (struct channel_line){.queued = line->queued,
                                .sent = line->sent,
                                .failed = line->failed,
                                .left = line->left,
                                .until_ms = line->until_ms,
                                .closed = line->closed};
    struct words words;
    words_init(&words, to->chat, sizeof to->chat);
    words_add_foreign(&words, line->chat, sizeof to->chat - 8);
    return true;
}

void channel_view(struct bot *bot, const struct channel *channel, enum lang lang, struct channel_view *ret_view) {
    static const char *const states[] = {"up", "connecting", "down", "logged_out"};
    const char *name = channel->ops->name;
    *ret_view = (struct channel_view){.name = name,
                                      .said = channel_said(name, lang),
                                      .state = channel->state,
                                      .state_word = states[channel->state],
                                      .state_since_ms = channel->state_since_ms,
                                      .count = outbox_count(bot, name)};
    struct words words;
    words_init(&words, ret_view->why, sizeof ret_view->why);
    words_add_foreign(&words, channel->why, sizeof ret_view->why - 8);
    if (channel->ops->describe) channel->ops->describe(channel, lang, ret_view->told, sizeof ret_view->told);
    outbox_lines(bot, name, take_line, ret_view);
}

int channels_view(struct bot *bot, enum lang lang, channel_view_cb *cb, void *user) {
    struct channel_view *view = malloc(sizeof *view);
    if (!view) return TB_ENOMEM;
    for (const struct channel *channel = bot->channels; channel; channel = channel->next) {
        channel_view(bot, channel, lang, view);
        if (!cb(user, view)) break;
    }
    free(view);
    return TB_OK;
}
