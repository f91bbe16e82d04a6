/* api_channels.c: how the channels are, the same that the command 通道 says. No secrets: core's view holds none. */
#include "channels_view.h"
#include "http_internal.h"
#include "json_out.h"
#include <stdlib.h>
#include <string.h>

static void put_int(struct json_out *out, const char *key, int64_t value) {
    json_key(out, key);
    json_int(out, value);
}

static void put_time(struct json_out *out, const char *key, int64_t ms) {
    json_key(out, key);
    if (ms > 0)
        json_int(out, ms);
    else
        json_null(out);
}

static void put_chat(struct json_out *out, const struct channel_line *line) {
    json_open(out, '{');
    json_key(out, "chat");
    json_string(out, line->chat);
    put_int(out, "queued", line->queued);
    put_int(out, "sent", line->sent);
    put_int(out, "failed", line->failed);
    json_key(out, "left");
    if (line->left >= 0)
        json_int(out, line->left);
    else
        json_null(out);
    put_time(out, "until_ms", line->until_ms);
    json_key(out, "closed");
    json_bool(out, line->closed);
    json_close(out, '}');
}

static bool put_channel(void *user, const struct channel_view *view) {
    struct json_out *out = user;
    const struct outbox_count *count = &view->count;
    json_open(out, '{');
    json_key(out, "name");
    json_string(out, view->name);
    json_key(out, "state");
    json_string(out, view->state_word);
    put_time(out, "since_ms", view->state_since_ms);
    json_key(out, "why");
    json_string(out, view->why);
    json_key(out, "detail");
    json_string(out, view->told);
    put_int(out, "queued", count->queued + count->sending);
    put_int(out, "sent", count->sent);
    put_int(out, "failed", count->failed);
    json_key(out, "chats");
    json_open(out, '[');
    for (size_t i = 0; i < view->lines_count; i++)
        put_chat(out, &view->lines[i]);
    json_close(out, ']');
    json_close(out, '}');
    return !out->failed;
}

void api_channels(struct http_request *request) {
    struct bot *bot = http_bot(request->server);
    struct json_out out = {0};
    const char *asked = request->query.lang;
    enum lang lang = strcmp(asked, "zh") == 0   ? LANG_ZH
                     : strcmp(asked, "en") == 0 ? LANG_EN
                                                : bot->ports.settings->language;
    json_open(&out, '{');
    json_key(&out, "channels");
    json_open(&out, '[');
    int status = channels_view(bot, lang, put_channel, &out);
    if (status < 0) {
        json_out_release(&out);
        http_error(request, 500, "%s", tb_error_text(status));
        return;
    }
    json_close(&out, ']');
    json_close(&out, '}');
    json_text(&out, "\n");
    http_reply_json(request, 200, &out);
}
