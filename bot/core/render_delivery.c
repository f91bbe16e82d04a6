/* render_delivery.c: see render_delivery.h. */
#include "render_delivery.h"
#include "render.h"
#include "said.h"
#include <string.h>

static const struct {
    const char *name, *zh, *en;
} channels[] = {
    {"weixin", "微信", "WeChat"}, {"wecom", "企业微信", "WeCom"},     {"telegram", "Telegram", "Telegram"},
    {"web", "网页", "the page"},  {"console", "终端", "the console"},
};

const char *channel_said(const char *name, enum lang lang) {
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        if (strcmp(channels[i].name, name) == 0) return lang == LANG_ZH ? channels[i].zh : channels[i].en;
    return name;
}

const char *channel_gap(const char *said) {
    return (unsigned char)said[0] < 0x80 ? " " : "";
}

void render_channel_fact(struct words *words, const struct fact *fact, enum lang lang) {
    bool zh = lang == LANG_ZH;
    const char *name = channel_said(fact->channel, lang), *gap = zh ? channel_gap(name) : "";
    if (fact->kind == FACT_CHANNEL_BACK) {
        words_add(words, zh ? "%s%s又连上了,等着的消息接着发。" : "%s%s is back; what waited there leaves now.", name,
                  gap);
        return;
    }
    words_add(words, zh ? "⚠ %s%s掉线了" : "⚠ %s%s is logged out", name, gap);
    if (fact->text && fact->text[0]) {
        words_add(words, zh ? ":" : ": ");
        words_add_said(words, fact->text, 300, lang);
    } else {
        words_add(words, zh ? "。" : ".");
    }
}

size_t render_left(const char *channel, int64_t left, enum lang lang, char *text, size_t size) {
    struct words words;
    words_init(&words, text, size);
    bool zh = lang == LANG_ZH;
    const char *name = channel_said(channel, lang);
    if (left > 0)
        words_add(&words,
                  zh ? "(%s只许我再发 %lld 条,留给告警;你随便回一个字,我就能继续报告。)"
                     : "(%s lets me send %lld more, kept for alerts; answer anything and I go on reporting.)",
                  name, (long long)left);
    else
        words_add(&words,
                  zh ? "(%s不许我再发了,这是最后一条;你随便回一个字,我就能继续报告。)"
                     : "(%s lets me send no more, this is the last one; answer anything and I go on reporting.)",
                  name);
    return words.length;
}

const char *render_on_page(enum lang lang) {
    return lang == LANG_ZH ? "(图在网页上)" : "(the picture is on the page)";
}
