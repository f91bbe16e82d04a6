/* wecom_chat.c: see wecom_chat.h. */
#include "wecom_chat.h"
#include "service_url.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS (24 * 3600 * 1000LL)  /* a message may be answered so long */
#define EDIT_MS 3000                    /* between two updates of a stream */
#define STREAM_MS (5 * 60 * 1000LL)     /* we finish it then … */
#define STREAM_END_MS (6 * 60 * 1000LL) /* … before the service ends it */
#define PUSH_MS (10 * 60 * 1000LL)      /* report_every where none is configured */
#define MINUTE_BURST 18                 /* a conversation comes in bursts */
#define MINUTE_REFILL_MS 5500
#define HOUR_BURST 280
#define HOUR_REFILL_MS 5100
#define HOLD_MS 61000 /* after 45009 */
#define OFFER_ROOM 4  /* messages that must have room beside a card */

int64_t wecom_bucket_wait(const struct wecom_bucket *bucket, int64_t burst, int64_t refill_ms, int64_t now_ms) {
    int64_t wait_ms = bucket->full_ms - now_ms - (burst - 1) * refill_ms;
    return wait_ms > 0 ? wait_ms : 0;
}

void wecom_bucket_take(struct wecom_bucket *bucket, int64_t refill_ms, int64_t now_ms) {
    bucket->full_ms = (bucket->full_ms > now_ms ? bucket->full_ms : now_ms) + refill_ms;
}

/* ---- chats ---- */

static void chat_free(struct wecom_chat *chat) {
    free(chat->stream.text);
    free(chat->id);
    free(chat);
}

void wecom_chats_clear(struct wecom_chats *chats) {
    for (struct wecom_chat *chat = chats->first, *next; chat; chat = next) {
        next = chat->next;
        chat_free(chat);
    }
    *chats = (struct wecom_chats){0};
}

struct wecom_chat *wecom_chat_find(const struct wecom_chats *chats, const char *id) {
    for (struct wecom_chat *chat = chats->first; chat; chat = chat->next)
        if (strcmp(chat->id, id) == 0) return chat;
    return NULL;
}

/* The one longest unused that has no live stream. */
static void forget_one(struct wecom_chats *chats) {
    struct wecom_chat **victim = NULL;
    for (struct wecom_chat **at = &chats->first; *at; at = &(*at)->next)
        if (!(*at)->stream.live) victim = at;
    if (!victim) return;
    struct wecom_chat *chat = *victim;
    *victim = chat->next;
    chat_free(chat);
    chats->count--;
}

struct wecom_chat *wecom_chat_get(struct wecom_chats *chats, const char *id) {
    for (struct wecom_chat **at = &chats->first; *at; at = &(*at)->next) {
        struct wecom_chat *chat = *at;
        if (strcmp(chat->id, id) != 0) continue;
        *at = chat->next;
        chat->next = chats->first;
        return chats->first = chat;
    }
    struct wecom_chat *chat = calloc(1, sizeof *chat);
    if (!chat || !(chat->id = strdup(id))) {
        free(chat);
        return NULL;
    }
    if (chats->count >= WECOM_CHATS_MAX) forget_one(chats);
    chat->next = chats->first;
    chats->count++;
    return chats->first = chat;
}

void wecom_chat_heard(struct wecom_chat *chat, const char *req_id, int64_t now_ms) {
    snprintf(chat->req_id, sizeof chat->req_id, "%s", req_id);
    chat->heard_ms = now_ms;
    chat->unsure = false;
    wecom_chat_touched(chat);
}

void wecom_chat_touched(struct wecom_chat *chat) {
    chat->streams = true;
    chat->streams_until_ms = 0;
}

static bool heard_lately(const struct wecom_chat *chat, int64_t now_ms) {
    return chat->req_id[0] && now_ms - chat->heard_ms < service_ms(ANSWER_MS);
}

const char *wecom_chat_answers(const struct wecom_chat *chat, int64_t now_ms) {
    return heard_lately(chat, now_ms) && !chat->unsure ? chat->req_id : NULL;
}

int64_t wecom_chat_wait(const struct wecom_chat *chat, int64_t now_ms) {
    int64_t minute_ms = wecom_bucket_wait(&chat->minute, MINUTE_BURST, service_ms(MINUTE_REFILL_MS), now_ms);
    int64_t hour_ms = wecom_bucket_wait(&chat->hour, HOUR_BURST, service_ms(HOUR_REFILL_MS), now_ms);
    int64_t held_ms = chat->held_until_ms - now_ms, wait_ms = minute_ms > hour_ms ? minute_ms : hour_ms;
    return wait_ms > held_ms ? wait_ms : held_ms;
}

int64_t wecom_chat_hold_ms(void) {
    return service_ms(HOLD_MS);
}

void wecom_chat_hold(struct wecom_chat *chat, int64_t now_ms) {
    chat->held_until_ms = now_ms + wecom_chat_hold_ms();
}

bool wecom_chat_may_offer(const struct wecom_chat *chat, int64_t now_ms) {
    return chat->held_until_ms <= now_ms &&
           wecom_bucket_wait(&chat->minute, MINUTE_BURST - OFFER_ROOM, service_ms(MINUTE_REFILL_MS), now_ms) == 0 &&
           wecom_bucket_wait(&chat->hour, HOUR_BURST / 2, service_ms(HOUR_REFILL_MS), now_ms) == 0;
}

void wecom_chat_count(struct wecom_chat *chat, int64_t now_ms) {
    wecom_bucket_take(&chat->minute, service_ms(MINUTE_REFILL_MS), now_ms);
    wecom_bucket_take(&chat->hour, service_ms(HOUR_REFILL_MS), now_ms);
}

/* ---- progress ---- */

static enum wecom_step step_edit(const struct wecom_stream *stream, int64_t now_ms, int64_t *ret_wait_ms) {
    int64_t wait_ms = stream->updated_ms + service_ms(EDIT_MS) - now_ms;
    if (wait_ms <= 0) return WECOM_STEP_UPDATE;
    *ret_wait_ms = wait_ms;
    return WECOM_STEP_WAIT;
}

static bool may_open(const struct wecom_chat *chat, int64_t now_ms) {
    return !chat->stream.live && chat->streams && heard_lately(chat, now_ms) &&
           (chat->streams_until_ms == 0 || now_ms < chat->streams_until_ms);
}

static int64_t seen_ms(const struct wecom_chat *chat, int64_t run) {
    for (size_t i = 0; i < WECOM_PUSHED_MAX; i++)
        if (chat->pushed[i].run == run && chat->pushed[i].at_ms > 0) return chat->pushed[i].at_ms;
    return 0;
}

enum wecom_step wecom_progress_step(const struct wecom_chat *chat, int64_t run, const char *edit_of,
                                    int64_t report_every_ms, int64_t now_ms, int64_t *ret_wait_ms) {
    const struct wecom_stream *stream = &chat->stream;
    bool same = edit_of && strcmp(stream->id, edit_of) == 0;
    if (stream->live && (same || (!edit_of && stream->run == run))) return step_edit(stream, now_ms, ret_wait_ms);
    if (edit_of) return WECOM_STEP_GONE;
    if (may_open(chat, now_ms)) return WECOM_STEP_OPEN;
    int64_t every_ms = service_ms(report_every_ms > 0 ? report_every_ms : PUSH_MS), last_ms = seen_ms(chat, run);
    if (last_ms == 0 || now_ms - last_ms >= every_ms) return WECOM_STEP_PUSH;
    *ret_wait_ms = last_ms + every_ms - now_ms;
    return WECOM_STEP_WAIT;
}

void wecom_stream_opened(struct wecom_chat *chat, const char *id, int64_t run, char *text, int64_t now_ms) {
    struct wecom_stream *stream = &chat->stream;
    free(stream->text);
    *stream = (struct wecom_stream){
        .text = text, .run = run, .opened_ms = now_ms, .updated_ms = now_ms, .live = true, .unsure = true};
    snprintf(stream->id, sizeof stream->id, "%s", id);
    snprintf(stream->req_id, sizeof stream->req_id, "%s", chat->req_id);
    if (chat->streams_until_ms == 0) chat->streams_until_ms = now_ms + service_ms(STREAM_MS);
}

void wecom_stream_updated(struct wecom_chat *chat, char *text, int64_t now_ms) {
    free(chat->stream.text);
    chat->stream.text = text;
    chat->stream.updated_ms = now_ms;
}

void wecom_progress_seen(struct wecom_chat *chat, int64_t run, int64_t now_ms) {
    size_t oldest = 0;
    for (size_t i = 0; i < WECOM_PUSHED_MAX; i++) {
        if (chat->pushed[i].run == run) {
            oldest = i;
            break;
        }
        if (chat->pushed[i].at_ms < chat->pushed[oldest].at_ms) oldest = i;
    }
    chat->pushed[oldest].run = run;
    chat->pushed[oldest].at_ms = now_ms;
}

int64_t wecom_stream_due(const struct wecom_chat *chat) {
    return chat->stream.live ? chat->stream.opened_ms + service_ms(STREAM_MS) : INT64_MAX;
}

bool wecom_stream_can_finish(const struct wecom_chat *chat, int64_t now_ms) {
    return chat->stream.live && now_ms < chat->stream.opened_ms + service_ms(STREAM_END_MS);
}

void wecom_stream_over(struct wecom_chat *chat, int64_t now_ms) {
    if (!chat->stream.live) return;
    chat->stream.live = false;
    wecom_progress_seen(chat, chat->stream.run, now_ms);
    free(chat->stream.text);
    chat->stream.text = NULL;
}
