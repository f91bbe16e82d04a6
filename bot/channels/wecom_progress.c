/*
 * wecom_progress.c: progress: one message updated in place (a stream) after somebody wrote, pushes else. Always holds:
 * a stream that was opened is finished: after five minutes, before anything else is said of its run, when the bot
 * leaves, and again after a lost connection.
 */
#include "service_url.h"
#include "wecom_internal.h"
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_MS 5000 /* progress that waits */
#define ENDING_TRIES 3
#define ENDING_MS (6 * 60 * 1000LL) /* the service ends it then by itself */

/* ---- the end of a stream ---- */

static void ending_free(struct wecom_ending *ending) {
    struct wecom_ending **at = &ending->wecom->endings;
    while (*at && *at != ending)
        at = &(*at)->next;
    if (*at) *at = ending->next;
    free(ending->req_id);
    free(ending->id);
    free(ending->text);
    free(ending);
}

static void try_ending(struct wecom_ending *ending);

static void on_ended(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct wecom_ending *ending = user;
    struct wecom *wecom = ending->wecom;
    ending->under_way = false;
    if (fate == WECOM_ACKED) {
        if (ack->errcode != 0) wecom_log_refusal(wecom, "the end of a stream", ack);
        ending_free(ending);
    } else if (ending->tries >= ENDING_TRIES || wecom_mono_ms() >= ending->until_ms) {
        ending_free(ending);
    } else if (wecom_link_ready(wecom->link)) {
        try_ending(ending);
    }
    if (wecom->stopping) wecom_rearm(wecom);
}

static void try_ending(struct wecom_ending *ending) {
    struct wecom_content content = {.kind = WECOM_STREAM, .id = ending->id, .text = ending->text, .finish = true};
    struct wecom_out out = {.req_id = ending->req_id,
                            .text = wecom_encode_respond(ending->req_id, &content),
                            .wants_ack = true,
                            .done = on_ended,
                            .user = ending};
    ending->tries++;
    ending->under_way = out.text && wecom_link_send(ending->wecom->link, &out) == TB_OK;
}

void wecom_try_endings(struct wecom *wecom) {
    int64_t now_ms = wecom_mono_ms();
    for (struct wecom_ending *ending = wecom->endings, *next; ending; ending = next) {
        next = ending->next;
        if (ending->under_way) continue;
        if (now_ms >= ending->until_ms)
            ending_free(ending);
        else
            try_ending(ending);
    }
}

void wecom_forget_endings(struct wecom *wecom) {
    while (wecom->endings)
        ending_free(wecom->endings);
}

void wecom_finish_stream(struct wecom *wecom, struct wecom_chat *chat) {
    struct wecom_stream *stream = &chat->stream;
    int64_t now_ms = wecom_mono_ms();
    struct wecom_ending *ending = wecom_stream_can_finish(chat, now_ms) ? calloc(1, sizeof *ending) : NULL;
    if (ending) {
        ending->wecom = wecom;
        ending->until_ms = stream->opened_ms + service_ms(ENDING_MS);
        ending->req_id = strdup(stream->req_id);
        ending->id = strdup(stream->id);
        ending->text = stream->text;
        stream->text = NULL;
        ending->next = wecom->endings;
        wecom->endings = ending;
        if (ending->req_id && ending->id && ending->text)
            try_ending(ending);
        else
            ending_free(ending);
    }
    wecom_stream_over(chat, now_ms);
    wecom_rearm(wecom);
}

void wecom_finish_due(struct wecom *wecom, int64_t now_ms) {
    for (struct wecom_chat *chat = wecom->chats.first; chat; chat = chat->next)
        if (wecom_stream_due(chat) <= now_ms) wecom_finish_stream(wecom, chat);
}

void wecom_finish_all(struct wecom *wecom) {
    for (struct wecom_chat *chat = wecom->chats.first; chat; chat = chat->next)
        if (chat->stream.live) wecom_finish_stream(wecom, chat);
}

/* ---- its beginning and its updates ---- */

/* The stream of this job, where it is still the live one. */
static struct wecom_chat *chat_of_stream(const struct wecom_job *job) {
    struct wecom_chat *chat = wecom_chat_find(&job->wecom->chats, job->chat);
    return chat && chat->stream.live && strcmp(chat->stream.id, job->stream) == 0 ? chat : NULL;
}

static struct sent stream_failed(struct wecom_job *job, struct wecom_chat *chat, const struct wecom_frame *ack) {
    enum wecom_verdict verdict = wecom_verdict(ack->errcode, ack->errmsg);
    bool gone = verdict == WECOM_BAD_REQUEST || verdict == WECOM_STREAM_GONE;
    if (verdict == WECOM_BAD_REQUEST && chat && strcmp(chat->req_id, chat->stream.req_id) == 0) chat->req_id[0] = 0;
    if (chat && (gone || job->kind == WECOM_JOB_OPEN)) {
        chat->stream.live = false; /* nothing stands there that had to be finished */
        wecom_rearm(job->wecom);
    }
    if (gone) return (struct sent){.status = SENT_RETRY, .edit_gone = true, .retry_ms = 1};
    return wecom_failed(job->wecom, job->chat, ack);
}

static void on_shown(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct wecom_job *job = user;
    struct wecom_chat *chat = chat_of_stream(job);
    struct sent sent = {.status = SENT_OK, .service_id = job->stream};
    if (fate == WECOM_UNSENT || fate == WECOM_UNANSWERED) {
        /* The same text for the same id shows the same, however often: it is safe to say it again. Never written, the
         * first frame has shown nothing. */
        if (chat && fate == WECOM_UNSENT && job->kind == WECOM_JOB_OPEN) chat->stream.live = false;
        if (chat && fate == WECOM_UNANSWERED && strcmp(chat->req_id, chat->stream.req_id) == 0) chat->unsure = true;
        sent = wecom_down();
        sent.service_down = !wecom_link_ready(job->wecom->link);
    } else if (fate == WECOM_ACKED && ack->errcode != 0) {
        sent = stream_failed(job, chat, ack);
    }
    if (chat) chat->stream.unsure = sent.status != SENT_OK;
    wecom_job_done(job, &sent);
}

static void send_stream(struct wecom_job *job, struct wecom_chat *chat) {
    struct wecom *wecom = job->wecom;
    struct wecom_stream *stream = &chat->stream;
    struct wecom_content content = {.kind = WECOM_STREAM, .id = stream->id, .text = stream->text};
    struct wecom_out out = {.req_id = stream->req_id,
                            .text = wecom_encode_respond(stream->req_id, &content),
                            .stream = stream->id,
                            .wants_ack = true,
                            .done = on_shown,
                            .user = job};
    struct sent down = wecom_down();
    snprintf(job->stream, sizeof job->stream, "%s", stream->id);
    if (out.text && wecom_link_send(wecom->link, &out) == TB_OK) return;
    if (job->kind == WECOM_JOB_OPEN) stream->live = false;
    wecom_job_done(job, &down);
}

static void open_stream(struct wecom_job *job, struct wecom_chat *chat) {
    unsigned char random[8];
    char id[WECOM_STREAM_ID_MAX];
    (void)!RAND_bytes(random, sizeof random);
    snprintf(id, sizeof id, "st_%02x%02x%02x%02x%02x%02x%02x%02x", random[0], random[1], random[2], random[3],
             random[4], random[5], random[6], random[7]);
    int64_t now_ms = wecom_mono_ms();
    wecom_stream_opened(chat, id, job->run, job->text, now_ms);
    job->text = NULL;
    wecom_chat_count(chat, now_ms);
    wecom_rearm(job->wecom);
    send_stream(job, chat);
}

static void update_stream(struct wecom_job *job, struct wecom_chat *chat) {
    struct sent same = {.status = SENT_OK, .service_id = job->stream};
    bool stands = !chat->stream.unsure && chat->stream.text && strcmp(chat->stream.text, job->text) == 0;
    snprintf(job->stream, sizeof job->stream, "%s", chat->stream.id);
    if (stands) {
        wecom_job_done(job, &same);
        return;
    }
    wecom_stream_updated(chat, job->text, wecom_mono_ms());
    job->text = NULL;
    send_stream(job, chat);
}

void wecom_send_progress(struct wecom *wecom, const struct outgoing *message) {
    struct wecom_chat *chat = wecom_chat_of_id(wecom, message->chat);
    int64_t wait_ms = 0, now_ms = wecom_mono_ms();
    enum wecom_step step =
        wecom_progress_step(chat, message->run, message->edit_of, wecom->report_every_ms, now_ms, &wait_ms);
    if (message->edit_only && step != WECOM_STEP_UPDATE) { /* what stands there was finished with its last figures */
        const struct sent stays = {.status = SENT_OK, .service_id = message->edit_of};
        outbox_done(wecom->channel.bot, message->message, &stays);
        return;
    }
    if (step == WECOM_STEP_OPEN || step == WECOM_STEP_PUSH) wait_ms = wecom_held(wecom, chat);
    /* asked for again before that: a message from the person allows a stream at once */
    if (wait_ms > service_ms(LOOK_AGAIN_MS)) wait_ms = service_ms(LOOK_AGAIN_MS);
    if (wait_ms > 0 || step == WECOM_STEP_GONE) {
        struct sent later = {.status = SENT_RETRY,
                             .retry_ms = wait_ms > 0 ? wait_ms : 1,
                             .edit_gone = step == WECOM_STEP_GONE};
        outbox_done(wecom->channel.bot, message->message, &later);
        return;
    }
    enum wecom_job_kind kind = step == WECOM_STEP_OPEN     ? WECOM_JOB_OPEN
                               : step == WECOM_STEP_UPDATE ? WECOM_JOB_UPDATE
                                                           : WECOM_JOB_PUSH;
    struct wecom_job *job = wecom_job_create(wecom, kind, message);
    struct sent down = wecom_down();
    if (!job) {
        outbox_done(wecom->channel.bot, message->message, &down);
    } else if (kind == WECOM_JOB_OPEN) {
        open_stream(job, chat);
    } else if (kind == WECOM_JOB_UPDATE) {
        update_stream(job, chat);
    } else {
        job->push = true;
        wecom_job_send(job);
    }
}
