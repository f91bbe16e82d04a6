/*
 * wecom_send.c: one message of core's: as an answer to the chat's newest message while that may be answered, else
 * pushed. Always holds: outbox_done is called once for each message, unless the channel is being stopped.
 */
#include "service_url.h"
#include "wecom_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- jobs ---- */

static bool copy(char **to, const char *from) {
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

char *wecom_content_text(const char *text) {
    bool seen = false;
    for (const char *at = text; *at && !seen; at++)
        seen = (unsigned char)*at > ' ';
    return wecom_markdown(seen ? text : "…", WECOM_CONTENT_MAX);
}

struct wecom_job *wecom_job_create(struct wecom *wecom, enum wecom_job_kind kind, const struct outgoing *message) {
    struct wecom_job *job = calloc(1, sizeof *job);
    bool offers =
        message->buttons && (message->message_class == MESSAGE_REPLY || message->message_class == MESSAGE_ALERT);
    char title[128] = "";
    if (!job) return NULL;
    job->wecom = wecom;
    job->kind = kind;
    job->message = message->message;
    job->run = message->run;
    job->at = &job->next; /* not in the list yet */
    if (offers) wecom_title(message->text ? message->text : "", 26, title, sizeof title);
    bool good = copy(&job->chat, message->chat) && copy(&job->buttons, offers ? message->buttons : NULL) &&
                copy(&job->title, offers ? title : NULL);
    if (kind != WECOM_JOB_IMAGE) job->text = wecom_content_text(message->text ? message->text : "");
    job->next = wecom->jobs;
    if (job->next) job->next->at = &job->next;
    job->at = &wecom->jobs;
    wecom->jobs = job;
    if (good && (job->text || kind == WECOM_JOB_IMAGE)) return job;
    wecom_job_free(job);
    return NULL;
}

void wecom_job_free(struct wecom_job *job) {
    *job->at = job->next;
    if (job->next) job->next->at = job->at;
    wecom_upload_free(job->upload);
    free(job->media_id);
    free(job->buttons);
    free(job->title);
    free(job->chat);
    free(job->text);
    free(job);
}

void wecom_job_done(struct wecom_job *job, const struct sent *sent) {
    struct wecom *wecom = job->wecom;
    if (wecom->goodbye_chat && strcmp(wecom->goodbye_chat, job->chat) == 0) {
        wecom->goodbye_due_ms = 0; /* in a turn of its own */
        wecom_rearm(wecom);
    }
    if (!wecom->stopping) outbox_done(wecom->channel.bot, job->message, sent);
    wecom_job_free(job);
}

/* ---- outcomes ---- */

struct sent wecom_down(void) {
    return (struct sent){.status = SENT_RETRY, .service_down = true};
}

struct sent wecom_failed(struct wecom *wecom, const char *chat_id, const struct wecom_frame *ack) {
    static char why[64]; /* borrowed by outbox_done until it returns */
    struct wecom_chat *chat = wecom_chat_find(&wecom->chats, chat_id);
    snprintf(why, sizeof why, "errcode %lld", (long long)ack->errcode);
    wecom_log_refusal(wecom, "a message", ack);
    switch (wecom_verdict(ack->errcode, ack->errmsg)) {
    case WECOM_CHAT_CLOSED:
        return (struct sent){.status = SENT_CLOSED, .why = why};
    case WECOM_LIMIT:
        if (chat) wecom_chat_hold(chat, wecom_mono_ms());
        return (struct sent){.status = SENT_RETRY, .retry_ms = wecom_chat_hold_ms(), .chat_held = true, .why = why};
    case WECOM_BUSY:
        return (struct sent){.status = SENT_RETRY, .why = why};
    default:
        return (struct sent){.status = SENT_REFUSED, .why = why};
    }
}

int64_t wecom_held(struct wecom *wecom, const struct wecom_chat *chat) {
    (void)wecom;
    return wecom_chat_wait(chat, wecom_mono_ms());
}

/* ---- sending ---- */

static void on_answer(void *user, enum wecom_fate fate, const struct wecom_frame *ack) {
    struct wecom_job *job = user;
    struct wecom *wecom = job->wecom;
    struct wecom_chat *chat = wecom_chat_find(&wecom->chats, job->chat);
    bool newest = chat && job->answers[0] && strcmp(chat->req_id, job->answers) == 0;
    struct sent sent = {.status = SENT_OK, .service_id = job->kind == WECOM_JOB_PUSH ? "" : NULL};
    if (fate == WECOM_ACKED && wecom_verdict(ack->errcode, ack->errmsg) == WECOM_BAD_REQUEST && job->answers[0]) {
        if (newest) chat->req_id[0] = 0;
        job->push = true;
        wecom_job_send(job);
        return;
    }
    if (fate == WECOM_UNSENT) sent = wecom_down();
    if (fate == WECOM_UNANSWERED) {
        if (newest) chat->unsure = true;
        sent = (struct sent){.status = SENT_UNCERTAIN, .why = "no acknowledgement"};
    }
    if (fate == WECOM_ACKED && ack->errcode != 0) sent = wecom_failed(wecom, job->chat, ack);
    if (sent.status == SENT_OK && job->kind == WECOM_JOB_PUSH && chat)
        wecom_progress_seen(chat, job->run, wecom_mono_ms());
    if (sent.status == SENT_OK && job->buttons) wecom_offer_card(job);
    wecom_job_done(job, &sent);
}

static struct wecom_content content_of(const struct wecom_job *job) {
    if (job->kind == WECOM_JOB_IMAGE)
        return (struct wecom_content){.kind = job->media_image ? WECOM_IMAGE : WECOM_FILE, .id = job->media_id};
    return (struct wecom_content){.kind = WECOM_MARKDOWN, .text = job->text};
}

void wecom_job_send(struct wecom_job *job) {
    struct wecom *wecom = job->wecom;
    struct wecom_chat *chat = wecom_chat_of_id(wecom, job->chat);
    struct wecom_content content = content_of(job);
    struct sent down = wecom_down();
    int64_t now_ms = wecom_mono_ms();
    const char *answers = chat && !job->push ? wecom_chat_answers(chat, now_ms) : NULL;
    char req_id[WECOM_REQ_ID_MAX];
    struct wecom_out out = {.wants_ack = true, .done = on_answer, .user = job};
    snprintf(job->answers, sizeof job->answers, "%s", answers ? answers : "");
    if (answers) {
        out.req_id = job->answers;
        out.text = wecom_encode_respond(job->answers, &content);
    } else if (chat) {
        wecom_link_req_id(wecom->link, "aibot_send_msg", req_id, sizeof req_id);
        out.req_id = req_id;
        out.text = wecom_encode_send(req_id, job->chat, wecom_is_group_chat(wecom, chat), &content);
    }
    if (!out.text || wecom_link_send(wecom->link, &out) < 0) {
        wecom_job_done(job, &down);
        return;
    }
    wecom_chat_count(chat, now_ms);
}

static void send_message(struct wecom *wecom, const struct outgoing *message) {
    struct wecom_chat *chat = wecom_chat_of_id(wecom, message->chat);
    bool image = message->image_path != NULL;
    struct wecom_job *job = chat ? wecom_job_create(wecom, image ? WECOM_JOB_IMAGE : WECOM_JOB_TEXT, message) : NULL;
    struct sent down = wecom_down();
    if (!job) {
        outbox_done(wecom->channel.bot, message->message, &down);
        return;
    }
    /* What is said of a run stands below what its progress has come to. */
    if (chat->stream.live && message->run && chat->stream.run == message->run) wecom_finish_stream(wecom, chat);
    if (image)
        wecom_upload_begin(job, message->image_path, message->image_mime ? message->image_mime : "");
    else
        wecom_job_send(job);
}

void wecom_send(struct channel *channel, const struct outgoing *message) {
    struct wecom *wecom = (struct wecom *)channel;
    struct wecom_chat *chat =
        wecom->link && wecom_link_ready(wecom->link) ? wecom_chat_of_id(wecom, message->chat) : NULL;
    struct sent sent = wecom_down();
    if (!chat) {
        outbox_done(channel->bot, message->message, &sent);
        return;
    }
    if (message->message_class == MESSAGE_PROGRESS && !message->image_path) {
        wecom_send_progress(wecom, message);
        return;
    }
    int64_t wait_ms = wecom_held(wecom, chat);
    if (wait_ms > 0) {
        sent = (struct sent){.status = SENT_RETRY, .retry_ms = wait_ms};
        outbox_done(channel->bot, message->message, &sent);
        return;
    }
    send_message(wecom, message);
}
