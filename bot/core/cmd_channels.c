/* cmd_channels.c: 通道: how the channels are, a block each. */
#include "channels_view.h"
#include "command.h"
#include "render.h"
#include "said.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct telling {
    struct request *request;
    struct words words;
};

static void add_clock(struct words *words, const struct request *request, int64_t t_ms) {
    time_t then = (time_t)(t_ms / 1000), now = (time_t)(clock_wall_ms(request->bot->ports.clock) / 1000);
    struct tm a, b;
    char text[40] = "?";
    if (localtime_r(&then, &a) && localtime_r(&now, &b))
        strftime(text, sizeof text, a.tm_yday == b.tm_yday && a.tm_year == b.tm_year ? "%H:%M" : "%m-%d %H:%M", &a);
    words_add(words, "%s", text);
}

static void add_minutes(struct words *words, int64_t minutes, bool zh) {
    long long days = minutes / 1440, hours = minutes / 60 % 24, rest = minutes % 60;
    words_add(words, zh ? " " : " for ");
    if (days > 0)
        words_add(words, zh ? "%lld 天 %lld 小时" : "%lld d %lld h", days, hours);
    else if (hours > 0)
        words_add(words, zh ? "%lld 小时 %lld 分钟" : "%lld h %lld min", hours, rest);
    else
        words_add(words, zh ? "%lld 分钟" : "%lld min", rest);
}

/* "断开 3 分钟:连接被拒绝" */
static void add_state(struct words *words, const struct request *request, const struct channel_view *view) {
    static const char *const zh_states[] = {"连着", "正在连接", "断开", "没有登录"};
    static const char *const en_states[] = {"connected", "connecting", "down", "logged out"};
    bool zh = request_zh(request);
    int64_t now = clock_wall_ms(request->bot->ports.clock);
    words_add(words, " · %s", zh ? zh_states[view->state] : en_states[view->state]);
    if (view->state == CHANNEL_UP) return;
    int64_t down_s = view->state_since_ms > 0 ? (now - view->state_since_ms) / 1000 : 0;
    if (down_s >= 60)
        add_minutes(words, down_s / 60, zh);
    else if (down_s > 0)
        words_add(words, zh ? " %lld 秒" : " for %lld s", (long long)down_s);
    if (!view->why[0]) return;
    words_add(words, zh ? ":" : ": ");
    words_add_said(words, view->why, 150, request->lang);
}

/* Some channels begin what they tell with their own name. */
static void add_told(struct words *words, const struct request *request, const struct channel_view *view) {
    size_t named = strlen(view->name);
    const char *told = view->told;
    if (strncmp(told, view->name, named) == 0 && told[named] == ':') told += named + 1;
    while (*told == ' ')
        told++;
    if (!*told) return;
    words_add(words, " · ");
    words_add_said(words, told, 200, request->lang);
}

static void add_line(struct words *words, const struct request *request, const struct channel_line *line) {
    bool zh = request_zh(request);
    words_add(words, "\n  %s", line->chat);
    if (line->closed)
        words_add(words, zh ? " · 等对方先说一句话" : " · waits for the person to write");
    else if (line->left >= 0)
        words_add(words, zh ? " · 还能发 %lld 条" : " · %lld more may be sent", (long long)line->left);
    if (!line->closed && line->left >= 0 && line->until_ms > 0) {
        words_add(words, zh ? ",到 " : ", until ");
        add_clock(words, request, line->until_ms);
    }
    if (line->queued > 0) words_add(words, zh ? " · 等着发 %lld" : " · waiting %lld", (long long)line->queued);
    if (line->failed > 0) words_add(words, zh ? " · 没发成 %lld" : " · failed %lld", (long long)line->failed);
}

static bool tell_channel(void *user, const struct channel_view *view) {
    struct telling *telling = user;
    struct words *words = &telling->words;
    const struct request *request = telling->request;
    bool zh = request_zh(request);
    const struct outbox_count *count = &view->count;
    words_add(words, "%s%s", words->length > 0 ? "\n" : "", view->said);
    add_state(words, request, view);
    words_add(words, zh ? " · 已发 %lld" : " · sent %lld", (long long)count->sent);
    if (count->queued + count->sending > 0)
        words_add(words, zh ? " · 等着发 %lld" : " · waiting %lld", (long long)(count->queued + count->sending));
    if (count->failed > 0) words_add(words, zh ? " · 没发成 %lld" : " · failed %lld", (long long)count->failed);
    add_told(words, request, view);
    if (view->state == CHANNEL_UP && view->why[0]) {
        words_add(words, zh ? "\n  最近的错误:" : "\n  last error: ");
        words_add_said(words, view->why, 150, request->lang);
    }
    for (size_t i = 0; i < view->lines_count; i++)
        add_line(words, request, &view->lines[i]);
    if (view->lines_more > 0)
        words_add(words, zh ? "\n  还有 %zu 个对话" : "\n  and %zu more conversations", view->lines_more);
    return !words->full;
}

enum verdict cmd_channels(struct request *request, struct parsed *parsed) {
    (void)parsed;
    char text[RENDER_MAX];
    struct telling telling = {.request = request};
    words_init(&telling.words, text, sizeof text);
    int status = channels_view(request->bot, request->lang, tell_channel, &telling);
    if (status < 0) return request_refuse(request, "内存不够。", "Out of memory.");
    if (telling.words.length == 0) return request_refuse(request, "没有打开的通道。", "No channel is enabled.");
    request_tell(request, text, 0, 0, NULL);
    return DONE;
}
