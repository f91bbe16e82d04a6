/*
 * render_delivery.h: the words about delivery itself: channels by the names people use, a lost channel, what may still
 * be sent, where a picture is. Pure.
 */
#ifndef TRAINBOT_RENDER_DELIVERY_H
#define TRAINBOT_RENDER_DELIVERY_H

#include "fact.h"
#include "words.h"

/* "weixin" → 微信, WeChat; a name that is not known stays as it is (borrowed). */
const char *channel_said(const char *name, enum lang lang);
/* What stands between such a name and Chinese words beside it: a blank for a name in Latin letters, else "". */
const char *channel_gap(const char *said);
/* FACT_CHANNEL_LOST, FACT_CHANNEL_BACK */
void render_channel_fact(struct words *words, const struct fact *fact, enum lang lang);
/* "(微信只许我再发 3 条,…)"; left 0: this is the last one. Returns the length. */
size_t render_left(const char *channel, int64_t left, enum lang lang, char *text, size_t size);
/* Where a picture is that could not be sent. */
const char *render_on_page(enum lang lang);

#endif
