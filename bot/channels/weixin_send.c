/*
 * weixin_send.c: one message, one sendmessage; a picture is uploaded before. Always holds: each message that core
 * handed over has exactly one outcome (but when the bot stops); a repeated one has the same client_id, and the same
 * upload; what may have reached the service is never called unsent.
 */
#include "service_url.h"
#include "weixin_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The service refuses a message without saying for good: it is tried again so often and so long, then it counts as
 * refused, so that one message it can never take does not hold up all that follow. */
#define TROUBLE_TRIES 8
#define TROUBLE_MS 600000
#define LIMITED_MS 30000 /* HTTP 429 */
#define KEPT_MS 3600000  /* how long an upload may be named again; how long the service keeps it is not known */

struct weixin_send {
    struct weixin *weixin;
    int64_t message, login;
    char *chat, *text, client_id[64];
    struct http_call *call;
    struct weixin_upload *upload;
    struct weixin_media media;
    struct weixin_send *next, **at;
};

static void send_free(struct weixin_send *send) {
    *send->at = send->next;
    if (send->next) send->next->at = send->at;
    weixin_media_clear(&send->media);
    free(send->chat);
    free(send->text);
    free(send);
}

/* ---- pictures that may be named again ---- */

static void keep_media(struct weixin_send *send) {
    struct weixin *weixin = send->weixin;
    if (!send->media.param) return;
    struct weixin_kept *kept = &weixin->kept[weixin->kept_at++ % WEIXIN_MEDIA_KEPT];
    weixin_media_clear(&kept->media);
    *kept =
        (struct weixin_kept){.message = send->message, .at_ms = (int64_t)uv_now(weixin->loop), .media = send->media};
    send->media = (struct weixin_media){.param = NULL};
}

static bool take_media(struct weixin_send *send) {
    for (size_t i = 0; i < WEIXIN_MEDIA_KEPT; i++) {
        struct weixin_kept *kept = &send->weixin->kept[i];
        if (!kept->media.param || kept->message != send->message) continue;
        if ((int64_t)uv_now(send->weixin->loop) - kept->at_ms > service_ms(KEPT_MS)) return false;
        send->media = kept->media;
        *kept = (struct weixin_kept){.message = 0};
        return true;
    }
    return false;
}

void weixin_media_forget(struct weixin *weixin) {
    for (size_t i = 0; i < WEIXIN_MEDIA_KEPT; i++)
        weixin_media_clear(&weixin->kept[i].media);
}

/* ---- outcomes ---- */

static void done(struct weixin_send *send, const struct sent *sent) {
    struct weixin *weixin = send->weixin;
    int64_t message = send->message;
    if (sent->status == SENT_RETRY || sent->status == SENT_UNCERTAIN) keep_media(send);
    send_free(send);
    outbox_done(weixin->channel.bot, message, sent);
}

static void done_simple(struct weixin_send *send, enum sent_status status, const char *why) {
    struct sent sent = {.status = status, .why = why};
    done(send, &sent);
}

static void trouble_forget(struct weixin *weixin, int64_t message) {
    for (size_t i = 0; i < WEIXIN_TROUBLES; i++)
        if (weixin->troubles[i].count && weixin->troubles[i].message == message)
            weixin->troubles[i] = (struct weixin_trouble){.count = 0};
}

/* Whether it was refused often and long enough. */
static bool trouble_ends(struct weixin *weixin, int64_t message) {
    int64_t now_ms = (int64_t)uv_now(weixin->loop);
    struct weixin_trouble *slot = NULL, *oldest = &weixin->troubles[0];
    for (size_t i = 0; i < WEIXIN_TROUBLES; i++) {
        struct weixin_trouble *trouble = &weixin->troubles[i];
        if (trouble->count && trouble->message == message) slot = trouble;
        if (!trouble->count || (oldest->count && trouble->first_ms < oldest->first_ms)) oldest = trouble;
    }
    if (!slot) {
        slot = oldest;
        *slot = (struct weixin_trouble){.message = message, .first_ms = now_ms};
    }
    slot->count++;
    return slot->count >= TROUBLE_TRIES && now_ms - slot->first_ms >= service_ms(TROUBLE_MS);
}

static void refused(struct weixin_send *send, const char *where, const char *why) {
    struct weixin *weixin = send->weixin;
    bool picture = !send->text;
    weixin_note_odd(weixin, where, why);
    if (!trouble_ends(weixin, send->message)) {
        done_simple(send, SENT_RETRY, why);
        return;
    }
    trouble_forget(weixin, send->message);
    done_simple(send, picture ? SENT_NO_IMAGE : SENT_REFUSED, why);
}

static void dead(struct weixin_send *send, const char *why) {
    struct weixin *weixin = send->weixin;
    bool ours = send->login == weixin->logins;
    done_simple(send, SENT_RETRY, why);
    if (ours) weixin_poll_dead(weixin); /* else it was said of an earlier token */
}

static void take_sent(struct weixin_send *send, const struct weixin_sent *answer) {
    struct weixin *weixin = send->weixin;
    char why[160];
    snprintf(why, sizeof why, "sendmessage: %lld %s", (long long)answer->verdict.code, answer->verdict.errmsg);
    if (answer->verdict.code == WEIXIN_CODE_CLOSED)
        done_simple(send, SENT_CLOSED, why);
    else if (answer->verdict.code == WEIXIN_CODE_DEAD)
        dead(send, why);
    else if (answer->verdict.code != 0)
        refused(send, "sendmessage", why);
    else {
        bot_log(weixin->channel.bot, 3, "weixin: message %lld was accepted, %s", (long long)send->message,
                answer->id[0] ? answer->id : "no message_id came back");
        trouble_forget(weixin, send->message);
        struct sent sent = {.status = SENT_OK, .service_id = answer->id[0] ? answer->id : NULL};
        done(send, &sent);
    }
}

/* Not 2xx. What the edge says (5xx) does not tell whether the service behind it took the message. */
static void take_status(struct weixin_send *send, int status) {
    char why[64];
    snprintf(why, sizeof why, "sendmessage: HTTP %d", status);
    struct sent limited = {.status = SENT_RETRY, .retry_ms = LIMITED_MS, .why = why};
    if (status == 401)
        dead(send, why);
    else if (status == 429)
        done(send, &limited);
    else if (status >= 500)
        done_simple(send, SENT_UNCERTAIN, why);
    else
        refused(send, "sendmessage", why);
}

static void on_sent(void *user, const struct http_answer *answer) {
    struct weixin_send *send = user;
    struct weixin_sent sent;
    struct weixin_odd odd = {{0}};
    send->call = NULL;
    if (answer->reached == HTTP_NOT_SENT) {
        struct sent down = {.status = SENT_RETRY, .service_down = true, .why = answer->why};
        done(send, &down);
    } else if (answer->reached == HTTP_UNCERTAIN) {
        done_simple(send, SENT_UNCERTAIN, answer->why);
    } else if (answer->status < 200 || answer->status > 299) {
        take_status(send, answer->status);
    } else {
        int status = answer->too_large ? TB_EINVAL : weixin_decode_sent(answer->body, answer->size, &sent, &odd);
        if (answer->too_large) weixin_odd_set(&odd, "body: too large");
        if (odd.text[0]) weixin_note_odd(send->weixin, "sendmessage", odd.text);
        if (status < 0)
            done_simple(send, SENT_UNCERTAIN, "sendmessage: a malformed answer");
        else
            take_sent(send, &sent);
    }
}

/* ---- on the way ---- */

static void send_now(struct weixin_send *send) {
    struct weixin *weixin = send->weixin;
    char *token = weixin_context_get(weixin, send->chat);
    if (!token) {
        done_simple(send, SENT_CLOSED, "this person has not written yet");
        return;
    }
    struct weixin_send_body body = {.to = send->chat,
                                    .client_id = send->client_id,
                                    .context_token = token,
                                    .text = send->text,
                                    .encrypt_query_param = send->media.param,
                                    .aeskey_hex = send->media.aeskey_hex,
                                    .cipher_bytes = send->media.cipher_bytes};
    struct weixin_request request = {.path = "sendmessage",
                                     .body = weixin_encode_send(weixin->client_version, &body),
                                     .once = true,
                                     .timeout_ms = weixin_limit_ms(WEIXIN_SEND_MS)};
    int status = weixin_request_start(&weixin->api, &request, on_sent, send, &send->call);
    weixin_context_free(token);
    if (status < 0) done_simple(send, SENT_RETRY, tb_error_text(status));
}

static void on_uploaded(void *user, const struct weixin_upload_result *result) {
    struct weixin_send *send = user;
    struct sent down = {.status = SENT_RETRY, .service_down = true, .why = result->why};
    send->upload = NULL;
    if (result->odd[0]) weixin_note_odd(send->weixin, "picture", result->odd);
    switch (result->outcome) {
    case WEIXIN_UPLOADED:
        send->media = *result->media;
        *result->media = (struct weixin_media){.param = NULL};
        send_now(send);
        break;
    case WEIXIN_UPLOAD_NEVER:
        weixin_note_odd(send->weixin, "picture", result->why);
        done_simple(send, SENT_NO_IMAGE, result->why);
        break;
    case WEIXIN_UPLOAD_RETRY:
        refused(send, "picture", result->why);
        break;
    case WEIXIN_UPLOAD_DOWN:
        done(send, &down);
        break;
    case WEIXIN_UPLOAD_DEAD:
        dead(send, result->why);
        break;
    }
}

static void upload(struct weixin_send *send, const char *path) {
    struct weixin *weixin = send->weixin;
    struct weixin_upload_options options = {.loop = weixin->loop,
                                            .api = &weixin->api,
                                            .client_version = weixin->client_version,
                                            .cdn_base_url = weixin->cdn_base_url,
                                            .base_is_loopback = weixin->loopback,
                                            .to = send->chat,
                                            .path = path,
                                            .done = on_uploaded,
                                            .user = send,
                                            .released = weixin_released,
                                            .released_user = weixin};
    int status = weixin_upload_start(&options, &send->upload);
    if (status == TB_OK) {
        weixin->handles++;
        return;
    }
    char why[120];
    snprintf(why, sizeof why, "the picture cannot be read: %s", tb_error_text(status));
    done_simple(send, status == TB_ENOMEM ? SENT_RETRY : SENT_NO_IMAGE, why);
}

void weixin_send(struct channel *channel, const struct outgoing *message) {
    struct weixin *weixin = (struct weixin *)channel;
    struct weixin_send *send = calloc(1, sizeof *send);
    char *chat = strdup(message->chat), *text = message->image_path ? NULL : weixin_clean_text(message->text);
    if (!send || !chat || (!message->image_path && !text)) {
        struct sent sent = {.status = SENT_RETRY, .why = tb_error_text(TB_ENOMEM)};
        free(send);
        free(chat);
        free(text);
        outbox_done(channel->bot, message->message, &sent);
        return;
    }
    *send = (struct weixin_send){.weixin = weixin,
                                 .message = message->message,
                                 .login = weixin->logins,
                                 .chat = chat,
                                 .text = text,
                                 .next = weixin->sends,
                                 .at = &weixin->sends};
    if (send->next) send->next->at = &send->next;
    weixin->sends = send;
    weixin_client_id(message->created_ms, message->key ? message->key : "", send->client_id, sizeof send->client_id);
    if (!weixin->bound)
        done_simple(send, SENT_RETRY, "nobody is logged in");
    else if (text && !text[strspn(text, " \t\n")])
        done_simple(send, SENT_REFUSED, "an empty text");
    else if (text || take_media(send))
        send_now(send);
    else
        upload(send, message->image_path);
}

void weixin_send_end(struct weixin *weixin) {
    while (weixin->sends) {
        http_call_cancel(weixin->sends->call);
        if (weixin->sends->upload) weixin_upload_cancel(weixin->sends->upload);
        send_free(weixin->sends);
    }
    weixin_media_forget(weixin);
}
